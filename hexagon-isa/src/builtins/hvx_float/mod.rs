//! HVX floating point, one lane at a time, on register bits.
//!
//! * [`ieee`]: sf, hf and bf arithmetic (V68, V73): round to nearest even, denormals kept, no flags;
//! * [`convert`]: between the formats and integers;
//! * [`order`]: comparisons, minimum and maximum;
//! * [`f8`]: the 8-bit format (V79);
//! * [`qf`]: qfloat, by the rules of V68 to V75 and by those from V79 on; [`qf_lanes`] computes, `qf_exact` is what the tests
//!   compare it with.
//!
//! What all but qfloat share: a NaN result is the positive quiet NaN with all bits of the fraction set, payloads never pass through.
//! Nothing here reads or sets USR; the one exception, USR.FPSAT of `vcvt_f8_hf`, is an argument.
//!
//! Host arithmetic is used where it is exact or rounds once, which is why no function has a slow path: products of hf are exact in
//! f32, `a + b * c` of hf loses nothing in f64 that its only rounding sees, and sums of hf may be rounded to f32 first because f32
//! has twice as many digits as hf and two more. Rust's f32 and f64 are IEEE with round to
//! nearest even on every host, and a NaN's bits never come from the host.
//!
//! Sources: V68 to V81 instruction names and lane order as in LLVM; values as in the public QEMU of the vendor, compared in
//! the `tests` crate with `rustc_apfloat` and a model in exact integers. Where public sources differ, a remark says so.

mod convert;
mod f8;
mod ieee;
mod order;
#[macro_use]
mod qf;
#[cfg(test)]
mod qf_exact;
mod qf_lanes;

pub(crate) use convert::*;
pub(crate) use f8::*;
pub(crate) use ieee::*;
pub(crate) use order::*;
pub(crate) use qf::*;

/// The NaN that sf operations produce.
const SF_NAN: u32 = 0x7fff_ffff;
/// The NaN that hf operations produce; also bf's.
const HF_NAN: u16 = 0x7fff;

const fn sf_is_nan(v: u32) -> bool {
    v & 0x7fff_ffff > 0x7f80_0000
}

const fn hf_is_nan(v: u16) -> bool {
    v & 0x7fff > 0x7c00
}

/// An sf result of host arithmetic.
#[inline(always)]
fn sf_bits(v: f32) -> u32 {
    if v.is_nan() { SF_NAN } else { v.to_bits() }
}

/// An hf as a host number; exact.
#[inline(always)]
fn hf_single(v: u16) -> f32 {
    let magnitude = u32::from(v & 0x7fff) << 13;
    // Exponent and fraction at f32's places are the number times 2 to the power -112.
    let number = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let end = magnitude | 0x7f80_0000;
    let m = if magnitude >= 0x7c00 << 13 { end } else { number };
    f32::from_bits(m | u32::from(v & 0x8000) << 16)
}

/// The same with room for a product and a sum.
#[inline(always)]
fn hf_wide(v: u16) -> f64 {
    f64::from(hf_single(v))
}

/// The nearest hf of a host number, ties to even.
#[inline(always)]
fn hf_round_single(v: f32) -> u16 {
    let (m, bits) = (v.abs(), v.abs().to_bits());
    // Adding a half leaves multiples of the smallest denormal, 2 to the power -24.
    let small = (m + 0.5).to_bits() as u16;
    let even = bits >> 13 & 1;
    let normal = ((bits.wrapping_add(0xfff + even) >> 13) as u16).wrapping_sub((127 - 15) << 10);
    let number = if m < f32::from_bits((127 - 14) << 23) {
        small
    } else {
        normal
    };
    let number = if m >= 65520.0 { 0x7c00 } else { number };
    let sign = (v.to_bits() >> 16) as u16 & 0x8000;
    if bits > 0x7f80_0000 { HF_NAN } else { sign | number }
}

/// The same for a number that has more digits.
#[inline(always)]
fn hf_round(v: f64) -> u16 {
    let (m, bits) = (v.abs(), v.abs().to_bits());
    // Adding 2 to the power 28 leaves multiples of the smallest denormal.
    let small = (m + f64::from_bits((1023 + 28) << 52)).to_bits() as u16;
    let even = bits >> 42 & 1;
    let normal = ((bits.wrapping_add((1 << 41) - 1 + even) >> 42) as u16)
        .wrapping_sub(((1023 - 15) << 10 & 0xffff) as u16);
    let number = if m < f64::from_bits((1023 - 14) << 52) {
        small
    } else {
        normal
    };
    let number = if m >= 65520.0 { 0x7c00 } else { number };
    let sign = (v.to_bits() >> 48) as u16 & 0x8000;
    if v.is_nan() { HF_NAN } else { sign | number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hf_survives_widening() {
        for v in 0..=u16::MAX {
            let want = if hf_is_nan(v) { HF_NAN } else { v };
            assert_eq!(hf_round(hf_wide(v)), want, "{v:#06x}");
            assert_eq!(hf_round_single(hf_single(v)), want, "{v:#06x}");
        }
    }

    #[test]
    fn hf_rounds_to_nearest_even_at_all_sizes() {
        for n in 0..=u16::MAX {
            // A number between two hf, and those beside it.
            for low in [0x1000u32, 0xfff, 0x1001, 0x3000, 0x2fff, 0x3001] {
                let v = f32::from_bits(u32::from(n) << 16 | low);
                assert_eq!(hf_round_single(v), hf_round(f64::from(v)), "{v:e}");
            }
        }
        assert_eq!(hf_round(65519.999), 0x7bff);
        assert_eq!(hf_round(65520.0), 0x7c00);
        assert_eq!(hf_round(1.0 + 1.0 / 2048.0), 0x3c00);
        assert_eq!(hf_round(1.0 + 3.0 / 2048.0), 0x3c02);
        assert_eq!(hf_round(-(2f64.powi(-25))), 0x8000);
        assert_eq!(hf_round(2f64.powi(-25) * 1.0001), 1);
        assert_eq!(hf_round(2f64.powi(-14) - 2f64.powi(-26)), 0x0400);
    }
}
