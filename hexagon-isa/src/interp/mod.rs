//! The interpreter's side of the instruction set: register state, the memory interface, and one function per instruction,
//! generated from the meanings in `spec/*.isa`.
//!
//! A packet runs as a list of such calls. They read the state before the packet because whoever schedules the list gives
//! each call, in its [`Args`], where it reads and where it writes (see [`Regs`]); [`Regs::copy_gpr`] and [`Regs::commit`] end
//! a packet that left values pending, [`Regs::abort`] one that faulted.

mod access;
mod builtins;
mod commit;
mod dot;
pub mod hmx;
mod lanes;
mod qfloat;
mod regs;
mod zreg;

pub use access::{Status, VectorPair};
pub use qfloat::{HIDDEN_DEFAULT, Hidden, Qfloat};
pub use regs::*;
pub use zreg::Window;

/// Resolved operands of one instruction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Args {
    /// Operand values, in the order of the instruction's operands: register numbers (pairs: the even one) or final
    /// immediates; a branch target is an absolute address. A register that is read where an earlier instruction of the
    /// packet left a pending value names that half, and so does a general register that is only written if its value is to
    /// be pending.
    pub v: [i32; crate::MAX_OPERANDS],
    /// Address of the packet.
    pub pc: u32,
    /// Address of the packet behind it.
    pub next: u32,
    /// Where all other results go: 0 (in place) or [`PENDING`].
    pub off: u8,
    /// The same for vectors; differs for `.cur` and `.tmp` loads, which bring their vector in place.
    pub vec_off: u8,
    /// Where a named predicate that is consumed as `.new` is found: 0 (in place) or 4 (pending half).
    pub new_pred: u8,
    /// Only find out whether the memory accesses would fault: stores are probed, not made.
    pub dry: bool,
}

/// What instructions can be asked to do that no public source describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Bit 4 of a weight load's Rs.
    CompressedWeights,
    /// Weights of fewer than eight bits, with an activation load whose channels are in groups.
    GroupsOfFewBits,
    /// A conversion to 16 bits that takes what an earlier one gave.
    SecondPass,
}

impl Refused {
    /// All.
    pub const ALL: [Refused; 3] = [
        Refused::CompressedWeights,
        Refused::GroupsOfFewBits,
        Refused::SecondPass,
    ];

    /// For an error.
    pub const fn name(self) -> &'static str {
        match self {
            Refused::CompressedWeights => "weight load (HMX) with compressed weights",
            Refused::GroupsOfFewBits => {
                "weight load (HMX) with weights of fewer than eight bits and groups of channels"
            }
            Refused::SecondPass => "conversion (HMX) to 16 bits with a second pass",
        }
    }
}

/// How the functions reach a memory, without knowing what it is: [`Memory::Mem`] is the memory, the implementing type only says how. Little endian; scalar accesses fault unless aligned.
pub trait Memory {
    /// The memory.
    type Mem: ?Sized;
    /// Why an access failed.
    type Fault;
    /// Loads a byte.
    fn load8(m: &Self::Mem, va: u32) -> Result<u8, Self::Fault>;
    /// Loads a halfword.
    fn load16(m: &Self::Mem, va: u32) -> Result<u16, Self::Fault>;
    /// Loads a word.
    fn load32(m: &Self::Mem, va: u32) -> Result<u32, Self::Fault>;
    /// Loads a doubleword.
    fn load64(m: &Self::Mem, va: u32) -> Result<u64, Self::Fault>;
    /// Stores a byte.
    fn store8(m: &Self::Mem, va: u32, v: u8) -> Result<(), Self::Fault>;
    /// Stores a halfword.
    fn store16(m: &Self::Mem, va: u32, v: u16) -> Result<(), Self::Fault>;
    /// Stores a word.
    fn store32(m: &Self::Mem, va: u32, v: u32) -> Result<(), Self::Fault>;
    /// Stores a doubleword.
    fn store64(m: &Self::Mem, va: u32, v: u64) -> Result<(), Self::Fault>;
    /// Loads a byte if that is quickly done; nothing says what is in the way if not.
    #[inline(always)]
    fn try_load8(m: &Self::Mem, va: u32) -> Option<u8> {
        Self::load8(m, va).ok()
    }
    /// The same for a halfword.
    #[inline(always)]
    fn try_load16(m: &Self::Mem, va: u32) -> Option<u16> {
        Self::load16(m, va).ok()
    }
    /// The same for a word.
    #[inline(always)]
    fn try_load32(m: &Self::Mem, va: u32) -> Option<u32> {
        Self::load32(m, va).ok()
    }
    /// The same for a doubleword.
    #[inline(always)]
    fn try_load64(m: &Self::Mem, va: u32) -> Option<u64> {
        Self::load64(m, va).ok()
    }
    /// Stores a byte if that is quickly done; `false` means that nothing is stored.
    #[inline(always)]
    fn try_store8(m: &Self::Mem, va: u32, v: u8) -> bool {
        Self::store8(m, va, v).is_ok()
    }
    /// The same for a halfword.
    #[inline(always)]
    fn try_store16(m: &Self::Mem, va: u32, v: u16) -> bool {
        Self::store16(m, va, v).is_ok()
    }
    /// The same for a word.
    #[inline(always)]
    fn try_store32(m: &Self::Mem, va: u32, v: u32) -> bool {
        Self::store32(m, va, v).is_ok()
    }
    /// The same for a doubleword.
    #[inline(always)]
    fn try_store64(m: &Self::Mem, va: u32, v: u64) -> bool {
        Self::store64(m, va, v).is_ok()
    }
    /// Loads bytes at any alignment.
    fn load(m: &Self::Mem, va: u32, out: &mut [u8]) -> Result<(), Self::Fault>;
    /// Loads a vector at any alignment. After a fault `out` is what it was.
    fn load_vector(m: &Self::Mem, va: u32, out: &mut Vector) -> Result<(), Self::Fault>;
    /// Stores bytes at any alignment, all or none.
    fn store(m: &Self::Mem, va: u32, bytes: &[u8]) -> Result<(), Self::Fault>;
    /// Would a store of `len` bytes succeed? Up to 8 bytes must be aligned, longer ones need not.
    fn probe_store(m: &Self::Mem, va: u32, len: u32) -> Result<(), Self::Fault>;
    /// Compare-and-swap of an aligned word; `Ok(true)` if it was `old`.
    fn cas32(m: &Self::Mem, va: u32, old: u32, new: u32) -> Result<bool, Self::Fault>;
    /// Compare-and-swap of an aligned doubleword.
    fn cas64(m: &Self::Mem, va: u32, old: u64, new: u64) -> Result<bool, Self::Fault>;
    /// The fault of a stack frame at `va` that would lie below FRAMELIMIT.
    fn frame_limit(m: &Self::Mem, va: u32) -> Self::Fault;
    /// The fault of an instruction of whose work, with these operands, nothing is known.
    fn refused(m: &Self::Mem, what: Refused) -> Self::Fault;
}

/// A function that works on registers only.
pub type RegisterFn = fn(&mut Regs, &Args);
/// A function that accesses memory.
pub type MemoryFn<M> = fn(&mut Regs, &<M as Memory>::Mem, &Args) -> Result<(), <M as Memory>::Fault>;

/// An instruction's function.
#[derive(Debug)]
pub enum Exec<M: Memory> {
    /// Works on registers only.
    Register(RegisterFn),
    /// Accesses memory.
    Memory(MemoryFn<M>),
}

impl<M: Memory> Clone for Exec<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M: Memory> Copy for Exec<M> {}

/// The function of an instruction, monomorphised for a memory; `None` if it has no meaning yet.
pub fn exec<M: Memory>(op: crate::Opcode) -> Option<Exec<M>> {
    generated::dispatch(op as u16)
}

/// [`exec`] for a host with AVX2 (and BMI1, BMI2, LZCNT, POPCNT): the instructions on vectors use them.
///
/// # Safety
/// The processor has these features, here and wherever the function that this returns is called.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
pub fn exec_avx2<M: Memory>(op: crate::Opcode) -> Option<Exec<M>> {
    generated::avx2::dispatch(op as u16)
}

/// [`exec`] for a host with AVX-512 (F, BW, CD, DQ, VL, VBMI) besides what [`exec_avx2`] needs.
///
/// # Safety
/// As for [`exec_avx2`].
#[cfg(target_arch = "x86_64")]
#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vnni,avx2,bmi1,bmi2,lzcnt,popcnt"
)]
pub fn exec_avx512<M: Memory>(op: crate::Opcode) -> Option<Exec<M>> {
    generated::avx512::dispatch(op as u16)
}

// One function per instruction, as plain as a generator writes them.
#[allow(
    non_snake_case,
    unused_variables,
    unused_mut,
    unused_assignments,
    unused_parens,
    unused_imports
)]
#[allow(clippy::all)]
mod generated {
    use super::access::*;
    use super::dot::{self, plain::dot4};
    use super::lanes::*;
    use super::qfloat::{Qf16, Qf32};
    use super::{Args, Exec, Memory, Regs, Vector, builtins};

    include!(concat!(env!("OUT_DIR"), "/functions.rs"));
}
