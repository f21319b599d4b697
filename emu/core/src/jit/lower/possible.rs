//! Which packets can be lowered.

use hexagon_isa::facts::{InsnFacts, PacketFacts, writable};
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{Binary, Builtin, Expr, Fixed, Kind, Needs, Stmt, Type, Unary};

/// The control registers that are plain words of 32 bits: neither made of others nor counting by themselves, and written whole.
fn plain_control(n: i32) -> bool {
    n < 20 && n != 4 && writable(n as u8) == u32::MAX
}

const USR: i32 = 8;
const GP: i32 = 11;
const PC: i32 = 9;
const P3_0: i32 = 4;

/// A value of this type is in a register of the host.
fn scalar(ty: Type) -> bool {
    matches!(
        ty,
        Type::Bool | Type::Int(_, 8 | 16 | 32 | 64) | Type::Float(32 | 64)
    )
}

/// It neither loads nor raises flags, so it may be computed when it is not asked for.
pub(in crate::jit) fn pure(e: &Expr) -> bool {
    let own = match e.kind {
        Kind::Load(_) | Kind::Saturate { sticky: true, .. } => false,
        Kind::Call(b, _) => b.signature().needs == Needs::Nothing,
        Kind::Binary(op, ..) => op.float_builtin(e.ty).is_none(),
        _ => true,
    };
    own && e.children().all(pure)
}

/// It is a call, or computes with the host's floats.
pub(super) fn calls(b: Builtin) -> bool {
    !matches!(b, Builtin::shl_signed | Builtin::shl_unsigned)
}

/// An expression whose value is in a register of the host.
pub(in crate::jit) fn scalar_expr(e: &Expr, n: &InsnFacts) -> bool {
    let own = match e.kind {
        Kind::Operand(k) => match n.insn.info().operands[k].class {
            OperandClass::Gpr | OperandClass::GprPair | OperandClass::Pred => true,
            OperandClass::Mod | OperandClass::Imm | OperandClass::PcRel => true,
            OperandClass::Ctrl => {
                let c = n.insn.v[k] & 31;
                plain_control(c) || matches!(c, USR | GP | PC | P3_0)
            }
            _ => false,
        },
        Kind::Fixed(Fixed::Ctl(c)) => {
            let c = i32::from(c);
            plain_control(c) || matches!(c, USR | GP)
        }
        Kind::Element(..) | Kind::Half(..) | Kind::Lane | Kind::LoadVec { .. } => false,
        Kind::Cast(a) => {
            let float = |t| matches!(t, Type::Float(_));
            !float(e.ty) && !float(a.ty) && e.ty != Type::Bool
        }
        Kind::Saturate { value, .. } => {
            let fits = if e.ty.signed() {
                e.ty.bits() <= value.ty.bits()
            } else {
                e.ty.bits() < value.ty.bits()
            };
            value.ty.signed() && e.ty.is_int() && fits
        }
        Kind::Select(_, a, b) => pure(a) && pure(b),
        Kind::Unary(op, a) => match op {
            Unary::Not | Unary::Neg => true,
            Unary::Abs => a.ty.is_int(),
            Unary::Clz | Unary::Ctz | Unary::Popcount | Unary::BitReverse | Unary::ByteSwap => {
                matches!(a.ty, Type::Int(_, 32 | 64))
            }
        },
        Kind::Binary(op, _, b) => match e.ty {
            Type::Float(_) => op.float_builtin(e.ty).is_some(),
            _ => op != Binary::Rem || matches!(b.kind, Kind::Const(c) if c > 0),
        },
        Kind::Call(b, _) => matches!(b.signature().needs, Needs::Nothing | Needs::Status),
        _ => true,
    };
    own && scalar(e.ty) && e.children().all(|c| scalar_expr(c, n))
}

fn stmt(s: &Stmt, n: &InsnFacts, inside: bool) -> bool {
    match s {
        Stmt::Set(_, e) => scalar_expr(e, n) && !inside,
        Stmt::Jump(e) => scalar_expr(e, n) && pure(e),
        Stmt::Write(k, e) => {
            let c = n.insn.v[*k] & 31;
            let place = match n.insn.info().operands[*k].class {
                OperandClass::Gpr | OperandClass::GprPair | OperandClass::Pred | OperandClass::Mod => true,
                OperandClass::Ctrl => plain_control(c) || matches!(c, P3_0 | USR) && !inside,
                _ => false,
            };
            place && scalar_expr(e, n)
        }
        Stmt::WriteFixed(Fixed::Ctl(c), e) => plain_control(i32::from(*c)) && scalar_expr(e, n),
        Stmt::WriteFixed(_, e) => scalar_expr(e, n),
        Stmt::If(c, a, b) => {
            // What is stored or gone to depends on one condition.
            let both = a.iter().any(effect) && b.iter().any(effect);
            !inside && !both && scalar_expr(c, n) && a.iter().chain(*b).all(|s| stmt(s, n, true))
        }
        Stmt::Store(a, e) => scalar_expr(a, n) && scalar_expr(e, n),
        Stmt::Call(Builtin::loop_config, [e]) => !inside && matches!(e.kind, Kind::Const(_)),
        Stmt::Call(Builtin::frame_check, [e]) => !inside && scalar_expr(e, n),
        _ => false,
    }
}

fn effect(s: &Stmt) -> bool {
    matches!(s, Stmt::Store(..) | Stmt::Jump(_))
}

/// A statement that writes a scalar register, on no condition.
pub(in crate::jit) fn scalar_stmt(s: &Stmt, n: &InsnFacts) -> bool {
    matches!(s, Stmt::Write(..)) && stmt(s, n, false)
}

/// An instruction that works on scalars and memory only.
pub(in crate::jit) fn scalar_insn(n: &InsnFacts) -> bool {
    n.meaning.locals.iter().all(|t| scalar(*t)) && n.meaning.body.iter().all(|s| stmt(s, n, false))
}

/// It writes USR as a register.
fn writes_usr(n: &InsnFacts) -> bool {
    n.writes.ctl & 1 << USR != 0
}

/// Whether a packet ends in a way that can be had, whatever its instructions are.
pub(in crate::jit) fn ends_plainly(facts: &PacketFacts) -> bool {
    let anded = |n: &InsnFacts| n.conditional && n.writes.pred & facts.anded != 0;
    // An instruction that does both itself (`loop0` sets up the prologue in USR) does them in its own order.
    let numbered = || facts.insns.iter().enumerate();
    let usr_twice = numbered().any(|(k, n)| {
        let others = |(other, n): (usize, &InsnFacts)| other != k && (n.writes.sticky || n.reads.rounding);
        writes_usr(n) && numbered().any(others)
    });
    !(facts.decided_late || usr_twice || facts.any(anded))
}

/// Whether a packet on scalars can be lowered. What cannot, the interpreter's functions do.
pub(in crate::jit) fn can_lower(facts: &PacketFacts) -> bool {
    ends_plainly(facts) && facts.insns.iter().all(scalar_insn) && memory_in_order(facts)
}

/// The accesses are made in an order that can be had: of two, a load behind a store sees what it stored, so neither depends on
/// a condition; and none waits for a later one. (What loads and stores in one stands alone.)
pub(in crate::jit) fn memory_in_order(facts: &PacketFacts) -> bool {
    let (mut accesses, mut stored, mut conditional) = (0, false, false);
    for (n, position) in facts.insns.iter().zip(0..) {
        let fx = n.effects;
        if !fx.load && !fx.store {
            continue;
        }
        accesses += u32::from(fx.load) + u32::from(fx.store);
        conditional |= n.conditional;
        if fx.load && stored && conditional {
            return false;
        }
        let later = |k: usize| {
            facts
                .insns
                .get(k)
                .is_some_and(|k| k.effects.load || k.effects.store)
        };
        if (position + 1..facts.insns.len()).any(|k| n.producers >> k & 1 != 0 && later(k)) {
            return false;
        }
        stored |= fx.store;
    }
    accesses <= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexagon_isa::{Arch, decode_packet};

    fn lowered(words: &[u32]) -> bool {
        let packet = decode_packet(words, Arch::V68).unwrap();
        can_lower(&PacketFacts::of(&packet).unwrap())
    }

    #[test]
    fn loops_are_set_up_beside_everything_but_what_rounds_or_raises_flags() {
        let (loop0, moved, saturated) = (0x6902_4183, 0x7800_c007, 0xf640_c200);
        assert!(lowered(&[loop0 | 0xc000]));
        assert!(lowered(&[loop0, moved]));
        assert!(lowered(&[saturated]), "vaddhs");
        assert!(!lowered(&[loop0, saturated]));
    }
}
