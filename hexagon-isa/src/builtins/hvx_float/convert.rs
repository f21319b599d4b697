//! Conversions between sf, hf, bf and integers.
//!
//! To an integer: rounded as named, then saturated; `vcvt` turns every NaN into the largest integer, `Vd.w = Vu.sf` and its
//! like look at the NaN's sign.

use super::{HF_NAN, hf_is_nan, hf_round_single, hf_single, sf_bits, sf_is_nan};

#[inline(always)]
pub(crate) fn vsf_from_hf(v: u16) -> u32 {
    sf_bits(hf_single(v))
}

#[inline(always)]
pub(crate) fn vhf_from_sf(v: u32) -> u16 {
    hf_round_single(f32::from_bits(v))
}

#[inline(always)]
pub(crate) fn vbf_from_sf(v: u32) -> u16 {
    if sf_is_nan(v) {
        return HF_NAN;
    }
    let even = v >> 16 & 1;
    ((v + 0x7fff + even) >> 16) as u16
}

macro_rules! from_int {
    ($($name:ident $int:ty),*) => {$(
        #[inline(always)]
        pub(crate) fn $name(v: $int) -> u16 {
            hf_round_single(f32::from(v))
        }
    )*};
}
from_int!(vhf_from_b i8, vhf_from_ub u8, vhf_from_h i16, vhf_from_uh u16);

macro_rules! to_int {
    ($($name:ident $int:ty),*) => {$(
        #[inline(always)]
        pub(crate) fn $name(v: u16) -> $int {
            if hf_is_nan(v) {
                <$int>::MAX
            } else {
                hf_single(v).round_ties_even() as $int
            }
        }
    )*};
}
to_int!(vb_from_hf i8, vub_from_hf u8, vh_from_hf i16, vuh_from_hf u16);

/// `Vd.h = Vu.hf`: towards zero.
#[inline(always)]
pub(crate) fn vh_from_hf_chop(v: u16) -> i16 {
    match (hf_is_nan(v), v >> 15) {
        (true, 0) => i16::MAX,
        (true, _) => i16::MIN,
        _ => hf_single(v) as i16,
    }
}

/// `Vd.h = Vu.hf:rnd`: to nearest even.
#[inline(always)]
pub(crate) fn vh_from_hf_rnd(v: u16) -> i16 {
    match (hf_is_nan(v), v >> 15) {
        (true, 0) => i16::MAX,
        (true, _) => i16::MIN,
        _ => hf_single(v).round_ties_even() as i16,
    }
}

/// `Vd.w = Vu.sf`: towards zero.
#[inline(always)]
pub(crate) fn vw_from_sf(v: u32) -> i32 {
    match (sf_is_nan(v), v >> 31) {
        (true, 0) => i32::MAX,
        (true, _) => i32::MIN,
        _ => f32::from_bits(v) as i32,
    }
}

/// `Vd.sf = Vu.w`.
#[inline(always)]
pub(crate) fn vsf_from_w(v: i32) -> u32 {
    (v as f32).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_round_and_saturate() {
        assert_eq!(vub_from_hf(0x5bf8), 255);
        assert_eq!(vub_from_hf(0x4100), 2);
        assert_eq!(vb_from_hf(0xd840), -128);
        assert_eq!(vuh_from_hf(0xfc00), 0);
        assert_eq!(vh_from_hf(0xffff), i16::MAX);
        assert_eq!(vh_from_hf_chop(0xffff), i16::MIN);
        assert_eq!(vh_from_hf_chop(0xc1ff), -2);
        assert_eq!(vh_from_hf_rnd(0xc100), -2);
        assert_eq!(vh_from_hf_rnd(0xc1ff), -3);
        assert_eq!(vw_from_sf(0xcf00_0001), i32::MIN);
        assert_eq!(vhf_from_uh(65520), 0x7c00);
        assert_eq!(vhf_from_h(2049), 0x6800);
    }

    #[test]
    fn bf_rounds_to_even() {
        assert_eq!(vbf_from_sf(0x3f80_8000), 0x3f80);
        assert_eq!(vbf_from_sf(0x3f81_8000), 0x3f82);
        assert_eq!(vbf_from_sf(0x7f7f_ffff), 0x7f80);
        assert_eq!(vbf_from_sf(0xffff_ffff), 0x7fff);
    }
}
