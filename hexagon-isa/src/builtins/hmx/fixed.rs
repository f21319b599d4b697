//! The fixed-point array: unsigned bytes by signed weights of eight bits or fewer, summed up in 32 bits that wrap.
//!
//! A vector of weights is 128 bytes: a word for each of the 32 output channels. A word holds the weights of 4 to 32 input
//! channels in turn: first those in the lowest bits of its four bytes, then those in the bits above. Weights of fewer than
//! eight bits always come for all 32 input channels, whatever range the activation load names.
//!
//! Not modelled: the constant that some cores add to accumulators inside, which no instruction shows.

use super::tile::Window;
use crate::simd::dot::splat;
use crate::state::Vector;
use crate::state::hmx::{CHANNELS, HmxState};

/// How weights are packed in a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packing {
    /// Bits of a weight.
    bits: u32,
    /// The value of each byte's bits from a place on.
    values: fn(&Vector, u32) -> Vector,
}

/// A packing whose weights have so many bits and, as a byte, these values.
macro_rules! packing {
    ($bits:literal, |$w:ident| $value:expr) => {
        Packing {
            bits: $bits,
            values: |vector, place| {
                let mut out = *vector;
                for o in &mut out {
                    let $w = *o >> place & (0xff >> (8 - $bits));
                    *o = $value as u8;
                }
                out
            },
        }
    };
}

/// By the number that the specification gives the instruction: b, sm, n, c, sc, ubit, sbit.
const PACKINGS: [Packing; 7] = [
    packing!(8, |w| w),
    // The sign bit complements the others: 0x80 is -1, 0xff is -128.
    packing!(8, |w| if w & 0x80 != 0 { w ^ 0x7f } else { w }),
    packing!(4, |w| (w << 4) as i8 >> 4),
    packing!(2, |w| (w << 6) as i8 >> 6),
    // 0 is 2.
    packing!(2, |w| if w == 0 { 2 } else { (w << 6) as i8 >> 6 }),
    packing!(1, |w| w),
    packing!(1, |w| 1 - 2 * w as i8),
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

    /// Weights `stream` to `stream + 3` of every output channel, in the bytes of its word; `None` behind the vectors' end. `stream` is a
    /// multiple of four.
    fn four(self, vectors: &[u8], stream: u32) -> Option<Vector> {
        let n = self.per_vector();
        let vector = vectors.as_chunks::<128>().0.get((stream / n) as usize)?;
        Some((self.values)(vector, stream % n / 4 * self.bits))
    }
}

/// Four products of an unsigned and a signed byte added to every word of a vector.
pub(crate) trait Dot: Fn([i32; CHANNELS], &Vector, &Vector) -> [i32; CHANNELS] {}
impl<F: Fn([i32; CHANNELS], &Vector, &Vector) -> [i32; CHANNELS]> Dot for F {}

/// Adds all products. `tiles` holds the tiles one behind the other.
#[inline(always)]
pub(crate) fn multiply(
    state: &mut HmxState,
    window: &Window,
    packing: Packing,
    limit: u32,
    tiles: &[u8],
    vectors: &[u8],
    dot: impl Dot,
) {
    let shift = if window.channel_major { 0 } else { 2 };
    let mut weights: Vec<Vector> = Vec::with_capacity(CHANNELS / 4);
    for step in window.steps(packing.per_vector(), limit) {
        // Channels come in fours, unless groups are smaller.
        let (lead, fours) = (step.stream % 4, step.count.div_ceil(4));
        weights.clear();
        weights.extend((0..fours).map_while(|n| packing.four(vectors, step.stream - lead + 4 * n)));
        for spot in window.spots(&step).iter() {
            let set = state.fixed_set ^ spot.other;
            let sums = HmxState::of_mut(&mut state.fixed, set).row_mut(spot.out);
            for group in 0..32 / window.group {
                let channel = group * window.group + step.first;
                let input = |n: u32| {
                    let at = spot.from + ((channel + n) << shift);
                    tiles.get(at as usize).copied().unwrap_or(0)
                };
                if window.group == 32 && lead == 0 && step.count % 4 == 0 {
                    let mut all = *sums;
                    for (n, weights) in (0..).step_by(4).zip(&weights) {
                        let word = u32::from_le_bytes([input(n), input(n + 1), input(n + 2), input(n + 3)]);
                        all = dot(all, &splat(word), weights);
                    }
                    *sums = all;
                    continue;
                }
                let columns = (group * window.group) as usize;
                let reached = sums.iter_mut().zip(0..).skip(columns).take(window.group as usize);
                for (sum, column) in reached {
                    for n in 0..step.count {
                        let (four, byte) = ((lead + n) / 4, (lead + n) % 4);
                        let row: Option<&Vector> = weights.get(four as usize);
                        let w = row.and_then(|w| w.get(4 * column + byte as usize));
                        let w = w.map_or(0, |w| i32::from(*w as i8));
                        *sum = sum.wrapping_add(w.wrapping_mul(input(n).into()));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::dot::plain::dot4;
    use crate::state::hmx::Activation;

    #[test]
    fn packings_name_every_value() {
        let all = |kind, n: u32| {
            (0..n)
                .map(|w| (Packing::of(kind).values)(&[w as u8; 128], 0)[5] as i8)
                .collect::<Vec<_>>()
        };
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
        let got: Vec<i8> = [0, 4]
            .iter()
            .flat_map(|n| nibbles.four(&vector, *n).unwrap()[4..8].to_vec())
            .map(|b| b as i8)
            .collect();
        assert_eq!(got, [1, 3, 5, 7, 2, 4, 6, -8]);
        assert!(nibbles.four(&vector, 8).is_none());
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
        let dot = dot4::<false, true>;
        multiply(&mut state, &window, Packing::of(0), 8, &tile, &vectors, dot);
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

    /// The sum of every accumulator from single products, in all forms.
    #[test]
    fn sums_are_those_of_single_products() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        for round in 0..300 {
            let kind = next() % 7;
            let packing = Packing::of(kind);
            let activation = Activation {
                rs: next(),
                rt: if next() % 2 == 0 { 0x7ff } else { next() & 0x1fff },
                kind: 0,
                form: next() % 5,
                channel_major: next() % 2 == 0,
            };
            let few_bits = packing.per_vector() > 4;
            let window = Window::new(&activation, next() % 6, few_bits);
            if few_bits && window.group != 32 {
                continue;
            }
            let limit = 1 + next() % 12;
            let tiles: Vec<u8> = (0..2048 * (window.tiles + 1)).map(|_| next() as u8).collect();
            let vectors: Vec<u8> = (0..128 * limit).map(|_| next() as u8).collect();
            let mut state = HmxState::default();
            state.fixed[1].fill(i32::MAX - 1000);
            let mut expected = state.clone();
            multiply(
                &mut state,
                &window,
                packing,
                limit,
                &tiles,
                &vectors,
                dot4::<false, true>,
            );
            let value = |stream: u32, out: usize| {
                let (vector, at) = (stream / packing.per_vector(), stream % packing.per_vector());
                let byte = vectors.get(vector as usize * 128 + out * 4 + at as usize % 4);
                byte.map_or(0, |b| {
                    i32::from((packing.values)(&[*b; 128], at / 4 * packing.bits)[0] as i8)
                })
            };
            let shift = if activation.channel_major { 0 } else { 2 };
            for step in window.steps(packing.per_vector(), limit) {
                for spot in window.spots(&step).iter() {
                    let row = expected.fixed[usize::from(spot.other & 1)].row_mut(spot.out);
                    for (out, sum) in row.iter_mut().enumerate() {
                        let group = out as u32 / window.group * window.group;
                        for n in 0..step.count {
                            let at = spot.from + ((group + step.first + n) << shift);
                            let input = tiles.get(at as usize).map_or(0, |b| i32::from(*b));
                            *sum = sum.wrapping_add(input * value(step.stream + n, out));
                        }
                    }
                }
            }
            assert!(state == expected, "round {round}, kind {kind}: {activation:x?}");
        }
    }
}
