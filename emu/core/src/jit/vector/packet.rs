//! What the vector instructions of a packet come to, while they are looked at one after the other: operations, what they are handed, and
//! what registers become.

use hexagon_isa::Insn;
use hexagon_isa::facts::{InsnFacts, PacketFacts};
use hexagon_isa::info::{Flags, OperandClass, Role};
use hexagon_isa::ir::{Expr, Kind};

use super::features::Features;
use super::ops::{Op, Unary, Value, Width};

/// What Cranelift's code hands to the operations of a packet.
#[derive(Debug, Clone, Copy)]
pub(in crate::jit) struct Argument {
    /// Whose it is: a position in the packet.
    pub(in crate::jit) insn: usize,
    pub(in crate::jit) e: &'static Expr,
    /// It is the address of a vector: how it is accessed.
    pub(in crate::jit) access: Option<Access>,
    /// The general register that it is, as the packet found it.
    pub(in crate::jit) register: Option<u8>,
    /// Lanes with more bits than it has want it, extended as its type says.
    pub(in crate::jit) extended: bool,
}

/// How a vector in memory is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jit) struct Access {
    pub(in crate::jit) store: bool,
    /// The address' low bits do not count.
    pub(in crate::jit) aligned: bool,
}

/// What is done on vectors in a packet of which everything else is lowered.
#[derive(Debug)]
pub(in crate::jit) struct VectorPart {
    pub(super) ops: Vec<Op>,
    /// For registers of 512 bits, else of 256.
    pub(in crate::jit) wide: bool,
    pub(in crate::jit) arguments: Vec<Argument>,
    /// Instructions on vectors, by position.
    pub(in crate::jit) of: u8,
    /// Vector registers that it reads or writes, a bit each; and those that it writes.
    pub(in crate::jit) touched: u32,
    pub(in crate::jit) written: u32,
    /// Pairs of the host's registers that it takes, with HVX registers in memory.
    pub(in crate::jit) pairs: usize,
}

impl VectorPart {
    /// Arguments that are addresses.
    pub(in crate::jit) fn addresses(&self) -> usize {
        self.arguments.iter().filter(|a| a.access.is_some()).count()
    }

    /// It loads vectors, or stores them.
    pub(in crate::jit) fn accesses(&self, store: bool) -> bool {
        let mut accesses = self.arguments.iter().filter_map(|a| a.access);
        accesses.any(|a| a.store == store)
    }
}

/// A packet that is being looked at.
pub(super) struct Selector<'a> {
    pub(super) features: Features,
    pub(super) facts: &'a PacketFacts,
    pub(super) ops: Vec<Op>,
    pub(super) arguments: Vec<Argument>,
    /// What `.cur` and `.tmp` loads brought, and whether it stays.
    pub(super) early: Vec<(u8, Value, bool)>,
    pub(super) registers: Vec<(u8, Value)>,
    pub(super) predicates: Vec<(u8, Value)>,
    /// The instruction that is being looked at.
    pub(super) position: usize,
}

/// The general register that an expression is, as the packet found it.
fn register(n: &InsnFacts, e: &Expr) -> Option<u8> {
    match e.kind {
        Kind::Cast(a) if a.ty.bits() == 32 && e.ty.bits() <= 32 => register(n, a),
        Kind::Operand(k) => {
            let o = n.insn.info().operands.get(k)?;
            let plain = o.class == OperandClass::Gpr && !o.new && o.role == Role::Read;
            plain.then_some(*n.insn.v.get(k)? as u8 & 31)
        }
        _ => None,
    }
}

impl<'a> Selector<'a> {
    pub(super) fn mark(&self) -> [usize; 5] {
        [
            self.ops.len(),
            self.arguments.len(),
            self.early.len(),
            self.registers.len(),
            self.predicates.len(),
        ]
    }

    /// Forgets what was added since.
    pub(super) fn back_to(&mut self, [ops, arguments, early, registers, predicates]: [usize; 5]) {
        self.ops.truncate(ops);
        self.arguments.truncate(arguments);
        self.early.truncate(early);
        self.registers.truncate(registers);
        self.predicates.truncate(predicates);
    }

    /// Adds an operation, or finds the same one.
    pub(super) fn push(&mut self, op: Op) -> Value {
        let known = match op {
            Op::Unary(Unary::Copy, ..) | Op::Load(_) => None,
            _ => self.ops.iter().position(|o| *o == op),
        };
        known.unwrap_or_else(|| {
            self.ops.push(op);
            self.ops.len() - 1
        })
    }

    /// A scalar expression in every lane.
    pub(super) fn splat(&mut self, n: &InsnFacts, width: Width, e: &'static Expr) -> Value {
        let at = self.argument(n, e, None);
        if let Some(argument) = self.arguments.get_mut(at) {
            argument.extended |= width.bits() > e.ty.bits();
        }
        self.push(Op::Splat(width, at))
    }

    pub(super) fn argument(&mut self, n: &InsnFacts, e: &'static Expr, access: Option<Access>) -> usize {
        let position = self.position;
        let same = |a: &Argument| a.insn == position && a.access == access && *a.e == *e;
        if let Some(k) = self.arguments.iter().position(same) {
            return k;
        }
        self.arguments.push(Argument {
            insn: position,
            e,
            access,
            register: register(n, e),
            extended: false,
        });
        self.arguments.len() - 1
    }

    /// Half `half` of a vector operand, or the vector, or the predicate.
    pub(super) fn read(&mut self, n: &InsnFacts, operand: usize, half: u8) -> Option<Value> {
        let o = n.insn.info().operands.get(operand)?;
        let v = *n.insn.v.get(operand)?;
        if v == Insn::VTMP {
            return None;
        }
        match o.class {
            OperandClass::VecPred if !o.new => Some(self.push(Op::Predicate(v as u8 & 3))),
            OperandClass::Vec | OperandClass::VecPair => {
                let register = (v as u8 & 31) ^ half;
                if o.new {
                    let new = self.registers.iter().find(|r| r.0 == register);
                    let early = self.early.iter().find(|e| e.0 == register);
                    return new.map(|r| r.1).or(early.map(|e| e.1));
                }
                let early = self.early.iter().find(|e| e.0 == register && !n.early);
                Some(match early {
                    Some(e) => e.1,
                    None => self.push(Op::Register(register)),
                })
            }
            _ => None,
        }
    }

    /// Notes what half of a vector operand, a vector or a predicate becomes.
    pub(super) fn write(&mut self, n: &InsnFacts, operand: usize, half: u8, v: Value) -> Option<()> {
        let o = n.insn.info().operands.get(operand)?;
        if o.role == Role::Read {
            return None;
        }
        let number = *n.insn.v.get(operand)? as u8;
        let (to, number) = match o.class {
            OperandClass::VecPred if half == 0 => (&mut self.predicates, number & 3),
            OperandClass::Vec if half == 0 => (&mut self.registers, number & 31),
            OperandClass::VecPair => (&mut self.registers, (number & 31) ^ half),
            _ => return None,
        };
        if to.iter().any(|r| r.0 == number) {
            return None;
        }
        if n.early {
            let stays = !n.insn.info().flags.any(Flags::TMP);
            self.early.push((number, v, stays));
            return (o.class != OperandClass::VecPred).then_some(());
        }
        to.push((number, v));
        Some(())
    }

    /// The packet's part, whose instructions on vectors are these.
    pub(super) fn finish(mut self, of: u8) -> Option<VectorPart> {
        let early = self.early.clone();
        for (register, v, stays) in early {
            // What is written beside a temporary load of the same register, or twice, is rare.
            if self.registers.iter().any(|r| r.0 == register) {
                return None;
            }
            if stays {
                self.registers.push((register, v));
            }
        }
        // Each register has a value of its own.
        for k in 0..self.registers.len() {
            let (register, v) = self.registers[k];
            let before = self.registers.iter().take(k);
            let shared = before.clone().any(|r| r.1 == v) || matches!(self.ops[v], Op::Register(_));
            if shared {
                self.ops.push(Op::Unary(Unary::Copy, Width::D, v));
                self.registers[k] = (register, self.ops.len() - 1);
            }
        }
        for (register, v) in &self.registers {
            self.ops.push(Op::SetRegister(*register, *v));
        }
        for (predicate, v) in &self.predicates {
            self.ops.push(Op::SetPredicate(*predicate, *v));
        }
        let written = self.registers.iter().fold(0, |m, r| m | 1 << r.0);
        let touched = self.ops.iter().fold(written, |m, op| match op {
            Op::Register(n) => m | 1 << n,
            _ => m,
        });
        Some(VectorPart {
            ops: self.ops,
            wide: self.features.wide,
            arguments: self.arguments,
            of,
            touched,
            written,
            pairs: 0,
        })
    }
}
