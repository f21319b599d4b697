//! Gather and scatter as the manual describes them, and histograms. qemu-hexagon drops no element, and is no oracle for
//! those that lie outside their region.
//!
//! The rules (HVX PRM): the region begins at Rt, aligned down to the element's size, and its length less one is in Mu, of which
//! the bits below the element's size count as ones. An element is in the region if each of its bytes is; others do nothing.
//! Offsets are unsigned; a scatter that adds aligns them. A predicate chooses single bytes. Elements go in order. A gather's
//! result is seen only by the packet's `vtmp.new` store, which leaves bytes alone that were not gathered.

use super::{AREA_BASE, Model, State};

pub(super) fn model(name: &str) -> Option<Model> {
    Some(match name {
        "V6_vgathermh" => |s, v| gather(s, v, 2, HALVES, false),
        "V6_vgathermw" => |s, v| gather(s, v, 4, WORDS, false),
        "V6_vgathermhw" => |s, v| gather(s, v, 2, PAIR, false),
        "V6_vgathermhq" => |s, v| gather(s, v, 2, HALVES, true),
        "V6_vgathermwq" => |s, v| gather(s, v, 4, WORDS, true),
        "V6_vgathermhwq" => |s, v| gather(s, v, 2, PAIR, true),
        "V6_vscattermh" => |s, v| scatter(s, v, 2, HALVES, false),
        "V6_vscattermw" => |s, v| scatter(s, v, 4, WORDS, false),
        "V6_vscattermhw" => |s, v| scatter(s, v, 2, PAIR, false),
        "V6_vscattermhq" => |s, v| scatter(s, v, 2, HALVES, true),
        "V6_vscattermwq" => |s, v| scatter(s, v, 4, WORDS, true),
        "V6_vscattermhwq" => |s, v| scatter(s, v, 2, PAIR, true),
        "V6_vscattermh_add" => |s, v| add(s, v, 2, HALVES),
        "V6_vscattermw_add" => |s, v| add(s, v, 4, WORDS),
        "V6_vscattermhw_add" => |s, v| add(s, v, 2, PAIR),
        "V6_vS32b_new_ai" => store_gathered,
        "V6_vS32b_srls_ai" => |_, _| (),
        "V6_vL32b_tmp_ai" => load_temporary,
        "V6_vhist" => |s, _| histogram(s, None),
        "V6_vhistq" => |s, v| histogram(s, Some(v[0] as usize)),
        "V6_vwhist128" => |s, _| weighted(s, None, 4, None, false),
        "V6_vwhist128m" => |s, v| weighted(s, None, 4, Some(v[0] as u8), false),
        "V6_vwhist128q" => |s, v| weighted(s, Some(v[0] as usize), 4, None, false),
        "V6_vwhist128qm" => |s, v| weighted(s, Some(v[0] as usize), 4, Some(v[1] as u8), false),
        "V6_vwhist256" => |s, _| weighted(s, None, 2, None, false),
        "V6_vwhist256_sat" => |s, _| weighted(s, None, 2, None, true),
        "V6_vwhist256q" => |s, v| weighted(s, Some(v[0] as usize), 2, None, false),
        "V6_vwhist256q_sat" => |s, v| weighted(s, Some(v[0] as usize), 2, None, true),
        _ => return None,
    })
}

/// Bytes of an offset, and whether the odd elements' are in a second vector.
type Offsets = (usize, bool);
const HALVES: Offsets = (2, false);
const WORDS: Offsets = (4, false);
const PAIR: Offsets = (4, true);

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// The address of element `k` of the vector (or pair) `n`; `None` if it is not in the region.
fn address(
    s: &State,
    v: &[i32],
    n: usize,
    k: usize,
    size: u64,
    offsets: Offsets,
    align: bool,
) -> Option<u32> {
    let (width, pair) = offsets;
    let (register, k) = if pair {
        // An odd register names the pair the other way round.
        (n ^ (k & 1), k / 2)
    } else {
        (n, k)
    };
    let mut offset = number(&s.v[register][width * k..width * (k + 1)]);
    if align {
        offset -= offset % size;
    }
    let rt = u64::from(s.r[v[0] as usize]);
    let base = rt - rt % size;
    let last = u64::from(s.m[v[1] as usize]) | (size - 1);
    (offset + size - 1 <= last).then(|| (base + offset) as u32)
}

fn cell(s: &mut State, va: u32) -> &mut u8 {
    &mut s.mem[(va - AREA_BASE) as usize]
}

fn chosen(s: &State, q: Option<usize>, byte: usize) -> bool {
    q.is_none_or(|q| s.q[q] >> byte & 1 != 0)
}

/// Operands: Qs, Rt, Mu, Vv or Rt, Mu, Vv.
fn gather(s: &mut State, v: &[i32], size: usize, offsets: Offsets, masked: bool) {
    let (q, v) = if masked {
        (Some(v[0] as usize), &v[1..])
    } else {
        (None, v)
    };
    let mut out = [None; 128];
    for k in 0..128 / size {
        let Some(va) = address(s, v, v[2] as usize, k, size as u64, offsets, false) else {
            continue;
        };
        for b in 0..size {
            if chosen(s, q, size * k + b) {
                out[size * k + b] = Some(*cell(s, va + b as u32));
            }
        }
    }
    s.packet.gathered = out;
}

/// Rt, Ii, Os, of which the last is what was gathered.
fn store_gathered(s: &mut State, v: &[i32]) {
    let va = s.r[v[0] as usize].wrapping_add((v[1] * 128) as u32) & !127;
    for (k, byte) in s.packet.gathered.into_iter().enumerate() {
        if let Some(byte) = byte {
            *cell(s, va + k as u32) = byte;
        }
    }
}

/// Operands: Qs, Rt, Mu, Vv, Vw or Rt, Mu, Vv, Vw.
fn scatter(s: &mut State, v: &[i32], size: usize, offsets: Offsets, masked: bool) {
    let (q, v) = if masked {
        (Some(v[0] as usize), &v[1..])
    } else {
        (None, v)
    };
    for k in 0..128 / size {
        let Some(va) = address(s, v, v[2] as usize, k, size as u64, offsets, false) else {
            continue;
        };
        for b in 0..size {
            if chosen(s, q, size * k + b) {
                *cell(s, va + b as u32) = s.v[v[3] as usize][size * k + b];
            }
        }
    }
}

/// Operands: Rt, Mu, Vv, Vw.
fn add(s: &mut State, v: &[i32], size: usize, offsets: Offsets) {
    for k in 0..128 / size {
        let Some(va) = address(s, v, v[2] as usize, k, size as u64, offsets, true) else {
            continue;
        };
        let mut carry = 0;
        for b in 0..size {
            let addend = u32::from(s.v[v[3] as usize][size * k + b]);
            let at = cell(s, va + b as u32);
            let sum = u32::from(*at) + addend + carry;
            *at = sum as u8;
            carry = sum >> 8;
        }
    }
}

/// Vd, Rt, Ii: what it brings is seen by the packet's histogram.
fn load_temporary(s: &mut State, v: &[i32]) {
    let va = s.r[v[1] as usize].wrapping_add((v[2] * 128) as u32) & !127;
    let at = (va - AREA_BASE) as usize;
    s.packet.temporary = s.mem[at..at + 128].try_into().ok();
}

/// Counts bytes: bits 7:3 are a register, bits 2:0 a halfword of the byte's group of sixteen.
fn histogram(s: &mut State, q: Option<usize>) {
    let Some(input) = s.packet.temporary else { return };
    for (k, byte) in input.into_iter().enumerate() {
        if chosen(s, q, k) {
            let at = 2 * (k / 16 * 8 + usize::from(byte % 8));
            let counter = &mut s.v[usize::from(byte / 8)][at..at + 2];
            let count = number(counter) + 1;
            counter.copy_from_slice(&count.to_le_bytes()[..2]);
        }
    }
}

/// Adds each halfword's upper byte to the counter of `size` bytes that its lower byte names: bits 7:3 are a register, the
/// others choose a counter of the sixteen bytes that the halfword's place stands for.
fn weighted(s: &mut State, q: Option<usize>, size: usize, parity: Option<u8>, saturate: bool) {
    let Some(input) = s.packet.temporary else { return };
    for k in 0..64 {
        let (bucket, weight) = (input[2 * k], u64::from(input[2 * k + 1]));
        if !chosen(s, q, 2 * k) || parity.is_some_and(|p| bucket % 2 != p) {
            continue;
        }
        let inside = if size == 2 { bucket % 8 } else { bucket % 8 / 2 };
        let at = 16 * (k / 8) + size * usize::from(inside);
        let counter = &mut s.v[usize::from(bucket / 8)][at..at + size];
        let mut sum = number(counter) + weight;
        if saturate {
            sum = sum.min(0xffff);
        }
        counter.copy_from_slice(&sum.to_le_bytes()[..size]);
    }
}
