//! Lets the generated instruction functions reach any [`Memory`](super::memory::Memory).

use std::marker::PhantomData;
use std::num::NonZeroU64;

use hexagon_isa::interp;

use super::memory::{Access, FaultKind, MemFault, Memory};

/// What an instruction function can fail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// An access faulted.
    Memory(MemFault),
    /// A stack frame at this address is below FRAMELIMIT.
    FrameLimit(u32),
    /// The instruction does something, with these operands, that is not built.
    Refused(interp::Refused),
}

/// A [`Cause`] in one word that is not zero: whether an instruction function failed is one test of a host register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault(NonZeroU64);

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

impl Fault {
    /// One more than: bits 0.. the address, bits 40.. the kind of fault (0: below FRAMELIMIT, [`REFUSED`]: the address is what was
    /// asked), bits 48.. the access.
    #[cold]
    #[inline(never)]
    fn new(cause: Cause) -> Fault {
        let (va, kind, access) = match cause {
            Cause::Memory(f) => (f.va, f.kind as u64 + 1, f.access as u64),
            Cause::FrameLimit(va) => (va, 0, 0),
            Cause::Refused(what) => (what as u32, REFUSED, 0),
        };
        Fault(NonZeroU64::MIN.saturating_add(u64::from(va) | kind << 40 | access << 48))
    }

    /// What it was.
    pub(super) fn cause(self) -> Cause {
        let bits = self.0.get() - 1;
        let va = bits as u32;
        let kind = bits >> 40 & 0xff;
        if let (REFUSED, Some(what)) = (kind, interp::Refused::ALL.get(va as usize)) {
            return Cause::Refused(*what);
        }
        let kind = kind.checked_sub(1).and_then(|k| KINDS.get(k as usize));
        match (kind, ACCESSES.get((bits >> 48) as usize)) {
            (Some(&kind), Some(&access)) => Cause::Memory(MemFault { va, access, kind }),
            _ => Cause::FrameLimit(va),
        }
    }
}

impl From<MemFault> for Fault {
    #[inline(always)]
    fn from(f: MemFault) -> Self {
        Fault::new(Cause::Memory(f))
    }
}

/// The way to a memory of type `M`.
pub(super) struct Via<M>(PhantomData<fn() -> M>);

impl<M: Memory> interp::Memory for Via<M> {
    type Mem = M;
    type Fault = Fault;

    #[inline(always)]
    fn load8(m: &M, va: u32) -> Result<u8, Fault> {
        Ok(m.load8(va)?)
    }
    #[inline(always)]
    fn load16(m: &M, va: u32) -> Result<u16, Fault> {
        Ok(m.load16(va)?)
    }
    #[inline(always)]
    fn load32(m: &M, va: u32) -> Result<u32, Fault> {
        Ok(m.load32(va)?)
    }
    #[inline(always)]
    fn load64(m: &M, va: u32) -> Result<u64, Fault> {
        Ok(m.load64(va)?)
    }
    #[inline(always)]
    fn store8(m: &M, va: u32, v: u8) -> Result<(), Fault> {
        Ok(m.store8(va, v)?)
    }
    #[inline(always)]
    fn store16(m: &M, va: u32, v: u16) -> Result<(), Fault> {
        Ok(m.store16(va, v)?)
    }
    #[inline(always)]
    fn store32(m: &M, va: u32, v: u32) -> Result<(), Fault> {
        Ok(m.store32(va, v)?)
    }
    #[inline(always)]
    fn store64(m: &M, va: u32, v: u64) -> Result<(), Fault> {
        Ok(m.store64(va, v)?)
    }
    #[inline(always)]
    fn try_load8(m: &M, va: u32) -> Option<u8> {
        m.try_load8(va)
    }
    #[inline(always)]
    fn try_load16(m: &M, va: u32) -> Option<u16> {
        m.try_load16(va)
    }
    #[inline(always)]
    fn try_load32(m: &M, va: u32) -> Option<u32> {
        m.try_load32(va)
    }
    #[inline(always)]
    fn try_load64(m: &M, va: u32) -> Option<u64> {
        m.try_load64(va)
    }
    #[inline(always)]
    fn try_store8(m: &M, va: u32, v: u8) -> bool {
        m.try_store8(va, v)
    }
    #[inline(always)]
    fn try_store16(m: &M, va: u32, v: u16) -> bool {
        m.try_store16(va, v)
    }
    #[inline(always)]
    fn try_store32(m: &M, va: u32, v: u32) -> bool {
        m.try_store32(va, v)
    }
    #[inline(always)]
    fn try_store64(m: &M, va: u32, v: u64) -> bool {
        m.try_store64(va, v)
    }
    #[inline(always)]
    fn load(m: &M, va: u32, out: &mut [u8]) -> Result<(), Fault> {
        Ok(m.load(va, out)?)
    }
    #[inline(always)]
    fn load_vector(m: &M, va: u32, out: &mut interp::Vector) -> Result<(), Fault> {
        Ok(m.load_vector(va, out)?)
    }
    #[inline(always)]
    fn store(m: &M, va: u32, bytes: &[u8]) -> Result<(), Fault> {
        Ok(m.store(va, bytes)?)
    }
    fn probe_store(m: &M, va: u32, len: u32) -> Result<(), Fault> {
        if len <= 8 && va & (len - 1) != 0 {
            return Err(MemFault {
                va,
                access: Access::Write,
                kind: FaultKind::Misaligned,
            }
            .into());
        }
        Ok(m.probe_store(va, len)?)
    }
    fn cas32(m: &M, va: u32, old: u32, new: u32) -> Result<bool, Fault> {
        Ok(m.cas32(va, old, new)?)
    }
    fn cas64(m: &M, va: u32, old: u64, new: u64) -> Result<bool, Fault> {
        Ok(m.cas64(va, old, new)?)
    }
    fn frame_limit(_: &M, va: u32) -> Fault {
        Fault::new(Cause::FrameLimit(va))
    }
    fn refused(_: &M, what: interp::Refused) -> Fault {
        Fault::new(Cause::Refused(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_in_one_word_is_the_same_fault() {
        for va in [0, 1, 0x1234_5678, u32::MAX] {
            let limit = Cause::FrameLimit(va);
            assert_eq!(Fault::new(limit).cause(), limit);
            for access in ACCESSES {
                for kind in KINDS {
                    let fault = MemFault { va, access, kind };
                    assert_eq!(Fault::from(fault).cause(), Cause::Memory(fault));
                }
            }
        }
        for what in interp::Refused::ALL {
            assert_eq!(Fault::new(Cause::Refused(what)).cause(), Cause::Refused(what));
        }
        assert_eq!(size_of::<Result<(), Fault>>(), 8);
    }
}
