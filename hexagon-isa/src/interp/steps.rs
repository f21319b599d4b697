//! From a planned packet to the calls that execute it one after the other.
//!
//! Which general registers are pending is known here, so the steps that move them name them. One that an instruction writes
//! only if a condition holds gets its old value first, for the other case.

use super::{Exec, RegisterFn};
use crate::info::{Flags, OperandClass, Role};
use crate::memory::Memory;
use crate::plan::{Plan, Planned};
use crate::state::{Args, PENDING, Regs};
use crate::{Opcode, RegSet};

/// One call.
#[derive(Debug)]
pub struct Step<M: Memory> {
    /// What it calls: an instruction's function, or one that moves registers about.
    pub run: Exec<M>,
    /// With what.
    pub args: Args,
    /// The instruction that it executes; `None` if it moves registers about for the packet.
    pub of: Option<Opcode>,
}

impl<M: Memory> Clone for Step<M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<M: Memory> Copy for Step<M> {}

// A step is read whole for each instruction that is executed.
const _: () = assert!(size_of::<Args>() <= 36 && size_of::<Option<Opcode>>() <= 4);

/// Appends the steps of a packet at `pc`; `next` is the packet behind it. `function` is [`exec`](super::exec) or one of its copies
/// for the host's processor.
pub fn emit<M: Memory>(
    plan: &Plan,
    function: impl Fn(Opcode) -> Option<Exec<M>>,
    pc: u32,
    next: u32,
    out: &mut Vec<Step<M>>,
) {
    let execute = |n: &Planned, dry: bool| Step {
        // What has no meaning is not planned.
        run: function(n.facts.insn.op).unwrap_or(Exec::Register(nothing)),
        args: Args {
            pc,
            next,
            dry,
            ..args(plan, n, pc)
        },
        of: Some(n.facts.insn.op),
    };
    copy_gprs(plan.pending_gprs(|n| n.conditional), PENDING, 0, out);
    let mut probed = false;
    for n in &plan.order {
        if n.facts.early {
            let temporary = n.facts.insn.info().flags.any(Flags::TMP);
            for r in (0..32).filter(|r| n.facts.writes.vec >> r & 1 != 0) {
                out.push(moving(save_vector, &[r, i32::from(temporary)]));
            }
        }
        if n.facts.effects.store && !probed {
            probed = true;
            let dry = plan.order.iter().filter(|k| k.dry);
            out.extend(dry.map(|k| execute(k, true)));
        }
        // A `nop` is no step.
        if !n.facts.meaning.body.is_empty() {
            out.push(execute(n, false));
        }
    }
    if plan.facts.decided_late {
        // All have run; writing the same predicates once more changes nothing.
        out.push(moving(forget_target, &[]));
        // Branches among themselves run in the packet's order.
        let jumps = plan.order.iter().filter(|n| n.facts.effects.jump);
        out.extend(jumps.map(|n| execute(n, false)));
    }
    copy_gprs(plan.pending_gprs(|_| true), 0, PENDING, out);
    let more = |w: RegSet| !RegSet { gpr: 0, ..w }.is_empty();
    let mut all = plan.order.iter();
    if all.any(|n| n.facts.early || n.pending && more(n.facts.writes)) {
        out.push(moving(commit, &[]));
    }
}

/// Where an instruction reads and writes.
fn args(plan: &Plan, n: &Planned, pc: u32) -> Args {
    let pending_preds = plan.pending_preds();
    let insn = &n.facts.insn;
    let new_preds = n.facts.new_pred | n.facts.effects.writes_pred;
    let mut args = Args {
        v: insn.v,
        off: if n.pending { PENDING } else { 0 },
        vec_off: if n.pending && !n.facts.early { PENDING } else { 0 },
        new_pred: if new_preds & pending_preds != 0 { 4 } else { 0 },
        ..Args::default()
    };
    for ((operand, v), slot) in insn.info().operands.iter().zip(insn.v).zip(&mut args.v) {
        let class = operand.class;
        if class == OperandClass::PcRel {
            *slot = pc.wrapping_add(v as u32) as i32;
        } else if operand.new && class == OperandClass::Pred {
            let pending = pending_preds >> (v & 3) & 1 != 0;
            *slot = if pending { v & 3 | 4 } else { v & 3 };
        } else {
            let writer = match operand.role {
                _ if operand.new => plan.at(insn.producer),
                Role::Write if matches!(class, OperandClass::Gpr | OperandClass::GprPair) => Some(n),
                _ => None,
            };
            if writer.is_some_and(|w| w.pending && !(w.facts.early && class == OperandClass::Vec)) {
                *slot = v | i32::from(PENDING);
            }
        }
    }
    args
}

/// A step that moves registers about, and the numbers that it is told.
fn moving<M: Memory>(how: RegisterFn, numbers: &[i32]) -> Step<M> {
    let mut args = Args::default();
    for (slot, n) in args.v.iter_mut().zip(numbers) {
        *slot = *n;
    }
    Step {
        run: Exec::Register(how),
        args,
        of: None,
    }
}

/// Steps that copy these general registers from one half to the other.
fn copy_gprs<M: Memory>(which: u32, to: u8, from: u8, out: &mut Vec<Step<M>>) {
    let regs: Vec<i32> = (0..32).filter(|n| which >> n & 1 != 0).collect();
    for pair in regs.chunks(2) {
        let copies: Vec<i32> = pair
            .iter()
            .flat_map(|n| [n | i32::from(to), n | i32::from(from)])
            .collect();
        let copy = if pair.len() == 1 { copy_one } else { copy_two };
        out.push(moving(copy, &copies));
    }
}

extern "C" fn nothing(_: &mut Regs, _: &Args) {}

extern "C" fn save_vector(regs: &mut Regs, a: &Args) {
    let [vector, temporary, ..] = a.v;
    regs.save_vector(vector as u8, temporary != 0);
}

extern "C" fn forget_target(regs: &mut Regs, _: &Args) {
    regs.take_target();
}

extern "C" fn copy_one(regs: &mut Regs, a: &Args) {
    let [to, from, ..] = a.v;
    regs.copy_gpr(to as u8, from as u8);
}

extern "C" fn copy_two(regs: &mut Regs, a: &Args) {
    let [to, from, to_too, from_too, ..] = a.v;
    regs.copy_gpr(to as u8, from as u8);
    regs.copy_gpr(to_too as u8, from_too as u8);
}

extern "C" fn commit(regs: &mut Regs, _: &Args) {
    regs.commit();
}
