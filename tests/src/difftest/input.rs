//! Register values that are worth trying: edges of every width, floating-point oddities, small numbers, and anything.

use hexagon_isa::info::Implicit;

use super::program::{AREA, CONTROL_IN, Fragment, Input, POOL_VECTORS};
use super::random::Random;

/// Edges of words, and of the halfwords and bytes in them.
pub const WORDS: [u32; 24] = [
    0,
    1,
    u32::MAX,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0x8000_8000,
    0x7fff_7fff,
    0x8000_7fff,
    0x0000_8000,
    0xffff_8000,
    0x0000_7fff,
    0x8080_8080,
    0x7f7f_7f7f,
    0x0180_7fff,
    0xff00_ff00,
    0x0000_ffff,
    2,
    31,
    32,
    33,
    63,
    64,
    0xffff_ffe0,
];
const FLOATS: [u32; 18] = [
    0,
    0x8000_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7fa0_0001,
    0xffff_ffff,
    1,
    0x8000_0001,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x4f00_0000,
    0xcf00_0000,
    0xbf00_0000,
    0x5f80_0000,
];
/// Upper words of doubles.
const DOUBLES: [u32; 13] = [
    0,
    0x8000_0000,
    0x7ff0_0000,
    0xfff0_0000,
    0x7ff8_0000,
    0x7ff4_0000,
    0x000f_ffff,
    0x0010_0000,
    0x7fef_ffff,
    0x3ff0_0000,
    0x41e0_0000,
    0x43f0_0000,
    0xffff_ffff,
];
const HALVES: [u16; 14] = [
    0, 0x8000, 0x7c00, 0xfc00, 0x7e00, 0x7d01, 1, 0x03ff, 0x0400, 0x7bff, 0x3c00, 0xbc00, 0x3555, 0xffff,
];

/// A single-precision number, often an odd one.
pub fn float(rng: &mut Random) -> u32 {
    match rng.below(5) {
        0 => rng.pick(&FLOATS),
        1 => rng.bits(),
        _ => rng.bits() & 0x807f_ffff | (rng.below(60) + 97) << 23,
    }
}

/// A half-precision number, often an odd one.
pub fn half_float(rng: &mut Random) -> u16 {
    match rng.below(4) {
        0 => rng.pick(&HALVES),
        1 => rng.bits() as u16,
        _ => (rng.bits() & 0x83ff | (rng.below(20) + 5) << 10) as u16,
    }
}

/// A word for integer instructions.
pub fn word(rng: &mut Random) -> u32 {
    match rng.below(12) {
        0..4 => rng.pick(&WORDS),
        4 | 5 => rng.below(128).wrapping_sub(64),
        6 => 1 << rng.below(32),
        7 => u32::from_le_bytes([0; 4].map(|_: u8| rng.pick(&[0, 1, 0x7f, 0x80, 0xff]))),
        _ => rng.bits(),
    }
}

/// Registers for a case. What the fragment needs is put over it when the program is laid out.
#[must_use]
pub fn input(fragment: &Fragment, rng: &mut Random) -> Input {
    let mut input = Input {
        vectors: rng.below(POOL_VECTORS),
        area: rng.bits() & 0xffff,
        ..Input::default()
    };
    let kind = rng.below(3);
    // QEMU 10 and 11 scramble the saved frame pointer with FRAMEKEY; the architecture scrambles the return address.
    let mut insns = fragment.packets.iter().flat_map(|p| &p.insns);
    let framed = insns.any(|i| i.info().uses.contains(&Implicit::FRAMEKEY));
    for (k, r) in input.r.iter_mut().enumerate() {
        *r = match (fragment.float, kind) {
            (false, _) => word(rng),
            (true, 0) => float(rng),
            (true, 1) if k % 2 == 1 && rng.one_in(4) => rng.pick(&DOUBLES),
            (true, 1) if k % 2 == 1 => rng.bits() & 0x800f_ffff | (rng.below(120) + 963) << 20,
            (true, 2) if rng.one_in(4) => rng.pick(&FLOATS),
            (true, _) if rng.one_in(4) => rng.pick(&WORDS),
            (true, _) => rng.bits(),
        };
    }
    for c in CONTROL_IN {
        let value = match c {
            4 if rng.one_in(2) => rng.bits(),
            4 => rng.pick(&[0, 0xff00_ff00, 0x00ff_00ff, u32::MAX]),
            6 | 7 => modifier(fragment, rng),
            // GP and the starts of circular buffers.
            11..=13 => AREA + 384 + 8 * rng.below(16),
            // Sticky flags, loop configuration, rounding mode.
            8 => {
                let sticky = if rng.one_in(3) { rng.bits() & 0x3f } else { 0 };
                sticky | rng.below(4) << 8 | rng.below(4) << 22
            }
            // Starts and counts of loops.
            0 | 2 => rng.bits() & !3,
            1 | 3 => rng.pick(&[0, 1, 2, 3, u32::MAX, 0x8000_0000]),
            17 if rng.one_in(2) || framed => 0,
            _ => rng.bits(),
        };
        input.set_control(c, value);
    }
    input
}

/// A modifier register: length and increment of a circular buffer, or any increment.
fn modifier(fragment: &Fragment, rng: &mut Random) -> u32 {
    if fragment.calm {
        // As an increment: 16 bytes.
        return 16;
    }
    let increment = if rng.one_in(4) {
        rng.bits()
    } else {
        rng.below(64).wrapping_sub(32)
    };
    let (k, length) = match rng.below(4) {
        // Without K the buffer begins at CS; very short ones are not distinguished.
        0 => (0, rng.below(4)),
        1 | 2 => {
            let bits = rng.below(17);
            (0, 4 + rng.below(1 << bits))
        }
        // With K it begins at a multiple of a power of two, and the length is below that.
        _ => {
            let k = 1 + rng.below(14);
            (k, 1 + rng.below((4 << k) - 1))
        }
    };
    length & 0x1ffff | (increment & 0x7f) << 17 | k << 24 | (increment >> 7 & 15) << 28
}
