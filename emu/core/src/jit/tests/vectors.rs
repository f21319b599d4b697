//! Instructions on vectors: all of them, alone and in loops whose registers are held.

use hexagon_isa::info::{Flags, OperandClass};
use hexagon_isa::{decode_packet, facts::PacketFacts};

use super::super::vector::{Features, part};
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
    if info.operands.iter().any(|o| o.new) || info.flags.any(Flags::TMP | Flags::CUR) {
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
            OperandClass::Imm => Some(r.below(4)),
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
    let Some(features) = Features::of_host() else {
        eprintln!("skipped: this host has no AVX-512");
        return;
    };
    for arch in [Arch::V68, Arch::V79] {
        let (mut translated, mut all) = (0, 0);
        for_all(arch, |op, r| {
            for round in 0..3 {
                let Some(insn) = with_operands(op, r) else { return };
                let Some((words, facts)) = packet(insn, arch) else {
                    return;
                };
                all += u32::from(round == 0);
                if part(&facts, features).is_none() {
                    return;
                }
                translated += u32::from(round == 0);
                let program = Program(words).trap();
                let seed = r.next();
                let (seen, _) = both_of(arch, &program, 100, |m| fill(m, seed));
                assert!(matches!(seen.exit, END | Exit::Exception(_)), "{op:?}: {seen:?}");
            }
        });
        println!("{arch:?}: {translated} of {all}");
        // As many as there were when this was written.
        assert!(translated >= 300, "{translated} of {all}");
    }
}

/// Several instructions round a loop, so that registers are held, some of them behind others' writes.
#[test]
fn loops_hold_registers() {
    let Some(features) = Features::of_host() else {
        eprintln!("skipped: this host has no AVX-512");
        return;
    };
    let mut candidates = Vec::new();
    for_all(Arch::V68, |op, r| {
        let insn = with_operands(op, r);
        let facts = insn.and_then(|insn| packet(insn, Arch::V68));
        if facts.is_some_and(|(_, facts)| part(&facts, features).is_some()) {
            candidates.push(op);
        }
    });
    for seed in 0..200 {
        let mut r = Random(seed);
        let mut program = Program::default().packet(&[i(Opcode::J2_loop0i, &[4, 9])]);
        let body = 2 + r.below(12);
        for k in 0..body {
            let op = candidates[r.below(candidates.len() as u64) as usize];
            let insn = with_operands(op, &mut r).unwrap();
            let end = if k == body - 1 {
                EndLoop::Loop0
            } else {
                EndLoop::None
            };
            let nop = i(Opcode::A2_nop, &[]);
            program = program.ending(&[insn, nop], end);
            // Scalars in between, some of which load or store what vectors do.
            if r.below(4) == 0 && k < body - 2 {
                program = match r.below(3) {
                    0 => program.packet(&[i(Opcode::L2_loadri_io, &[4, 0, 128 * r.below(8)])]),
                    1 => program.packet(&[i(Opcode::S2_storeri_io, &[0, 128 * r.below(8), 6])]),
                    _ => program.packet(&[i(Opcode::A2_addi, &[6, 4, r.below(100)])]),
                };
            }
        }
        let program = program.trap();
        for budget in [1000, 7, 1] {
            both(&program, budget, |m| {
                fill(m, seed);
                m.thread.regs.r[5] = DATA + 256;
                m.thread.regs.r[7] = DATA + 384;
            });
        }
    }
}
