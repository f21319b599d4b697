//! From a planned packet to the steps that the interpreter runs one after the other.
//!
//! Which general registers are pending is known here, so the steps that move them name them. One that an instruction writes
//! only if a condition holds gets its old value first, for the other case.

use hexagon_isa::info::{Flags, OperandClass, Role};
use hexagon_isa::interp::{self, Args, Exec, PENDING};
use hexagon_isa::{Opcode, ir};

use super::facts::{Facts, Set, operands};
use super::host::VectorUnit;
use super::plan::Plan;

/// What a step does.
pub(crate) enum Run<P: interp::Memory> {
    /// Runs an instruction that works on registers only, or moves registers about.
    Register(interp::RegisterFn),
    /// Runs an instruction that accesses memory.
    Memory(interp::MemoryFn<P>),
}

/// One step.
pub(crate) struct Step<P: interp::Memory> {
    /// What it calls.
    pub run: Run<P>,
    /// With what.
    pub args: Args,
    /// The instruction that it executes; `None` if it moves registers about for the packet.
    pub of: Option<Opcode>,
}

// A step is read whole for each instruction that is executed.
const _: () = assert!(size_of::<Args>() <= 36 && size_of::<Option<Opcode>>() <= 4);

/// Appends the steps of a packet at `pc`; `next` is the packet behind it.
pub(crate) fn emit<P: interp::Memory>(
    plan: &Plan,
    vectors: VectorUnit,
    pc: u32,
    next: u32,
    out: &mut Vec<Step<P>>,
) {
    let Plan { facts, order, .. } = plan;
    let execute = |i: usize, dry: bool| Step {
        run: function(vectors, facts[i].insn.op),
        args: Args {
            pc,
            next,
            dry,
            ..args(plan, i, pc)
        },
        of: Some(facts[i].insn.op),
    };
    let pending = |which: fn(&Facts) -> bool| {
        let left = (0..).zip(facts).filter(|(i, n)| plan.is_pending(*i) && which(n));
        left.fold(0, |m, (_, n)| m | n.writes.gpr)
    };
    copy_gprs(pending(|n| n.conditional), PENDING, 0, out);
    let mut probed = false;
    for &i in order {
        let n = &facts[i];
        if n.early {
            let temporary = n.insn.info().flags.any(Flags::TMP);
            for r in (0..32).filter(|r| n.writes.vec >> r & 1 != 0) {
                let save: interp::RegisterFn = |regs, a| {
                    let [vector, temporary, ..] = a.v;
                    regs.save_vector(vector as u8, temporary != 0);
                };
                out.push(moving(save, &[r, i32::from(temporary)]));
            }
        }
        if n.fx.store && !probed {
            probed = true;
            let dry = order.iter().filter(|&&k| plan.dry >> k & 1 != 0);
            out.extend(dry.map(|&k| execute(k, true)));
        }
        // A `nop` is no step.
        if ir::meaning(n.insn.op).is_none_or(|m| !m.body.is_empty()) {
            out.push(execute(i, false));
        }
    }
    if plan.late_jumps {
        // All have run; writing the same predicates once more changes nothing.
        let forget: interp::RegisterFn = |regs, _| {
            regs.take_target();
        };
        out.push(moving(forget, &[]));
        let jumps = (0..facts.len()).filter(|i| facts[*i].fx.jump);
        out.extend(jumps.map(|i| execute(i, false)));
    }
    copy_gprs(pending(|_| true), 0, PENDING, out);
    let more = |w: Set| Set { gpr: 0, ..w } != Set::default();
    let mut all = (0..).zip(facts);
    if all.any(|(i, n)| n.early || plan.is_pending(i) && more(n.writes)) {
        out.push(moving(|regs, _| regs.commit(), &[]));
    }
}

/// Where the instruction at position `i` reads and writes.
fn args(plan: &Plan, i: usize, pc: u32) -> Args {
    let pending_preds = (0..).zip(&plan.facts).filter(|(i, _)| plan.is_pending(*i));
    let pending_preds = pending_preds.fold(0, |m, (_, n)| m | n.writes.pred);
    let n = &plan.facts[i];
    let left = plan.is_pending(i);
    let mut args = Args {
        v: n.insn.v,
        off: if left { PENDING } else { 0 },
        vec_off: if left && !n.early { PENDING } else { 0 },
        new_pred: if (n.new_pred | n.fx.writes_pred) & pending_preds != 0 {
            4
        } else {
            0
        },
        ..Args::default()
    };
    for o in operands(&n.insn) {
        let Some(slot) = args.v.get_mut(o.place) else {
            continue;
        };
        if o.class == OperandClass::PcRel {
            *slot = pc.wrapping_add(o.v as u32) as i32;
        } else if o.new && o.class == OperandClass::Pred {
            *slot = if pending_preds >> (o.v & 3) & 1 != 0 {
                o.v & 3 | 4
            } else {
                o.v & 3
            };
        } else {
            let writer = match o.role {
                _ if o.new => Some(usize::from(n.insn.producer)),
                Role::Write if matches!(o.class, OperandClass::Gpr | OperandClass::GprPair) => Some(i),
                _ => None,
            };
            let elsewhere = writer.is_some_and(|w| {
                let early = plan.facts.get(w).is_some_and(|w| w.early);
                w < plan.facts.len() && plan.is_pending(w) && !(early && o.class == OperandClass::Vec)
            });
            if elsewhere {
                *slot = o.v | i32::from(PENDING);
            }
        }
    }
    args
}

/// A step that moves registers about, and the numbers that it is told.
fn moving<P: interp::Memory>(how: interp::RegisterFn, numbers: &[i32]) -> Step<P> {
    let mut args = Args::default();
    for (slot, n) in args.v.iter_mut().zip(numbers) {
        *slot = *n;
    }
    Step {
        run: Run::Register(how),
        args,
        of: None,
    }
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
        out.push(moving(copy, &copies));
    }
}

fn function<P: interp::Memory>(vectors: VectorUnit, op: Opcode) -> Run<P> {
    match vectors.exec::<P>(op) {
        Some(Exec::Memory(f)) => Run::Memory(f),
        Some(Exec::Register(f)) => Run::Register(f),
        // What has no meaning is not planned.
        None => Run::Register(|_, _| ()),
    }
}
