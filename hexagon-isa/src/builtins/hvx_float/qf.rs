//! qfloat instructions, one lane at a time: the old and the new rules behind one name each.
//!
//! A qf32 is a signed significand in the upper 24 bits and an exponent in the lower 8 of a word, a qf16 has 11 and 5 of a
//! halfword; one more bit below the significand is implied (old) or hidden (new). Results are not normalised.

use super::{qf_extended as extended, qf_legacy as legacy};
use crate::state::Qfloat;
use crate::state::qfloat::{Qf16, Qf32};

/// Bits below a unit in which sums and products are kept before they are rounded; the lowest one also stands for all below it.
pub(super) const GUARD: u32 = 30;

/// `sig` times 2 to the power `shift`; the lowest bit of the result is set if anything below it was lost.
#[inline(always)]
pub(super) fn align(sig: i64, shift: i32) -> i64 {
    if shift >= 0 {
        return sig << shift.min(63);
    }
    let n = shift.unsigned_abs().min(63);
    let kept = sig >> n;
    if kept << n == sig { kept } else { kept | 1 }
}

/// Half of an aligned number.
#[inline(always)]
pub(super) fn halve(y: i64) -> i64 {
    y >> 1 | y & 1
}

/// The magnitude bits of the nearest IEEE number to `m` times 2 to the power `lsb`, ties to even, as if the exponent had no upper
/// end: `frac` bits of fraction, `min` the smallest exponent of a normal number.
#[inline(always)]
pub(super) fn encode(m: u64, lsb: i32, frac: i32, min: i32) -> u64 {
    if m == 0 {
        return 0;
    }
    let e = (63 - m.leading_zeros() as i32 + lsb).max(min);
    let drop = e - frac - lsb;
    let rounded = match drop {
        ..=0 => m << drop.unsigned_abs().min(63),
        1..=63 => {
            let (kept, rest, half) = (m >> drop, m & ((1 << drop) - 1), 1 << (drop - 1));
            kept + u64::from(rest > half || rest == half && kept & 1 != 0)
        }
        _ => 0,
    };
    (((e - min) as u64) << frac) + rounded
}

/// Declares operations whose result is `$t`, under both sets of rules. The operands' types say what they are: u32 is sf, u16
/// is hf.
macro_rules! both {
    ($t:ident $format:ident: $($name:ident = $op:ident($a:ty, $b:ty);)*) => {$(
        #[inline(always)]
        pub(crate) fn $name(mode: Qfloat, a: $a, b: $b) -> $t {
            match mode {
                Qfloat::Legacy => legacy::$op(a.into(), b.into(), legacy::$format).into(),
                Qfloat::Extended => extended::$op(a.into(), b.into(), extended::$format).into(),
            }
        }
    )*};
}
both! {
    Qf32 QF32:
    vqf32_add = add(Qf32, Qf32);
    vqf32_add_mix = add(Qf32, u32);
    vqf32_add_sf = add(u32, u32);
    vqf32_sub = sub(Qf32, Qf32);
    vqf32_sub_mix = sub(Qf32, u32);
    vqf32_sub_sf = sub(u32, u32);
    vqf32_sub_sf_mix = sub(u32, Qf32);
    vqf32_mpy = mpy(Qf32, Qf32);
    vqf32_mpy_sf = mpy(u32, u32);
    vqf32_mpy_hf = mpy(u16, u16);
    vqf32_mpy_mix_hf = mpy(Qf16, u16);
    vqf32_mpy_qf16 = mpy(Qf16, Qf16);
}
both! {
    Qf16 QF16:
    vqf16_add = add(Qf16, Qf16);
    vqf16_add_mix = add(Qf16, u16);
    vqf16_add_hf = add(u16, u16);
    vqf16_sub = sub(Qf16, Qf16);
    vqf16_sub_mix = sub(Qf16, u16);
    vqf16_sub_hf = sub(u16, u16);
    vqf16_sub_hf_mix = sub(u16, Qf16);
    vqf16_mpy = mpy(Qf16, Qf16);
    vqf16_mpy_mix = mpy(Qf16, u16);
    vqf16_mpy_hf = mpy(u16, u16);
}

#[inline(always)]
pub(crate) fn vsf_from_qf32(mode: Qfloat, v: Qf32) -> u32 {
    match mode {
        Qfloat::Legacy => legacy::to_sf(v.into()),
        Qfloat::Extended => extended::qf32_to_sf(v),
    }
}

#[inline(always)]
pub(crate) fn vhf_from_qf32(mode: Qfloat, v: Qf32) -> u16 {
    match mode {
        Qfloat::Legacy => legacy::to_hf(v.into()),
        Qfloat::Extended => extended::qf32_to_hf(v),
    }
}

#[inline(always)]
pub(crate) fn vhf_from_qf16(mode: Qfloat, v: Qf16) -> u16 {
    match mode {
        Qfloat::Legacy => legacy::to_hf(v.into()),
        Qfloat::Extended => extended::qf16_to_hf(v),
    }
}

/// The hidden bits of a word as a mask: byte 0 for Q, then E, R, L.
#[inline(always)]
pub(crate) fn vqf32_hidden(v: Qf32) -> u32 {
    (0..4).fold(0, |all, k| {
        all | if v.hidden >> k & 1 != 0 {
            0xff << (8 * k)
        } else {
            0
        }
    })
}

/// A word with a hidden bit for every byte of `mask` that is not zero.
#[inline(always)]
pub(crate) fn vqf32_with_hidden(word: u32, mask: u32) -> Qf32 {
    let hidden = (0..4).fold(0, |all, k| all | u8::from(mask >> (8 * k) & 0xff != 0) << k);
    Qf32 { word, hidden }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_alignment_loses_leaves_a_bit() {
        assert_eq!((align(-5, 2), align(-5, -1), align(-4, -2)), (-20, -3, -1));
        assert_eq!((align(1, -63), align(-1, -63), align(0, -63)), (1, -1, 0));
        assert_eq!((halve(7), halve(-6)), (3, -3));
    }

    #[test]
    fn encoding_rounds_once_and_underflows_gradually() {
        assert_eq!(encode(3, 0, 23, -126), 0x4040_0000);
        assert_eq!(encode((1 << 25) + 2, -24, 23, -126), 0x4000_0000);
        assert_eq!(encode((1 << 25) + 6, -24, 23, -126), 0x4000_0002);
        assert_eq!((encode(1, -150, 23, -126), encode(3, -151, 23, -126)), (0, 1));
        assert_eq!(encode(1, 128, 23, -126), 0x7f80_0000);
    }

    #[test]
    fn hidden_bits_are_bytes_of_a_mask() {
        let v = Qf32 {
            word: 7,
            hidden: 0b1001,
        };
        assert_eq!(vqf32_hidden(v), 0xff00_00ff);
        assert_eq!(vqf32_with_hidden(7, 0x1000_0001), v);
    }
}
