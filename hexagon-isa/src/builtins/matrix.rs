//! `v6mpy`: sums of six products for filters of two rows and three taps with coefficients of ten bits.
//!
//! Facts: V68 HVX PRM (not reachable) as modelled by the vendor's public simulator. A word of the coefficient pair holds three
//! coefficients: the low eight bits in its bytes 0 to 2, the two high bits of each, in order, in byte 3. The low vector has
//! the row c0, the high vector the row c1. What differs between `:h` and `:v` and the four phases is only which bytes of the
//! data pair make up the two windows.

use crate::state::VectorPair;
use crate::state::lanes::{at, bytes, elements};

/// A byte of the data pair: which vector, which byte of the word.
type Tap = (u32, u32);

/// The two windows of a phase: what the newer and what the older row of taps reads.
struct Windows {
    new: [Tap; 3],
    old: [Tap; 3],
}

const HORIZONTAL: [Windows; 2] = [
    Windows {
        new: [(1, 3), (1, 1), (0, 3)],
        old: [(1, 2), (1, 0), (0, 2)],
    },
    Windows {
        new: [(1, 1), (0, 3), (0, 1)],
        old: [(1, 0), (0, 2), (0, 0)],
    },
];
const VERTICAL: [Windows; 2] = [
    Windows {
        new: [(0, 3), (1, 2), (1, 3)],
        old: [(0, 1), (1, 0), (1, 1)],
    },
    Windows {
        new: [(0, 2), (0, 3), (1, 2)],
        old: [(0, 0), (0, 1), (1, 0)],
    },
];

/// Coefficient `k` of a word, sign extended.
#[inline(always)]
fn coefficient(word: u32, k: u32) -> i32 {
    let value = word >> (8 * k) & 0xff | (word >> (24 + 2 * k) & 3) << 8;
    (value << 22) as i32 >> 22
}

fn sum_of_six(
    acc: &VectorPair,
    data: &VectorPair,
    rows: &VectorPair,
    phase: u32,
    sets: &[Windows; 2],
) -> VectorPair {
    let data: [u32; 64] = elements(data);
    let rows: [u32; 64] = elements(rows);
    let mut out: [i32; 64] = elements(acc);
    let [first, second] = sets;
    let windows = if phase & 2 == 0 { first } else { second };
    for i in 0..32 {
        let words = [at(&data, i), at(&data, i + 32)];
        let dot = |row: u32, taps: &[Tap; 3]| -> i32 {
            let mut sum = 0;
            for (k, (vector, byte)) in taps.iter().enumerate() {
                let word = if *vector == 0 { words[0] } else { words[1] };
                sum += (word >> (8 * byte) & 0xff) as i32 * coefficient(row, k as u32);
            }
            sum
        };
        let (c0, c1) = (at(&rows, i), at(&rows, i + 32));
        let (low, high) = if phase & 1 == 0 {
            (
                dot(c1, &windows.old),
                dot(c1, &windows.new) + dot(c0, &windows.old),
            )
        } else {
            (
                dot(c1, &windows.new) + dot(c0, &windows.old),
                dot(c0, &windows.new),
            )
        };
        for (at, sum) in [(i, low), (i + 32, high)] {
            if let Some(o) = out.get_mut(at as usize) {
                *o = o.wrapping_add(sum);
            }
        }
    }
    bytes(&out)
}

pub(crate) fn v6mpy_h(data: &VectorPair, rows: &VectorPair, phase: u32) -> VectorPair {
    sum_of_six(&[0; 256], data, rows, phase, &HORIZONTAL)
}

pub(crate) fn v6mpy_h_acc(acc: &VectorPair, data: &VectorPair, rows: &VectorPair, phase: u32) -> VectorPair {
    sum_of_six(acc, data, rows, phase, &HORIZONTAL)
}

pub(crate) fn v6mpy_v(data: &VectorPair, rows: &VectorPair, phase: u32) -> VectorPair {
    sum_of_six(&[0; 256], data, rows, phase, &VERTICAL)
}

pub(crate) fn v6mpy_v_acc(acc: &VectorPair, data: &VectorPair, rows: &VectorPair, phase: u32) -> VectorPair {
    sum_of_six(acc, data, rows, phase, &VERTICAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_have_ten_bits() {
        // Coefficient 0 is 0x1ff, 1 is -0x200, 2 is -1.
        let word = 0b11_10_01 << 24 | 0xff_00_ff;
        assert_eq!([0, 1, 2].map(|k| coefficient(word, k)), [511, -512, -1]);
    }

    #[test]
    fn one_tap_reads_one_byte() {
        // c1 = (1, 0, 0) and phase 0 of `:v`: low takes byte 1 and high byte 3 of the low vector.
        let data = std::array::from_fn(|k| k as u8);
        let mut rows = [0; 256];
        for word in rows.chunks_exact_mut(4).skip(32) {
            word[0] = 1;
        }
        let out: [i32; 64] = elements(&v6mpy_v(&data, &rows, 0));
        assert_eq!((out[0], out[32], out[3], out[35]), (1, 3, 13, 15));
        let more: [i32; 64] = elements(&v6mpy_v_acc(&bytes(&out), &data, &rows, 0));
        assert_eq!(more[35], 30);
    }
}
