//! Positions in a tile, and what a multiplication goes through.
//!
//! A tile ("crouton") is 2 KiB: 64 positions of 32 channels, a byte each. Position-major (`sm`) bytes lie at
//! `position[5:2] · 128 + channel · 4 + position[1:0]`, channel-major (`cm`) ones at `position · 32 + channel`. The six bits of
//! the address that name the position are shared out between rows and columns: a bit belongs to Y if it is set in Rt, else
//! to X. Counting along an axis therefore counts in scattered bits; here positions along an axis are numbered, and offsets are
//! looked up. A half float takes the two bytes of two neighbouring positions, so the lowest bit of the position is not used.
//!
//! A filter is moved over the tile: for every *tap* (y, x) the activation at position + tap meets weights of its own. What
//! sticks out at the lower end is read from a second tile, what sticks out at the right end goes to the other accumulators.
//! Groups: if the first channel is above the last one, the channels fall into groups that see only each other.

use crate::state::hmx::Activation;

/// Bytes of a tile.
pub(crate) const TILE: u32 = 2048;
/// Bits of the address that name the position, position-major and channel-major.
const POSITIONS: [u32; 2] = [0x783, 0x7e0];
/// Tiles that one deep load can have, in bytes and in half floats.
const DEEPEST: [u32; 2] = [64, 32];
/// Multiplications of bytes by one packet, in vectors of weights.
const CYCLES: u32 = 512;

/// The offsets along one axis, ascending: every value that is made of bits of the mask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    at: [u16; 64],
    pub len: usize,
}

impl Axis {
    pub fn new(mask: u32) -> Axis {
        let mask = mask & 0x7ff;
        let mut axis = Axis { at: [0; 64], len: 0 };
        let mut offset = 0;
        for at in &mut axis.at {
            *at = offset as u16;
            axis.len += 1;
            offset = (offset | !mask).wrapping_add(1) & mask;
            if offset == 0 {
                break;
            }
        }
        axis
    }

    /// The offset with number `n`, modulo their number.
    pub fn offset(&self, n: usize) -> u32 {
        self.at.get(n % self.len.max(1)).map_or(0, |v| u32::from(*v))
    }

    /// The number of an offset.
    pub fn number(&self, offset: u32) -> usize {
        self.at
            .iter()
            .take(self.len)
            .take_while(|v| u32::from(**v) < offset)
            .count()
    }
}

/// The position masks that Rt gives: X, Y.
pub(crate) fn masks(rt: u32, channel_major: bool, float: bool) -> (u32, u32) {
    let [sm, cm] = POSITIONS;
    let all = if channel_major { cm } else { sm } & !u32::from(float);
    (!rt & all, rt & all)
}

/// The number (0 to 63) of the position at an offset.
pub(crate) fn position(offset: u32, channel_major: bool) -> usize {
    let n = if channel_major {
        offset >> 5
    } else {
        offset >> 5 & !3 | offset & 3
    };
    n as usize & 63
}

/// Taps along one axis, as numbers of offsets.
#[derive(Debug, Clone, Copy)]
struct Taps {
    first: usize,
    last: usize,
    step: usize,
}

impl Taps {
    fn iter(self) -> impl Iterator<Item = usize> {
        // The first one always counts.
        (self.first..=self.last.max(self.first)).step_by(self.step)
    }
}

/// What a packet's two loads describe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub x: Axis,
    pub y: Axis,
    pub channel_major: bool,
    float: bool,
    x_taps: Taps,
    y_taps: Taps,
    /// Taps beyond the right end are dropped instead of going to the other accumulators.
    pub drop: bool,
    /// Weights for both sets of accumulators follow each other.
    both: bool,
    /// Tiles behind each other; 0 if nothing is to be done.
    pub tiles: u32,
    /// A second tile below the first, so far away.
    pub below: Option<u32>,
    first: u32,
    /// One behind the last channel.
    end: u32,
    /// Channels of a group: 32 if there is only one.
    pub group: u32,
}

impl Window {
    /// `form`: 0 normal, 1 single, 2 drop, 3 deep, 4 after, 5 dilate. `all_channels`: the weights come for all 32.
    pub fn new(a: &Activation, form: u32, all_channels: bool) -> Window {
        let float = a.kind != 0;
        let (x_mask, y_mask) = masks(a.rt, a.channel_major, float);
        let (x, y) = (Axis::new(x_mask), Axis::new(y_mask));
        let fx = x.number(a.rs & x_mask);
        let fy = y.number(a.rs & y_mask);
        let deep = a.form == 1;
        let (first, last, step) = match a.form {
            0 => (0, fy, 1),
            2 => (fy, y.len - 1, 1),
            3 => (fy, fy, 1),
            4 => (0, fy, 2),
            _ => (0, 0, 1),
        };
        let y_taps = Taps { first, last, step };
        let (first, last, step) = match form {
            1 => (fx, fx, 1),
            3 => (0, 0, 1),
            4 => (fx, x.len - 1, 1),
            5 => (0, fx, 2),
            _ => (0, fx, 1),
        };
        let x_taps = Taps { first, last, step };
        let (first, end, group) = channels(a, deep);
        let distance = a.rt & !(TILE - 1);
        let [bytes, halves] = DEEPEST;
        let mut tiles = match (deep, (a.rt as i32) < 0) {
            (true, true) => 0,
            (true, false) => (distance / TILE + 1).min(if float { halves } else { bytes }),
            (false, _) => 1,
        };
        if tiles == 1 && first >= end {
            tiles = 0;
        }
        Window {
            x,
            y,
            channel_major: a.channel_major,
            float,
            x_taps,
            y_taps,
            drop: matches!(form, 2 | 3),
            both: form == 3,
            tiles,
            below: (!deep && (y_taps.first != 0 || y_taps.last != y_taps.first)).then_some(distance),
            first: if all_channels { 0 } else { first },
            end: if all_channels { 32 } else { end },
            group,
        }
    }

    /// Channels of tile `n`.
    fn range(&self, n: u32) -> (u32, u32) {
        let first = if n == 0 { self.first } else { 0 };
        let end = if n + 1 == self.tiles { self.end } else { 32 };
        if self.float {
            // The array adds eight products at a time.
            (first & !7, (end + 7) & !7)
        } else {
            (first, end)
        }
    }

    /// What is multiplied, in order, until the weights are used up. `vector`: weights of an output channel in a vector, `limit`: vectors.
    pub fn steps(&self, vector: u32, limit: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        let (mut stream, mut cycles) = (0, CYCLES);
        for tile in 0..self.tiles {
            let (first, end) = self.range(tile);
            for y in self.y_taps.iter() {
                for other in 0..=u8::from(self.both) {
                    for x in self.x_taps.iter() {
                        if stream / vector >= limit || cycles == 0 {
                            return steps;
                        }
                        let wanted = end.saturating_sub(first);
                        let mut count = wanted;
                        if self.float {
                            // Groups of fewer than eight channels share a sum of eight.
                            count = count.min(self.group);
                        } else {
                            count = count.min(cycles.saturating_mul(vector));
                            cycles -= count.div_ceil(vector).min(cycles);
                        }
                        steps.push(Step {
                            tile,
                            y,
                            x,
                            other,
                            first,
                            count,
                            stream,
                        });
                        stream += count;
                        if count < wanted && !self.float {
                            return steps;
                        }
                    }
                }
            }
        }
        steps
    }
}

/// A position under a step's tap.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spot {
    /// Where the inputs begin: an offset in the tiles that lie one behind the other.
    pub from: u32,
    /// The number of the position whose accumulators take the sums.
    pub out: usize,
    /// 1: of the other set.
    pub other: u8,
}

/// Positions under a step's tap.
#[derive(Debug)]
pub(crate) struct Spots {
    all: [Spot; 64],
    len: usize,
}

impl Spots {
    pub fn iter(&self) -> impl Iterator<Item = &Spot> {
        self.all.iter().take(self.len)
    }
}

impl Window {
    /// The positions of a step, each with accumulators of its own.
    pub fn spots(&self, step: &Step) -> Spots {
        let mut spots = Spots {
            all: [Spot::default(); 64],
            len: 0,
        };
        for y in 0..self.y.len {
            let moved = y + step.y;
            let below = u32::from(moved >= self.y.len);
            let row = self.y.offset(moved) + (step.tile + below) * TILE;
            for x in 0..self.x.len {
                let out = x + step.x;
                let over = out >= self.x.len;
                if over && self.drop {
                    continue;
                }
                if let Some(spot) = spots.all.get_mut(spots.len) {
                    *spot = Spot {
                        from: row + self.x.offset(x),
                        out: position(self.x.offset(out) | self.y.offset(y), self.channel_major),
                        other: step.other ^ u8::from(over),
                    };
                    spots.len += 1;
                }
            }
        }
        spots
    }
}

/// One tap over one tile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub tile: u32,
    pub y: usize,
    pub x: usize,
    /// 1: into the other accumulators.
    pub other: u8,
    /// First channel, in each group.
    pub first: u32,
    /// Channels, in each group.
    pub count: u32,
    /// Which weight of an output channel is the first.
    pub stream: u32,
}

/// First channel, one behind the last one, channels of a group.
fn channels(a: &Activation, deep: bool) -> (u32, u32, u32) {
    let shift = if a.channel_major { 0 } else { 2 };
    let (start, stop) = (a.rs >> shift & 31, a.rt >> shift & 31);
    if start <= stop || deep {
        return (start & !3, (stop | 3) + 1, 32);
    }
    // How many of the upper bits belong to the group's number: as many as borrow when the first is taken from the last.
    let borrows = ((stop.wrapping_sub(start) ^ start ^ stop) << 2) as u8;
    let bits = borrows.leading_ones().min(5);
    let group = 32 >> bits;
    let within = 31 >> bits;
    let step = match group {
        2 => 1,
        1 => 0,
        // With two groups of 16 down to eight of 4.
        _ => 3,
    };
    (start & !step & within, ((stop | step) & within) + 1, group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_counts_in_scattered_bits() {
        let axis = Axis::new(0x182);
        assert_eq!(axis.len, 8);
        let all: Vec<u32> = (0..8).map(|n| axis.offset(n)).collect();
        assert_eq!(all, [0, 2, 0x80, 0x82, 0x100, 0x102, 0x180, 0x182]);
        assert_eq!(axis.number(0x100), 4);
        assert_eq!(axis.offset(9), 2);
        let none = Axis::new(0);
        assert_eq!((none.len, none.offset(5), none.number(0)), (1, 0, 0));
        assert_eq!(Axis::new(0x783).len, 64);
    }

    #[test]
    fn positions_have_numbers() {
        assert_eq!(position(0x7e0, true), 63);
        assert_eq!(position(0x783, false), 63);
        assert_eq!(position(0x82, false), 6);
    }

    fn act(rs: u32, rt: u32, kind: u32, form: u32, channel_major: bool) -> Activation {
        Activation {
            rs,
            rt,
            kind,
            form,
            channel_major,
        }
    }

    #[test]
    fn channels_are_rounded_to_fours_and_fall_into_groups() {
        assert_eq!(channels(&act(5 << 2, 9 << 2, 0, 0, false), false), (4, 12, 32));
        assert_eq!(channels(&act(5, 9, 0, 0, true), false), (4, 12, 32));
        // 16 - 15: two groups of 16; the deep form has none.
        assert_eq!(channels(&act(16 << 2, 15 << 2, 0, 0, false), false), (0, 16, 16));
        assert_eq!(channels(&act(16 << 2, 15 << 2, 0, 1, false), true).2, 32);
        for start in 0..32u32 {
            for stop in 0..32u32 {
                let (first, end, group) = channels(&act(start, stop, 0, 0, true), false);
                assert!(
                    group.is_power_of_two() && end <= group && first < group,
                    "{start} {stop}"
                );
                assert_eq!(group == 32, start <= stop);
            }
        }
    }

    #[test]
    fn a_deep_load_goes_through_its_tiles_until_the_weights_end() {
        // As programs do it: two tiles of half floats, everything is Y.
        let window = Window::new(&act(0, 2 * 2048 - 1, 1, 1, false), 0, false);
        assert_eq!((window.tiles, window.y.len, window.x.len), (2, 32, 1));
        let steps = window.steps(2, 32);
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[1].tile, steps[1].stream, steps[1].count), (1, 32, 32));
        assert_eq!(window.steps(2, 16).len(), 1);
        let most = Window::new(&act(0, 0x7fff_ffff, 0, 1, false), 3, false);
        assert_eq!(most.tiles, 64);
        assert!(most.steps(4, 512).len() <= 64);
        assert_eq!(Window::new(&act(0, u32::MAX, 0, 1, false), 0, false).tiles, 0);
    }

    #[test]
    fn whatever_the_registers_hold_there_is_an_end() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed ^ seed >> 15
        };
        for _ in 0..3000 {
            let a = act(next(), next(), next() % 3, next() % 5, next() % 2 == 0);
            let window = Window::new(&a, next() % 6, next() % 8 == 0);
            let steps = window.steps(4, 1 + next() % 512);
            assert!(steps.len() <= 2048);
            assert!(steps.iter().map(|s| s.count).sum::<u32>() <= 2048 + 32);
        }
    }
}
