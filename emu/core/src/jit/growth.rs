//! Which packets are translated together.
//!
//! A unit grows from an address that was reached often, over direct jumps and falls. It ends where another unit has a way in, and
//! in front of what only the interpreter does. Where calls return to is one more way in.

use std::collections::{BTreeMap, BTreeSet};

use hexagon_isa::facts::{InsnFacts, PacketFacts};
use hexagon_isa::info::{Flags, OperandClass};
use hexagon_isa::interp::{Exec, Step, emit};
use hexagon_isa::ir::{Kind, Stmt};
use hexagon_isa::plan::Plan;
use hexagon_isa::state::{Args, Qfloat};
use hexagon_isa::{EndLoop, decode_packet};

use super::lower::possible::can_lower;
use super::vector::{Features, Held, Member, VectorPart, assemble, part};
use crate::code_changes::page_and_next;
use crate::fetch::fetch_by;
use crate::memory::{CodeMemory, CodeView};
use crate::part::Core;
use crate::stop::may_stop;

/// Packets of a unit at most.
const MAX_PACKETS: usize = 256;
/// Ways into a unit at most.
const MAX_ENTRIES: usize = 32;

/// One function of the interpreter, and what it is called with.
#[derive(Debug)]
pub(super) struct Call {
    /// Its address.
    pub function: usize,
    /// It takes the memory and may fault.
    pub memory: bool,
    pub args: Args,
}

/// How a packet is executed.
#[derive(Debug)]
pub(super) enum Way {
    /// By host code made of its meaning; what it does on vectors is apart.
    Lowered(Option<Box<VectorPart>>),
    /// By the interpreter's functions, called one after the other.
    Called(Box<[Call]>),
    /// By the interpreter: the unit is left in front of it.
    Interpreted,
}

/// A branch of a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Branch {
    /// Where to, if that is known.
    pub target: Option<u32>,
    /// It may not be taken.
    pub conditional: bool,
}

/// A packet of a unit.
#[derive(Debug)]
pub(super) struct Piece {
    pub pc: u32,
    /// The packet behind it.
    pub next: u32,
    pub facts: PacketFacts,
    pub way: Way,
    pub branches: Vec<Branch>,
    /// It is a call, which is come back from.
    pub call: bool,
    /// The host has refused an access of this packet before, or of one beside it: accesses ask first.
    pub asks: bool,
    /// What is done where the host's floats are not to be trusted.
    pub distrusted: Distrusted,
}

/// What a packet does when a float of the host's may not be its result, or leaves a flag to be raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distrusted {
    /// The unit is left in front of it: what follows need not be ready for another result.
    Leave,
    /// The interpreter's function is called: it was left too often, or what is in front of the float cannot be done twice.
    Call,
}

impl Piece {
    /// It always goes elsewhere.
    fn never_falls(&self) -> bool {
        self.branches.iter().any(|b| !b.conditional)
    }
}

/// Packets that become one function.
#[derive(Debug)]
pub(super) struct Unit {
    pub pieces: BTreeMap<u32, Piece>,
    /// Where branches of the unit go to: where its basic blocks begin.
    pub leaders: BTreeSet<u32>,
    /// Where it is entered. The first is where it grew from.
    pub entries: Vec<u32>,
    /// Where hardware loops may begin.
    pub loops: BTreeSet<u32>,
    /// The core's vectors have hidden bits, which plain writes take away.
    pub hidden_bits: bool,
}

/// The branch of an instruction, if it has one.
fn branch(n: &InsnFacts, pc: u32) -> Option<Branch> {
    fn find(body: &[Stmt], n: &InsnFacts, pc: u32, conditional: bool) -> Option<Branch> {
        body.iter().find_map(|s| match s {
            Stmt::Jump(e) => {
                let target = match e.kind {
                    Kind::Operand(k) if n.insn.info().operands[k].class == OperandClass::PcRel => {
                        Some(pc.wrapping_add(n.insn.v[k] as u32))
                    }
                    _ => None,
                };
                Some(Branch { target, conditional })
            }
            Stmt::If(_, a, b) => find(a, n, pc, true).or_else(|| find(b, n, pc, true)),
            _ => None,
        })
    }
    find(n.meaning.body, n, pc, false)
}

/// The start of the hardware loop that an instruction sets up.
fn loop_start(n: &InsnFacts, pc: u32) -> Option<u32> {
    const STARTS: u32 = 1 << 0 | 1 << 2;
    if n.effects.writes_ctl & STARTS == 0 {
        return None;
    }
    let operands = n.insn.info().operands.iter().zip(n.insn.v);
    let mut relative = operands.filter(|(o, _)| o.class == OperandClass::PcRel);
    relative.next().map(|(_, v)| pc.wrapping_add(v as u32))
}

/// What a packet does on vectors, if all of that is host code of ours.
fn vectors(facts: &PacketFacts, core: Core) -> Option<VectorPart> {
    let mut part = part(facts, Features::of(core.vectors)?)?;
    // There may be more values at a time than registers.
    part.pairs = assemble(&[Member::alone(&part)], &Held::nothing())?.pairs;
    Some(part)
}

/// The packet at an address; `None` if it cannot be executed, which the interpreter says when it gets there.
fn look<M: CodeMemory>(code: &dyn CodeView, core: Core, pc: u32) -> Option<Piece> {
    // Code may never get there: pages that are not at hand are not asked for, which an SMMU would notice.
    let fetched = fetch_by(|va| code.code_at_hand(va).ok_or(()), pc);
    if fetched.fault.is_some() {
        return None;
    }
    let packet = decode_packet(fetched.words(), core.arch).ok()?;
    let plan = Plan::new(&packet).ok()?;
    let next = pc.wrapping_add(packet.bytes());
    let facts = plan.facts.clone();
    let branches: Vec<Branch> = facts.insns.iter().filter_map(|n| branch(n, pc)).collect();
    let way = if facts.may_stop()
        || facts.reads_clocks()
        || facts.hvx() > 0 && core.no_vectors.is_some()
        || core.lacks(&facts).is_some()
        || facts.endloop != EndLoop::None && !branches.is_empty()
    {
        Way::Interpreted
    } else if can_lower(&facts) {
        Way::Lowered(None)
    } else if let Some(part) = vectors(&facts, core) {
        Way::Lowered(Some(Box::new(part)))
    } else {
        let mut steps: Vec<Step<M>> = Vec::new();
        emit(&plan, |op| M::function(core.vectors, op), pc, next, &mut steps);
        let call = |step: &Step<M>| {
            let (function, memory) = match step.run {
                Exec::Register(f) => (f as usize, false),
                Exec::Memory(f) => (f as usize, true),
            };
            Call {
                function,
                memory,
                args: step.args,
            }
        };
        Way::Called(steps.iter().map(call).collect())
    };
    let call = facts.any(|n| n.insn.info().flags.any(Flags::CALL));
    Some(Piece {
        pc,
        next,
        facts,
        way,
        branches,
        call,
        asks: false,
        distrusted: Distrusted::Call,
    })
}

/// Grows the unit at `start`; `None` if nothing there can be translated. `starts` is where the loop registers point now, `known`
/// tells the ways into other units.
pub(super) fn grow<M: CodeMemory>(
    code: &dyn CodeView,
    core: Core,
    start: u32,
    starts: [u32; 2],
    known: impl Fn(u32) -> bool,
) -> Option<Unit> {
    let mut unit = Unit {
        pieces: BTreeMap::new(),
        leaders: BTreeSet::from([start]),
        entries: vec![start],
        loops: BTreeSet::from(starts),
        hidden_bits: Qfloat::of(core.arch) == Qfloat::Extended,
    };
    let mut todo = vec![start];
    while let Some(mut pc) = todo.pop() {
        while !unit.pieces.contains_key(&pc)
            && unit.pieces.len() < MAX_PACKETS
            && (pc == start || !known(pc))
            && let Some(piece) = look::<M>(code, core, pc)
        {
            unit.loops
                .extend(piece.facts.insns.iter().filter_map(|n| loop_start(n, pc)));
            let next = piece.next;
            let interpreted = matches!(piece.way, Way::Interpreted);
            if interpreted || piece.call {
                unit.pieces.insert(pc, piece);
                if unit.entries.len() < MAX_ENTRIES && !known(next) {
                    unit.entries.push(next);
                    unit.leaders.insert(next);
                    todo.push(next);
                }
                break;
            }
            let targets = piece.branches.iter().filter_map(|b| b.target);
            let mut to: Vec<u32> = targets.collect();
            if piece.facts.endloop != EndLoop::None {
                to.extend(unit.inner_start(pc));
            }
            unit.leaders.extend(&to);
            todo.extend(to);
            let falls = !piece.never_falls();
            if !piece.branches.is_empty() || piece.facts.endloop != EndLoop::None || may_stop(pc, next) {
                unit.leaders.insert(next);
            }
            unit.pieces.insert(pc, piece);
            if !falls {
                break;
            }
            pc = next;
        }
    }
    let first = unit.pieces.get(&start)?;
    if matches!(first.way, Way::Interpreted) {
        return None;
    }
    let pieces = &unit.pieces;
    unit.entries
        .retain(|e| pieces.get(e).is_some_and(|p| !matches!(p.way, Way::Interpreted)));
    Some(unit)
}

impl Unit {
    /// The pages that it was made of.
    pub(super) fn pages(&self) -> BTreeSet<u32> {
        let pieces = self.pieces.values();
        pieces
            .flat_map(|piece| page_and_next(piece.pc, piece.next))
            .collect()
    }

    /// Packets that leave the unit where floats are not to be trusted.
    pub(super) fn trusting(&self) -> Box<[u32]> {
        let pieces = self.pieces.values();
        let trusting = pieces.filter(|piece| piece.distrusted == Distrusted::Leave);
        trusting.map(|piece| piece.pc).collect()
    }

    /// What it calls, which stays where it is.
    pub(super) fn into_calls(self) -> impl Iterator<Item = Box<[Call]>> {
        let ways = self.pieces.into_values().map(|piece| piece.way);
        ways.filter_map(|way| match way {
            Way::Called(calls) => Some(calls),
            Way::Lowered(_) | Way::Interpreted => None,
        })
    }

    /// Where the inner loop that ends at `pc` begins, most likely.
    pub(super) fn inner_start(&self, pc: u32) -> Option<u32> {
        self.loops.range(..=pc).next_back().copied()
    }

    /// Where the outer loop that ends at `pc` begins, most likely: at the nearest start that a `loop1` in front of it names.
    pub(super) fn outer_start(&self, pc: u32) -> Option<u32> {
        const SA1: u32 = 1 << 2;
        self.pieces.range(..=pc).rev().find_map(|(at, piece)| {
            let mut setters = piece
                .facts
                .insns
                .iter()
                .filter(|n| n.effects.writes_ctl & SA1 != 0);
            setters.find_map(|n| loop_start(n, *at))
        })
    }
}
