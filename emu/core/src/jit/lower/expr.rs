//! Expressions.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32};
use cranelift_codegen::ir::{self as cl, InstBuilder as _, Value};
use hexagon_isa::Insn;
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{Binary, Compare, Expr, Kind, Type, Unary};

use super::super::registers::{CTL, PRED, fixed};
use super::Lower;

/// The host's type for values of a scalar type. A float is its bits.
pub(super) fn ty(ty: Type) -> cl::Type {
    cl::Type::int(ty.bits().max(8) as u16).unwrap_or(cl::types::I64)
}

/// The condition code of a comparison of integers.
fn condition(op: Compare, signed: bool) -> IntCC {
    match (op, signed) {
        (Compare::Eq, _) => IntCC::Equal,
        (Compare::Ne, _) => IntCC::NotEqual,
        (Compare::Lt, true) => IntCC::SignedLessThan,
        (Compare::Le, true) => IntCC::SignedLessThanOrEqual,
        (Compare::Gt, true) => IntCC::SignedGreaterThan,
        (Compare::Ge, true) => IntCC::SignedGreaterThanOrEqual,
        (Compare::Lt, false) => IntCC::UnsignedLessThan,
        (Compare::Le, false) => IntCC::UnsignedLessThanOrEqual,
        (Compare::Gt, false) => IntCC::UnsignedGreaterThan,
        (Compare::Ge, false) => IntCC::UnsignedGreaterThanOrEqual,
    }
}

impl Lower<'_, '_> {
    /// A constant of a host type.
    pub(super) fn int(&mut self, ty: cl::Type, v: i64) -> Value {
        let bits = ty.bits();
        let v = if bits < 64 { v & ((1 << bits) - 1) } else { v };
        self.b.ins().iconst(ty, v)
    }

    /// A value as another host type: cut off, or extended.
    pub(super) fn fit(&mut self, v: Value, signed: bool, want: cl::Type) -> Value {
        let have = self.b.func.dfg.value_type(v);
        if have.bits() == want.bits() {
            v
        } else if have.bits() > want.bits() {
            self.b.ins().ireduce(want, v)
        } else if signed {
            self.b.ins().sextend(want, v)
        } else {
            self.b.ins().uextend(want, v)
        }
    }

    /// Two words as one; the first is the low one.
    fn join(&mut self, low: Value, high: Value) -> Value {
        let low = self.b.ins().uextend(cl::types::I64, low);
        let high = self.b.ins().uextend(cl::types::I64, high);
        let high = self.b.ins().ishl_imm_u(high, 32);
        self.b.ins().bor(high, low)
    }

    fn operand(&mut self, insn: &Insn, n: usize, t: Type) -> Value {
        let o = &insn.info().operands[n];
        let v = insn.v[n];
        let k = v as usize & 31;
        let read = |l: &mut Self, r: usize| if o.new { l.newest(r) } else { l.get(r) };
        match o.class {
            OperandClass::Gpr => read(self, k),
            OperandClass::GprPair => {
                let (low, high) = (read(self, k & !1), read(self, k | 1));
                self.join(low, high)
            }
            OperandClass::Pred => read(self, PRED + (k & 3)),
            OperandClass::Mod => self.get(CTL + 6 + (k & 1)),
            OperandClass::Ctrl if k == 9 => self.int(I32, i64::from(self.pc)),
            OperandClass::Ctrl if k == 4 => {
                let mut all = self.int(I32, 0);
                for n in 0..4 {
                    let p = self.get(PRED + n);
                    let p = self.b.ins().uextend(I32, p);
                    let p = self.b.ins().ishl_imm_u(p, 8 * n as i64);
                    all = self.b.ins().bor(all, p);
                }
                all
            }
            OperandClass::Ctrl => self.get(CTL + k),
            OperandClass::PcRel => self.int(I32, i64::from(self.pc.wrapping_add(v as u32))),
            _ if t.signed() => self.int(ty(t), i64::from(v)),
            _ => self.int(ty(t), i64::from(v as u32)),
        }
    }

    /// The value of an expression.
    pub(super) fn expr(&mut self, insn: &Insn, e: &Expr) -> Value {
        let t = ty(e.ty);
        match e.kind {
            Kind::Const(v) => self.int(t, v as i64),
            Kind::Operand(n) => {
                let v = self.operand(insn, n, e.ty);
                self.fit(v, e.ty.signed(), t)
            }
            Kind::Fixed(f) => self.get(fixed(f)),
            Kind::NewPred(n) => self.newest(PRED + usize::from(n)),
            Kind::Pc => self.int(I32, i64::from(self.pc)),
            Kind::NextPc => self.int(I32, i64::from(self.next)),
            Kind::CircularStart(n) => self.get(CTL + 12 + (insn.v[n] as usize & 1)),
            Kind::Local(n) => self.locals[n].unwrap_or_else(|| self.b.ins().iconst(t, 0)),
            Kind::Unary(op, a) => {
                let x = self.expr(insn, a);
                self.unary(op, e.ty, x)
            }
            Kind::Binary(op, a, b) => self.binary(insn, e, op, a, b),
            Kind::Compare(op, a, b) => {
                let (x, y) = (self.expr(insn, a), self.expr(insn, b));
                self.b.ins().icmp(condition(op, a.ty.signed()), x, y)
            }
            Kind::BoolAnd(a, b) => {
                let (x, y) = (self.expr(insn, a), self.expr(insn, b));
                self.b.ins().band(x, y)
            }
            Kind::BoolOr(a, b) => {
                let (x, y) = (self.expr(insn, a), self.expr(insn, b));
                self.b.ins().bor(x, y)
            }
            Kind::Mask(c) => {
                let c = self.expr(insn, c);
                let v = self.fit(c, false, t);
                let v = self.b.ins().ineg(v);
                self.truths.insert(v, c);
                v
            }
            Kind::Lsb(a) => {
                let v = self.expr(insn, a);
                if let Some(c) = self.truths.get(&v) {
                    return *c;
                }
                let bit = self.b.ins().band_imm_u(v, 1);
                self.fit(bit, false, I8)
            }
            Kind::Cast(a) => {
                if let Kind::Load(ea) = a.kind
                    && t.bits() > ty(a.ty).bits()
                {
                    // Said in one, or else the extension drifts away from its load.
                    return self.load(insn, ea, a.ty, t);
                }
                let x = self.expr(insn, a);
                self.fit(x, a.ty.signed(), t)
            }
            Kind::Bits(a) => self.expr(insn, a),
            Kind::Saturate { value, sticky } => self.saturate(insn, e.ty, value, sticky),
            Kind::Select(c, a, b) => {
                let c = self.expr(insn, c);
                let (x, y) = (self.expr(insn, a), self.expr(insn, b));
                self.b.ins().select(c, x, y)
            }
            Kind::Load(ea) => self.load(insn, ea, e.ty, t),
            Kind::Call(builtin, args) => {
                let args: Vec<Value> = args.iter().map(|a| self.expr(insn, a)).collect();
                self.builtin(builtin, &args)
            }
            Kind::Lane | Kind::LoadVec { .. } | Kind::Element(..) | Kind::Half(..) => {
                unreachable!("such packets are not lowered")
            }
        }
    }

    fn unary(&mut self, op: Unary, of: Type, x: Value) -> Value {
        let v = match (op, of) {
            (Unary::Not, Type::Bool) => self.b.ins().bxor_imm_u(x, 1),
            (Unary::Not, _) => self.b.ins().bnot(x),
            (Unary::Neg, Type::Float(bits)) => {
                let sign = self.int(ty(of), 1 << (bits - 1));
                self.b.ins().bxor(x, sign)
            }
            (Unary::Neg, _) => self.b.ins().ineg(x),
            (Unary::Abs, Type::Int(true, _)) => self.b.ins().iabs(x),
            (Unary::Abs, _) => x,
            (Unary::Clz, _) => self.b.ins().clz(x),
            (Unary::Ctz, _) => self.b.ins().ctz(x),
            (Unary::Popcount, _) => self.b.ins().popcnt(x),
            (Unary::BitReverse, _) => self.b.ins().bitrev(x),
            (Unary::ByteSwap, _) => self.b.ins().bswap(x),
        };
        self.fit(v, false, ty(of))
    }

    fn saturate(&mut self, insn: &Insn, to: Type, value: &Expr, sticky: bool) -> Value {
        let x = self.expr(insn, value);
        let bits = to.bits();
        let (low, high) = if to.signed() {
            (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
        } else {
            (0, (1i128 << bits) - 1)
        };
        let (low, high) = (
            self.int(ty(value.ty), low as i64),
            self.int(ty(value.ty), high as i64),
        );
        let y = self.b.ins().smax(x, low);
        let y = self.b.ins().smin(y, high);
        if sticky {
            let saturated = self.b.ins().icmp(IntCC::NotEqual, x, y);
            // USR.OVF is bit 0.
            let flags = self.b.ins().uextend(I32, saturated);
            self.now.sticky.push(flags);
        }
        self.fit(y, to.signed(), ty(to))
    }

    fn binary(&mut self, insn: &Insn, e: &Expr, op: Binary, a: &Expr, b: &Expr) -> Value {
        let (x, y) = (self.expr(insn, a), self.expr(insn, b));
        if let Some(builtin) = op.float_builtin(e.ty) {
            return self.builtin(builtin, &[x, y]);
        }
        let signed = e.ty.signed();
        match op {
            Binary::Add => self.b.ins().iadd(x, y),
            Binary::Sub => self.b.ins().isub(x, y),
            Binary::Mul => self.b.ins().imul(x, y),
            Binary::And => self.b.ins().band(x, y),
            Binary::Or => self.b.ins().bor(x, y),
            Binary::Xor => self.b.ins().bxor(x, y),
            Binary::Rem if signed => self.b.ins().srem(x, y),
            Binary::Rem => self.b.ins().urem(x, y),
            Binary::Min if signed => self.b.ins().smin(x, y),
            Binary::Min => self.b.ins().umin(x, y),
            Binary::Max if signed => self.b.ins().smax(x, y),
            Binary::Max => self.b.ins().umax(x, y),
            Binary::Shl | Binary::Shr => {
                let known = match b.kind {
                    Kind::Const(n) => i64::try_from(n).ok(),
                    Kind::Operand(n) if insn.info().operands[n].class == OperandClass::Imm => {
                        Some(i64::from(insn.v[n]))
                    }
                    _ => None,
                };
                self.shift(op == Binary::Shl, e.ty, x, y, known)
            }
        }
    }

    /// A shift by an unsigned amount, which may be more than the width.
    fn shift(&mut self, left: bool, of: Type, x: Value, amount: Value, known: Option<i64>) -> Value {
        let t = ty(of);
        let bits = i64::from(t.bits());
        if let Some(n) = known.filter(|n| (0..bits).contains(n)) {
            return match (left, of.signed()) {
                (true, _) => self.b.ins().ishl_imm_u(x, n),
                (false, true) => self.b.ins().sshr_imm_u(x, n),
                (false, false) => self.b.ins().ushr_imm_u(x, n),
            };
        }
        if !left && of.signed() {
            let most = self.b.func.dfg.value_type(amount);
            let most = self.int(most, bits - 1);
            let amount = self.b.ins().umin(amount, most);
            return self.b.ins().sshr(x, amount);
        }
        let v = if left {
            self.b.ins().ishl(x, amount)
        } else {
            self.b.ins().ushr(x, amount)
        };
        let fits = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, amount, bits);
        let zero = self.int(t, 0);
        self.b.ins().select(fits, v, zero)
    }
}
