//! f8: every pattern's value as an exact number; a result is the nearest hf or f8 of the exact result.

use std::cmp::Ordering;

use super::exact::{Exact, HF};
use super::lanes::*;
use crate::model::{Model, State};

/// Unit in which all f8 numbers are integers: 2 to the power of this.
const UNIT: i32 = -10;

/// The number in units; `None` is the NaN.
pub fn units(v: u8) -> Option<i128> {
    if v == 0x80 {
        return None;
    }
    let (e, m) = (v >> 3 & 15, i128::from(v & 7));
    let magnitude = if e == 0 { m } else { (8 + m) << (e - 1) };
    Some(if v & 0x80 != 0 { -magnitude } else { magnitude })
}

/// The f8 that is nearest to an exact number, by looking at all of them; `None` if that is beyond the largest.
pub fn nearest(x: Exact) -> Option<u8> {
    // The step behind the largest number is 256.
    let steps: Vec<Exact> = (0..0x80)
        .map(|v| Exact::new(units(v).unwrap_or_default(), UNIT))
        .chain([Exact::new(256, 0)])
        .collect();
    let magnitude = x.abs();
    let above = steps
        .iter()
        .position(|s| s.compare(magnitude) != Ordering::Less)?;
    if steps[above] == magnitude || above == 0 {
        return (above < 0x80).then_some(signed(above as u8, x));
    }
    let below = above - 1;
    let twice = magnitude.add(magnitude);
    let pick = match twice.compare(steps[above].add(steps[below])) {
        Ordering::Less => below,
        Ordering::Greater => above,
        Ordering::Equal if above % 2 == 0 => above,
        Ordering::Equal => below,
    };
    (pick < 0x80).then(|| signed(pick as u8, x))
}

fn signed(magnitude: u8, x: Exact) -> u8 {
    if magnitude != 0 && x.is_negative() {
        magnitude | 0x80
    } else {
        magnitude
    }
}

/// The hf of an exact number; `negative` is the sign of a zero.
fn hf(x: Exact, negative: bool) -> u16 {
    let sign = if x.is_zero() { negative } else { x.is_negative() };
    HF.round(x) as u16 | u16::from(sign) << 15
}

fn add(a: u8, b: u8, subtract: bool) -> u16 {
    match (units(a), units(b)) {
        // There is no -0 to begin with.
        (Some(a), Some(b)) => hf(Exact::new(if subtract { a - b } else { a + b }, UNIT), false),
        _ => 0x7fff,
    }
}

fn product(a: u8, b: u8) -> Option<(Exact, bool)> {
    Some((Exact::new(units(a)? * units(b)?, 2 * UNIT), (a ^ b) & 0x80 != 0))
}

fn fma(acc: u16, a: u8, b: u8) -> u16 {
    let Some((p, p_negative)) = product(a, b) else {
        return 0x7fff;
    };
    let (magnitude, negative) = (u32::from(acc & 0x7fff), acc >> 15 != 0);
    match magnitude.cmp(&HF.infinity()) {
        Ordering::Greater => 0x7fff,
        Ordering::Equal => acc,
        Ordering::Less => {
            let x = HF.number(magnitude);
            hf(p.add(if negative { x.neg() } else { x }), negative && p_negative)
        }
    }
}

fn widen2(s: &mut State, v: &[i32], f: impl Fn(u8, u8) -> u16) {
    let (a, b) = (vector(s, v[1]), vector(s, v[2]));
    for k in 0..2 {
        write(s, v[0] ^ k as i32, from_uh(|i| f(a[2 * i + k], b[2 * i + k])));
    }
}

/// From hf, with USR.FPSAT.
pub fn narrow(v: u16, saturate: bool) -> u8 {
    let (magnitude, negative) = (u32::from(v & 0x7fff), v >> 15 != 0);
    let beyond = if saturate {
        0x7f | u8::from(negative) << 7
    } else {
        0x80
    };
    match magnitude.cmp(&HF.infinity()) {
        Ordering::Greater => 0x80,
        Ordering::Equal => beyond,
        Ordering::Less => {
            let x = HF.number(magnitude);
            nearest(if negative { x.neg() } else { x }).unwrap_or(beyond)
        }
    }
}

fn select(a: u8, b: u8, max: bool) -> u8 {
    match (units(a), units(b)) {
        (Some(x), Some(y)) if (x > y) == max => a,
        (Some(_), Some(_)) => b,
        _ => 0x80,
    }
}

#[rustfmt::skip]
pub fn model(name: &str) -> Option<Model> {
    let m: Model = match name {
        "V6_vadd_hf_f8" => |s, v| widen2(s, v, |a, b| add(a, b, false)),
        "V6_vsub_hf_f8" => |s, v| widen2(s, v, |a, b| add(a, b, true)),
        "V6_vmpy_hf_f8" => |s, v| widen2(s, v, |a, b| product(a, b).map_or(0x7fff, |(p, n)| hf(p, n))),
        "V6_vmpy_hf_f8_acc" => |s, v| {
            let (x, a, b) = (pair(s, v[0]), vector(s, v[1]), vector(s, v[2]));
            for (k, x) in x.iter().enumerate() {
                write(s, v[0] ^ k as i32, from_uh(|i| fma(uh(x, i), a[2 * i + k], b[2 * i + k])));
            }
        },
        "V6_vcvt_hf_f8" => |s, v| widen_bytes(s, v, |a| units(a).map_or(0x7fff, |u| hf(Exact::new(u, UNIT), false))),
        "V6_vcvt_f8_hf" => |s, v| {
            let saturate = s.usr >> 24 & 1 != 0;
            narrow_halves(s, v, |a| narrow(a, saturate));
        },
        "V6_vabs_f8" => |s, v| { let d = [v[0], v[1], v[1]]; bytes2(s, &d, |a, _| if a == 0x80 { a } else { a & 0x7f }) },
        "V6_vfneg_f8" => |s, v| { let d = [v[0], v[1], v[1]]; bytes2(s, &d, |a, _| if a & 0x7f == 0 { a } else { a ^ 0x80 }) },
        "V6_vfmin_f8" => |s, v| bytes2(s, v, |a, b| select(a, b, false)),
        "V6_vfmax_f8" => |s, v| bytes2(s, v, |a, b| select(a, b, true)),
        _ => return None,
    };
    Some(m)
}
