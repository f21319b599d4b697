//! qfloat from V79 on.
//!
//! The significand is one bit longer than the visible one (L), and a result is not rounded but carries what rounding to the
//! nearest needs: R adds one to the significand, Q differs from R if the number is not exact. Negative results of positive
//! significands are bitwise complements. Infinities and NaN are patterns. IEEE operands are numbers of the same kind: a
//! significand without sign, and a sign that says "negate".
//!
//! A NaN's sign is that of the operands' exclusive or in a product; in a sum it is positive if any NaN operand is.
//!
//! Source: the vendor's public QEMU for V79 and V81. Not modelled: USR.FPDAZ of V81 (denormal operands as zeros). Where the
//! vendor's integer version and its version in doubles differ (encoding of zero; conversions at a power of two, by the error
//! of a host's logarithm), the exact result is taken.

use super::super::vf8_from_hf;
use super::super::vhf_from_f8;
use super::{GUARD, align, encode, halve};
use crate::state::qfloat::{Qf16, Qf32};

/// A result's format.
#[derive(Clone, Copy)]
pub(super) struct Format {
    frac: u32,
    smallest: i32,
    largest: i32,
}

pub(super) const QF32: Format = Format {
    frac: 23,
    smallest: -255,
    largest: 256,
};
pub(super) const QF16: Format = Format {
    frac: 10,
    smallest: -15,
    largest: 16,
};
/// What the exponent's field (with bit E on top) has more than the exponent.
const BIAS32: i32 = 383;
const BIAS16: i32 = 15;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Finite,
    Infinite,
    Nan,
}

/// An operand: `sig` times 2 to the power `e - frac`, negated if `negate`.
#[derive(Clone, Copy)]
pub(super) struct Number {
    class: Class,
    negative: bool,
    sig: i64,
    negate: bool,
    e: i32,
    frac: i32,
}

/// A special value; `None` for numbers. The visible bits are the largest or the smallest significand with the exponent's
/// field of overflow, the hidden bits L and R tell the four apart from each other and from numbers.
fn special(positive: bool, negative: bool, hidden: u8) -> Option<(Class, bool)> {
    match (positive, negative, hidden) {
        (true, _, 0b11) => Some((Class::Nan, false)),
        (true, _, 0b10) => Some((Class::Infinite, false)),
        (_, true, 0b00) => Some((Class::Nan, true)),
        (_, true, 0b01) => Some((Class::Infinite, true)),
        _ => None,
    }
}

fn special32(v: Qf32) -> Option<(Class, bool)> {
    if v.hidden & 2 != 0 {
        return None;
    }
    special(v.word == 0x7fff_ff7f, v.word == 0x8000_007f, v.hidden >> 2)
}

fn special16(v: Qf16) -> Option<(Class, bool)> {
    special(v.half == 0x7fff, v.half == 0x801f, v.hidden)
}

/// The significand with its bit L.
fn significand32(v: Qf32) -> i64 {
    i64::from((v.word as i32 >> 7) & !1 | i32::from(v.hidden >> 3 & 1))
}

fn exponent32(v: Qf32) -> i32 {
    let field = (v.word & 0xff) as i32 | i32::from(v.hidden >> 1 & 1) << 8;
    ((field - 128) & 0x1ff) - 255
}

fn significand16(v: Qf16) -> i64 {
    i64::from((v.half as i16 >> 4) & !1 | i16::from(v.hidden >> 1 & 1))
}

fn exponent16(v: Qf16) -> i32 {
    i32::from(v.half & 31) - BIAS16
}

/// A number from its significand and R.
fn qf(m: i64, r: bool, e: i32, frac: i32, special: Option<(Class, bool)>) -> Number {
    let (class, negative) = special.unwrap_or((Class::Finite, m < 0));
    Number {
        class,
        negative,
        sig: if r { !m } else { m },
        negate: r,
        e,
        frac,
    }
}

impl From<Qf32> for Number {
    fn from(v: Qf32) -> Self {
        qf(
            significand32(v),
            v.hidden & 4 != 0,
            exponent32(v),
            23,
            special32(v),
        )
    }
}

impl From<Qf16> for Number {
    fn from(v: Qf16) -> Self {
        qf(
            significand16(v),
            v.hidden & 1 != 0,
            exponent16(v),
            10,
            special16(v),
        )
    }
}

fn ieee(v: u32, frac: u32, bits: u32) -> Number {
    let top = (1 << bits) - 1;
    let (m, field) = (v & ((1 << frac) - 1), v >> frac & top);
    let negative = v >> (frac + bits) & 1 != 0;
    Number {
        class: match (field == top, m) {
            (false, _) => Class::Finite,
            (true, 0) => Class::Infinite,
            _ => Class::Nan,
        },
        negative,
        sig: i64::from(m | u32::from(field != 0) << frac),
        negate: negative,
        e: field.max(1) as i32 - (top >> 1) as i32,
        frac: frac as i32,
    }
}

impl From<u32> for Number {
    fn from(v: u32) -> Self {
        ieee(v, 23, 8)
    }
}

impl From<u16> for Number {
    fn from(v: u16) -> Self {
        ieee(v.into(), 10, 5)
    }
}

impl Number {
    /// The zero that is added to normalise.
    fn zero(f: Format) -> Self {
        Number {
            class: Class::Finite,
            negative: true,
            sig: 0,
            negate: true,
            e: f.smallest,
            frac: f.frac as i32,
        }
    }

    fn flip(self, yes: bool) -> Self {
        Number {
            negative: self.negative != yes,
            negate: self.negate != yes,
            ..self
        }
    }

    fn value(self) -> i64 {
        if self.negate { -self.sig } else { self.sig }
    }

    /// The exponent that the number has once it is normalised.
    fn normal(self) -> i32 {
        let bits = if self.sig < 0 { !self.sig } else { self.sig };
        self.e + 63 - bits.leading_zeros() as i32 - self.frac
    }
}

/// A result.
#[derive(Clone, Copy)]
pub(super) enum Packed {
    Nan(bool),
    Infinite(bool),
    /// Significand with L, R, Q, exponent.
    Finite(i64, bool, bool, i32),
}

impl From<Packed> for Qf32 {
    fn from(p: Packed) -> Self {
        let (word, hidden) = match p {
            Packed::Nan(false) => (0x7fff_ff7f, 0xd),
            Packed::Nan(true) => (0x8000_007f, 0),
            Packed::Infinite(false) => (0x7fff_ff7f, 8),
            Packed::Infinite(true) => (0x8000_007f, 5),
            Packed::Finite(m, r, q, e) => {
                let field = (e + BIAS32) as u32;
                (
                    ((m >> 1) as u32) << 8 | field & 0xff,
                    (m as u8 & 1) << 3 | u8::from(r) << 2 | ((field >> 8 & 1) as u8) << 1 | u8::from(q),
                )
            }
        };
        Qf32 { word, hidden }
    }
}

impl From<Packed> for Qf16 {
    fn from(p: Packed) -> Self {
        let (half, hidden) = match p {
            Packed::Nan(false) => (0x7fff, 3),
            Packed::Nan(true) => (0x801f, 0),
            Packed::Infinite(false) => (0x7fff, 2),
            Packed::Infinite(true) => (0x801f, 1),
            Packed::Finite(m, r, _, e) => (
                ((m >> 1) as u16) << 5 | (e + BIAS16) as u16 & 31,
                (m as u8 & 1) << 1 | u8::from(r),
            ),
        };
        Qf16 { half, hidden }
    }
}

pub(super) fn add(a: Number, b: Number, f: Format) -> Packed {
    let nan = |n: Number| n.class == Class::Nan;
    if nan(a) || nan(b) {
        let positive = nan(a) && !a.negative || nan(b) && !b.negative;
        return Packed::Nan(!positive);
    }
    match (a.class, b.class) {
        (Class::Infinite, Class::Infinite) if a.negative != b.negative => return Packed::Nan(false),
        (Class::Infinite, _) => return Packed::Infinite(a.negative),
        (_, Class::Infinite) => return Packed::Infinite(b.negative),
        _ => {}
    }
    let (large, small) = if a.e > b.e { (a, b) } else { (b, a) };
    let differ = i32::from(a.negative != b.negative);
    let e = match large.sig {
        0 => small.e,
        _ => (large.normal() - differ).max(small.e),
    };
    let aligned = |n: Number| align(n.value(), n.e - e + GUARD as i32);
    let sum = aligned(a) + aligned(b);
    let complement = a.negate && b.negate;
    round(if complement { -sum } else { sum }, complement, e, f)
}

pub(super) fn sub(a: Number, b: Number, f: Format) -> Packed {
    add(a, b.flip(true), f)
}

pub(super) fn mpy(a: Number, b: Number, f: Format) -> Packed {
    let negative = a.negative != b.negative;
    let zero = |n: Number| n.class == Class::Finite && n.sig == 0;
    match (a.class, b.class) {
        (Class::Finite, Class::Finite) => {}
        (Class::Nan, _) | (_, Class::Nan) => return Packed::Nan(negative),
        _ if zero(a) || zero(b) => return Packed::Nan(negative),
        _ => return Packed::Infinite(negative),
    }
    let complement = negative != (a.sig < 0 && b.sig < 0);
    let product = a.value() * b.value();
    let y = align(product, f.frac as i32 + GUARD as i32 - a.frac - b.frac);
    let e = if product == 0 { f.smallest } else { a.e + b.e };
    round(if complement { -y } else { y }, complement, e, f)
}

/// Rounds `w`, which counts 2 to the power `e - frac - GUARD`; the result is the complement if asked for.
fn round(w: i64, complement: bool, e: i32, f: Format) -> Packed {
    let one = 1 << (f.frac + GUARD);
    let fits = |limit: i64| w >= -limit && w < limit;
    let (w, e) = if !fits(2 * one) && e < f.largest {
        (halve(w), e + 1)
    } else {
        (w, e)
    };
    let negative = (w < 0) != complement;
    let (m, r, q, e, complement) = if e > f.largest || e == f.largest && !(w >= -one && w < one) {
        ((2 << f.frac) - 1, false, true, f.largest, negative)
    } else if e < f.smallest {
        (0, false, true, f.smallest, negative)
    } else {
        let (m, rest) = (w >> GUARD, w & ((1 << GUARD) - 1));
        let half = 1 << (GUARD - 1);
        let up = rest > half || rest == half && m & 1 != 0;
        (m, up, up != (rest != 0), e, complement)
    };
    if complement {
        Packed::Finite(!m, !r, !q, e)
    } else {
        Packed::Finite(m, r, q, e)
    }
}

/// Places below the significand in which an inexact number differs from it: less than any rounding sees.
const LITTLE: i32 = 32;

/// The nearest IEEE number of a significand with [`LITTLE`] more places, and its sign.
fn to_ieee(sig: i64, negative: bool, lsb: i32, special: Option<(Class, bool)>, frac: i32, bits: u32) -> u64 {
    let top = (1 << bits) - 1;
    let infinity = top << frac;
    let (magnitude, negative) = match special {
        Some((Class::Nan, negative)) => (infinity | ((1 << frac) - 1), negative),
        Some((_, negative)) => (infinity, negative),
        None => {
            let min = 1 - (top >> 1) as i32;
            (
                encode(sig.unsigned_abs(), lsb - LITTLE, frac, min).min(infinity),
                negative,
            )
        }
    };
    magnitude | u64::from(negative) << (frac as u32 + bits)
}

fn qf32_to_ieee(v: Qf32, frac: i32, bits: u32) -> u64 {
    let (m, r, q) = (
        significand32(v),
        i64::from(v.hidden >> 2 & 1),
        i64::from(v.hidden & 1),
    );
    // An inexact number lies a little above M, or a little below M + 1.
    // That number is nothing at all if it is all there is: a result that underflowed.
    let sig = if m + r == 0 {
        0
    } else {
        ((m + r) << LITTLE) + (q - r)
    };
    to_ieee(sig, m < 0, exponent32(v) - 23, special32(v), frac, bits)
}

pub(in super::super) fn qf32_to_sf(v: Qf32) -> u32 {
    qf32_to_ieee(v, 23, 8) as u32
}

pub(in super::super) fn qf32_to_hf(v: Qf32) -> u16 {
    qf32_to_ieee(v, 10, 5) as u16
}

pub(in super::super) fn qf16_to_hf(v: Qf16) -> u16 {
    let m = significand16(v);
    let sig = (m + i64::from(v.hidden & 1)) << LITTLE;
    to_ieee(sig, m < 0, exponent16(v) - 10, special16(v), 10, 5) as u16
}

pub(in super::super) fn vbf_from_qf32(v: Qf32) -> u16 {
    qf32_to_ieee(v, 7, 8) as u16
}

/// By way of hf: rounded twice.
pub(in super::super) fn vf8_from_qf16(v: Qf16) -> u8 {
    vf8_from_hf(qf16_to_hf(v), false)
}

/// The NaN is negative, like f8's.
pub(in super::super) fn vqf16_from_f8(v: u8) -> Qf16 {
    if v == 0x80 {
        return Packed::Nan(true).into();
    }
    let n = Number::from(vhf_from_f8(v));
    let e = if n.sig == 0 { QF16.smallest } else { n.e };
    round(n.sig << GUARD, n.negate, e, QF16).into()
}

/// Declares `v` normalised, negated and made positive, for one kind of operand.
macro_rules! unary {
    ($($out:ident $format:ident $in:ty: $same:ident $neg:ident $abs:ident;)*) => {$(
        pub(in super::super) fn $same(v: $in) -> $out {
            add(v.into(), Number::zero($format), $format).into()
        }
        pub(in super::super) fn $neg(v: $in) -> $out {
            add(Number::from(v).flip(true), Number::zero($format), $format).into()
        }
        pub(in super::super) fn $abs(v: $in) -> $out {
            let v = Number::from(v);
            add(v.flip(v.negative), Number::zero($format), $format).into()
        }
    )*};
}
unary! {
    Qf32 QF32 u32: vqf32_from_sf vqf32_neg_sf vqf32_abs_sf;
    Qf32 QF32 Qf32: vqf32_normal vqf32_neg vqf32_abs;
    Qf16 QF16 u16: vqf16_from_hf vqf16_neg_hf vqf16_abs_hf;
    Qf16 QF16 Qf16: vqf16_normal vqf16_neg vqf16_abs;
}

/// The logarithm's floor; the three largest integers of `bits` bits, and the smallest for zero, are for what has none.
fn ilog2(n: Number, bits: u32) -> i32 {
    let largest = i32::MAX >> (32 - bits);
    match (n.class, n.value()) {
        (Class::Nan, _) => largest,
        (Class::Infinite, _) => largest - 1,
        (_, 0) => !largest,
        (_, v) => n.e + 63 - v.unsigned_abs().leading_zeros() as i32 - n.frac,
    }
}

pub(in super::super) fn vilog2_sf(v: u32) -> i32 {
    ilog2(v.into(), 32)
}

pub(in super::super) fn vilog2_qf32(v: Qf32) -> i32 {
    ilog2(v.into(), 32)
}

pub(in super::super) fn vilog2_hf(v: u16) -> i16 {
    ilog2(v.into(), 16) as i16
}

pub(in super::super) fn vilog2_qf16(v: Qf16) -> i16 {
    ilog2(v.into(), 16) as i16
}

mod tests {
    use super::*;

    const ONE: u32 = 0x3f80_0000;
    const MINUS: u32 = 1 << 31;

    fn sum(a: u32, b: u32) -> Qf32 {
        add(a.into(), b.into(), QF32).into()
    }

    #[test]
    fn every_hf_survives_qf16() {
        for v in 0..=u16::MAX {
            let nan = v & 0x7fff > 0x7c00;
            let want = if nan { v | 0x7fff } else { v };
            assert_eq!(qf16_to_hf(vqf16_from_hf(v)), want, "{v:#06x}");
            assert_eq!(qf16_to_hf(vqf16_neg_hf(v)), want ^ 0x8000, "{v:#06x}");
            assert_eq!(qf16_to_hf(vqf16_abs_hf(v)), want & 0x7fff, "{v:#06x}");
        }
    }

    #[test]
    fn sums_convert_to_what_ieee_says() {
        for (a, b) in [
            (1.0f32, 2f32.powi(-24)),
            (1.0, 3.0 * 2f32.powi(-25)),
            (-1.5, 2f32.powi(-30)),
            (3.0, -3.0),
        ] {
            assert_eq!(
                qf32_to_sf(sum(a.to_bits(), b.to_bits())),
                (a + b).to_bits(),
                "{a} {b}"
            );
        }
    }

    #[test]
    fn special_values_have_their_patterns() {
        let inf = 0x7f80_0000;
        assert_eq!(
            sum(inf, ONE),
            Qf32 {
                word: 0x7fff_ff7f,
                hidden: 8
            }
        );
        assert_eq!(
            sum(inf | MINUS, ONE),
            Qf32 {
                word: 0x8000_007f,
                hidden: 5
            }
        );
        assert_eq!(
            sum(inf | MINUS, inf),
            Qf32 {
                word: 0x7fff_ff7f,
                hidden: 13
            }
        );
        assert_eq!(qf32_to_sf(sum(inf | MINUS, ONE)), inf | MINUS);
        let big = Qf32 {
            word: 0x7fff_ff7e,
            hidden: 8,
        };
        assert_eq!(
            Qf32::from(mpy(big.into(), big.into(), QF32)),
            Qf32 {
                word: 0x7fff_ff7f,
                hidden: 9
            }
        );
    }

    #[test]
    fn logarithms() {
        assert_eq!((vilog2_sf(ONE), vilog2_sf(1), vilog2_hf(0x4400)), (0, -149, 2));
        assert_eq!(
            (vilog2_sf(0), vilog2_hf(0x8000), vilog2_hf(0x7c00)),
            (i32::MIN, i16::MIN, 0x7ffe)
        );
        assert_eq!(vilog2_qf32(vqf32_neg_sf(ONE)), 0);
    }
}
