//! The scalar registers of a thread in one numbering: what a unit keeps in values of its own.

use cranelift_codegen::ir::{Type, types};
use hexagon_isa::RegSet;
use hexagon_isa::ir::Fixed;
use hexagon_isa::state::layout;

/// How many there are. General registers come first.
pub(super) const COUNT: usize = CTL + 32;
/// Predicates.
pub(super) const PRED: usize = 32;
/// Control registers.
pub(super) const CTL: usize = 36;
/// The user status register.
pub(super) const USR: usize = CTL + 8;
/// The lowest address of a stack frame.
pub(super) const FRAME_LIMIT: usize = CTL + 16;

/// A set of them, a bit each.
pub(super) type Set = u128;

/// The scalar ones of a set of registers. Flags and rounding mode are USR's.
pub(super) fn set(registers: &RegSet) -> Set {
    let usr = if registers.sticky || registers.rounding {
        1 << USR
    } else {
        0
    };
    Set::from(registers.gpr) | Set::from(registers.pred) << PRED | Set::from(registers.ctl) << CTL | usr
}

/// Where a register lies in [`Regs`](hexagon_isa::state::Regs), in bytes, and what it is.
pub(super) fn place(register: usize) -> (i32, Type) {
    let (base, number, ty) = match register {
        0..PRED => (layout::GPR, register, types::I32),
        PRED..CTL => (layout::PRED, register - PRED, types::I8),
        _ => (layout::CTL, register - CTL, types::I32),
    };
    ((base + number * ty.bytes() as usize) as i32, ty)
}

/// A register that a meaning names.
pub(super) fn fixed(register: Fixed) -> usize {
    match register {
        Fixed::Gpr(n) => usize::from(n),
        Fixed::Pred(n) => PRED + usize::from(n),
        Fixed::Ctl(n) => CTL + usize::from(n),
    }
}
