//! The 8-bit format f8: sign, 4 bits of exponent with bias 8, 3 bits of fraction; no infinity and no -0, whose pattern 0x80 is
//! the NaN. The largest number is 240, the smallest denormal 2 to the power -10.
//!
//! All f8 numbers are hf numbers, so arithmetic is hf's after [`vhf_from_f8`].
//!
//! Public sources give two biases: the vendor's QEMU uses 8 for V79's `vcvt`, `vadd`, … and 7 for V81's conversions from and to
//! qf16. Both name the same type; this core has one f8, with bias 8 (the format known as E4M3FNUZ).

use super::hf_is_nan;

/// The one NaN.
const NAN: u8 = 0x80;

/// Exact; the NaN becomes hf's.
#[inline(always)]
pub(crate) fn vhf_from_f8(v: u8) -> u16 {
    if v == NAN {
        return super::HF_NAN;
    }
    let (sign, magnitude) = (u16::from(v & 0x80) << 8, v & 0x7f);
    if magnitude >= 8 {
        // Bias 8 to 15.
        return sign | ((u16::from(magnitude) << 7) + (7 << 10));
    }
    super::hf_round(f64::from(magnitude) / 1024.0) | sign
}

/// Rounded to nearest even. What is too large becomes the NaN, or the largest number if `saturate` (not so for a NaN).
#[inline(always)]
pub(crate) fn vf8_from_hf(v: u16, saturate: bool) -> u8 {
    if hf_is_nan(v) {
        return NAN;
    }
    let sign = (v >> 8) as u8 & 0x80;
    let m = v & 0x7fff;
    // 248 is half way between the largest number and the next power of two.
    if m >= 0x5bc0 {
        return if saturate { sign | 0x7f } else { NAN };
    }
    let magnitude = if m >= 0x2000 {
        // Normal: 2 to the power -7 and above.
        let even = m >> 7 & 1;
        (((m + 0x3f + even) >> 7) - (7 << 3)) as u8
    } else {
        // A multiple of 2 to the power -10.
        (super::hf_wide(m) * 1024.0).round_ties_even() as u8
    };
    if magnitude == 0 { 0 } else { sign | magnitude }
}

#[inline(always)]
pub(crate) fn vf8_abs(v: u8) -> u8 {
    if v == NAN { NAN } else { v & 0x7f }
}

#[inline(always)]
pub(crate) fn vf8_neg(v: u8) -> u8 {
    if v & 0x7f == 0 { v } else { v ^ 0x80 }
}

/// Orders numbers by value.
#[inline(always)]
fn key(v: u8) -> i32 {
    let magnitude = i32::from(v & 0x7f);
    if v & 0x80 != 0 { -magnitude } else { magnitude }
}

#[inline(always)]
pub(crate) fn vf8_min(a: u8, b: u8) -> u8 {
    match a == NAN || b == NAN {
        true => NAN,
        false if key(a) < key(b) => a,
        false => b,
    }
}

#[inline(always)]
pub(crate) fn vf8_max(a: u8, b: u8) -> u8 {
    match a == NAN || b == NAN {
        true => NAN,
        false if key(a) > key(b) => a,
        false => b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f8_survives_hf() {
        for v in 0..=u8::MAX {
            assert_eq!(vf8_from_hf(vhf_from_f8(v), true), v, "{v:#04x}");
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(vhf_from_f8(0x7f), 0x5b80);
        assert_eq!(vhf_from_f8(1), 0x1400);
        assert_eq!(
            (
                vf8_from_hf(0x5bbf, false),
                vf8_from_hf(0x5bc0, false),
                vf8_from_hf(0xfc00, true)
            ),
            (0x7f, 0x80, 0xff)
        );
        assert_eq!(
            (vf8_from_hf(0x9000, false), vf8_from_hf(0x9001, false)),
            (0, 0x81)
        );
        assert_eq!(
            (vf8_neg(0), vf8_neg(0x80), vf8_neg(1), vf8_abs(0x80)),
            (0, 0x80, 0x81, 0x80)
        );
        assert_eq!(
            (vf8_max(0x81, 0), vf8_min(0x81, 0), vf8_max(0x80, 1)),
            (0, 0x81, 0x80)
        );
    }
}
