//! qfloat instructions, one lane at a time: the old and the new rules behind one name each.
//!
//! A qf32 is a signed significand in the upper 24 bits and an exponent in the lower 8 of a word, a qf16 has 11 and 5 of a
//! halfword; one more bit below the significand is implied (old) or hidden (new). Results are not normalised.

use super::qf_lanes::{extended, legacy};
use super::vf8_from_hf;
use crate::state::Qfloat;
use crate::state::qfloat::{Qf16, Qf32};

/// The operations of two operands under both sets of rules, for `$declare` to declare. The operands' types say what they are: u32
/// is sf, u16 is hf.
macro_rules! operations {
    ($declare:ident) => {
        $declare! {
            Qf32 word:
            vqf32_add = add(Qf32, Qf32);
            vqf32_add_mix = add(Qf32, u32);
            vqf32_add_sf = add(u32, u32);
            vqf32_sub = sub(Qf32, Qf32);
            vqf32_sub_mix = sub(Qf32, u32);
            vqf32_sub_sf = sub(u32, u32);
            vqf32_sub_sf_mix = sub(u32, Qf32);
            vqf32_mpy = mpy(Qf32, Qf32);
            vqf32_mpy_sf = mpy(u32, u32);
        }
        $declare! {
            Qf32 wide:
            vqf32_mpy_hf = mpy(u16, u16);
            vqf32_mpy_mix_hf = mpy(Qf16, u16);
            vqf32_mpy_qf16 = mpy(Qf16, Qf16);
        }
        $declare! {
            Qf16 half:
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
    };
}

macro_rules! declare {
    ($t:ident $width:ident: $($name:ident = $op:ident($a:ty, $b:ty);)*) => {$(
        #[inline(always)]
        pub(crate) fn $name(mode: Qfloat, a: $a, b: $b) -> $t {
            match mode {
                Qfloat::Legacy => legacy::$width::$op(a.into(), b.into()).into(),
                Qfloat::Extended => extended::$width::$op(a.into(), b.into()).into(),
            }
        }
    )*};
}
operations!(declare);

macro_rules! convert {
    ($($name:ident = $op:ident($a:ty) -> $t:ty;)*) => {$(
        #[inline(always)]
        pub(crate) fn $name(mode: Qfloat, v: $a) -> $t {
            match mode {
                Qfloat::Legacy => legacy::$op(v),
                Qfloat::Extended => extended::$op(v),
            }
        }
    )*};
}
convert! {
    vsf_from_qf32 = qf32_to_sf(Qf32) -> u32;
    vhf_from_qf32 = qf32_to_hf(Qf32) -> u16;
    vhf_from_qf16 = qf16_to_hf(Qf16) -> u16;
}

/// Declares `v` normalised, negated and made positive, for one kind of operand (from V79 on).
macro_rules! unary {
    ($($out:ident $width:ident $in:ty: $same:ident $neg:ident $abs:ident;)*) => {$(
        #[inline(always)]
        pub(crate) fn $same(v: $in) -> $out {
            extended::$width::normal(v.into()).into()
        }
        #[inline(always)]
        pub(crate) fn $neg(v: $in) -> $out {
            extended::$width::neg(v.into()).into()
        }
        #[inline(always)]
        pub(crate) fn $abs(v: $in) -> $out {
            extended::$width::abs(v.into()).into()
        }
    )*};
}
unary! {
    Qf32 word u32: vqf32_from_sf vqf32_neg_sf vqf32_abs_sf;
    Qf32 word Qf32: vqf32_normal vqf32_neg vqf32_abs;
    Qf16 half u16: vqf16_from_hf vqf16_neg_hf vqf16_abs_hf;
    Qf16 half Qf16: vqf16_normal vqf16_neg vqf16_abs;
}

#[inline(always)]
pub(crate) fn vbf_from_qf32(v: Qf32) -> u16 {
    extended::qf32_to_bf(v)
}

/// By way of hf: rounded twice.
#[inline(always)]
pub(crate) fn vf8_from_qf16(v: Qf16) -> u8 {
    vf8_from_hf(extended::qf16_to_hf(v), false)
}

#[inline(always)]
pub(crate) fn vqf16_from_f8(v: u8) -> Qf16 {
    extended::qf16_from_f8(v)
}

#[inline(always)]
pub(crate) fn vilog2_sf(v: u32) -> i32 {
    extended::ilog2_word(v.into())
}

#[inline(always)]
pub(crate) fn vilog2_qf32(v: Qf32) -> i32 {
    extended::ilog2_word(v.into())
}

#[inline(always)]
pub(crate) fn vilog2_hf(v: u16) -> i16 {
    extended::ilog2_half(v.into())
}

#[inline(always)]
pub(crate) fn vilog2_qf16(v: Qf16) -> i16 {
    extended::ilog2_half(v.into())
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
    fn hidden_bits_are_bytes_of_a_mask() {
        let v = Qf32 {
            word: 7,
            hidden: 0b1001,
        };
        assert_eq!(vqf32_hidden(v), 0xff00_00ff);
        assert_eq!(vqf32_with_hidden(7, 0x1000_0001), v);
    }
}
