//! What a packet reads, writes, orders and commits, as data that every engine shares: one that runs instructions in place (see
//! [`plan`](crate::plan)) as well as one that translates them.
//!
//! The rules behind it:
//!
//! * All instructions read the state before the packet ([`InsnFacts::reads`]), except what they consume as `.new`
//!   ([`InsnFacts::new_pred`], [`Insn::producer`]) and vectors that a `.cur` or `.tmp` load of the packet brings
//!   ([`InsnFacts::early`]).
//! * Memory accesses keep the packet's order, in which a load sees an earlier store; `.cur` and `.tmp` loads come first. A fault
//!   leaves nothing of the packet behind, also one behind a store ([`PacketFacts::behind_store`]).
//! * Several writers of a predicate are ANDed ([`PacketFacts::anded`]). Everything else has one writer, or writers of which each
//!   has its condition (the decoder refuses the rest); of a `.tmp` load nothing stays.
//! * Sticky flags of USR are raised in any order. What of a control register a transfer changes: [`writable`].
//! * Of several taken branches the first in the packet wins. A compare-and-jump jumps by the predicate as all writers of the
//!   packet leave it ([`PacketFacts::decided_late`]).
//! * The ends of loops act last ([`PacketFacts::endloop`]); a taken branch goes where it goes all the same.
//! * Clock registers ([`CLOCKS`]) show the time when the packet began.

use crate::info::{Flags, OperandClass, Role};
use crate::ir::{self, Effects, Meaning, Stmt};
use crate::{EndLoop, Insn, MAX_INSNS, Packet, RegSet};

/// Instructions of a packet by their positions in it, a bit each.
pub type Positions = u8;
const _: () = assert!(MAX_INSNS <= Positions::BITS as usize);

/// Control registers that follow clocks or counters, a bit each: they are refreshed before they are read.
pub const CLOCKS: u32 = 3 << 14 | 3 << 18 | 7 << 20 | 3 << 30;

/// Bits of USR that a transfer cannot change: reserved ones.
const USR_READ_ONLY: u32 = 0xc130_00c0;
/// Bits of GP that a transfer cannot change.
const GP_READ_ONLY: u32 = 0x3f;

/// The bits of control register `n` (0 to 31) that a transfer changes: none of the packet's address, the cycle counter and the
/// timer.
#[must_use]
#[inline(always)]
pub const fn writable(n: u8) -> u32 {
    match n & 31 {
        8 => !USR_READ_ONLY,
        11 => !GP_READ_ONLY,
        9 | 14 | 15 | 30 | 31 => 0,
        _ => !0,
    }
}

/// Why a packet that decodes cannot be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotExecutable {
    /// This instruction has no meaning yet.
    #[error("{0} has no meaning yet")]
    NoMeaning(&'static str),
    /// User code may not use this instruction.
    #[error("{0} is privileged")]
    Privileged(&'static str),
}

/// One instruction, as it stands in its packet.
#[derive(Debug, Clone, Copy)]
pub struct InsnFacts {
    /// The instruction.
    pub insn: Insn,
    /// What it touches besides its operands.
    pub effects: &'static Effects,
    /// What it does.
    pub meaning: &'static Meaning,
    /// Registers that it reads as before the packet.
    pub reads: RegSet,
    /// Registers that it writes, if its condition holds; of a `.tmp` load, what it brings for the packet.
    pub writes: RegSet,
    /// Predicates that it consumes as the packet's other instructions leave them (`.new`), a bit each.
    pub new_pred: u8,
    /// The instructions of the packet whose results it consumes.
    pub producers: Positions,
    /// A `.cur` or `.tmp` load: the packet's other instructions see its vector.
    pub early: bool,
    /// It may leave registers unwritten.
    pub conditional: bool,
}

impl InsnFacts {
    /// The facts of one instruction of a decoded packet, without its producers.
    fn of(insn: &Insn) -> Result<InsnFacts, NotExecutable> {
        let name = insn.info().name;
        let (Some(effects), Some(meaning)) = (ir::effects(insn.op), ir::meaning(insn.op)) else {
            return Err(NotExecutable::NoMeaning(name));
        };
        if effects.privileged {
            return Err(NotExecutable::Privileged(name));
        }
        let (mut reads, mut writes) = (read_by(effects), written_by(effects));
        let mut new_pred = effects.reads_new_pred & !effects.writes_pred;
        for (operand, v) in insn.info().operands.iter().zip(insn.v) {
            let register = RegSet::operand(operand.class, v);
            if operand.new {
                if operand.class == OperandClass::Pred {
                    new_pred |= register.pred;
                }
                continue;
            }
            if operand.role != Role::Write {
                reads |= register;
            }
            if operand.role != Role::Read {
                writes |= register;
            }
        }
        Ok(InsnFacts {
            insn: *insn,
            effects,
            meaning,
            reads,
            writes,
            new_pred,
            producers: 0,
            early: insn.info().flags.any(Flags::CUR | Flags::TMP),
            conditional: meaning.body.iter().any(|s| matches!(s, Stmt::If(..))),
        })
    }
}

/// The registers that effects read.
fn read_by(effects: &Effects) -> RegSet {
    let mut set = RegSet {
        gpr: effects.reads_gpr,
        pred: effects.reads_pred,
        vec: if effects.vectors { u32::MAX } else { 0 },
        z: effects.reads_z,
        rounding: effects.status,
        ..RegSet::EMPTY
    };
    set.add_control(effects.reads_ctl);
    set
}

/// The registers that effects write.
fn written_by(effects: &Effects) -> RegSet {
    let mut set = RegSet {
        gpr: effects.writes_gpr,
        pred: effects.writes_pred,
        vec: if effects.vectors { u32::MAX } else { 0 },
        z: effects.writes_z,
        sticky: effects.sticky,
        ..RegSet::EMPTY
    };
    set.add_control(effects.writes_ctl);
    set
}

/// What a packet does to the state.
#[derive(Debug, Clone)]
pub struct PacketFacts {
    /// Its instructions, in the packet's order.
    pub insns: Vec<InsnFacts>,
    /// Predicates that several of them write, a bit each.
    pub anded: u8,
    /// A compare-and-jump's predicate has another writer: it jumps by the AND of both, which is not known before both ran.
    pub decided_late: bool,
    /// What may fault behind a store: a store is made only when they are known not to.
    pub behind_store: Positions,
    /// The loops that it ends.
    pub endloop: EndLoop,
}

impl PacketFacts {
    /// Finds them.
    ///
    /// # Errors
    /// One of the instructions has no meaning, or is not for user code.
    pub fn of(packet: &Packet) -> Result<PacketFacts, NotExecutable> {
        let insns: Result<Vec<InsnFacts>, NotExecutable> = packet.insns().iter().map(InsnFacts::of).collect();
        let mut facts = PacketFacts {
            insns: insns?,
            anded: 0,
            decided_late: false,
            behind_store: 0,
            endloop: packet.endloop,
        };
        let (mut written, mut stored) = (0, false);
        for (n, position) in facts.insns.iter().zip(0..) {
            facts.anded |= written & n.writes.pred;
            written |= n.writes.pred;
            if stored && n.effects.fault && !n.early {
                facts.behind_store |= 1 << position;
            }
            stored |= n.effects.store;
        }
        facts.decided_late = facts.any(|n| {
            let compared = n.effects.writes_pred & n.effects.reads_new_pred;
            n.effects.jump && compared & facts.anded != 0
        });
        find_producers(&mut facts.insns);
        Ok(facts)
    }

    /// One of its instructions is such.
    pub fn any(&self, which: impl FnMut(&InsnFacts) -> bool) -> bool {
        self.insns.iter().any(which)
    }

    /// It may go elsewhere than to the next packet.
    #[must_use]
    pub fn branches(&self) -> bool {
        self.endloop != EndLoop::None || self.any(|n| n.effects.jump)
    }

    /// It may stop the thread's run.
    #[must_use]
    pub fn may_stop(&self) -> bool {
        self.any(|n| n.effects.event)
    }

    /// It reads a clock or counter.
    #[must_use]
    pub fn reads_clocks(&self) -> bool {
        self.any(|n| n.reads.ctl & CLOCKS != 0)
    }

    /// How many of its instructions are HVX's.
    #[must_use]
    pub fn hvx(&self) -> usize {
        self.insns
            .iter()
            .filter(|n| n.insn.info().flags.any(Flags::HVX))
            .count()
    }
}

/// Finds the instructions whose results each one consumes, and takes what early loads bring out of what the others read as
/// before the packet.
fn find_producers(insns: &mut [InsnFacts]) {
    let all = insns.to_vec();
    let early = all.iter().filter(|n| n.early).fold(0, |m, n| m | n.writes.vec);
    for (n, own) in insns.iter_mut().zip(0..) {
        let consumed =
            |p: &InsnFacts| p.writes.pred & n.new_pred != 0 || p.early && p.writes.vec & n.reads.vec != 0;
        let mut producers = (0..)
            .zip(&all)
            .filter(|(_, p)| consumed(p))
            .fold(0, |m, (k, _)| m | 1 << k);
        if n.insn.producer != Insn::NONE {
            producers |= 1 << n.insn.producer;
        }
        n.producers = producers & !(1 << own);
        n.reads.vec &= !early;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, Opcode, assemble_packet, decode_packet};

    fn facts(insns: &[(Opcode, &[i32])], endloop: EndLoop) -> PacketFacts {
        let insns: Vec<Insn> = insns
            .iter()
            .map(|(op, operands)| Insn::with_operands(*op, operands))
            .collect();
        let words = assemble_packet(&insns, endloop, false).unwrap();
        PacketFacts::of(&decode_packet(&words, Arch::V68).unwrap()).unwrap()
    }

    #[test]
    fn what_may_fault_behind_a_store_is_known() {
        let stores = facts(
            &[
                (Opcode::S2_storeri_io, &[0, 0, 5]),
                (Opcode::S2_storeri_io, &[1, 0, 5]),
            ],
            EndLoop::None,
        );
        assert_eq!((stores.behind_store, stores.anded), (0b10, 0));
    }

    #[test]
    fn writers_of_one_predicate_are_anded() {
        let both = facts(
            &[(Opcode::C2_cmpeqi, &[0, 0, 0]), (Opcode::C2_cmpeqi, &[0, 1, 0])],
            EndLoop::Loop0,
        );
        assert_eq!((both.anded, both.decided_late, both.branches()), (1, false, true));
        let jump = facts(
            &[
                (Opcode::C2_cmpeqi, &[0, 0, 0]),
                (Opcode::J4_cmpeqi_tp0_jump_t, &[1, 1, 8]),
            ],
            EndLoop::None,
        );
        assert_eq!((jump.anded, jump.decided_late), (1, true));
    }

    #[test]
    fn control_register_4_is_the_predicates() {
        let read = facts(&[(Opcode::A2_tfrcrr, &[0, 4])], EndLoop::None);
        assert_eq!((read.insns[0].reads.ctl, read.insns[0].reads.pred), (1 << 4, 0xf));
    }

    /// So they can come before everything else, and before all stores.
    #[test]
    fn early_loads_consume_no_new_values() {
        let all = Opcode::all().map(Opcode::info);
        let early: Vec<_> = all.filter(|i| i.flags.any(Flags::CUR | Flags::TMP)).collect();
        assert!(early.len() > 10);
        for info in early {
            assert!(info.operands.iter().all(|o| !o.new), "{}", info.name);
        }
    }
}
