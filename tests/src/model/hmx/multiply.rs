//! Activations by weights: every output asks which inputs reach it.

use super::super::State;
use super::real::{Factor, reduce};
use super::tile::Places;
use super::{Matrix, byte};

/// The tiles and channels that an activation load names.
struct Load {
    base: u32,
    tiles: u32,
    /// How far the second tile is away if Y taps reach it.
    below: u32,
    first: u32,
    end: u32,
    group: u32,
    taps: Vec<u32>,
    places: Places,
}

fn load(text: &str, rs: u32, rt: u32) -> Load {
    let float = !text.contains(".ub");
    let channel_major = text.ends_with(":cm");
    let places = Places::new(rt, channel_major, float);
    let (_, count) = places.count();
    let (_, fy) = places.numbers(rs);
    let form = text
        .trim_end_matches(":cm")
        .rsplit(')')
        .next()
        .unwrap_or_default();
    let taps = match form {
        ":deep" => vec![0],
        ":above" => (fy..count).collect(),
        ":single" => vec![fy],
        ":dilate" => (0..=fy).filter(|t| t % 2 == 0).collect(),
        _ => (0..=fy).collect(),
    };
    let deep = form == ":deep";
    let (start, stop) = (rs / places.stride % 32, rt / places.stride % 32);
    // In how many of the uppermost places a subtraction of the first from the last channel borrows.
    let borrows = (1..=5)
        .rev()
        .take_while(|i| stop % (1 << i) < start % (1 << i))
        .count();
    let group = if deep || start <= stop { 32 } else { 32 >> borrows };
    let step = group.min(4);
    let end = stop % group / step * step + step;
    let first = start % group / step * step;
    let mut tiles = match deep {
        true if rt >= 1 << 31 => 0,
        true => (rt / 2048 + 1).min(if float { 32 } else { 64 }),
        false => 1,
    };
    if tiles == 1 && first >= end {
        tiles = 0;
    }
    Load {
        base: rs / 2048 * 2048,
        tiles,
        below: rt / 2048 * 2048,
        first,
        end,
        group,
        taps,
        places,
    }
}

/// A weight of each output channel.
fn weights(s: &State, base: u32, kind: &str, stream: u32) -> [i64; 32] {
    let bits = match kind {
        "b" | "sm" => 8,
        "n" => 4,
        "c" | "sc" => 2,
        _ => 1,
    };
    let per = 32 / bits;
    std::array::from_fn(|o| {
        let at = base + stream / per * 128 + 4 * o as u32 + stream % 4;
        let raw = i64::from(u32::from(byte(s, at)) >> (stream % per / 4 * bits)) % (1 << bits);
        let half = 1 << (bits - 1);
        let signed = if raw < half { raw } else { raw - 2 * half };
        match kind {
            "sm" if raw >= 128 => 127 - raw,
            "sc" => [2, 1, -2, -1][raw as usize],
            "ubit" => raw,
            "sbit" => 1 - 2 * raw,
            _ => signed,
        }
    })
}

fn half(s: &State, base: u32, bytes: bool, stream: u32, channel: u32) -> u16 {
    if bytes {
        let order = [0, 2, 1, 3][stream as usize % 4];
        widen(byte(s, base + stream / 4 * 128 + 4 * channel + order))
    } else {
        let at = base + stream / 2 * 128 + 4 * channel + 2 * (stream % 2);
        u16::from(byte(s, at)) + 256 * u16::from(byte(s, at + 1))
    }
}

fn widen(b: u8) -> u16 {
    match b {
        0x80 => 0xfe00,
        _ => u16::from(b / 128) * 0x8000 + u16::from(b % 128) * 128,
    }
}

pub(super) fn multiply(s: &State, m: &mut Matrix, text: &str, rs: u32, rt: u32) {
    let Some((activation, ars, art)) = s.packet.activation else {
        return;
    };
    let kind = text.split(['.', ' ']).nth(1).unwrap_or_default();
    let form = text.rsplit(')').next().unwrap_or_default();
    let mut load = load(activation, ars, art);
    if rt >= 1 << 31 {
        return;
    }
    let (nx, ny) = load.places.count();
    let (fx, _) = load.places.numbers(ars);
    let x_taps: Vec<u32> = match form {
        ":single" => vec![fx],
        ":deep" => vec![0],
        ":after" => (fx..nx).collect(),
        ":dilate" => (0..=fx).filter(|t| t % 2 == 0).collect(),
        _ => (0..=fx).collect(),
    };
    let drop = form == ":drop" || form == ":deep";
    let sets = if form == ":deep" { 2 } else { 1 };
    let base = rs / 128 * 128;
    let float = kind == "hf" || kind == "f8";
    let per = match kind {
        "hf" => 2,
        "b" | "sm" | "f8" => 4,
        "n" => 8,
        "c" | "sc" => 16,
        _ => 32,
    };
    if per > 4 {
        (load.first, load.end) = (0, 32);
    }
    let bytes = 65536 / (per / 4).max(1);
    let vectors = (rt / 128 + 1).min(bytes / 128);
    let (mut stream, mut cycles) = (0, 512);
    let bf16 = rs & 64 != 0 && kind == "hf" && s.arch >= hexagon_isa::Arch::V81;
    let factor = |raw: u16| Factor::read(raw, bf16, s.usr);
    for tile in 0..load.tiles {
        let mut first = if tile == 0 { load.first } else { 0 };
        let mut end = if tile + 1 == load.tiles { load.end } else { 32 };
        if float {
            (first, end) = (first / 8 * 8, end.div_ceil(8) * 8);
        }
        let taps = load.taps.iter().flat_map(|y| (0..sets).map(move |k| (*y, k)));
        for ((ty, other), tx) in taps.flat_map(|t| x_taps.iter().map(move |x| (t, *x))) {
            // Where output (x, y) gets its input of channel c, and whether it belongs to the other accumulators.
            let input = |x: u32, y: u32, c: u32| {
                let below = if y + ty >= ny { load.below } else { 0 };
                let place = load.places.address((x + nx - tx) % nx, (y + ty) % ny);
                (
                    load.base.wrapping_add(below) + tile * 2048 + place + c * load.places.stride,
                    x < tx,
                )
            };
            if !float {
                for c in first..end {
                    if (c - first) % per == 0 {
                        if cycles == 0 {
                            return;
                        }
                        cycles -= 1;
                    }
                    if stream / per < vectors {
                        let w = weights(s, base, kind, stream);
                        for (x, y) in (0..nx).flat_map(|x| (0..ny).map(move |y| (x, y))) {
                            let at = load.places.position(load.places.address(x, y));
                            for group in (0..32).step_by(load.group as usize) {
                                let (from, over) = input(x, y, c + group);
                                if over && drop {
                                    continue;
                                }
                                let set = (m.sums_now + other + usize::from(over)) % 2;
                                let a = i64::from(byte(s, from));
                                let row = m.sums[set][at].iter_mut().zip(w);
                                for (sum, w) in row.skip(group as usize).take(load.group as usize) {
                                    *sum = (i64::from(*sum) + w * a) as i32;
                                }
                            }
                        }
                    }
                    stream += 1;
                }
                continue;
            }
            let g = load.group;
            for chunk in (0..32).step_by(8) {
                let inside = if g < 8 { 0 } else { chunk % g };
                if g >= 8 && !(first..end).contains(&inside) {
                    continue;
                }
                let at = |c: u32| stream + if g < 8 { c % g } else { c % g - first };
                if at(chunk) / per >= vectors {
                    continue;
                }
                let span = g.max(16);
                let columns: Vec<(usize, Vec<Factor>)> = (0..32u32)
                    .filter(|o| o / span == chunk / span)
                    .map(|o| {
                        let of = |c| {
                            let raw = half(s, base, kind == "f8", at(c), o);
                            let gone = at(c) / per >= vectors || c / g != o / g;
                            factor(if gone {
                                0
                            } else {
                                raw ^ if rs & 32 != 0 { 0x8000 } else { 0 }
                            })
                        };
                        (o as usize, (chunk..chunk + 8).map(of).collect())
                    })
                    .collect();
                for (x, y) in (0..nx).flat_map(|x| (0..ny).map(move |y| (x, y))) {
                    let (_, over) = input(x, y, 0);
                    if over && drop {
                        continue;
                    }
                    let of = |c| {
                        let (from, _) = input(x, y, c);
                        factor(if activation.contains(".f8") {
                            widen(byte(s, from + ars % 2))
                        } else {
                            u16::from(byte(s, from)) + 256 * u16::from(byte(s, from + 1))
                        })
                    };
                    let a: Vec<Factor> = (chunk..chunk + 8).map(of).collect();
                    let set = (m.cells_now + other + usize::from(over)) % 2;
                    let row = load.places.position(load.places.address(x, y)) / 2;
                    for (o, w) in &columns {
                        let cell = &mut m.cells[set][row][*o];
                        *cell = reduce(*cell, &a, w, s.usr);
                    }
                }
            }
            stream += if g < 8 { g } else { end - first };
        }
    }
}
