//! Expressions.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32};
use cranelift_codegen::ir::{self as cl, InstBuilder as _, Value};
use hexagon_isa::Insn;
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{Binary, Compare, Expr, Kind, Type, Unary};

use super::super::registers::{CTL, PRED, fixed};
use super::state::{Lower, ty};
use super::{access, builtin, floats};

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

/// Two words as one; the first is the low one.
fn join(l: &mut Lower<'_, '_>, low: Value, high: Value) -> Value {
    let low = l.b.ins().uextend(cl::types::I64, low);
    let high = l.b.ins().uextend(cl::types::I64, high);
    let high = l.b.ins().ishl_imm_u(high, 32);
    l.b.ins().bor(high, low)
}

fn operand(l: &mut Lower<'_, '_>, insn: &Insn, n: usize, t: Type) -> Value {
    let o = &insn.info().operands[n];
    let v = insn.v[n];
    let k = v as usize & 31;
    let read = |l: &mut Lower<'_, '_>, r: usize| if o.new { l.newest(r) } else { l.get(r) };
    match o.class {
        OperandClass::Gpr => read(l, k),
        OperandClass::GprPair => {
            let (low, high) = (read(l, k & !1), read(l, k | 1));
            join(l, low, high)
        }
        OperandClass::Pred => read(l, PRED + (k & 3)),
        OperandClass::Mod => l.get(CTL + 6 + (k & 1)),
        OperandClass::Ctrl if k == 9 => l.int(I32, i64::from(l.pc)),
        OperandClass::Ctrl if k == 4 => {
            let mut all = l.int(I32, 0);
            for n in 0..4 {
                let p = l.get(PRED + n);
                let p = l.b.ins().uextend(I32, p);
                let p = l.b.ins().ishl_imm_u(p, 8 * n as i64);
                all = l.b.ins().bor(all, p);
            }
            all
        }
        OperandClass::Ctrl => l.get(CTL + k),
        OperandClass::PcRel => l.int(I32, i64::from(l.pc.wrapping_add(v as u32))),
        _ if t.signed() => l.int(ty(t), i64::from(v)),
        _ => l.int(ty(t), i64::from(v as u32)),
    }
}

/// The value of an expression.
pub(super) fn expr(l: &mut Lower<'_, '_>, insn: &Insn, e: &Expr) -> Value {
    let t = ty(e.ty);
    match e.kind {
        Kind::Const(v) => l.int(t, v as i64),
        Kind::Operand(n) => {
            let v = operand(l, insn, n, e.ty);
            l.fit(v, e.ty.signed(), t)
        }
        Kind::Fixed(f) => l.get(fixed(f)),
        Kind::NewPred(n) => l.newest(PRED + usize::from(n)),
        Kind::Pc => l.int(I32, i64::from(l.pc)),
        Kind::NextPc => l.int(I32, i64::from(l.next)),
        Kind::CircularStart(n) => l.get(CTL + 12 + (insn.v[n] as usize & 1)),
        Kind::Local(n) => l.locals[n].unwrap_or_else(|| l.b.ins().iconst(t, 0)),
        Kind::Unary(op, a) => {
            let x = expr(l, insn, a);
            unary(l, op, e.ty, x)
        }
        Kind::Binary(op, a, b) => binary(l, insn, e, op, a, b),
        Kind::Compare(op, a, b) => {
            let (x, y) = (expr(l, insn, a), expr(l, insn, b));
            l.b.ins().icmp(condition(op, a.ty.signed()), x, y)
        }
        Kind::BoolAnd(a, b) => {
            let (x, y) = (expr(l, insn, a), expr(l, insn, b));
            l.b.ins().band(x, y)
        }
        Kind::BoolOr(a, b) => {
            let (x, y) = (expr(l, insn, a), expr(l, insn, b));
            l.b.ins().bor(x, y)
        }
        Kind::Mask(c) => {
            let c = expr(l, insn, c);
            let v = l.fit(c, false, t);
            let v = l.b.ins().ineg(v);
            l.truths.insert(v, c);
            v
        }
        Kind::Lsb(a) => {
            let v = expr(l, insn, a);
            if let Some(c) = l.truths.get(&v) {
                return *c;
            }
            let bit = l.b.ins().band_imm_u(v, 1);
            l.fit(bit, false, I8)
        }
        Kind::Cast(a) => {
            if let Kind::Load(ea) = a.kind
                && t.bits() > ty(a.ty).bits()
            {
                // Said in one, or else the extension drifts away from its load.
                let va = expr(l, insn, ea);
                return access::load(l, va, a.ty, t);
            }
            let x = expr(l, insn, a);
            l.fit(x, a.ty.signed(), t)
        }
        Kind::Bits(a) => expr(l, insn, a),
        Kind::Saturate { value, sticky } => saturate(l, insn, e.ty, value, sticky),
        Kind::Select(c, a, b) => {
            let c = expr(l, insn, c);
            let (x, y) = (expr(l, insn, a), expr(l, insn, b));
            l.b.ins().select(c, x, y)
        }
        Kind::Load(ea) => {
            let va = expr(l, insn, ea);
            access::load(l, va, e.ty, t)
        }
        Kind::Call(b, args) => {
            let args: Vec<Value> = args.iter().map(|a| expr(l, insn, a)).collect();
            builtin::builtin(l, b, &args)
        }
        Kind::Lane | Kind::LoadVec { .. } | Kind::Element(..) | Kind::Half(..) => {
            unreachable!("such packets are not lowered")
        }
    }
}

fn unary(l: &mut Lower<'_, '_>, op: Unary, of: Type, x: Value) -> Value {
    let v = match (op, of) {
        (Unary::Not, Type::Bool) => l.b.ins().bxor_imm_u(x, 1),
        (Unary::Not, _) => l.b.ins().bnot(x),
        (Unary::Neg, Type::Float(_)) => {
            let x = floats::of_bits(l, x);
            let negated = l.b.ins().fneg(x);
            floats::to_bits(l, negated)
        }
        (Unary::Neg, _) => l.b.ins().ineg(x),
        (Unary::Abs, Type::Int(true, _)) => l.b.ins().iabs(x),
        (Unary::Abs, _) => x,
        (Unary::Clz, _) => l.b.ins().clz(x),
        (Unary::Ctz, _) => l.b.ins().ctz(x),
        (Unary::Popcount, _) => l.b.ins().popcnt(x),
        (Unary::BitReverse, _) => l.b.ins().bitrev(x),
        (Unary::ByteSwap, _) => l.b.ins().bswap(x),
    };
    l.fit(v, false, ty(of))
}

fn saturate(l: &mut Lower<'_, '_>, insn: &Insn, to: Type, value: &Expr, sticky: bool) -> Value {
    let x = expr(l, insn, value);
    let bits = to.bits();
    let (low, high) = if to.signed() {
        (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
    } else {
        (0, (1i128 << bits) - 1)
    };
    let (low, high) = (l.int(ty(value.ty), low as i64), l.int(ty(value.ty), high as i64));
    let y = l.b.ins().smax(x, low);
    let y = l.b.ins().smin(y, high);
    if sticky {
        let saturated = l.b.ins().icmp(IntCC::NotEqual, x, y);
        // USR.OVF is bit 0.
        let flags = l.b.ins().uextend(I32, saturated);
        l.now.sticky.push(flags);
    }
    l.fit(y, to.signed(), ty(to))
}

fn binary(l: &mut Lower<'_, '_>, insn: &Insn, e: &Expr, op: Binary, a: &Expr, b: &Expr) -> Value {
    let (x, y) = (expr(l, insn, a), expr(l, insn, b));
    if let Some(b) = op.float_builtin(e.ty) {
        return builtin::builtin(l, b, &[x, y]);
    }
    let signed = e.ty.signed();
    match op {
        Binary::Add => l.b.ins().iadd(x, y),
        Binary::Sub => l.b.ins().isub(x, y),
        Binary::Mul => l.b.ins().imul(x, y),
        Binary::And => l.b.ins().band(x, y),
        Binary::Or => l.b.ins().bor(x, y),
        Binary::Xor => l.b.ins().bxor(x, y),
        Binary::Rem if signed => l.b.ins().srem(x, y),
        Binary::Rem => l.b.ins().urem(x, y),
        Binary::Min if signed => l.b.ins().smin(x, y),
        Binary::Min => l.b.ins().umin(x, y),
        Binary::Max if signed => l.b.ins().smax(x, y),
        Binary::Max => l.b.ins().umax(x, y),
        Binary::Shl | Binary::Shr => {
            let known = match b.kind {
                Kind::Const(n) => i64::try_from(n).ok(),
                Kind::Operand(n) if insn.info().operands[n].class == OperandClass::Imm => {
                    Some(i64::from(insn.v[n]))
                }
                _ => None,
            };
            shift(l, op == Binary::Shl, e.ty, x, y, known)
        }
    }
}

/// A shift by an unsigned amount, which may be more than the width.
fn shift(l: &mut Lower<'_, '_>, left: bool, of: Type, x: Value, amount: Value, known: Option<i64>) -> Value {
    let t = ty(of);
    let bits = i64::from(t.bits());
    if let Some(n) = known.filter(|n| (0..bits).contains(n)) {
        return match (left, of.signed()) {
            (true, _) => l.b.ins().ishl_imm_u(x, n),
            (false, true) => l.b.ins().sshr_imm_u(x, n),
            (false, false) => l.b.ins().ushr_imm_u(x, n),
        };
    }
    if !left && of.signed() {
        let most = l.b.func.dfg.value_type(amount);
        let most = l.int(most, bits - 1);
        let amount = l.b.ins().umin(amount, most);
        return l.b.ins().sshr(x, amount);
    }
    let v = if left {
        l.b.ins().ishl(x, amount)
    } else {
        l.b.ins().ushr(x, amount)
    };
    let fits = l.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, amount, bits);
    let zero = l.int(t, 0);
    l.b.ins().select(fits, v, zero)
}
