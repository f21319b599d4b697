//! Packets and states for the matrix unit's instructions: loads in pairs, addresses whose tiles and weights lie in the area,
//! and everything that the low bits of the registers can say.

use hexagon_isa::{Arch, EndLoop, Opcode, assemble_packet, decode_packet};

use super::compare::Case;
use super::{AREA_BASE, AREA_BYTES, Matrix, Model, State, model};
use crate::difftest::program::insn;
use crate::difftest::random::Random;

/// Bytes of a tile, and of a vector of weights.
const TILE: u32 = 2048;
const VECTOR: u32 = 128;

/// States of the unit to choose from.
pub(super) fn pool(rng: &mut Random) -> Vec<Matrix> {
    (0..6).map(|_| Matrix::random(&mut || rng.bits())).collect()
}

fn is_load(op: Opcode) -> bool {
    let text = op.info().syntax;
    text.starts_with("activation") || text.starts_with("weight")
}

fn float(op: Opcode) -> bool {
    let text = op.info().syntax;
    text.contains(".hf") || text.contains(".f8")
}

/// Weights of fewer than eight bits.
fn few_bits(op: Opcode) -> bool {
    [".n ", ".c ", ".sc ", ".ubit ", ".sbit "]
        .iter()
        .any(|k| op.info().syntax.contains(k))
}

/// The instruction alone, or with the load that it belongs to.
pub(super) fn packet(op: Opcode, meaning: Model, arch: Arch, rng: &mut Random) -> Option<Case> {
    let mut steps: Vec<(Opcode, Model)> = vec![(op, meaning)];
    if is_load(op) {
        let weights = op.info().syntax.starts_with("weight");
        let partners: Vec<Opcode> = Opcode::all()
            .filter(|p| {
                let text = p.info().syntax;
                let other = if weights { "activation" } else { "weight" };
                text.starts_with(other) && float(*p) == float(op) && model(p.info().name).is_some()
            })
            .collect();
        let partner = rng.pick(&partners);
        steps.insert(usize::from(!weights), (partner, model(partner.info().name)?));
    }
    let mut case = Case {
        insns: Vec::new(),
        steps: Vec::new(),
        bases: Vec::new(),
        region: false,
    };
    let mut registers: Vec<i32> = (0..28).collect();
    for (op, meaning) in steps {
        let v: Vec<i32> = op
            .info()
            .operands
            .iter()
            .map(|_| registers.remove(rng.below(registers.len() as u32) as usize))
            .collect();
        case.insns.push(insn(op, &v, None));
        case.steps.push((op, meaning, v));
    }
    let words = assemble_packet(&case.insns, EndLoop::None, false).ok()?;
    decode_packet(&words, arch).is_ok().then_some(case)
}

/// The unit's state, and registers with which nothing outside of the area is touched.
pub(super) fn fill(s: &mut State, case: &Case, pool: &[Matrix], rng: &mut Random) {
    s.matrix = Some(Box::new(pool[rng.below(pool.len() as u32) as usize].clone()));
    s.usr = if rng.one_in(2) { 0 } else { rng.below(4) << 20 };
    let few = case.steps.iter().any(|(op, ..)| few_bits(*op));
    // Half floats that are neither tiny nor huge, now and then.
    if rng.one_in(2) {
        for half in s.mem.chunks_exact_mut(2) {
            half[1] = half[1] & 0x83 | 0x30 | (half[0] & 3) << 2;
        }
    }
    for (op, _, v) in &case.steps {
        let text = op.info().syntax;
        let low = rng.bits() % TILE;
        let (mut rs, mut rt) = (0, 0);
        let tiles = AREA_BYTES / TILE;
        let tile = rng.below(tiles);
        if text.starts_with("activation") {
            rs = AREA_BASE + tile * TILE + low;
            let end = rng.bits() % TILE;
            rt = if text.contains(":deep") {
                (rng.below(tiles - tile) * TILE) | end
            } else {
                rng.below(tiles).wrapping_sub(tile).wrapping_mul(TILE) | end
            };
            match rng.below(8) {
                // As programs do it: everything is Y, all channels.
                0..4 => (rs, rt) = (rs & !(TILE - 1), rt | (TILE - 1)),
                4 => rs &= !(TILE - 1),
                5 if text.contains(":deep") => rt |= 1 << 31,
                _ => {}
            }
            if few {
                // No groups.
                rs &= !if text.ends_with(":cm") { 0x1f } else { 0x7c };
            }
        } else if text.starts_with("weight") {
            let most = AREA_BYTES / VECTOR;
            let first = rng.below(most);
            rs = (AREA_BASE + first * VECTOR + low % VECTOR) & !0x10;
            let some = if rng.one_in(8) {
                most - first
            } else {
                (most - first).min(10)
            };
            rt = rng.below(some * VECTOR);
            if rng.one_in(32) {
                rt |= 1 << 31;
            }
        } else if text.starts_with("cvt") {
            rs = rng.bits();
            if text.contains(".uh") || rng.one_in(2) {
                rs &= !0xc;
            }
        } else if text.contains("bias") {
            rs = AREA_BASE + rng.below(AREA_BYTES);
        } else if !v.is_empty() {
            rs = AREA_BASE + tile * TILE + if rng.one_in(3) { 0 } else { low };
            let distance = rng.below(tiles).wrapping_sub(tile).wrapping_mul(TILE);
            rt = distance | if rng.one_in(3) { 0 } else { rng.bits() % TILE };
        }
        for (register, value) in v.iter().zip([rs, rt]) {
            s.r[*register as usize] = value;
        }
    }
}
