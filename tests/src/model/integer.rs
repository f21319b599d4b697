//! Integer instructions that qemu-hexagon does not know: `valign4` (V81) and the deprecated encodings of three scalar ones.
//!
//! Sources: the vendor's public simulator for `valign4` (in each word, the upper bytes of Vu:Vv after a shift by Rt[1:0]
//! bytes); the deprecated encodings mean what the ones that replaced them mean (PRM).

use super::{Model, State};

pub(super) fn model(name: &str) -> Option<Model> {
    Some(match name {
        "V6_valign4" => valign4,
        "dep_A2_addsat" => addsat,
        "dep_A2_subsat" => subsat,
        "dep_S2_packhl" => packhl,
        _ => return None,
    })
}

/// Vd, Vu, Vv, Rt.
fn valign4(s: &mut State, v: &[i32]) {
    let (d, u, w) = (v[0] as usize, v[1] as usize, v[2] as usize);
    let shift = (s.r[v[3] as usize] & 3) as usize;
    let mut out = [0; 128];
    for word in 0..32 {
        for byte in 0..4 {
            // Counted from the top: the four bytes of Vu's word, then those of Vv's.
            let from = 3 - byte + shift;
            out[4 * word + byte] = if from < 4 {
                s.v[u][4 * word + 3 - from]
            } else {
                s.v[w][4 * word + 7 - from]
            };
        }
    }
    s.v[d] = out;
}

/// `value` held to 32 bits; what was cut off shows in USR.OVF.
fn saturated(s: &mut State, value: i64) -> u32 {
    let held = value.clamp(-0x8000_0000, 0x7fff_ffff);
    if held != value {
        s.usr |= 1;
    }
    held as u32
}

/// Rd, Rs, Rt.
fn addsat(s: &mut State, v: &[i32]) {
    let (a, b) = (s.r[v[1] as usize] as i32, s.r[v[2] as usize] as i32);
    s.r[v[0] as usize] = saturated(s, i64::from(a) + i64::from(b));
}

/// Rd, Rt, Rs: Rt - Rs.
fn subsat(s: &mut State, v: &[i32]) {
    let (a, b) = (s.r[v[1] as usize] as i32, s.r[v[2] as usize] as i32);
    s.r[v[0] as usize] = saturated(s, i64::from(a) - i64::from(b));
}

/// Rdd, Rs, Rt: high halves above low halves, Rs's before Rt's.
fn packhl(s: &mut State, v: &[i32]) {
    let (a, b) = (s.r[v[1] as usize], s.r[v[2] as usize]);
    s.r[v[0] as usize] = (a & 0xffff) << 16 | b & 0xffff;
    s.r[v[0] as usize + 1] = a & 0xffff_0000 | b >> 16;
}
