//! From a decoded packet to how it is executed, as plain data: everything that a packet's form decides is decided here, once.
//! [`super::emit`] makes the interpreter's steps of it.
//!
//! All instructions of a packet read the state before it and commit together. Instead of buffering every write, the planner
//! orders the instructions so that most can write in place, and sends the others' results to the pending half of the register
//! files (see `hexagon_isa::interp::Regs`), from where they are moved when all have run. An instruction must leave its results
//! pending if something behind it in the order
//! * reads a register it writes (as before the packet), or
//! * may still fault (a fault must leave nothing behind), or
//! * if it is one of several writers of a predicate (they are ANDed).
//!
//! Memory accesses keep the packet's order, in which a load sees an earlier store. What comes behind a store is first run
//! *dry*, to find out whether it faults: loads and reads happen, stores are only probed.
//!
//! `.cur` and `.tmp` vector loads write in place before everything else, after the old vector was put aside.

use hexagon_isa::info::Flags;
use hexagon_isa::{EndLoop, Insn, MAX_INSNS, Packet};

use super::facts::{Facts, Unplanned};

/// Instructions of a packet by their positions in it, a bit each.
pub(crate) type Positions = u8;
const _: () = assert!(MAX_INSNS <= Positions::BITS as usize);

/// A planned packet.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Its instructions, in the packet's order. What a `.cur` or `.tmp` load brings is not among what the others read as before the
    /// packet.
    pub facts: Vec<Facts>,
    /// Their positions in the order in which they run.
    pub order: Vec<usize>,
    /// Those whose results stay pending until all have run.
    pub pending: Positions,
    /// Those that are run dry before the first store.
    pub dry: Positions,
    /// Jumps are decided only when all have run: see [`decided_late`].
    pub late_jumps: bool,
}

/// What a block is told of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Summary {
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

impl Plan {
    /// Plans a packet.
    ///
    /// # Errors
    /// One of its instructions has no meaning, or is not for user code.
    pub(crate) fn new(packet: &Packet) -> Result<Plan, Unplanned> {
        let facts: Result<Vec<Facts>, Unplanned> = packet.insns().iter().map(Facts::of).collect();
        let mut facts = facts?;
        let after = producers(&mut facts);
        let order = schedule(&facts, after);
        let dry = behind_a_store(&facts, &order);
        let late_jumps = decided_late(&facts);
        Ok(Plan {
            pending: pending(&facts, &order, dry, late_jumps),
            facts,
            order,
            dry,
            late_jumps,
        })
    }

    /// What its block is told of it.
    pub(crate) fn summary(&self, endloop: EndLoop) -> Summary {
        let any = |which: fn(&Facts) -> bool| self.facts.iter().any(which);
        let hvx = self.facts.iter().filter(|n| n.insn.info().flags.any(Flags::HVX));
        Summary {
            branch: any(|n| n.fx.jump) || endloop != EndLoop::None,
            event: any(|n| n.fx.event),
            insns: self.facts.len() as u32,
            hvx: hvx.count() as u32,
            clocks: any(|n| n.clocks),
        }
    }

    /// Whether the instruction at this position leaves its results pending.
    pub(crate) fn is_pending(&self, position: usize) -> bool {
        self.pending >> position & 1 != 0
    }
}

/// The instructions whose results each one consumes, and those before which a store must not be made. Takes what early loads
/// bring out of what the others read as before the packet.
fn producers(facts: &mut [Facts]) -> [Positions; MAX_INSNS] {
    let mut after = [0; MAX_INSNS];
    for (i, (n, after)) in facts.iter().zip(&mut after).enumerate() {
        if n.insn.producer != Insn::NONE {
            *after |= 1 << n.insn.producer;
        }
        for (k, p) in facts.iter().enumerate() {
            if p.writes.pred & n.new_pred != 0 || p.early && p.writes.vec & n.reads.vec != 0 {
                *after |= 1 << k;
            }
        }
        *after &= !(1 << i);
    }
    let early = facts.iter().filter(|n| n.early).fold(0, |m, n| m | n.writes.vec);
    for n in facts.iter_mut() {
        n.reads.vec &= !early;
    }
    // A store is made only when nothing behind it can fault any more, and finding that out needs their operands.
    for i in 0..facts.len() {
        if facts[i].fx.store {
            let behind = (i + 1..facts.len()).filter(|k| facts[*k].fx.fault);
            let needed = behind.fold(0, |m, k| m | after[k]);
            after[i] |= needed & !(1 << i);
        }
    }
    after
}

/// The order in which the instructions run.
fn schedule(facts: &[Facts], after: [Positions; MAX_INSNS]) -> Vec<usize> {
    let mut order = Vec::with_capacity(facts.len());
    let mut done: Positions = 0;
    while order.len() < facts.len() {
        let left = |k: usize| done >> k & 1 == 0;
        let ready = |i: usize| {
            let n = &facts[i];
            left(i)
                && after[i] & !done == 0
                // Accesses among themselves and branches among themselves keep the packet's order.
                && (n.early || (0..i).all(|k| {
                    let p = &facts[k];
                    !left(k) || !(p.fx.fault && n.fx.fault && !p.early || p.fx.jump && n.fx.jump)
                }))
        };
        let harmless =
            |i: usize| (0..facts.len()).all(|k| k == i || !left(k) || !facts[k].reads.meets(facts[i].writes));
        let pick = (0..facts.len())
            .find(|&i| ready(i) && facts[i].early)
            .or_else(|| (0..facts.len()).find(|&i| ready(i) && facts[i].fx.fault))
            .or_else(|| (0..facts.len()).find(|&i| ready(i) && harmless(i)))
            .or_else(|| (0..facts.len()).find(|&i| ready(i)))
            .or_else(|| (0..facts.len()).find(|&i| left(i)));
        let Some(i) = pick else { break };
        done |= 1 << i;
        order.push(i);
    }
    order
}

/// What may fault behind a store.
fn behind_a_store(facts: &[Facts], order: &[usize]) -> Positions {
    let mut behind = 0;
    let mut stored = false;
    for &i in order {
        if stored && facts[i].fx.fault {
            behind |= 1 << i;
        }
        stored |= facts[i].fx.store;
    }
    behind
}

/// A compare-and-jump whose predicate has another writer: it jumps by the AND of both, which is not known before both ran.
fn decided_late(facts: &[Facts]) -> bool {
    facts.iter().enumerate().any(|(i, n)| {
        let others = facts.iter().enumerate().filter(|(k, _)| *k != i);
        n.fx.jump
            && others.fold(0, |m, (_, o)| m | o.writes.pred) & n.fx.writes_pred & n.fx.reads_new_pred != 0
    })
}

/// Which instructions must not write in place.
fn pending(facts: &[Facts], order: &[usize], dry: Positions, late_jumps: bool) -> Positions {
    let mut pending = dry;
    for (at, &i) in order.iter().enumerate() {
        let n = &facts[i];
        let later = order.get(at + 1..).unwrap_or_default();
        let read = later.iter().any(|&k| facts[k].reads.meets(n.writes));
        let fault = later.iter().any(|&k| facts[k].fx.fault);
        let shared = (0..facts.len()).any(|k| k != i && facts[k].writes.pred & n.writes.pred != 0);
        // What a temporary load of the same vector puts aside comes back at the end, and would undo a write in place.
        let aside = !n.early && facts.iter().any(|e| e.early && e.writes.vec & n.writes.vec != 0);
        // Jumps that are decided twice read their operands twice.
        let again = late_jumps && facts.iter().any(|j| j.fx.jump && j.reads.meets(n.writes));
        if read || fault || shared || aside || again {
            pending |= 1 << i;
        }
    }
    // Two that write a general register, each on its condition, write the same half.
    let halves = (0..).zip(facts).filter(|(i, _)| pending >> i & 1 != 0);
    let halves = halves.fold(0, |m, (_, n)| m | n.writes.gpr);
    let shared = (0..).zip(facts).filter(|(_, n)| n.writes.gpr & halves != 0);
    shared.fold(pending, |m, (i, _)| m | 1 << i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexagon_isa::{Arch, MAX_OPERANDS, Opcode, assemble_packet, decode_packet};

    fn plan(insns: &[(Opcode, &[i32])]) -> Plan {
        let insns: Vec<Insn> = insns
            .iter()
            .map(|(op, operands)| {
                let mut v = [0; MAX_OPERANDS];
                v[..operands.len()].copy_from_slice(operands);
                Insn {
                    op: *op,
                    slot: 0,
                    producer: Insn::NONE,
                    extended: false,
                    v,
                }
            })
            .collect();
        let words = assemble_packet(&insns, EndLoop::None, false).unwrap();
        Plan::new(&decode_packet(&words, Arch::V68).unwrap()).unwrap()
    }

    #[test]
    fn only_what_another_one_still_reads_is_left_pending() {
        let swap = plan(&[(Opcode::A2_tfr, &[0, 1]), (Opcode::A2_tfr, &[1, 0])]);
        assert_eq!((swap.order, swap.pending, swap.dry), (vec![0, 1], 0b01, 0));
        // In the other order nothing is overwritten that is still needed.
        let chain = plan(&[(Opcode::A2_tfr, &[0, 1]), (Opcode::A2_tfr, &[2, 0])]);
        assert_eq!((chain.order, chain.pending, chain.dry), (vec![1, 0], 0, 0));
    }

    #[test]
    fn what_may_fault_behind_a_store_is_run_dry_first() {
        let stores = plan(&[
            (Opcode::S2_storeri_io, &[0, 0, 5]),
            (Opcode::S2_storeri_io, &[1, 0, 5]),
        ]);
        assert_eq!(
            (stores.order, stores.dry, stores.pending),
            (vec![0, 1], 0b10, 0b11)
        );
        let loads = plan(&[
            (Opcode::L2_loadri_io, &[2, 0, 0]),
            (Opcode::L2_loadri_io, &[3, 1, 0]),
        ]);
        assert_eq!((loads.order, loads.dry, loads.pending), (vec![0, 1], 0, 0b01));
    }

    #[test]
    fn writers_of_one_predicate_are_all_pending() {
        let both = plan(&[(Opcode::C2_cmpeqi, &[0, 0, 0]), (Opcode::C2_cmpeqi, &[0, 1, 0])]);
        assert_eq!(both.pending, 0b11);
        let summary = both.summary(EndLoop::Loop0);
        assert_eq!((summary.branch, summary.event, summary.insns), (true, false, 2));
    }
}
