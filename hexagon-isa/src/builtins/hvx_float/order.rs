//! Comparisons, minimum and maximum.
//!
//! `vfmin`, `vfmax` and bf's `vmin`, `vmax`: a NaN operand gives the NaN; -0 is less than +0.
//!
//! `vmin`, `vmax` and `vcmp.gt` of sf and hf belong to the qfloat unit. Up to V75 that unit knows no NaN: its operands are
//! ordered by sign and magnitude, so that a positive NaN is greater than infinity. From V79 on a comparison with a NaN is
//! false, and a NaN operand gives a NaN whose sign is the operand's (if both are NaN: the sign that fits the operation).
//! bf's comparison is ordered by sign and magnitude in all versions.

use super::{HF_NAN, SF_NAN, hf_is_nan, sf_is_nan};
use crate::state::Qfloat;

/// Orders by sign and magnitude; both zeros are 0.
#[inline(always)]
fn sf_key(v: u32) -> i32 {
    let magnitude = (v & 0x7fff_ffff) as i32;
    if v >> 31 != 0 { -magnitude } else { magnitude }
}

#[inline(always)]
fn hf_key(v: u16) -> i32 {
    let magnitude = i32::from(v & 0x7fff);
    if v >> 15 != 0 { -magnitude } else { magnitude }
}

macro_rules! order {
    ($t:ty, $key:ident, $is_nan:ident, $nan:expr, $gt:ident $eq:ident $fmin:ident $fmax:ident $min:ident $max:ident) => {
        #[inline(always)]
        pub(crate) fn $gt(mode: Qfloat, a: $t, b: $t) -> bool {
            $key(a) > $key(b) && (mode == Qfloat::Legacy || !$is_nan(a) && !$is_nan(b))
        }

        #[inline(always)]
        pub(crate) fn $eq(a: $t, b: $t) -> bool {
            $key(a) == $key(b) && !$is_nan(a)
        }

        #[inline(always)]
        pub(crate) fn $fmin(a: $t, b: $t) -> $t {
            if $is_nan(a) || $is_nan(b) {
                $nan
            } else {
                $min(Qfloat::Legacy, a, b)
            }
        }

        #[inline(always)]
        pub(crate) fn $fmax(a: $t, b: $t) -> $t {
            if $is_nan(a) || $is_nan(b) {
                $nan
            } else {
                $max(Qfloat::Legacy, a, b)
            }
        }

        #[inline(always)]
        pub(crate) fn $min(mode: Qfloat, a: $t, b: $t) -> $t {
            const SIGN: $t = !(<$t>::MAX >> 1);
            if mode == Qfloat::Extended && ($is_nan(a) || $is_nan(b)) {
                let negative = $is_nan(a) && a & SIGN != 0 || $is_nan(b) && b & SIGN != 0;
                return $nan | if negative { SIGN } else { 0 };
            }
            if $key(a) < $key(b) || $key(a) == $key(b) && a & SIGN != 0 {
                a
            } else {
                b
            }
        }

        #[inline(always)]
        pub(crate) fn $max(mode: Qfloat, a: $t, b: $t) -> $t {
            const SIGN: $t = !(<$t>::MAX >> 1);
            if mode == Qfloat::Extended && ($is_nan(a) || $is_nan(b)) {
                let positive = $is_nan(a) && a & SIGN == 0 || $is_nan(b) && b & SIGN == 0;
                return $nan | if positive { 0 } else { SIGN };
            }
            if $key(a) > $key(b) || $key(a) == $key(b) && a & SIGN == 0 {
                a
            } else {
                b
            }
        }
    };
}
order!(u32, sf_key, sf_is_nan, SF_NAN, vsf_gt vsf_eq vsf_fmin vsf_fmax vsf_min vsf_max);
order!(u16, hf_key, hf_is_nan, HF_NAN, vhf_gt vhf_eq vhf_fmin vhf_fmax vhf_min vhf_max);

/// bf compares as the upper half of an sf of the old order.
#[inline(always)]
pub(crate) fn vbf_gt(a: u16, b: u16) -> bool {
    hf_key(a) > hf_key(b)
}

#[inline(always)]
pub(crate) fn vbf_min(a: u16, b: u16) -> u16 {
    (vsf_fmin(u32::from(a) << 16, u32::from(b) << 16) >> 16) as u16
}

#[inline(always)]
pub(crate) fn vbf_max(a: u16, b: u16) -> u16 {
    (vsf_fmax(u32::from(a) << 16, u32::from(b) << 16) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use Qfloat::{Extended, Legacy};

    const INF: u32 = 0x7f80_0000;
    const NEG_NAN: u32 = 0xffc0_0000;

    #[test]
    fn a_nan_has_a_place_up_to_v75_and_none_behind() {
        assert!(vsf_gt(Legacy, SF_NAN, INF) && !vsf_gt(Extended, SF_NAN, INF));
        assert!(vsf_gt(Legacy, INF, NEG_NAN) && !vsf_gt(Extended, INF, NEG_NAN));
        assert_eq!(vsf_max(Legacy, NEG_NAN, 5), 5);
        assert_eq!(vsf_max(Extended, NEG_NAN, 5), SF_NAN | 1 << 31);
        assert_eq!(vsf_min(Legacy, NEG_NAN, 5), NEG_NAN);
        assert_eq!(vsf_min(Extended, 0x7f80_0001, NEG_NAN), SF_NAN | 1 << 31);
        assert!(vbf_gt(0x7fc0, 0x7f80));
    }

    #[test]
    fn zeros_are_equal_but_ordered() {
        assert!(vhf_eq(0, 0x8000) && !vhf_gt(Legacy, 0, 0x8000));
        assert_eq!((vhf_fmin(0, 0x8000), vhf_fmax(0x8000, 0)), (0x8000, 0));
        assert_eq!(
            (vhf_min(Extended, 0x8000, 0), vhf_max(Extended, 0x8000, 0)),
            (0x8000, 0)
        );
        assert!(!vhf_eq(HF_NAN, HF_NAN));
    }
}
