//! Statements.

use std::collections::{BTreeMap, BTreeSet};

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder as _, Value};
use hexagon_isa::Insn;
use hexagon_isa::facts::{InsnFacts, writable};
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{Builtin, Expr, Kind, Stmt, Type};
use hexagon_isa::state::usr;

use super::super::registers::{CTL, FRAME_LIMIT, PRED, USR, fixed, place};
use super::possible::pure;
use super::state::{Jump, Lower, Pending, Store};
use super::{access, expr};

/// An instruction of the running packet.
pub(super) fn insn(l: &mut Lower<'_, '_>, n: &InsnFacts) {
    l.locals = vec![None; n.meaning.locals.len()];
    for s in n.meaning.body {
        stmt(l, &n.insn, s);
    }
}

fn jump(l: &mut Lower<'_, '_>, condition: Option<Value>, target: Value) {
    l.now.jumps.push(Jump {
        condition,
        target,
        position: l.position,
    });
}

pub(super) fn stmt(l: &mut Lower<'_, '_>, insn: &Insn, s: &Stmt) {
    match s {
        Stmt::Set(n, e) => l.locals[*n] = Some(expr::expr(l, insn, e)),
        Stmt::Write(n, e) => {
            let v = expr::expr(l, insn, e);
            write_operand(l, insn, *n, v, e.ty);
        }
        Stmt::WriteFixed(f, e) => {
            let v = expr::expr(l, insn, e);
            write(l, fixed(*f), v, e.ty);
        }
        Stmt::If(c, a, b) => condition(l, insn, c, a, b),
        Stmt::Store(ea, e) => {
            let value = expr::expr(l, insn, e);
            let va = expr::expr(l, insn, ea);
            access::store(l, va, value, e.ty);
        }
        Stmt::Jump(e) => {
            let target = expr::expr(l, insn, e);
            jump(l, None, target);
        }
        Stmt::Call(Builtin::loop_config, args) => {
            let n = match args {
                [
                    Expr {
                        kind: Kind::Const(n), ..
                    },
                ] => *n as i64,
                _ => 0,
            };
            let usr = l.newest(USR);
            let usr = l.b.ins().band_imm_u(usr, i64::from(!usr::LPCFG));
            let usr = l.b.ins().bor_imm_u(usr, n << usr::LPCFG_SHIFT);
            l.now.registers.insert(USR, usr);
        }
        Stmt::Call(Builtin::frame_check, args) => {
            for bottom in *args {
                let bottom = expr::expr(l, insn, bottom);
                let limit = l.get(FRAME_LIMIT);
                let below = l.b.ins().icmp(IntCC::UnsignedLessThan, bottom, limit);
                l.unless(below, true);
            }
        }
        _ => unreachable!("such packets are not lowered"),
    }
}

fn write_operand(l: &mut Lower<'_, '_>, insn: &Insn, n: usize, v: Value, of: Type) {
    let k = insn.v[n] as usize & 31;
    match insn.info().operands[n].class {
        OperandClass::GprPair => {
            let v = l.fit(v, of.signed(), I64);
            let low = l.b.ins().ireduce(I32, v);
            let high = l.b.ins().ushr_imm_u(v, 32);
            let high = l.b.ins().ireduce(I32, high);
            l.now.registers.insert(k & !1, low);
            l.now.registers.insert(k | 1, high);
        }
        OperandClass::Pred => write(l, PRED + (k & 3), v, of),
        OperandClass::Mod => write(l, CTL + 6 + (k & 1), v, of),
        OperandClass::Ctrl if k == 4 => {
            for p in 0..4 {
                let byte = l.b.ins().ushr_imm_u(v, 8 * p as i64);
                write(l, PRED + p, byte, Type::U32);
            }
        }
        OperandClass::Ctrl if CTL + k == USR => {
            let changed = i64::from(writable(k as u8));
            let new = l.b.ins().band_imm_u(v, changed);
            let old = l.get(USR);
            let old = l.b.ins().band_imm_u(old, i64::from(u32::MAX) & !changed);
            let all = l.b.ins().bor(new, old);
            write(l, USR, all, Type::U32);
        }
        OperandClass::Ctrl => write(l, CTL + k, v, of),
        _ => write(l, k, v, of),
    }
}

/// Notes what a register is to be when the packet ends. Several writers of a predicate are ANDed.
fn write(l: &mut Lower<'_, '_>, register: usize, v: Value, of: Type) {
    let mut v = l.fit(v, of.signed(), place(register).1);
    if (PRED..CTL).contains(&register)
        && let Some(other) = l.now.registers.get(&register).copied()
    {
        let truths = (l.truths.get(&other).copied(), l.truths.get(&v).copied());
        v = l.b.ins().band(other, v);
        if let (Some(a), Some(b)) = truths {
            let both = l.b.ins().band(a, b);
            l.truths.insert(v, both);
        }
    }
    l.now.registers.insert(register, v);
}

fn condition(l: &mut Lower<'_, '_>, insn: &Insn, c: &Expr, then: &[Stmt], other: &[Stmt]) {
    let c = expr::expr(l, insn, c);
    let calm = |s: &Stmt| match s {
        Stmt::Write(_, e) | Stmt::WriteFixed(_, e) | Stmt::Jump(e) => pure(e),
        _ => false,
    };
    if then.iter().chain(other).all(calm) {
        choose(l, insn, c, then, other);
    } else {
        branch(l, insn, c, then, other);
    }
}

/// Computes both sides; the condition chooses.
fn choose(l: &mut Lower<'_, '_>, insn: &Insn, c: Value, then: &[Stmt], other: &[Stmt]) {
    let before = l.now.clone();
    for s in then {
        stmt(l, insn, s);
    }
    let yes = std::mem::replace(&mut l.now, before.clone());
    for s in other {
        stmt(l, insn, s);
    }
    let no = std::mem::replace(&mut l.now, before);
    for r in registers(&yes, &no) {
        let old = l.newest(r);
        let x = yes.registers.get(&r).copied().unwrap_or(old);
        let y = no.registers.get(&r).copied().unwrap_or(old);
        let v = l.b.ins().select(c, x, y);
        if let (Some(x), Some(y)) = (l.truths.get(&x).copied(), l.truths.get(&y).copied()) {
            let truth = l.b.ins().select(c, x, y);
            l.truths.insert(v, truth);
        }
        l.now.registers.insert(r, v);
    }
    let before = l.now.jumps.len();
    let jumps = |side: &Pending| -> Vec<Value> { side.jumps.iter().skip(before).map(|j| j.target).collect() };
    for target in jumps(&yes) {
        jump(l, Some(c), target);
    }
    for target in jumps(&no) {
        let not = l.b.ins().bxor_imm_u(c, 1);
        jump(l, Some(not), target);
    }
}

/// Goes one of two ways, which meet again.
fn branch(l: &mut Lower<'_, '_>, insn: &Insn, c: Value, then: &[Stmt], other: &[Stmt]) {
    let (yes, no, on) = (l.b.create_block(), l.b.create_block(), l.b.create_block());
    let before = l.now.clone();
    let aligned = l.aligned.clone();
    // Registers that a side does not write stay what they are.
    let mut written = BTreeMap::new();
    for register in then.iter().chain(other).flat_map(|s| written_by(insn, s)) {
        let variable = l.b.declare_var(place(register).1);
        let old = l.newest(register);
        l.b.def_var(variable, old);
        written.insert(register, variable);
    }
    l.b.ins().brif(c, yes, &[], no, &[]);
    let mut added = Vec::new();
    for (block, body) in [(yes, then), (no, other)] {
        l.b.switch_to_block(block);
        l.now = before.clone();
        for s in body {
            stmt(l, insn, s);
        }
        // What one side asked the other does not know.
        l.aligned.clone_from(&aligned);
        let side = std::mem::replace(&mut l.now, before.clone());
        for (register, variable) in &written {
            if let Some(v) = side.registers.get(register) {
                l.b.def_var(*variable, *v);
            }
        }
        // What the other side does not add is 0 there, as variables are that were never defined.
        let mut keep = |v: Value| {
            let variable = l.b.declare_var(l.b.func.dfg.value_type(v));
            l.b.def_var(variable, v);
            variable
        };
        let stores = side.stores.iter().skip(before.stores.len());
        let stores: Vec<_> = stores.map(|s| (s.guarded, keep(s.host), keep(s.value))).collect();
        let jumps = side.jumps.iter().skip(before.jumps.len());
        let jumps: Vec<_> = jumps.map(|j| keep(j.target)).collect();
        let sticky = side.sticky.iter().skip(before.sticky.len());
        let sticky: Vec<_> = sticky.map(|v| keep(*v)).collect();
        added.push((stores, jumps, sticky));
        l.b.ins().jump(on, &[]);
    }
    l.b.switch_to_block(on);
    for (register, variable) in written {
        let v = l.b.use_var(variable);
        l.now.registers.insert(register, v);
    }
    let mut taken = c;
    for (stores, jumps, sticky) in added {
        for (guarded, host, value) in stores {
            let (host, value) = (l.b.use_var(host), l.b.use_var(value));
            l.now.stores.push(Store {
                condition: Some(taken),
                guarded,
                host,
                value,
            });
        }
        for target in jumps {
            let target = l.b.use_var(target);
            jump(l, Some(taken), target);
        }
        for flags in sticky {
            let flags = l.b.use_var(flags);
            l.now.sticky.push(flags);
        }
        taken = l.b.ins().bxor_imm_u(c, 1);
    }
}

/// The registers that a statement writes which stands under a condition.
fn written_by(insn: &Insn, s: &Stmt) -> Vec<usize> {
    match s {
        Stmt::Write(n, _) => {
            let k = insn.v[*n] as usize & 31;
            match insn.info().operands[*n].class {
                OperandClass::GprPair => vec![k & !1, k | 1],
                OperandClass::Pred => vec![PRED + (k & 3)],
                OperandClass::Mod => vec![CTL + 6 + (k & 1)],
                OperandClass::Ctrl => vec![CTL + k],
                _ => vec![k],
            }
        }
        Stmt::WriteFixed(f, _) => vec![fixed(*f)],
        _ => Vec::new(),
    }
}

/// What either side writes.
fn registers(a: &Pending, b: &Pending) -> BTreeSet<usize> {
    a.registers.keys().chain(b.registers.keys()).copied().collect()
}
