//! The second model of integer instructions, gathers, scatters and their like against our core: random registers, edge
//! values among them.

use hexagon_isa::{Arch, Insn, Opcode};
use tests::model::{AREA_BASE, AREA_BYTES, State, model};

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
    Insn::with_operands(op, v)
}

/// A packet leaves the same state in the core as in the model.
fn same_packet(insns: &[Insn], before: &State) {
    let mut expected = before.clone();
    for insn in insns {
        let meaning = model(insn.info().name).expect("the instruction has a model");
        meaning(&mut expected, &insn.v);
    }
    let after = before.on_our_core(insns).expect("the packet runs");
    let at = (0..after.mem.len()).find(|k| after.mem[*k] != expected.mem[*k]);
    assert!(after == expected, "{insns:?}: first byte of memory {at:?}");
}

fn same(op: Opcode, v: &[i32], before: &State) {
    same_packet(&[insn(op, v)], before);
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

/// A state whose R1 and M0 are a region of the area, and where V2 to V5 are offsets around its length.
fn with_region(rng: &mut Random) -> State {
    let mut s = rng.state(Arch::V73);
    let length = 1 + rng.next() % 1024;
    s.r[1] = AREA_BASE + rng.next() % (AREA_BYTES - 2048);
    s.m[0] = length - 1;
    let wide = rng.next().is_multiple_of(2);
    for v in &mut s.v[2..6] {
        for offset in v.chunks_exact_mut(if wide { 4 } else { 2 }) {
            let value = match rng.next() % 8 {
                0 => rng.next(),
                1 => length.wrapping_sub(rng.next() % 8),
                2 => rng.next() % 8,
                _ => rng.next() % (length + length / 2),
            };
            offset.copy_from_slice(&value.to_le_bytes()[..offset.len()]);
        }
    }
    s
}

#[test]
fn scatters_drop_what_lies_outside_their_region() {
    use Opcode::*;
    let mut rng = Random(11);
    for _ in 0..400 {
        let s = with_region(&mut rng);
        for op in [V6_vscattermh, V6_vscattermw, V6_vscattermh_add, V6_vscattermw_add] {
            same(op, &[1, 0, 2, 9], &s);
        }
        for op in [V6_vscattermhq, V6_vscattermwq] {
            same(op, &[1, 1, 0, 2, 9], &s);
        }
        for pair in [2, 3, 4] {
            same(V6_vscattermhw, &[1, 0, pair, 9], &s);
            same(V6_vscattermhw_add, &[1, 0, pair, 9], &s);
            same(V6_vscattermhwq, &[3, 1, 0, pair, 9], &s);
        }
        same(V6_vS32b_srls_ai, &[1, 3], &s);
    }
}

#[test]
fn gathers_leave_memory_alone_where_nothing_was_gathered() {
    use Opcode::*;
    let mut rng = Random(13);
    for _ in 0..400 {
        let mut s = with_region(&mut rng);
        s.r[6] = AREA_BASE + 1024 + rng.next() % (AREA_BYTES - 2048);
        let mut store = insn(V6_vS32b_new_ai, &[6, rng.next() as i32 % 8, Insn::VTMP]);
        store.producer = 0;
        for op in [V6_vgathermh, V6_vgathermw] {
            same_packet(&[insn(op, &[1, 0, 2]), store], &s);
        }
        for op in [V6_vgathermhq, V6_vgathermwq] {
            same_packet(&[insn(op, &[2, 1, 0, 2]), store], &s);
        }
        for pair in [2, 3, 4] {
            same_packet(&[insn(V6_vgathermhw, &[1, 0, pair]), store], &s);
            same_packet(&[insn(V6_vgathermhwq, &[0, 1, 0, pair]), store], &s);
        }
        // Without a store nothing of it is seen.
        same(V6_vgathermw, &[1, 0, 2], &s);
    }
}

#[test]
fn histograms_count_what_the_packet_s_temporary_load_brings() {
    use Opcode::*;
    let mut rng = Random(17);
    for _ in 0..200 {
        let mut s = rng.state(Arch::V73);
        s.r[2] = AREA_BASE + 1024;
        if rng.next().is_multiple_of(2) {
            // Few buckets with large weights, and full counters.
            for (k, b) in s.mem.iter_mut().enumerate() {
                *b = if k % 2 == 0 { *b & 0x0b } else { *b | 0xf0 };
            }
            s.v.fill([0xff; 128]);
        }
        let load = insn(
            V6_vL32b_tmp_ai,
            &[(rng.next() % 32) as i32, 2, rng.next() as i32 % 8],
        );
        let q = (rng.next() % 4) as i32;
        let cases = [
            (V6_vhist, vec![]),
            (V6_vhistq, vec![q]),
            (V6_vwhist128, vec![]),
            (V6_vwhist128m, vec![q & 1]),
            (V6_vwhist128q, vec![q]),
            (V6_vwhist128qm, vec![q, 1]),
            (V6_vwhist256, vec![]),
            (V6_vwhist256_sat, vec![]),
            (V6_vwhist256q, vec![q]),
            (V6_vwhist256q_sat, vec![q]),
        ];
        for (op, v) in cases {
            let count = insn(op, &v);
            let mut expected = s.clone();
            for insn in [load, count] {
                model(insn.info().name).expect("a model")(&mut expected, &insn.v);
            }
            let after = s.on_our_core(&[count, load]).expect("the packet runs");
            assert!(after == expected, "{op} {v:?} {:?}", load.v);
        }
    }
}
