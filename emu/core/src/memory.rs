//! What the core needs of a memory: the accesses of instructions, which are `hexagon_isa`'s [`Memory`], and code. All fault
//! instead of failing.

use std::num::NonZeroU64;
use std::sync::Weak;
use std::sync::atomic::AtomicU64;

use hexagon_isa::Opcode;
use hexagon_isa::interp::Exec;
use hexagon_isa::memory::{Fault, Refused};

pub use hexagon_isa::memory::Memory;

use super::code_changes::CodeChanges;
use super::host::VectorUnit;

/// What kind of access was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Data load.
    Read,
    /// Data store.
    Write,
    /// Instruction fetch.
    Execute,
}

/// Why an access could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Nothing is mapped there.
    Unmapped,
    /// Mapped, but not for this kind of access.
    Permission,
    /// The address is not a multiple of the access size.
    Misaligned,
    /// The page is mapped through the SMMU and the SMMU refused the translation (the context fault is recorded there).
    Smmu,
    /// The SMMU's output address is not guest RAM.
    Bus,
}

/// A data or fetch access that faulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{access:?} of {va:#010x}: {kind:?}")]
pub struct MemFault {
    /// DSP virtual address.
    pub va: u32,
    /// What was tried.
    pub access: Access,
    /// Why it failed.
    pub kind: FaultKind,
}

/// A memory that code is fetched from. Accesses up to 8 bytes are single-copy atomic.
pub trait CodeMemory: Memory<Fault = FaultWord> + Sized {
    /// Fetches one instruction word (needs execute permission).
    fn fetch32(&self, va: u32) -> Result<u32, FaultWord>;
    /// An instruction word, if it is at hand: without asking anybody, so that a look at code that may never run is seen nowhere.
    fn code_at_hand(&self, va: u32) -> Option<u32> {
        self.fetch32(va).ok()
    }
    /// Changes whenever code may have: an executable mapping did, or somebody said so.
    fn code_epoch(&self) -> u64;
    /// Which code changed since an epoch, and the epoch that is now.
    fn code_changes(&self, since: u64) -> (u64, CodeChanges) {
        let _ = since;
        (self.code_epoch(), CodeChanges::Everything)
    }
    /// Its code for another thread, which may hold on to this while the memory goes; `None` if it cannot be shared.
    fn code_view(&self) -> Option<Weak<dyn CodeView>> {
        None
    }
    /// Where the entries of its pages are, a word each for 4 GiB, for code that accesses them without it
    /// ([`mem::entry`](crate::mem::entry)); `None` if it has no such table. It stays there as long as the memory does.
    fn page_table(&self) -> Option<*const AtomicU64> {
        None
    }
    /// Where 4 GiB begin in which pages of its own stand at their addresses, and in front of which a byte for each page says what may be done
    /// there at once ([`mem::RIGHTS`](crate::mem::RIGHTS)); `None` if it has none. It stays there as long as the memory does.
    fn window(&self) -> Option<*const u8> {
        None
    }
    /// Where 4 GiB begin in which pages of its own stand at their addresses once more, and in which the host itself raises SIGSEGV for
    /// whatever is not allowed; `None` if it has none. It stays there as long as the memory does.
    fn guarded_window(&self) -> Option<*const u8> {
        None
    }
    /// The function of an instruction on this memory; `None` if it has no meaning. A memory that crates above use says so itself:
    /// the instructions are then compiled once, with the memory, and not in each of those crates.
    fn function(vectors: VectorUnit, op: Opcode) -> Option<Exec<Self>> {
        vectors.exec(op)
    }
}

/// Code of a memory, as other threads look at it.
pub trait CodeView: Send + Sync {
    /// [`CodeMemory::code_at_hand`].
    fn code_at_hand(&self, va: u32) -> Option<u32>;
}

/// What an instruction can fail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An access faulted.
    Memory(MemFault),
    /// A stack frame at this address is below FRAMELIMIT.
    FrameLimit(u32),
    /// The instruction does something, with these operands, that is not built.
    Refused(Refused),
}

/// A [`Cause`] in one word that is not zero: whether an instruction's function failed is one test of a host register.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct FaultWord(NonZeroU64);

const ACCESSES: [Access; 3] = [Access::Read, Access::Write, Access::Execute];
const KINDS: [FaultKind; 5] = [
    FaultKind::Unmapped,
    FaultKind::Permission,
    FaultKind::Misaligned,
    FaultKind::Smmu,
    FaultKind::Bus,
];

/// Kind of [`Cause::Refused`].
const REFUSED: u64 = 0xff;

impl FaultWord {
    /// One more than: bits 0.. the address, bits 40.. the kind of fault (0: below FRAMELIMIT, [`REFUSED`]: the address is what was
    /// asked), bits 48.. the access.
    #[cold]
    #[inline(never)]
    fn new(cause: Cause) -> FaultWord {
        let (va, kind, access) = match cause {
            Cause::Memory(f) => (f.va, f.kind as u64 + 1, f.access as u64),
            Cause::FrameLimit(va) => (va, 0, 0),
            Cause::Refused(what) => (what as u32, REFUSED, 0),
        };
        FaultWord(NonZeroU64::MIN.saturating_add(u64::from(va) | kind << 40 | access << 48))
    }

    /// What it was.
    pub fn cause(self) -> Cause {
        let bits = self.0.get() - 1;
        let va = bits as u32;
        let kind = bits >> 40 & 0xff;
        if let (REFUSED, Some(what)) = (kind, Refused::ALL.get(va as usize)) {
            return Cause::Refused(*what);
        }
        let kind = kind.checked_sub(1).and_then(|k| KINDS.get(k as usize));
        match (kind, ACCESSES.get((bits >> 48) as usize)) {
            (Some(&kind), Some(&access)) => Cause::Memory(MemFault { va, access, kind }),
            _ => Cause::FrameLimit(va),
        }
    }
}

impl std::fmt::Debug for FaultWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cause().fmt(f)
    }
}

impl std::fmt::Display for FaultWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        MemFault::from(*self).fmt(f)
    }
}

impl std::error::Error for FaultWord {}

impl From<MemFault> for FaultWord {
    #[inline(always)]
    fn from(f: MemFault) -> Self {
        FaultWord::new(Cause::Memory(f))
    }
}

/// Why an access faulted. Accesses of a memory give no other cause than that; the two that instructions raise by themselves read as
/// a store that is not allowed.
impl From<FaultWord> for MemFault {
    #[cold]
    fn from(word: FaultWord) -> Self {
        let refused = |va| MemFault {
            va,
            access: Access::Write,
            kind: FaultKind::Permission,
        };
        match word.cause() {
            Cause::Memory(fault) => fault,
            Cause::FrameLimit(va) => refused(va),
            Cause::Refused(_) => refused(0),
        }
    }
}

impl Fault for FaultWord {
    fn frame_limit(va: u32) -> Self {
        FaultWord::new(Cause::FrameLimit(va))
    }
    fn refused(what: Refused) -> Self {
        FaultWord::new(Cause::Refused(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_one_word_is_the_same_fault() {
        for va in [0, 1, 0x1234_5678, u32::MAX] {
            let limit = Cause::FrameLimit(va);
            assert_eq!(FaultWord::new(limit).cause(), limit);
            for access in ACCESSES {
                for kind in KINDS {
                    let fault = MemFault { va, access, kind };
                    assert_eq!(FaultWord::from(fault).cause(), Cause::Memory(fault));
                }
            }
        }
        for what in Refused::ALL {
            assert_eq!(FaultWord::new(Cause::Refused(what)).cause(), Cause::Refused(what));
        }
        assert_eq!(size_of::<Result<(), FaultWord>>(), 8);
    }
}
