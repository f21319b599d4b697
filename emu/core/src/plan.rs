//! From a decoded packet to the steps that execute it: everything a packet's form decides is decided here, once.
//!
//! All instructions of a packet read the state before it and commit together. Instead of buffering every write, the planner
//! orders the instructions so that most can write in place, and sends the others' results to the pending half of the register
//! files (see `hexagon_isa::interp::Regs`), from where a commit step moves them. An instruction must leave its results
//! pending if something behind it in the order
//! * reads a register it writes (as before the packet), or
//! * may still fault (a fault must leave nothing behind), or
//! * if it is one of several writers of a predicate (they are ANDed).
//!
//! Which general registers are pending is known here, so the steps that move them name them. One that an instruction writes
//! only if a condition holds gets its old value first, for the other case.
//!
//! Memory accesses keep the packet's order, in which a load sees an earlier store. What comes behind a store is first run
//! *dry*, to find out whether it faults: loads and reads happen, stores are only probed.
//!
//! `.cur` and `.tmp` vector loads write in place before everything else, after the old vector was put aside.

use super::host::VectorUnit;
use hexagon_isa::info::{Flags, OperandClass, Role};
use hexagon_isa::interp::{self, Args, Effects, Exec, PENDING};
use hexagon_isa::{Insn, Opcode, Packet, ir};

/// Control registers that follow clocks or counters and are refreshed before they are read.
const CLOCKS: u64 = 3 << 14 | 3 << 18 | 7 << 20 | 3 << 30;

/// What a step does.
pub(super) enum Run<P: interp::Memory> {
    /// Runs an instruction that works on registers only, or moves registers about.
    Register(interp::RegisterFn),
    /// Runs an instruction that accesses memory.
    Memory(interp::MemoryFn<P>),
}

/// One step.
pub(super) struct Step<P: interp::Memory> {
    pub run: Run<P>,
    pub args: Args,
}

impl<P: interp::Memory> Step<P> {
    fn new(run: Run<P>, args: Args) -> Self {
        Step { run, args }
    }
}

/// A planned packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Summary {
    /// May go elsewhere than to the next packet.
    pub branch: bool,
    /// May stop the run behind this packet.
    pub event: bool,
    /// Instructions.
    pub insns: u32,
    /// HVX instructions among them.
    pub hvx: u32,
    /// Clock registers are to be brought up to date before its first step.
    pub clocks: bool,
}

/// Why a packet cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unplanned {
    /// This instruction has no meaning yet.
    NoMeaning(&'static str),
    /// User code may not use this instruction.
    Privileged(&'static str),
}

/// USR.
const USR: u64 = 1 << 8;
/// USR's sticky flags as instructions raise them: in any order, without looking. Whoever reads or writes USR whole meets them.
const STICKY: u64 = 1 << 32;
/// USR's rounding mode as instructions consult it.
const ROUNDING: u64 = 1 << 33;

/// A set of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Set {
    gpr: u32,
    /// Control registers and the parts of USR that have a bit of their own.
    ctl: u64,
    vec: u32,
    pred: u8,
    vpred: u8,
    z: bool,
}

impl Set {
    fn meets(self, o: Set) -> bool {
        self.gpr & o.gpr != 0
            || self.ctl & o.ctl != 0
            || self.vec & o.vec != 0
            || self.pred & o.pred != 0
            || self.vpred & o.vpred != 0
            || self.z & o.z
    }

    /// Adds what a register operand with value `v` names.
    fn add(&mut self, class: OperandClass, v: i32) {
        let n = v as u32 & 31;
        match class {
            OperandClass::Gpr => self.gpr |= 1 << n,
            OperandClass::GprPair => self.gpr |= 3 << (n & 30),
            OperandClass::Pred => self.pred |= 1 << (n & 3),
            OperandClass::Mod => self.ctl |= 1 << (6 + (n & 1)),
            OperandClass::Ctrl => self.add_ctl(1 << n),
            OperandClass::CtrlPair => self.add_ctl(3 << (n & 30)),
            OperandClass::Vec => self.vec |= 1 << n,
            OperandClass::VecPair => self.vec |= 1 << n | 1 << (n ^ 1),
            OperandClass::VecQuad => self.vec |= 0xf << (n & 28),
            OperandClass::VecPred => self.vpred |= 1 << (n & 3),
            _ => {}
        }
    }

    /// Control registers; C4 is all predicates.
    fn add_ctl(&mut self, mask: u32) {
        self.ctl |= u64::from(mask);
        if u64::from(mask) & USR != 0 {
            self.ctl |= STICKY | ROUNDING;
        }
        if mask & 1 << 4 != 0 {
            self.pred |= 15;
        }
    }
}

/// One instruction on its way to becoming a step.
#[derive(Debug, Clone, Copy)]
struct Node {
    insn: Insn,
    fx: Effects,
    /// Registers read as before the packet.
    reads: Set,
    writes: Set,
    /// Predicates consumed as `.new`.
    new_pred: u8,
    /// Positions (as bits) of the instructions whose results it consumes.
    after: u8,
    /// `.cur` or `.tmp` load.
    early: bool,
    clocks: bool,
    /// It may leave registers unwritten.
    conditional: bool,
    pending: bool,
}

/// The operands of `insn` as (operand number, class, role, consumed as `.new`, value).
fn operands(insn: &Insn) -> impl Iterator<Item = (usize, OperandClass, Role, bool, i32)> + '_ {
    insn.info()
        .operands
        .iter()
        .zip(insn.v)
        .enumerate()
        .map(|(i, (o, v))| (i, o.class, o.role, o.new, v))
}

fn node(insn: &Insn) -> Result<Node, Unplanned> {
    let name = insn.info().name;
    let (Some(fx), Some(meaning)) = (interp::effects(insn.op), ir::meaning(insn.op)) else {
        return Err(Unplanned::NoMeaning(name));
    };
    if let [ir::Stmt::Call("privileged", _)] = meaning.body {
        return Err(Unplanned::Privileged(name));
    }
    let mut reads = Set {
        gpr: fx.reads_gpr,
        pred: fx.reads_pred,
        z: fx.reads_z,
        ..Set::default()
    };
    let mut writes = Set {
        gpr: fx.writes_gpr,
        pred: fx.writes_pred,
        z: fx.writes_z,
        ..Set::default()
    };
    reads.add_ctl(fx.reads_ctl);
    writes.add_ctl(fx.writes_ctl);
    if fx.sticky {
        writes.ctl |= STICKY;
    }
    if fx.status {
        reads.ctl |= ROUNDING;
    }
    if fx.vectors {
        reads.vec = u32::MAX;
        writes.vec = u32::MAX;
    }
    let mut new_pred = fx.reads_new_pred & !fx.writes_pred;
    for (_, class, role, new, v) in operands(insn) {
        if new {
            if class == OperandClass::Pred {
                new_pred |= 1 << (v & 3);
            }
            continue;
        }
        if role != Role::Write {
            reads.add(class, v);
        }
        if role != Role::Read {
            writes.add(class, v);
        }
    }
    Ok(Node {
        insn: *insn,
        fx: *fx,
        reads,
        writes,
        new_pred,
        after: 0,
        early: insn.info().flags.any(Flags::CUR | Flags::TMP),
        clocks: reads.ctl & CLOCKS != 0,
        conditional: meaning.body.iter().any(|s| matches!(s, ir::Stmt::If(..))),
        pending: false,
    })
}

/// Where a packet stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    pc: u32,
    /// The packet behind it.
    next: u32,
}

/// Plans `packet` at `pc` and appends its steps to `out`.
pub(super) fn plan<P: interp::Memory>(
    packet: &Packet,
    vectors: VectorUnit,
    pc: u32,
    out: &mut Vec<Step<P>>,
) -> Result<Summary, Unplanned> {
    let mut nodes = Vec::with_capacity(4);
    for insn in packet.insns() {
        nodes.push(node(insn)?);
    }
    link(&mut nodes);
    let order = schedule(&nodes);
    let dry = decide_pending(&mut nodes, &order);
    let place = Place {
        pc,
        next: pc.wrapping_add(packet.bytes()),
    };
    emit(&nodes, &order, dry, vectors, place, out);
    let hvx = nodes
        .iter()
        .filter(|n| n.insn.info().flags.any(Flags::HVX))
        .count() as u32;
    Ok(Summary {
        branch: nodes.iter().any(|n| n.fx.jump) || packet.endloop != hexagon_isa::EndLoop::None,
        event: nodes.iter().any(|n| n.fx.event),
        insns: nodes.len() as u32,
        hvx,
        clocks: nodes.iter().any(|n| n.clocks),
    })
}

/// Finds each instruction's producers.
fn link(nodes: &mut [Node]) {
    let mut producers = [0u8; 4];
    for (i, n) in nodes.iter().enumerate() {
        let mut after = 0u8;
        if n.insn.producer != Insn::NONE {
            after |= 1 << n.insn.producer;
        }
        for (k, p) in nodes.iter().enumerate() {
            if k != i && (p.writes.pred & n.new_pred != 0 || p.early && p.writes.vec & n.reads.vec != 0) {
                after |= 1 << k;
            }
        }
        producers[i & 3] = after & !(1 << i);
    }
    let early = nodes.iter().filter(|n| n.early).fold(0, |m, n| m | n.writes.vec);
    for (n, after) in nodes.iter_mut().zip(producers) {
        n.after = after;
        // What a `.cur` or `.tmp` load of the packet brings is not read as before the packet.
        n.reads.vec &= !early;
    }
    // A store is made only when nothing behind it can fault any more, and finding that out needs their operands.
    for i in 0..nodes.len() {
        if nodes[i].fx.store {
            let later = nodes[i + 1..]
                .iter()
                .filter(|n| n.fx.fault)
                .fold(0, |m, n| m | n.after);
            nodes[i].after |= later & !(1 << i);
        }
    }
}

/// The order in which the instructions run, as positions in the packet.
fn schedule(nodes: &[Node]) -> Vec<usize> {
    let mut order = Vec::with_capacity(nodes.len());
    let mut done = 0u8;
    while order.len() < nodes.len() {
        let left = |k: usize| done >> k & 1 == 0;
        let ready = |i: usize| {
            let n = &nodes[i];
            left(i)
                && n.after & !done == 0
                // Accesses among themselves and branches among themselves keep the packet's order.
                && (n.early || (0..i).all(|k| {
                    let p = &nodes[k];
                    !left(k) || !(p.fx.fault && n.fx.fault && !p.early || p.fx.jump && n.fx.jump)
                }))
        };
        let harmless =
            |i: usize| (0..nodes.len()).all(|k| k == i || !left(k) || !nodes[k].reads.meets(nodes[i].writes));
        let pick = (0..nodes.len())
            .find(|&i| ready(i) && nodes[i].early)
            .or_else(|| (0..nodes.len()).find(|&i| ready(i) && nodes[i].fx.fault))
            .or_else(|| (0..nodes.len()).find(|&i| ready(i) && harmless(i)))
            .or_else(|| (0..nodes.len()).find(|&i| ready(i)))
            .or_else(|| (0..nodes.len()).find(|&i| left(i)));
        let Some(i) = pick else { break };
        done |= 1 << i;
        order.push(i);
    }
    order
}

/// Decides who writes in place. Returns the positions (as bits) of the instructions that are run dry before a store.
fn decide_pending(nodes: &mut [Node], order: &[usize]) -> u8 {
    let mut dry = 0u8;
    let mut stored = false;
    for &i in order {
        if stored && nodes[i].fx.fault {
            dry |= 1 << i;
        }
        stored |= nodes[i].fx.store;
    }
    let twice = decided_late(nodes);
    for (at, &i) in order.iter().enumerate() {
        let n = &nodes[i];
        let later = order.get(at + 1..).unwrap_or_default();
        let read = later.iter().any(|&k| nodes[k].reads.meets(n.writes));
        let fault = later.iter().any(|&k| nodes[k].fx.fault);
        let shared = (0..nodes.len()).any(|k| k != i && nodes[k].writes.pred & n.writes.pred != 0);
        // What a temporary load of the same vector puts aside comes back at the end, and would undo a write in place.
        let aside = !n.early && nodes.iter().any(|e| e.early && e.writes.vec & n.writes.vec != 0);
        // Jumps that are decided twice read their operands twice.
        let again = twice && nodes.iter().any(|j| j.fx.jump && j.reads.meets(n.writes));
        let pending = read || fault || shared || aside || again || dry >> i & 1 != 0;
        nodes[i].pending = pending;
    }
    // Two that write a general register, each on its condition, write the same half.
    let halves = pending_gprs(nodes, |_| true);
    for n in nodes {
        n.pending |= n.writes.gpr & halves != 0;
    }
    dry
}

/// The general registers whose values these instructions leave pending.
fn pending_gprs(nodes: &[Node], which: impl Fn(&Node) -> bool) -> u32 {
    nodes
        .iter()
        .filter(|n| n.pending && which(n))
        .fold(0, |m, n| m | n.writes.gpr)
}

/// A compare-and-jump whose predicate has another writer: it jumps by the AND of both, which is not known before both ran.
fn decided_late(nodes: &[Node]) -> bool {
    nodes.iter().enumerate().any(|(i, n)| {
        let others = nodes.iter().enumerate().filter(|(k, _)| *k != i);
        n.fx.jump
            && others.fold(0, |m, (_, o)| m | o.writes.pred) & n.fx.writes_pred & n.fx.reads_new_pred != 0
    })
}

fn emit<P: interp::Memory>(
    nodes: &[Node],
    order: &[usize],
    dry: u8,
    vectors: VectorUnit,
    Place { pc, next }: Place,
    out: &mut Vec<Step<P>>,
) {
    let pending_preds = nodes
        .iter()
        .filter(|n| n.pending)
        .fold(0, |m, n| m | n.writes.pred);
    let step = |i: usize, dry: bool| {
        let n = &nodes[i];
        let mut args = Args {
            v: n.insn.v,
            pc,
            next,
            off: if n.pending { PENDING } else { 0 },
            vec_off: if n.pending && !n.early { PENDING } else { 0 },
            new_pred: if (n.new_pred | n.fx.writes_pred) & pending_preds != 0 {
                4
            } else {
                0
            },
            dry,
        };
        for (k, class, role, new, v) in operands(&n.insn) {
            let Some(slot) = args.v.get_mut(k) else { continue };
            if class == OperandClass::PcRel {
                *slot = pc.wrapping_add(v as u32) as i32;
            } else if new && class == OperandClass::Pred {
                *slot = if pending_preds >> (v & 3) & 1 != 0 {
                    v & 3 | 4
                } else {
                    v & 3
                };
            } else {
                let writer = match role {
                    _ if new => nodes.get(usize::from(n.insn.producer)),
                    Role::Write if matches!(class, OperandClass::Gpr | OperandClass::GprPair) => Some(n),
                    _ => None,
                };
                if writer.is_some_and(|w| w.pending && !(w.early && class == OperandClass::Vec)) {
                    *slot = v | i32::from(PENDING);
                }
            }
        }
        Step::new(run(vectors, n.insn.op), args)
    };
    copy_gprs(pending_gprs(nodes, |n| n.conditional), PENDING, 0, out);
    let mut probed = false;
    for &i in order {
        let n = &nodes[i];
        if n.early {
            let temporary = n.insn.info().flags.any(Flags::TMP);
            for r in 0..32u8 {
                if n.writes.vec >> r & 1 != 0 {
                    out.push(Step::new(
                        Run::Register(|regs, a| {
                            let [vector, temporary, ..] = a.v;
                            regs.save_vector(vector as u8, temporary != 0);
                        }),
                        moving(&[i32::from(r), i32::from(temporary)]),
                    ));
                }
            }
        }
        if n.fx.store && !probed {
            probed = true;
            out.extend(
                order
                    .iter()
                    .filter(|&&k| dry >> k & 1 != 0)
                    .map(|&k| step(k, true)),
            );
        }
        // A `nop` is no step.
        if ir::meaning(n.insn.op).is_none_or(|m| !m.body.is_empty()) {
            out.push(step(i, false));
        }
    }
    if decided_late(nodes) {
        // All have run; writing the same predicates once more changes nothing.
        let forget: interp::RegisterFn = |regs, _| {
            regs.take_target();
        };
        out.push(Step::new(Run::Register(forget), Args::default()));
        let jumps = (0..nodes.len()).filter(|i| nodes[*i].fx.jump);
        out.extend(jumps.map(|i| step(i, false)));
    }
    copy_gprs(pending_gprs(nodes, |_| true), 0, PENDING, out);
    let more = |w: Set| Set { gpr: 0, ..w } != Set::default();
    if nodes.iter().any(|n| n.early || n.pending && more(n.writes)) {
        out.push(Step::new(Run::Register(|regs, _| regs.commit()), Args::default()));
    }
}

/// What a step that moves registers about is told.
fn moving(numbers: &[i32]) -> Args {
    let mut args = Args::default();
    for (slot, n) in args.v.iter_mut().zip(numbers) {
        *slot = *n;
    }
    args
}

/// Steps that copy these general registers from one half to the other.
fn copy_gprs<P: interp::Memory>(which: u32, to: u8, from: u8, out: &mut Vec<Step<P>>) {
    let regs: Vec<i32> = (0..32).filter(|n| which >> n & 1 != 0).collect();
    for pair in regs.chunks(2) {
        let copies: Vec<i32> = pair
            .iter()
            .flat_map(|n| [n | i32::from(to), n | i32::from(from)])
            .collect();
        let copy: interp::RegisterFn = match pair.len() {
            1 => |regs, a| {
                let [to, from, ..] = a.v;
                regs.copy_gpr(to as u8, from as u8);
            },
            _ => |regs, a| {
                let [to, from, to_too, from_too, ..] = a.v;
                regs.copy_gpr(to as u8, from as u8);
                regs.copy_gpr(to_too as u8, from_too as u8);
            },
        };
        out.push(Step::new(Run::Register(copy), moving(&copies)));
    }
}

fn run<P: interp::Memory>(vectors: VectorUnit, op: Opcode) -> Run<P> {
    match vectors.exec::<P>(op) {
        Some(Exec::Memory(f)) => Run::Memory(f),
        Some(Exec::Register(f)) => Run::Register(f),
        // `node` has refused what has no meaning.
        None => Run::Register(|_, _| ()),
    }
}
