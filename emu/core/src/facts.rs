//! What one instruction of a packet reads, writes and may do, as planning needs it.

use hexagon_isa::Insn;
use hexagon_isa::info::{Flags, OperandClass, Role};
use hexagon_isa::ir::{self, Effects};

/// Control registers that follow clocks or counters and are refreshed before they are read.
const CLOCKS: u64 = 3 << 14 | 3 << 18 | 7 << 20 | 3 << 30;
/// USR.
const USR: u64 = 1 << 8;
/// USR's sticky flags as instructions raise them: in any order, without looking. Whoever reads or writes USR whole meets them.
const STICKY: u64 = 1 << 32;
/// USR's rounding mode as instructions consult it.
const ROUNDING: u64 = 1 << 33;

/// Why a packet cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unplanned {
    /// This instruction has no meaning yet.
    NoMeaning(&'static str),
    /// User code may not use this instruction.
    Privileged(&'static str),
}

/// A set of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Set {
    /// General registers, bit n for Rn.
    pub gpr: u32,
    /// Control registers, and from bit 32 on the parts of USR that are met apart from the rest.
    pub ctl: u64,
    /// Vectors.
    pub vec: u32,
    /// Predicates.
    pub pred: u8,
    /// Vector predicates.
    pub vpred: u8,
    /// The Z register.
    pub z: bool,
}

impl Set {
    /// Some register is in both.
    pub(crate) fn meets(self, o: Set) -> bool {
        self.gpr & o.gpr != 0
            || self.ctl & o.ctl != 0
            || self.vec & o.vec != 0
            || self.pred & o.pred != 0
            || self.vpred & o.vpred != 0
            || self.z & o.z
    }

    /// Adds what a register operand with value `v` names.
    fn add(&mut self, class: OperandClass, v: i32) {
        let n = v as u32 & 31;
        match class {
            OperandClass::Gpr => self.gpr |= 1 << n,
            OperandClass::GprPair => self.gpr |= 3 << (n & 30),
            OperandClass::Pred => self.pred |= 1 << (n & 3),
            OperandClass::Mod => self.ctl |= 1 << (6 + (n & 1)),
            OperandClass::Ctrl => self.add_ctl(1 << n),
            OperandClass::CtrlPair => self.add_ctl(3 << (n & 30)),
            OperandClass::Vec => self.vec |= 1 << n,
            OperandClass::VecPair => self.vec |= 1 << n | 1 << (n ^ 1),
            OperandClass::VecQuad => self.vec |= 0xf << (n & 28),
            OperandClass::VecPred => self.vpred |= 1 << (n & 3),
            _ => {}
        }
    }

    /// Adds control registers; C4 is all predicates.
    fn add_ctl(&mut self, mask: u32) {
        self.ctl |= u64::from(mask);
        if u64::from(mask) & USR != 0 {
            self.ctl |= STICKY | ROUNDING;
        }
        if mask & 1 << 4 != 0 {
            self.pred |= 15;
        }
    }
}

/// One instruction, as it stands in its packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// The instruction.
    pub insn: Insn,
    /// What it touches besides its operands.
    pub fx: Effects,
    /// Registers that it reads as before the packet.
    pub reads: Set,
    /// Registers that it writes, if its condition holds.
    pub writes: Set,
    /// Predicates that it consumes as another instruction of the packet leaves them (`.new`).
    pub new_pred: u8,
    /// A `.cur` or `.tmp` load: the packet's other instructions see its vector.
    pub early: bool,
    /// It reads a clock or counter.
    pub clocks: bool,
    /// It may leave registers unwritten.
    pub conditional: bool,
}

impl Facts {
    /// The facts of one instruction of a decoded packet.
    ///
    /// # Errors
    /// It has no meaning, or is not for user code.
    pub(crate) fn of(insn: &Insn) -> Result<Facts, Unplanned> {
        let name = insn.info().name;
        let (Some(fx), Some(meaning)) = (ir::effects(insn.op), ir::meaning(insn.op)) else {
            return Err(Unplanned::NoMeaning(name));
        };
        if fx.privileged {
            return Err(Unplanned::Privileged(name));
        }
        let mut reads = Set {
            gpr: fx.reads_gpr,
            pred: fx.reads_pred,
            z: fx.reads_z,
            ..Set::default()
        };
        let mut writes = Set {
            gpr: fx.writes_gpr,
            pred: fx.writes_pred,
            z: fx.writes_z,
            ..Set::default()
        };
        reads.add_ctl(fx.reads_ctl);
        writes.add_ctl(fx.writes_ctl);
        if fx.sticky {
            writes.ctl |= STICKY;
        }
        if fx.status {
            reads.ctl |= ROUNDING;
        }
        if fx.vectors {
            reads.vec = u32::MAX;
            writes.vec = u32::MAX;
        }
        let mut new_pred = fx.reads_new_pred & !fx.writes_pred;
        for operand in operands(insn) {
            if operand.new {
                if operand.class == OperandClass::Pred {
                    new_pred |= 1 << (operand.v & 3);
                }
                continue;
            }
            if operand.role != Role::Write {
                reads.add(operand.class, operand.v);
            }
            if operand.role != Role::Read {
                writes.add(operand.class, operand.v);
            }
        }
        Ok(Facts {
            insn: *insn,
            fx: *fx,
            reads,
            writes,
            new_pred,
            early: insn.info().flags.any(Flags::CUR | Flags::TMP),
            clocks: reads.ctl & CLOCKS != 0,
            conditional: meaning.body.iter().any(|s| matches!(s, ir::Stmt::If(..))),
        })
    }
}

/// An operand with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    /// Its place among the instruction's operands.
    pub place: usize,
    /// Which register file, or what kind of immediate.
    pub class: OperandClass,
    /// Read, written or both.
    pub role: Role,
    /// Consumed as another instruction of the packet leaves it.
    pub new: bool,
    /// Register number or immediate.
    pub v: i32,
}

/// The operands of `insn`.
pub(crate) fn operands(insn: &Insn) -> impl Iterator<Item = Operand> + '_ {
    let all = insn.info().operands.iter().zip(insn.v).enumerate();
    all.map(|(place, (o, v))| Operand {
        place,
        class: o.class,
        role: o.role,
        new: o.new,
        v,
    })
}
