//! The matrix unit a second time: plain loops over positions, channels and taps, numbers as exact integers.
//!
//! The rules are those of the vendor's public simulators (qualcomm/qemu `hmx_helper.c`, `hmx_xfp.c`; `hmx/ext_hmx.c` and the
//! coprocessor's set-up in older versions), read for this file once more. What an instruction does is taken from its text, not
//! from the numbers in the specification. Where the interpreter scatters inputs to outputs, numbers positions along axes and
//! shifts, this gathers what an output needs, takes addresses apart bit by bit and divides.

mod convert;
mod multiply;
mod real;
mod tile;

use hexagon_isa::state::hmx::{self, HmxState};

use super::{AREA_BASE, Model, State};

/// A floating-point accumulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub(super) sig: i64,
    pub(super) exp: i64,
    pub(super) zero: bool,
    /// 0, or 1 plus infinity, 2 minus infinity, 3 not a number.
    pub(super) special: u8,
    pub(super) negative: bool,
}

/// A row for each position, a value for each channel.
pub(super) type Rows<T> = Vec<[T; 32]>;

/// The unit's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    sums: [Rows<i32>; 2],
    sums_now: usize,
    cells: [Rows<Cell>; 2],
    cells_now: usize,
    results: [Rows<u16>; 3],
    working: [Rows<u16>; 2],
    bias: [[u64; 32]; 4],
}

impl Matrix {
    /// What our core's unit holds.
    pub fn of(s: &HmxState) -> Matrix {
        let results = |g: &hmx::Converted| (0..64).map(|n| *g.row(n)).collect::<Vec<_>>();
        Matrix {
            sums: [0, 1].map(|k| (0..64).map(|n| *s.fixed[k].row(n)).collect()),
            sums_now: usize::from(s.fixed_set),
            cells: [0, 1].map(|k| (0..32).map(|n| s.float[k].row(n).map(cell)).collect()),
            cells_now: usize::from(s.float_set),
            results: [0, 1, 2].map(|k| results(&s.converted[k])),
            working: [0, 1].map(|k| results(&s.working[k])),
            bias: [0, 1, 2, 3].map(|n| *s.bias.row(n)),
        }
    }

    /// Puts it into our core's unit.
    pub fn put(&self, s: &mut HmxState) {
        for k in 0..2 {
            for n in 0..64 {
                *s.fixed[k].row_mut(n) = self.sums[k][n];
                *s.working[k].row_mut(n) = self.working[k][n];
            }
            for n in 0..32 {
                *s.float[k].row_mut(n) = self.cells[k][n].map(|c| hmx::Cell {
                    sig: c.sig as i32,
                    exp: c.exp as i16,
                    status: u8::from(c.zero) | c.special << 1 | u8::from(c.negative) << 3,
                });
            }
        }
        for k in 0..3 {
            for n in 0..64 {
                *s.converted[k].row_mut(n) = self.results[k][n];
            }
        }
        for n in 0..4 {
            *s.bias.row_mut(n) = self.bias[n];
        }
        s.fixed_set = self.sums_now as u8;
        s.float_set = self.cells_now as u8;
    }

    /// Anything: sums of every size, biases with the fields in use, results of 12 bits.
    pub fn random(bits: &mut dyn FnMut() -> u32) -> Matrix {
        let mut m = Matrix::of(&HmxState::default());
        let number = |bits: &mut dyn FnMut() -> u32| {
            let v = bits() as i32;
            v >> (bits() % 32)
        };
        for v in m.sums.iter_mut().flatten().flatten() {
            *v = number(bits);
        }
        for c in m.cells.iter_mut().flatten().flatten() {
            let special = if bits().is_multiple_of(64) {
                (bits() % 4) as u8
            } else {
                0
            };
            let sig = i64::from(number(bits)) >> 2;
            let exp = match bits() % 16 {
                0 => i64::from(bits() % 512) - 256,
                _ => i64::from(bits() % 40) - 24,
            };
            let nothing = bits().is_multiple_of(8);
            *c = Cell {
                sig: if nothing { 0 } else { sig },
                exp: if nothing { -256 } else { exp },
                zero: nothing && bits().is_multiple_of(2),
                special,
                negative: match special {
                    0 if nothing => bits().is_multiple_of(2),
                    0 => sig < 0,
                    s => s > 1,
                },
            };
        }
        for v in m.results.iter_mut().chain(&mut m.working).flatten().flatten() {
            *v = (bits() & 0xfff) as u16;
        }
        for v in m.bias.iter_mut().flatten() {
            *v = u64::from(bits()) << 32 | u64::from(bits());
            match bits() % 4 {
                // Half floats that are not extreme.
                0 => *v = *v & 0x83ff_ffff_83ff_83ff | 0x3800_0000_3000_3800,
                1 => *v &= 0x0000_0fff_ffff_ffff,
                _ => {}
            }
        }
        m.sums_now = bits() as usize & 1;
        m.cells_now = bits() as usize & 1;
        m
    }

    /// The first difference to `other`.
    pub(super) fn difference(&self, other: &Matrix) -> Option<String> {
        fn rows<T: PartialEq + std::fmt::Debug>(what: &str, a: &Rows<T>, b: &Rows<T>) -> Option<String> {
            let n = (0..a.len()).find(|n| a[*n] != b[*n])?;
            let c = (0..32).find(|c| a[n][*c] != b[n][*c])?;
            Some(format!(
                "{what} of position {n}, channel {c}: {:x?}, model {:x?}",
                a[n][c], b[n][c]
            ))
        }
        let two = |k| {
            rows(&format!("sums {k}"), &self.sums[k], &other.sums[k])
                .or_else(|| rows(&format!("cells {k}"), &self.cells[k], &other.cells[k]))
                .or_else(|| rows(&format!("working {k}"), &self.working[k], &other.working[k]))
        };
        two(0)
            .or_else(|| two(1))
            .or_else(|| {
                (0..3).find_map(|k| rows(&format!("results {k}"), &self.results[k], &other.results[k]))
            })
            .or_else(|| (self != other).then(|| "biases, or which accumulators are current".to_owned()))
    }
}

fn cell(c: hmx::Cell) -> Cell {
    Cell {
        sig: i64::from(c.sig),
        exp: i64::from(c.exp),
        zero: c.status & 1 != 0,
        special: c.status >> 1 & 3,
        negative: c.status & 8 != 0,
    }
}

/// A true zero.
pub(super) const NOTHING: Cell = Cell {
    sig: 0,
    exp: -256,
    zero: true,
    special: 0,
    negative: false,
};

pub(super) fn model(name: &str) -> Option<Model> {
    let refused = name.ends_with("_2x") || name.ends_with("_sc0") || name.ends_with("_sc1");
    (name.starts_with("M8_") && !refused).then_some(run as Model)
}

/// A byte of memory; what lies outside of the area is never compared and never read by a case.
pub(super) fn byte(s: &State, va: u32) -> u8 {
    s.mem
        .get(va.wrapping_sub(AREA_BASE) as usize)
        .copied()
        .unwrap_or(0)
}

pub(super) fn set_byte(s: &mut State, va: u32, v: u8) {
    if let Some(b) = s.mem.get_mut(va.wrapping_sub(AREA_BASE) as usize) {
        *b = v;
    }
}

fn word(s: &State, va: u32) -> u32 {
    (0..4).rev().fold(0, |w, k| w << 8 | u32::from(byte(s, va + k)))
}

/// Every instruction, by its text.
fn run(s: &mut State, v: &[i32]) {
    let text = s.packet.syntax;
    let register = |n: usize| v.get(n).map_or(0, |r| s.r[*r as usize]);
    let (rs, rt) = (register(0), register(1));
    let mut m = s
        .matrix
        .take()
        .unwrap_or_else(|| Box::new(Matrix::of(&HmxState::default())));
    match text {
        "mxclracc" => m.sums.iter_mut().flatten().for_each(|r| *r = [0; 32]),
        "mxclracc.hf" => m.cells.iter_mut().flatten().for_each(|r| *r = [NOTHING; 32]),
        "mxswapacc" => m.sums_now = 1 - m.sums_now,
        "mxswapacc.hf" => m.cells_now = 1 - m.cells_now,
        "acc = mxshl(acc,#16)" => {
            for v in m.sums.iter_mut().flatten().flatten() {
                *v = (i64::from(*v) * 65536) as i32;
            }
        }
        _ if text.starts_with("pmx") => {}
        _ if text.contains("bias") => bias(s, &mut m, text, rs),
        _ if text.starts_with("activation") => s.packet.activation = Some((text, rs, rt)),
        _ if text.starts_with("weight") => multiply::multiply(s, &mut m, text, rs, rt),
        _ if text.starts_with("cvt.") => convert::convert(s, &mut m, text, rs),
        _ if text.ends_with("= cvt") => convert::store_converted(s, &m, text, rs, rt),
        _ => convert::convert_and_store(s, &mut m, text, rs, rt),
    }
    s.matrix = Some(m);
}

fn bias(s: &mut State, m: &mut Matrix, text: &str, rs: u32) {
    let both = text.contains("mxmem2");
    let size = if both { 256 } else { 128 };
    let at = rs - rs % size;
    let set = if s.arch >= hexagon_isa::Arch::V75 {
        rs as usize % 4
    } else {
        0
    };
    for channel in 0..32u32 {
        let lower = at + 4 * channel;
        let of = &mut m.bias[set][channel as usize];
        if text.starts_with("bias") {
            let upper = if both {
                word(s, lower + 128)
            } else {
                (*of >> 32) as u32
            };
            *of = u64::from(upper) << 32 | u64::from(word(s, lower));
        } else {
            for (k, byte) in (0..4).zip((*of as u32).to_le_bytes()) {
                set_byte(s, lower + k, byte);
            }
            if both {
                for (k, byte) in (0..4).zip(((*of >> 32) as u32).to_le_bytes()) {
                    set_byte(s, lower + 128 + k, byte);
                }
            }
        }
    }
}
