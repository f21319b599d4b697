//! Random legal packets around one instruction, and inputs that make it interesting.

use hexagon_isa::info::{Feature, Flags, Numbering, OperandClass, OperandInfo, Role};
use hexagon_isa::{Arch, Insn, Opcode, interp};

use crate::program::{AREA, Input, insn};

/// A small generator with a fixed seed: the same program each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
    pub fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }
    fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }
    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }
}

/// The same for HVX integer instructions.
pub fn eligible_hvx(op: Opcode) -> bool {
    let info = op.info();
    info.flags.any(Flags::HVX)
        && interp::effects(op).is_some()
        && info.arch <= Arch::V68
        && info.feature.is_none()
}

/// A packet around `op`.
pub struct Case {
    pub insns: Vec<Insn>,
    pub duplex: bool,
    /// Position of the instruction that may branch.
    pub branch: Option<usize>,
    /// Registers that must hold what the packet needs.
    pub fixed: Vec<(usize, u32)>,
    pub float: bool,
}

/// Whether QEMU 10 can be asked about it and a single packet shows what it does.
pub fn eligible(op: Opcode) -> bool {
    let info = op.info();
    let Some(fx) = interp::effects(op) else {
        return false;
    };
    let target = info
        .operand("Ii")
        .is_some_and(|i| info.operands[i].class == OperandClass::PcRel);
    let name = info.name;
    !info.flags.any(Flags::HVX)
        && info.arch <= Arch::V69
        && !matches!(info.feature, Some(Feature::Audio | Feature::Cabac))
        && !fx.event
        && (!fx.jump || target)
        // Link with a register that the driver needs, or with memory that only the host knows.
        && !name.starts_with("R6_")
        && !info.operands.iter().any(|o| matches!(o.class, OperandClass::Ctrl | OperandClass::CtrlPair))
        && !name.contains("_locked")
        && !name.contains("_rl_")
        && !name.contains("_aq")
        && !matches!(name.as_bytes()[0], b'Y')
        && name != "J4_hintjumpr"
        && name != "J2_unpause"
}

struct Builder<'a> {
    rng: &'a mut Random,
    used: u32,
    vectors: u32,
    predicates: u32,
    fixed: Vec<(usize, u32)>,
}

impl Builder<'_> {
    /// A register (or even register of a pair) that nothing else of the packet names.
    fn register(&mut self, o: Option<&OperandInfo>) -> i32 {
        let pair = o.is_some_and(|o| o.class == OperandClass::GprPair);
        let sub = o.is_some_and(|o| matches!(o.numbering, Numbering::Sub16 | Numbering::Pair8));
        loop {
            let mut r = self.rng.below(26);
            if sub {
                r = self.rng.pick(&[0, 1, 2, 3, 4, 5, 16, 17, 18, 19, 20, 21, 22, 23]);
            }
            if pair {
                r &= !1;
            }
            let mask = if pair { 3 << r } else { 1 << r };
            if self.used & mask == 0 {
                self.used |= mask;
                return r as i32;
            }
        }
    }
}

impl Builder<'_> {
    /// A vector register, or the first of a pair, of V0..V7 that nothing else of the packet names.
    fn vector(&mut self, pair: bool) -> i32 {
        loop {
            let r = self.rng.below(8) & if pair { 6 } else { 7 };
            let mask = if pair { 3 << r } else { 1 << r };
            if self.vectors & mask == 0 {
                self.vectors |= mask;
                return r as i32;
            }
        }
    }

    fn vector_predicate(&mut self) -> i32 {
        loop {
            let q = self.rng.below(4);
            if self.predicates & 1 << q == 0 {
                self.predicates |= 1 << q;
                return q as i32;
            }
        }
    }
}

/// Builds a random packet around `op`.
pub fn case(op: Opcode, rng: &mut Random) -> Case {
    let info = op.info();
    let fx = interp::effects(op).copied().unwrap_or_default();
    let memory = fx.load || fx.store;
    let hvx = info.flags.any(Flags::HVX);
    let mut b = Builder {
        rng,
        used: 1 << 28 | 0xc000_0000,
        vectors: 0,
        predicates: 0,
        fixed: Vec::new(),
    };
    let sub = info.width == 13;
    if sub {
        // The other half of the duplex.
        b.used |= 1 << 6 | 1 << 7;
    }
    let mut v = Vec::new();
    let (mut before, mut value_from): (Vec<Insn>, Option<u8>) = (Vec::new(), None);
    let syntax = info.syntax;
    let post = info
        .operands
        .iter()
        .any(|o| o.name == "Rx" && o.role == Role::ReadWrite);
    for o in info.operands {
        let is_base = memory && (o.name == "Rx" || o.name == "Rs" && !post || hvx && o.name == "Rt" && !post);
        let is_index = memory && syntax.contains(&format!("{}32<<", o.name));
        let value = match o.class {
            OperandClass::Imm => immediate(&mut b, op, o, memory),
            OperandClass::PcRel => 16,
            OperandClass::Pred if o.new => {
                let p = b.rng.below(4) as i32;
                let (x, y) = (b.register(None), b.register(None));
                before.push(insn(Opcode::C2_cmpgt, &[p, x, y], None));
                p
            }
            OperandClass::Pred => b.rng.below(4) as i32,
            OperandClass::Vec if o.new => {
                let (x, y, z) = (b.vector(false), b.vector(false), b.vector(false));
                value_from = Some(before.len() as u8);
                before.push(insn(Opcode::V6_vaddw, &[x, y, z], None));
                x
            }
            OperandClass::Vec => b.vector(false),
            OperandClass::VecPair => b.vector(true),
            OperandClass::VecPred => b.vector_predicate(),
            OperandClass::Gpr if o.width == 3 && hvx => b.rng.below(8) as i32,
            OperandClass::Mod => b.rng.below(2) as i32,
            OperandClass::Gpr if o.new => {
                let (x, y) = (b.register(Some(o)), b.register(None));
                value_from = Some(before.len() as u8);
                before.push(insn(
                    Opcode::A2_addi,
                    &[x, y, b.rng.below(200) as i32 - 100],
                    None,
                ));
                x
            }
            _ => {
                let r = b.register(Some(o));
                if is_base {
                    let at = AREA + 128 + 8 * b.rng.below(8);
                    let value = if syntax.contains(":brev") {
                        at & 0xffff_0000 | u32::from((at as u16).reverse_bits())
                    } else {
                        at
                    };
                    b.fixed.push((r as usize, value));
                } else if is_index {
                    let value = 8 * b.rng.below(4);
                    b.fixed.push((r as usize, value));
                }
                r
            }
        };
        v.push(value);
    }
    // Sources may be the same register; outputs and addresses may not.
    if !memory && b.rng.one_in(4) {
        let sources: Vec<usize> = (0..v.len())
            .filter(|&i| {
                let o = &info.operands[i];
                o.role == Role::Read && !o.new && matches!(o.class, OperandClass::Gpr | OperandClass::GprPair)
            })
            .collect();
        if let [a, c, ..] = sources[..]
            && info.operands[a].class == info.operands[c].class
        {
            v[c] = v[a];
        }
    }
    if fx.reads_new_pred & !fx.writes_pred != 0 {
        let (x, y) = (b.register(None), b.register(None));
        before.push(insn(Opcode::C2_cmpgt, &[0, x, y], None));
    }
    if info.flags.any(Flags::CUR | Flags::TMP)
        && let Some(d) = info.operand("Vd")
    {
        // Somebody who takes the loaded value; the load stands last.
        let (x, y) = (b.vector(false), b.vector(false));
        before.push(insn(Opcode::V6_vaddb, &[x, v[d], y], None));
    }
    let filler = insn(Opcode::SA1_tfr, &[7, 6], None);
    // SA1_addi is only allowed in the upper half.
    let upper = op == Opcode::SA1_addi;
    if sub && !upper {
        before.push(filler);
    }
    let at = before.len();
    let mut insns = before;
    insns.push(insn(op, &v, value_from));
    if upper {
        insns.push(filler);
    }
    Case {
        insns,
        duplex: sub,
        branch: fx.jump.then_some(at),
        fixed: b.fixed,
        float: info.flags.any(Flags::FLOAT) || info.name.starts_with("F2_"),
    }
}

fn immediate(b: &mut Builder, op: Opcode, o: &OperandInfo, memory: bool) -> i32 {
    let info = op.info();
    let syntax = info.syntax;
    let address = match o.name {
        "II" => syntax.contains("=#U6)") || syntax.contains("<<#u2+#U6"),
        "Ii" => syntax.contains("(#u16") || syntax.contains("(#u6)"),
        _ => false,
    };
    if memory && address {
        return (AREA + 128 + 8 * b.rng.below(8)) as i32;
    }
    let (low, high) = if o.signed {
        (-(1i64 << (o.width - 1)), (1i64 << (o.width - 1)) - 1)
    } else {
        (0, (1i64 << o.width) - 1)
    };
    let address = memory && o.name == "Ii" && !syntax.contains("<<#u2");
    let (low, high) = if address {
        (low.max(-(64 >> o.scale)), high.min(56 >> o.scale))
    } else {
        (low, high)
    };
    let extended = info.ext.is_some_and(|e| {
        info.operands
            .get(usize::from(e.operand))
            .is_some_and(|x| x.name == o.name)
    });
    if extended && !address && b.rng.one_in(3) {
        return b.rng.next() as i32;
    }
    let value = match b.rng.below(6) {
        0 => low,
        1 => high,
        _ => low + i64::from(b.rng.next()) % (high - low + 1),
    };
    (value << o.scale) as i32
}

const WORDS: [u32; 20] = [
    0,
    1,
    u32::MAX,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_8000,
    0x7fff_7fff,
    0x8000_7fff,
    0x0000_8000,
    0xffff_8000,
    0x8080_8080,
    0x7f7f_7f7f,
    0xff00_ff00,
    0x0000_ffff,
    2,
    31,
    32,
    33,
    64,
    0xffff_ffe0,
];
const FLOATS: [u32; 16] = [
    0,
    0x8000_0000,
    0x7f80_0000,
    0xff80_0000,
    0x7fc0_0000,
    0x7fa0_0001,
    0xffff_ffff,
    1,
    0x007f_ffff,
    0x0080_0000,
    0x7f7f_ffff,
    0x3f80_0000,
    0xbf80_0000,
    0x4f00_0000,
    0xbf00_0000,
    0x5f80_0000,
];
const DOUBLES: [u32; 12] = [
    0,
    0x8000_0000,
    0x7ff0_0000,
    0xfff0_0000,
    0x7ff8_0000,
    0x7ff4_0000,
    0x000f_ffff,
    0x0010_0000,
    0x7fef_ffff,
    0x3ff0_0000,
    0x41e0_0000,
    0x43f0_0000,
];

/// Registers for a case.
pub fn input(case: &Case, rng: &mut Random) -> Input {
    let mut input = Input::default();
    let kind = rng.below(3);
    for (k, r) in input.r.iter_mut().enumerate() {
        *r = if case.float {
            match (kind, rng.below(4)) {
                (0, 0) => rng.pick(&FLOATS),
                (0, _) => rng.next() & 0x807f_ffff | (rng.below(60) + 97) << 23,
                (1, 0) if k % 2 == 1 => rng.pick(&DOUBLES),
                (1, _) if k % 2 == 1 => rng.next() & 0x800f_ffff | (rng.below(120) + 963) << 20,
                (1, 0) => rng.pick(&WORDS),
                (2, 0) => rng.pick(&FLOATS),
                _ => rng.next(),
            }
        } else if rng.one_in(3) {
            rng.pick(&WORDS)
        } else if rng.one_in(6) {
            rng.below(128).wrapping_sub(64)
        } else {
            rng.next()
        };
    }
    for (r, v) in &case.fixed {
        input.r[*r] = *v;
    }
    // Stack and frame pointer.
    input.r[28] = AREA + 256;
    input.r[29] = AREA + 192;
    let m = |rng: &mut Random| {
        let i = rng.below(5).wrapping_sub(2);
        64 | (i & 0x7f) << 17 | (i >> 7 & 15) << 28
    };
    let preds = if rng.one_in(2) {
        rng.next()
    } else {
        rng.pick(&[0, 0xff00_ff00, 0x00ff_00ff, u32::MAX])
    };
    input.control = [
        preds,
        rng.below(4) << 22,
        m(rng),
        m(rng),
        AREA + 128,
        AREA + 128,
        AREA + 128,
    ];
    input
}

/// Instructions that random packets are made of.
const MIX: [Opcode; 28] = [
    Opcode::A2_add,
    Opcode::A2_addi,
    Opcode::A2_tfr,
    Opcode::A2_combinew,
    Opcode::A2_addsat,
    Opcode::A2_paddt,
    Opcode::A2_paddfnew,
    Opcode::A2_paddtnew,
    Opcode::C2_cmpgt,
    Opcode::C2_cmpeq,
    Opcode::C2_mux,
    Opcode::C2_and,
    Opcode::M2_mpyi,
    Opcode::M2_maci,
    Opcode::S2_asl_i_r,
    Opcode::L2_loadri_io,
    Opcode::L2_loadrd_io,
    Opcode::L2_loadri_pi,
    Opcode::L2_ploadritnew_io,
    Opcode::S2_storeri_io,
    Opcode::S2_storerb_io,
    Opcode::S2_storerd_io,
    Opcode::S2_storeri_pi,
    Opcode::S4_storeiri_io,
    Opcode::S2_pstorerit_io,
    Opcode::S4_pstoreritnew_io,
    Opcode::L4_add_memopw_io,
    Opcode::S2_storerinew_io,
];

/// Registers that hold addresses in random packets; nothing else writes them.
const BASES: [i32; 4] = [20, 21, 22, 23];

/// A packet of two to four instructions over few registers, so that they read what others write. May be illegal.
pub fn mixed(rng: &mut Random) -> Case {
    let n = 2 + rng.below(3);
    let mut insns: Vec<Insn> = Vec::new();
    let mut ops: Vec<Opcode> = (0..n).map(|_| rng.pick(&MIX)).collect();
    // Words stand in decreasing order of slots: those that need high slots first, memory accesses last.
    ops.sort_by_key(|op| match op.info().slots & 15 {
        s if s & 3 == 0 => 0,
        s if s & 12 != 0 => 1,
        s if s & 2 != 0 => 2,
        _ => 3,
    });
    for (k, op) in ops.into_iter().enumerate() {
        let info = op.info();
        let memory = interp::effects(op).is_some_and(|f| f.load || f.store);
        let mut producer = None;
        let v: Vec<i32> = info
            .operands
            .iter()
            .map(|o| match o.class {
                OperandClass::Gpr if o.new => {
                    producer = k.checked_sub(1 + rng.below(2) as usize).map(|p| p as u8);
                    producer
                        .and_then(|p| insns.get(usize::from(p)))
                        .map_or(0, |p| p.v[0])
                }
                OperandClass::Gpr if memory && (o.name == "Rs" || o.name == "Rx") => rng.pick(&BASES),
                OperandClass::Gpr => rng.below(6) as i32,
                OperandClass::GprPair => 2 * rng.below(3) as i32,
                OperandClass::Pred => rng.below(2) as i32,
                _ if memory && o.name == "Ii" => (rng.below(4) * 8) as i32,
                _ => rng.below(16) as i32,
            })
            .collect();
        insns.push(insn(op, &v, producer));
    }
    let fixed = BASES
        .iter()
        .map(|b| (*b as usize, AREA + 128 + 8 * rng.below(8)))
        .collect();
    Case {
        insns,
        duplex: false,
        branch: None,
        fixed,
        float: false,
    }
}
