//! The rules from V79 on in lanes. Exponents count from the smallest that a result can have.

use super::super::vhf_from_f8;
use super::{GUARD, Lane, encode, encode_half};
use crate::state::qfloat::{Qf16, Qf32};

/// An operand: `sig` times 2 to the power `e` and something, negated if `minus` is -1 (else 0). Truth values are masks, too.
#[derive(Clone, Copy)]
pub(in super::super) struct Number<T> {
    sig: T,
    e: T,
    minus: T,
    /// Its sign, also as an infinity or a NaN.
    negative: T,
    infinite: bool,
    nan: bool,
}

/// A result, of which L is the significand's lowest bit; R, Q are 0 or 1.
#[derive(Clone, Copy)]
pub(in super::super) struct Packed<T> {
    sig: T,
    r: T,
    q: T,
    e: T,
    negative: T,
    infinite: bool,
    nan: bool,
}

macro_rules! lanes {
    ($module:ident, $int:ident, $uint:ident, $frac:literal, $exponent:literal, $bias:literal, $largest:literal) => {
        pub(in super::super) mod $module {
            use super::*;

            /// The exponent of IEEE's 1.
            pub(in super::super::super) const BIAS: $int = $bias;
            const LARGEST: $int = $largest;
            const SIGN: u32 = $int::BITS - 1;

            /// From a significand with L, and R (0 or 1).
            #[inline(always)]
            pub(super) fn qf(m: $int, r: $int, e: $int) -> Number<$int> {
                let negative = m >> SIGN;
                let special = outermost(m, e);
                let nan = r == negative + 1;
                Number {
                    sig: m ^ -r,
                    e,
                    minus: -r,
                    negative,
                    infinite: special & !nan,
                    nan: special & nan,
                }
            }

            /// Whether these bits are an infinity's or a NaN's: the largest or the least significand with the largest exponent.
            #[inline(always)]
            pub(super) fn outermost(m: $int, e: $int) -> bool {
                (m ^ m >> SIGN == (2 << $frac) - 1) & (e == LARGEST)
            }

            #[inline(always)]
            pub(in super::super::super) fn ieee(v: $uint) -> Number<$int> {
                const TOP: $int = (1 << $exponent) - 1;
                let (fraction, field) = (v as $int & ((1 << $frac) - 1), v as $int >> $frac & TOP);
                let negative = v as $int >> SIGN;
                Number {
                    sig: fraction | $int::from(field != 0) << $frac,
                    e: field.max(1) + (BIAS - (TOP >> 1)),
                    minus: negative,
                    negative,
                    infinite: v << 1 == (TOP as $uint) << ($frac + 1),
                    nan: v << 1 > (TOP as $uint) << ($frac + 1),
                }
            }

            /// `mask`: -1 to negate, else 0.
            #[inline(always)]
            fn flip(n: Number<$int>, mask: $int) -> Number<$int> {
                Number {
                    minus: n.minus ^ mask,
                    negative: n.negative ^ mask,
                    ..n
                }
            }

            /// By adding a zero.
            #[inline(always)]
            pub(in super::super::super) fn normal(n: Number<$int>) -> Packed<$int> {
                let zero = Number {
                    sig: 0,
                    e: 0,
                    minus: -1,
                    negative: -1,
                    infinite: false,
                    nan: false,
                };
                add(n, zero)
            }

            #[inline(always)]
            pub(in super::super::super) fn neg(n: Number<$int>) -> Packed<$int> {
                normal(flip(n, -1))
            }

            #[inline(always)]
            pub(in super::super::super) fn abs(n: Number<$int>) -> Packed<$int> {
                normal(flip(n, n.negative))
            }

            #[inline(always)]
            pub(in super::super::super) fn add(a: Number<$int>, b: Number<$int>) -> Packed<$int> {
                let complement = a.minus & b.minus;
                let value = |n: Number<$int>| {
                    let minus = n.minus ^ complement;
                    (n.sig ^ minus) - minus
                };
                let (av, bv) = (value(a), value(b));
                let swap = a.e > b.e;
                let (large, small) = if swap { (av, bv) } else { (bv, av) };
                let sig = if swap { a.sig } else { b.sig };
                let (high, low) = (a.e.max(b.e), a.e.min(b.e));
                let differ = a.negative ^ b.negative;
                let normal = high + (sig ^ sig >> SIGN).top() - $frac + differ;
                let e = if sig == 0 { low } else { normal.max(low) };
                let large = large.wrapping_shl((high - e) as u32) << GUARD;
                let places = u32::from((e - low) as $uint).min($int::BITS - 1);
                let whole = small << GUARD;
                // Rounded down and, as the other sign's, up: the two differ by one if something is lost.
                let (down, up) = (whole.wrapping_shr(places), (-whole).wrapping_shr(places));
                let small = down | (down ^ up) & 1;
                let sum = round::<false>(large + small, complement, e);
                let opposed = a.infinite & b.infinite & (differ != 0);
                let nan = a.nan | b.nan;
                // A NaN is negative if no NaN operand is positive.
                let of_nan = (a.negative | -$int::from(!a.nan)) & (b.negative | -$int::from(!b.nan));
                let of_infinity = if a.infinite { a.negative } else { b.negative };
                let of_infinity = if opposed { 0 } else { of_infinity };
                Packed {
                    negative: if nan { of_nan } else { of_infinity },
                    infinite: a.infinite | b.infinite,
                    nan: nan | opposed,
                    ..sum
                }
            }

            #[inline(always)]
            pub(in super::super::super) fn sub(a: Number<$int>, b: Number<$int>) -> Packed<$int> {
                add(a, flip(b, -1))
            }

            #[inline(always)]
            pub(in super::super::super) fn mpy(a: Number<$int>, b: Number<$int>) -> Packed<$int> {
                product::<true>(a, b, |a, b| $int::product(a, b, $frac - GUARD))
            }

            /// `product`: of two significands, in this width.
            #[inline(always)]
            pub(super) fn product<const ENDS: bool>(
                a: Number<$int>,
                b: Number<$int>,
                product: impl Fn($int, $int) -> $int,
            ) -> Packed<$int> {
                let negative = a.negative ^ b.negative;
                let complement = negative ^ (a.sig & b.sig) >> SIGN;
                let value = |n: Number<$int>| (n.sig ^ n.minus) - n.minus;
                let y = product(value(a), value(b));
                let e = if y == 0 { 0 } else { a.e + b.e - BIAS };
                let infinite = a.infinite | b.infinite;
                Packed {
                    negative,
                    infinite,
                    nan: a.nan | b.nan | infinite & ((a.sig == 0) | (b.sig == 0)),
                    ..round::<ENDS>((y ^ complement) - complement, complement, e)
                }
            }

            /// The result is the complement if that is -1. `ENDS`: the exponent may lie below and above what has a place.
            #[inline(always)]
            pub(super) fn round<const ENDS: bool>(w: $int, complement: $int, e: $int) -> Packed<$int> {
                let sign = w >> SIGN;
                let beyond = w ^ sign >= 2 << ($frac + GUARD);
                let moved = beyond & (e < LARGEST);
                let w = if moved { w >> 1 | w & 1 } else { w };
                let e = e + $int::from(moved);
                let end = ENDS & (e > LARGEST) | (e == LARGEST) & (w ^ sign >= 1 << ($frac + GUARD));
                let start = ENDS & (e < 0);
                let (m, rest) = (w >> GUARD, w & ((1 << GUARD) - 1));
                // More than half of a unit, or half and odd.
                let r = (rest + (m & 1) + 1) >> GUARD;
                let q = r ^ $int::from(rest != 0);
                let (m, e) = if end {
                    ((2 << $frac) - 1, LARGEST)
                } else {
                    (m, e)
                };
                let (m, e) = if start { (0, 0) } else { (m, e) };
                let outside = end | start;
                let (r, q) = if outside { (0, 1) } else { (r, q) };
                let complement = if outside {
                    sign ^ complement
                } else {
                    complement
                };
                Packed {
                    sig: m ^ complement,
                    r: r ^ complement & 1,
                    q: q ^ complement & 1,
                    e,
                    negative: 0,
                    infinite: false,
                    nan: false,
                }
            }
        }
    };
}
lanes!(word, i32, u32, 23, 8, 255, 511);
lanes!(half, i16, u16, 10, 5, 15, 31);

/// Products that are twice as wide as their factors.
pub(in super::super) mod wide {
    use super::*;

    /// A product of two factors of 12 bits as qf32, whose exponents always have room.
    #[inline(always)]
    pub(in super::super::super) fn mpy(a: Number<i16>, b: Number<i16>) -> Packed<i32> {
        let wide = |n: Number<i16>| Number {
            sig: i32::from(n.sig),
            e: i32::from(n.e) + word::BIAS - i32::from(half::BIAS),
            minus: i32::from(n.minus),
            negative: i32::from(n.negative),
            infinite: n.infinite,
            nan: n.nan,
        };
        word::product::<false>(wide(a), wide(b), |a, b| (a * b) << (23 + GUARD - 20))
    }
}

impl From<Qf32> for Number<i32> {
    #[inline(always)]
    fn from(v: Qf32) -> Self {
        let Parts { m, r, e, .. } = parts(v);
        word::qf(m, r, e)
    }
}

impl From<Qf16> for Number<i16> {
    #[inline(always)]
    fn from(v: Qf16) -> Self {
        let (m, r) = parts16(v);
        half::qf(m, r, (v.half & 31) as i16)
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

/// What a qf32 has: the significand with L, R, Q, the exponent.
struct Parts {
    m: i32,
    r: i32,
    q: i32,
    e: i32,
}

#[inline(always)]
fn parts(v: Qf32) -> Parts {
    let hidden = i32::from(v.hidden);
    Parts {
        m: (v.word as i32 >> 7) & !1 | hidden >> 3 & 1,
        r: hidden >> 2 & 1,
        q: hidden & 1,
        e: (((v.word & 0xff) as i32 | hidden << 7 & 0x100) - 128) & 0x1ff,
    }
}

#[inline(always)]
fn parts16(v: Qf16) -> (i16, i16) {
    let hidden = i16::from(v.hidden);
    ((v.half as i16 >> 4) & !1 | hidden >> 1 & 1, hidden & 1)
}

impl From<Packed<i32>> for Qf32 {
    #[inline(always)]
    fn from(p: Packed<i32>) -> Self {
        let field = p.e + 128;
        let word = (p.sig >> 1) << 8 | field & 0xff;
        let hidden = (p.sig & 1) << 3 | p.r << 2 | field >> 7 & 2 | p.q;
        let outermost = if p.nan {
            13 & !p.negative
        } else {
            8 ^ 13 & p.negative
        };
        let special = p.nan | p.infinite;
        Qf32 {
            word: if special {
                0x7fff_ff7f ^ (p.negative & !0xff)
            } else {
                word
            } as u32,
            hidden: if special { outermost } else { hidden } as u8,
        }
    }
}

impl From<Packed<i16>> for Qf16 {
    #[inline(always)]
    fn from(p: Packed<i16>) -> Self {
        let half = (p.sig >> 1) << 5 | p.e & 31;
        let hidden = (p.sig & 1) << 1 | p.r;
        let outermost = if p.nan {
            3 & !p.negative
        } else {
            2 ^ 3 & p.negative
        };
        let special = p.nan | p.infinite;
        Qf16 {
            half: if special {
                0x7fff ^ (p.negative & !0x1f)
            } else {
                half
            } as u16,
            hidden: if special { outermost } else { hidden } as u8,
        }
    }
}

/// The magnitude in an IEEE format with infinity, and the sign.
#[inline(always)]
fn to_ieee<const FRAC: u32>(v: Qf32, rebias: i32, infinity: u32) -> (u32, bool) {
    let Parts { m, r, q, e } = parts(v);
    let (sig, more) = (m + r, q - r);
    let minus = sig >> 31;
    // An inexact number lies a little above M, or a little below M + 1; below and above if it is negative.
    let magnitude =
        encode::<FRAC>((sig ^ minus) - minus, (more ^ minus) - minus, e - 128, rebias).min(infinity);
    let nan = r == (m >> 31) + 1;
    let outermost = if nan {
        infinity | ((1 << FRAC) - 1)
    } else {
        infinity
    };
    (
        if word::outermost(m, e) {
            outermost
        } else {
            magnitude
        },
        m < 0,
    )
}

#[inline(always)]
pub(in super::super) fn qf32_to_sf(v: Qf32) -> u32 {
    let (magnitude, negative) = to_ieee::<23>(v, 0, 0x7f80_0000);
    magnitude | u32::from(negative) << 31
}

#[inline(always)]
pub(in super::super) fn qf32_to_hf(v: Qf32) -> u16 {
    let (magnitude, negative) = to_ieee::<10>(v, 127 - 15, 0x7c00);
    magnitude as u16 | u16::from(negative) << 15
}

#[inline(always)]
pub(in super::super) fn qf32_to_bf(v: Qf32) -> u16 {
    let (magnitude, negative) = to_ieee::<7>(v, 0, 0x7f80);
    magnitude as u16 | u16::from(negative) << 15
}

#[inline(always)]
pub(in super::super) fn qf16_to_hf(v: Qf16) -> u16 {
    let ((m, r), e) = (parts16(v), (v.half & 31) as i16);
    let nan = r == (m >> 15) + 1;
    let outermost = if nan { 0x7fff } else { 0x7c00 };
    let number = encode_half((m + r).abs(), e).min(0x7c00);
    (if half::outermost(m, e) { outermost } else { number }) | u16::from(m < 0) << 15
}

#[inline(always)]
pub(in super::super) fn qf16_from_f8(v: u8) -> Qf16 {
    if v == 0x80 {
        // The NaN is negative, like f8's.
        let (half, hidden) = (0x801f, 0);
        return Qf16 { half, hidden };
    }
    let n = half::ieee(vhf_from_f8(v));
    let e = if n.sig == 0 { 0 } else { n.e };
    half::round::<false>(n.sig << GUARD, n.minus, e).into()
}

/// The logarithm's floor; the three largest integers of `bits` bits, and the smallest for zero, are for what has none. `one` is the
/// exponent of a significand of 1 whose value is 1.
#[inline(always)]
fn ilog2<T: Into<i32>>(n: Number<T>, one: i32, bits: u32) -> i32 {
    let (sig, minus) = (n.sig.into(), n.minus.into());
    let largest = i32::MAX >> (32 - bits);
    match (sig ^ minus) - minus {
        _ if n.nan => largest,
        _ if n.infinite => largest - 1,
        0 => !largest,
        v => n.e.into() + v.abs().top() - one,
    }
}

#[inline(always)]
pub(in super::super) fn ilog2_word(n: Number<i32>) -> i32 {
    ilog2(n, word::BIAS + 23, 32)
}

#[inline(always)]
pub(in super::super) fn ilog2_half(n: Number<i16>) -> i16 {
    ilog2(n, i32::from(half::BIAS) + 10, 16) as i16
}
