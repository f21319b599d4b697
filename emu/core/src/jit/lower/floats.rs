//! Floats of single precision in the host's float registers: what was computed as a float is one to the next operation, and a general
//! register in which floats stand has a second variable, so that they stay floats from block to block.
//!
//! A value that is both is the same bits. The general register is stored and tested as an integer all the same; what costs is
//! only the way back, on which the next operation would wait.

use std::collections::HashMap;

use cranelift_codegen::ir::types::{F32, F64, I32, I64};
use cranelift_codegen::ir::{InstBuilder as _, MemFlagsData, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use hexagon_isa::facts::InsnFacts;
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{Expr, Kind, Stmt, Type};

use super::super::growth::{Unit, Way};
use super::super::registers::place;
use super::state::Lower;

/// What is known of floats while a unit is lowered.
#[derive(Default)]
pub(super) struct Floats {
    /// By general register: the float in it.
    variables: [Option<Variable>; 32],
    /// The floats that bits were made of.
    made: HashMap<Value, Value>,
    /// Registers whose bits the running packet has read, by value.
    read: HashMap<Value, usize>,
}

const SINGLE: Type = Type::Float(32);

/// The general register that an operand is, taken as a float.
fn register(n: &InsnFacts, e: &Expr) -> Option<usize> {
    match e.kind {
        Kind::Operand(k) => {
            let general = n.insn.info().operands.get(k)?.class == OperandClass::Gpr;
            general.then_some(n.insn.v[k] as usize & 31)
        }
        Kind::Bits(a) => register(n, a),
        _ => None,
    }
}

/// It is a float, or bits that were computed as one.
fn computed(e: &Expr) -> bool {
    match e.kind {
        Kind::Bits(a) => computed(a),
        Kind::Operand(_) | Kind::Load(_) => false,
        _ => e.ty == SINGLE,
    }
}

/// General registers that the unit reads as floats and fills with them, a bit each.
fn wanted(unit: &Unit) -> u32 {
    let (mut read, mut written) = (0u32, 0u32);
    let lowered = unit.pieces.values().filter(|p| matches!(p.way, Way::Lowered(_)));
    for n in lowered.flat_map(|piece| &piece.facts.insns) {
        n.meaning.visit(&mut |e| {
            if let Some(register) = register(n, e).filter(|_| e.ty == SINGLE) {
                read |= 1 << register;
            }
        });
        for s in n.meaning.body {
            if let Stmt::Write(k, e) = s
                && computed(e)
            {
                written |= 1 << (n.insn.v[*k] & 31);
            }
        }
    }
    read & written
}

impl Floats {
    /// Declares the variables of a unit, which begins here.
    pub(super) fn new(b: &mut FunctionBuilder<'_>, unit: &Unit, regs: Value) -> Self {
        let wanted = wanted(unit);
        let mut variables = [None; 32];
        for (register, variable) in variables.iter_mut().enumerate() {
            if wanted >> register & 1 != 0 {
                let v = b.declare_var(F32);
                let now = b
                    .ins()
                    .load(F32, MemFlagsData::trusted(), regs, place(register).0);
                b.def_var(v, now);
                *variable = Some(v);
            }
        }
        Self {
            variables,
            ..Self::default()
        }
    }

    /// A packet begins: it reads registers anew.
    pub(super) fn begin(&mut self) {
        self.read.clear();
    }

    /// The running packet has read a register: these bits.
    pub(super) fn has_read(&mut self, register: usize, v: Value) {
        if self.variables.get(register).is_some_and(Option::is_some) {
            self.read.insert(v, register);
        }
    }

    /// The variable of a register.
    fn variable(&self, register: usize) -> Option<Variable> {
        self.variables.get(register).copied().flatten()
    }
}

/// Bits as a float.
pub(super) fn of_bits(l: &mut Lower<'_, '_>, v: Value) -> Value {
    if let Some(float) = l.floats.made.get(&v) {
        return *float;
    }
    let read = l.floats.read.get(&v).copied();
    if let Some(variable) = read.and_then(|register| l.floats.variable(register)) {
        return l.b.use_var(variable);
    }
    let t = if l.b.func.dfg.value_type(v) == I32 {
        F32
    } else {
        F64
    };
    l.b.ins().bitcast(t, MemFlagsData::new(), v)
}

/// A float's bits.
pub(super) fn to_bits(l: &mut Lower<'_, '_>, float: Value) -> Value {
    let t = if l.b.func.dfg.value_type(float) == F32 {
        I32
    } else {
        I64
    };
    let bits = l.b.ins().bitcast(t, MemFlagsData::new(), float);
    l.floats.made.insert(bits, float);
    bits
}

/// A register has new bits.
pub(super) fn define(l: &mut Lower<'_, '_>, register: usize, v: Value) {
    let Some(variable) = l.floats.variable(register) else {
        return;
    };
    l.floats.read.remove(&v);
    let float = of_bits(l, v);
    l.b.def_var(variable, float);
}
