//! What instructions need of a memory, and the simplest one that gives it.

use std::cell::Cell;

use crate::state::{VECTOR_BYTES, Vector};

/// What instructions can be asked to do that no public source describes, or that the thread may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Bit 4 of a weight load's Rs.
    CompressedWeights,
    /// Weights of fewer than eight bits, with an activation load whose channels are in groups.
    GroupsOfFewBits,
    /// A conversion to 16 bits that takes what an earlier one gave.
    SecondPass,
    /// The matrix unit, by a thread that has not locked it ([`Permit`](crate::state::hmx::Permit)).
    NotLocked,
    /// Memory for the matrix unit that is not where it has to be.
    OutsideOfVtcm,
}

impl Refused {
    /// All.
    pub const ALL: [Refused; 5] = [
        Refused::CompressedWeights,
        Refused::GroupsOfFewBits,
        Refused::SecondPass,
        Refused::NotLocked,
        Refused::OutsideOfVtcm,
    ];

    /// Is it what the thread may not do? The rest is what is not known.
    #[must_use]
    pub const fn is_forbidden(self) -> bool {
        matches!(self, Refused::NotLocked | Refused::OutsideOfVtcm)
    }

    /// For an error.
    pub const fn name(self) -> &'static str {
        match self {
            Refused::CompressedWeights => "weight load (HMX) with compressed weights",
            Refused::GroupsOfFewBits => {
                "weight load (HMX) with weights of fewer than eight bits and groups of channels"
            }
            Refused::SecondPass => "conversion (HMX) to 16 bits with a second pass",
            Refused::NotLocked => "the matrix unit (HMX) without its lock",
            Refused::OutsideOfVtcm => "memory for the matrix unit (HMX) outside of VTCM",
        }
    }
}

/// Faults that instructions raise themselves, apart from those of accesses.
pub trait Fault {
    /// A stack frame at `va` would lie below FRAMELIMIT.
    fn frame_limit(va: u32) -> Self;
    /// Nothing is known of an instruction's work with these operands.
    fn refused(what: Refused) -> Self;
}

/// The memory that instructions work on. Little endian; scalar accesses fault unless aligned, and one of up to 8 bytes is made as a
/// whole.
///
/// All methods take `&self`: threads share a memory, and others may change it at any time.
pub trait Memory {
    /// Why an access failed, and why an instruction did.
    ///
    /// Best a word that is not zero (`#[repr(transparent)]` around a [`NonZeroU64`](std::num::NonZeroU64)): `Result<(), Fault>` is
    /// then that word or 0, so that whether an instruction failed is one test of a host register, and code that is not Rust can
    /// call instructions and builtins.
    type Fault: Fault;
    /// Loads a byte.
    fn load8(&self, va: u32) -> Result<u8, Self::Fault>;
    /// Loads a halfword.
    fn load16(&self, va: u32) -> Result<u16, Self::Fault>;
    /// Loads a word.
    fn load32(&self, va: u32) -> Result<u32, Self::Fault>;
    /// Loads a doubleword.
    fn load64(&self, va: u32) -> Result<u64, Self::Fault>;
    /// Stores a byte.
    fn store8(&self, va: u32, v: u8) -> Result<(), Self::Fault>;
    /// Stores a halfword.
    fn store16(&self, va: u32, v: u16) -> Result<(), Self::Fault>;
    /// Stores a word.
    fn store32(&self, va: u32, v: u32) -> Result<(), Self::Fault>;
    /// Stores a doubleword.
    fn store64(&self, va: u32, v: u64) -> Result<(), Self::Fault>;
    /// Loads a byte if that is quickly done; what is in the way if not, the load says.
    #[inline(always)]
    fn try_load8(&self, va: u32) -> Option<u8> {
        self.load8(va).ok()
    }
    /// Loads a halfword as [`try_load8`](Self::try_load8) does.
    #[inline(always)]
    fn try_load16(&self, va: u32) -> Option<u16> {
        self.load16(va).ok()
    }
    /// Loads a word as [`try_load8`](Self::try_load8) does.
    #[inline(always)]
    fn try_load32(&self, va: u32) -> Option<u32> {
        self.load32(va).ok()
    }
    /// Loads a doubleword as [`try_load8`](Self::try_load8) does.
    #[inline(always)]
    fn try_load64(&self, va: u32) -> Option<u64> {
        self.load64(va).ok()
    }
    /// Stores a byte if that is quickly done; `false` means that nothing is stored.
    #[inline(always)]
    fn try_store8(&self, va: u32, v: u8) -> bool {
        self.store8(va, v).is_ok()
    }
    /// Stores a halfword as [`try_store8`](Self::try_store8) does.
    #[inline(always)]
    fn try_store16(&self, va: u32, v: u16) -> bool {
        self.store16(va, v).is_ok()
    }
    /// Stores a word as [`try_store8`](Self::try_store8) does.
    #[inline(always)]
    fn try_store32(&self, va: u32, v: u32) -> bool {
        self.store32(va, v).is_ok()
    }
    /// Stores a doubleword as [`try_store8`](Self::try_store8) does.
    #[inline(always)]
    fn try_store64(&self, va: u32, v: u64) -> bool {
        self.store64(va, v).is_ok()
    }
    /// Loads bytes at any alignment. Nothing is promised about `out` after a fault.
    fn load(&self, va: u32, out: &mut [u8]) -> Result<(), Self::Fault>;
    /// Loads a vector at any alignment. After a fault `out` is what it was.
    fn load_vector(&self, va: u32, out: &mut Vector) -> Result<(), Self::Fault> {
        let mut v = [0; VECTOR_BYTES];
        self.load(va, &mut v)?;
        *out = v;
        Ok(())
    }
    /// Stores bytes at any alignment, all or none.
    fn store(&self, va: u32, bytes: &[u8]) -> Result<(), Self::Fault>;
    /// Would a store of `len` bytes succeed? Up to 8 bytes must be aligned, longer ones need not.
    fn probe_store(&self, va: u32, len: u32) -> Result<(), Self::Fault>;
    /// Compare-and-swap of an aligned word: the store half of `memw_locked`. `Ok(true)` if it was `old` and now is `new`.
    fn cas32(&self, va: u32, old: u32, new: u32) -> Result<bool, Self::Fault>;
    /// Compare-and-swap of an aligned doubleword (`memd_locked`).
    fn cas64(&self, va: u32, old: u64, new: u64) -> Result<bool, Self::Fault>;
}

/// Bytes from an address on: the simplest [`Memory`], for programs and tests that need no more. Everything else faults.
#[derive(Debug, Clone)]
pub struct Ram {
    base: u32,
    bytes: Box<[Cell<u8>]>,
}

/// Why an access to [`Ram`] failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RamFault {
    /// No memory there.
    #[error("there is no memory at {0:#010x}")]
    Outside(u32),
    /// Not aligned as the access must be.
    #[error("the access to {0:#010x} is not aligned")]
    Misaligned(u32),
    /// A stack frame at this address lies below FRAMELIMIT.
    #[error("the stack frame at {0:#010x} lies below the limit")]
    FrameLimit(u32),
    /// See [`Refused`].
    #[error("{}{}", .0.name(), if .0.is_forbidden() { "" } else { " is not known to the public" })]
    Refused(Refused),
}

impl Ram {
    /// `len` zero bytes from `base` on, but none behind the end of the address space.
    #[must_use]
    pub fn new(base: u32, len: usize) -> Ram {
        let most = (1 << 32) - u64::from(base);
        let len = usize::try_from(most).map_or(len, |most| len.min(most));
        Ram {
            base,
            bytes: vec![Cell::new(0); len].into(),
        }
    }

    fn cells(&self, va: u32, len: usize) -> Result<&[Cell<u8>], RamFault> {
        let inside = || {
            let from = va.checked_sub(self.base)? as usize;
            self.bytes.get(from..from.checked_add(len)?)
        };
        inside().ok_or(RamFault::Outside(va))
    }

    /// Writes at any alignment, all or nothing.
    ///
    /// # Errors
    /// Some byte has no place.
    pub fn write(&self, va: u32, bytes: &[u8]) -> Result<(), RamFault> {
        for (cell, byte) in self.cells(va, bytes.len())?.iter().zip(bytes) {
            cell.set(*byte);
        }
        Ok(())
    }

    /// Reads at any alignment.
    ///
    /// # Errors
    /// Some byte has no place.
    pub fn read<const N: usize>(&self, va: u32) -> Result<[u8; N], RamFault> {
        let mut out = [0; N];
        self.read_into(va, &mut out)?;
        Ok(out)
    }

    fn read_into(&self, va: u32, out: &mut [u8]) -> Result<(), RamFault> {
        let cells = self.cells(va, out.len())?;
        for (byte, cell) in out.iter_mut().zip(cells) {
            *byte = cell.get();
        }
        Ok(())
    }

    fn aligned(va: u32, len: u32) -> Result<(), RamFault> {
        if len == 0 || va.is_multiple_of(len) {
            Ok(())
        } else {
            Err(RamFault::Misaligned(va))
        }
    }
}

macro_rules! accesses {
    ($($load:ident $store:ident $t:ty;)*) => { $(
        fn $load(&self, va: u32) -> Result<$t, RamFault> {
            Ram::aligned(va, size_of::<$t>() as u32)?;
            self.read(va).map(<$t>::from_le_bytes)
        }
        fn $store(&self, va: u32, v: $t) -> Result<(), RamFault> {
            Ram::aligned(va, size_of::<$t>() as u32)?;
            self.write(va, &v.to_le_bytes())
        }
    )* };
}

impl Memory for Ram {
    type Fault = RamFault;
    accesses! {
        load8 store8 u8;
        load16 store16 u16;
        load32 store32 u32;
        load64 store64 u64;
    }
    fn load(&self, va: u32, out: &mut [u8]) -> Result<(), RamFault> {
        self.read_into(va, out)
    }
    fn store(&self, va: u32, bytes: &[u8]) -> Result<(), RamFault> {
        self.write(va, bytes)
    }
    fn probe_store(&self, va: u32, len: u32) -> Result<(), RamFault> {
        if len <= 8 {
            Ram::aligned(va, len)?;
        }
        self.cells(va, len as usize).map(|_| ())
    }
    fn cas32(&self, va: u32, old: u32, new: u32) -> Result<bool, RamFault> {
        let equal = self.load32(va)? == old;
        if equal {
            self.store32(va, new)?;
        }
        Ok(equal)
    }
    fn cas64(&self, va: u32, old: u64, new: u64) -> Result<bool, RamFault> {
        let equal = self.load64(va)? == old;
        if equal {
            self.store64(va, new)?;
        }
        Ok(equal)
    }
}

impl Fault for RamFault {
    fn frame_limit(va: u32) -> RamFault {
        RamFault::FrameLimit(va)
    }
    fn refused(what: Refused) -> RamFault {
        RamFault::Refused(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_faults_where_it_is_not_and_where_it_is_not_aligned() {
        let ram = Ram::new(0xffff_fff0, 0x20);
        assert_eq!(ram.store32(0xffff_fffc, 5), Ok(()));
        assert_eq!(ram.load8(0xffff_fffc), Ok(5));
        assert_eq!(ram.load8(0), Err(RamFault::Outside(0)));
        assert_eq!(ram.load16(0xffff_fff1), Err(RamFault::Misaligned(0xffff_fff1)));
        assert_eq!(ram.cas32(0xffff_fffc, 4, 6), Ok(false));
        assert_eq!(ram.cas32(0xffff_fffc, 5, 6), Ok(true));
        assert_eq!(ram.read::<4>(0xffff_fffc), Ok([6, 0, 0, 0]));
        // Behind the end of the address space there is none.
        assert_eq!(
            ram.probe_store(0xffff_fff0, 0x11),
            Err(RamFault::Outside(0xffff_fff0))
        );
    }
}
