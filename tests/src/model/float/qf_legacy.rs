//! qfloat up to V75, in exact numbers: every operand is a number, a result is the nearest of the few candidates that the chosen
//! exponent offers, the lower one if two are as near.

use std::cmp::Ordering;

use super::exact::{Exact, Format};
use super::qf::{Op, QF16, QF32, Shape, Source};

/// An operand.
#[derive(Debug, Clone, Copy)]
struct Number {
    value: Exact,
    /// The exponent as it is written, not the number's own.
    e: i32,
    ieee: bool,
    /// The sign bit of an IEEE operand.
    minus: bool,
    shape: Shape,
}

fn qf(v: i64, shape: Shape) -> Number {
    let radix = 1 << shape.field;
    let e = v.rem_euclid(radix) as i32 - shape.bias();
    // The significand's last bit counts two units; the unit below is always there.
    let significand = 2 * v.div_euclid(radix) + 1;
    Number {
        value: Exact::new(significand.into(), e - shape.frac),
        e,
        ieee: false,
        minus: false,
        shape,
    }
}

fn ieee(v: u32, shape: Shape) -> Number {
    let hidden = 1 << shape.frac;
    let (fraction, rest) = (v % hidden, v / hidden);
    let (field, sign) = (rest % (1 << shape.field), rest / (1 << shape.field));
    let (e, m) = if field == 0 {
        (1 - shape.bias(), fraction)
    } else {
        (field as i32 - shape.bias(), hidden + fraction)
    };
    let value = Exact::new(m.into(), e - shape.frac);
    Number {
        value: if sign == 1 { value.neg() } else { value },
        e,
        ieee: true,
        minus: sign == 1,
        shape,
    }
}

fn number(v: Source) -> Number {
    match v {
        Source::Sf(v) => ieee(v, QF32),
        Source::Hf(v) => ieee(v.into(), QF16),
        Source::Qf32(v, _) => qf((v as i32).into(), QF32),
        Source::Qf16(v, _) => qf((v as i16).into(), QF16),
    }
}

impl Number {
    /// The exponent of the number itself.
    fn own(&self) -> i32 {
        if self.value.is_zero() {
            self.e - self.shape.frac - 1
        } else {
            self.value.log2()
        }
    }
}

/// Significand without the last bit, and exponent's field, as one number.
fn pack(significand: i64, field: i64, minus: bool, to: Shape) -> u32 {
    let visible = significand.div_euclid(2);
    let visible = if minus { -1 - visible } else { visible };
    (visible * (1 << to.field) + field) as u32
}

/// What is nearest to `x` with exponent `e`; the significand's complement if `minus`.
fn round(x: Exact, e: i32, minus: bool, to: Shape) -> u32 {
    let (low, high) = (-to.bias(), to.bias() + 1);
    if x.is_zero() {
        return pack(0, 0, minus, to);
    }
    let largest = (2 << to.frac) - 1;
    let two = Exact::new(2, e);
    let beyond = x.compare(two) != Ordering::Less || x.compare(two.neg()) == Ordering::Less;
    if e > high || e == high && beyond {
        let significand = if x.is_negative() { -1 - largest } else { largest };
        return pack(significand, (1 << to.field) - 1, minus, to);
    }
    if e < low - 1 {
        return pack(if x.is_negative() { -1 } else { 0 }, 0, minus, to);
    }
    let shifted = beyond || e == low - 1;
    let e = e + i32::from(shifted);
    let unit = e - to.frac;
    let base = 4 * x.floor(unit + 2) as i64;
    let mut candidates = vec![(base + 1, e), (base + 3, e)];
    if !shifted && e != high {
        candidates.insert(1, (base / 2 + 1, e + 1));
    }
    let distance = |(m, e): (i64, i32)| x.add(Exact::new(m.into(), e - to.frac).neg()).abs();
    let mut best = candidates[0];
    for c in candidates {
        if distance(c).compare(distance(best)) == Ordering::Less {
            best = c;
        }
    }
    pack(best.0, i64::from(best.1 + to.bias()), minus, to)
}

/// The visible bits of a result.
pub fn run(op: Op, a: Source, b: Source, to: Shape) -> u32 {
    let (a, b) = (number(a), number(b));
    match op {
        Op::Mpy => {
            let minus = a.minus != b.minus;
            let product = a.value.times(b.value);
            let to_round = if minus { product.neg() } else { product };
            round(to_round, a.e + b.e, minus, to)
        }
        Op::Add | Op::Sub => {
            let flip = op == Op::Sub;
            let y = if flip { b.value.neg() } else { b.value };
            let e = if a.e > b.e {
                a.own().max(b.e)
            } else {
                b.own().max(a.e)
            };
            let minus = a.ieee && b.ieee && a.minus && b.minus != flip;
            let sum = a.value.add(y);
            round(if minus { sum.neg() } else { sum }, e, minus, to)
        }
    }
}

/// The nearest IEEE number; infinity's exponent belongs to numbers, and all that is too large is the largest pattern.
pub fn to_ieee(v: Source, format: Format) -> u32 {
    let x = number(v).value;
    let e = x.log2().max(format.min);
    let m = x.abs().nearest(e - format.frac as i32);
    let sign = 1 << (if format.min == -14 { 15 } else { 31 });
    let bits = (i128::from(e - format.min) << format.frac) + m;
    let magnitude = bits.min(i128::from(sign - 1)) as u32;
    if x.is_negative() {
        magnitude + sign
    } else {
        magnitude
    }
}
