//! Decoded blocks: packets that run one after the other, ending where control may go elsewhere, and with their page.

use std::cell::Cell;

use hexagon_isa::facts::{NotExecutable, PacketFacts};
use hexagon_isa::interp::{Step, emit};
use hexagon_isa::plan::Plan;
use hexagon_isa::{EndLoop, decode_packet};

use super::exception::Exception;
use super::fetch::fetch;
use super::memory::{CodeMemory, Memory};
use super::part::{Core, NOWHERE};
use super::stop::may_stop;
use super::vector_float::Simulated;

/// Packets of a block at most: all of a page.
pub(super) const MAX_PACKETS: usize = 1 << 10;

/// Where a packet stands in its block, for precise exceptions and statistics.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub pc: u32,
    /// Instructions of the block before this packet.
    pub insns: u32,
    /// HVX instructions of the block before this packet.
    pub hvx: u32,
}

/// A block.
pub(super) struct Block<M: Memory> {
    pub steps: Box<[Step<M>]>,
    pub marks: Box<[Mark]>,
    /// Before which steps clock registers are brought up to date, and for which packet.
    pub clocks: Box<[(u32, u32)]>,
    pub packets: u32,
    pub insns: u32,
    pub hvx: u32,
    /// The packet behind the last one.
    pub next: u32,
    /// The last packet may jump.
    pub branch: bool,
    /// The last packet may stop the run.
    pub event: bool,
    pub endloop: EndLoop,
    /// Its first instruction for which the part has no unit.
    pub simulated: Option<Simulated>,
    /// Where this block was left to lately: addresses and blocks.
    pub links: [(u32, u32); 2],
    /// How often it is yet to be run before a translator is asked for it.
    pub cold: Cell<u32>,
}

impl<M: Memory> Block<M> {
    /// What stands where a block was.
    pub(super) fn none() -> Self {
        Block {
            steps: Box::default(),
            marks: Box::default(),
            clocks: Box::default(),
            packets: 0,
            insns: 0,
            hvx: 0,
            next: NOWHERE,
            branch: false,
            event: false,
            endloop: EndLoop::None,
            simulated: None,
            links: [(NOWHERE, 0); 2],
            cold: Cell::new(0),
        }
    }
}

/// Decodes the block at `pc`.
pub(super) fn build<M: CodeMemory>(mem: &M, core: Core, pc: u32) -> Result<Block<M>, Exception> {
    let mut steps = Vec::new();
    let mut marks = Vec::new();
    let mut clocks = Vec::new();
    let (mut insns, mut hvx) = (0, 0);
    let mut at = pc;
    let mut block = Block {
        cold: Cell::new(core.heat),
        ..Block::none()
    };
    while marks.len() < core.most {
        let first = steps.len();
        let (facts, bytes) = match one(mem, core, at, &mut steps) {
            Ok(done) => done,
            Err(e) if marks.is_empty() => return Err(e),
            // The packets before it run first; it is met again as the first packet of a block.
            Err(_) => {
                steps.truncate(first);
                break;
            }
        };
        if facts.reads_clocks() {
            clocks.push((first as u32, marks.len() as u32));
        }
        marks.push(Mark { pc: at, insns, hvx });
        block.simulated = block.simulated.or_else(|| lacking(&facts, core, at));
        insns += facts.insns.len() as u32;
        hvx += facts.hvx() as u32;
        at = at.wrapping_add(bytes);
        block.branch = facts.branches();
        block.event = facts.may_stop();
        if block.branch || block.event {
            block.endloop = facts.endloop;
            break;
        }
        if may_stop(at.wrapping_sub(bytes), at) {
            break;
        }
    }
    block.packets = marks.len() as u32;
    block.insns = insns;
    block.hvx = hvx;
    block.next = at;
    block.steps = steps.into_boxed_slice();
    block.marks = marks.into_boxed_slice();
    block.clocks = clocks.into_boxed_slice();
    Ok(block)
}

/// The first instruction of a packet for which the part has no unit.
fn lacking(facts: &PacketFacts, core: Core, pc: u32) -> Option<Simulated> {
    let name = core.lacks(facts)?.name;
    Some(Simulated { pc, name })
}

/// Fetches, decodes and plans one packet; returns its facts and bytes.
fn one<M: CodeMemory>(
    mem: &M,
    core: Core,
    pc: u32,
    steps: &mut Vec<Step<M>>,
) -> Result<(PacketFacts, u32), Exception> {
    if pc & 3 != 0 {
        return Err(Exception::MisalignedPc { pc });
    }
    let fetched = fetch(mem, pc);
    if let Some(fault) = fetched.fault {
        return Err(Exception::Memory { pc, fault });
    }
    let words = fetched.words();
    let packet = decode_packet(words, core.arch).map_err(|e| Exception::Illegal {
        pc,
        word: words.first().copied().unwrap_or_default(),
        why: e.to_string(),
    })?;
    let plan = Plan::new(&packet).map_err(|e| match e {
        NotExecutable::NoMeaning(name) => Exception::NoMeaning { pc, name },
        NotExecutable::Privileged(name) => Exception::Privileged { pc, name },
    })?;
    if let Some(why) = core.no_vectors.filter(|_| plan.facts.hvx() > 0) {
        return Err(Exception::NoVectors { pc, why });
    }
    if core.floats.strict
        && let Some(Simulated { pc, name }) = lacking(&plan.facts, core, pc)
    {
        return Err(Exception::NoFloatUnit { pc, name });
    }
    let next = pc.wrapping_add(packet.bytes());
    emit(&plan, |op| M::function(core.vectors, op), pc, next, steps);
    Ok((plan.facts, packet.bytes()))
}
