//! Scalar floating point on register bits: IEEE 754 with Hexagon's choices.
//!
//! A NaN result is always all ones; a signalling NaN operand raises invalid; tininess is detected before rounding;
//! denormals are kept; the rounding mode is USR's. `add`, `sub` and `mul` try the host's arithmetic first: for round to nearest
//! with a result that is well inside the normal range the value is the same and inexactness can be told exactly; everything else
//! goes through one exact path (unpack, integer arithmetic with a sticky bit, [`pack`]).
//!
//! Source: Hexagon PRM, chapter on floating point; behaviour compared with qemu-hexagon.

use crate::interp::{Status, usr};

/// A binary format.
#[derive(Debug, Clone, Copy)]
struct Format {
    /// Bits of the fraction.
    frac: u32,
    /// Bits of the exponent.
    exp: u32,
}

const SF: Format = Format { frac: 23, exp: 8 };
const DF: Format = Format { frac: 52, exp: 11 };

impl Format {
    const fn bias(self) -> i32 {
        (1 << (self.exp - 1)) - 1
    }
    const fn max_exp(self) -> u64 {
        (1 << self.exp) - 1
    }
    const fn sign(self) -> u64 {
        1 << (self.frac + self.exp)
    }
    const fn inf(self, sign: bool) -> u64 {
        self.max_exp() << self.frac | if sign { self.sign() } else { 0 }
    }
    /// The one NaN that is ever produced.
    const fn nan(self) -> u64 {
        self.sign() | (self.sign() - 1)
    }
}

/// An operand taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Zero,
    /// `mant` times two to the power `exp`.
    Number {
        mant: u64,
        exp: i32,
    },
    Inf,
    Nan {
        signalling: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Value {
    sign: bool,
    class: Class,
}

fn unpack(f: Format, bits: u64) -> Value {
    let sign = bits & f.sign() != 0;
    let frac = bits & ((1 << f.frac) - 1);
    let exp = bits >> f.frac & f.max_exp();
    let class = match (exp, frac) {
        (0, 0) => Class::Zero,
        (0, _) => Class::Number {
            mant: frac,
            exp: 1 - f.bias() - f.frac as i32,
        },
        (e, 0) if e == f.max_exp() => Class::Inf,
        (e, _) if e == f.max_exp() => Class::Nan {
            signalling: frac >> (f.frac - 1) == 0,
        },
        (e, _) => Class::Number {
            mant: frac | 1 << f.frac,
            exp: e as i32 - f.bias() - f.frac as i32,
        },
    };
    Value { sign, class }
}

/// Right shift that keeps in bit 0 whether anything was lost.
fn shift_jam(v: u128, n: u32) -> u128 {
    match n {
        0 => v,
        1..=127 => v >> n | u128::from(v << (128 - n) != 0),
        _ => u128::from(v != 0),
    }
}

/// Whether a rounded magnitude goes up: `rest` are the bits below the last place, `half` their midpoint.
fn rounds_up(mode: u8, sign: bool, odd: bool, rest: u128, half: u128) -> bool {
    match mode {
        0 => rest > half || rest == half && odd,
        1 => false,
        2 => sign && rest != 0,
        _ => !sign && rest != 0,
    }
}

/// Rounds the exact value `mant` times two to the power `exp` (bit 0 of `mant` may be sticky) to the format.
fn pack(st: &mut Status, f: Format, sign: bool, mant: u128, exp: i32) -> u64 {
    let s = if sign { f.sign() } else { 0 };
    if mant == 0 {
        return s;
    }
    // The leading one to bit 126, so that a sticky bit stays below every rounding position.
    let lead = mant.leading_zeros() as i32;
    let mant = if lead == 0 {
        shift_jam(mant, 1)
    } else {
        mant << (lead - 1)
    };
    let exp = exp - lead + 1;
    // Biased exponent of the number were it normal.
    let mut biased = exp + 126 + f.bias();
    let mut drop = 126 - f.frac;
    let tiny = biased < 1;
    if tiny {
        drop = drop.saturating_add((1 - biased) as u32);
        biased = 0;
    }
    let (kept, rest, half) = if drop > 127 {
        (0, 1, 2)
    } else {
        (mant >> drop, mant & ((1 << drop) - 1), 1 << (drop - 1))
    };
    let up = rounds_up(st.round, sign, kept & 1 != 0, rest, half);
    let kept = kept as u64 + u64::from(up);
    if rest != 0 {
        st.flags |= usr::FPINPF;
        if tiny {
            st.flags |= usr::FPUNFF;
        }
    }
    // A carry out of the fraction moves the exponent up by itself.
    let magnitude = if tiny {
        kept
    } else {
        ((biased as u64) << f.frac)
            .wrapping_add(kept)
            .wrapping_sub(1 << f.frac)
    };
    if !tiny && (biased as u64 > f.max_exp() || magnitude >= f.inf(false)) {
        st.flags |= usr::FPOVFF | usr::FPINPF;
        let to_inf = match st.round {
            0 => true,
            1 => false,
            2 => sign,
            _ => !sign,
        };
        return s | if to_inf { f.inf(false) } else { f.inf(false) - 1 };
    }
    s | magnitude
}

fn invalid(st: &mut Status, f: Format) -> u64 {
    st.flags |= usr::FPINVF;
    f.nan()
}

/// If an operand is a NaN: the result, with invalid raised for a signalling one.
fn propagate(st: &mut Status, f: Format, all: &[Value]) -> Option<u64> {
    let mut nan = false;
    for v in all {
        if let Class::Nan { signalling } = v.class {
            nan = true;
            if signalling {
                st.flags |= usr::FPINVF;
            }
        }
    }
    nan.then(|| f.nan())
}

/// Sum of two exact values; each mantissa below 2^107.
fn sum(st: &mut Status, f: Format, a: (bool, u128, i32), b: (bool, u128, i32)) -> u64 {
    let (big, small) = {
        let top = |v: &(bool, u128, i32)| v.2 - v.1.leading_zeros() as i32;
        if top(&a) >= top(&b) { (a, b) } else { (b, a) }
    };
    // The larger one's leading bit to bit 124: room for a carry above, guard bits below.
    let up = big.1.leading_zeros() as i32 - 3;
    let (bm, be) = (big.1 << up.max(0), big.2 - up.max(0));
    let sm = if small.2 >= be {
        small.1 << (small.2 - be).min(127)
    } else {
        shift_jam(small.1, (be - small.2) as u32)
    };
    if big.0 == small.0 {
        return pack(st, f, big.0, bm + sm, be);
    }
    let (sign, m) = if bm >= sm {
        (big.0, bm - sm)
    } else {
        (small.0, sm - bm)
    };
    if m == 0 {
        // An exact zero difference is -0 only when rounding down.
        return if st.round == 2 { f.sign() } else { 0 };
    }
    pack(st, f, sign, m, be)
}

fn add(st: &mut Status, f: Format, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(f, a), unpack(f, b));
    if let Some(nan) = propagate(st, f, &[x, y]) {
        return nan;
    }
    match (x.class, y.class) {
        (Class::Inf, Class::Inf) if x.sign != y.sign => invalid(st, f),
        (Class::Inf, _) => a,
        (_, Class::Inf) => b,
        (Class::Zero, Class::Zero) => {
            if x.sign == y.sign {
                a
            } else if st.round == 2 {
                f.sign()
            } else {
                0
            }
        }
        (Class::Zero, _) => b,
        (_, Class::Zero) => a,
        (Class::Number { mant: m, exp: e }, Class::Number { mant: n, exp: g }) => {
            sum(st, f, (x.sign, m.into(), e), (y.sign, n.into(), g))
        }
        _ => f.nan(),
    }
}

fn mul(st: &mut Status, f: Format, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(f, a), unpack(f, b));
    if let Some(nan) = propagate(st, f, &[x, y]) {
        return nan;
    }
    let sign = x.sign != y.sign;
    match (x.class, y.class) {
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf) => invalid(st, f),
        (Class::Inf, _) | (_, Class::Inf) => f.inf(sign),
        (Class::Number { mant: m, exp: e }, Class::Number { mant: n, exp: g }) => {
            pack(st, f, sign, u128::from(m) * u128::from(n), e + g)
        }
        _ => f.inf(sign) & f.sign(),
    }
}

/// `(a * b + c) * 2^scale`, rounded once.
fn fma(st: &mut Status, f: Format, a: u64, b: u64, c: u64, scale: i32) -> u64 {
    let (x, y, z) = (unpack(f, a), unpack(f, b), unpack(f, c));
    let sign = x.sign != y.sign;
    if matches!(
        (x.class, y.class),
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf)
    ) {
        return invalid(st, f);
    }
    if let Some(nan) = propagate(st, f, &[x, y, z]) {
        return nan;
    }
    match (x.class, y.class, z.class) {
        (Class::Inf, _, Class::Inf) | (_, Class::Inf, Class::Inf) if sign != z.sign => invalid(st, f),
        (Class::Inf, ..) | (_, Class::Inf, _) => f.inf(sign),
        (_, _, Class::Inf) => c,
        (Class::Number { mant: m, exp: e }, Class::Number { mant: n, exp: g }, z_class) => {
            let product = (sign, u128::from(m) * u128::from(n), e + g + scale);
            match z_class {
                Class::Number { mant, exp } => sum(st, f, product, (z.sign, mant.into(), exp + scale)),
                _ => pack(st, f, product.0, product.1, product.2),
            }
        }
        // The product is zero.
        (_, _, Class::Number { mant, exp }) => pack(st, f, z.sign, mant.into(), exp + scale),
        _ => {
            if sign == z.sign {
                c
            } else if st.round == 2 {
                f.sign()
            } else {
                0
            }
        }
    }
}

/// The host's result if it can be trusted: rounding to nearest, and well inside the normal range.
#[inline(always)]
fn trusted32(st: &mut Status, r: f32, inexact: impl FnOnce() -> bool) -> Option<u32> {
    if st.round == 0 && r.is_normal() && r.abs() > f32::MIN_POSITIVE {
        if st.sticky & usr::FPINPF == 0 && inexact() {
            st.flags |= usr::FPINPF;
        }
        return Some(r.to_bits());
    }
    None
}

#[inline(always)]
fn trusted64(st: &mut Status, r: f64, inexact: impl FnOnce() -> bool) -> Option<u64> {
    // The error terms below are exact only away from the ends of the range.
    if st.round == 0 && r.is_normal() && r.abs() > 1e-280 && r.abs() < 1e290 {
        if st.sticky & usr::FPINPF == 0 && inexact() {
            st.flags |= usr::FPINPF;
        }
        return Some(r.to_bits());
    }
    None
}

/// What `a + b` lost when it was rounded to `s`.
#[inline(always)]
fn sum_error(a: f64, b: f64, s: f64) -> f64 {
    let t = s - a;
    (a - (s - t)) + (b - t)
}

#[inline(always)]
pub(crate) fn sf_add(st: &mut Status, a: u32, b: u32) -> u32 {
    let (x, y) = (f64::from(f32::from_bits(a)), f64::from(f32::from_bits(b)));
    let s = x + y;
    let r = s as f32;
    let inexact = || f64::from(r) != s || sum_error(x, y, s) != 0.0;
    trusted32(st, r, inexact).unwrap_or_else(|| add(st, SF, a.into(), b.into()) as u32)
}

#[inline(always)]
pub(crate) fn sf_sub(st: &mut Status, a: u32, b: u32) -> u32 {
    if f32::from_bits(b).is_nan() {
        sf_add(st, a, b)
    } else {
        sf_add(st, a, b ^ 1 << 31)
    }
}

#[inline(always)]
pub(crate) fn sf_mul(st: &mut Status, a: u32, b: u32) -> u32 {
    let p = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
    let r = p as f32;
    trusted32(st, r, || f64::from(r) != p).unwrap_or_else(|| mul(st, SF, a.into(), b.into()) as u32)
}

#[inline(always)]
pub(crate) fn df_add(st: &mut Status, a: u64, b: u64) -> u64 {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    let s = x + y;
    trusted64(st, s, || sum_error(x, y, s) != 0.0).unwrap_or_else(|| add(st, DF, a, b))
}

#[inline(always)]
pub(crate) fn df_sub(st: &mut Status, a: u64, b: u64) -> u64 {
    if f64::from_bits(b).is_nan() {
        df_add(st, a, b)
    } else {
        df_add(st, a, b ^ 1 << 63)
    }
}

/// `a * b + c`, rounded once.
pub(crate) fn sf_fma(st: &mut Status, a: u32, b: u32, c: u32) -> u32 {
    let p = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
    let z = f64::from(f32::from_bits(c));
    let s = p + z;
    let e = sum_error(p, z, s);
    // Rounding to odd keeps the second rounding right.
    let odd = if e != 0.0 && s.to_bits() & 1 == 0 {
        f64::from_bits(if (e > 0.0) == (s > 0.0) {
            s.to_bits() + 1
        } else {
            s.to_bits() - 1
        })
    } else {
        s
    };
    let r = odd as f32;
    if s.is_normal()
        && s.abs() < 1e38
        && let Some(bits) = trusted32(st, r, || e != 0.0 || f64::from(r) != s)
    {
        return bits;
    }
    fma(st, SF, a.into(), b.into(), c.into(), 0) as u32
}

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

/// IEEE 754-2008 minNum and maxNum: a number beats a NaN, -0 is below +0.
fn min_max(st: &mut Status, f: Format, a: u64, b: u64, max: bool) -> u64 {
    let (x, y) = (unpack(f, a), unpack(f, b));
    let nan = propagate(st, f, &[x, y]);
    match (x.class, y.class) {
        (Class::Nan { .. }, Class::Nan { .. }) => nan.unwrap_or(f.nan()),
        (Class::Nan { .. }, _) => b,
        (_, Class::Nan { .. }) => a,
        _ => {
            let key = |v: u64| if v & f.sign() != 0 { !v } else { v | f.sign() } & f.nan();
            if (key(a) < key(b)) != max { a } else { b }
        }
    }
}

pub(crate) fn sf_min(st: &mut Status, a: u32, b: u32) -> u32 {
    min_max(st, SF, a.into(), b.into(), false) as u32
}

pub(crate) fn sf_max(st: &mut Status, a: u32, b: u32) -> u32 {
    min_max(st, SF, a.into(), b.into(), true) as u32
}

pub(crate) fn df_min(st: &mut Status, a: u64, b: u64) -> u64 {
    min_max(st, DF, a, b, false)
}

pub(crate) fn df_max(st: &mut Status, a: u64, b: u64) -> u64 {
    min_max(st, DF, a, b, true)
}

/// Comparisons are quiet: only a signalling NaN raises invalid.
#[inline(always)]
fn quiet32(st: &mut Status, a: u32, b: u32) -> (f32, f32) {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    if x.is_nan() || y.is_nan() {
        propagate(st, SF, &[unpack(SF, a.into()), unpack(SF, b.into())]);
    }
    (x, y)
}

#[inline(always)]
fn quiet64(st: &mut Status, a: u64, b: u64) -> (f64, f64) {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    if x.is_nan() || y.is_nan() {
        propagate(st, DF, &[unpack(DF, a), unpack(DF, b)]);
    }
    (x, y)
}

#[inline(always)]
pub(crate) fn sf_cmp_eq(st: &mut Status, a: u32, b: u32) -> bool {
    let (x, y) = quiet32(st, a, b);
    x == y
}

#[inline(always)]
pub(crate) fn sf_cmp_gt(st: &mut Status, a: u32, b: u32) -> bool {
    let (x, y) = quiet32(st, a, b);
    x > y
}

#[inline(always)]
pub(crate) fn sf_cmp_ge(st: &mut Status, a: u32, b: u32) -> bool {
    let (x, y) = quiet32(st, a, b);
    x >= y
}

pub(crate) fn sf_unordered(st: &mut Status, a: u32, b: u32) -> bool {
    let (x, y) = quiet32(st, a, b);
    x.is_nan() || y.is_nan()
}

pub(crate) fn df_cmp_eq(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x == y
}

pub(crate) fn df_cmp_gt(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x > y
}

pub(crate) fn df_cmp_ge(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x >= y
}

pub(crate) fn df_unordered(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x.is_nan() || y.is_nan()
}

/// Classes by bit: zero, normal, subnormal, infinite, NaN.
fn classify(c: std::num::FpCategory, mask: u32) -> bool {
    use std::num::FpCategory::{Infinite, Nan, Normal, Subnormal, Zero};
    let bit = match c {
        Zero => 0,
        Normal => 1,
        Subnormal => 2,
        Infinite => 3,
        Nan => 4,
    };
    mask >> bit & 1 != 0
}

pub(crate) fn sf_class(a: u32, mask: u32) -> bool {
    classify(f32::from_bits(a).classify(), mask)
}

pub(crate) fn df_class(a: u64, mask: u32) -> bool {
    classify(f64::from_bits(a).classify(), mask)
}

fn from_int(st: &mut Status, f: Format, sign: bool, magnitude: u64) -> u64 {
    pack(st, f, sign, magnitude.into(), 0)
}

macro_rules! from_int {
    ($($name:ident $int:ty, $f:ident, $out:ty;)*) => {$(
        pub(crate) fn $name(st: &mut Status, v: $int) -> $out {
            let wide = i128::from(v);
            from_int(st, $f, wide < 0, wide.unsigned_abs() as u64) as $out
        }
    )*};
}
from_int! {
    sf_from_w i32, SF, u32;
    sf_from_uw u32, SF, u32;
    sf_from_d i64, SF, u32;
    sf_from_ud u64, SF, u32;
    df_from_w i32, DF, u64;
    df_from_uw u32, DF, u64;
    df_from_d i64, DF, u64;
    df_from_ud u64, DF, u64;
}

/// Converts to an integer between `lo` and `hi`. A NaN gives -1; an unsigned conversion of a negative number gives 0 and is
/// invalid even if it would round to zero.
fn to_int(st: &mut Status, f: Format, bits: u64, chop: bool, lo: i128, hi: i128) -> i128 {
    let v = unpack(f, bits);
    let saturated = if v.sign { lo } else { hi };
    let (mant, exp) = match v.class {
        Class::Zero => return 0,
        Class::Nan { .. } => {
            st.flags |= usr::FPINVF;
            return -1;
        }
        Class::Inf => {
            st.flags |= usr::FPINVF;
            return saturated;
        }
        Class::Number { mant, exp } => (u128::from(mant), exp),
    };
    if v.sign && lo == 0 {
        st.flags |= usr::FPINVF;
        return 0;
    }
    if exp > 64 {
        st.flags |= usr::FPINVF;
        return saturated;
    }
    let (magnitude, inexact) = if exp >= 0 {
        (mant << exp, false)
    } else {
        let n = exp.unsigned_abs().min(100);
        let (kept, rest) = (mant >> n, mant & ((1 << n) - 1));
        let mode = if chop { 1 } else { st.round };
        let up = rounds_up(mode, v.sign, kept & 1 != 0, rest, 1 << (n - 1));
        (kept + u128::from(up), rest != 0)
    };
    let value = if v.sign {
        -(magnitude as i128)
    } else {
        magnitude as i128
    };
    if value < lo || value > hi {
        st.flags |= usr::FPINVF;
        return saturated;
    }
    if inexact {
        st.flags |= usr::FPINPF;
    }
    value
}

macro_rules! to_int {
    ($($name:ident $f:ident $bits:ty, $int:ty;)*) => {$(
        pub(crate) fn $name(st: &mut Status, v: $bits, chop: bool) -> $int {
            to_int(st, $f, v.into(), chop, <$int>::MIN.into(), <$int>::MAX.into()) as $int
        }
    )*};
}
to_int! {
    sf_to_w SF u32, i32;
    sf_to_uw SF u32, u32;
    sf_to_d SF u32, i64;
    sf_to_ud SF u32, u64;
    df_to_w DF u64, i32;
    df_to_uw DF u64, u32;
    df_to_d DF u64, i64;
    df_to_ud DF u64, u64;
}

fn convert(st: &mut Status, from: Format, to: Format, bits: u64) -> u64 {
    let v = unpack(from, bits);
    if let Some(nan) = propagate(st, to, &[v]) {
        return nan;
    }
    match v.class {
        Class::Inf => to.inf(v.sign),
        Class::Number { mant, exp } => pack(st, to, v.sign, mant.into(), exp),
        _ => to.inf(v.sign) & to.sign(),
    }
}

pub(crate) fn sf_from_df(st: &mut Status, v: u64) -> u32 {
    convert(st, DF, SF, v) as u32
}

pub(crate) fn df_from_sf(st: &mut Status, v: u32) -> u64 {
    convert(st, SF, DF, v.into())
}

/// Times two to the power `n`.
fn scale(st: &mut Status, f: Format, bits: u64, n: i32) -> u64 {
    match unpack(f, bits) {
        Value {
            sign,
            class: Class::Number { mant, exp },
        } => pack(st, f, sign, mant.into(), exp + n),
        _ => bits,
    }
}

/// Biased exponent; 1 for a denormal, -1 for what is no finite nonzero number.
fn exponent(f: Format, bits: u64) -> i32 {
    match (unpack(f, bits).class, bits >> f.frac & f.max_exp()) {
        (Class::Number { .. }, 0) => 1,
        (Class::Number { .. }, e) => e as i32,
        _ => -1,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow32(a: u32, b: u32, op: fn(&mut Status, Format, u64, u64) -> u64) -> (u32, u32) {
        let mut st = Status::default();
        let r = op(&mut st, SF, a.into(), b.into()) as u32;
        (r, st.flags)
    }

    /// Bits with exponents that make sums and products interesting.
    fn near() -> impl Strategy<Value = u32> {
        (any::<u32>(), 100u32..150, any::<bool>()).prop_map(
            |(f, e, wild)| {
                if wild { f } else { f & 0x807f_ffff | e << 23 }
            },
        )
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_the_exact_one(a in near(), b in near(), c in near()) {
            let mut st = Status::default();
            let r = sf_add(&mut st, a, b);
            prop_assert_eq!((r, st.flags), slow32(a, b, add));
            let mut st = Status::default();
            let r = sf_mul(&mut st, a, b);
            prop_assert_eq!((r, st.flags), slow32(a, b, mul));
            let (mut fast, mut slow) = (Status::default(), Status::default());
            let r = sf_fma(&mut fast, a, b, c);
            prop_assert_eq!(u64::from(r), fma(&mut slow, SF, a.into(), b.into(), c.into(), 0));
            prop_assert_eq!(fast.flags, slow.flags);
        }

        #[test]
        fn the_exact_path_agrees_with_the_host(a in any::<u64>(), b in any::<u64>()) {
            let mut st = Status::default();
            let host = |v: f64| if v.is_nan() { u64::MAX } else { v.to_bits() };
            prop_assert_eq!(add(&mut st, DF, a, b), host(f64::from_bits(a) + f64::from_bits(b)));
            prop_assert_eq!(mul(&mut st, DF, a, b), host(f64::from_bits(a) * f64::from_bits(b)));
            let (x, y, z) = (a as u32, (a >> 32) as u32, b as u32);
            let r = f32::from_bits(x).mul_add(f32::from_bits(y), f32::from_bits(z));
            let r = if r.is_nan() { u32::MAX } else { r.to_bits() };
            prop_assert_eq!(fma(&mut st, SF, x.into(), y.into(), z.into(), 0) as u32, r);
            prop_assert_eq!(sf_from_df(&mut st, a), {
                let v = f64::from_bits(a) as f32;
                if v.is_nan() { u32::MAX } else { v.to_bits() }
            });
            prop_assert_eq!(df_to_d(&mut st, a, true), if f64::from_bits(a).is_nan() { -1 } else { f64::from_bits(a) as i64 });
            prop_assert_eq!(sf_from_d(&mut st, a as i64), (a as i64 as f32).to_bits());
        }
    }

    #[test]
    fn rounding_modes_differ_in_the_last_place() {
        let third = |round| {
            let mut st = Status {
                round,
                ..Status::default()
            };
            // 1 + 2^-30
            let r = sf_add(&mut st, ONE, 0x3080_0000);
            (r, st.flags)
        };
        assert_eq!(third(0), (ONE, usr::FPINPF));
        assert_eq!(third(1), (ONE, usr::FPINPF));
        assert_eq!(third(2), (ONE, usr::FPINPF));
        assert_eq!(third(3), (ONE + 1, usr::FPINPF));
    }

    #[test]
    fn tininess_is_seen_before_rounding() {
        let mut st = Status::default();
        // The largest number below the smallest normal one times (1 + 2^-23) rounds up to it.
        let r = sf_mul(&mut st, 0x007f_ffff, 0x3f80_0001);
        assert_eq!((r, st.flags), (0x0080_0000, usr::FPINPF | usr::FPUNFF));
    }

    #[test]
    fn unsigned_conversion_of_a_negative_fraction_is_invalid() {
        let mut st = Status::default();
        assert_eq!(
            (sf_to_uw(&mut st, (-0.25f32).to_bits(), false), st.flags),
            (0, usr::FPINVF)
        );
        assert_eq!(sf_to_uw(&mut st, NAN, true), u32::MAX);
        assert_eq!(sf_to_w(&mut st, 1e20f32.to_bits(), true), i32::MAX);
    }
}
