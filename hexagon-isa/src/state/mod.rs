//! What every engine that runs instructions shares: a thread's registers, where an instruction's operands are found in them, and
//! how a packet ends.
//!
//! Every register file has its architectural half and, behind it, a *pending* half of the same size: an engine that runs the
//! instructions of a packet one after the other lets each read the state before the packet by sending results to the pending
//! half, where [`Args`] says. [`Regs::copy_gpr`] and [`Regs::commit`] end a packet that left values pending, [`Regs::abort`] one
//! that faulted. Between packets the pending halves mean nothing.

mod access;
mod commit;
pub mod hmx;
pub(crate) mod lanes;
pub mod layout;

pub(crate) mod qfloat;
mod regs;
mod zreg;

pub(crate) use access::*;
pub use access::{Status, VectorPair};
pub use qfloat::{HIDDEN_DEFAULT, Hidden, Qfloat};
pub use regs::*;
pub use zreg::Window;

/// Resolved operands of one instruction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
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
