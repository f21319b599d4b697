//! qfloat arithmetic as the host's vector units can do it: one lane at a time, in integers of the lane's own width and without a
//! branch, so that a loop over a vector becomes a few host instructions for all of its lanes.
//!
//! The tests' `qf_exact` says what is computed, with 30 bits below the unit. Two are enough here: a half, and one bit that stands for
//! all below it ("rounded to odd"). That is so because the operand with the larger exponent has no bits below the unit, a number
//! that was rounded to odd can be rounded to odd once more, and no rule compares with anything finer than a half. A difference is
//! an error; the tests beside compare both.

pub(super) mod extended;
pub(super) mod legacy;
#[cfg(test)]
mod tests;

/// Bits below the unit.
const GUARD: u32 = 2;

/// What depends on the width of a lane.
trait Lane: Sized {
    /// The place of the highest bit of a number that is not negative; -1 for 0.
    fn top(self) -> Self;
    /// A product of two significands, less `shift` bits, rounded to odd.
    fn product(a: Self, b: Self, shift: u32) -> Self;
}

impl Lane for i32 {
    /// For numbers up to 2 to the power 24, which are exact as floats: every host has that conversion.
    #[inline(always)]
    fn top(self) -> i32 {
        (((self as f32).to_bits() >> 23) as i32 - 127).max(-1)
    }

    #[inline(always)]
    fn product(a: i32, b: i32, shift: u32) -> i32 {
        let p = i64::from(a) * i64::from(b);
        let lost = a.wrapping_mul(b) as u32 & ((1 << shift) - 1);
        (p >> shift) as i32 | i32::from(lost != 0)
    }
}

impl Lane for i16 {
    #[inline(always)]
    fn top(self) -> i16 {
        15 - self.leading_zeros() as i16
    }

    #[inline(always)]
    fn product(a: i16, b: i16, shift: u32) -> i16 {
        let p = i32::from(a) * i32::from(b);
        (p >> shift) as i16 | i16::from(p & ((1 << shift) - 1) != 0)
    }
}

/// The magnitude of the nearest IEEE number to `sig` times 2 to the power `e` less 23 and the bias of sf, ties to even, as if the
/// exponent had no upper end. `sig` is at most 2 to the power 24; `more` is the sign of what it lacks, which is less than any
/// rounding sees. The result has `FRAC` bits of fraction, and a bias that is `rebias` less than sf's.
#[inline(always)]
fn encode<const FRAC: u32>(sig: i32, more: i32, e: i32, rebias: i32) -> u32 {
    /// Where the highest bit is moved: so that what is too small is less than half when all of it is dropped.
    const TOP: i32 = 29;
    let top = sig.top();
    let z = sig.wrapping_shl((TOP - top) as u32) + more;
    let field = top + e - 23 - rebias;
    let drop = (TOP - FRAC as i32 + (1 - field).max(0)).min(31) as u32;
    let odd = z.wrapping_shr(drop) & 1;
    let half = 1i32.wrapping_shl(drop - 1);
    let rounded = (z + half - 1 + odd).wrapping_shr(drop);
    let magnitude = ((field.max(1) - 1) << FRAC) as u32 + rounded as u32;
    if sig == 0 { 0 } else { magnitude }
}

/// The magnitude of the nearest hf to `sig` (at most 2 to the power 11) times 2 to the power `e` less 10 and the bias, as if the
/// exponent had no upper end. There is something to round only if `e` is 0.
#[inline(always)]
fn encode_half(sig: i16, e: i16) -> u16 {
    let top = sig.top();
    let field = top + e - 10;
    let eleven = sig.wrapping_shl((10 - top).max(0) as u32) as u16 >> u16::from(top > 10);
    let normal = eleven.wrapping_add(((field - 1) as u16) << 10);
    let down = (sig >> 1) + (sig >> 1 & sig & 1);
    let small = if e == 0 {
        down
    } else {
        sig.wrapping_shl((e - 1) as u32)
    };
    if sig == 0 {
        0
    } else if field >= 1 {
        normal
    } else {
        small as u16
    }
}
