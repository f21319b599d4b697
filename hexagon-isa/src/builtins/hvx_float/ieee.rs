//! Arithmetic of sf, hf and bf with one rounding.
//!
//! Accumulations round once (fused), also the dot product with its three terms. Widening forms need no function of their own:
//! the meanings widen first, and the product of two hf is exact in sf.

use super::{hf_round, hf_round_single, hf_single, hf_wide, sf_bits};

#[inline(always)]
pub(crate) fn vsf_add(a: u32, b: u32) -> u32 {
    sf_bits(f32::from_bits(a) + f32::from_bits(b))
}

#[inline(always)]
pub(crate) fn vsf_sub(a: u32, b: u32) -> u32 {
    sf_bits(f32::from_bits(a) - f32::from_bits(b))
}

#[inline(always)]
pub(crate) fn vsf_mpy(a: u32, b: u32) -> u32 {
    sf_bits(f32::from_bits(a) * f32::from_bits(b))
}

#[inline(always)]
pub(crate) fn vhf_add(a: u16, b: u16) -> u16 {
    hf_round_single(hf_single(a) + hf_single(b))
}

#[inline(always)]
pub(crate) fn vhf_sub(a: u16, b: u16) -> u16 {
    hf_round_single(hf_single(a) - hf_single(b))
}

#[inline(always)]
pub(crate) fn vhf_mpy(a: u16, b: u16) -> u16 {
    hf_round_single(hf_single(a) * hf_single(b))
}

/// `acc + a * b`, rounded once: the product has 22 bits, so what the sum in f64 loses lies far below half a unit of hf.
#[inline(always)]
pub(crate) fn vhf_fma(acc: u16, a: u16, b: u16) -> u16 {
    hf_round(hf_wide(a) * hf_wide(b) + hf_wide(acc))
}

/// `acc + a * b` of bf, rounded once to sf: the product has 16 bits and is exact in f64.
#[inline(always)]
pub(crate) fn vsf_fma_bf(acc: u32, a: u16, b: u16) -> u32 {
    let wide = |v: u16| f64::from(f32::from_bits(u32::from(v) << 16));
    sf_bits((wide(a) * wide(b) + f64::from(f32::from_bits(acc))) as f32)
}

/// `acc + a1 * b1 + a0 * b0` of hf, rounded once to sf: the exact sum as an integer, in a unit that fits the accumulator.
#[inline(always)]
pub(crate) fn vsf_dmpy_acc(acc: u32, a1: u16, b1: u16, a0: u16, b0: u16) -> u32 {
    let (p1, p0) = (hf_wide(a1) * hf_wide(b1), hf_wide(a0) * hf_wide(b0));
    let c = f64::from(f32::from_bits(acc));
    let products = p1 + p0;
    if products == 0.0 || !products.is_finite() || !c.is_finite() {
        return sf_bits((products + c) as f32);
    }
    if c.abs() >= power(60) {
        // The products stay below 2 to the power 34: less than half a unit.
        return acc;
    }
    // Products are multiples of 2 to the power -48; an accumulator that is finer than the unit only counts as a remainder.
    let unit = if c.abs() >= power(-20) { 48 } else { 90 };
    let whole = |v: f64| (v * power(unit)).floor() as i128;
    let sum = whole(p1) + whole(p0) + (whole(c) | i128::from((c * power(unit)).fract() != 0.0));
    sf_bits(sum as f32 * power(-unit) as f32)
}

/// Two to the power `n`.
#[inline(always)]
const fn power(n: i32) -> f64 {
    f64::from_bits(((1023 + n) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u16 = 0x3c00;

    #[test]
    fn a_nan_is_always_the_same() {
        assert_eq!(vsf_add(0xff80_0001, 0), 0x7fff_ffff);
        assert_eq!(vsf_sub(0x7f80_0000, 0x7f80_0000), 0x7fff_ffff);
        assert_eq!(vhf_mpy(0x7c00, 0), 0x7fff);
        assert_eq!(vsf_dmpy_acc(0, 0x7c00, ONE, 0xfc00, ONE), 0x7fff_ffff);
    }

    #[test]
    fn accumulations_round_once() {
        // 1 + 2^-11 is half way between two hf; the tiny accumulator decides.
        let (a, b) = (0x3c00 | 1, 0x3c00 | 1);
        assert_eq!(vhf_fma(0x8001, a, b), 0x3c02);
        // (2^15)^2 + 2^-24 * 2^-24 - 2^30: only the smallest product is left.
        let big = 0x7800;
        assert_eq!(vsf_dmpy_acc(0xce80_0000, big, big, 1, 1), (127 - 48) << 23);
        // An accumulator far below the products still breaks a tie.
        let tie = 0x0c00_0001;
        assert_eq!(vsf_dmpy_acc(tie, big, big, 0x5400, ONE), 0x4e80_0001);
        assert_eq!(vsf_dmpy_acc(tie | 1 << 31, big, big, 0x5400, ONE), 0x4e80_0000);
    }

    #[test]
    fn sums_of_zeros_have_a_sign() {
        assert_eq!(vsf_dmpy_acc(0x8000_0000, 0x8000, ONE, 0x8000, ONE), 0x8000_0000);
        assert_eq!(vsf_dmpy_acc(0x8000_0000, 0x8000, ONE, 0, ONE), 0);
        assert_eq!(vsf_dmpy_acc(0xbf80_0000, ONE, ONE, 0, ONE), 0);
    }

    /// Every hf with others, computed in f64 that loses nothing.
    fn sums_of_pairs(others: impl Iterator<Item = u16>) {
        for b in others {
            for a in 0..=u16::MAX {
                let (x, y) = (hf_wide(a), hf_wide(b));
                assert_eq!(vhf_add(a, b), hf_round(x + y), "{a:#x} + {b:#x}");
                assert_eq!(vhf_sub(a, b), hf_round(x - y), "{a:#x} - {b:#x}");
                assert_eq!(vhf_mpy(a, b), hf_round(x * y), "{a:#x} * {b:#x}");
            }
        }
    }

    #[test]
    fn hf_is_rounded_as_if_once() {
        sums_of_pairs(
            (0..=u16::MAX)
                .step_by(1009)
                .chain([1, 0x3ff, 0x400, 0x7bff, 0x7c00, 0x3c00]),
        );
    }

    /// By hand: `cargo test --release -p hexagon-isa --lib -- --ignored all_pairs_of_hf`.
    #[test]
    #[ignore = "minutes"]
    fn all_pairs_of_hf_are_rounded_as_if_once() {
        sums_of_pairs(0..=u16::MAX);
    }
}
