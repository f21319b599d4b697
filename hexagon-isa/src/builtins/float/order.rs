//! What compares: minimum, maximum, comparisons, classes.

use super::exact::{Class, DF, Format, SF, propagate, unpack};
use crate::state::Status;

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
fn quiet32(st: &mut Status, a: u32, b: u32) -> (f32, f32) {
    propagate(st, SF, &[unpack(SF, a.into()), unpack(SF, b.into())]);
    (f32::from_bits(a), f32::from_bits(b))
}

fn quiet64(st: &mut Status, a: u64, b: u64) -> (f64, f64) {
    propagate(st, DF, &[unpack(DF, a), unpack(DF, b)]);
    (f64::from_bits(a), f64::from_bits(b))
}

macro_rules! compare {
    ($($quick:ident $name:ident $float:ident $bits:ty, $quiet:ident, $holds:expr;)*) => {$(
        /// Without a NaN.
        #[inline(always)]
        pub(crate) fn $quick(_: Status, a: $bits, b: $bits) -> Option<bool> {
            let (x, y) = ($float::from_bits(a), $float::from_bits(b));
            let holds: fn($float, $float) -> bool = $holds;
            (!x.is_nan() && !y.is_nan()).then(|| holds(x, y))
        }

        pub(crate) fn $name(st: &mut Status, a: $bits, b: $bits) -> bool {
            let (x, y) = $quiet(st, a, b);
            let holds: fn($float, $float) -> bool = $holds;
            holds(x, y)
        }
    )*};
}
compare! {
    quick_sf_cmp_eq sf_cmp_eq f32 u32, quiet32, |x, y| x == y;
    quick_sf_cmp_gt sf_cmp_gt f32 u32, quiet32, |x, y| x > y;
    quick_sf_cmp_ge sf_cmp_ge f32 u32, quiet32, |x, y| x >= y;
    quick_sf_unordered sf_unordered f32 u32, quiet32, |x, y| x.is_nan() || y.is_nan();
    quick_df_cmp_eq df_cmp_eq f64 u64, quiet64, |x, y| x == y;
    quick_df_cmp_gt df_cmp_gt f64 u64, quiet64, |x, y| x > y;
    quick_df_cmp_ge df_cmp_ge f64 u64, quiet64, |x, y| x >= y;
    quick_df_unordered df_unordered f64 u64, quiet64, |x, y| x.is_nan() || y.is_nan();
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
