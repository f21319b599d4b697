//! What compares: minimum, maximum, comparisons, classes.

use super::exact::{Class, DF, Format, SF, propagate, unpack};
use crate::interp::Status;

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
#[cold]
#[inline(never)]
fn nan_flags(f: Format, a: u64, b: u64) -> u32 {
    let mut st = Status::default();
    propagate(&mut st, f, &[unpack(f, a), unpack(f, b)]);
    st.flags
}

#[inline(always)]
fn quiet32(st: &mut Status, a: u32, b: u32) -> (f32, f32) {
    let (x, y) = (f32::from_bits(a), f32::from_bits(b));
    if x.is_nan() || y.is_nan() {
        st.flags |= nan_flags(SF, a.into(), b.into());
    }
    (x, y)
}

#[inline(always)]
fn quiet64(st: &mut Status, a: u64, b: u64) -> (f64, f64) {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    if x.is_nan() || y.is_nan() {
        st.flags |= nan_flags(DF, a, b);
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

#[inline(always)]
pub(crate) fn sf_unordered(st: &mut Status, a: u32, b: u32) -> bool {
    let (x, y) = quiet32(st, a, b);
    x.is_nan() || y.is_nan()
}

#[inline(always)]
pub(crate) fn df_cmp_eq(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x == y
}

#[inline(always)]
pub(crate) fn df_cmp_gt(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x > y
}

#[inline(always)]
pub(crate) fn df_cmp_ge(st: &mut Status, a: u64, b: u64) -> bool {
    let (x, y) = quiet64(st, a, b);
    x >= y
}

#[inline(always)]
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
