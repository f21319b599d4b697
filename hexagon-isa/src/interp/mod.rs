//! The interpreter's side of the instruction set: register state, the machine interface, and one function per instruction,
//! generated from the meanings in `spec/*.isa`.

mod regs;

pub use regs::*;

/// Resolved operands of one instruction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Args {
    /// Operand values, in the order of the instruction's operands: register numbers (pairs: the even one) or final
    /// immediates; a branch target is an absolute address. A register that is read where an earlier instruction of the
    /// packet left a pending value names that half.
    pub v: [i32; 8],
    /// Address of the packet.
    pub pc: u32,
    /// Address of the packet after it.
    pub next: u32,
    /// Added to every register number that is written: 0 (in place) or [`PENDING`].
    pub off: u8,
}
