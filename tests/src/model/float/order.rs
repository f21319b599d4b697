//! Comparisons, minimum and maximum, from a table of what each kind of operand is worth.

use hexagon_isa::Arch;

use super::lanes::*;
use crate::model::{Model, State};

/// A format's place in an integer: bits in all and bits of the fraction.
#[derive(Debug, Clone, Copy)]
struct Kind {
    bits: u32,
    frac: u32,
}

const SF: Kind = Kind { bits: 32, frac: 23 };
const HF: Kind = Kind { bits: 16, frac: 10 };
const BF: Kind = Kind { bits: 16, frac: 7 };

impl Kind {
    fn negative(self, v: u32) -> bool {
        v >> (self.bits - 1) != 0
    }

    fn magnitude(self, v: u32) -> u32 {
        v % (1 << (self.bits - 1))
    }

    fn is_nan(self, v: u32) -> bool {
        let infinity = (1 << (self.bits - 1)) - (1 << self.frac);
        self.magnitude(v) > infinity
    }

    /// All numbers and NaNs in one row: -NaN, -infinity, …, -0, +0, …, infinity, NaN.
    fn row(self, v: u32) -> i64 {
        let m = i64::from(self.magnitude(v));
        if self.negative(v) { -1 - m } else { m }
    }

    fn greater(self, arch: Arch, a: u32, b: u32) -> bool {
        let modern = arch >= Arch::V79 && self.frac != BF.frac;
        let zeros = self.magnitude(a) == 0 && self.magnitude(b) == 0;
        let ordered = !(self.is_nan(a) || self.is_nan(b));
        !zeros && (ordered || !modern) && self.row(a) > self.row(b)
    }

    fn equal(self, a: u32, b: u32) -> bool {
        let zeros = self.magnitude(a) == 0 && self.magnitude(b) == 0;
        zeros || a == b && !self.is_nan(a)
    }

    /// The NaN with all bits of the fraction.
    fn nan(self, negative: bool) -> u32 {
        (1 << (self.bits - 1)) - 1 + (u32::from(negative) << (self.bits - 1))
    }

    /// `vfmin` and `vfmax`.
    fn ieee(self, max: bool, a: u32, b: u32) -> u32 {
        if self.is_nan(a) || self.is_nan(b) {
            return self.nan(false);
        }
        if (self.row(a) > self.row(b)) == max { a } else { b }
    }

    /// `vmin` and `vmax`.
    fn qfloat(self, arch: Arch, max: bool, a: u32, b: u32) -> u32 {
        let nans: Vec<bool> = [a, b]
            .into_iter()
            .filter(|v| self.is_nan(*v))
            .map(|v| self.negative(v))
            .collect();
        if arch >= Arch::V79 && !nans.is_empty() {
            let wanted = !max;
            return self.nan(if nans.contains(&wanted) { wanted } else { !wanted });
        }
        if (self.row(a) > self.row(b)) == max { a } else { b }
    }
}

#[derive(Debug, Clone, Copy)]
enum Into {
    Set,
    And,
    Or,
    Xor,
}

fn compare(s: &mut State, v: &[i32], k: Kind, how: Into, f: impl Fn(u32, u32) -> bool) {
    let (a, b) = (vector(s, v[1]), vector(s, v[2]));
    let mut mask = 0u128;
    let width = k.bits as usize / 8;
    for i in 0..128 / width {
        let (x, y) = match width {
            2 => (uh(&a, i).into(), uh(&b, i).into()),
            _ => (uw(&a, i), uw(&b, i)),
        };
        if f(x, y) {
            mask |= ((1 << width) - 1) << (i * width);
        }
    }
    let q = &mut s.q[v[0] as usize & 3];
    *q = match how {
        Into::Set => mask,
        Into::And => *q & mask,
        Into::Or => *q | mask,
        Into::Xor => *q ^ mask,
    };
}

fn gt(s: &mut State, v: &[i32], k: Kind, how: Into) {
    let arch = s.arch;
    compare(s, v, k, how, |a, b| k.greater(arch, a, b));
}

fn eq(s: &mut State, v: &[i32], k: Kind, how: Into) {
    compare(s, v, k, how, |a, b| k.equal(a, b));
}

fn half(f: impl Fn(u32, u32) -> u32) -> impl Fn(u16, u16) -> u16 {
    move |a, b| f(a.into(), b.into()) as u16
}

fn extreme(s: &mut State, v: &[i32], k: Kind, max: bool) {
    let arch = s.arch;
    let f = |a, b| k.qfloat(arch, max, a, b);
    if k.bits == 32 {
        words2(s, v, f)
    } else {
        halves2(s, v, half(f))
    }
}

#[rustfmt::skip]
pub fn model(name: &str) -> Option<Model> {
    let m: Model = match name {
        "V6_vgtsf" => |s, v| gt(s, v, SF, Into::Set),
        "V6_vgtsf_and" => |s, v| gt(s, v, SF, Into::And),
        "V6_vgtsf_or" => |s, v| gt(s, v, SF, Into::Or),
        "V6_vgtsf_xor" => |s, v| gt(s, v, SF, Into::Xor),
        "V6_vgthf" => |s, v| gt(s, v, HF, Into::Set),
        "V6_vgthf_and" => |s, v| gt(s, v, HF, Into::And),
        "V6_vgthf_or" => |s, v| gt(s, v, HF, Into::Or),
        "V6_vgthf_xor" => |s, v| gt(s, v, HF, Into::Xor),
        "V6_vgtbf" => |s, v| gt(s, v, BF, Into::Set),
        "V6_vgtbf_and" => |s, v| gt(s, v, BF, Into::And),
        "V6_vgtbf_or" => |s, v| gt(s, v, BF, Into::Or),
        "V6_vgtbf_xor" => |s, v| gt(s, v, BF, Into::Xor),
        "V6_veqsf" => |s, v| eq(s, v, SF, Into::Set),
        "V6_veqsf_and" => |s, v| eq(s, v, SF, Into::And),
        "V6_veqsf_or" => |s, v| eq(s, v, SF, Into::Or),
        "V6_veqsf_xor" => |s, v| eq(s, v, SF, Into::Xor),
        "V6_veqhf" => |s, v| eq(s, v, HF, Into::Set),
        "V6_veqhf_and" => |s, v| eq(s, v, HF, Into::And),
        "V6_veqhf_or" => |s, v| eq(s, v, HF, Into::Or),
        "V6_veqhf_xor" => |s, v| eq(s, v, HF, Into::Xor),
        "V6_vfmin_sf" => |s, v| words2(s, v, |a, b| SF.ieee(false, a, b)),
        "V6_vfmax_sf" => |s, v| words2(s, v, |a, b| SF.ieee(true, a, b)),
        "V6_vfmin_hf" => |s, v| halves2(s, v, half(|a, b| HF.ieee(false, a, b))),
        "V6_vfmax_hf" => |s, v| halves2(s, v, half(|a, b| HF.ieee(true, a, b))),
        "V6_vmin_bf" => |s, v| halves2(s, v, half(|a, b| BF.ieee(false, a, b))),
        "V6_vmax_bf" => |s, v| halves2(s, v, half(|a, b| BF.ieee(true, a, b))),
        "V6_vmin_sf" => |s, v| extreme(s, v, SF, false),
        "V6_vmax_sf" => |s, v| extreme(s, v, SF, true),
        "V6_vmin_hf" => |s, v| extreme(s, v, HF, false),
        "V6_vmax_hf" => |s, v| extreme(s, v, HF, true),
        _ => return None,
    };
    Some(m)
}
