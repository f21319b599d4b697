//! Sets of registers: what an instruction reads or writes. Which parts of them count as registers of their own is decided here.

use crate::info::{Implicit, OperandClass};

/// Bit of USR among the control registers.
const USR: u32 = 1 << 8;

/// A set of registers of all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegSet {
    /// General registers, bit n for Rn.
    pub gpr: u32,
    /// Scalar predicates.
    pub pred: u8,
    /// Control registers.
    pub ctl: u32,
    /// HVX vectors.
    pub vec: u32,
    /// HVX predicates.
    pub vec_pred: u8,
    /// Guest registers.
    pub guest: u32,
    /// Supervisor registers.
    pub sys: u128,
    /// What a gather leaves for a `vtmp.new` store.
    pub vtmp: bool,
    /// The HVX Z register.
    pub z: bool,
    /// USR's sticky flags as instructions raise them: in any order, without looking. Who reads or writes USR whole meets them.
    pub sticky: bool,
    /// USR's rounding mode as instructions consult it.
    pub rounding: bool,
}

impl RegSet {
    /// Nothing.
    pub const EMPTY: RegSet = RegSet {
        gpr: 0,
        pred: 0,
        ctl: 0,
        vec: 0,
        vec_pred: 0,
        guest: 0,
        sys: 0,
        vtmp: false,
        z: false,
        sticky: false,
        rounding: false,
    };

    /// What an operand of this class with value `v` names, as in [`crate::Insn::v`]: nothing for immediates. C4 is P0 to P3, too.
    #[must_use]
    pub fn operand(class: OperandClass, v: i32) -> RegSet {
        let mut set = RegSet::EMPTY;
        let n = v as u32 & 31;
        match class {
            OperandClass::Gpr => set.gpr = 1 << n,
            OperandClass::GprPair => set.gpr = 3 << (n & 30),
            OperandClass::Pred => set.pred = 1 << (n & 3),
            OperandClass::Mod => set.ctl = 1 << (6 + (n & 1)),
            OperandClass::Ctrl => set.add_control(1 << n),
            OperandClass::CtrlPair => set.add_control(3 << (n & 30)),
            OperandClass::Guest => set.guest = 1 << n,
            OperandClass::GuestPair => set.guest = 3 << (n & 30),
            OperandClass::Sys => set.sys = 1 << (v & 127),
            OperandClass::SysPair => set.sys = 3 << (v & 126),
            OperandClass::Vec if v == crate::Insn::VTMP => set.vtmp = true,
            OperandClass::Vec => set.vec = 1 << n,
            OperandClass::VecPair => set.vec = 1 << n | 1 << (n ^ 1),
            OperandClass::VecQuad => set.vec = 0xf << (n & 28),
            OperandClass::VecPred => set.vec_pred = 1 << (n & 3),
            OperandClass::Imm | OperandClass::PcRel => {}
        }
        set
    }

    /// A register that is no operand. Branches and the choice between CS0 and CS1 have no register here.
    #[must_use]
    pub fn implicit(reg: Implicit) -> RegSet {
        let mut set = RegSet::EMPTY;
        match reg {
            Implicit::P0 => set.pred = 1,
            Implicit::P1 => set.pred = 1 << 1,
            Implicit::P3 => set.pred = 1 << 3,
            Implicit::R29 => set.gpr = 1 << 29,
            Implicit::R30 => set.gpr = 1 << 30,
            Implicit::R31 => set.gpr = 1 << 31,
            Implicit::SA0 => set.ctl = 1,
            Implicit::LC0 => set.ctl = 1 << 1,
            Implicit::SA1 => set.ctl = 1 << 2,
            Implicit::LC1 => set.ctl = 1 << 3,
            Implicit::USR => set.ctl = USR,
            Implicit::GP => set.ctl = 1 << 11,
            Implicit::FRAMELIMIT => set.ctl = 1 << 16,
            Implicit::FRAMEKEY => set.ctl = 1 << 17,
            Implicit::VTMP => set.vtmp = true,
            Implicit::GOSP => set.guest = 1 << 2,
            Implicit::SGP0 => set.sys = 1,
            Implicit::SGP1 => set.sys = 1 << 1,
            Implicit::ELR => set.sys = 1 << 3,
            Implicit::CCR => set.sys = 1 << 7,
            Implicit::PC | Implicit::CS => {}
        }
        set
    }

    /// Adds control registers; C4 is P0 to P3, and USR has its parts.
    pub fn add_control(&mut self, mask: u32) {
        self.ctl |= mask;
        self.sticky |= mask & USR != 0;
        self.rounding |= mask & USR != 0;
        if mask & 1 << 4 != 0 {
            self.pred |= 0xf;
        }
    }

    /// It has no register.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == RegSet::EMPTY
    }

    /// Some register is in both.
    #[must_use]
    pub fn meets(self, o: RegSet) -> bool {
        !(self & o).is_empty()
    }
}

impl std::ops::BitAnd for RegSet {
    type Output = RegSet;
    fn bitand(self, o: RegSet) -> RegSet {
        RegSet {
            gpr: self.gpr & o.gpr,
            pred: self.pred & o.pred,
            ctl: self.ctl & o.ctl,
            vec: self.vec & o.vec,
            vec_pred: self.vec_pred & o.vec_pred,
            guest: self.guest & o.guest,
            sys: self.sys & o.sys,
            vtmp: self.vtmp & o.vtmp,
            z: self.z & o.z,
            sticky: self.sticky & o.sticky,
            rounding: self.rounding & o.rounding,
        }
    }
}

impl std::ops::BitOr for RegSet {
    type Output = RegSet;
    fn bitor(self, o: RegSet) -> RegSet {
        RegSet {
            gpr: self.gpr | o.gpr,
            pred: self.pred | o.pred,
            ctl: self.ctl | o.ctl,
            vec: self.vec | o.vec,
            vec_pred: self.vec_pred | o.vec_pred,
            guest: self.guest | o.guest,
            sys: self.sys | o.sys,
            vtmp: self.vtmp | o.vtmp,
            z: self.z | o.z,
            sticky: self.sticky | o.sticky,
            rounding: self.rounding | o.rounding,
        }
    }
}

impl std::ops::BitOrAssign for RegSet {
    fn bitor_assign(&mut self, o: RegSet) {
        *self = *self | o;
    }
}
