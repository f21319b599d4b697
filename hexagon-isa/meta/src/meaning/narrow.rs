//! Lane arithmetic in the narrowest type that holds all of its values.
//!
//! A meaning says `sat8(i32(Vu) + i32(Vv))` because that is plain; a host that adds bytes as 32-bit numbers does a quarter of
//! what it could. Where the range of every intermediate value is known to fit 16 (or 32) bits, the same expression in that
//! type has the same value. Only the generated Rust text uses this; the meaning as data stays as it was written.

use super::ir::{Binary, Expr, Kind, Type, Unary, keep, keep_all};

type Range = (i128, i128);

fn within(r: Range, bounds: Range) -> bool {
    r.0 >= bounds.0 && r.1 <= bounds.1
}

/// The values of an operation of which both sides' are known, before it wraps.
fn combine(op: Binary, a: Range, b: Range) -> Option<Range> {
    let corners = |f: fn(i128, i128) -> Option<i128>| {
        let all = [f(a.0, b.0)?, f(a.0, b.1)?, f(a.1, b.0)?, f(a.1, b.1)?];
        Some((*all.iter().min()?, *all.iter().max()?))
    };
    match op {
        Binary::Add => corners(i128::checked_add),
        Binary::Sub => corners(i128::checked_sub),
        Binary::Mul => corners(i128::checked_mul),
        Binary::Min => Some((a.0.min(b.0), a.1.min(b.1))),
        Binary::Max => Some((a.0.max(b.0), a.1.max(b.1))),
        Binary::Shr if b.0 == b.1 && (0..64).contains(&b.0) => Some((a.0 >> b.0, a.1 >> b.0)),
        Binary::Shl if b.0 == b.1 && (0..32).contains(&b.0) => corners(|x, n| x.checked_mul(1 << n)),
        _ => None,
    }
}

/// Least and greatest value of an arithmetic tree, widened to cover all its inner values. `None`: it has parts whose values
/// depend on the type that they are computed in, or wraps.
fn tree(e: &Expr, all: &mut Vec<Range>) -> Option<Range> {
    let bounds = e.ty.bounds()?;
    let range = match &e.kind {
        Kind::Const(v) => (*v, *v),
        Kind::Cast(x) if x.ty.is_int() && x.ty.bits() < e.ty.bits() => x.ty.bounds()?,
        Kind::Cast(x) if x.ty == Type::Bool => (0, 1),
        Kind::Binary(op @ (Binary::Shr | Binary::Shl), a, n) => {
            let Kind::Const(n) = n.kind else { return None };
            combine(*op, tree(a, all)?, (n, n))?
        }
        Kind::Binary(op, a, b) => combine(*op, tree(a, all)?, tree(b, all)?)?,
        Kind::Unary(Unary::Neg, a) => {
            let a = tree(a, all)?;
            (-a.1, -a.0)
        }
        Kind::Unary(Unary::Abs, a) => {
            let a = tree(a, all)?;
            let least = if within((0, 0), a) {
                0
            } else {
                a.0.abs().min(a.1.abs())
            };
            (least, a.0.abs().max(a.1.abs()))
        }
        Kind::Select(_, a, b) => {
            let (a, b) = (tree(a, all)?, tree(b, all)?);
            (a.0.min(b.0), a.1.max(b.1))
        }
        _ => return None,
    };
    if !within(range, bounds) {
        return None;
    }
    all.push(range);
    Some(range)
}

/// The same tree in another type.
fn retype(e: &Expr, ty: Type) -> Expr {
    let again = |x: &Expr| keep(retype(x, ty));
    let kind = match &e.kind {
        Kind::Cast(x) if x.ty == ty => return **x,
        Kind::Cast(x) => Kind::Cast(keep(expr(x))),
        Kind::Binary(op @ (Binary::Shr | Binary::Shl), a, n) => Kind::Binary(*op, again(a), n),
        Kind::Binary(op, a, b) => Kind::Binary(*op, again(a), again(b)),
        Kind::Unary(op, a) => Kind::Unary(*op, again(a)),
        Kind::Select(c, a, b) => Kind::Select(keep(expr(c)), again(a), again(b)),
        other => *other,
    };
    Expr { ty, kind }
}

/// An arithmetic tree in the narrowest type that holds it.
fn narrowed(e: &Expr) -> Option<Expr> {
    let mut all = Vec::new();
    tree(e, &mut all)?;
    [(true, 16), (false, 16), (true, 32), (false, 32)]
        .into_iter()
        .map(|(signed, bits)| Type::Int(signed, bits))
        .filter(|t| t.bits() < e.ty.bits())
        .find(|t| {
            t.bounds()
                .is_some_and(|bounds| all.iter().all(|r| within(*r, bounds)))
        })
        .map(|t| retype(e, t))
}

/// The expression with everything narrowed whose wide value is not needed: what is saturated or truncated.
pub fn expr(e: &Expr) -> Expr {
    let again = |x: &Expr| keep(expr(x));
    let inner = |x: &Expr| keep(narrowed(x).unwrap_or_else(|| expr(x)));
    let kind = match &e.kind {
        Kind::Saturate { value, sticky: false } => Kind::Saturate {
            value: inner(value),
            sticky: false,
        },
        Kind::Cast(x) if e.ty.is_int() && x.ty.is_int() && x.ty.bits() > e.ty.bits() => Kind::Cast(inner(x)),
        Kind::Cast(x) => Kind::Cast(again(x)),
        Kind::Bits(x) => Kind::Bits(again(x)),
        Kind::Saturate { value, sticky } => Kind::Saturate {
            value: again(value),
            sticky: *sticky,
        },
        Kind::Unary(op, a) => Kind::Unary(*op, again(a)),
        Kind::Binary(op, a, b) => Kind::Binary(*op, again(a), again(b)),
        Kind::Compare(op, a, b) => Kind::Compare(*op, again(a), again(b)),
        Kind::BoolAnd(a, b) => Kind::BoolAnd(again(a), again(b)),
        Kind::BoolOr(a, b) => Kind::BoolOr(again(a), again(b)),
        Kind::Mask(c) => Kind::Mask(again(c)),
        Kind::Lsb(a) => Kind::Lsb(again(a)),
        Kind::Select(c, a, b) => Kind::Select(again(c), again(a), again(b)),
        Kind::Call(b, args) => Kind::Call(*b, keep_all(args.iter().map(expr).collect())),
        other => *other,
    };
    Expr { ty: e.ty, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const I32: Type = Type::I32;

    fn element(bits: u8, signed: bool) -> Expr {
        let lane = Expr {
            ty: Type::U32,
            kind: Kind::Lane,
        };
        Expr {
            ty: Type::Int(signed, bits),
            kind: Kind::Element(0, keep(lane)),
        }
    }

    fn cast(e: Expr, ty: Type) -> Expr {
        Expr {
            ty,
            kind: Kind::Cast(keep(e)),
        }
    }

    fn binary(op: Binary, a: Expr, b: Expr) -> Expr {
        Expr {
            ty: a.ty,
            kind: Kind::Binary(op, keep(a), keep(b)),
        }
    }

    fn saturated(value: Expr, ty: Type) -> Expr {
        Expr {
            ty,
            kind: Kind::Saturate {
                value: keep(value),
                sticky: false,
            },
        }
    }

    fn width_inside(e: &Expr) -> Type {
        match &expr(e).kind {
            Kind::Saturate { value, .. } | Kind::Cast(value) => value.ty,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sum_of_bytes_needs_sixteen_bits_and_one_of_halfwords_does_not_fit() {
        for (bits, wanted) in [(8, Type::Int(true, 16)), (16, I32)] {
            let side = || cast(element(bits, true), I32);
            let sum = binary(Binary::Add, side(), side());
            assert_eq!(width_inside(&saturated(sum, Type::Int(true, bits))), wanted);
        }
    }

    #[test]
    fn a_product_of_unsigned_bytes_needs_an_unsigned_halfword() {
        let side = || cast(element(8, false), I32);
        let product = binary(Binary::Mul, side(), side());
        assert_eq!(width_inside(&saturated(product, Type::U8)), Type::Int(false, 16));
        // Twice as much does not fit any more.
        let sum = binary(Binary::Add, product, product);
        assert_eq!(width_inside(&saturated(sum, Type::U8)), I32);
    }

    #[test]
    fn what_may_wrap_in_its_own_type_is_left_alone() {
        let side = || cast(element(8, true), Type::Int(true, 16));
        let square = || binary(Binary::Mul, side(), side());
        let wraps = binary(Binary::Mul, square(), side());
        assert_eq!(tree(&wraps, &mut Vec::new()), None);
        let wide = cast(wraps, Type::U8);
        assert_eq!(expr(&wide), wide);
    }
}
