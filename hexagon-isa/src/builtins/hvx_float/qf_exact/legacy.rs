//! qfloat of V68 to V75.
//!
//! The significand has one bit below the visible ones that is always 1, so a qf number is never 0 and its error is symmetrical;
//! there is no NaN and no infinity, IEEE operands with the largest exponent are numbers. A sum has the exponent of the larger
//! operand after that one's normalisation, a product the sum of the exponents; only what does not fit moves. Overflow gives
//! the largest number, underflow the smallest. IEEE operands enter a product, and sums of two of one sign, as magnitudes: the
//! finished significand is complemented if the result is negative.
//!
//! Source: the public QEMU of the vendor with its models for V68 to V75. A later rewrite of those in upstream QEMU differs
//! in ties of negative products and sums, in conversions that overflow, and in sums with denormals.

use super::{GUARD, align, encode, halve};
use crate::state::qfloat::{Qf16, Qf32};

/// A result's format: bits of the fraction, of the exponent.
#[derive(Clone, Copy)]
pub(super) struct Format {
    frac: u32,
    exponent: u32,
}

pub(super) const QF32: Format = Format {
    frac: 23,
    exponent: 8,
};
pub(super) const QF16: Format = Format {
    frac: 10,
    exponent: 5,
};

impl Format {
    const fn bias(self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }
}

/// An operand: `sig` times 2 to the power `e - frac`. IEEE operands have their sign apart.
#[derive(Clone, Copy)]
pub(in super::super) struct Number {
    sig: i64,
    negative: bool,
    ieee: bool,
    e: i32,
    frac: i32,
}

fn qf(v: i32, f: Format) -> Number {
    Number {
        sig: i64::from(v >> (f.exponent - 1) | 1),
        negative: false,
        ieee: false,
        e: (v & ((1 << f.exponent) - 1)) - f.bias(),
        frac: f.frac as i32,
    }
}

fn ieee(v: u32, f: Format) -> Number {
    let frac = v & ((1 << f.frac) - 1);
    let field = v >> f.frac & ((1 << f.exponent) - 1);
    Number {
        sig: i64::from(frac | u32::from(field != 0) << f.frac),
        negative: v >> (f.frac + f.exponent) & 1 != 0,
        ieee: true,
        e: field.max(1) as i32 - f.bias(),
        frac: f.frac as i32,
    }
}

impl From<Qf32> for Number {
    fn from(v: Qf32) -> Self {
        qf(v.word as i32, QF32)
    }
}

impl From<Qf16> for Number {
    fn from(v: Qf16) -> Self {
        qf(i32::from(v.half as i16), QF16)
    }
}

impl From<u32> for Number {
    fn from(v: u32) -> Self {
        ieee(v, QF32)
    }
}

impl From<u16> for Number {
    fn from(v: u16) -> Self {
        ieee(v.into(), QF16)
    }
}

impl Number {
    fn value(self) -> i64 {
        if self.negative { -self.sig } else { self.sig }
    }

    /// The exponent that the number has once it is normalised.
    fn normal(self) -> i32 {
        self.e + 63 - self.sig.unsigned_abs().leading_zeros() as i32 - self.frac
    }
}

/// A result: the visible significand and the exponent's field.
#[derive(Clone, Copy)]
pub(in super::super) struct Packed {
    sig: i32,
    exponent: i32,
}

impl From<Packed> for Qf32 {
    fn from(p: Packed) -> Self {
        Qf32 {
            word: (p.sig << 8 | p.exponent & 0xff) as u32,
            ..Default::default()
        }
    }
}

impl From<Packed> for Qf16 {
    fn from(p: Packed) -> Self {
        Qf16 {
            half: (p.sig << 5 | p.exponent & 0x1f) as u16,
            ..Default::default()
        }
    }
}

impl Packed {
    fn complement(self, yes: bool) -> Self {
        Packed {
            sig: if yes { !self.sig } else { self.sig },
            ..self
        }
    }
}

pub(super) fn mpy(a: Number, b: Number, f: Format) -> Packed {
    let unit = f.frac as i32 + GUARD as i32;
    let product = align(a.sig * b.sig, unit - a.frac - b.frac);
    round(product, a.e + b.e, f).complement(a.negative != b.negative)
}

pub(super) fn add(a: Number, b: Number, f: Format) -> Packed {
    let e = if a.e > b.e {
        a.normal().max(b.e)
    } else {
        b.normal().max(a.e)
    };
    let magnitudes = a.ieee && b.ieee && a.negative && b.negative;
    let aligned = |n: Number| {
        let value = if magnitudes { n.sig } else { n.value() };
        align(value, n.e - e + GUARD as i32)
    };
    round(aligned(a) + aligned(b), e, f).complement(magnitudes)
}

pub(super) fn sub(a: Number, b: Number, f: Format) -> Packed {
    let negative = !b.negative;
    add(a, Number { negative, ..b }, f)
}

/// Rounds `y`, which counts 2 to the power `e - frac - GUARD`.
///
/// The significand that is kept is odd. Between two of them the lower one covers a little more than the upper one, unless the
/// number lies so near the middle that it is exact enough with a larger exponent.
fn round(y: i64, e: i32, f: Format) -> Packed {
    let (low, high) = (-f.bias(), f.bias() + 1);
    if y == 0 {
        return Packed { sig: 0, exponent: 0 };
    }
    let two = 2 << (f.frac + GUARD);
    let beyond = y >= two || y < -two;
    if e > high || beyond && e == high {
        let largest = Packed {
            sig: (1 << f.frac) - 1,
            exponent: (1 << f.exponent) - 1,
        };
        return largest.complement(y < 0);
    }
    if e < low - 1 {
        return Packed { sig: 0, exponent: 0 }.complement(y < 0);
    }
    let moved = beyond || e == low - 1;
    let (y, e) = if moved { (halve(y), e + 1) } else { (y, e) };
    // Four units, of which 1 and 3 are candidates, and 2 with half as many digits.
    let base = y >> (GUARD + 2) << 2;
    let rest = y - (base << GUARD);
    let halves = |n: i64| n << (GUARD - 1);
    let (sig, e) = if moved || e == high {
        (if rest <= halves(4) { base + 1 } else { base + 3 }, e)
    } else if rest <= halves(3) {
        (base + 1, e)
    } else if rest <= halves(5) {
        (base / 2 + 1, e + 1)
    } else {
        (base + 3, e)
    };
    Packed {
        sig: (sig >> 1) as i32,
        exponent: e + f.bias(),
    }
}

/// The nearest IEEE number; the exponent of infinity is used for numbers, and what is larger becomes the largest pattern.
fn to_ieee(n: Number, f: Format) -> u64 {
    let largest = (1 << (f.frac + f.exponent)) - 1;
    let magnitude = encode(n.sig.unsigned_abs(), n.e - n.frac, f.frac as i32, 1 - f.bias()).min(largest);
    magnitude | u64::from(n.sig < 0) << (f.frac + f.exponent)
}

pub(in super::super) fn to_sf(n: Number) -> u32 {
    to_ieee(n, QF32) as u32
}

pub(in super::super) fn to_hf(n: Number) -> u16 {
    to_ieee(n, QF16) as u16
}

mod tests {
    use super::*;

    const ONE: u32 = 0x3f80_0000;

    fn word(p: Packed) -> u32 {
        Qf32::from(p).word
    }

    #[test]
    fn ones_add_up() {
        // 1 + 1 moves up by one; the odd significand stands for a little more than 2, and sf can tell.
        let two = add(ONE.into(), ONE.into(), QF32);
        assert_eq!(word(two), 0x4000_0080);
        assert_eq!(to_sf(Qf32::from(two).into()), 0x4000_0001);
        let minus = add((ONE | 1 << 31).into(), (ONE | 1 << 31).into(), QF32);
        assert_eq!(word(minus), 0xbfff_ff80);
        assert_eq!(word(sub(ONE.into(), ONE.into(), QF32)), 0);
    }

    #[test]
    fn there_is_no_infinity() {
        let inf = 0x7f80_0000u32;
        assert_eq!(word(mpy(inf.into(), inf.into(), QF32)), 0x7fff_ffff);
        assert_eq!(word(mpy(inf.into(), (inf | 1 << 31).into(), QF32)), 0x8000_00ff);
        let largest = Qf32 {
            word: 0x7fff_ffff,
            ..Default::default()
        };
        assert_eq!(
            (to_sf(largest.into()), to_hf(largest.into())),
            (0x7fff_ffff, 0x7fff)
        );
    }

    #[test]
    fn halfwords_follow_the_same_rules() {
        let p = mpy(0x3c00u16.into(), 0xbc00u16.into(), QF16);
        assert_eq!(Qf16::from(p).half, 0xbfef);
        let p = mpy(0x3c00u16.into(), 0x4000u16.into(), QF32);
        assert_eq!(to_sf(Qf32::from(p).into()), 0x4000_0001);
    }
}
