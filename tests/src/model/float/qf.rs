//! qfloat instructions: what kind of number each operand lane is, which operation, where the result goes. What the operations
//! make of the numbers is in `qf_legacy` (up to V75) and `qf_extended`.

use hexagon_isa::Arch;

use super::exact::{BF, HF, SF};
use super::lanes::*;
use super::{f8, qf_extended as extended, qf_legacy as legacy};
use crate::model::{Model, State};

/// One operand of one lane, with its hidden bits if it has some.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    Sf(u32),
    Hf(u16),
    Qf32(u32, u8),
    Qf16(u16, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Add,
    Sub,
    Mpy,
}

/// A binary qfloat format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Bits behind the significand's point.
    pub frac: i32,
    /// Bits of the exponent's field.
    pub field: u32,
}

pub const QF32: Shape = Shape { frac: 23, field: 8 };
pub const QF16: Shape = Shape { frac: 10, field: 5 };

impl Shape {
    /// What an IEEE exponent of the same width is biased by.
    pub fn bias(self) -> i32 {
        (1 << (self.field - 1)) - 1
    }
}

/// The visible and the hidden bits of a result.
fn run(arch: Arch, op: Op, a: Source, b: Source, to: Shape) -> (u32, u8) {
    if arch >= Arch::V79 {
        extended::run(op, a, b, to)
    } else {
        // A core without hidden bits has the default ones in our state.
        (legacy::run(op, a, b, to), if to == QF32 { 0b1010 } else { 0b10 })
    }
}

fn to_ieee(arch: Arch, v: Source, format: super::exact::Format) -> u32 {
    if arch >= Arch::V79 {
        extended::to_ieee(v, format)
    } else {
        legacy::to_ieee(v, format)
    }
}

/// How a lane of a vector is read.
type Read = fn(&Seen, usize) -> Source;

/// A vector with its hidden bits.
struct Seen(Vector, u128);

fn seen(s: &State, n: i32) -> Seen {
    Seen(vector(s, n), s.hidden[reg(n)])
}

fn qf32(v: &Seen, i: usize) -> Source {
    Source::Qf32(uw(&v.0, i), (v.1 >> (4 * i)) as u8 & 15)
}

fn qf16(v: &Seen, i: usize) -> Source {
    Source::Qf16(uh(&v.0, i), (v.1 >> (2 * i)) as u8 & 3)
}

fn sf(v: &Seen, i: usize) -> Source {
    Source::Sf(uw(&v.0, i))
}

fn hf(v: &Seen, i: usize) -> Source {
    Source::Hf(uh(&v.0, i))
}

/// Writes a qf32 vector.
fn write32(s: &mut State, n: i32, f: impl Fn(usize) -> (u32, u8)) {
    let lanes: Vec<(u32, u8)> = (0..32).map(f).collect();
    write(s, n, from_uw(|i| lanes[i].0));
    s.hidden[reg(n)] = (0..32).map(|i| u128::from(lanes[i].1) << (4 * i)).sum();
}

/// Writes a qf16 vector.
fn write16(s: &mut State, n: i32, f: impl Fn(usize) -> (u32, u8)) {
    let lanes: Vec<(u32, u8)> = (0..64).map(f).collect();
    write(s, n, from_uh(|i| lanes[i].0 as u16));
    s.hidden[reg(n)] = (0..64).map(|i| u128::from(lanes[i].1) << (2 * i)).sum();
}

/// `Vd.qf32 = op(Vu, Vv)`.
fn words(s: &mut State, v: &[i32], op: Op, a: Read, b: Read) {
    let (x, y, arch) = (seen(s, v[1]), seen(s, v[2]), s.arch);
    write32(s, v[0], |i| run(arch, op, a(&x, i), b(&y, i), QF32));
}

/// `Vd.qf16 = op(Vu, Vv)`.
fn halves(s: &mut State, v: &[i32], op: Op, a: Read, b: Read) {
    let (x, y, arch) = (seen(s, v[1]), seen(s, v[2]), s.arch);
    write16(s, v[0], |i| run(arch, op, a(&x, i), b(&y, i), QF16));
}

/// `Vdd.qf32 = Vu * Vv` of halfwords: even ones into the low vector.
fn products(s: &mut State, v: &[i32], a: Read, b: Read) {
    let (x, y, arch) = (seen(s, v[1]), seen(s, v[2]), s.arch);
    for k in 0..2 {
        write32(s, v[0] ^ k as i32, |i| {
            run(arch, Op::Mpy, a(&x, 2 * i + k), b(&y, 2 * i + k), QF32)
        });
    }
}

/// `Vd = Vu * Rt`: all halfwords or words of a vector are the register's.
fn by_register(s: &mut State, v: &[i32], a: Read, wide: bool) {
    let (x, t, arch) = (seen(s, v[1]), s.r[reg(v[2])], s.arch);
    if wide {
        write32(s, v[0], |i| run(arch, Op::Mpy, a(&x, i), Source::Sf(t), QF32));
    } else {
        let half = |i: usize| {
            Source::Hf(
                t.to_le_bytes()
                    .chunks(2)
                    .map(|c| u16::from_le_bytes([c[0], c[1]]))
                    .nth(i % 2)
                    .unwrap_or(0),
            )
        };
        write16(s, v[0], |i| run(arch, Op::Mpy, a(&x, i), half(i), QF16));
    }
}

/// `Vd.qf = ±Vu`.
fn unary32(s: &mut State, v: &[i32], a: Read, f: fn(Source, Shape) -> (u32, u8)) {
    let x = seen(s, v[1]);
    write32(s, v[0], |i| f(a(&x, i), QF32));
}

fn unary16(s: &mut State, v: &[i32], a: Read, f: fn(Source, Shape) -> (u32, u8)) {
    let x = seen(s, v[1]);
    write16(s, v[0], |i| f(a(&x, i), QF16));
}

/// `Vd.hf` or `Vd.bf` from a pair of qf32: low and high vector in turns.
fn narrow(s: &mut State, v: &[i32], format: super::exact::Format) {
    let (x, arch) = ([seen(s, v[1]), seen(s, v[1] ^ 1)], s.arch);
    write(
        s,
        v[0],
        from_uh(|i| to_ieee(arch, qf32(&x[i % 2], i / 2), format) as u16),
    );
}

/// `Vd.w = vilog2(Vu)`.
fn logarithms(s: &mut State, v: &[i32], a: Read, bits: u32) {
    let x = seen(s, v[1]);
    let out = match bits {
        32 => from_uw(|i| extended::ilog2(a(&x, i), 32) as u32),
        _ => from_uh(|i| extended::ilog2(a(&x, i), 16) as u16),
    };
    write(s, v[0], out);
}

/// Byte `i` of the general register's four if hidden bit `i` is set.
fn get_hidden(s: &State, v: &[i32]) -> Vector {
    let (x, t) = (s.hidden[reg(v[1])], s.r[reg(v[2])].to_le_bytes());
    std::array::from_fn(|i| if x >> i & 1 != 0 { t[i % 4] } else { 0 })
}

/// The model of a qfloat instruction by name.
pub fn model(name: &str) -> Option<Model> {
    use Op::{Add, Mpy, Sub};
    let m: Model = match name {
        "V6_vadd_qf32" => |s, v| words(s, v, Add, qf32, qf32),
        "V6_vadd_qf32_mix" => |s, v| words(s, v, Add, qf32, sf),
        "V6_vadd_sf" => |s, v| words(s, v, Add, sf, sf),
        "V6_vsub_qf32" => |s, v| words(s, v, Sub, qf32, qf32),
        "V6_vsub_qf32_mix" => |s, v| words(s, v, Sub, qf32, sf),
        "V6_vsub_sf_mix" => |s, v| words(s, v, Sub, sf, qf32),
        "V6_vsub_sf" => |s, v| words(s, v, Sub, sf, sf),
        "V6_vmpy_qf32" => |s, v| words(s, v, Mpy, qf32, qf32),
        "V6_vmpy_qf32_sf" => |s, v| words(s, v, Mpy, sf, sf),
        "V6_vadd_qf16" => |s, v| halves(s, v, Add, qf16, qf16),
        "V6_vadd_qf16_mix" => |s, v| halves(s, v, Add, qf16, hf),
        "V6_vadd_hf" => |s, v| halves(s, v, Add, hf, hf),
        "V6_vsub_qf16" => |s, v| halves(s, v, Sub, qf16, qf16),
        "V6_vsub_qf16_mix" => |s, v| halves(s, v, Sub, qf16, hf),
        "V6_vsub_hf_mix" => |s, v| halves(s, v, Sub, hf, qf16),
        "V6_vsub_hf" => |s, v| halves(s, v, Sub, hf, hf),
        "V6_vmpy_qf16" => |s, v| halves(s, v, Mpy, qf16, qf16),
        "V6_vmpy_qf16_hf" => |s, v| halves(s, v, Mpy, hf, hf),
        "V6_vmpy_qf16_mix_hf" => |s, v| halves(s, v, Mpy, qf16, hf),
        "V6_vmpy_qf32_hf" => |s, v| products(s, v, hf, hf),
        "V6_vmpy_qf32_mix_hf" => |s, v| products(s, v, qf16, hf),
        "V6_vmpy_qf32_qf16" => |s, v| products(s, v, qf16, qf16),
        "V6_vmpy_rt_sf" => |s, v| by_register(s, v, sf, true),
        "V6_vmpy_rt_hf" => |s, v| by_register(s, v, hf, false),
        "V6_vmpy_rt_qf16" => |s, v| by_register(s, v, qf16, false),
        "V6_vconv_sf_qf32" => |s, v| {
            let (x, arch) = (seen(s, v[1]), s.arch);
            write(s, v[0], from_uw(|i| to_ieee(arch, qf32(&x, i), SF)));
        },
        "V6_vconv_hf_qf16" => |s, v| {
            let (x, arch) = (seen(s, v[1]), s.arch);
            write(s, v[0], from_uh(|i| to_ieee(arch, qf16(&x, i), HF) as u16));
        },
        "V6_vconv_hf_qf32" => |s, v| narrow(s, v, HF),
        "V6_vconv_bf_qf32" => |s, v| narrow(s, v, BF),
        "V6_vconv_f8_qf16" => |s, v| {
            let x = seen(s, v[1]);
            write(
                s,
                v[0],
                from_uh(|i| f8::narrow(extended::to_ieee(qf16(&x, i), HF) as u16, false).into()),
            );
        },
        "V6_vconv_qf16_f8" => |s, v| {
            let x = vector(s, v[1]);
            for k in 0..2 {
                write16(s, v[0] ^ k as i32, |i| extended::from_f8(f8::units(x[2 * i + k])));
            }
        },
        "V6_vconv_qf16_hf" => |s, v| unary16(s, v, hf, extended::normal),
        "V6_vconv_qf16_qf16" => |s, v| unary16(s, v, qf16, extended::normal),
        "V6_vconv_qf32_sf" => |s, v| unary32(s, v, sf, extended::normal),
        "V6_vconv_qf32_qf32" => |s, v| unary32(s, v, qf32, extended::normal),
        "V6_vneg_qf16_hf" => |s, v| unary16(s, v, hf, extended::negative),
        "V6_vneg_qf16_qf16" => |s, v| unary16(s, v, qf16, extended::negative),
        "V6_vneg_qf32_sf" => |s, v| unary32(s, v, sf, extended::negative),
        "V6_vneg_qf32_qf32" => |s, v| unary32(s, v, qf32, extended::negative),
        "V6_vabs_qf16_hf" => |s, v| unary16(s, v, hf, extended::magnitude),
        "V6_vabs_qf16_qf16" => |s, v| unary16(s, v, qf16, extended::magnitude),
        "V6_vabs_qf32_sf" => |s, v| unary32(s, v, sf, extended::magnitude),
        "V6_vabs_qf32_qf32" => |s, v| unary32(s, v, qf32, extended::magnitude),
        "V6_vilog2_sf" => |s, v| logarithms(s, v, sf, 32),
        "V6_vilog2_qf32" => |s, v| logarithms(s, v, qf32, 32),
        "V6_vilog2_hf" => |s, v| logarithms(s, v, hf, 16),
        "V6_vilog2_qf16" => |s, v| logarithms(s, v, qf16, 16),
        "V6_get_qfext" => |s, v| {
            let x = get_hidden(s, v);
            write(s, v[0], x);
        },
        "V6_get_qfext_oracc" => |s, v| {
            let (x, old) = (get_hidden(s, v), vector(s, v[0]));
            write(s, v[0], std::array::from_fn(|i| x[i] | old[i]));
        },
        "V6_set_qfext" => |s, v| {
            let (x, t) = (vector(s, v[1]), s.r[reg(v[2])].to_le_bytes());
            write(s, v[0], [0; 128]);
            s.hidden[reg(v[0])] = (0..128).map(|i| u128::from(x[i] & t[i % 4] != 0) << i).sum();
        },
        "V6_vmerge_qf" => |s, v| {
            let (hidden, x) = (s.hidden[reg(v[1])], vector(s, v[2]));
            write(s, v[0], x);
            s.hidden[reg(v[0])] = hidden;
        },
        _ => return None,
    };
    Some(m)
}
