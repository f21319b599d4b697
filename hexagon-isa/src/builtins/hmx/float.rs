//! The floating-point array: half floats (or bytes, or bfloat16) by the same, eight products at a time.
//!
//! Facts: qualcomm/qemu's `hmx_xfp.c` and `hmx_helper.c` (the version with the integer multiplier). A vector of weights holds
//! a word for each of the 32 output channels: two half floats, or four bytes in the order 0, 2, 1, 3. The eight products of
//! eight neighbouring input channels are aligned to the largest exponent among them and added exactly but for what alignment
//! loses, then the accumulator is added the same way, and the sum is shifted up by at most three places. If the weights end
//! inside a group of eight, zeros take their place; if they end before it, nothing happens. Bytes become half floats by a
//! shift; 0x80, which would be minus zero, becomes a NaN.

use super::float_lanes;
use super::tile::{Step, Window};
use super::xfp::{FINITE, Mode, NAN, shift_sticky};
use crate::state::hmx::{Activation, CHANNELS, Cell, HmxModel, HmxState, status};

/// Products that are added at a time.
pub(super) const BATCH: usize = 8;
/// Columns that a group shares its array with, if it is narrower.
const PARALLEL: u32 = 16;
/// The least exponent of a product, which zeros have.
pub(super) const LEAST: i32 = Cell::LEAST as i32;
/// Places that the accumulator has behind those of a product.
pub(super) const ALIGN: u32 = 4;
/// Places by which a sum is normalised at most.
pub(super) const MOST: u32 = 3;
/// Bits of the accumulator's significand.
pub(super) const WIDTH: u32 = 30;

/// How inputs and weights are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    bytes: bool,
    negate: bool,
    bf16: bool,
    mode: Mode,
}

/// An input or a weight: `sig` with 10 places behind the first, and which infinity or NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Factor {
    sig: i32,
    exp: i32,
    inf: u8,
    negative: bool,
}

/// A product.
#[derive(Debug, Clone, Copy, Default)]
struct Product {
    sig: i32,
    exp: i32,
    inf: u8,
    zero: bool,
    negative: bool,
    /// The input was zero, the weight was zero.
    zeros: [bool; 2],
}

impl Numbers {
    pub fn new(kind: u32, rs: u32, usr: u32, model: HmxModel) -> Numbers {
        let bytes = kind == 9;
        Numbers {
            bytes,
            negate: rs & 0x20 != 0,
            bf16: rs & 0x40 != 0 && !bytes && model.bf16,
            mode: Mode::of(usr),
        }
    }

    /// Weights of one output channel in a vector.
    pub fn per_vector(&self) -> u32 {
        if self.bytes { 4 } else { 2 }
    }

    /// Weight `stream` of every output channel; zeros behind the vectors' end.
    #[inline(always)]
    fn weights(&self, vectors: &[u8], stream: u32) -> [u16; CHANNELS] {
        let mut out = [0; CHANNELS];
        let n = self.per_vector();
        let Some(vector) = vectors.chunks_exact(128).nth((stream / n) as usize) else {
            return out;
        };
        let at = (stream % n) as usize;
        for (w, word) in out.iter_mut().zip(vector.chunks_exact(4)) {
            let byte = |k: usize| word.get(k).map_or(0, |b| u16::from(*b));
            *w = if self.bytes {
                widen(byte(((at & 1) << 1) | (at >> 1)) as u8)
            } else {
                byte(2 * at) | byte(2 * at + 1) << 8
            };
            *w ^= u16::from(self.negate) << 15;
        }
        out
    }

    /// Significand and exponent.
    #[cfg(test)]
    pub(super) fn parts(&self, raw: u16) -> (i32, i32) {
        let f = self.factor(raw);
        (f.sig, f.exp)
    }

    fn factor(&self, raw: u16) -> Factor {
        let (frac, exp, place) = if self.bf16 { (7, 8, 3) } else { (10, 5, 0) };
        let exponent = i32::from(raw >> frac) & ((1 << exp) - 1);
        let fraction = i32::from(raw) & ((1 << frac) - 1);
        let negative = raw >> 15 != 0;
        let special = self.mode.infinities && exponent == (1 << exp) - 1;
        if exponent == 0 && fraction == 0 {
            return Factor {
                sig: 0,
                exp: -128,
                inf: FINITE,
                negative: false,
            };
        }
        let mut sig = i32::from(exponent != 0) << frac | fraction;
        let mut e = exponent.max(1) - (1 << (exp - 1));
        if exponent == 0 && !self.bf16 {
            // Half floats are normalised, bfloat16 is not.
            let up = (sig << (31 - frac)).leading_zeros();
            sig <<= up;
            e -= up as i32;
        }
        sig <<= place;
        Factor {
            sig: if negative { -sig } else { sig },
            exp: e,
            inf: match (special, fraction, negative) {
                (false, ..) => FINITE,
                (true, 0, false) => 1,
                (true, 0, true) => 2,
                _ => NAN,
            },
            negative,
        }
    }
}

/// A byte float as a half float.
#[inline(always)]
fn widen(byte: u8) -> u16 {
    if byte == 0x80 {
        0xfe00
    } else {
        u16::from(byte & 0x80) << 8 | u16::from(byte & 0x7f) << 7
    }
}

fn product(a: Factor, b: Factor) -> Product {
    let zeros = [a.sig == 0, b.sig == 0];
    let [z, y] = zeros;
    let negative = a.negative != b.negative;
    let mut p = Product {
        sig: a.sig * b.sig,
        exp: a.exp + b.exp,
        inf: FINITE,
        zero: z || y,
        negative,
        zeros,
    };
    if a.inf | b.inf != FINITE {
        let times_zero = a.inf != FINITE && y || b.inf != FINITE && z;
        p.inf = if a.inf == NAN || b.inf == NAN || times_zero {
            NAN
        } else {
            1 + u8::from(negative)
        };
        // Zero times infinity is no zero any more; zero times a NaN is.
        p.zero &= a.inf == NAN || b.inf == NAN;
    }
    if z || y {
        p.sig = 0;
        p.exp = LEAST;
        p.negative &= p.zero;
    }
    p
}

/// How many places the sum of two numbers of 31 bits can be shifted up, foreseen from the numbers: one place too many or
/// too few at times, and the array goes by it.
pub(super) fn foreseen(a: i64, b: i64) -> u32 {
    const TOP: u32 = 30;
    let differ = a ^ b;
    let (both, neither) = (a & b, !(a | b));
    // Runs of places at which the sum will be all zeros, or all ones, seen from the top.
    let run = |string: i64| {
        let change = differ ^ !(string << 1);
        let change = if change >> TOP & 1 != 0 { !change } else { change };
        change.leading_zeros().saturating_sub(64 - TOP)
    };
    if neither >> TOP & 1 != 0 {
        run(neither)
    } else if both >> TOP & 1 != 0 {
        run(both)
    } else {
        run(neither).max(run(both))
    }
}

/// Adds eight products to an accumulator.
fn accumulate(cell: Cell, inputs: &[Factor; BATCH], weights: &[Factor; BATCH], mode: Mode) -> Cell {
    let mut products = [Product::default(); BATCH];
    for ((p, a), b) in products.iter_mut().zip(inputs).zip(weights) {
        *p = product(*a, *b);
    }
    if !mode.infinities {
        let all = |k: usize| products.iter().all(|p| p.zeros.get(k).is_some_and(|z| *z));
        if all(0) || all(1) {
            return cell;
        }
    }
    let largest = products.iter().fold(LEAST, |e, p| e.max(p.exp));
    let sum = products
        .iter()
        .filter(|p| p.sig != 0)
        .map(|p| shift_sticky(i64::from(p.sig) << ALIGN, (largest - p.exp) as u32))
        .sum::<i64>();
    let inf = products.iter().fold(0, |i, p| i | p.inf);
    let negative = if inf == FINITE {
        sum < 0 || products.iter().all(|p| p.sig == 0) && products.iter().any(|p| p.negative)
    } else {
        inf >> 1 != 0
    };
    let zero = products.iter().all(|p| p.zero);
    add(cell, sum, largest, inf, zero, negative)
}

/// Adds the sum of eight products.
fn add(cell: Cell, sum: i64, sum_exp: i32, inf: u8, zero: bool, negative: bool) -> Cell {
    let exp = i32::from(cell.exp).max(sum_exp);
    let old = shift_sticky(i64::from(cell.sig), (exp - i32::from(cell.exp)) as u32);
    let new = shift_sticky(sum, (exp - sum_exp) as u32);
    let total = old + new;
    let mut inf = inf | (cell.status & status::INF) >> status::INF_SHIFT;
    let negative = if inf == FINITE {
        let signs = negative || cell.status & status::NEGATIVE != 0;
        total < 0 || cell.sig == 0 && sum == 0 && signs
    } else {
        inf >> 1 != 0
    };
    let zero = zero && cell.status & status::ZERO != 0;
    // One place for the carry, then up again.
    let exp = exp + 1;
    let room = (exp - LEAST).max(0) as u32;
    let up = foreseen(old, new).min(MOST).min(room);
    let mut exp = exp - up as i32;
    let sig = (shift_sticky(total, 1) << (64 - WIDTH) << up) >> (64 - WIDTH);
    if exp > -LEAST - 1 {
        if inf == FINITE {
            inf = 1 + u8::from(negative);
        }
        exp = -LEAST - 1;
    }
    Cell {
        sig: sig as i32,
        exp: exp as i16,
        status: u8::from(zero) | (inf << status::INF_SHIFT) | (u8::from(negative) << 3),
    }
}

/// Eight neighbouring input channels of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// The first of them.
    pub first: u32,
    /// Output channels that they reach: the first, and one behind the last.
    pub columns: (u32, u32),
    /// Which weight of an output channel is the first, less what the channels' numbers within their group add.
    stream: i64,
}

impl Numbers {
    /// All inputs of the tiles, one behind the other.
    #[inline(always)]
    pub(super) fn inputs<T>(&self, tiles: &[u8], activation: Activation, of: impl Fn(u16) -> T) -> Vec<T> {
        let odd = activation.rs & 1 != 0;
        let pairs = tiles.as_chunks::<2>().0.iter();
        if activation.kind == 2 {
            let byte = |[even, other]: &[u8; 2]| widen(if odd { *other } else { *even });
            return pairs.map(|p| of(byte(p))).collect();
        }
        pairs.map(|p| of(u16::from_le_bytes(*p))).collect()
    }

    /// A step's batches, in order.
    #[inline(always)]
    pub(super) fn batches(&self, window: &Window, step: &Step, limit: u32) -> impl Iterator<Item = Batch> {
        let (group, per_vector) = (window.group, self.per_vector());
        let (start, count, stream) = (step.first, step.count, step.stream);
        (0..32).step_by(BATCH).filter_map(move |first| {
            let within = first % group;
            if within < start || within >= start + count {
                return None;
            }
            let stream = i64::from(stream) - i64::from(start);
            let width = group.max(PARALLEL);
            let column = first / width * width;
            // If the weights have ended before, nothing happens.
            (((stream + i64::from(within)) as u32) / per_vector < limit).then_some(Batch {
                first,
                columns: (column, column + width),
                stream,
            })
        })
    }

    /// The weights of a batch, for every output channel; channels of another group have zeros.
    #[inline(always)]
    pub(super) fn batch_weights(
        &self,
        window: &Window,
        b: &Batch,
        vectors: &[u8],
    ) -> [[u16; CHANNELS]; BATCH] {
        let mut out = [[0; CHANNELS]; BATCH];
        for (row, channel) in out.iter_mut().zip(b.first..) {
            let stream = b.stream + i64::from(channel % window.group);
            *row = self.weights(vectors, stream as u32);
            if window.group < 32 {
                for (w, column) in row.iter_mut().zip(0..) {
                    if column / window.group != channel / window.group {
                        *w = 0;
                    }
                }
            }
        }
        out
    }
}

/// Adds all products. `tiles` holds the tiles one behind the other.
#[inline(always)]
pub(crate) fn multiply(
    state: &mut HmxState,
    window: &Window,
    numbers: &Numbers,
    limit: u32,
    tiles: &[u8],
    vectors: &[u8],
    activation: Activation,
) {
    if numbers.mode.infinities || numbers.bf16 {
        multiply_each(state, window, numbers, limit, tiles, vectors, activation);
    } else {
        float_lanes::multiply(state, window, numbers, limit, tiles, vectors, activation);
    }
}

/// The definition: one accumulator after the other.
pub(super) fn multiply_each(
    state: &mut HmxState,
    window: &Window,
    numbers: &Numbers,
    limit: u32,
    tiles: &[u8],
    vectors: &[u8],
    activation: Activation,
) {
    let inputs = numbers.inputs(tiles, activation, |raw| numbers.factor(raw));
    let zero = numbers.factor(0);
    for step in window.steps(numbers.per_vector(), limit) {
        for batch in numbers.batches(window, &step, limit) {
            let raw = numbers.batch_weights(window, &batch, vectors);
            let mut weights = [[zero; BATCH]; CHANNELS];
            for (k, row) in raw.iter().enumerate() {
                for (column, raw) in weights.iter_mut().zip(row) {
                    if let Some(w) = column.get_mut(k) {
                        *w = numbers.factor(*raw);
                    }
                }
            }
            let (start, end) = batch.columns;
            for spot in window.spots(&step).iter() {
                let set = state.float_set ^ spot.other;
                let cells = HmxState::of_mut(&mut state.float, set).row_mut(spot.out / 2);
                let at = |k: u32| inputs.get((spot.from / 2 + 2 * (batch.first + k)) as usize);
                let inputs = std::array::from_fn(|k| at(k as u32).copied().unwrap_or(zero));
                let reached = cells.iter_mut().zip(&weights);
                for (cell, weights) in reached.skip(start as usize).take((end - start) as usize) {
                    *cell = accumulate(*cell, &inputs, weights, numbers.mode);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(kind: u32, usr: u32) -> Numbers {
        Numbers::new(
            kind,
            0,
            usr,
            HmxModel {
                bias_sets: true,
                bf16: true,
            },
        )
    }

    fn sum(pairs: &[(u16, u16)], usr: u32) -> Cell {
        let n = numbers(8, usr);
        let mut a = [n.factor(0); BATCH];
        let mut b = a;
        for (k, (x, y)) in pairs.iter().enumerate() {
            a[k] = n.factor(*x);
            b[k] = n.factor(*y);
        }
        accumulate(Cell::ZERO, &a, &b, n.mode)
    }

    fn value(c: Cell) -> f64 {
        f64::from(c.sig) * 2f64.powi(i32::from(c.exp) - 22)
    }

    #[test]
    fn small_sums_are_exact() {
        // 1.5 * 2 + (-0.5) * 4
        assert_eq!(value(sum(&[(0x3e00, 0x4000), (0xb800, 0x4400)], 0)), 1.0);
    }

    #[test]
    fn zeros_leave_the_accumulator_alone() {
        let c = sum(&[(0x3c00, 0), (0x3c00, 0)], 0);
        assert_eq!(c, Cell::ZERO);
        assert_eq!(sum(&[(0x3c00, 0x8000)], 0), Cell::ZERO);
    }

    #[test]
    fn infinity_exists_if_the_thread_wants_it() {
        assert_eq!(sum(&[(0x7c00, 0x3c00)], 0).status, 0);
        assert_eq!(
            sum(&[(0x7c00, 0xbc00)], 1 << 20).status & status::INF,
            2 << status::INF_SHIFT
        );
        assert_eq!(sum(&[(0x7c00, 0)], 1 << 20).status & status::INF, status::INF);
    }

    #[test]
    fn bytes_are_half_floats_shifted() {
        assert_eq!((widen(0x38), widen(0xb8), widen(0x80)), (0x1c00, 0x9c00, 0xfe00));
        let n = numbers(9, 0);
        let mut vector = [0u8; 128];
        vector[..4].copy_from_slice(&[1, 2, 3, 4]);
        let order: Vec<u16> = (0..4).map(|k| n.weights(&vector, k)[0] >> 7).collect();
        assert_eq!(order, [1, 3, 2, 4]);
    }

    #[test]
    fn what_is_foreseen_is_off_by_one_at_most() {
        let mut seed = 7u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let a = (seed as i32 >> (2 + (seed >> 40) % 28)) as i64;
            let b = ((seed >> 32) as i32 >> (2 + (seed >> 45) % 28)) as i64;
            let total = a + b;
            let exact = (if total < 0 { !total } else { total }).leading_zeros() as i64 - 34;
            assert!((i64::from(foreseen(a, b)) - exact).abs() <= 1, "{a} {b}");
        }
    }
}
