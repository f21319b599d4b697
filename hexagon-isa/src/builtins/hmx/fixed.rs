//! The fixed-point array: unsigned bytes by signed weights of eight bits or fewer, summed up in 32 bits that wrap.
//!
//! A vector of weights is 128 bytes: a word for each of the 32 output channels. A word holds the weights of 4 to 32 input
//! channels in turn: first those in the lowest bits of its four bytes, then those in the bits above. Weights of fewer than
//! eight bits always come for all 32 input channels, whatever range the activation load names.
//!
//! Not modelled: the constant that some cores add to accumulators inside, which no instruction shows.

use super::tile::{Window, position};
use crate::state::hmx::{CHANNELS, HmxState};

/// How weights are packed in a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packing {
    /// Bits of a weight.
    bits: u32,
    value: fn(u32) -> i32,
}

/// By the number that the specification gives the instruction: b, sm, n, c, sc, ubit, sbit.
const PACKINGS: [Packing; 7] = [
    Packing {
        bits: 8,
        value: |w| i32::from(w as i8),
    },
    // The sign bit complements the others: 0x80 is -1, 0xff is -128.
    Packing {
        bits: 8,
        value: |w| i32::from(if w & 0x80 != 0 { w as i8 ^ 0x7f } else { w as i8 }),
    },
    Packing {
        bits: 4,
        value: |w| (w << 28) as i32 >> 28,
    },
    Packing {
        bits: 2,
        value: |w| (w << 30) as i32 >> 30,
    },
    // 0 is 2.
    Packing {
        bits: 2,
        value: |w| match w {
            0 => 2,
            1 => 1,
            2 => -2,
            _ => -1,
        },
    },
    Packing {
        bits: 1,
        value: |w| w as i32,
    },
    Packing {
        bits: 1,
        value: |w| 1 - 2 * w as i32,
    },
];

impl Packing {
    pub fn of(kind: u32) -> Packing {
        let [bytes, ..] = PACKINGS;
        PACKINGS.get(kind as usize).copied().unwrap_or(bytes)
    }

    /// Weights of one output channel in a vector.
    pub fn per_vector(self) -> u32 {
        32 / self.bits
    }

    /// Vectors are so many times (as a power of two) as good as vectors of bytes.
    pub fn density(self) -> u32 {
        3 - self.bits.ilog2()
    }

    /// Weight `stream` of every output channel; `None` behind the vectors' end.
    fn weights(self, vectors: &[u8], stream: u32) -> Option<[i32; CHANNELS]> {
        let n = self.per_vector();
        let vector = vectors.chunks_exact(128).nth((stream / n) as usize)?;
        let at = stream % n;
        let (byte, shift) = (at % 4, at / 4 * self.bits);
        let mut out = [0; CHANNELS];
        for (w, word) in out.iter_mut().zip(vector.chunks_exact(4)) {
            let raw = word.get(byte as usize).map_or(0, |b| u32::from(*b));
            *w = (self.value)(raw >> shift & ((1 << self.bits) - 1));
        }
        Some(out)
    }
}

/// Adds all products. `tiles` holds the tiles one behind the other.
pub(crate) fn multiply(
    state: &mut HmxState,
    window: &Window,
    packing: Packing,
    limit: u32,
    tiles: &[u8],
    vectors: &[u8],
) {
    let shift = if window.channel_major { 0 } else { 2 };
    for step in window.steps(packing.per_vector(), limit) {
        let mut weights = [[0; CHANNELS]; CHANNELS];
        let mut count = 0;
        for (w, n) in weights.iter_mut().zip(0..step.count) {
            let Some(all) = packing.weights(vectors, step.stream + n) else {
                break;
            };
            *w = all;
            count += 1;
        }
        let Some(weights) = weights.get(..count) else {
            continue;
        };
        for y in 0..window.y.len {
            let moved = y + step.y;
            let below = u32::from(moved >= window.y.len);
            let row = window.y.offset(moved) + (step.tile + below) * super::tile::TILE;
            for x in 0..window.x.len {
                let out = x + step.x;
                let over = out >= window.x.len;
                if over && window.drop {
                    continue;
                }
                let set = state.fixed_set ^ step.other ^ u8::from(over);
                let at = position(window.x.offset(out) | window.y.offset(y), window.channel_major);
                let sums = HmxState::of_mut(&mut state.fixed, set).row_mut(at);
                let from = row + window.x.offset(x);
                for group in 0..32 / window.group {
                    let channel = group * window.group + step.first;
                    let Some(inputs) = tiles.get((from + (channel << shift)) as usize..) else {
                        continue;
                    };
                    let inputs = inputs.iter().step_by(1 << shift);
                    if window.group == 32 {
                        accumulate(sums, weights, inputs);
                    } else {
                        let columns = group as usize * window.group as usize;
                        for (sum, column) in
                            sums.iter_mut().zip(0..).skip(columns).take(window.group as usize)
                        {
                            for (w, input) in weights.iter().zip(inputs.clone()) {
                                let w = w.get(column).copied().unwrap_or(0);
                                *sum = sum.wrapping_add(w.wrapping_mul(i32::from(*input)));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// All output channels at once.
#[inline(always)]
fn accumulate<'a>(
    sums: &mut [i32; CHANNELS],
    weights: &[[i32; CHANNELS]],
    inputs: impl Iterator<Item = &'a u8>,
) {
    let mut all = *sums;
    for (w, input) in weights.iter().zip(inputs) {
        let input = i32::from(*input);
        for (sum, w) in all.iter_mut().zip(w) {
            *sum = sum.wrapping_add(input.wrapping_mul(*w));
        }
    }
    *sums = all;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::hmx::Activation;

    #[test]
    fn packings_name_every_value() {
        let all = |kind, n: u32| (0..n).map(|w| (Packing::of(kind).value)(w)).collect::<Vec<_>>();
        assert_eq!(all(0, 256)[127..130], [127, -128, -127]);
        assert_eq!(
            (all(1, 256)[0x7f], all(1, 256)[0x80], all(1, 256)[0xff]),
            (127, -1, -128)
        );
        assert_eq!(all(2, 16)[7..9], [7, -8]);
        assert_eq!(all(3, 4), [0, 1, -2, -1]);
        assert_eq!(all(4, 4), [2, 1, -2, -1]);
        assert_eq!(all(5, 2), [0, 1]);
        assert_eq!(all(6, 2), [1, -1]);
        let per: Vec<u32> = (0..7).map(|k| Packing::of(k).per_vector()).collect();
        assert_eq!(per, [4, 4, 8, 16, 16, 32, 32]);
        assert_eq!(
            (
                Packing::of(0).density(),
                Packing::of(2).density(),
                Packing::of(6).density()
            ),
            (0, 1, 3)
        );
    }

    #[test]
    fn weights_take_the_low_bits_of_four_bytes_first() {
        let mut vector = [0; 128];
        // Output channel 1: bytes 0x21, 0x43, 0x65, 0x87.
        vector[4..8].copy_from_slice(&[0x21, 0x43, 0x65, 0x87]);
        let nibbles = Packing::of(2);
        let got: Vec<i32> = (0..8).map(|n| nibbles.weights(&vector, n).unwrap()[1]).collect();
        assert_eq!(got, [1, 3, 5, 7, 2, 4, 6, -8]);
        assert!(nibbles.weights(&vector, 8).is_none());
    }

    #[test]
    fn a_tile_by_a_tile_is_a_matrix_product() {
        let tile: Vec<u8> = (0..2048u32).map(|n| (n * 7 + n / 64) as u8).collect();
        let vectors: Vec<u8> = (0..1024u32).map(|n| (n * 13 + n / 32) as u8).collect();
        let mut state = HmxState::default();
        let a = Activation {
            rs: 0,
            rt: 2047,
            kind: 0,
            form: 1,
            channel_major: true,
        };
        let window = Window::new(&a, 0, false);
        multiply(&mut state, &window, Packing::of(0), 8, &tile, &vectors);
        for position in 0..64 {
            for out in 0..32 {
                let expected: i32 = (0..32)
                    .map(|c| {
                        let w = vectors[c / 4 * 128 + out * 4 + c % 4] as i8;
                        i32::from(tile[position * 32 + c]) * i32::from(w)
                    })
                    .sum();
                assert_eq!(state.fixed[0].get(position, out), expected);
            }
        }
    }
}
