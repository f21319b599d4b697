//! Instructions on vectors: all of them, alone and in loops whose registers are held.

use hexagon_isa::info::OperandClass;
use hexagon_isa::{decode_packet, facts::PacketFacts};

use super::super::vector::{Features, Held, Member, assemble, part};
use super::*;

/// A small generator: values that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        let x = self.0 ^ self.0 >> 33;
        x.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 16
    }

    fn below(&mut self, n: u64) -> i32 {
        (self.next() % n) as i32
    }

    /// Lanes of which many are at a type's ends.
    fn vector(&mut self) -> [u8; 128] {
        let mut v = [0; 128];
        for word in v.chunks_exact_mut(4) {
            let ends = [
                0,
                1,
                0x7f,
                0x80,
                0xff,
                0x7fff,
                0x8000,
                0xffff,
                0x7fff_ffff,
                0x8000_0000,
                u32::MAX,
            ];
            let x = self.next() as u32;
            let w = if self.below(2) == 0 {
                x
            } else {
                ends[x as usize % ends.len()]
            };
            word.copy_from_slice(&w.to_le_bytes());
        }
        v
    }
}

/// An instruction with operands of its classes; `None` if it has one that is not for random values.
fn with_operands(op: Opcode, r: &mut Random) -> Option<Insn> {
    let info = Insn::with_operands(op, &[]).info();
    if info.operands.iter().any(|o| o.new) {
        return None;
    }
    let operands: Option<Vec<i32>> = info
        .operands
        .iter()
        .map(|o| match o.class {
            OperandClass::Vec => Some(r.below(32)),
            OperandClass::VecPair => Some(r.below(16) * 2),
            OperandClass::VecPred | OperandClass::Pred => Some(r.below(4)),
            // Not the data's address, the loop's counter or the stack.
            OperandClass::Gpr => Some(4 + r.below(4)),
            OperandClass::GprPair => Some(4 + 2 * r.below(2)),
            // What every field can hold.
            OperandClass::Imm => Some(r.below(2)),
            _ => None,
        })
        .collect();
    Some(Insn::with_operands(op, &operands?))
}

/// A packet of one instruction.
fn packet(insn: Insn, arch: Arch) -> Option<(Vec<u32>, PacketFacts)> {
    let words = assemble_packet(&[insn], EndLoop::None, false).ok()?;
    let packet = decode_packet(&words, arch).ok()?;
    Some((words, PacketFacts::of(&packet).ok()?))
}

/// Registers with random values; those that are general are addresses of the data for odd numbers.
fn fill(m: &mut Machine, seed: u64) {
    let mut r = Random(seed);
    for n in 0..32 {
        m.thread.regs.hvx.v[n] = r.vector();
    }
    for n in 0..4 {
        m.thread.regs.hvx.q[n] =
            u128::from(r.next()) << 70 | u128::from(r.next()) << 30 | u128::from(r.next());
        m.thread.regs.p[n] = if r.below(2) == 0 { 0 } else { 0xff };
    }
    for n in 4..8 {
        let at = DATA + r.below(u64::from(PAGE_SIZE)) as u32;
        m.thread.regs.r[n] = if n % 2 == 0 { r.next() as u32 } else { at };
    }
}

/// There is host code of ours for the packet's vectors.
fn has_part(facts: &PacketFacts, vectors: VectorUnit) -> bool {
    let part = Features::of(vectors).and_then(|features| part(facts, features));
    part.is_some_and(|part| assemble(&[Member::alone(&part)], &Held::nothing()).is_some())
}

/// Architectures and units of this host to be tried.
fn cores() -> impl Iterator<Item = (Arch, VectorUnit)> {
    let units = VectorUnit::all().into_iter();
    units.flat_map(|unit| [(Arch::V68, unit), (Arch::V79, unit)])
}

fn for_all(arch: Arch, mut f: impl FnMut(Opcode, &mut Random)) {
    let mut r = Random(arch as u64);
    for op in Opcode::all() {
        let info = Insn::with_operands(op, &[]).info();
        if info.operands.iter().any(|o| o.class.is_vector()) {
            f(op, &mut r);
        }
    }
}

#[test]
fn every_instruction_alone_does_what_the_interpreter_does() {
    for (arch, vectors) in cores() {
        let (mut translated, mut all) = (0, 0);
        for_all(arch, |op, r| {
            for round in 0..3 {
                let Some(insn) = with_operands(op, r) else { return };
                let Some((words, facts)) = packet(insn, arch) else {
                    return;
                };
                if round == 0 {
                    all += 1;
                    translated += u32::from(has_part(&facts, vectors));
                }
                let program = Program(words).trap();
                let seed = r.next();
                let (seen, _) = both_of(arch, vectors, &program, 100, |m| fill(m, seed));
                assert!(matches!(seen.exit, END | Exit::Exception(_)), "{op:?}: {seen:?}");
            }
        });
        println!("{arch:?}, {vectors}: {translated} of {all}");
        // As many as there were when this was written; with plain units all are the interpreter's functions.
        let least = match Features::of(vectors) {
            Some(_) => 290,
            None => 0,
        };
        assert!(translated >= least && all >= 500, "{translated} of {all}");
    }
}

/// Instructions round a loop, so that registers are held: some behind others' writes, some that the interpreter's functions do,
/// some between scalar accesses of what vectors access, some between floats.
fn loop_of(r: &mut Random, candidates: &[Opcode], others: &[Opcode]) -> Vec<Insn> {
    let mut body = Vec::new();
    for _ in 0..2 + r.below(12) {
        let from = if r.below(12) == 0 { others } else { candidates };
        let op = from[r.below(from.len() as u64) as usize];
        body.push(with_operands(op, r).unwrap());
        body.extend(match r.below(15) {
            0 => Some(i(Opcode::L2_loadri_io, &[4, 0, 128 * r.below(8)])),
            1 => Some(i(Opcode::S2_storeri_io, &[0, 128 * r.below(8), 6])),
            2 => Some(i(Opcode::F2_sfadd, &[6, 4, 6])),
            3 => Some(i(Opcode::A2_addi, &[4, 4, r.below(100)])),
            4 => Some(i(Opcode::A2_addi, &[6, 4, r.below(100)])),
            _ => None,
        });
    }
    body
}

/// What was put off in front of a packet that only the interpreter does is done once, on the way out.
#[test]
fn a_packet_of_the_interpreter_s_is_behind_vectors() {
    let nop = i(Opcode::A2_nop, &[]);
    let sum = i(Opcode::V6_vaddw, &[0, 0, 1]);
    let program = Program::default()
        .packet(&[i(Opcode::J2_loop0i, &[4, 5])])
        .packet(&[sum, nop])
        .packet(&[i(Opcode::J2_pause, &[0])])
        .packet(&[sum, nop])
        .ending(&[nop, nop], EndLoop::Loop0)
        .trap();
    for budget in [1000, 3, 1] {
        both(&program, budget, |m| fill(m, 1));
    }
}

/// Nine times round a loop, on both engines.
fn run_loop(arch: Arch, vectors: VectorUnit, seed: u64, body: &[Insn]) {
    let mut program = Program::default().packet(&[i(Opcode::J2_loop0i, &[4, 9])]);
    let nop = i(Opcode::A2_nop, &[]);
    for (k, insn) in body.iter().enumerate() {
        let last = k == body.len() - 1;
        let end = if last { EndLoop::Loop0 } else { EndLoop::None };
        program = program.ending(&[*insn, nop], end);
    }
    let program = program.trap();
    for budget in [1000, 7, 1] {
        both_of(arch, vectors, &program, budget, |m| {
            fill(m, seed);
            m.thread.regs.r[5] = DATA + 256;
            m.thread.regs.r[7] = DATA + 384;
        });
    }
}

/// The same; if the engines differ, they do so for the fewest instructions that this finds.
fn check_loop(arch: Arch, vectors: VectorUnit, seed: u64, mut body: Vec<Insn>) {
    let differs = |body: &[Insn]| std::panic::catch_unwind(|| run_loop(arch, vectors, seed, body)).is_err();
    if !differs(&body) {
        return;
    }
    let without = |body: &[Insn], k: usize| {
        let mut less = body.to_vec();
        less.remove(k);
        less
    };
    while let Some(k) = (0..body.len()).find(|k| body.len() > 1 && differs(&without(&body, *k))) {
        body.remove(k);
    }
    panic!("{arch:?}, {vectors}, seed {seed}: the engines differ: {body:?}");
}

#[test]
fn loops_hold_registers() {
    for (arch, vectors) in cores() {
        let (mut candidates, mut others) = (Vec::new(), Vec::new());
        for_all(arch, |op, r| {
            let insn = with_operands(op, r);
            match insn.and_then(|insn| packet(insn, arch)) {
                Some((_, facts)) if has_part(&facts, vectors) => candidates.push(op),
                Some(_) => others.push(op),
                None => {}
            }
        });
        if candidates.is_empty() {
            candidates.clone_from(&others);
        }
        for seed in 0..200 {
            let body = loop_of(&mut Random(seed), &candidates, &others);
            check_loop(arch, vectors, seed, body);
        }
    }
}
