//! qfloat in integers that hold everything: what [`qf_lanes`](super::qf_lanes) is compared with.

pub(super) mod extended;
pub(super) mod legacy;

use crate::state::Qfloat;
use crate::state::qfloat::{Qf16, Qf32};

/// Bits below a unit in which sums and products are kept before they are rounded; the lowest one also stands for all below it.
const GUARD: u32 = 30;

/// `sig` times 2 to the power `shift`; the lowest bit of the result is set if anything below it was lost.
#[inline(always)]
fn align(sig: i64, shift: i32) -> i64 {
    if shift >= 0 {
        return sig << shift.min(63);
    }
    let n = shift.unsigned_abs().min(63);
    let kept = sig >> n;
    if kept << n == sig { kept } else { kept | 1 }
}

/// Half of an aligned number.
#[inline(always)]
fn halve(y: i64) -> i64 {
    y >> 1 | y & 1
}

/// The magnitude bits of the nearest IEEE number to `m` times 2 to the power `lsb`, ties to even, as if the exponent had no upper
/// end: `frac` bits of fraction, `min` the smallest exponent of a normal number.
#[inline(always)]
fn encode(m: u64, lsb: i32, frac: i32, min: i32) -> u64 {
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

/// A result's format under both sets of rules.
trait Formats {
    const LEGACY: legacy::Format;
    const EXTENDED: extended::Format;
}

impl Formats for Qf32 {
    const LEGACY: legacy::Format = legacy::QF32;
    const EXTENDED: extended::Format = extended::QF32;
}

impl Formats for Qf16 {
    const LEGACY: legacy::Format = legacy::QF16;
    const EXTENDED: extended::Format = extended::QF16;
}

macro_rules! declare {
    ($t:ident $width:ident: $($name:ident = $op:ident($a:ty, $b:ty);)*) => {$(
        pub(super) fn $name(mode: Qfloat, a: $a, b: $b) -> $t {
            match mode {
                Qfloat::Legacy => legacy::$op(a.into(), b.into(), <$t>::LEGACY).into(),
                Qfloat::Extended => extended::$op(a.into(), b.into(), <$t>::EXTENDED).into(),
            }
        }
    )*};
}
operations!(declare);

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
}
