//! The second model of integer instructions, gathers, scatters and their like against our core: random registers, edge
//! values among them.

use hexagon_isa::{Arch, Insn, MAX_OPERANDS, Opcode};
use tests::model::{State, model};

/// A small generator with a fixed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
    fn word(&mut self) -> u32 {
        const EDGES: [u32; 6] = [0, 1, u32::MAX, 0x7fff_ffff, 0x8000_0000, 0x8000_7fff];
        match self.next() % 4 {
            0 => EDGES[self.next() as usize % EDGES.len()],
            _ => self.next(),
        }
    }
    fn state(&mut self, arch: Arch) -> State {
        let mut s = State::new(arch);
        s.r.fill_with(|| self.word());
        s.p.fill_with(|| self.next() as u8);
        for v in &mut s.v {
            for w in v.chunks_exact_mut(4) {
                w.copy_from_slice(&self.word().to_le_bytes());
            }
        }
        s.q.fill_with(|| (0..4).fold(0, |q, _| q << 32 | u128::from(self.next())));
        s.mem.fill_with(|| self.next() as u8);
        s
    }
}

fn insn(op: Opcode, v: &[i32]) -> Insn {
    let mut all = [0; MAX_OPERANDS];
    all[..v.len()].copy_from_slice(v);
    Insn {
        op,
        slot: 0,
        producer: Insn::NONE,
        extended: false,
        v: all,
    }
}

/// One packet of one instruction, here and there.
fn same(op: Opcode, v: &[i32], before: &State) {
    let meaning = model(op.info().name).expect("the instruction has a model");
    let mut expected = before.clone();
    meaning(&mut expected, v);
    let after = before.on_our_core(&[insn(op, v)]).expect("the packet runs");
    assert!(after == expected, "{op} {v:?}");
}

#[test]
fn integer_instructions_do_what_the_model_does() {
    let mut rng = Random(7);
    for _ in 0..200 {
        let s = rng.state(Arch::V81);
        let r = |rng: &mut Random| (rng.next() % 8) as i32;
        let (a, b) = (r(&mut rng), r(&mut rng));
        same(Opcode::V6_valign4, &[8, a, b, r(&mut rng)], &s);
        let s = rng.state(Arch::V73);
        same(Opcode::dep_A2_addsat, &[9, a, b], &s);
        same(Opcode::dep_A2_subsat, &[9, a, b], &s);
        same(Opcode::dep_S2_packhl, &[10, a, b], &s);
    }
}
