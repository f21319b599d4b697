//! Packets around one instruction, so that each is reached with many operands; and the choice of instructions that a
//! `qemu-hexagon` can be asked about.

use hexagon_isa::info::{Feature, Flags, Numbering, OperandClass, OperandInfo, Role};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, ir};

use super::program::{AREA, Fragment, Place, Shape, Target, Value, insn};
use super::random::Random;

/// The core's architecture in a comparison with QEMU.
pub const ARCH: Arch = Arch::V73;

/// Control registers that a case may transfer to: every one that is loaded and saved, and no counter or clock.
const TRANSFERS: [i32; 13] = [0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 17];
/// Control register pairs that a case may transfer to, by the same rule.
const PAIR_TRANSFERS: [i32; 6] = [0, 2, 6, 10, 12, 16];

/// Why the harness does not ask QEMU about an instruction; `None`: it does.
#[must_use]
pub fn not_asked(op: Opcode) -> Option<&'static str> {
    let info = op.info();
    let Some(fx) = ir::effects(op) else {
        return Some("no meaning");
    };
    if fx.privileged {
        return Some("privileged: raises an exception in user mode");
    }
    if let Some(feature) = info.feature {
        return Some(match feature {
            Feature::Audio => "audio: QEMU has no small core",
            Feature::Cabac => return None,
            Feature::ZReg => "Z register: not in QEMU",
            Feature::QFloat | Feature::IeeeFp | Feature::HvxFp => "HVX floating point: not in QEMU",
            Feature::Hmx => "matrix unit: not in QEMU",
        });
    }
    // LLVM asks for no feature here, but they are what QEMU lacks: it takes the words for older ones whose ignored bits they use.
    if info.name.starts_with("V6_vconv_") {
        return Some("HVX floating point: not in QEMU");
    }
    if info.arch > ARCH {
        return Some("newer than V73, the newest core of QEMU's user mode");
    }
    if info.defs.contains(&hexagon_isa::info::Implicit::VTMP) || info.name.starts_with("V6_vscatter") {
        return Some("gather, scatter: QEMU does not drop elements outside the region");
    }
    if fx.event && !info.name.contains("_locked") {
        return Some("leaves the program: trap or pause");
    }
    None
}

/// Collects what a packet's operands need while they are chosen.
struct Builder<'a> {
    rng: &'a mut Random,
    used: u32,
    vectors: u32,
    predicates: u32,
    fixed: Vec<(Place, Value)>,
}

impl Builder<'_> {
    /// A register (or even register of a pair) that nothing else of the packet names.
    fn register(&mut self, o: Option<&OperandInfo>) -> i32 {
        let pair = o.is_some_and(|o| o.class == OperandClass::GprPair);
        let sub = o.is_some_and(|o| matches!(o.numbering, Numbering::Sub16 | Numbering::Pair8));
        loop {
            let mut r = self.rng.below(32);
            if sub {
                r = self
                    .rng
                    .pick(&[0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);
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

    /// A vector register, or the first of a pair, that nothing else of the packet names.
    fn vector(&mut self, pair: bool) -> i32 {
        loop {
            let r = self.rng.below(32) & if pair { 30 } else { 31 };
            let mask = if pair { 3 << r } else { 1 << r };
            if self.vectors & mask == 0 {
                self.vectors |= mask;
                return r as i32;
            }
        }
    }

    /// Something that writes the predicate `p`: all its bits alike, or not.
    fn compare(&mut self, p: i32) -> Insn {
        let pair = OperandClass::GprPair;
        let wide = Opcode::A2_vcmpheq
            .info()
            .operands
            .iter()
            .find(|o| o.class == pair);
        if self.rng.one_in(2)
            && let Some(wide) = wide
        {
            let (x, y) = (self.register(Some(wide)), self.register(Some(wide)));
            let op = self
                .rng
                .pick(&[Opcode::A2_vcmphgt, Opcode::A2_vcmpwgtu, Opcode::A2_vcmpbgtu]);
            return insn(op, &[p, x, y], None);
        }
        let (x, y) = (self.register(None), self.register(None));
        insn(Opcode::C2_cmpgt, &[p, x, y], None)
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

    /// The general register `r` must hold an address in the area.
    fn address(&mut self, r: i32, op: Opcode) {
        let syntax = op.info().syntax;
        let align = if op.info().flags.any(Flags::HVX) { 1 } else { 8 };
        let mut at = AREA + 384 + align * self.rng.below(256 / align);
        if syntax.starts_with("dczeroa") {
            at &= !31;
        }
        if syntax.contains(":brev") {
            at = at & 0xffff_0000 | u32::from((at as u16).reverse_bits());
        }
        self.fixed.push((Place::Gpr(r as usize), Value::Word(at)));
    }
}

/// A random value of an immediate operand.
fn immediate(rng: &mut Random, op: Opcode, o: &OperandInfo, memory: bool) -> i32 {
    let info = op.info();
    let syntax = info.syntax;
    let absolute = match o.name {
        "II" => syntax.contains("=#U6)") || syntax.contains("<<#u2+#U6"),
        "Ii" => syntax.contains("(#u16") || syntax.contains("(#u6)"),
        _ => false,
    };
    if memory && absolute {
        return (AREA + 384 + 8 * rng.below(32)) as i32;
    }
    let (low, high) = if o.signed {
        (-(1i64 << (o.width - 1)), (1i64 << (o.width - 1)) - 1)
    } else {
        (0, (1i64 << o.width) - 1)
    };
    let offset = memory && o.name == "Ii" && syntax.contains("+#") && !syntax.contains("++#");
    let gp_relative = memory && o.name == "Ii" && syntax.contains("(gp+#") || info.uses_gp();
    let (low, high) = if offset || gp_relative {
        let reach = if info.flags.any(Flags::HVX) {
            2
        } else {
            128 >> o.scale
        };
        (low.max(-reach), high.min(reach - 1))
    } else {
        (low, high)
    };
    let extended = info.ext.is_some_and(|e| {
        info.operands
            .get(usize::from(e.operand))
            .is_some_and(|x| x.name == o.name)
    });
    if extended && !offset && !gp_relative && rng.one_in(3) {
        return super::input::word(rng) as i32;
    }
    let value = match rng.below(8) {
        0 => low,
        1 => high,
        _ => low + i64::from(rng.bits()) % (high - low + 1),
    };
    (value << o.scale) as i32
}

/// Small questions about a row.
trait Row {
    fn uses_gp(&self) -> bool;
}

impl Row for hexagon_isa::InsnInfo {
    fn uses_gp(&self) -> bool {
        self.uses.contains(&hexagon_isa::info::Implicit::GP)
    }
}

/// Where the address of a memory instruction is: by the name of its operand.
fn base_operand(op: Opcode) -> Option<&'static str> {
    let info = op.info();
    let has = |n| info.operand(n).is_some();
    if info
        .operands
        .iter()
        .any(|o| o.name == "Rx" && o.role == Role::ReadWrite && o.class == OperandClass::Gpr)
    {
        return Some("Rx");
    }
    if info.flags.any(Flags::HVX) {
        return has("Rt").then_some("Rt");
    }
    has("Rs").then_some("Rs")
}

/// Builds a random packet around `op`. Not always one that assembles.
pub fn directed(op: Opcode, rng: &mut Random) -> Fragment {
    let info = op.info();
    let fx = ir::effects(op).copied().unwrap_or_default();
    let memory = fx.load || fx.store || info.name.starts_with("Y");
    let implicit = fx.reads_gpr | fx.writes_gpr;
    let mut b = Builder {
        rng,
        used: implicit,
        vectors: 0,
        predicates: 0,
        fixed: Vec::new(),
    };
    let sub = info.width == 13;
    if sub {
        // The other half of the duplex.
        b.used |= 1 << 6 | 1 << 7;
    }
    let target = info
        .operand("Ii")
        .filter(|i| info.operands[*i].class == OperandClass::PcRel);
    let frame = info.flags.any(Flags::RETURN) && fx.load;
    let base = if memory { base_operand(op) } else { None };
    let mut before: Vec<Insn> = Vec::new();
    let mut value_from = None;
    let mut v = Vec::new();
    for (k, o) in info.operands.iter().enumerate() {
        let is_index = memory && info.syntax.contains(&format!("{}32<<", o.name));
        let value = match o.class {
            OperandClass::Imm => immediate(b.rng, op, o, memory),
            OperandClass::PcRel if fx.jump && target == Some(k) => 16,
            OperandClass::PcRel => (b.rng.below(64) as i32 - 32) * 4,
            OperandClass::Pred if o.new => {
                let p = b.rng.below(4) as i32;
                before.push(b.compare(p));
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
            OperandClass::Gpr if o.width == 3 && info.flags.any(Flags::HVX) => b.rng.below(8) as i32,
            OperandClass::Mod => b.rng.below(2) as i32,
            OperandClass::Ctrl if o.role == Role::Read && b.rng.one_in(8) => 9,
            OperandClass::Ctrl => b.rng.pick(&TRANSFERS),
            OperandClass::CtrlPair => b.rng.pick(&PAIR_TRANSFERS),
            OperandClass::Gpr if o.new => {
                let (x, y) = (b.register(Some(o)), b.register(None));
                value_from = Some(before.len() as u8);
                let plus = b.rng.below(200) as i32 - 100;
                before.push(insn(Opcode::A2_addi, &[x, y, plus], None));
                x
            }
            _ => {
                let r = b.register(Some(o));
                if Some(o.name) == base {
                    b.address(r, op);
                    if frame {
                        frame_at(&mut b, r);
                    }
                } else if is_index {
                    let value = 8 * b.rng.below(4);
                    b.fixed.push((Place::Gpr(r as usize), Value::Word(value)));
                } else if fx.jump && target.is_none() && o.name == "Rs" {
                    b.fixed.push((Place::Gpr(r as usize), Value::Exit(1)));
                }
                r
            }
        };
        v.push(value);
    }
    if memory && implicit & 1 << 29 != 0 {
        // The stack pointer is the address, unless R30 is.
        let at = AREA + 384 + 8 * b.rng.below(16);
        b.fixed.push((Place::Gpr(29), Value::Word(at)));
    }
    if fx.load && fx.reads_gpr & 1 << 30 != 0 && base.is_none() {
        b.address(30, op);
        if frame {
            frame_at(&mut b, 30);
        }
    }
    if fx.jump && fx.reads_gpr & 1 << 31 != 0 {
        b.fixed.push((Place::Gpr(31), Value::Exit(1)));
    }
    share_sources(op, &mut v, memory, b.rng);
    if fx.reads_new_pred & !fx.writes_pred != 0 {
        before.push(b.compare(0));
    }
    if info.flags.any(Flags::CUR | Flags::TMP)
        && let Some(d) = info.operand("Vd")
    {
        // Somebody who takes the loaded value; the load stands last.
        let (x, y) = (b.vector(false), b.vector(false));
        before.push(insn(Opcode::V6_vaddb, &[x, v[d], y], None));
    }
    let mut behind = Vec::new();
    if histogram(op) {
        // It counts what the packet's temporary load brings.
        let (d, t) = (b.vector(false), b.register(None));
        b.address(t, Opcode::V6_vL32b_tmp_ai);
        behind.push(insn(Opcode::V6_vL32b_tmp_ai, &[d, t, 0], None));
    }
    let mut packets = Vec::new();
    if info.store.is_some() && info.name.contains("_locked") {
        // Mostly with the reservation that it needs.
        let load = if info.name.contains("stored") {
            Opcode::L4_loadd_locked
        } else {
            Opcode::L2_loadw_locked
        };
        if let Some(at) = info.operand("Rs").map(|i| v[i])
            && !b.rng.one_in(4)
        {
            packets.push(Shape::new(vec![insn(
                load,
                &[if at < 4 { 8 } else { 0 }, at],
                None,
            )]));
        }
    }
    let filler = insn(Opcode::SA1_tfr, &[7, 6], None);
    // SA1_addi is only allowed in the upper half.
    let upper = op == Opcode::SA1_addi;
    if sub && !upper {
        before.push(filler);
    }
    let at = before.len();
    let mut insns = before;
    let mut this = insn(op, &v, value_from);
    this.extended = info.ext.is_some() && !upper && b.rng.one_in(4);
    insns.push(this);
    if upper {
        insns.push(filler);
    }
    insns.extend(behind);
    let fixed = b.fixed;
    packets.push(Shape {
        insns,
        endloop: EndLoop::None,
        duplex: sub,
        targets: if fx.jump && target.is_some() {
            vec![(at, Target::Exit(1))]
        } else {
            Vec::new()
        },
    });
    Fragment {
        about: Some(op),
        kind: "directed",
        packets,
        fixed,
        float: info.flags.any(Flags::FLOAT) || info.name.starts_with("F2_"),
        calm: false,
    }
}

/// A histogram: means something only beside a temporary load.
#[must_use]
pub fn histogram(op: Opcode) -> bool {
    op.info().name.contains("hist") && op.info().flags.any(Flags::HVX)
}

/// A stack frame at the address in `r`, from which a return goes to the second exit.
fn frame_at(b: &mut Builder, r: i32) {
    if let Some((_, Value::Word(at))) = b
        .fixed
        .iter()
        .rev()
        .find(|(p, _)| *p == Place::Gpr(r as usize))
        .copied()
    {
        b.fixed.push((Place::Memory(at + 4), Value::FrameExit(1)));
    }
}

/// Sources may be the same register; outputs and addresses may not.
fn share_sources(op: Opcode, v: &mut [i32], memory: bool, rng: &mut Random) {
    if memory || ir::effects(op).is_some_and(|f| f.jump) || !rng.one_in(5) {
        return;
    }
    let info = op.info();
    let sources: Vec<usize> = (0..v.len())
        .filter(|&i| {
            let o = &info.operands[i];
            o.role == Role::Read
                && !o.new
                && o.width > 3
                && matches!(
                    o.class,
                    OperandClass::Gpr | OperandClass::GprPair | OperandClass::Vec | OperandClass::VecPair
                )
        })
        .collect();
    if let [a, c, ..] = sources[..]
        && info.operands[a].class == info.operands[c].class
    {
        v[c] = v[a];
    }
}

/// Every entry of the two seed tables of scalar floating point: fragments, and the register that walks over the table.
#[must_use]
pub fn seed_tables() -> Vec<(Fragment, usize, u32)> {
    [(Opcode::F2_sfrecipa, 16), (Opcode::F2_sfinvsqrta, 17)]
        .into_iter()
        .filter_map(|(op, shift)| {
            let f = directed(op, &mut Random::of(&[7]));
            let info = op.info();
            let operand = info.operand("Rt").or(info.operand("Rs"))?;
            let register = f.packets[0].insns[0].v[operand] as usize;
            Some((f, register, shift))
        })
        .collect()
}
