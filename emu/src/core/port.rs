//! Lets the generated instruction functions reach any [`Memory`](super::memory::Memory).

use std::marker::PhantomData;

use hexagon_isa::interp;

use super::memory::{Access, FaultKind, MemFault, Memory};

/// What an instruction function can fail with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// An access faulted.
    Memory(MemFault),
    /// A stack frame at this address is below FRAMELIMIT.
    FrameLimit(u32),
}

impl From<MemFault> for Fault {
    fn from(f: MemFault) -> Self {
        Fault::Memory(f)
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
    fn load(m: &M, va: u32, out: &mut [u8]) -> Result<(), Fault> {
        Ok(m.load(va, out)?)
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
        Fault::FrameLimit(va)
    }
}
