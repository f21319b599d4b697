//! HVX floating point on our core against the second model: random operands with many special ones among them, and all 65536
//! halfwords for instructions with one hf operand. Every difference is an error; the seeds are fixed.

use hexagon_isa::info::{Feature, OperandClass};
use hexagon_isa::{Arch, Insn, MAX_OPERANDS, Opcode};
use tests::model::{State, model};

/// Operand sets of one instruction on one core: vectors of 32 or 64 lanes.
const ROUNDS: u64 = 48;

/// The instructions of this file's subject.
fn instructions() -> Vec<Opcode> {
    Opcode::all()
        .filter(|op| {
            let info = op.info();
            let float = matches!(
                info.feature,
                Some(Feature::IeeeFp | Feature::QFloat | Feature::HvxFp)
            );
            float || info.name.starts_with("V6_vconv_")
        })
        .collect()
}

/// A small generator of numbers (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 32) % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A halfword that means something as hf, bf, qf16 or two f8.
    fn half(&mut self) -> u16 {
        let edge = [
            0, 1, 2, 0x3ff, 0x400, 0x401, 0x3bff, 0x3c00, 0x3c01, 0x7800, 0x7bff, 0x7c00, 0x7c01, 0x7dff,
            0x7e00, 0x7fff, 0x0080, 0x7f, 0x3f80, 0x7f7f, 0x7f80, 0x7f81, 0x7fc0, 0x7fe0, 0x001f, 0x000f,
            0x7fef, 0x5bc0, 0x5bbf, 0x5bf8, 0x1000, 0x1001, 0x1400, 0x2000, 0x4100, 0x4500, 0x6800, 0x7700,
        ];
        match self.below(6) {
            0 => self.pick(&edge) | (self.below(2) as u16) << 15,
            // qf16: exponents where something happens; significands with few digits, which tie.
            2 => self.next() as u16 & 0xffe0 | self.pick(&[0, 1, 7, 8, 15, 16, 23, 24, 30, 31]),
            3 => {
                let bit = 1 << (5 + self.below(11));
                let exponent = 10 + self.below(12) as u16;
                if self.below(2) == 0 {
                    bit | exponent
                } else {
                    (bit - 1) & !31 | exponent
                }
            }
            1 => (self.next() as u16 & 0x83ff) | (12 + self.below(7) as u16) << 10,
            _ => self.next() as u16,
        }
    }

    /// A word that means something as sf, qf32 or two halves.
    fn word(&mut self) -> u32 {
        let edge = [
            0,
            1,
            2,
            0x7f_ffff,
            0x80_0000,
            0x80_0001,
            0x3f7f_ffff,
            0x3f80_0000,
            0x3f80_0001,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7f80_0001,
            0x7fc0_0000,
            0x7fff_ffff,
            0x4f00_0000,
            0x4eff_ffff,
            0x3f00_8000,
            0x7fff_ff7f,
            0x0000_007f,
            0xff,
            0x7fff_ffff,
            0x4000_007f,
            0x4000_0080,
            0x0000_017f,
            0x7fff_ff00,
        ];
        match self.below(10) {
            0 => self.pick(&edge) | (self.below(2) as u32) << 31,
            // qf32: any significand, an exponent at an edge or near one.
            8 => {
                let exponents = [
                    0, 1, 2, 3, 0x3f, 0x40, 0x41, 0x7e, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xfd, 0xfe, 0xff,
                ];
                self.next() as u32 & 0xffff_ff00 | self.pick(&exponents)
            }
            9 => {
                let bit = 1 << (8 + self.below(24));
                let exponent = 110 + self.below(32) as u32;
                if self.below(2) == 0 {
                    bit | exponent
                } else {
                    (bit - 1) & !0xff | exponent
                }
            }
            1 => (self.next() as u32 & 0x807f_ffff) | (120 + self.below(16) as u32) << 23,
            2 => (self.next() as u32 & 0xffff_ff00) | (120 + self.below(16) as u32),
            3 => (self.next() as u32 & 0x8000_ffff) | (self.below(256) as u32) << 23,
            4 => self.next() as u32,
            _ => u32::from(self.half()) | u32::from(self.half()) << 16,
        }
    }

    fn state(&mut self, arch: Arch) -> State {
        let mut s = State::new(arch);
        for v in s.v.iter_mut() {
            for lane in v.chunks_exact_mut(4) {
                lane.copy_from_slice(&self.word().to_le_bytes());
            }
        }
        if arch >= Arch::V79 {
            // A third of the vectors has no special hidden bits; bit E is set more often than not.
            for hidden in s.hidden.iter_mut() {
                if self.below(3) != 0 {
                    let [a, b, c, d] = [self.next(), self.next(), self.next(), self.next()].map(u128::from);
                    *hidden = (a << 64 | b) | (c << 64 | d) & (u128::MAX / 15 * 2);
                }
            }
        }
        for r in s.r.iter_mut() {
            *r = self.word();
        }
        for q in s.q.iter_mut() {
            *q = u128::from(self.next()) << 64 | u128::from(self.next());
        }
        s.usr = (self.below(2) as u32) << 24;
        s
    }

    /// Operands that are registers: the destination may be a source.
    fn operands(&mut self, op: Opcode) -> [i32; MAX_OPERANDS] {
        let mut v = [0; MAX_OPERANDS];
        for (n, o) in op.info().operands.iter().enumerate() {
            v[n] = match o.class {
                OperandClass::VecPair => self.below(4) as i32 * 2,
                OperandClass::VecPred => self.below(4) as i32,
                _ => self.below(8) as i32,
            };
        }
        v
    }
}

fn insn(op: Opcode, v: [i32; MAX_OPERANDS]) -> Insn {
    Insn::with_operands(op, &v)
}

/// What differs, in words.
fn difference(ours: &State, model: &State) -> String {
    for n in 0..32 {
        for (k, (a, b)) in ours.v[n].chunks(4).zip(model.v[n].chunks(4)).enumerate() {
            if a != b {
                return format!("v{n} word {k}: {a:02x?}, the model {b:02x?}");
            }
        }
    }
    for n in 0..32 {
        if ours.hidden[n] != model.hidden[n] {
            return format!(
                "hidden bits of v{n}: {:032x}, the model {:032x}",
                ours.hidden[n], model.hidden[n]
            );
        }
    }
    for n in 0..4 {
        if ours.q[n] != model.q[n] {
            return format!("q{n}: {:032x}, the model {:032x}", ours.q[n], model.q[n]);
        }
    }
    "something else".into()
}

fn compare(op: Opcode, v: [i32; MAX_OPERANDS], before: &State) {
    let name = op.info().name;
    let model = model(name).unwrap_or_else(|| panic!("{name} has no model"));
    let ours = before
        .on_our_core(&[insn(op, v)])
        .unwrap_or_else(|e| panic!("{name}: {e:#}"));
    let mut theirs = before.clone();
    model(&mut theirs, &v);
    if ours != theirs {
        let mut inputs = String::new();
        for n in v.iter().take(op.info().operands.len()) {
            let words: Vec<String> = before.v[*n as usize & 31]
                .chunks(4)
                .map(|w| format!("{:08x}", u32::from_le_bytes([w[0], w[1], w[2], w[3]])))
                .collect();
            let hidden = before.hidden[*n as usize & 31];
            inputs += &format!("\n  v{n} = {}, hidden {hidden:032x}", words.join(" "));
        }
        panic!(
            "{name} {v:?} on {:?}: {}{inputs}",
            before.arch,
            difference(&ours, &theirs)
        );
    }
}

/// The cores to run an instruction on: one with the old qfloat if it has the instruction, one with the new.
fn cores(op: Opcode) -> Vec<Arch> {
    let first = op.info().arch;
    if first <= Arch::V75 {
        vec![Arch::V75, Arch::V81]
    } else {
        vec![Arch::V81]
    }
}

#[test]
fn random_and_special_operands() {
    let mut sets = 0;
    for op in instructions() {
        for arch in cores(op) {
            let mut random = Random::new(op as u64 + 1);
            for _ in 0..ROUNDS {
                let before = random.state(arch);
                let v = random.operands(op);
                compare(op, v, &before);
                sets += 1;
            }
        }
    }
    assert!(sets >= 133 * ROUNDS, "{sets} sets");
}

#[test]
fn every_halfword() {
    // One hf, bf, qf16 or f8 operand in Vu; Vv, where there is one, has the halfwords in another order.
    let names = [
        "V6_vcvt_h_hf",
        "V6_vcvt_uh_hf",
        "V6_vcvt_hf_h",
        "V6_vcvt_hf_uh",
        "V6_vcvt_b_hf",
        "V6_vcvt_ub_hf",
        "V6_vcvt2_b_hf",
        "V6_vcvt2_ub_hf",
        "V6_vcvt_sf_hf",
        "V6_vcvt_f8_hf",
        "V6_vcvt_hf_f8",
        "V6_vcvt_hf_b",
        "V6_vcvt_hf_ub",
        "V6_vconv_h_hf",
        "V6_vconv_h_hf_rnd",
        "V6_vconv_hf_h",
        "V6_vabs_hf",
        "V6_vfneg_hf",
        "V6_vabs_f8",
        "V6_vfneg_f8",
        "V6_vfmin_f8",
        "V6_vadd_hf_f8",
        "V6_vmpy_hf_f8",
        "V6_vfmin_hf",
        "V6_veqhf",
        "V6_vgthf",
        "V6_vconv_hf_qf16",
        "V6_vconv_f8_qf16",
        "V6_vconv_qf16_hf",
        "V6_vconv_qf16_f8",
        "V6_vneg_qf16_hf",
        "V6_vabs_qf16_qf16",
        "V6_vilog2_hf",
        "V6_vilog2_qf16",
        "V6_vmpy_qf16",
        "V6_vmpy_qf32_hf",
        "V6_vadd_qf16_mix",
        "V6_vsub_hf",
    ];
    for name in names {
        let Some(op) = Opcode::from_name(name) else {
            panic!("no {name}")
        };
        for arch in cores(op) {
            let mut before = State::new(arch);
            // Eight pairs of vectors are filled at a time; the instruction runs once for each pair.
            for base in (0..1u32 << 16).step_by(64) {
                for i in 0..64 {
                    let x = (base + i as u32) as u16;
                    before.v[2][2 * i..2 * i + 2].copy_from_slice(&x.to_le_bytes());
                    before.v[3][2 * i..2 * i + 2]
                        .copy_from_slice(&x.wrapping_mul(0x6255).rotate_left(5).to_le_bytes());
                }
                let mut v = [0; MAX_OPERANDS];
                v[1] = 2;
                v[2] = 3;
                compare(op, v, &before);
            }
        }
    }
}
