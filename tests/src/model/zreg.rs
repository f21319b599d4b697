//! The Z register: loads and the multiplies by it. A product is written here as a matrix product, the way the public program
//! lays its data out: Z holds rows of bytes 32 apart, a vector holds four bytes for each of 32 columns, and each of the four
//! result vectors belongs to one row.

use super::{Model, State};

pub(super) fn model(name: &str) -> Option<Model> {
    Some(match name {
        "V6_zLd_ai" => load_offset,
        "V6_zLd_pi" => load_then_add,
        "V6_zLd_ppu" => load_then_add_modifier,
        "V6_zLd_pred_ai" => |s, v| {
            if s.p[v[0] as usize] % 2 == 1 {
                load_offset(s, &v[1..])
            }
        },
        "V6_zLd_pred_pi" => |s, v| {
            if s.p[v[0] as usize] % 2 == 1 {
                load_then_add(s, &v[1..])
            }
        },
        "V6_zLd_pred_ppu" => |s, v| {
            if s.p[v[0] as usize] % 2 == 1 {
                load_then_add_modifier(s, &v[1..])
            }
        },
        "V6_vrmpyzbb_rt" => |s, v| product(s, v, true, false, 0),
        "V6_vrmpyzbb_rt_acc" => |s, v| product(s, v, true, true, 0),
        "V6_vrmpyzbb_rx" => |s, v| product(s, v, true, false, 4),
        "V6_vrmpyzbb_rx_acc" => |s, v| product(s, v, true, true, 4),
        "V6_vrmpyzbub_rt" => |s, v| product(s, v, false, false, 0),
        "V6_vrmpyzbub_rt_acc" => |s, v| product(s, v, false, true, 0),
        "V6_vrmpyzbub_rx" => |s, v| product(s, v, false, false, 4),
        "V6_vrmpyzbub_rx_acc" => |s, v| product(s, v, false, true, 4),
        _ => return None,
    })
}

/// Bytes from `address` on, rounded down to a vector, go to where their addresses' low bits say.
fn load(s: &mut State, address: u32) {
    let from = address / 128 * 128;
    for byte in from..from + 128 {
        s.z[byte as usize % 256] = s.mem[(byte - super::AREA_BASE) as usize];
    }
}

/// Rt, vectors to go on by (in bytes here).
fn load_offset(s: &mut State, v: &[i32]) {
    let by = 128 * i64::from(v[1]);
    load(s, (i64::from(s.r[v[0] as usize]) + by) as u32);
}

/// Rx, vectors to go on by afterwards.
fn load_then_add(s: &mut State, v: &[i32]) {
    let x = s.r[v[0] as usize];
    load(s, x);
    s.r[v[0] as usize] = (i64::from(x) + 128 * i64::from(v[1])) as u32;
}

/// Rx, modifier.
fn load_then_add_modifier(s: &mut State, v: &[i32]) {
    let x = s.r[v[0] as usize];
    load(s, x);
    s.r[v[0] as usize] = (u64::from(x) + u64::from(s.m[v[1] as usize])) as u32;
}

/// Quad, Vu, Rt or Rx.
fn product(s: &mut State, v: &[i32], signed: bool, add: bool, step: u32) {
    let (quad, factor, pointer) = (v[0] as usize, s.v[v[1] as usize], s.r[v[2] as usize]);
    // The first row begins 100 places before the pointer's.
    let first = i64::from(pointer) - 100;
    for row in 0..4 {
        for column in 0..32 {
            let mut sum = 0;
            for k in 0..4 {
                let place = (first + 32 * row + k).rem_euclid(256) as usize;
                let z = i64::from(s.z[place]);
                let z = if signed && z > 127 { z - 256 } else { z };
                let b = i64::from(factor[4 * column + k as usize] as i8);
                sum += z * b;
            }
            let to = &mut s.v[quad + row as usize][4 * column..4 * column + 4];
            if add {
                sum += i64::from(i32::from_le_bytes([to[0], to[1], to[2], to[3]]));
            }
            to.copy_from_slice(&(sum as i32).to_le_bytes());
        }
        s.hidden[quad + row as usize] = State::HIDDEN;
    }
    s.r[v[2] as usize] = pointer.wrapping_add(step);
}
