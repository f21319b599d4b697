//! Where registers lie, for code that an engine makes: byte offsets into [`Regs`] and into the [`HvxRegs`] that it points to. Each
//! file is an array by register number, its pending half behind it.

use std::mem::offset_of;

use super::{HvxRegs, Regs};

/// General registers, a `u32` each. There are 256 entries, so that any byte names one.
pub const GPR: usize = offset_of!(Regs, r);
/// Predicates, a byte each.
pub const PRED: usize = offset_of!(Regs, p);
/// Control registers, a `u32` each. C4 (the predicates) and C9 (the packet's address) are not kept here.
pub const CTL: usize = offset_of!(Regs, c);
/// Address of the packet that runs next.
pub const PC: usize = offset_of!(Regs, pc);
/// Pointer to the [`HvxRegs`].
pub const HVX: usize = offset_of!(Regs, hvx);
/// In [`HvxRegs`]: vectors, 128 bytes each.
pub const VEC: usize = offset_of!(HvxRegs, v);
/// In [`HvxRegs`]: vector predicates, a `u128` each, bit n for byte n.
pub const VEC_PRED: usize = offset_of!(HvxRegs, q);
/// In [`HvxRegs`]: a `u64` with a bit for every vector (pending ones from bit 32 up) whose hidden bits are not the default. While
/// it is 0, plain writes of vectors need not touch it.
pub const HIDDEN_PRESENT: usize = offset_of!(HvxRegs, hidden) + super::qfloat::PRESENT;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Arch;
    use crate::state::{HIDDEN_DEFAULT, PENDING};

    #[test]
    fn registers_lie_where_the_offsets_say() {
        let mut regs = Regs::new(Arch::V79);
        let base = &raw const regs as usize;
        assert_eq!(&raw const regs.r[5] as usize - base, GPR + 5 * 4);
        assert_eq!(&raw const regs.p[3] as usize - base, PRED + 3);
        assert_eq!(&raw const regs.c[31] as usize - base, CTL + 31 * 4);
        assert_eq!(&raw const regs.pc as usize - base, PC);
        assert_eq!(&raw const regs.hvx as usize - base, HVX);
        let hvx = &raw const *regs.hvx as usize;
        let pending = std::ptr::from_ref(regs.hvx.v.get(7 + PENDING)) as usize;
        assert_eq!(pending - hvx, VEC + (7 + 32) * 128);
        assert_eq!(&raw const regs.hvx.q[2] as usize - hvx, VEC_PRED + 2 * 16);
        assert_eq!(hvx % 128, 0);
        // No other field of the hidden bits looks like a set of one vector.
        regs.hvx.hidden.set(9, HIDDEN_DEFAULT ^ 1);
        assert_eq!(
            &raw const regs.hvx.hidden as usize - hvx + super::super::qfloat::PRESENT,
            HIDDEN_PRESENT
        );
    }
}
