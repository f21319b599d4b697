//! What is known of a unit's vectors while it is lowered: which HVX registers it holds, what was put off, the functions that were made
//! so far.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;

use cranelift_codegen::ir::{SigRef, Value};
use hexagon_isa::ir::{Kind, Type};

use super::super::code::Table;
use super::super::growth::{Piece, Unit, Way};
use super::super::vector::{Function, Held, Member, VectorPart, assemble, bring};
use super::possible::calls;

/// How much more a packet in a loop counts when registers are chosen that are held.
const LOOP: u32 = 8;

/// What bringing held registers back and in again costs, in vector parts that need not load and store theirs.
const BRINGING: u32 = 6;

/// A vector part that is put off.
#[derive(Debug, Clone)]
pub(super) struct Waiting<'a> {
    pub(super) part: &'a VectorPart,
    pub(super) pc: u32,
    pub(super) arguments: Vec<Value>,
    /// General registers that were written since, a bit each.
    pub(super) stale: u32,
}

impl<'a> Waiting<'a> {
    pub(super) fn member(&self) -> Member<'a> {
        Member {
            part: self.part,
            stale: self.stale,
        }
    }
}

/// The functions that a unit calls, and the table where it finds their addresses.
pub(in crate::jit) struct Functions {
    pub(super) table: Table,
    pub(super) made: Vec<Function>,
}

/// What is known of a unit's vectors while it is lowered.
pub(super) struct Vectors<'a> {
    pub(super) functions: Functions,
    pub(super) waiting: Vec<Waiting<'a>>,
    pub(super) held: Held,
    /// Where HVX registers are.
    pub(super) file: Value,
    pub(super) signatures: HashMap<usize, SigRef>,
    /// Functions of single packets.
    pub(super) singles: HashMap<u32, usize>,
    /// `None`: nothing is held.
    pub(super) bring: Option<Bring>,
    /// Held registers are in the register file just now.
    pub(super) away: bool,
}

/// The functions that bring held registers in, and those that the unit writes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bring {
    pub(super) to_host: usize,
    pub(super) to_file: usize,
}

impl Functions {
    /// For so many functions at most.
    fn new(most: usize) -> Self {
        Self {
            table: (0..most).map(|_| AtomicU64::new(0)).collect(),
            made: Vec::new(),
        }
    }

    fn add(&mut self, function: Function) -> usize {
        self.made.push(function);
        self.made.len() - 1
    }

    /// Puts the functions behind the unit's code: the table, and where each begins.
    pub(in crate::jit) fn append_to(self, bytes: &mut Vec<u8>) -> (Table, Vec<usize>) {
        let mut starts = Vec::with_capacity(self.made.len());
        for function in self.made {
            bytes.resize(bytes.len().next_multiple_of(16), 0xcc);
            starts.push(bytes.len() + function.entry);
            bytes.extend(function.bytes);
        }
        (self.table, starts)
    }
}

fn part_of(piece: &Piece) -> Option<&VectorPart> {
    match &piece.way {
        Way::Lowered(part) => part.as_deref(),
        Way::Called(_) | Way::Interpreted => None,
    }
}

/// Host code of the packet leaves vector registers alone: it calls nothing and computes with no float.
pub(super) fn leaves_vectors_alone(piece: &Piece) -> bool {
    if !matches!(piece.way, Way::Lowered(_)) {
        return false;
    }
    let mut alone = true;
    for n in &piece.facts.insns {
        n.meaning.visit(&mut |e| {
            alone &= match e.kind {
                Kind::Call(b, _) => !calls(b),
                _ => !matches!(e.ty, Type::Float(_)),
            };
        });
    }
    alone
}

/// Which HVX registers the unit holds: those that its loops use most, if that is worth bringing them back and in again for the
/// packets that do not leave the host's registers alone.
fn choose(unit: &Unit) -> Held {
    let back = |piece: &Piece| {
        let branches = piece.branches.iter().filter_map(|b| b.target);
        let ends = (piece.facts.endloop != hexagon_isa::EndLoop::None).then(|| unit.inner_start(piece.pc));
        let to = branches.chain(ends.flatten()).filter(|to| *to <= piece.pc);
        to.min().map(|to| (to, piece.pc))
    };
    let loops: BTreeSet<(u32, u32)> = unit.pieces.values().filter_map(back).collect();
    let weight = |pc: u32| {
        let around = loops.iter().filter(|(from, to)| (*from..=*to).contains(&pc));
        LOOP.saturating_pow(around.count().min(3) as u32)
    };
    let (mut uses, mut gain, mut cost) = ([0u32; 32], 0u32, BRINGING);
    for piece in unit.pieces.values() {
        let weight = weight(piece.pc);
        if let Some(part) = part_of(piece) {
            gain += weight;
            for (n, uses) in uses.iter_mut().enumerate() {
                *uses += if part.touched >> n & 1 != 0 { weight } else { 0 };
            }
        }
        if piece.call || !leaves_vectors_alone(piece) {
            cost += weight * BRINGING;
        }
    }
    // Floats may be in a vector register of the host's lower half anywhere in the unit, before and behind their packet, too.
    let lowered = |p: &&Piece| matches!(p.way, Way::Lowered(_));
    let floats = unit
        .pieces
        .values()
        .filter(lowered)
        .any(|p| !leaves_vectors_alone(p));
    let parts = || unit.pieces.values().filter_map(part_of);
    if !parts().all(|part| part.wide) {
        return Held::nothing_beside(floats);
    }
    if gain <= cost {
        return Held::nothing();
    }
    let mut registers: Vec<u8> = (0..32).filter(|n| uses[usize::from(*n)] >= LOOP).collect();
    registers.sort_by_key(|n| std::cmp::Reverse(uses[usize::from(*n)]));
    let pairs = parts().map(|part| part.pairs).max().unwrap_or(0);
    let held = Held::new(registers, pairs + 1, floats);
    let fit = parts().all(|part| assemble(&[Member::alone(part)], &held).is_some());
    if fit { held } else { Held::nothing() }
}

impl Vectors<'_> {
    pub(super) fn new(unit: &Unit, regs: Value) -> Self {
        let parts = || unit.pieces.values().filter_map(part_of);
        // Each packet alone and in a group, and both ways of held registers.
        let most = match parts().count() {
            0 => 0,
            n => 2 * n + 2,
        };
        let (mut functions, mut held) = (Functions::new(most), choose(unit));
        let written = parts().fold(0, |m, part| m | part.written);
        let mut ways = None;
        if !held.registers().is_empty() {
            let both = bring(&held, None).zip(bring(&held, Some(written)));
            ways = both.map(|(host, file)| Bring {
                to_host: functions.add(host),
                to_file: functions.add(file),
            });
        }
        if ways.is_none() && !held.registers().is_empty() {
            held = Held::nothing();
        }
        Self {
            functions,
            waiting: Vec::new(),
            held,
            file: regs,
            signatures: HashMap::new(),
            singles: HashMap::new(),
            bring: ways,
            away: false,
        }
    }

    pub(super) fn add(&mut self, function: Function) -> usize {
        self.functions.add(function)
    }
}
