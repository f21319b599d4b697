//! Random packets of several instructions over few registers, so that they read what others write; packets that end
//! hardware loops; small programs of loops and branches.

use hexagon_isa::info::{Flags, Guard, GuardReg, OperandClass, Role};
use hexagon_isa::{EndLoop, Insn, Opcode, assemble_packet, decode_packet, ir};

use super::generate::ARCH;
use super::program::{AREA, Fragment, Place, Shape, Target, Value, insn};
use super::random::Random;

/// Registers that hold addresses; only address updates write them.
const BASES: [i32; 4] = [16, 17, 18, 19];
/// Registers that hold small indices; nothing writes them.
const INDICES: [i32; 2] = [20, 22];
/// A register that holds a number of repetitions.
const COUNT: i32 = 24;

/// The instructions that packets are made of, by what must be looked after.
#[derive(Debug)]
pub struct Stock {
    plain: Vec<Opcode>,
    memory: Vec<Opcode>,
    hvx: Vec<Opcode>,
    hvx_memory: Vec<Opcode>,
    halves: Vec<Opcode>,
    jumps: Vec<Opcode>,
}

impl Stock {
    /// Those of `asked` that can stand in packets with others.
    #[must_use]
    pub fn new(asked: &[Opcode]) -> Stock {
        let mut stock = Stock {
            plain: Vec::new(),
            memory: Vec::new(),
            hvx: Vec::new(),
            hvx_memory: Vec::new(),
            halves: Vec::new(),
            jumps: Vec::new(),
        };
        for &op in asked {
            let info = op.info();
            let Some(fx) = ir::effects(op) else { continue };
            let awkward = info.flags.any(Flags::SOLO)
                || fx.event
                || info.name.starts_with('Y')
                || info.name.starts_with("R6_")
                || info.name.contains("_locked")
                || info.name.contains("_aq")
                || info.name.contains("_rl")
                || super::generate::histogram(op)
                || info.syntax.contains(":brev")
                || fx.load && info.flags.any(Flags::RETURN)
                || (fx.reads_gpr | fx.writes_gpr) & (1 << 29 | 1 << 30) != 0
                || info
                    .operands
                    .iter()
                    .any(|o| matches!(o.class, OperandClass::Ctrl | OperandClass::CtrlPair));
            if awkward {
                continue;
            }
            let memory = fx.load || fx.store;
            let hvx = info.flags.any(Flags::HVX);
            let target = info
                .operand("Ii")
                .is_some_and(|i| info.operands[i].class == OperandClass::PcRel);
            match (fx.jump, info.width, hvx, memory) {
                (true, 32, ..) if target => stock.jumps.push(op),
                (true, ..) => {}
                (_, 13, ..) => stock.halves.push(op),
                // Loop starts belong to the small programs.
                (_, _, false, false) if target => {}
                (_, _, false, false) => stock.plain.push(op),
                (_, _, false, true) => stock.memory.push(op),
                (_, _, true, false) => stock.hvx.push(op),
                (_, _, true, true) => stock.hvx_memory.push(op),
            }
        }
        stock
    }

    /// Nothing to make packets of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() || self.memory.is_empty() || self.hvx.is_empty() || self.jumps.is_empty()
    }
}

/// What a packet is to have besides random instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Vector instructions.
    pub hvx: bool,
    /// A branch.
    pub jump: bool,
    /// The loops it ends.
    pub endloop: EndLoop,
    /// Address registers must not run away.
    pub calm: bool,
}

/// A legal packet that meets the wish.
pub fn packet(stock: &Stock, wish: Wish, rng: &mut Random) -> Shape {
    loop {
        if let Some(shape) = attempt(stock, wish, rng) {
            return shape;
        }
    }
}

fn attempt(stock: &Stock, wish: Wish, rng: &mut Random) -> Option<Shape> {
    let mut ops: Vec<Opcode> = Vec::new();
    let count = 1 + rng.below(4);
    for _ in 0..count {
        ops.push(match rng.below(8) {
            0..3 if wish.hvx => rng.pick(&stock.hvx),
            3 if wish.hvx => rng.pick(&stock.hvx_memory),
            4 | 5 => rng.pick(&stock.memory),
            _ => rng.pick(&stock.plain),
        });
    }
    if wish.hvx && !ops.iter().any(|op| op.info().flags.any(Flags::HVX)) {
        ops[0] = rng.pick(&stock.hvx);
    }
    let duplex = !stock.halves.is_empty() && wish.endloop == EndLoop::None && rng.one_in(6);
    if wish.jump {
        ops.truncate(2);
        ops.push(rng.pick(&stock.jumps));
        if rng.one_in(4) {
            ops.push(rng.pick(&stock.jumps));
        }
    }
    // Somebody must produce a predicate that is used as new.
    let wants_new = |op: &Opcode| {
        let info = op.info();
        info.guard.is_some_and(|g| g.new)
    };
    let mut new_pred = None;
    if let Some(op) = ops.iter().find(|op| wants_new(op)) {
        let p = match op.info().guard {
            Some(Guard {
                reg: GuardReg::Fixed(n),
                ..
            }) => i32::from(n),
            _ => rng.below(2) as i32,
        };
        new_pred = Some(p);
        let compare = [Opcode::C2_cmpgt, Opcode::C2_cmpeqi, Opcode::S2_tstbit_i];
        ops.push(rng.pick(&compare));
    }
    let words = match wish.endloop {
        EndLoop::None => 1,
        EndLoop::Loop0 => 2,
        EndLoop::Loop1 | EndLoop::Both => 3,
    };
    while ops.len() < words {
        ops.push(Opcode::A2_nop);
    }
    if duplex {
        ops.truncate(2);
    }
    if ops.len() > 4 {
        return None;
    }
    // Words stand in decreasing order of slots: those that need high slots first, memory accesses last.
    ops.sort_by_key(|op| {
        let info = op.info();
        let new_value = info
            .operands
            .iter()
            .any(|o| o.new && o.class != OperandClass::Pred);
        match info.slots & 15 {
            _ if new_value => 4,
            s if s & 3 == 0 => 0,
            s if s & 12 != 0 => 1,
            s if s & 2 != 0 => 2,
            _ => 3,
        }
    });
    let mut insns: Vec<Insn> = Vec::new();
    let mut targets = Vec::new();
    for op in ops {
        if ir::effects(op).is_some_and(|f| f.jump) {
            targets.push((insns.len(), Target::Exit(1 + rng.below(2) as usize)));
        }
        insns.push(operands(op, &insns, new_pred, wish.calm, rng)?);
    }
    if duplex {
        for _ in 0..2 {
            insns.push(operands(rng.pick(&stock.halves), &insns, new_pred, true, rng)?);
        }
    }
    if clash(&insns) || !hvx_fits(&insns) {
        return None;
    }
    let shape = Shape {
        insns,
        endloop: wish.endloop,
        duplex,
        targets,
    };
    legal(&shape).then_some(shape)
}

/// The packet can be encoded, and means what it was made to mean.
#[must_use]
pub fn legal(shape: &Shape) -> bool {
    let Ok(words) = assemble_packet(&shape.insns, shape.endloop, shape.duplex) else {
        return false;
    };
    decode_packet(&words, ARCH).is_ok_and(|p| {
        p.insns().len() == shape.insns.len()
            && p.endloop == shape.endloop
            // We run other orders too; QEMU ends with an error.
            && p.insns().is_sorted_by(|a, b| a.slot > b.slot)
            && p
                .insns()
                .iter()
                .zip(&shape.insns)
                .all(|(a, b)| a.op == b.op && a.v == b.v && a.producer == b.producer)
    })
}

/// The vector instructions find a unit each, which the decoder does not check; and what the assembler refuses besides: a
/// memory access beside one of an unaligned vector, a new value from a temporary load.
fn hvx_fits(insns: &[Insn]) -> bool {
    let needs: Vec<&str> = insns
        .iter()
        .map(|i| i.info().units)
        .filter(|u| !u.is_empty())
        .flat_map(|u| u.split(','))
        .collect();
    let accesses = insns.iter().filter(|i| i.info().is_memory()).count();
    let unaligned = insns.iter().any(|i| i.info().syntax.contains("vmemu("));
    let from_temporary = insns.iter().any(|i| {
        insns
            .get(usize::from(i.producer))
            .is_some_and(|p| p.info().flags.any(Flags::TMP))
    });
    // The assembler puts what makes a temporary in front of whoever takes it; QEMU relies on that.
    let temporary = |i: &&Insn| i.info().flags.any(Flags::TMP) || i.info().name.ends_with("_tmp");
    let last_temporary = insns.iter().rposition(|i| temporary(&i));
    let first_vector = insns
        .iter()
        .position(|i| i.info().flags.any(Flags::HVX) && !temporary(&i));
    let in_order = match (last_temporary, first_vector) {
        (Some(t), Some(v)) => t < v || insns[t].info().is_memory(),
        _ => true,
    };
    // QEMU takes a temporary's own old value for the temporary, and stops or errs where a `.cur` load stands beside one.
    let of_itself = insns.iter().filter(|i| i.info().name.ends_with("_tmp")).any(|i| {
        let d = i.v[0];
        let pair = i.info().operands[0].class == OperandClass::VecPair;
        i.v[1..i.info().operands.len()]
            .iter()
            .any(|s| *s == d || pair && *s == d + 1)
    });
    units(&needs, &mut Vec::new())
        && !(unaligned && accesses > 1)
        && !from_temporary
        && in_order
        && !of_itself
        && !(insns.iter().any(|i| i.info().name.ends_with("_tmp"))
            && insns.iter().any(|i| i.info().flags.any(Flags::CUR)))
}

/// Each need (alternatives between bars) gets a unit of its own.
fn units<'a>(needs: &[&'a str], taken: &mut Vec<&'a str>) -> bool {
    let Some((need, rest)) = needs.split_first() else {
        return true;
    };
    need.split('|').any(|unit| {
        let parts: &[&str] = match unit {
            "MPY01" => &["MPY0", "MPY1"],
            "XLSHF" => &["SHIFT", "XLANE"],
            "ALL" => &["MPY0", "MPY1", "SHIFT", "XLANE", "LD", "ST"],
            "ALL_NOMEM" => &["MPY0", "MPY1", "SHIFT", "XLANE"],
            _ => &[unit],
        };
        if parts.iter().any(|p| taken.contains(p)) {
            return false;
        }
        taken.extend(parts);
        let fits = units(rest, taken);
        taken.truncate(taken.len() - parts.len());
        fits
    })
}

/// A register may be written once, or twice under opposite conditions.
fn clash(insns: &[Insn]) -> bool {
    let written = |i: &Insn| -> (u64, u64) {
        let mut w = (0u64, 0u64);
        for (o, v) in i.info().operands.iter().zip(i.v) {
            if o.role == Role::Read {
                continue;
            }
            match o.class {
                OperandClass::Gpr => w.0 |= 1 << v,
                OperandClass::GprPair => w.0 |= 3 << v,
                OperandClass::Vec => w.1 |= 1 << v,
                OperandClass::VecPair => w.1 |= 3 << (v & 30),
                OperandClass::VecPred => w.1 |= 1 << (32 + v),
                _ => {}
            }
        }
        w.0 |= u64::from(ir::effects(i.op).map_or(0, |f| f.writes_gpr));
        w
    };
    let condition = |i: &Insn| {
        i.info().guard.map(|g| {
            let reg = match g.reg {
                GuardReg::Fixed(n) => i32::from(n),
                GuardReg::Operand(n) => i.v[usize::from(n)],
            };
            (reg, g.new, g.sense)
        })
    };
    for (k, a) in insns.iter().enumerate() {
        for b in &insns[k + 1..] {
            let (wa, wb) = (written(a), written(b));
            if wa.0 & wb.0 == 0 && wa.1 & wb.1 == 0 {
                continue;
            }
            match (condition(a), condition(b)) {
                (Some((p, n, s)), Some((q, m, t))) if p == q && n == m && s != t => {}
                _ => return true,
            }
        }
    }
    false
}

/// `op` with operands from few registers.
fn operands(
    op: Opcode,
    before: &[Insn],
    new_pred: Option<i32>,
    calm: bool,
    rng: &mut Random,
) -> Option<Insn> {
    let info = op.info();
    let memory = ir::effects(op).is_some_and(|f| f.load || f.store);
    let hvx = info.flags.any(Flags::HVX);
    let post = info.syntax.contains("++");
    let mut producer = None;
    let mut v = Vec::new();
    for o in info.operands {
        let base = memory
            && match o.name {
                "Rx" => o.class == OperandClass::Gpr,
                "Rs" => !hvx && !post,
                "Rt" => hvx && !post,
                _ => false,
            };
        let index = memory && info.syntax.contains(&format!("{}32<<", o.name));
        let value = match o.class {
            OperandClass::Gpr if o.new => {
                let (at, p) = before
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, i)| i.info().operands.first().is_some_and(|o| o.name == "Rd"))?;
                producer = Some(at as u8);
                p.v[0]
            }
            OperandClass::Vec if o.new => {
                let (at, p) = before
                    .iter()
                    .enumerate()
                    .rev()
                    .find(|(_, i)| i.info().operands.first().is_some_and(|o| o.name == "Vd"))?;
                producer = Some(at as u8);
                p.v[0]
            }
            OperandClass::Gpr if base => rng.pick(&BASES),
            OperandClass::Gpr if index => rng.pick(&INDICES),
            OperandClass::Gpr if o.width == 3 && hvx => rng.below(6) as i32,
            OperandClass::Gpr => rng.below(6) as i32,
            OperandClass::GprPair => 2 * rng.below(3) as i32,
            OperandClass::Pred => match (o.new, new_pred) {
                (true, Some(p)) => p,
                _ if o.role != Role::Read => new_pred.unwrap_or(rng.below(2) as i32),
                _ => rng.below(2) as i32,
            },
            OperandClass::Vec => rng.below(6) as i32,
            OperandClass::VecPair => 2 * rng.below(3) as i32,
            OperandClass::VecPred => rng.below(2) as i32,
            OperandClass::Mod => rng.below(2) as i32,
            OperandClass::PcRel => 16,
            OperandClass::Imm => {
                let absolute = info.syntax.contains("=#U6)")
                    || info.syntax.contains("+#U6")
                    || info.syntax.contains("(#u16")
                    || info.syntax.contains("(#u6)");
                if memory && absolute && !(o.name == "Ii" && info.syntax.contains("#u2")) {
                    (AREA + 384 + 8 * rng.below(16)) as i32
                } else if memory && o.name == "Ii" && !info.syntax.contains("<<#u2") {
                    let step = 8i64.max(1 << o.scale);
                    let n = match (hvx, o.signed) {
                        // An address that moves by vectors soon leaves the area.
                        (true, _) if calm && post => 0,
                        (true, _) => i64::from(rng.below(3)) - 1,
                        (_, true) => (i64::from(rng.below(3)) - 1) * step,
                        _ => i64::from(rng.below(3)) * step,
                    };
                    let reach = 1i64 << (u32::from(o.width) - u32::from(o.signed) + u32::from(o.scale));
                    if n >= reach || n < -reach { 0 } else { n as i32 }
                } else {
                    let width = u32::from(o.width.min(31));
                    let raw = (rng.bits() & ((1u32 << width) - 1)) as i32;
                    let raw = if o.signed && width < 31 {
                        raw << (32 - width) >> (32 - width)
                    } else {
                        raw
                    };
                    raw << o.scale
                }
            }
            _ => return None,
        };
        v.push(value);
    }
    let mut made = insn(op, &v, producer);
    made.extended = info.ext.is_some_and(|e| e.must);
    Some(made)
}

/// Addresses and indices where the packets expect them.
fn fixed(rng: &mut Random) -> Vec<(Place, Value)> {
    let mut all: Vec<(Place, Value)> = BASES
        .iter()
        .map(|b| {
            (
                Place::Gpr(*b as usize),
                Value::Word(AREA + 384 + 8 * rng.below(24)),
            )
        })
        .collect();
    all.extend(
        INDICES
            .iter()
            .map(|i| (Place::Gpr(*i as usize), Value::Word(8 * rng.below(4)))),
    );
    all
}

/// One packet of several instructions.
pub fn single(stock: &Stock, hvx: bool, rng: &mut Random) -> Fragment {
    let wish = Wish {
        hvx,
        jump: rng.one_in(6),
        endloop: EndLoop::None,
        calm: false,
    };
    let shape = packet(stock, wish, rng);
    Fragment {
        about: None,
        kind: "mixed",
        float: rng.one_in(4),
        packets: vec![shape],
        fixed: fixed(rng),
        calm: false,
    }
}

/// One packet that ends loops, which begin at the exits.
pub fn loop_end(stock: &Stock, hvx: bool, rng: &mut Random) -> Fragment {
    let endloop = rng.pick(&[EndLoop::Loop0, EndLoop::Loop0, EndLoop::Loop1, EndLoop::Both]);
    let wish = Wish {
        hvx,
        jump: false,
        endloop,
        calm: false,
    };
    let shape = packet(stock, wish, rng);
    let mut fixed = fixed(rng);
    fixed.push((Place::Control(0), Value::Exit(1)));
    fixed.push((Place::Control(2), Value::Exit(2)));
    Fragment {
        about: None,
        kind: "loop end",
        float: false,
        packets: vec![shape],
        fixed,
        calm: false,
    }
}

/// A small program: a loop, two nested ones, or branches forward.
pub fn small_program(stock: &Stock, hvx: bool, rng: &mut Random) -> Fragment {
    let wish = Wish {
        hvx,
        jump: false,
        endloop: EndLoop::None,
        calm: true,
    };
    let ends = |endloop| Wish { endloop, ..wish };
    let mut packets = Vec::new();
    let start = |op: Opcode, at: usize, rng: &mut Random| {
        let info = op.info();
        let v: Vec<i32> = info
            .operands
            .iter()
            .map(|o| match o.class {
                OperandClass::PcRel => 16,
                OperandClass::Imm => rng.below(4) as i32,
                _ => COUNT,
            })
            .collect();
        Shape {
            targets: vec![(0, Target::Packet(at))],
            ..Shape::new(vec![insn(op, &v, None)])
        }
    };
    const STARTS: [Opcode; 8] = [
        Opcode::J2_loop0i,
        Opcode::J2_loop0r,
        Opcode::J2_ploop1si,
        Opcode::J2_ploop2si,
        Opcode::J2_ploop3si,
        Opcode::J2_ploop1sr,
        Opcode::J2_ploop2sr,
        Opcode::J2_ploop3sr,
    ];
    match rng.below(3) {
        0 => {
            packets.push(start(rng.pick(&STARTS), 1, rng));
            for _ in 0..rng.below(3) {
                packets.push(packet(stock, wish, rng));
            }
            packets.push(packet(stock, ends(EndLoop::Loop0), rng));
        }
        1 => {
            packets.push(start(rng.pick(&[Opcode::J2_loop1i, Opcode::J2_loop1r]), 1, rng));
            packets.push(start(rng.pick(&STARTS), 2, rng));
            if rng.one_in(2) {
                packets.push(packet(stock, ends(EndLoop::Both), rng));
            } else {
                packets.push(packet(stock, ends(EndLoop::Loop0), rng));
                packets.push(packet(stock, ends(EndLoop::Loop1), rng));
            }
        }
        _ => {
            let n = 3 + rng.below(3) as usize;
            for k in 0..n {
                let jump = rng.one_in(2);
                let mut shape = packet(stock, Wish { jump, ..wish }, rng);
                for (_, target) in &mut shape.targets {
                    if rng.one_in(2) {
                        *target = Target::Packet(k + 1 + rng.below((n - k) as u32) as usize);
                    }
                }
                packets.push(shape);
            }
        }
    }
    let mut fixed = fixed(rng);
    fixed.push((Place::Gpr(COUNT as usize), Value::Word(rng.below(4))));
    Fragment {
        about: None,
        kind: "small program",
        float: rng.one_in(4),
        packets,
        fixed,
        calm: true,
    }
}
