//! Every instruction that has a second model, with random and edge-case operands, there and on our core.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use emu_core::VectorUnit;
use hexagon_isa::info::{Feature, Flags, Implicit, OperandClass, Role};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet, decode_packet, ir};

use super::{AREA_BASE, AREA_BYTES, Model, Runner, State, matrix, model};
use crate::difftest::input;
use crate::difftest::program::{POOL_VECTORS, insn, pool};
use crate::difftest::random::Random;

/// Architectures whose meanings may differ.
const ARCHES: [Arch; 5] = [Arch::V68, Arch::V73, Arch::V75, Arch::V79, Arch::V81];
/// Inputs for each packet.
const INPUTS: usize = 10;

/// What was compared.
#[derive(Debug, Default)]
pub struct Compared {
    /// Cases of each instruction.
    pub cases: BTreeMap<Opcode, u64>,
    /// The first difference of each instruction that has one.
    pub differ: BTreeMap<Opcode, String>,
}

/// The instructions that have a model.
pub fn modelled() -> impl Iterator<Item = (Opcode, Model)> {
    Opcode::all().filter_map(|op| model(op.info().name).map(|m| (op, m)))
}

/// Compares `cases` inputs or a few more of each instruction; `wanted` chooses.
///
/// # Errors
/// No memory for a core.
pub fn compare(seed: u64, cases: usize, wanted: &dyn Fn(Opcode) -> bool) -> anyhow::Result<Compared> {
    let mut compared = Compared::default();
    let mut runners = BTreeMap::new();
    let units = VectorUnit::all();
    let vectors = pool(&mut Random::of(&[seed, 5]));
    let units_before = matrix::pool(&mut Random::of(&[seed, 7]));
    for (op, meaning) in modelled().filter(|(op, _)| wanted(*op)) {
        let mut rng = Random::of(&[seed, 6, op as u64]);
        let arches: Vec<Arch> = ARCHES.into_iter().filter(|a| *a >= op.info().arch).collect();
        let packets = cases.div_ceil(INPUTS);
        for k in 0..packets {
            let arch = arches.get(k % arches.len().max(1)).copied().unwrap_or(Arch::V81);
            // Every copy of the instructions on vectors has its turn on each architecture.
            let turn = k / arches.len().max(1) % units.len();
            let runner = match runners.entry((arch, turn)) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(place) => place.insert(Runner::new(arch, units[turn])?),
            };
            let matrix = op.info().feature == Some(Feature::Hmx);
            let case = if matrix {
                matrix::packet(op, meaning, arch, &mut rng)
            } else {
                packet(op, meaning, arch, &mut rng)
            };
            let Some(case) = case else {
                compared.differ.insert(op, "no legal packet was found".to_owned());
                break;
            };
            let ready = runner.ready(&case.insns)?;
            for _ in 0..INPUTS {
                let mut before = state(arch, &case, &vectors, &mut rng);
                if matrix {
                    matrix::fill(&mut before, &case, &units_before, &mut rng);
                }
                let mut expected = before.clone();
                for (op, meaning, v) in &case.steps {
                    expected.packet.syntax = op.info().syntax;
                    meaning(&mut expected, v);
                }
                *compared.cases.entry(op).or_default() += 1;
                let wrong = match runner.run(ready, &before) {
                    Ok(after) if after == expected => continue,
                    Ok(after) => differences(&after, &expected),
                    Err(e) => format!("{e:#}"),
                };
                compared
                    .differ
                    .entry(op)
                    .or_insert_with(|| format!("on {arch}, {:?}: {wrong}", text(&case.insns, arch)));
            }
        }
    }
    Ok(compared)
}

/// A packet, and what the models do in which order.
pub(super) struct Case {
    pub insns: Vec<Insn>,
    pub steps: Vec<(Opcode, Model, Vec<i32>)>,
    /// General registers that hold addresses in the area.
    pub bases: Vec<usize>,
    /// Modifier registers are lengths of regions, and some vectors are offsets into them.
    pub region: bool,
}

/// A packet with `op` and those without which it means nothing: the load of a histogram, the store of a gather.
fn packet(op: Opcode, meaning: Model, arch: Arch, rng: &mut Random) -> Option<Case> {
    for _ in 0..50 {
        let mut used = Used::default();
        let info = op.info();
        let gather = info.defs.contains(&Implicit::VTMP);
        let mut case = Case {
            insns: Vec::new(),
            steps: Vec::new(),
            bases: Vec::new(),
            region: gather || info.name.starts_with("V6_vscatter"),
        };
        let takes_new = info.operands.iter().any(|o| o.new);
        let histogram = info.units == "ALL" || info.syntax.contains("hist");
        if takes_new {
            let partner = Opcode::from_name("V6_vgathermw")?;
            let v = operands(partner, &mut used, &mut case, rng);
            case.steps.push((partner, model(partner.info().name)?, v.clone()));
            case.insns.push(insn(partner, &v, None));
            case.region = true;
        }
        let v = operands(op, &mut used, &mut case, rng);
        let load = Opcode::from_name("V6_vL32b_tmp_ai")?;
        if histogram {
            let v = operands(load, &mut used, &mut case, rng);
            case.steps.push((load, model(load.info().name)?, v));
        }
        case.steps.push((op, meaning, v.clone()));
        case.insns.push(insn(op, &v, takes_new.then_some(0)));
        if let (true, Some((_, _, v))) = (histogram, case.steps.first()) {
            case.insns.push(insn(load, v, None));
        }
        if gather {
            let store = Opcode::from_name("V6_vS32b_new_ai")?;
            let mut v = operands(store, &mut used, &mut case, rng);
            if let Some(last) = v.last_mut() {
                *last = Insn::VTMP;
            }
            case.steps.push((store, model(store.info().name)?, v.clone()));
            case.insns.push(insn(store, &v, Some(0)));
        }
        let legal =
            assemble_packet(&case.insns, EndLoop::None, false).is_ok_and(|w| decode_packet(&w, arch).is_ok());
        if legal {
            return Some(case);
        }
    }
    None
}

/// Registers that the packet's instructions name.
#[derive(Default)]
struct Used {
    general: u32,
    vectors: u32,
    predicates: u32,
}

fn free(taken: &mut u32, among: u32, pair: bool, rng: &mut Random) -> i32 {
    loop {
        let r = rng.below(among) & if pair { !1 } else { !0 };
        let mask = if pair { 3 << r } else { 1 << r };
        if *taken & mask == 0 {
            *taken |= mask;
            return r as i32;
        }
    }
}

fn operands(op: Opcode, used: &mut Used, case: &mut Case, rng: &mut Random) -> Vec<i32> {
    let info = op.info();
    let fx = ir::effects(op).copied().unwrap_or_default();
    let memory = fx.load || fx.store || case.region;
    let mut all: Vec<i32> = Vec::new();
    for o in info.operands {
        let narrow = o.class == OperandClass::Gpr && o.width == 3;
        let value = match o.class {
            OperandClass::Vec if o.new => Insn::VTMP,
            OperandClass::Vec => free(&mut used.vectors, 32, false, rng),
            OperandClass::VecPair => free(&mut used.vectors, 32, true, rng),
            OperandClass::VecQuad => 4 * rng.below(8) as i32,
            OperandClass::VecPred => free(&mut used.predicates, 4, false, rng),
            OperandClass::Gpr => free(&mut used.general, if narrow { 8 } else { 28 }, false, rng),
            OperandClass::GprPair => free(&mut used.general, 28, true, rng),
            OperandClass::Pred => rng.below(4) as i32,
            OperandClass::Mod => rng.below(2) as i32,
            _ => {
                let width = u32::from(o.width.min(31));
                let mut raw = (rng.bits() & ((1u32 << width) - 1)) as i32;
                if o.signed && width < 31 {
                    raw = raw << (32 - width) >> (32 - width);
                }
                if memory {
                    raw = raw.clamp(-2, 2);
                }
                raw << o.scale
            }
        };
        if memory && o.class == OperandClass::Gpr && matches!(o.name, "Rt" | "Rx" | "Rs") {
            case.bases.push(value as usize);
        }
        all.push(value);
    }
    // Vectors that are only read may be the same one.
    if rng.one_in(6) && !memory {
        let reads: Vec<usize> = (0..all.len())
            .filter(|&i| info.operands[i].class == OperandClass::Vec && info.operands[i].role == Role::Read)
            .collect();
        if let [a, b, ..] = reads[..] {
            all[b] = all[a];
        }
    }
    all
}

fn state(arch: Arch, case: &Case, vectors: &[u8], rng: &mut Random) -> State {
    let mut s = State::new(arch);
    let float = rng.one_in(2);
    s.r.fill_with(|| {
        if float {
            input::float(rng)
        } else {
            input::word(rng)
        }
    });
    s.p.fill_with(|| rng.pick(&[0, 0xff, 0xff, 0xfe, 1]));
    for v in &mut s.v {
        let at = 128 * rng.below(POOL_VECTORS) as usize;
        v.copy_from_slice(&vectors[at..at + 128]);
    }
    s.q.fill_with(|| match rng.below(4) {
        0 => 0,
        1 => u128::MAX,
        _ => (0..4).fold(0, |q, _| q << 32 | u128::from(rng.bits())),
    });
    let at = 128 * rng.below(POOL_VECTORS - 1) as usize;
    s.z.copy_from_slice(&vectors[at..at + 256]);
    let shift = rng.bits() as usize % (vectors.len() - AREA_BYTES as usize);
    s.mem
        .copy_from_slice(&vectors[shift..shift + AREA_BYTES as usize]);
    for b in &case.bases {
        s.r[*b] = AREA_BASE + 2048 + rng.below(AREA_BYTES - 6144);
    }
    if case.region {
        let length = 1 + rng.below(1024);
        s.m.fill(length - 1);
        for v in s.v.iter_mut().step_by(1 + rng.below(2) as usize) {
            let wide = rng.one_in(2);
            for offset in v.chunks_exact_mut(if wide { 4 } else { 2 }) {
                let value = match rng.below(8) {
                    0 => rng.bits(),
                    1 => length.wrapping_sub(rng.below(8)),
                    2 => rng.below(8),
                    _ => rng.below(length + length / 2),
                };
                offset.copy_from_slice(&value.to_le_bytes()[..offset.len()]);
            }
        }
    }
    s
}

fn text(insns: &[Insn], arch: Arch) -> String {
    let words = assemble_packet(insns, EndLoop::None, false).unwrap_or_default();
    decode_packet(&words, arch).map_or_else(|e| e.to_string(), |p| p.print(0))
}

fn differences(ours: &State, expected: &State) -> String {
    let mut out = Vec::new();
    for (k, (a, b)) in ours.r.iter().zip(&expected.r).enumerate() {
        if a != b {
            out.push(format!("r{k} is {a:08x}, model {b:08x}"));
        }
    }
    if (ours.p, ours.usr, ours.m) != (expected.p, expected.usr, expected.m) {
        out.push(format!(
            "p {:02x?} usr {:08x}, model {:02x?} {:08x}",
            ours.p, ours.usr, expected.p, expected.usr
        ));
    }
    for (k, (a, b)) in ours.v.iter().zip(&expected.v).enumerate() {
        if let Some(at) = (0..128).find(|i| a[*i] != b[*i]) {
            let at = at & !3;
            out.push(format!(
                "v{k} byte {at}: {:02x?}, model {:02x?}",
                &a[at..at + 4],
                &b[at..at + 4]
            ));
        }
    }
    for (k, (a, b)) in ours.q.iter().zip(&expected.q).enumerate() {
        if a != b {
            out.push(format!("q{k} is {a:032x}, model {b:032x}"));
        }
    }
    if let Some(at) = (0..ours.mem.len()).find(|i| ours.mem[*i] != expected.mem[*i]) {
        out.push(format!("memory from byte {at:#x} on"));
    }
    if ours.z != expected.z {
        out.push("Z".to_owned());
    }
    if let (Some(a), Some(b)) = (&ours.matrix, &expected.matrix) {
        out.extend(a.difference(b));
    }
    if out.is_empty() {
        out.push("hidden state".to_owned());
    }
    out.join(", ")
}

/// Vector instructions among those modelled, for the totals of tests.
#[must_use]
pub fn vector(op: Opcode) -> bool {
    op.info().flags.any(Flags::HVX)
}
