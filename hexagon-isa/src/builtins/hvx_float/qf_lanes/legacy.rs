//! The rules of V68 to V75 in lanes. Exponents are as their fields have them.

use super::{GUARD, Lane, encode, encode_half};
use crate::state::qfloat::{Qf16, Qf32};

/// An operand: `sig` times 2 to the power `e` less bias and fraction, negated if `minus` is -1 (else 0).
#[derive(Clone, Copy)]
pub(in super::super) struct Number<T> {
    sig: T,
    e: T,
    minus: T,
    ieee: bool,
}

/// A result.
#[derive(Clone, Copy)]
pub(in super::super) struct Packed<T> {
    sig: T,
    e: T,
}

macro_rules! lanes {
    ($module:ident, $int:ident, $uint:ident, $frac:literal, $exponent:literal) => {
        pub(in super::super) mod $module {
            use super::*;

            /// The largest field of an exponent; also its mask.
            const LARGEST: $int = (1 << $exponent) - 1;
            const BIAS: $int = LARGEST >> 1;

            #[inline(always)]
            pub(in super::super::super) fn qf(v: $uint) -> Number<$int> {
                Number {
                    sig: v as $int >> ($exponent - 1) | 1,
                    e: v as $int & LARGEST,
                    minus: 0,
                    ieee: false,
                }
            }

            #[inline(always)]
            pub(in super::super::super) fn ieee(v: $uint) -> Number<$int> {
                let field = v as $int >> $frac & LARGEST;
                Number {
                    sig: v as $int & ((1 << $frac) - 1) | $int::from(field != 0) << $frac,
                    e: field.max(1),
                    minus: v as $int >> ($int::BITS - 1),
                    ieee: true,
                }
            }

            #[inline(always)]
            pub(in super::super::super) fn add(a: Number<$int>, b: Number<$int>) -> Packed<$int> {
                let complement = if a.ieee & b.ieee {
                    a.minus & b.minus
                } else {
                    0
                };
                let value = |n: Number<$int>| {
                    let minus = n.minus ^ complement;
                    (n.sig ^ minus) - minus
                };
                let (av, bv) = (value(a), value(b));
                let (large, small) = if a.e > b.e { (av, bv) } else { (bv, av) };
                let (high, low) = (a.e.max(b.e), a.e.min(b.e));
                let e = (high + large.abs().top() - $frac).max(low);
                let large = large.wrapping_shl((high - e) as u32) << GUARD;
                let places = u32::from((e - low) as $uint).min($int::BITS - 1);
                let whole = small << GUARD;
                // Rounded down and, as the other sign's, up: the two differ by one if something is lost.
                let (down, up) = (whole.wrapping_shr(places), (-whole).wrapping_shr(places));
                let small = down | (down ^ up) & 1;
                round::<false>(large + small, e, complement)
            }

            #[inline(always)]
            pub(in super::super::super) fn sub(a: Number<$int>, b: Number<$int>) -> Packed<$int> {
                add(
                    a,
                    Number {
                        minus: !b.minus,
                        ..b
                    },
                )
            }

            #[inline(always)]
            pub(in super::super::super) fn mpy(a: Number<$int>, b: Number<$int>) -> Packed<$int> {
                let y = $int::product(a.sig, b.sig, $frac - GUARD);
                round::<true>(y, a.e + b.e - BIAS, a.minus ^ b.minus)
            }

            /// `ENDS`: the exponent may lie below and above what has a place.
            #[inline(always)]
            pub(super) fn round<const ENDS: bool>(y: $int, e: $int, complement: $int) -> Packed<$int> {
                let negative = y >> ($int::BITS - 1);
                let beyond = y ^ negative >= 2 << ($frac + GUARD);
                let moved = beyond | (ENDS & (e == -1));
                let end = beyond & (e == LARGEST) | (ENDS & (e > LARGEST));
                let start = y == 0;
                let under = ENDS & (e < -1);
                let half = y >> 1 | y & 1;
                let z = if moved { half } else { y };
                let coarse = moved | (e == LARGEST);
                // Four units, of which 1 and 3 are candidates, and 2 with half as many digits.
                let (base, rest) = (z >> (GUARD + 2), z & ((4 << GUARD) - 1));
                let (lower, upper) = (
                    if coarse { 2 << GUARD } else { 3 << (GUARD - 1) },
                    if coarse { 2 << GUARD } else { 5 << (GUARD - 1) },
                );
                let middle = (rest > lower) & (rest <= upper);
                let double = base << 1 | $int::from(rest > upper);
                let sig = if middle { base } else { double };
                let e = e + $int::from(moved) + $int::from(middle);
                let (sig, e) = if end {
                    (((1 << $frac) - 1) ^ negative, LARGEST)
                } else {
                    (sig, e)
                };
                let (sig, e) = if under { (negative, 0) } else { (sig, e) };
                let (sig, e) = if start { (0, 0) } else { (sig, e) };
                Packed {
                    sig: sig ^ complement,
                    e,
                }
            }
        }
    };
}
lanes!(word, i32, u32, 23, 8);
lanes!(half, i16, u16, 10, 5);

/// Products that are twice as wide as their factors.
pub(in super::super) mod wide {
    use super::*;

    /// A product of two factors of 11 bits as qf32, whose exponents always have room.
    #[inline(always)]
    pub(in super::super::super) fn mpy(a: Number<i16>, b: Number<i16>) -> Packed<i32> {
        let p = i32::from(a.sig) * i32::from(b.sig);
        let e = i32::from(a.e + b.e) + 127 - 2 * 15;
        word::round::<false>(p << (23 + GUARD - 20), e, i32::from(a.minus ^ b.minus))
    }
}

impl From<Qf32> for Number<i32> {
    #[inline(always)]
    fn from(v: Qf32) -> Self {
        word::qf(v.word)
    }
}

impl From<Qf16> for Number<i16> {
    #[inline(always)]
    fn from(v: Qf16) -> Self {
        half::qf(v.half)
    }
}

impl From<u32> for Number<i32> {
    #[inline(always)]
    fn from(v: u32) -> Self {
        word::ieee(v)
    }
}

impl From<u16> for Number<i16> {
    #[inline(always)]
    fn from(v: u16) -> Self {
        half::ieee(v)
    }
}

impl From<Packed<i32>> for Qf32 {
    #[inline(always)]
    fn from(p: Packed<i32>) -> Self {
        Qf32 {
            word: (p.sig << 8 | p.e & 0xff) as u32,
            ..Default::default()
        }
    }
}

impl From<Packed<i16>> for Qf16 {
    #[inline(always)]
    fn from(p: Packed<i16>) -> Self {
        Qf16 {
            half: (p.sig << 5 | p.e & 0x1f) as u16,
            ..Default::default()
        }
    }
}

/// There is no infinity: what is too large becomes the largest pattern.
#[inline(always)]
pub(in super::super) fn qf32_to_sf(Qf32 { word: v, .. }: Qf32) -> u32 {
    let n = word::qf(v);
    encode::<23>(n.sig.abs(), 0, n.e, 0) | v & 1 << 31
}

#[inline(always)]
pub(in super::super) fn qf32_to_hf(Qf32 { word: v, .. }: Qf32) -> u16 {
    let n = word::qf(v);
    encode::<10>(n.sig.abs(), 0, n.e, 127 - 15).min(0x7fff) as u16 | (v >> 16) as u16 & 1 << 15
}

#[inline(always)]
pub(in super::super) fn qf16_to_hf(Qf16 { half: v, .. }: Qf16) -> u16 {
    let n = half::qf(v);
    encode_half(n.sig.abs(), n.e) | v & 1 << 15
}
