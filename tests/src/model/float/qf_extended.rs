//! qfloat from V79 on, in exact numbers: the significand of a result is the floor, its rounding bit the distance from the floor
//! to the nearest integer, and the last bit tells whether anything was lost.

use std::cmp::Ordering;

use super::exact::{Exact, Format};
use super::qf::{Op, QF16, QF32, Shape, Source};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Nan,
    Infinity,
    Number(Exact),
}

/// An operand.
#[derive(Debug, Clone, Copy)]
struct Operand {
    value: Value,
    /// The sign, of zeros too.
    minus: bool,
    /// Whether the number is the negative of what is written.
    inverted: bool,
    e: i32,
    shape: Shape,
}

/// The visible bits of the two patterns that stand for NaN and infinity: positive and negative ones.
fn patterns(shape: Shape) -> [u32; 2] {
    if shape == QF32 {
        [0x7fff_ff7f, 0x8000_007f]
    } else {
        [0x7fff, 0x801f]
    }
}

/// Exponents: the smallest and the largest.
fn range(shape: Shape) -> (i32, i32) {
    if shape == QF32 { (-255, 256) } else { (-15, 16) }
}

fn qf(visible: i64, hidden: u8, shape: Shape) -> Operand {
    // From the top: L, R and, in a word, E and Q.
    let (l, r, top) = if shape == QF32 {
        (hidden >> 3 & 1, hidden >> 2 & 1, hidden >> 1 & 1)
    } else {
        (hidden >> 1 & 1, hidden & 1, 0)
    };
    let radix = 1 << shape.field;
    let field = visible.rem_euclid(radix) as i32;
    let m = 2 * visible.div_euclid(radix) + i64::from(l);
    let e = if shape == QF32 {
        // Nine bits, of which 0x80 is the smallest exponent.
        (field + 256 * i32::from(top) - 128).rem_euclid(512) - 255
    } else {
        field - 15
    };
    let bits = if shape == QF32 {
        visible as u32
    } else {
        visible as u16 as u32
    };
    let [plus, minus] = patterns(shape);
    let value = if bits == plus && l == 1 && top == 0 {
        if r == 1 { Value::Nan } else { Value::Infinity }
    } else if bits == minus && l == 0 && top == 0 {
        if r == 0 { Value::Nan } else { Value::Infinity }
    } else {
        Value::Number(Exact::new((m + i64::from(r)).into(), e - shape.frac))
    };
    Operand {
        value,
        minus: m < 0,
        inverted: r == 1,
        e,
        shape,
    }
}

fn ieee(bits: u32, shape: Shape) -> Operand {
    let hidden = 1u32 << shape.frac;
    let fields = 1u32 << shape.field;
    let (m, field, minus) = (bits % hidden, bits / hidden % fields, bits / hidden / fields == 1);
    let e = (field.max(1)) as i32 - shape.bias();
    let magnitude = Exact::new((if field == 0 { m } else { m + hidden }).into(), e - shape.frac);
    let value = match (field == fields - 1, m == 0) {
        (true, true) => Value::Infinity,
        (true, false) => Value::Nan,
        _ => Value::Number(if minus { magnitude.neg() } else { magnitude }),
    };
    Operand {
        value,
        minus,
        inverted: minus,
        e,
        shape,
    }
}

fn operand(v: Source) -> Operand {
    match v {
        Source::Sf(v) => ieee(v, QF32),
        Source::Hf(v) => ieee(v.into(), QF16),
        Source::Qf32(v, h) => qf((v as i32).into(), h, QF32),
        Source::Qf16(v, h) => qf((v as i16).into(), h, QF16),
    }
}

impl Operand {
    /// The number as it is written, before the inversion.
    fn written(&self) -> Exact {
        match self.value {
            Value::Number(x) if self.inverted => x.neg(),
            Value::Number(x) => x,
            _ => Exact::ZERO,
        }
    }

    fn number(&self) -> Exact {
        match self.value {
            Value::Number(x) => x,
            _ => Exact::ZERO,
        }
    }

    /// The exponent that a significand in [1, 2) or [-2, -1) would have.
    fn own(&self) -> i32 {
        let x = self.written();
        let log = x.log2();
        // -2^n is written as -2 times 2^(n-1).
        let power = x.is_negative() && x.abs() == Exact::new(1, log);
        if power { log - 1 } else { log }
    }

    fn negated(self) -> Operand {
        Operand {
            value: match self.value {
                Value::Number(x) => Value::Number(x.neg()),
                v => v,
            },
            minus: !self.minus,
            inverted: !self.inverted,
            ..self
        }
    }

    fn zero(shape: Shape) -> Operand {
        Operand {
            value: Value::Number(Exact::ZERO),
            minus: true,
            inverted: true,
            e: range(shape).0,
            shape,
        }
    }
}

fn special(nan: bool, minus: bool, to: Shape) -> (u32, u8) {
    let hidden = match (to == QF32, nan, minus) {
        (true, true, false) => 0b1101,
        (true, true, true) | (false, true, true) => 0,
        (true, false, false) => 0b1000,
        (true, false, true) => 0b0101,
        (false, true, false) => 0b11,
        (false, false, false) => 0b10,
        (false, false, true) => 0b01,
    };
    (patterns(to)[usize::from(minus)], hidden)
}

/// Puts a result together: significand, rounding bit, last bit, exponent; all but the exponent as complements if `inverted`.
fn pack(m: i64, r: bool, q: bool, e: i32, inverted: bool, to: Shape) -> (u32, u8) {
    let (m, r, q) = if inverted { (-1 - m, !r, !q) } else { (m, r, q) };
    let (visible, l) = (m.div_euclid(2), m.rem_euclid(2) as u8);
    if to == QF32 {
        let field = (e + 255 + 128).rem_euclid(512) as i64;
        let word = (visible * 256 + field % 256) as u32;
        (
            word,
            l * 8 + u8::from(r) * 4 + (field / 256) as u8 * 2 + u8::from(q),
        )
    } else {
        let half = (visible * 32 + i64::from(e + 15)) as u16;
        (half.into(), l * 2 + u8::from(r))
    }
}

/// The result for the exact number `x` with exponent `e`, or the next; worked out for `-x` and complemented if `inverted`.
fn round(x: Exact, e: i32, inverted: bool, to: Shape) -> (u32, u8) {
    let (smallest, largest) = range(to);
    let w = if inverted { x.neg() } else { x };
    let within = |e: i32| {
        let limit = Exact::new(1, e);
        w.compare(limit) == Ordering::Less && w.compare(limit.neg()) != Ordering::Less
    };
    let e = if !within(e + 1) && e < largest { e + 1 } else { e };
    let minus = w.is_negative() != inverted;
    if e > largest || e == largest && !within(e) {
        return pack((2 << to.frac) - 1, false, true, largest, minus, to);
    }
    if e < smallest {
        return pack(0, false, true, smallest, minus, to);
    }
    let unit = e - to.frac;
    let (floor, nearest) = (w.floor(unit), w.nearest(unit));
    let exact = Exact::new(floor, unit) == w;
    let up = nearest != floor;
    pack(floor as i64, up, up == exact, e, inverted, to)
}

fn add(a: Operand, b: Operand, to: Shape) -> (u32, u8) {
    use Value::{Infinity, Nan, Number};
    match (a.value, b.value) {
        (Nan, Nan) => return special(true, a.minus && b.minus, to),
        (Nan, _) => return special(true, a.minus, to),
        (_, Nan) => return special(true, b.minus, to),
        (Infinity, Infinity) if a.minus != b.minus => return special(true, false, to),
        (Infinity, _) => return special(false, a.minus, to),
        (_, Infinity) => return special(false, b.minus, to),
        (Number(_), Number(_)) => {}
    }
    let (first, second) = if a.e > b.e { (a, b) } else { (b, a) };
    let less = i32::from(a.minus != b.minus);
    let e = if first.number().is_zero() {
        second.e
    } else {
        second.e.max(first.own() - less)
    };
    round(a.number().add(b.number()), e, a.inverted && b.inverted, to)
}

fn mpy(a: Operand, b: Operand, to: Shape) -> (u32, u8) {
    let minus = a.minus != b.minus;
    let zero = |o: Operand| o.value == Value::Number(Exact::ZERO);
    if a.value == Value::Nan || b.value == Value::Nan {
        return special(true, minus, to);
    }
    if a.value == Value::Infinity || b.value == Value::Infinity {
        return special(zero(a) || zero(b), minus, to);
    }
    let both = a.written().is_negative() && b.written().is_negative();
    let e = if zero(a) || zero(b) {
        range(to).0
    } else {
        a.e + b.e
    };
    round(a.number().times(b.number()), e, minus != both, to)
}

/// The visible and the hidden bits of a result.
pub fn run(op: Op, a: Source, b: Source, to: Shape) -> (u32, u8) {
    let (a, b) = (operand(a), operand(b));
    match op {
        Op::Add => add(a, b, to),
        Op::Sub => add(a, b.negated(), to),
        Op::Mpy => mpy(a, b, to),
    }
}

/// The number itself, normalised.
pub fn normal(v: Source, to: Shape) -> (u32, u8) {
    add(operand(v), Operand::zero(to), to)
}

/// The number's negative, normalised.
pub fn negative(v: Source, to: Shape) -> (u32, u8) {
    add(operand(v).negated(), Operand::zero(to), to)
}

/// The number without its sign, normalised.
pub fn magnitude(v: Source, to: Shape) -> (u32, u8) {
    let v = operand(v);
    add(if v.minus { v.negated() } else { v }, Operand::zero(to), to)
}

/// qf16 from an f8 in units of 2^-10; f8's NaN is the negative one.
pub fn from_f8(units: Option<i128>) -> (u32, u8) {
    match units {
        None => special(true, true, QF16),
        Some(0) => pack(0, false, false, range(QF16).0, false, QF16),
        Some(n) => {
            let x = Exact::new(n, -10);
            round(x, x.log2(), n < 0, QF16)
        }
    }
}

/// The nearest IEEE number.
pub fn to_ieee(v: Source, format: Format) -> u32 {
    let o = operand(v);
    let sign = 1
        << (if format.min == -126 && format.frac == 23 {
            31
        } else {
            15
        });
    let magnitude = match o.value {
        Value::Nan => sign - 1,
        Value::Infinity => format.infinity(),
        Value::Number(x) => {
            // An inexact qf32 lies a little off, on the side that the rounding bit did not choose; what underflowed is zero.
            let little = Exact::new(i128::from(!x.is_zero()), o.e - o.shape.frac - 40);
            let x = match v {
                Source::Qf32(_, h) if h & 0b101 == 0b001 => x.add(little),
                Source::Qf32(_, h) if h & 0b101 == 0b100 => x.add(little.neg()),
                _ => x,
            };
            format.round(x)
        }
    };
    magnitude + if o.minus { sign } else { 0 }
}

/// The exponent of a number; the three largest patterns and the smallest mean NaN, infinity and zero.
pub fn ilog2(v: Source, bits: u32) -> i64 {
    let limit = 1i64 << (bits - 1);
    match operand(v).value {
        Value::Nan => limit - 1,
        Value::Infinity => limit - 2,
        Value::Number(x) if x.is_zero() => -limit,
        Value::Number(x) => x.log2().into(),
    }
}
