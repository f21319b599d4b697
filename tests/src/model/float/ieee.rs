//! sf, hf and bf: `rustc_apfloat` with the NaN that HVX produces on top. The dot product that accumulates, which that crate has
//! not, is an exact sum.

use rustc_apfloat::ieee::{BFloat, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round};

use super::exact::{Exact, HF, SF};
use super::lanes::*;
use crate::model::{Model, State};

const RNE: Round = Round::NearestTiesToEven;

fn sf(v: u32) -> Single {
    Single::from_bits(v.into())
}

fn hf(v: u16) -> Half {
    Half::from_bits(v.into())
}

fn bf(v: u16) -> BFloat {
    BFloat::from_bits(v.into())
}

fn sf_bits(v: Single) -> u32 {
    if v.is_nan() {
        0x7fff_ffff
    } else {
        v.to_bits() as u32
    }
}

fn hf_bits(v: Half) -> u16 {
    if v.is_nan() { 0x7fff } else { v.to_bits() as u16 }
}

/// Another format, rounded once.
fn to<A: FloatConvert<B>, B: Float>(v: A) -> B {
    v.convert_r(RNE, &mut false).value
}

/// An integer of `bits` bits, saturated; every NaN is the largest.
fn int(v: Half, bits: usize, signed: bool, round: Round) -> i64 {
    let (low, high) = if signed {
        (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1)
    } else {
        (0, (1i64 << bits) - 1)
    };
    if v.is_nan() {
        return high;
    }
    let wide = v.to_i128_r(64, round, &mut false).value as i64;
    wide.clamp(low, high)
}

/// The number as a saturated 16-bit integer; a NaN saturates by its sign.
fn int_by_sign(v: Half, round: Round) -> i64 {
    match (v.is_nan(), v.is_negative()) {
        (true, true) => i16::MIN.into(),
        _ => int(v, 16, true, round),
    }
}

fn fma_sf(acc: u32, a: Single, b: Single) -> u32 {
    sf_bits(a.mul_add_r(b, sf(acc), RNE).value)
}

/// One rounding of the sum of all three terms.
fn dot(acc: u32, a: [u16; 2], b: [u16; 2]) -> u32 {
    let nan = hf(a[0]).is_nan() || hf(a[1]).is_nan() || hf(b[0]).is_nan() || hf(b[1]).is_nan();
    if nan || sf(acc).is_nan() {
        return 0x7fff_ffff;
    }
    // Sign and magnitude of each term; `None` is infinity.
    let mut terms = vec![(
        acc >> 31 != 0,
        (acc & 0x7fff_ffff != SF.infinity()).then(|| SF.number(acc & 0x7fff_ffff)),
    )];
    for (a, b) in a.into_iter().zip(b) {
        let negative = (a ^ b) >> 15 != 0;
        let (a, b) = (u32::from(a & 0x7fff), u32::from(b & 0x7fff));
        let infinite = a == HF.infinity() || b == HF.infinity();
        if infinite && (a == 0 || b == 0) {
            return 0x7fff_ffff;
        }
        let parts = |v: u32| {
            let e = (v >> 10).max(1);
            (
                i128::from(v & 0x3ff | u32::from(v >> 10 != 0) << 10),
                e as i32 - 25,
            )
        };
        let ((m, e), (n, f)) = (parts(a), parts(b));
        terms.push((negative, (!infinite).then(|| Exact::new(m * n, e + f))));
    }
    let infinite: Vec<bool> = terms.iter().filter(|t| t.1.is_none()).map(|t| t.0).collect();
    if let Some(first) = infinite.first() {
        let clash = infinite.iter().any(|n| n != first);
        return if clash {
            0x7fff_ffff
        } else {
            SF.infinity() | u32::from(*first) << 31
        };
    }
    let sum = terms
        .iter()
        .filter_map(|(n, x)| x.map(|x| if *n { x.neg() } else { x }))
        .fold(Exact::ZERO, Exact::add);
    let negative = if sum.is_zero() {
        terms.iter().all(|t| t.0)
    } else {
        sum.is_negative()
    };
    SF.round(sum) | u32::from(negative) << 31
}

/// Halfwords to bytes, two of each operand next to each other.
fn narrow_in_pairs(s: &mut State, v: &[i32], f: impl Fn(u16) -> u8) {
    let from = [vector(s, v[1]), vector(s, v[2])];
    write(
        s,
        v[0],
        std::array::from_fn(|i| f(uh(&from[i >> 1 & 1], i / 4 * 2 + (i & 1)))),
    );
}

/// Bytes to halfwords, two at a time into each vector.
fn widen_in_pairs(s: &mut State, v: &[i32], f: impl Fn(u8) -> u16) {
    let a = vector(s, v[1]);
    for k in 0..2 {
        write(s, v[0] ^ k as i32, from_uh(|i| f(a[i / 2 * 4 + 2 * k + (i & 1)])));
    }
}

fn hf_from(v: i64) -> u16 {
    hf_bits(Half::from_i128_r(v.into(), RNE).value)
}

fn bf_to_sf(v: u16) -> Single {
    to(bf(v))
}

fn hf_to_sf(v: u16) -> Single {
    to(hf(v))
}

#[rustfmt::skip]
pub fn model(name: &str) -> Option<Model> {
    let m: Model = match name {
        "V6_vadd_sf_sf" => |s, v| words2(s, v, |a, b| sf_bits(sf(a).add_r(sf(b), RNE).value)),
        "V6_vsub_sf_sf" => |s, v| words2(s, v, |a, b| sf_bits(sf(a).sub_r(sf(b), RNE).value)),
        "V6_vmpy_sf_sf" => |s, v| words2(s, v, |a, b| sf_bits(sf(a).mul_r(sf(b), RNE).value)),
        "V6_vadd_hf_hf" => |s, v| halves2(s, v, |a, b| hf_bits(hf(a).add_r(hf(b), RNE).value)),
        "V6_vsub_hf_hf" => |s, v| halves2(s, v, |a, b| hf_bits(hf(a).sub_r(hf(b), RNE).value)),
        "V6_vmpy_hf_hf" => |s, v| halves2(s, v, |a, b| hf_bits(hf(a).mul_r(hf(b), RNE).value)),
        "V6_vmpy_hf_hf_acc" => |s, v| {
            let x = vector(s, v[0]);
            let (a, b) = (vector(s, v[1]), vector(s, v[2]));
            write(s, v[0], from_uh(|i| hf_bits(hf(uh(&a, i)).mul_add_r(hf(uh(&b, i)), hf(uh(&x, i)), RNE).value)));
        },
        "V6_vadd_sf_hf" => |s, v| widen_halves2(s, v, |a, b| sf_bits(hf_to_sf(a).add_r(hf_to_sf(b), RNE).value)),
        "V6_vsub_sf_hf" => |s, v| widen_halves2(s, v, |a, b| sf_bits(hf_to_sf(a).sub_r(hf_to_sf(b), RNE).value)),
        "V6_vmpy_sf_hf" => |s, v| widen_halves2(s, v, |a, b| sf_bits(hf_to_sf(a).mul_r(hf_to_sf(b), RNE).value)),
        "V6_vmpy_sf_hf_acc" => |s, v| widen_halves_acc(s, v, |x, a, b| fma_sf(x, hf_to_sf(a), hf_to_sf(b))),
        "V6_vadd_sf_bf" => |s, v| widen_halves2(s, v, |a, b| sf_bits(bf_to_sf(a).add_r(bf_to_sf(b), RNE).value)),
        "V6_vsub_sf_bf" => |s, v| widen_halves2(s, v, |a, b| sf_bits(bf_to_sf(a).sub_r(bf_to_sf(b), RNE).value)),
        "V6_vmpy_sf_bf" => |s, v| widen_halves2(s, v, |a, b| sf_bits(bf_to_sf(a).mul_r(bf_to_sf(b), RNE).value)),
        "V6_vmpy_sf_bf_acc" => |s, v| widen_halves_acc(s, v, |x, a, b| fma_sf(x, bf_to_sf(a), bf_to_sf(b))),
        "V6_vdmpy_sf_hf" => |s, v| {
            let (a, b) = (vector(s, v[1]), vector(s, v[2]));
            // -0 changes no sum.
            write(s, v[0], from_uw(|i| dot(1 << 31, [uh(&a, 2 * i), uh(&a, 2 * i + 1)], [uh(&b, 2 * i), uh(&b, 2 * i + 1)])));
        },
        "V6_vdmpy_sf_hf_acc" => |s, v| {
            let (x, a, b) = (vector(s, v[0]), vector(s, v[1]), vector(s, v[2]));
            write(s, v[0], from_uw(|i| dot(uw(&x, i), [uh(&a, 2 * i), uh(&a, 2 * i + 1)], [uh(&b, 2 * i), uh(&b, 2 * i + 1)])));
        },
        "V6_vabs_sf" => |s, v| words1(s, v, |a| a << 1 >> 1),
        "V6_vfneg_sf" => |s, v| words1(s, v, |a| a.wrapping_add(1 << 31)),
        "V6_vabs_hf" => |s, v| halves1(s, v, |a| a << 1 >> 1),
        "V6_vfneg_hf" => |s, v| halves1(s, v, |a| a.wrapping_add(1 << 15)),
        "V6_vassign_fp" => |s, v| words1(s, v, |a| a),
        "V6_vcvt_sf_hf" => |s, v| {
            let a = vector(s, v[1]);
            for k in 0..2 {
                write(s, v[0] ^ k as i32, from_uw(|i| sf_bits(hf_to_sf(uh(&a, 2 * i + k)))));
            }
        },
        "V6_vcvt_hf_sf" => |s, v| narrow_words(s, v, |a| hf_bits(to(sf(a)))),
        "V6_vcvt_bf_sf" => |s, v| narrow_words(s, v, |a| {
            let b: BFloat = to(sf(a));
            if b.is_nan() { 0x7fff } else { b.to_bits() as u16 }
        }),
        "V6_vcvt_h_hf" => |s, v| halves1(s, v, |a| int(hf(a), 16, true, RNE) as u16),
        "V6_vcvt_uh_hf" => |s, v| halves1(s, v, |a| int(hf(a), 16, false, RNE) as u16),
        "V6_vcvt_hf_h" | "V6_vconv_hf_h" => |s, v| halves1(s, v, |a| hf_from((a as i16).into())),
        "V6_vcvt_hf_uh" => |s, v| halves1(s, v, |a| hf_from(a.into())),
        "V6_vcvt_b_hf" => |s, v| narrow_in_pairs(s, v, |a| int(hf(a), 8, true, RNE) as u8),
        "V6_vcvt_ub_hf" => |s, v| narrow_in_pairs(s, v, |a| int(hf(a), 8, false, RNE) as u8),
        "V6_vcvt2_b_hf" => |s, v| narrow_halves(s, v, |a| int(hf(a), 8, true, RNE) as u8),
        "V6_vcvt2_ub_hf" => |s, v| narrow_halves(s, v, |a| int(hf(a), 8, false, RNE) as u8),
        "V6_vcvt_hf_b" => |s, v| widen_in_pairs(s, v, |a| hf_from((a as i8).into())),
        "V6_vcvt_hf_ub" => |s, v| widen_in_pairs(s, v, |a| hf_from(a.into())),
        "V6_vcvt2_hf_b" => |s, v| widen_bytes(s, v, |a| hf_from((a as i8).into())),
        "V6_vcvt2_hf_ub" => |s, v| widen_bytes(s, v, |a| hf_from(a.into())),
        "V6_vconv_h_hf" => |s, v| halves1(s, v, |a| int_by_sign(hf(a), Round::TowardZero) as u16),
        "V6_vconv_h_hf_rnd" => |s, v| halves1(s, v, |a| int_by_sign(hf(a), RNE) as u16),
        "V6_vconv_sf_w" => |s, v| words1(s, v, |a| sf_bits(Single::from_i128_r((a as i32).into(), RNE).value)),
        "V6_vconv_w_sf" => |s, v| words1(s, v, |a| {
            let x = sf(a);
            match (x.is_nan(), x.is_negative()) {
                (true, false) => i32::MAX as u32,
                (true, true) => i32::MIN as u32,
                _ => x.to_i128_r(32, Round::TowardZero, &mut false).value as u32,
            }
        }),
        _ => return None,
    };
    Some(m)
}
