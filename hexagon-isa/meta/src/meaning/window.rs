//! Loops over bytes that are a window into two vectors (`valign`, `vror`), and loops whose elements are looked up in a vector
//! (`vlut`): hosts move whole vectors, or look up a whole vector of places at once, and no compiler finds that in the plain text. Only
//! the generated Rust text uses this; the meaning as data stays as it was written.

use super::ir::{Binary, Compare, Expr, Kind, Stmt, Type, keep};

/// A loop's result as the bytes of `lo` and `hi`, in this order, from byte `from` on.
#[derive(Debug, PartialEq)]
pub struct Window<'a> {
    /// The operand that is written.
    pub to: usize,
    /// Where it begins.
    pub lo: usize,
    /// Where it goes on; the same operand if bytes go round.
    pub hi: usize,
    /// The first byte.
    pub from: &'a Expr,
}

const BYTES: i128 = 128;

/// `i + n` with the lane's index: `n`.
fn behind(index: &Expr) -> Option<&Expr> {
    match &index.kind {
        Kind::Binary(Binary::Add, a, b) if matches!(a.kind, Kind::Lane) && !has_lane(b) => Some(b),
        _ => None,
    }
}

fn has_lane(e: &Expr) -> bool {
    matches!(e.kind, Kind::Lane) || e.children().any(has_lane)
}

fn is_constant(e: &Expr, value: i128) -> bool {
    matches!(e.kind, Kind::Const(v) if v == value)
}

/// Recognises the body of a loop over lanes.
pub fn window(count: u32, body: &[Stmt]) -> Option<Window<'_>> {
    let [Stmt::WriteElement(to, index, e)] = body else {
        return None;
    };
    if count != 128 || e.ty.bits() != 8 || !matches!(index.kind, Kind::Lane) {
        return None;
    }
    match &e.kind {
        Kind::Element(n, at) => match &at.kind {
            Kind::Binary(Binary::Rem, at, round) if is_constant(round, BYTES) => Some(Window {
                to: *to,
                lo: *n,
                hi: *n,
                from: behind(at)?,
            }),
            _ => None,
        },
        Kind::Select(c, a, b) => {
            let (Kind::Compare(Compare::Lt, at, end), Kind::Element(lo, first), Kind::Element(hi, second)) =
                (&c.kind, &a.kind, &b.kind)
            else {
                return None;
            };
            let Kind::Binary(Binary::Sub, second, less) = &second.kind else {
                return None;
            };
            let same = at == first && first == second;
            (same && is_constant(end, BYTES) && is_constant(less, BYTES)).then_some(Window {
                to: *to,
                lo: *lo,
                hi: *hi,
                from: behind(at)?,
            })
        }
        _ => None,
    }
}

/// An element whose index is computed from other elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lookup {
    /// The operand that is the table.
    pub table: usize,
    /// Which element.
    pub index: Expr,
    /// The element's type.
    pub ty: Type,
}

/// The lookups in a loop over the elements of a vector, and the loop's body with locals `first_local`… in their place. `None` if there are
/// none, or one cannot be made before the loop. `locals`: what the body sets before it writes may be used in an index.
pub fn lookups(count: u32, body: &[Stmt], first_local: usize) -> Option<(Vec<Lookup>, Vec<Stmt>)> {
    let mut found = Vec::new();
    let mut out = Vec::new();
    for s in body {
        out.push(match s {
            Stmt::Set(_, e) if !has_data_index(e) => *s,
            Stmt::WriteElement(n, i, e) if !has_data_index(i) => {
                Stmt::WriteElement(*n, *i, replace(e, count, first_local, &mut found)?)
            }
            _ => return None,
        });
    }
    (!found.is_empty()).then_some((found, out))
}

/// Whether an index needs more than the lane's number: data of the lane.
fn has_data(e: &Expr) -> bool {
    matches!(e.kind, Kind::Element(..) | Kind::Local(_)) || e.children().any(has_data)
}

fn has_data_index(e: &Expr) -> bool {
    matches!(&e.kind, Kind::Element(_, i) if has_data(i)) || e.children().any(has_data_index)
}

fn replace(e: &Expr, count: u32, first: usize, found: &mut Vec<Lookup>) -> Option<Expr> {
    let mut again = |x: &Expr| Some(keep(replace(x, count, first, found)?));
    let kind = match &e.kind {
        _ if !has_data_index(e) => return Some(*e),
        Kind::Element(table, index) if matches!(e.ty, Type::Int(..)) => {
            // A vector of as many elements, all of which the index stays within.
            let whole = matches!((e.ty.bits(), count), (8, 128) | (16, 64));
            if !whole || greatest(index)? >= i128::from(count) {
                return None;
            }
            found.push(Lookup {
                table: *table,
                index: **index,
                ty: e.ty,
            });
            Kind::Local(first + found.len() - 1)
        }
        Kind::Binary(op, a, b) => Kind::Binary(*op, again(a)?, again(b)?),
        // What is looked up in vain is not used.
        Kind::Select(c, a, b) if !has_data_index(c) => Kind::Select(c, again(a)?, again(b)?),
        Kind::Cast(a) => Kind::Cast(again(a)?),
        Kind::Bits(a) => Kind::Bits(again(a)?),
        _ => return None,
    };
    Some(Expr { ty: e.ty, kind })
}

/// The greatest value that an unsigned expression can have; `None` if it is not known.
fn greatest(e: &Expr) -> Option<i128> {
    let Type::Int(false, bits) = e.ty else { return None };
    let all = (1i128 << bits) - 1;
    let most = match &e.kind {
        Kind::Const(v) => *v,
        Kind::Binary(Binary::Rem, _, n) if greatest(n)? > 0 => greatest(n)? - 1,
        Kind::Binary(Binary::And, a, b) => match (greatest(a), greatest(b)) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        },
        Kind::Binary(Binary::Add, a, b) => greatest(a)?.checked_add(greatest(b)?)?,
        Kind::Binary(Binary::Mul, a, b) => greatest(a)?.checked_mul(greatest(b)?)?,
        _ => all,
    };
    (most <= all).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::tests::{meaning, operands, vectors};

    fn lanes(text: &str) -> (u32, &'static [Stmt]) {
        let mut known = vectors();
        known.extend(operands().pop());
        known.retain(|o| text.contains(&o.name));
        let m = meaning(text, &known);
        let found = m.body.iter().find_map(|s| match s {
            Stmt::Lanes(n, body) => Some((*n, *body)),
            _ => None,
        });
        found.expect("a loop over lanes")
    }

    #[test]
    fn windows_are_found_and_nothing_else_is_one() {
        let window = |text: &str| {
            let (n, body) = lanes(text);
            window(n, body).map(|w| (w.to, w.lo, w.hi))
        };
        let ror = "let n = u32(Rt); lane ub: Vd = Vu.ub[(i + n) % 128]";
        assert_eq!(window(ror), Some((0, 1, 1)));
        let align = "let n = u32(Rt) % 128; lane ub: Vd = i + n < 128 ? Vv.ub[i + n] : Vu.ub[i + n - 128]";
        assert_eq!(window(align), Some((0, 2, 1)));
        for other in [
            "let n = u32(Rt); lane ub: Vd = Vu.ub[(i + n) % 64] & Vv.ub[i]",
            "let n = u32(Rt) % 128; lane ub: Vd = i + n < 128 ? Vv.ub[i + n] : Vu.ub[i + n - 64]",
            "let n = u32(Rt) % 128; lane ub: Vd = i + n < 64 ? Vv.ub[i + n] : Vu.ub[i + n - 128]",
        ] {
            assert_eq!(window(other), None, "{other}");
        }
    }

    #[test]
    fn lookups_stay_within_their_table() {
        let found = |text: &str| {
            let (n, body) = lanes(text);
            lookups(n, body, 7).map(|(found, _)| found.len())
        };
        let used = "& u8(Rt)";
        let lut = |index: &str| format!("lane ub: {{ let x = u32(Vu); Vd = Vv.ub[{index}] {used} }}");
        assert_eq!(found(&lut("2 * (x % 64) + (x & 1)")), Some(1));
        // One more than there are; whatever it is; the lane's own.
        assert_eq!(found(&lut("2 * (x % 64) + (x & 3)")), None);
        assert_eq!(found(&lut("x")), None);
        assert_eq!(found(&format!("lane ub: Vd = Vu.ub[i] & Vv.ub[i] {used}")), None);
    }
}
