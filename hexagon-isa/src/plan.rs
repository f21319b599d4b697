//! In which order a packet's instructions run when they run one after the other, and which of them write in place: the part of
//! an interpreter that depends only on the packet, as plain data.
//!
//! All instructions of a packet read the state before it and commit together. Instead of buffering every write, the planner
//! orders the instructions so that most can write in place, and sends the others' results to the pending half of the register
//! files (see [`Regs`](crate::state::Regs)), from where they are moved when all have run. An instruction must leave its results
//! pending if something behind it in the order
//! * reads a register it writes (as before the packet), or
//! * may still fault (a fault must leave nothing behind), or
//! * if it is one of several writers of a predicate (they are ANDed).
//!
//! Memory accesses keep the packet's order, in which a load sees an earlier store. What comes behind a store is first run
//! *dry*, to find out whether it faults: loads and reads happen, stores are only probed.
//!
//! `.cur` and `.tmp` vector loads write in place before everything else, after the old vector was put aside.

use crate::Packet;
use crate::facts::{InsnFacts, NotExecutable, PacketFacts, Positions};

/// How a packet is executed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What it does. If it is [decided late](PacketFacts::decided_late), its jumps run once more when all have run.
    pub facts: PacketFacts,
    /// Its instructions in the order in which they run.
    pub order: Vec<Planned>,
}

/// An instruction of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    /// What it does.
    pub facts: InsnFacts,
    /// Its position in the packet.
    pub position: u8,
    /// Its results stay pending until all have run.
    pub pending: bool,
    /// It is run dry before the first store.
    pub dry: bool,
}

impl Plan {
    /// Plans a packet.
    ///
    /// # Errors
    /// One of its instructions has no meaning, or is not for user code.
    pub fn new(packet: &Packet) -> Result<Plan, NotExecutable> {
        let facts = PacketFacts::of(packet)?;
        let mut order = schedule(&facts);
        decide_pending(&mut order, &facts);
        Ok(Plan { facts, order })
    }

    /// General registers that these instructions leave pending, a bit each.
    #[must_use]
    pub fn pending_gprs(&self, which: impl Fn(&InsnFacts) -> bool) -> u32 {
        pending_gprs(&self.order, which)
    }

    /// Predicates that are left pending, a bit each.
    #[must_use]
    pub fn pending_preds(&self) -> u8 {
        let pending = self.order.iter().filter(|n| n.pending);
        pending.fold(0, |m, n| m | n.facts.writes.pred)
    }

    /// The instruction at this position of the packet.
    #[must_use]
    pub fn at(&self, position: u8) -> Option<&Planned> {
        self.order.iter().find(|n| n.position == position)
    }
}

/// An instruction that waits for its turn.
struct Waiting {
    planned: Planned,
    /// What has to run before it.
    after: Positions,
}

/// The order in which the instructions run. Nobody is pending yet.
fn schedule(facts: &PacketFacts) -> Vec<Planned> {
    let planned = facts.insns.iter().zip(0..).map(|(n, position)| Planned {
        facts: *n,
        position,
        pending: false,
        dry: facts.behind_store >> position & 1 != 0,
    });
    let mut left: Vec<Waiting> = planned
        .map(|planned| Waiting {
            planned,
            after: before(facts, &planned),
        })
        .collect();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let next = next(&left);
        order.push(left.remove(next).planned);
    }
    order
}

/// What has to run before an instruction: the producers of what it consumes; before a store those of all that may fault behind it,
/// because it is made only when they are known not to.
fn before(facts: &PacketFacts, n: &Planned) -> Positions {
    let mut after = n.facts.producers;
    if n.facts.effects.store {
        let behind = facts.insns.iter().skip(usize::from(n.position) + 1);
        let behind = behind.filter(|k| k.effects.fault);
        after |= behind.fold(0, |m, k| m | k.producers) & !(1 << n.position);
    }
    after
}

/// Which of those that are left runs next.
fn next(left: &[Waiting]) -> usize {
    let waiting: Positions = left.iter().fold(0, |m, n| m | 1 << n.planned.position);
    let ready = |n: &Waiting| {
        // Accesses among themselves and branches among themselves keep the packet's order.
        let holds_up = |p: &Waiting| {
            let (p, n) = (&p.planned.facts, &n.planned.facts);
            p.effects.fault && n.effects.fault && !p.early || p.effects.jump && n.effects.jump
        };
        let mut in_front = left
            .iter()
            .take_while(|p| p.planned.position < n.planned.position);
        n.after & waiting == 0 && (n.planned.facts.early || !in_front.any(holds_up))
    };
    let harmless = |n: &Waiting| {
        let mut others = left.iter().filter(|k| k.planned.position != n.planned.position);
        others.all(|k| !k.planned.facts.reads.meets(n.planned.facts.writes))
    };
    let first = |wanted: &dyn Fn(&Waiting) -> bool| left.iter().position(|n| ready(n) && wanted(n));
    first(&|n| n.planned.facts.early)
        .or_else(|| first(&|n| n.planned.facts.effects.fault))
        .or_else(|| first(&harmless))
        .or_else(|| first(&|_| true))
        .unwrap_or(0)
}

/// Decides which instructions must not write in place.
fn decide_pending(order: &mut [Planned], facts: &PacketFacts) {
    let all = order.to_vec();
    for (place, n) in order.iter_mut().enumerate() {
        let writes = n.facts.writes;
        let later = || all.iter().skip(place + 1).map(|k| &k.facts);
        let read = later().any(|k| k.reads.meets(writes));
        let fault = later().any(|k| k.effects.fault);
        let shared = writes.pred & facts.anded != 0;
        // What a temporary load of the same vector puts aside comes back at the end, and would undo a write in place.
        let aside = !n.facts.early && facts.any(|e| e.early && e.writes.vec & writes.vec != 0);
        // Jumps that are decided twice read their operands twice.
        let again = facts.decided_late && facts.any(|j| j.effects.jump && j.reads.meets(writes));
        n.pending = read || fault || shared || aside || again || n.dry;
    }
    // Two that write a general register, each on its condition, write the same half.
    let halves = pending_gprs(order, |_| true);
    for n in order {
        n.pending |= n.facts.writes.gpr & halves != 0;
    }
}

fn pending_gprs(order: &[Planned], which: impl Fn(&InsnFacts) -> bool) -> u32 {
    let pending = order.iter().filter(|n| n.pending && which(&n.facts));
    pending.fold(0, |m, n| m | n.facts.writes.gpr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, EndLoop, Insn, Opcode, assemble_packet, decode_packet};

    /// Order, pending and dry instructions by their positions in the packet.
    fn plan(insns: &[(Opcode, &[i32])]) -> (Vec<u8>, Positions, Positions) {
        let insns: Vec<Insn> = insns
            .iter()
            .map(|(op, operands)| Insn::with_operands(*op, operands))
            .collect();
        let words = assemble_packet(&insns, EndLoop::None, false).unwrap();
        let plan = Plan::new(&decode_packet(&words, Arch::V68).unwrap()).unwrap();
        let positions = |which: fn(&&Planned) -> bool| {
            let found = plan.order.iter().filter(which);
            found.fold(0, |m, n| m | 1 << n.position)
        };
        (
            plan.order.iter().map(|n| n.position).collect(),
            positions(|n| n.pending),
            positions(|n| n.dry),
        )
    }

    #[test]
    fn only_what_another_one_still_reads_is_left_pending() {
        let swap = plan(&[(Opcode::A2_tfr, &[0, 1]), (Opcode::A2_tfr, &[1, 0])]);
        assert_eq!(swap, (vec![0, 1], 0b01, 0));
        // In the other order nothing is overwritten that is still needed.
        let chain = plan(&[(Opcode::A2_tfr, &[0, 1]), (Opcode::A2_tfr, &[2, 0])]);
        assert_eq!(chain, (vec![1, 0], 0, 0));
    }

    #[test]
    fn what_may_fault_behind_a_store_is_run_dry_first() {
        let stores = plan(&[
            (Opcode::S2_storeri_io, &[0, 0, 5]),
            (Opcode::S2_storeri_io, &[1, 0, 5]),
        ]);
        assert_eq!(stores, (vec![0, 1], 0b11, 0b10));
        let loads = plan(&[
            (Opcode::L2_loadri_io, &[2, 0, 0]),
            (Opcode::L2_loadri_io, &[3, 1, 0]),
        ]);
        assert_eq!(loads, (vec![0, 1], 0b01, 0));
    }

    #[test]
    fn writers_of_one_predicate_are_all_pending() {
        let (_, pending, _) = plan(&[(Opcode::C2_cmpeqi, &[0, 0, 0]), (Opcode::C2_cmpeqi, &[0, 1, 0])]);
        assert_eq!(pending, 0b11);
    }
}
