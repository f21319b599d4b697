//! The floating-point array without infinities, a row of 32 output channels at a time: what [`super::float`] does for each of them,
//! in 32 bits and without a branch, so that the host's vector units do many at once.
//!
//! A product of two half floats has 23 bits with its sign and four places behind them, an accumulator 30: all sums fit. bfloat16,
//! whose exponents are wider, and infinities are not for here.

use super::float::{ALIGN, BATCH, LEAST, MOST, Numbers, WIDTH};
use super::tile::Window;
use crate::state::hmx::{Activation, CHANNELS, Cell, HmxState, status};

/// A half float taken apart: `sig` with 10 places behind the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Half {
    pub sig: i16,
    pub exp: i16,
}

/// The exponent of a factor that is zero: with any other it gives less than a product has that is not.
const ZERO: i16 = -128;

impl Default for Half {
    #[inline(always)]
    fn default() -> Self {
        Half { sig: 0, exp: ZERO }
    }
}

impl Half {
    /// Denormal numbers are normalised. -0 is 0.
    #[inline(always)]
    pub fn of(raw: u16) -> Half {
        let (exponent, fraction) = ((raw >> 10 & 31) as i16, (raw & 0x3ff) as i16);
        let normal = exponent != 0;
        // The float of a fraction says where its highest bit is.
        let top = (f32::from(fraction).to_bits() >> 23) as i16 - 127;
        let up = if normal { 0 } else { 10 - top.max(0) };
        let sig = (fraction | i16::from(normal) << 10) << (up & 15);
        let zero = raw & 0x7fff == 0;
        Half {
            sig: if raw >> 15 != 0 { -sig } else { sig },
            exp: if zero { ZERO } else { exponent.max(1) - 16 - up },
        }
    }
}

/// Eight weights of every output channel.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    sig: [[i16; CHANNELS]; BATCH],
    exp: [[i32; CHANNELS]; BATCH],
    /// Which of the eight are below zero, a bit each.
    negative: [i32; CHANNELS],
    /// Some are not zero, and the channel is reached.
    some: [bool; CHANNELS],
}

impl Weights {
    /// `reached`: the first channel, and one behind the last.
    #[inline(always)]
    pub fn of(raw: &[[u16; CHANNELS]; BATCH], reached: (u32, u32)) -> Weights {
        let mut w = Weights {
            sig: [[0; CHANNELS]; BATCH],
            exp: [[0; CHANNELS]; BATCH],
            negative: [0; CHANNELS],
            some: [false; CHANNELS],
        };
        for ((raw, sig), exp) in raw.iter().zip(&mut w.sig).zip(&mut w.exp) {
            for ((raw, sig), exp) in raw.iter().zip(sig).zip(exp) {
                let half = Half::of(*raw);
                *sig = half.sig;
                *exp = half.exp.into();
            }
        }
        for ((column, negative), some) in (0..).zip(&mut w.negative).zip(&mut w.some) {
            let mut any = 0;
            for (k, sig) in w.sig.iter().enumerate() {
                let sig = sig.get(column as usize).copied().unwrap_or(0);
                *negative |= i32::from(sig < 0) << k;
                any |= sig;
            }
            *some = any != 0 && column >= reached.0 && column < reached.1;
        }
        w
    }
}

/// Eight inputs at one position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    sig: [i16; BATCH],
    exp: [i32; BATCH],
    negative: i32,
    some: bool,
}

impl Inputs {
    /// Channels of two positions lie in turns; the first one's.
    #[inline(always)]
    pub fn of(two: &[Half; 2 * BATCH]) -> Inputs {
        let mut inputs = Inputs {
            sig: [0; BATCH],
            exp: [0; BATCH],
            negative: 0,
            some: false,
        };
        let mut any = 0;
        let parts = inputs.sig.iter_mut().zip(&mut inputs.exp);
        for ((k, [half, _]), (sig, exp)) in (0..).zip(two.as_chunks().0).zip(parts) {
            *sig = half.sig << ALIGN;
            *exp = half.exp.into();
            inputs.negative |= i32::from(half.sig < 0) << k;
            any |= half.sig;
        }
        inputs.some = any != 0;
        inputs
    }
}

/// Halves from a position's first channel to its last, with those of its neighbour.
const LINE: usize = 2 * CHANNELS;

/// A position's accumulators, their parts side by side.
#[derive(Debug, Clone)]
pub(super) struct Row {
    sig: [i32; CHANNELS],
    exp: [i32; CHANNELS],
    status: [i32; CHANNELS],
}

impl Row {
    #[inline(always)]
    pub fn of(cells: &[Cell; CHANNELS]) -> Row {
        let mut row = Row {
            sig: [0; CHANNELS],
            exp: [0; CHANNELS],
            status: [0; CHANNELS],
        };
        let parts = row.sig.iter_mut().zip(&mut row.exp).zip(&mut row.status);
        for (cell, ((sig, exp), status)) in cells.iter().zip(parts) {
            *sig = cell.sig;
            *exp = cell.exp.into();
            *status = cell.status.into();
        }
        row
    }

    #[inline(always)]
    pub fn store(&self, cells: &mut [Cell; CHANNELS]) {
        let parts = self.sig.iter().zip(&self.exp).zip(&self.status);
        for (cell, ((sig, exp), status)) in cells.iter_mut().zip(parts) {
            *cell = Cell {
                sig: *sig,
                exp: *exp as i16,
                status: *status as u8,
            };
        }
    }
}

/// Right shift by up to 31 places; what is lost leaves a one.
#[inline(always)]
fn shift(v: i32, n: i32) -> i32 {
    let n = (n as u32).min(31);
    // Rounded down and, as the other sign's, up: the two differ by one if something is lost.
    let (down, up) = (v.wrapping_shr(n), (-v).wrapping_shr(n));
    down | (down ^ up) & 1
}

/// [`foreseen`](super::float), up to [`MOST`].
#[inline(always)]
fn foreseen(a: i32, b: i32) -> i32 {
    const TOP: u32 = 30;
    let differ = a ^ b;
    let run = |string: i32| {
        let change = differ ^ !(string << 1);
        let change = (change ^ change << 1 >> 31) as u32;
        i32::from(change < 1 << (TOP - 1))
            + i32::from(change < 1 << (TOP - 2))
            + i32::from(change < 1 << (TOP - 3))
    };
    let (both, neither) = (a & b, !(a | b));
    let (runs, others) = (run(both), run(neither));
    let mixed = runs.max(others);
    let one_sign = if a < 0 { runs } else { others };
    if differ < 0 { mixed } else { one_sign }
}

const _: () = assert!(MOST == 3);

/// Adds eight products to every accumulator of a row.
#[inline(always)]
pub(super) fn accumulate(row: &mut Row, inputs: &Inputs, weights: &Weights) {
    if !inputs.some {
        return;
    }
    for j in 0..CHANNELS {
        let (mut product, mut exp) = ([0; BATCH], [0; BATCH]);
        let (mut any, mut largest) = (0, LEAST);
        let of_inputs = inputs.sig.iter().zip(&inputs.exp);
        let of_weights = weights.sig.iter().zip(&weights.exp);
        let products = product.iter_mut().zip(&mut exp);
        for ((p, e), ((a, x), (b, y))) in products.zip(of_inputs.zip(of_weights)) {
            let at = (b.get(j).copied().unwrap_or(0), y.get(j).copied().unwrap_or(0));
            *p = i32::from(*a) * i32::from(at.0);
            *e = x + at.1;
            any |= *p;
            largest = largest.max(*e);
        }
        let mut sum = 0;
        for (p, e) in product.into_iter().zip(exp) {
            sum += shift(p, largest - e);
        }
        let nothing = any == 0;
        let sum_exp = if nothing { LEAST } else { largest };
        let at = |v: &[i32; CHANNELS]| v.get(j).copied().unwrap_or(0);
        let (cell_sig, cell_exp, cell_status) = (at(&row.sig), at(&row.exp), at(&row.status));
        let opposite = nothing & (inputs.negative != at(&weights.negative));
        let negative = (sum < 0) | opposite;

        let exp = cell_exp.max(sum_exp);
        let (old, new) = (shift(cell_sig, exp - cell_exp), shift(sum, exp - sum_exp));
        let total = old + new;
        let inf = cell_status >> status::INF_SHIFT & 3;
        let signs = negative | (cell_status & i32::from(status::NEGATIVE) != 0);
        let below = (total < 0) | (cell_sig == 0) & (sum == 0) & signs;
        let negative = if inf == 0 { below } else { inf > 1 };
        let zero = i32::from(nothing) & cell_status & i32::from(status::ZERO);
        // One place for the carry, then up again.
        let exp = exp + 1;
        let up = foreseen(old, new).min((exp - LEAST).max(0));
        let half = total >> 1 | total & 1;
        let sig = half.wrapping_shl(32 - WIDTH + up as u32) >> (32 - WIDTH);
        let exp = exp - up;
        let over = exp > -LEAST - 1;
        let inf = if over & (inf == 0) {
            1 + i32::from(negative)
        } else {
            inf
        };
        let exp = exp.min(-LEAST - 1);
        let status = zero | inf << status::INF_SHIFT | i32::from(negative) << 3;
        let reached = weights.some.get(j).is_some_and(|s| *s);
        let put = |v: &mut [i32; CHANNELS], new: i32, old: i32| {
            if let Some(v) = v.get_mut(j) {
                *v = if reached { new } else { old };
            }
        };
        put(&mut row.sig, sig, cell_sig);
        put(&mut row.exp, exp, cell_exp);
        put(&mut row.status, status, cell_status);
    }
}

/// Adds all products, as [`super::float::multiply`] does.
#[inline(always)]
pub(super) fn multiply(
    state: &mut HmxState,
    window: &Window,
    numbers: &Numbers,
    limit: u32,
    tiles: &[u8],
    vectors: &[u8],
    activation: Activation,
) {
    let mut inputs: Vec<Half> = numbers.inputs(tiles, activation, Half::of);
    // Every position has all its channels, also one that would begin behind the tiles.
    inputs.extend([Half::default(); LINE]);
    let mut reached = Vec::with_capacity(CHANNELS / BATCH);
    for step in window.steps(numbers.per_vector(), limit) {
        reached.clear();
        reached.extend(numbers.batches(window, &step, limit).map(|batch| {
            let raw = numbers.batch_weights(window, &batch, vectors);
            (batch.first, Weights::of(&raw, batch.columns))
        }));
        for spot in window.spots(&step).iter() {
            let set = state.float_set ^ spot.other;
            let cells = HmxState::of_mut(&mut state.float, set).row_mut(spot.out / 2);
            let mut row = Row::of(cells);
            let line = inputs
                .get(spot.from as usize / 2..)
                .and_then(|from| from.first_chunk());
            let line: &[Half; LINE] = line.unwrap_or(&[Half { sig: 0, exp: ZERO }; LINE]);
            let batches = line.as_chunks::<{ 2 * BATCH }>().0;
            for (first, weights) in &reached {
                if let Some(batch) = batches.get(*first as usize / BATCH) {
                    accumulate(&mut row, &Inputs::of(batch), weights);
                }
            }
            row.store(cells);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtins::hmx::float;
    use crate::state::hmx::HmxModel;

    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as u32
        }

        /// Half floats of ordinary size, few digits, denormal, zero, any.
        fn half(&mut self) -> u16 {
            let (kind, any) = (self.next() % 8, self.next() as u16);
            match kind {
                0 => any & 0x8000,
                1 => any & 0x83ff,
                2 => any,
                3 => any & 0xfc00,
                _ => any & 0x83ff | 0x3000,
            }
        }

        fn bytes(&mut self, len: usize) -> Vec<u8> {
            (0..len / 2).flat_map(|_| self.half().to_le_bytes()).collect()
        }

        /// Anything that an accumulator can hold, mostly near the sums that are added.
        fn cell(&mut self) -> Cell {
            let exp = match self.next() % 8 {
                0 => Cell::LEAST,
                1 => (self.next() as i16 & 0x1ff) - 256,
                _ => self.next() as i16 % 40 - 20,
            };
            let sig = (self.next() << 2) as i32 >> (2 + self.next() % 30);
            Cell {
                sig,
                exp: exp.clamp(-256, 255),
                status: (self.next() % 16) as u8,
            }
        }
    }

    #[test]
    fn a_half_float_is_taken_apart_as_each_is() {
        let numbers = Numbers::new(8, 0, 0, HmxModel::default());
        for raw in 0..=u16::MAX {
            let half = Half::of(raw);
            let (sig, exp) = numbers.parts(raw);
            assert_eq!((half.sig.into(), half.exp.into()), (sig, exp), "{raw:#06x}");
        }
    }

    #[test]
    fn a_few_places_are_foreseen_as_by_the_definition() {
        let mut r = Random(3);
        for _ in 0..300_000 {
            let mut number = || (r.next() << 1) as i32 >> (2 + r.next() % 29);
            let (a, b) = (number(), number());
            let b = if r.next() & 3 == 0 {
                -a ^ 1 << (r.next() % 29)
            } else {
                b
            };
            let b = b.clamp(-(1 << 29), (1 << 29) - 1);
            let expected = float::foreseen(a.into(), b.into()).min(MOST);
            assert_eq!(foreseen(a, b) as u32, expected, "{a} {b}");
        }
    }

    /// `rounds` products of tiles, in all forms, with all kinds of numbers.
    fn compare(rounds: u32, seed: u64) {
        let mut r = Random(seed);
        for round in 0..rounds {
            let activation = Activation {
                rs: r.next(),
                // As programs have it, or anything; not too many tiles.
                rt: if r.next() & 1 == 0 {
                    0x7ff
                } else {
                    r.next() & 0x1fff
                },
                kind: 1 + r.next() % 2,
                form: r.next() % 5,
                channel_major: false,
            };
            let window = Window::new(&activation, r.next() % 6, false);
            let numbers = Numbers::new(
                8 + r.next() % 2,
                r.next() & 0x20,
                r.next() & 1 << 21,
                HmxModel::default(),
            );
            let limit = 1 + r.next() % 24;
            let tiles = r.bytes(2048 * (window.tiles as usize + 1));
            let vectors = r.bytes(128 * limit as usize);
            let mut state = HmxState {
                float_set: (r.next() & 1) as u8,
                ..HmxState::default()
            };
            for (set, row) in (0..2).flat_map(|s| (0..32).map(move |n| (s, n))) {
                *HmxState::of_mut(&mut state.float, set).row_mut(row) = std::array::from_fn(|_| r.cell());
            }
            let mut expected = state.clone();
            float::multiply_each(
                &mut expected,
                &window,
                &numbers,
                limit,
                &tiles,
                &vectors,
                activation,
            );
            multiply(&mut state, &window, &numbers, limit, &tiles, &vectors, activation);
            assert!(state == expected, "round {round} of {seed}: {activation:x?}");
        }
    }

    #[test]
    fn rows_hold_what_each_accumulator_would() {
        compare(60, 1);
    }

    /// By hand: `cargo test --release -p hexagon-isa --lib -- --ignored many_rows`.
    #[test]
    #[ignore = "minutes"]
    fn many_rows_hold_what_each_accumulator_would() {
        for seed in 1..=100 {
            compare(300, seed << 20 | 7);
        }
    }
}
