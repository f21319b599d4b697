//! Elements of a lane that is read in parts: `Vu.ub[4*i+1]` in a loop over words is the second byte of word `i`. Read so, the
//! host's vector unit shifts instead of shuffling.

use super::ir::Expr;

/// Where in wider elements a narrow one lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Bits of the wider element.
    pub wide: u32,
    /// It is this many elements behind the lane's own.
    pub ahead: u32,
    /// Right shift that brings the narrow element down.
    pub shift: u32,
}

/// Element `c * i + k` of an operand with `lanes` elements of `bits`, as a part of a wider element; `None` if it is a whole
/// element or cannot be a part.
pub fn part(index: &Expr, bits: u32, lanes: u32) -> Option<Part> {
    let (c, k) = index.stride()?;
    let wide = bits.checked_mul(c)?;
    (c > 1 && matches!(wide, 16 | 32 | 64) && lanes.is_multiple_of(c)).then_some(Part {
        wide,
        ahead: k / c,
        shift: k % c * bits,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::ir::{Binary, Kind, Type, keep};

    fn e(kind: Kind) -> Expr {
        Expr { ty: Type::U32, kind }
    }

    fn index(c: i128, k: i128) -> Expr {
        let product = e(Kind::Binary(
            Binary::Mul,
            keep(e(Kind::Const(c))),
            keep(e(Kind::Lane)),
        ));
        e(Kind::Binary(Binary::Add, keep(product), keep(e(Kind::Const(k)))))
    }

    #[test]
    fn a_byte_of_a_word_is_a_shift() {
        let byte = |k| part(&index(4, k), 8, 256);
        let expected = |ahead, shift| {
            Some(Part {
                wide: 32,
                ahead,
                shift,
            })
        };
        assert_eq!(byte(3), expected(0, 24));
        // The same in the high vector of a pair.
        assert_eq!(byte(128 + 3), expected(32, 24));
    }

    #[test]
    fn whole_elements_and_odd_strides_are_not_parts() {
        assert_eq!(part(&e(Kind::Lane), 8, 128), None);
        assert_eq!(part(&index(3, 1), 8, 128), None);
        assert_eq!(part(&index(8, 1), 16, 64), None);
    }
}
