//! Addressing modes and integer functions.

use crate::state::{Status, usr};

macro_rules! saturate {
    ($($name:ident $t:ty),*) => {$(
        /// `v` held between `lo` and `hi`; USR.OVF if it was not.
        #[inline(always)]
        pub(crate) fn $name(st: &mut Status, v: $t, lo: $t, hi: $t) -> $t {
            let c = v.clamp(lo, hi);
            if c != v {
                st.flags |= usr::OVF;
            }
            c
        }
    )*};
}
saturate!(saturate_i16 i16, saturate_i32 i32, saturate_u32 u32, saturate_i64 i64, saturate_i128 i128);

/// Circular addressing: `base + inc`, wrapped once into the buffer that M and CS describe. Length is M[16:0]; M[27:24] is K:
/// with K 0 and a length of at least 4 the buffer starts at CS, otherwise at `base` with its low K+2 bits cleared.
pub(crate) fn circ_add(base: u32, inc: i32, m: u32, cs: u32) -> u32 {
    let length = m & 0x1_ffff;
    let k = m >> 24 & 15;
    let start = if k == 0 && length >= 4 {
        cs
    } else {
        base & !((1u32 << (k + 2)) - 1)
    };
    let end = start.wrapping_add(length);
    let next = base.wrapping_add(inc as u32);
    if next >= end {
        next.wrapping_sub(length)
    } else if next < start {
        next.wrapping_add(length)
    } else {
        next
    }
}

/// The increment that a modifier register holds: M[31:28]:M[23:17], signed, times the access size.
pub(crate) fn circ_inc(m: u32, shift: i32) -> i32 {
    let i = (m >> 28 << 7 | m >> 17 & 0x7f) as i32;
    (i << 21 >> 21) << (shift & 3)
}

/// The low 16 address bits in reverse order.
pub(crate) fn brev_addr(a: u32) -> u32 {
    a & 0xffff_0000 | u32::from((a as u16).reverse_bits())
}

/// Left by a signed amount; right, arithmetically, when it is negative.
#[inline(always)]
pub(crate) fn shl_signed(v: i64, n: i32) -> i64 {
    if n < 0 {
        v >> n.unsigned_abs().min(63)
    } else {
        v.checked_shl(n as u32).unwrap_or(0)
    }
}

/// Left by a signed amount; right, logically, when it is negative.
#[inline(always)]
pub(crate) fn shl_unsigned(v: u64, n: i32) -> u64 {
    if n < 0 {
        v.checked_shr(n.unsigned_abs()).unwrap_or(0)
    } else {
        v.checked_shl(n as u32).unwrap_or(0)
    }
}

/// [`shl_signed`] on 32 bits that saturates a left shift by the sign of the original value.
pub(crate) fn asl_sat32(st: &mut Status, v: i32, n: i32) -> i32 {
    let wide = if n < 0 {
        i64::from(v) >> n.unsigned_abs().min(63)
    } else {
        i64::from(v) << n.min(32)
    };
    saturate_i64(st, wide, i32::MIN.into(), i32::MAX.into()) as i32
}

/// Bits of `even` at even positions, of `odd` at odd ones.
pub(crate) fn interleave(even: u32, odd: u32) -> u64 {
    (0..32).fold(0, |acc, k| {
        acc | u64::from(even >> k & 1) << (2 * k) | u64::from(odd >> k & 1) << (2 * k + 1)
    })
}

/// The inverse of [`interleave`]: even bits in the low word.
pub(crate) fn deinterleave(v: u64) -> u64 {
    (0..32).fold(0, |acc, k| {
        acc | (v >> (2 * k) & 1) << k | (v >> (2 * k + 1) & 1) << (k + 32)
    })
}

/// Carry-less product.
pub(crate) fn polymul(a: u32, b: u32) -> u64 {
    (0..32).fold(0, |acc, k| {
        if b >> k & 1 != 0 {
            acc ^ u64::from(a) << k
        } else {
            acc
        }
    })
}

/// Carry-less product of halfwords.
pub(crate) fn polymul16(a: u32, b: u32) -> u32 {
    polymul(a & 0xffff, b & 0xffff) as u32
}

/// `v` divided by 2^n, rounded to nearest even.
fn convergent(v: i128, n: u32) -> i128 {
    if n == 0 {
        return v;
    }
    let below_half = (1i128 << (n - 1)) - 1;
    let add = if v & below_half == 0 {
        (v >> n & 1) << (n - 1)
    } else {
        1 << (n - 1)
    };
    (v + add) >> n
}

/// Convergent rounding of a word.
pub(crate) fn cround32(v: i32, n: u32) -> i32 {
    convergent(v.into(), n & 31) as i32
}

/// Convergent rounding of a doubleword.
pub(crate) fn cround64(v: i64, n: u32) -> i64 {
    convergent(v.into(), n & 63) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circular_addresses_wrap_once_at_either_end() {
        let m = 16;
        assert_eq!(circ_add(0x1000, 4, m, 0x1000), 0x1004);
        assert_eq!(circ_add(0x100c, 8, m, 0x1000), 0x1004);
        assert_eq!(circ_add(0x1000, -4, m, 0x1000), 0x100c);
        // K = 2: the buffer starts at a multiple of 16.
        assert_eq!(circ_add(0x102c, 4, 2 << 24 | 16, 0), 0x1020);
    }

    #[test]
    fn the_increment_of_a_modifier_is_signed_and_scaled() {
        assert_eq!(circ_inc(1 << 17, 2), 4);
        assert_eq!(circ_inc(0xf << 28 | 0x7f << 17, 1), -2);
    }

    #[test]
    fn signed_shift_amounts_go_both_ways() {
        assert_eq!(shl_signed(-8, -64), -1);
        assert_eq!(shl_signed(1, 63), i64::MIN);
        assert_eq!(shl_unsigned(u64::MAX, -64), 0);
        let mut st = Status::default();
        assert_eq!(asl_sat32(&mut st, -1, 40), i32::MIN);
        assert_eq!(st.flags, usr::OVF);
        assert_eq!(asl_sat32(&mut st, 0, 63), 0);
    }

    #[test]
    fn interleaving_is_undone() {
        let v = 0x0123_4567_89ab_cdef;
        let d = deinterleave(v);
        assert_eq!(interleave(d as u32, (d >> 32) as u32), v);
    }

    #[test]
    fn convergent_rounding_sends_ties_to_even() {
        assert_eq!(cround32(2, 2), 0);
        assert_eq!(cround32(6, 2), 2);
        assert_eq!(cround32(3, 2), 1);
        assert_eq!(cround32(-2, 2), 0);
    }
}
