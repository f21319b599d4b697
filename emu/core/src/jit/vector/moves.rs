//! Loops over lanes that only move elements about: permutations of bytes that are known beforehand.

use hexagon_isa::facts::InsnFacts;
use hexagon_isa::info::OperandClass;
use hexagon_isa::ir::{Binary as Infix, Expr, Kind, Stmt, Type};

use super::ops::{Binary, Op, Value, Width};
use super::packet::Selector;

/// A byte of an operand: operand, half, byte.
type Byte = (usize, u8, u8);

/// A vector that is written: operand, half, and where each byte comes from (`None`: it is 0), if that is known yet.
type Written = (usize, u8, [Option<Option<Byte>>; 128]);

/// The value of an index in this lane.
fn number(e: &Expr, lane: u32) -> Option<u32> {
    match e.kind {
        Kind::Lane => Some(lane),
        Kind::Const(v) => u32::try_from(v).ok(),
        Kind::Binary(op, a, b) => {
            let (a, b) = (number(a, lane)?, number(b, lane)?);
            match op {
                Infix::Add => a.checked_add(b),
                Infix::Sub => a.checked_sub(b),
                Infix::Mul => a.checked_mul(b),
                Infix::Rem => a.checked_rem(b),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The vector and the first byte of an element.
fn place(n: &InsnFacts, operand: usize, index: u32, bytes: u32) -> Option<(u8, usize)> {
    let at = index.checked_mul(bytes)?;
    let halves = match n.insn.info().operands.get(operand)?.class {
        OperandClass::Vec => 1,
        OperandClass::VecPair => 2,
        _ => return None,
    };
    let half = at / 128;
    (half < halves).then_some((half as u8, (at % 128) as usize))
}

pub(super) fn moves<'a>(
    s: &mut Selector<'a>,
    n: &'a InsnFacts,
    count: u32,
    body: &'static [Stmt],
) -> Option<()> {
    if !s.features.permute {
        return None;
    }
    let mut all: Vec<Written> = Vec::new();
    for lane in 0..count {
        for st in body {
            let Stmt::WriteElement(to, index, e) = st else {
                return None;
            };
            one(n, &mut all, lane, *to, index, e)?;
        }
    }
    for (operand, half, bytes) in all {
        let v = permuted(s, n, &bytes)?;
        s.write(n, operand, half, v)?;
    }
    Some(())
}

/// What one element is in one lane.
fn one(
    n: &InsnFacts,
    all: &mut Vec<Written>,
    lane: u32,
    to: usize,
    index: &Expr,
    e: &'static Expr,
) -> Option<()> {
    // An unsigned element may be extended.
    let element = match e.kind {
        Kind::Cast(a) if matches!(a.ty, Type::Int(false, _)) && a.ty.bits() <= e.ty.bits() => a,
        _ => e,
    };
    let Kind::Element(from, source) = element.kind else {
        return None;
    };
    let (wide, narrow) = (e.ty.bits() / 8, element.ty.bits() / 8);
    let (half, at) = place(n, to, number(index, lane)?, wide)?;
    let (source_half, source_at) = place(n, from, number(source, lane)?, narrow)?;
    let vector = match all.iter_mut().find(|w| (w.0, w.1) == (to, half)) {
        Some(vector) => vector,
        None => {
            all.push((to, half, [None; 128]));
            all.last_mut()?
        }
    };
    for k in 0..wide as usize {
        let byte = (k < narrow as usize).then_some((from, source_half, (source_at + k) as u8));
        *vector.2.get_mut(at + k)? = Some(byte);
    }
    Some(())
}

/// A vector whose bytes come from others'.
fn permuted<'a>(
    s: &mut Selector<'a>,
    n: &'a InsnFacts,
    bytes: &[Option<Option<Byte>>; 128],
) -> Option<Value> {
    let mut sources: Vec<(usize, u8)> = Vec::new();
    for byte in bytes {
        if let Some((operand, half, _)) = (*byte)?
            && !sources.contains(&(operand, half))
        {
            sources.push((operand, half));
        }
    }
    let mut sum = None;
    for source in &sources {
        let (mut index, mut mask) = ([0; 128], [0; 128]);
        for ((byte, index), mask) in bytes.iter().zip(&mut index).zip(&mut mask) {
            if let Some(Some((operand, half, at))) = *byte
                && (operand, half) == *source
            {
                (*index, *mask) = (at, 0xff);
            }
        }
        let vector = s.read(n, source.0, source.1)?;
        let index = s.push(Op::Table(index));
        let moved = s.push(Op::Gather(Width::B, index, vector));
        let v = if mask == [0xff; 128] {
            moved
        } else {
            let mask = s.push(Op::Table(mask));
            s.push(Op::Binary(Binary::And, Width::D, moved, mask))
        };
        sum = Some(match sum {
            None => v,
            Some(sum) => s.push(Op::Binary(Binary::Or, Width::D, sum, v)),
        });
    }
    sum
}
