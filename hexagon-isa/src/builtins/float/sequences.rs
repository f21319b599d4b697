//! What only sequences of instructions make sense of: division and square root from a seed and Newton's iteration, library
//! forms of the fused product, double products from partial ones.

use super::exact::{Class, DF, SF, exponent, fma, mul, pack, scale, unpack};
use super::host::fused32;
use crate::state::{Status, usr};

fn is_zero32(v: u32) -> bool {
    v << 1 == 0
}

fn is_inf32(v: u32) -> bool {
    v << 1 == 0xff00_0000
}

fn is_finite32(v: u32) -> bool {
    f32::from_bits(v).is_finite()
}

/// The product is zero because a factor is.
fn zero_product(a: u32, b: u32) -> bool {
    is_zero32(a) && is_finite32(b) || is_zero32(b) && is_finite32(a)
}

/// Fused multiply-add of library sequences: rounds to nearest, raises nothing, overflow from finite operands gives the largest
/// number, infinity minus infinity gives zero, and a zero product leaves a zero accumulator's sign alone.
pub(crate) fn sf_fma_lib(_: &mut Status, a: u32, b: u32, c: u32) -> u32 {
    let infinite_product = is_inf32(a) && !is_zero32(b) && !f32::from_bits(b).is_nan()
        || is_inf32(b) && !is_zero32(a) && !f32::from_bits(a).is_nan();
    if is_inf32(c) && infinite_product && (a ^ b ^ c) >> 31 != 0 {
        return 0;
    }
    if is_zero32(c) && zero_product(a, b) {
        return c;
    }
    if let Some(r) = fused32(a, b, c) {
        return r;
    }
    let mut quiet = Status::default();
    let r = fma(&mut quiet, SF, a.into(), b.into(), c.into(), 0) as u32;
    if is_inf32(r) && !(is_inf32(a) || is_inf32(b) || is_inf32(c)) {
        r - 1
    } else {
        r
    }
}

/// `(a * b + c) * 2^scale`, rounded once.
pub(crate) fn sf_fma_scale(st: &mut Status, a: u32, b: u32, c: u32, scale: i8) -> u32 {
    if is_zero32(c) && zero_product(a, b) {
        return c;
    }
    fma(st, SF, a.into(), b.into(), c.into(), scale.into()) as u32
}

const ONE: u32 = 0x3f80_0000;
const NAN: u32 = u32::MAX;
const SIGN: u32 = 1 << 31;
const INF: u32 = 0x7f80_0000;

/// What a division's operands become before its Newton iteration.
struct Division {
    n: u32,
    d: u32,
    /// The reciprocal when it needs no seed.
    special: Option<u32>,
    adjust: u8,
}

fn division(st: &mut Status, n: u32, d: u32) -> Division {
    let sign = (n ^ d) & SIGN;
    let special = |n: u32, d: u32, r: u32| Division {
        n,
        d,
        special: Some(r),
        adjust: 0,
    };
    let (x, y) = (f32::from_bits(n), f32::from_bits(d));
    if x.is_nan() || y.is_nan() {
        // With two NaNs, invalid unless one of them is quiet.
        let quiet = match (x.is_nan(), y.is_nan()) {
            (true, true) => n & d,
            (true, false) => n,
            _ => d,
        };
        if quiet >> 22 & 1 == 0 {
            st.flags |= usr::FPINVF;
        }
        return special(NAN, NAN, NAN);
    }
    if is_inf32(n) && is_inf32(d) || is_zero32(n) && is_zero32(d) {
        st.flags |= usr::FPINVF;
        return special(NAN, NAN, NAN);
    }
    if is_zero32(d) {
        if !is_inf32(n) {
            st.flags |= usr::FPDBZF;
        }
        return special(INF | sign, ONE, ONE);
    }
    if is_inf32(d) || is_zero32(n) {
        return special(sign, ONE, ONE);
    }
    if is_inf32(n) {
        return special(INF | sign, ONE, ONE);
    }
    // The bare fields: here a denormal counts as exponent 0.
    let field = |v: u32| (v >> 23 & 0xff) as i32;
    let (ne, de) = (field(n), field(d));
    let quotient = ne - de + SF.bias();
    // Keep quotient, numerator and denominator away from the ends of the range.
    let (adjust, by_n, by_d) = if quotient <= 23 {
        (0x80, 64, -64)
    } else if quotient > 254 - 24 {
        (0x40, -32, 32)
    } else if ne <= 23 + 2 {
        (0, 64, 64)
    } else if de <= 1 {
        (0, 32, 32)
    } else if de > 252 {
        (0, -32, -32)
    } else {
        (0, 0, 0)
    };
    Division {
        n: scale(st, SF, n.into(), by_n) as u32,
        d: scale(st, SF, d.into(), by_d) as u32,
        special: None,
        adjust,
    }
}

/// The seed table's entry: 256 times (twice the reciprocal of the middle of interval `i` of 128, minus one), to nearest. Two entries
/// of the hardware's table, whose exact values lie close to the midpoint, are rounded the other way.
fn recip_entry(i: u32) -> u32 {
    match i {
        112 => return 17,
        127 => return 0,
        _ => {}
    }
    // 2 / (1 + (2i + 1) / 256) - 1 = (256 - (2i + 1)) / (256 + 2i + 1)
    let (num, den) = (256 * (255 - 2 * i), 257 + 2 * i);
    (2 * num + den) / (2 * den)
}

/// The same for the inverse square root: the low half of the table is for odd exponents.
fn invsqrt_entry(i: u32) -> u32 {
    let x = f64::from(128 + 2 * (i & 63) + 1) / 128.0;
    let x = if i < 64 { 2.0 * x } else { x };
    ((2.0 / x.sqrt() - 1.0) * 256.0).round() as u32
}

pub(crate) fn sf_recip_seed(st: &mut Status, n: u32, d: u32) -> u32 {
    let f = division(st, n, d);
    if let Some(r) = f.special {
        return r;
    }
    let exp = 2 * SF.bias() - exponent(SF, f.d.into()) - 1;
    f.d & SIGN | (exp as u32) << 23 | recip_entry(f.d >> 16 & 0x7f) << 15 | 1
}

pub(crate) fn sf_recip_adjust(st: &mut Status, n: u32, d: u32) -> u8 {
    division(st, n, d).adjust
}

pub(crate) fn sf_fixup_n(st: &mut Status, n: u32, d: u32) -> u32 {
    division(st, n, d).n
}

pub(crate) fn sf_fixup_d(st: &mut Status, n: u32, d: u32) -> u32 {
    division(st, n, d).d
}

/// A square root's operand before its Newton iteration: operand, inverse root if it needs no seed, adjustment.
fn root(st: &mut Status, v: u32) -> (u32, Option<u32>, u8) {
    if f32::from_bits(v).is_nan() {
        if v >> 22 & 1 == 0 {
            st.flags |= usr::FPINVF;
        }
        return (NAN, Some(NAN), 0);
    }
    if is_zero32(v) {
        return (v, Some(ONE), 0);
    }
    if v & SIGN != 0 {
        st.flags |= usr::FPINVF;
        return (NAN, Some(NAN), 0);
    }
    if is_inf32(v) {
        return (INF | SIGN, Some(INF | SIGN), 0);
    }
    if exponent(SF, v.into()) <= 24 {
        (scale(st, SF, v.into(), 64) as u32, None, 0xe0)
    } else {
        (v, None, 0)
    }
}

pub(crate) fn sf_invsqrt_seed(st: &mut Status, v: u32) -> u32 {
    let (v, special, _) = root(st, v);
    if let Some(r) = special {
        return r;
    }
    let exp = SF.bias() - ((exponent(SF, v.into()) - SF.bias()) >> 1) - 1;
    v & SIGN | (exp as u32) << 23 | invsqrt_entry(v >> 17 & 0x7f) << 15
}

pub(crate) fn sf_invsqrt_adjust(st: &mut Status, v: u32) -> u8 {
    root(st, v).2
}

pub(crate) fn sf_fixup_r(st: &mut Status, v: u32) -> u32 {
    root(st, v).0
}

/// Scales a multiplication's first operand if the second is a denormal that would lose too much, and the other way round.
pub(crate) fn df_mpy_fix(st: &mut Status, a: u64, b: u64) -> u64 {
    let denormal = |v: u64| f64::from_bits(v).is_subnormal();
    let large = |v: u64| f64::from_bits(v).is_normal() && exponent(DF, v) >= 512;
    if denormal(a) && large(b) {
        scale(st, DF, a, 52)
    } else if denormal(b) && large(a) {
        scale(st, DF, a, -52)
    } else {
        a
    }
}

/// The last step of a double multiplication: `acc` holds the lower partial products (bit 0 sticky), the product of the high
/// words is added and the whole rounded. A denormal operand is crushed to an inexact zero.
pub(crate) fn df_mpy_hh(st: &mut Status, acc: u64, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(DF, a), unpack(DF, b));
    let (Class::Number { mant: m, .. }, Class::Number { mant: n, .. }) = (x.class, y.class) else {
        return mul(st, DF, a, b);
    };
    let sign = x.sign != y.sign;
    let mant = u128::from(acc >> 1) + (u128::from((m >> 32) * (n >> 32)) << 32);
    let mant = mant << 1 | u128::from(acc & 1);
    if !f64::from_bits(a).is_normal() || !f64::from_bits(b).is_normal() {
        return pack(st, DF, sign, mant | 1, -4096);
    }
    let exp = exponent(DF, a) + exponent(DF, b) - 2 * DF.bias() - 72;
    pack(st, DF, sign, mant, exp - 1)
}
