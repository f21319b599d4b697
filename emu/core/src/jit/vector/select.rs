//! Which operations the vector instructions of a packet are.

use hexagon_isa::facts::{InsnFacts, PacketFacts};
use hexagon_isa::ir::{Expr, Kind, Stmt, Type};

use super::features::Features;
use super::lanes::{Bounds, lanes, scalar_bounds};
use super::moves::moves;
use super::ops::{Op, Unary, Value, Width};
use super::packet::{Access, Selector, VectorPart};
use crate::jit::lower::possible::{ends_plainly, memory_in_order, scalar_expr, scalar_insn, scalar_stmt};

/// An instruction on vectors.
fn on_vectors(n: &InsnFacts) -> bool {
    let mut operands = n.insn.info().operands.iter();
    operands.any(|o| o.class.is_vector()) || n.effects.vectors
}

/// What the packet does on vectors; `None` if it has no such instructions, or one that has no pattern.
pub(in crate::jit) fn part(facts: &PacketFacts, features: Features) -> Option<VectorPart> {
    let of = facts
        .insns
        .iter()
        .zip(0..)
        .fold(0u8, |m, (n, k)| m | u8::from(on_vectors(n)) << k);
    if of == 0 || !ends_plainly(facts) || !orderly(facts, of) {
        return None;
    }
    let mut s = Selector {
        features,
        facts,
        ops: Vec::new(),
        arguments: Vec::new(),
        early: Vec::new(),
        registers: Vec::new(),
        predicates: Vec::new(),
        position: 0,
    };
    let mut left = of;
    for early in [true, false] {
        loop {
            let ready = |k: &usize| {
                let n = &facts.insns[*k];
                left >> k & 1 != 0 && n.early == early && n.producers & left & !(1 << k) == 0
            };
            let Some(k) = (0..facts.insns.len()).find(ready) else {
                break;
            };
            left &= !(1 << k);
            s.position = k;
            let n = &s.facts.insns[k];
            insn(&mut s, n)?;
        }
    }
    if left != 0 {
        return None;
    }
    s.finish(of)
}

/// The scalar rest is lowered, and whatever is accessed is accessed in an order that can be had: vectors after scalars, each kind
/// as in the packet.
fn orderly(facts: &PacketFacts, of: u8) -> bool {
    let vector = |k: usize| of >> k & 1 != 0;
    let (mut vector_store, mut vector_access, mut scalar_store) = (false, false, false);
    for (k, n) in facts.insns.iter().enumerate() {
        let fx = n.effects;
        if vector(k) {
            if n.conditional || fx.load && vector_store && !n.early {
                return false;
            }
            vector_access |= fx.load || fx.store;
            vector_store |= fx.store;
        } else {
            if n.producers & of != 0 || !scalar_insn(n) || fx.load && vector_store {
                return false;
            }
            scalar_store |= fx.store;
        }
    }
    if vector_access {
        !scalar_store
    } else {
        memory_in_order(facts)
    }
}

fn insn<'a>(s: &mut Selector<'a>, n: &'a InsnFacts) -> Option<()> {
    let mut scalars: Vec<Option<Bounds>> = vec![None; n.meaning.locals.len()];
    for st in n.meaning.body {
        stmt(s, n, st, &mut scalars)?;
    }
    Some(())
}

fn stmt<'a>(
    s: &mut Selector<'a>,
    n: &'a InsnFacts,
    st: &'static Stmt,
    scalars: &mut [Option<Bounds>],
) -> Option<()> {
    let class = |k: usize| Some(n.insn.info().operands.get(k)?.class);
    match st {
        Stmt::Lanes(count, body) => {
            let before = s.mark();
            if lanes(s, n, *count, body, scalars).is_some() {
                return Some(());
            }
            s.back_to(before);
            moves(s, n, *count, body)
        }
        Stmt::Set(k, e) if scalar_expr(e, n) => {
            *scalars.get_mut(*k)? = Some(scalar_bounds(e, scalars)?);
            Some(())
        }
        Stmt::Write(k, e) if class(*k)?.is_vector() => {
            let v = vector(s, n, e)?;
            s.write(n, *k, 0, v)
        }
        Stmt::WriteHalf(k, half, e) => {
            let v = vector(s, n, e)?;
            s.write(n, *k, *half, v)
        }
        Stmt::StoreVec(ea, e, aligned) if scalar_expr(ea, n) && !n.early => {
            let v = stored(s, n, e)?;
            let access = Access {
                store: true,
                aligned: *aligned,
            };
            let at = s.argument(n, ea, Some(access));
            s.ops.push(Op::Store(at, v));
            Some(())
        }
        Stmt::Write(k, _) if !class(*k)?.is_vector() && scalar_stmt(st, n) => Some(()),
        _ => None,
    }
}

/// A whole vector that becomes a register's.
fn vector(s: &mut Selector<'_>, n: &InsnFacts, e: &'static Expr) -> Option<Value> {
    match e.kind {
        Kind::LoadVec { ea, aligned } if scalar_expr(ea, n) => {
            let access = Access {
                store: false,
                aligned,
            };
            let at = s.argument(n, ea, Some(access));
            Some(s.push(Op::Load(at)))
        }
        Kind::Operand(_) | Kind::Half(..) => {
            let v = stored(s, n, e)?;
            Some(s.push(Op::Unary(Unary::Copy, Width::D, v)))
        }
        _ => None,
    }
}

fn stored(s: &mut Selector<'_>, n: &InsnFacts, e: &'static Expr) -> Option<Value> {
    match e.kind {
        Kind::Operand(k) if e.ty == Type::Vec => s.read(n, k, 0),
        Kind::Half(k, half) => s.read(n, k, half),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet, decode_packet};

    #[test]
    fn scalars_that_are_narrower_than_lanes_are_extended() {
        let features = Features {
            wide: true,
            dot: true,
            clz: true,
            permute: true,
            lookup: true,
            popcount: true,
        };
        let mut splats = 0;
        for op in Opcode::all() {
            let words = assemble_packet(&[Insn::with_operands(op, &[])], EndLoop::None, false);
            let packet = words.ok().and_then(|words| decode_packet(&words, Arch::V79).ok());
            let facts = packet.and_then(|packet| PacketFacts::of(&packet).ok());
            let Some(part) = facts.and_then(|facts| part(&facts, features)) else {
                continue;
            };
            for one in &part.ops {
                if let Op::Splat(width, at) = *one {
                    let a = &part.arguments[at];
                    splats += 1;
                    assert!(a.extended || width.bits() <= a.e.ty.bits(), "{op:?}");
                }
            }
        }
        assert!(splats > 50, "{splats}");
    }
}
