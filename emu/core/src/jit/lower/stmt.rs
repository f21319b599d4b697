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
use super::{Jump, Lower, Pending, Store};

impl Lower<'_, '_> {
    /// An instruction of the running packet.
    pub(super) fn insn(&mut self, n: &InsnFacts) {
        self.locals = vec![None; n.meaning.locals.len()];
        for s in n.meaning.body {
            self.stmt(&n.insn, s);
        }
    }

    fn jump(&mut self, condition: Option<Value>, target: Value) {
        self.now.jumps.push(Jump {
            condition,
            target,
            position: self.position,
        });
    }

    fn stmt(&mut self, insn: &Insn, s: &Stmt) {
        match s {
            Stmt::Set(n, e) => self.locals[*n] = Some(self.expr(insn, e)),
            Stmt::Write(n, e) => {
                let v = self.expr(insn, e);
                self.write_operand(insn, *n, v, e.ty);
            }
            Stmt::WriteFixed(f, e) => {
                let v = self.expr(insn, e);
                self.write(fixed(*f), v, e.ty);
            }
            Stmt::If(c, a, b) => self.condition(insn, c, a, b),
            Stmt::Store(ea, e) => self.store(insn, ea, e),
            Stmt::Jump(e) => {
                let target = self.expr(insn, e);
                self.jump(None, target);
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
                let usr = self.newest(USR);
                let usr = self.b.ins().band_imm_u(usr, i64::from(!usr::LPCFG));
                let usr = self.b.ins().bor_imm_u(usr, n << usr::LPCFG_SHIFT);
                self.now.registers.insert(USR, usr);
            }
            Stmt::Call(Builtin::frame_check, args) => {
                for bottom in *args {
                    let bottom = self.expr(insn, bottom);
                    let limit = self.get(FRAME_LIMIT);
                    let below = self.b.ins().icmp(IntCC::UnsignedLessThan, bottom, limit);
                    self.unless(below, true);
                }
            }
            _ => unreachable!("such packets are not lowered"),
        }
    }

    fn write_operand(&mut self, insn: &Insn, n: usize, v: Value, of: Type) {
        let k = insn.v[n] as usize & 31;
        match insn.info().operands[n].class {
            OperandClass::GprPair => {
                let v = self.fit(v, of.signed(), I64);
                let low = self.b.ins().ireduce(I32, v);
                let high = self.b.ins().ushr_imm_u(v, 32);
                let high = self.b.ins().ireduce(I32, high);
                self.now.registers.insert(k & !1, low);
                self.now.registers.insert(k | 1, high);
            }
            OperandClass::Pred => self.write(PRED + (k & 3), v, of),
            OperandClass::Mod => self.write(CTL + 6 + (k & 1), v, of),
            OperandClass::Ctrl if k == 4 => {
                for p in 0..4 {
                    let byte = self.b.ins().ushr_imm_u(v, 8 * p as i64);
                    self.write(PRED + p, byte, Type::U32);
                }
            }
            OperandClass::Ctrl if CTL + k == USR => {
                let changed = i64::from(writable(k as u8));
                let new = self.b.ins().band_imm_u(v, changed);
                let old = self.get(USR);
                let old = self.b.ins().band_imm_u(old, i64::from(u32::MAX) & !changed);
                let all = self.b.ins().bor(new, old);
                self.write(USR, all, Type::U32);
            }
            OperandClass::Ctrl => self.write(CTL + k, v, of),
            _ => self.write(k, v, of),
        }
    }

    /// Notes what a register is to be when the packet ends. Several writers of a predicate are ANDed.
    fn write(&mut self, register: usize, v: Value, of: Type) {
        let mut v = self.fit(v, of.signed(), place(register).1);
        if (PRED..CTL).contains(&register)
            && let Some(other) = self.now.registers.get(&register).copied()
        {
            let truths = (self.truths.get(&other).copied(), self.truths.get(&v).copied());
            v = self.b.ins().band(other, v);
            if let (Some(a), Some(b)) = truths {
                let both = self.b.ins().band(a, b);
                self.truths.insert(v, both);
            }
        }
        self.now.registers.insert(register, v);
    }

    fn condition(&mut self, insn: &Insn, c: &Expr, then: &[Stmt], other: &[Stmt]) {
        let c = self.expr(insn, c);
        let calm = |s: &Stmt| match s {
            Stmt::Write(_, e) | Stmt::WriteFixed(_, e) | Stmt::Jump(e) => pure(e),
            _ => false,
        };
        if then.iter().chain(other).all(calm) {
            self.choose(insn, c, then, other);
        } else {
            self.branch(insn, c, then, other);
        }
    }

    /// Computes both sides; the condition chooses.
    fn choose(&mut self, insn: &Insn, c: Value, then: &[Stmt], other: &[Stmt]) {
        let before = self.now.clone();
        for s in then {
            self.stmt(insn, s);
        }
        let yes = std::mem::replace(&mut self.now, before.clone());
        for s in other {
            self.stmt(insn, s);
        }
        let no = std::mem::replace(&mut self.now, before);
        for r in registers(&yes, &no) {
            let old = self.newest(r);
            let x = yes.registers.get(&r).copied().unwrap_or(old);
            let y = no.registers.get(&r).copied().unwrap_or(old);
            let v = self.b.ins().select(c, x, y);
            if let (Some(x), Some(y)) = (self.truths.get(&x).copied(), self.truths.get(&y).copied()) {
                let truth = self.b.ins().select(c, x, y);
                self.truths.insert(v, truth);
            }
            self.now.registers.insert(r, v);
        }
        let before = self.now.jumps.len();
        let jumps =
            |side: &Pending| -> Vec<Value> { side.jumps.iter().skip(before).map(|j| j.target).collect() };
        for target in jumps(&yes) {
            self.jump(Some(c), target);
        }
        for target in jumps(&no) {
            let not = self.b.ins().bxor_imm_u(c, 1);
            self.jump(Some(not), target);
        }
    }

    /// Goes one of two ways, which meet again.
    fn branch(&mut self, insn: &Insn, c: Value, then: &[Stmt], other: &[Stmt]) {
        let (yes, no, on) = (
            self.b.create_block(),
            self.b.create_block(),
            self.b.create_block(),
        );
        let before = self.now.clone();
        // Registers that a side does not write stay what they are.
        let mut written = BTreeMap::new();
        for register in then.iter().chain(other).flat_map(|s| written_by(insn, s)) {
            let variable = self.b.declare_var(place(register).1);
            let old = self.newest(register);
            self.b.def_var(variable, old);
            written.insert(register, variable);
        }
        self.b.ins().brif(c, yes, &[], no, &[]);
        let mut added = Vec::new();
        for (block, body) in [(yes, then), (no, other)] {
            self.b.switch_to_block(block);
            self.now = before.clone();
            for s in body {
                self.stmt(insn, s);
            }
            let side = std::mem::replace(&mut self.now, before.clone());
            for (register, variable) in &written {
                if let Some(v) = side.registers.get(register) {
                    self.b.def_var(*variable, *v);
                }
            }
            // What the other side does not add is 0 there, as variables are that were never defined.
            let mut keep = |v: Value| {
                let variable = self.b.declare_var(self.b.func.dfg.value_type(v));
                self.b.def_var(variable, v);
                variable
            };
            let stores = side.stores.iter().skip(before.stores.len());
            let stores: Vec<_> = stores.map(|s| (keep(s.host), keep(s.value))).collect();
            let jumps = side.jumps.iter().skip(before.jumps.len());
            let jumps: Vec<_> = jumps.map(|j| keep(j.target)).collect();
            let sticky = side.sticky.iter().skip(before.sticky.len());
            let sticky: Vec<_> = sticky.map(|v| keep(*v)).collect();
            added.push((stores, jumps, sticky));
            self.b.ins().jump(on, &[]);
        }
        self.b.switch_to_block(on);
        for (register, variable) in written {
            let v = self.b.use_var(variable);
            self.now.registers.insert(register, v);
        }
        let mut taken = c;
        for (stores, jumps, sticky) in added {
            for (host, value) in stores {
                let (host, value) = (self.b.use_var(host), self.b.use_var(value));
                self.now.stores.push(Store {
                    condition: Some(taken),
                    host,
                    value,
                });
            }
            for target in jumps {
                let target = self.b.use_var(target);
                self.jump(Some(taken), target);
            }
            for flags in sticky {
                let flags = self.b.use_var(flags);
                self.now.sticky.push(flags);
            }
            taken = self.b.ins().bxor_imm_u(c, 1);
        }
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
