//! What lanes compute against the exact rules.

use super::super::{qf, qf_exact as exact};
use crate::state::Qfloat;
use crate::state::qfloat::{Qf16, Qf32};

/// A generator of numbers (xorshift with a multiplication).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// An operand of some kind, from random bits.
trait Operand: Copy + std::fmt::Debug {
    /// Of two that are to meet, the second knows the first's bits.
    fn random(r: &mut Random, other: u64) -> (Self, u64);
    /// What lies at an end or beside one.
    fn edges() -> Vec<Self>;
}

/// Words of many shapes: any; few digits; an exponent (of sf, of qf32) close to the other operand's.
fn word(r: &mut Random, other: u64) -> u32 {
    let x = r.next();
    let (any, shape, n) = (x as u32, x >> 32 & 15, (x >> 36) as u32);
    match shape {
        0..4 => any,
        4 => any & 0x807f_ffff | (other as u32).wrapping_add((n & 31).wrapping_sub(16) << 23) & 0x7f80_0000,
        5 => any & 0xffff_ff00 | (other as u32).wrapping_add(n & 31).wrapping_sub(16) & 0xff,
        // A significand with few digits, or all but few.
        6 => (1u32 << (n & 31)).wrapping_sub(n >> 5 & 1) ^ (any & 0x8000_0000) | any & 0xff,
        7 => ((any as i32) >> (n & 31)) as u32 & !0xff | any & 0xff,
        8 => any & (u32::MAX << (n & 31)) & 0x807f_ffff | (other as u32 ^ n << 23) & 0x7f80_0000,
        9 => (any & (u32::MAX << (n & 31))) & !0xff | other as u32 & 0xff,
        // Exponents at the ends.
        10 => {
            any & 0xffff_ff00
                | [
                    0, 1, 2, 0x7e, 0x7f, 0x80, 0xfd, 0xfe, 0xff, 24, 25, 103, 104, 150, 151, 152,
                ][n as usize & 15]
        }
        11 => any & 0x807f_ffff | [0u32, 1, 2, 253, 254, 255, 126, 127][n as usize & 7] << 23,
        12 => [
            0u32,
            1,
            0x7fff_ff7f,
            0x8000_007f,
            0x7f80_0000,
            0xff80_0000,
            0x7fff_ffff,
            0x8000_00ff,
        ][n as usize & 7],
        13 => !(other as u32) ^ any & 0xff,
        14 => other as u32 ^ 1 << (n & 31),
        _ => any & 0xff00_00ff,
    }
}

fn half(r: &mut Random, other: u64) -> u16 {
    let x = r.next();
    let (any, n) = (x as u16, (x >> 20) as u16);
    match x >> 16 & 7 {
        0 => any & 0x83ff | (other as u16).wrapping_add((n & 15).wrapping_sub(8) << 10) & 0x7c00,
        1 => any & 0xffe0 | (other as u16).wrapping_add(n & 15).wrapping_sub(8) & 0x1f,
        2 => (1u16 << (n & 15)) ^ any & 0x801f,
        3 => any & (u16::MAX << (n & 15)) & 0xffe0 | any & 0x1f,
        _ => any,
    }
}

/// Ends of fields, as words.
fn edge_words() -> Vec<u32> {
    let mut all = Vec::new();
    for bit in 0..32 {
        let one = 1u32 << bit;
        all.extend([one, one - 1, !one, one.wrapping_neg(), one | 1]);
    }
    for exponent in [
        0u32, 1, 2, 0x60, 0x67, 0x68, 0x69, 0x7e, 0x7f, 0x80, 0x97, 0x98, 0xfd, 0xfe, 0xff,
    ] {
        for sig in [
            0, 1, 2, 3, 0x40_0000, 0x7f_fffe, 0x7f_ffff, 0x80_0000, 0x80_0001, 0xff_ffff, 0xc0_0000,
        ] {
            all.push(sig << 8 | exponent);
            all.extend([0, 1 << 31].map(|sign| sign | sig & 0x7f_ffff | exponent << 23));
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

impl Operand for u32 {
    fn random(r: &mut Random, other: u64) -> (u32, u64) {
        let v = word(r, other);
        (v, v.into())
    }
    fn edges() -> Vec<u32> {
        edge_words()
    }
}

impl Operand for Qf32 {
    fn random(r: &mut Random, other: u64) -> (Qf32, u64) {
        let word = word(r, other);
        let hidden = (r.next() >> 40) as u8 & 15;
        (Qf32 { word, hidden }, word.into())
    }
    fn edges() -> Vec<Qf32> {
        let with = |word| (0..16).map(move |hidden| Qf32 { word, hidden });
        edge_words().into_iter().step_by(3).flat_map(with).collect()
    }
}

impl Operand for u16 {
    fn random(r: &mut Random, other: u64) -> (u16, u64) {
        let v = half(r, other);
        (v, v.into())
    }
    fn edges() -> Vec<u16> {
        let all = (0..=u16::MAX).filter(|v| {
            let (sig, field) = (v & 0x3ff, v >> 10 & 31);
            matches!(sig, 0 | 1 | 0x200 | 0x201 | 0x3fe | 0x3ff) && matches!(field, 0..3 | 12 | 14..18 | 29..)
        });
        all.collect()
    }
}

impl Operand for Qf16 {
    fn random(r: &mut Random, other: u64) -> (Qf16, u64) {
        let half = half(r, other);
        let hidden = (r.next() >> 40) as u8 & 3;
        (Qf16 { half, hidden }, half.into())
    }
    fn edges() -> Vec<Qf16> {
        let all = (0..=u16::MAX).filter(|v| {
            let (sig, field) = (v >> 5, v & 31);
            matches!(sig, 0..3 | 0x200 | 0x3fe..0x402 | 0x5ff | 0x600 | 0x7fe..)
                && matches!(field, 0..3 | 14..17 | 24 | 29..)
        });
        all.flat_map(|half| (0..4).map(move |hidden| Qf16 { half, hidden }))
            .collect()
    }
}

/// Both sides of an operation of two operands.
fn binary<A: Operand, B: Operand, R: PartialEq + std::fmt::Debug>(
    name: &str,
    random: u64,
    lanes: impl Fn(Qfloat, A, B) -> R,
    exact: impl Fn(Qfloat, A, B) -> R,
) {
    let check = |a, b| {
        for mode in [Qfloat::Legacy, Qfloat::Extended] {
            assert_eq!(
                lanes(mode, a, b),
                exact(mode, a, b),
                "{name} {mode:?} {a:x?} {b:x?}"
            );
        }
    };
    let (first, second) = (A::edges(), B::edges());
    // All of one with some of the other, so that whole products of edges stay short.
    let step = (first.len() * second.len() / 400_000).max(1);
    for (n, a) in first.iter().enumerate() {
        for b in second.iter().skip(n % step).step_by(step) {
            check(*a, *b);
        }
    }
    let mut r = Random(0x9e37_79b9_7f4a_7c15 ^ name.len() as u64);
    for _ in 0..random {
        let other = r.next();
        let (a, bits) = A::random(&mut r, other);
        check(a, B::random(&mut r, bits).0);
    }
}

fn unary<A: Operand, R: PartialEq + std::fmt::Debug>(
    name: &str,
    random: u64,
    lanes: impl Fn(A) -> R,
    exact: impl Fn(A) -> R,
) {
    let check = |a| assert_eq!(lanes(a), exact(a), "{name} {a:x?}");
    A::edges().into_iter().for_each(check);
    let mut r = Random(0x9e37_79b9_7f4a_7c15 ^ name.len() as u64);
    for _ in 0..random {
        let other = r.next();
        check(A::random(&mut r, other).0);
    }
}

macro_rules! all_binary {
    ($t:ident $width:ident: $($name:ident = $op:ident($a:ty, $b:ty);)*) => {
        mod $width {
            use super::*;
            pub(super) fn compare(random: u64) {
                $(binary::<$a, $b, $t>(stringify!($name), random, qf::$name, exact::$name);)*
            }
        }
    };
}
operations!(all_binary);

/// Conversions, and what has one operand.
fn compare_unary(random: u64) {
    use Qfloat::{Extended, Legacy};
    use exact::{extended, legacy};
    unary(
        "sf legacy",
        random,
        |v: Qf32| qf::vsf_from_qf32(Legacy, v),
        |v| legacy::to_sf(v.into()),
    );
    unary(
        "hf legacy",
        random,
        |v: Qf32| qf::vhf_from_qf32(Legacy, v),
        |v| legacy::to_hf(v.into()),
    );
    unary(
        "sf",
        random,
        |v| qf::vsf_from_qf32(Extended, v),
        extended::qf32_to_sf,
    );
    unary(
        "hf",
        random,
        |v| qf::vhf_from_qf32(Extended, v),
        extended::qf32_to_hf,
    );
    unary("bf", random, qf::vbf_from_qf32, extended::vbf_from_qf32);
    unary("from sf", random, qf::vqf32_from_sf, extended::vqf32_from_sf);
    unary("neg sf", random, qf::vqf32_neg_sf, extended::vqf32_neg_sf);
    unary("abs sf", random, qf::vqf32_abs_sf, extended::vqf32_abs_sf);
    unary("normal", random, qf::vqf32_normal, extended::vqf32_normal);
    unary("neg", random, qf::vqf32_neg, extended::vqf32_neg);
    unary("abs", random, qf::vqf32_abs, extended::vqf32_abs);
    unary("ilog2 sf", random, qf::vilog2_sf, extended::vilog2_sf);
    unary("ilog2", random, qf::vilog2_qf32, extended::vilog2_qf32);
}

/// All halves that there are.
#[test]
fn halves_convert_to_the_bit() {
    use Qfloat::{Extended, Legacy};
    use exact::{extended, legacy};
    for half in 0..=u16::MAX {
        for hidden in 0..4 {
            let v = Qf16 { half, hidden };
            assert_eq!(qf::vhf_from_qf16(Legacy, v), legacy::to_hf(v.into()), "{v:x?}");
            assert_eq!(qf::vhf_from_qf16(Extended, v), extended::qf16_to_hf(v), "{v:x?}");
            assert_eq!(qf::vf8_from_qf16(v), extended::vf8_from_qf16(v), "{v:x?}");
            assert_eq!(qf::vqf16_normal(v), extended::vqf16_normal(v), "{v:x?}");
            assert_eq!(qf::vqf16_neg(v), extended::vqf16_neg(v), "{v:x?}");
            assert_eq!(qf::vqf16_abs(v), extended::vqf16_abs(v), "{v:x?}");
            assert_eq!(qf::vilog2_qf16(v), extended::vilog2_qf16(v), "{v:x?}");
        }
        assert_eq!(qf::vqf16_from_hf(half), extended::vqf16_from_hf(half), "{half:x}");
        assert_eq!(qf::vqf16_neg_hf(half), extended::vqf16_neg_hf(half), "{half:x}");
        assert_eq!(qf::vqf16_abs_hf(half), extended::vqf16_abs_hf(half), "{half:x}");
        assert_eq!(qf::vilog2_hf(half), extended::vilog2_hf(half), "{half:x}");
    }
    for v in 0..=u8::MAX {
        assert_eq!(qf::vqf16_from_f8(v), extended::vqf16_from_f8(v), "{v:x}");
    }
}

fn compare(random: u64) {
    compare_unary(random);
    word::compare(random);
    wide::compare(random);
    half::compare(random);
}

#[test]
fn lanes_are_exact_to_the_bit() {
    compare(50_000);
}

/// 4.4 thousand million pairs of operands, 10^8 for each of 22 operations by both sets of rules, and 10^8 of each conversion. By hand:
/// `cargo test --release -p hexagon-isa --lib -- --ignored many_lanes`.
#[test]
#[ignore = "minutes"]
fn many_lanes_are_exact_to_the_bit() {
    compare(100_000_000);
}
