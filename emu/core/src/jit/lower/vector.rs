//! What packets do on vectors: functions of our own (see [`vector`](crate::jit::vector)), and when they are called.
//!
//! The vector parts of packets that follow each other are put off and done by one function. That must be before a block ends, before
//! a scalar access that must not overtake them, and before the interpreter's functions; a way out in between does them first, too.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder as _, MemFlagsData, SigRef, Value};
use cranelift_codegen::isa::CallConv;
use hexagon_isa::facts::InsnFacts;
use hexagon_isa::ir::{Kind, Stmt, Type};
use hexagon_isa::state::layout;

use super::super::compile::Table;
use super::super::growth::{Piece, Unit, Way};
use super::super::vector::{
    Function, Held, MOST_ADDRESSES, MOST_VALUES, Member, VectorPart, assemble, bring,
};
use super::builtin::calls;
use super::state::{Lower, function};
use super::{access, expr, stmt};
use crate::mem::Prot;

/// Packets that one function does at most.
const MOST_PACKETS: usize = 16;

/// How much more a packet in a loop counts when registers are chosen that are held.
const LOOP: u32 = 8;

/// What bringing held registers back and in again costs, in vector parts that need not load and store theirs.
const BRINGING: u32 = 6;

/// A vector part that is put off.
#[derive(Debug, Clone)]
pub(super) struct Waiting<'a> {
    part: &'a VectorPart,
    pc: u32,
    arguments: Vec<Value>,
    /// General registers that were written since, a bit each.
    stale: u32,
}

impl<'a> Waiting<'a> {
    fn member(&self) -> Member<'a> {
        Member {
            part: self.part,
            stale: self.stale,
        }
    }
}

/// The functions that a unit calls, and the table where it finds their addresses.
pub(in crate::jit) struct Functions {
    table: Table,
    made: Vec<Function>,
}

/// What is known of a unit's vectors while it is lowered.
pub(super) struct Vectors<'a> {
    pub(super) functions: Functions,
    pub(super) waiting: Vec<Waiting<'a>>,
    held: Held,
    /// Held registers that the unit writes, a bit each.
    written: u32,
    /// Where HVX registers are.
    file: Value,
    signatures: HashMap<usize, SigRef>,
    /// Functions of single packets.
    singles: HashMap<u32, usize>,
    /// The functions that bring held registers in and back.
    bring: [Option<usize>; 2],
    /// Held registers are in the register file just now.
    pub(super) away: bool,
}

impl Functions {
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
fn leaves_vectors_alone(piece: &Piece) -> bool {
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

/// The packet computes with floats. Such values may be in a vector register of the host's lower half anywhere in the unit, before
/// and behind their packet too.
fn computes_with_floats(piece: &Piece) -> bool {
    let mut floats = false;
    for n in &piece.facts.insns {
        n.meaning.visit(&mut |e| floats |= matches!(e.ty, Type::Float(_)));
        n.meaning
            .visit(&mut |e| floats |= matches!(e.kind, Kind::Call(b, _) if calls(b)));
    }
    matches!(piece.way, Way::Lowered(_)) && floats
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
    if gain <= cost {
        return Held::nothing();
    }
    let mut registers: Vec<u8> = (0..32).filter(|n| uses[usize::from(*n)] >= LOOP).collect();
    registers.sort_by_key(|n| std::cmp::Reverse(uses[usize::from(*n)]));
    let parts = || unit.pieces.values().filter_map(part_of);
    let alone = parts().filter_map(|part| assemble(&[Member::alone(part)], &Held::nothing()));
    let others = alone.map(|f| f.others).max().unwrap_or(0);
    let floats = unit.pieces.values().any(computes_with_floats);
    let held = Held::new(registers, others + 1, floats);
    let fit = parts().all(|part| assemble(&[Member::alone(part)], &held).is_some());
    if fit { held } else { Held::nothing() }
}

impl Vectors<'_> {
    pub(super) fn new(unit: &Unit, regs: Value) -> Self {
        let held = choose(unit);
        let parts = || unit.pieces.values().filter_map(part_of);
        let all = held.registers().iter().fold(0u32, |m, n| m | 1 << n);
        let written = parts().fold(0, |m, part| m | part.written) & all;
        // Each packet alone and in a group, and both ways of held registers.
        let most = 2 * parts().count() + 2;
        Self {
            functions: Functions {
                table: (0..most).map(|_| AtomicU64::new(0)).collect(),
                made: Vec::new(),
            },
            waiting: Vec::new(),
            held,
            written,
            file: regs,
            signatures: HashMap::new(),
            singles: HashMap::new(),
            bring: [None; 2],
            away: false,
        }
    }

    fn add(&mut self, function: Function) -> usize {
        self.functions.made.push(function);
        self.functions.made.len() - 1
    }
}

/// Calls a function by its place in the table.
fn call(l: &mut Lower<'_, '_>, which: usize, arguments: &[Value]) {
    let place = &raw const l.vectors.functions.table[which] as usize;
    let place = l.int(I64, place as i64);
    let flags = MemFlagsData::trusted().with_readonly();
    let callee = l.b.ins().load(I64, flags, place, 0);
    let params = arguments.len() + 2;
    let signature = match l.vectors.signatures.get(&params) {
        Some(signature) => *signature,
        None => {
            // It keeps all registers as they are.
            let signature = function(CallConv::PreserveAll, params, false);
            let signature = l.b.import_signature(signature);
            l.vectors.signatures.insert(params, signature);
            signature
        }
    };
    let mut all = vec![l.vectors.file, l.regs];
    all.extend(arguments);
    l.b.ins().call_indirect(signature, callee, &all);
}

/// The unit begins: held registers come in.
pub(super) fn enter(l: &mut Lower<'_, '_>) {
    if l.vectors.functions.table.len() <= 2 {
        return;
    }
    let at = layout::HVX as i32;
    l.vectors.file = l.b.ins().load(I64, MemFlagsData::trusted(), l.regs, at);
    if l.vectors.held.registers().is_empty() {
        return;
    }
    for (k, back) in [None, Some(l.vectors.written)].into_iter().enumerate() {
        let made = bring(&l.vectors.held, back).map(|f| l.vectors.add(f));
        l.vectors.bring[k] = made;
    }
    if let Some(bring_in) = l.vectors.bring[0] {
        call(l, bring_in, &[]);
    }
}

/// The unit ends: held registers go back.
pub(super) fn bring_back(l: &mut Lower<'_, '_>) {
    if let Some(bring_back) = l.vectors.bring[1] {
        call(l, bring_back, &[]);
    }
}

/// A packet begins. If its code does not leave the host's vector registers alone held ones go back until it ends.
pub(super) fn begin<'a>(l: &mut Lower<'a, '_>, piece: &Piece, part: Option<&'a VectorPart>) {
    make_room(l, piece, part);
    if l.vectors.bring[1].is_some() && !leaves_vectors_alone(piece) {
        flush(l);
        bring_back(l);
        l.vectors.away = true;
    }
}

/// The packet's code has ended.
pub(super) fn end(l: &mut Lower<'_, '_>, piece: &Piece) {
    let written = piece.facts.insns.iter().fold(0, |m, n| m | n.writes.gpr);
    for w in &mut l.vectors.waiting {
        w.stale |= written;
    }
    if std::mem::take(&mut l.vectors.away)
        && let Some(bring_in) = l.vectors.bring[0]
    {
        call(l, bring_in, &[]);
    }
}

/// Does what waits, one packet after the other.
pub(super) fn done<'a>(l: &mut Lower<'a, '_>, waiting: &[Waiting<'a>]) {
    for one in waiting {
        single(l, one);
    }
}

/// Calls the function of one packet.
fn single<'a>(l: &mut Lower<'a, '_>, one: &Waiting<'a>) {
    let which = match l.vectors.singles.get(&one.pc) {
        Some(which) => *which,
        None => {
            // Growth and `choose` made sure of it.
            let Some(function) = assemble(&[Member::alone(one.part)], &l.vectors.held) else {
                unreachable!("a packet's part has a function")
            };
            let which = l.vectors.add(function);
            l.vectors.singles.insert(one.pc, which);
            which
        }
    };
    let arguments = ordered(&[(Member::alone(one.part), &one.arguments)]);
    call(l, which, &arguments);
    forget_hidden(l, std::slice::from_ref(one));
}

/// Vectors that were written have no hidden bits of their own any more, on cores that have such.
fn forget_hidden(l: &mut Lower<'_, '_>, done: &[Waiting<'_>]) {
    let written = done.iter().fold(0, |m, w| m | w.part.written);
    if !l.unit.hidden_bits || written == 0 {
        return;
    }
    let (flags, at) = (MemFlagsData::trusted(), layout::HIDDEN_PRESENT as i32);
    let present = l.b.ins().load(I64, flags, l.vectors.file, at);
    let present = l.b.ins().band_imm_s(present, !i64::from(written));
    l.b.ins().store(flags, present, l.vectors.file, at);
}

/// Addresses first, then values.
fn ordered(members: &[(Member<'_>, &Vec<Value>)]) -> Vec<Value> {
    let of = |address: bool| {
        members.iter().flat_map(move |(member, values)| {
            let arguments = member.part.arguments.iter().zip(*values);
            let handed = arguments
                .filter(move |(a, _)| a.access.is_some() == address && member.in_registers(a).is_none());
            handed.map(|(_, v)| *v)
        })
    };
    of(true).chain(of(false)).collect()
}

/// Does what was put off.
pub(super) fn flush(l: &mut Lower<'_, '_>) {
    let waiting = std::mem::take(&mut l.vectors.waiting);
    if waiting.is_empty() {
        return;
    }
    let members: Vec<_> = waiting.iter().map(|w| (w.member(), &w.arguments)).collect();
    let parts: Vec<Member<'_>> = members.iter().map(|m| m.0).collect();
    if let Some(function) = assemble(&parts, &l.vectors.held) {
        let which = l.vectors.add(function);
        let arguments = ordered(&members);
        call(l, which, &arguments);
        forget_hidden(l, &waiting);
        return;
    }
    for one in &waiting {
        single(l, one);
    }
}

/// Does what was put off if the packet must not overtake it, or there is no room to put more off.
fn make_room(l: &mut Lower<'_, '_>, piece: &Piece, part: Option<&VectorPart>) {
    let waiting = &l.vectors.waiting;
    if waiting.is_empty() {
        return;
    }
    let of = part.map_or(0, |part| part.of);
    let scalar = |which: fn(&InsnFacts) -> bool| {
        let mut insns = piece.facts.insns.iter().enumerate();
        insns.any(|(k, n)| of >> k & 1 == 0 && which(n))
    };
    let stores = waiting.iter().any(|w| w.part.stores);
    let loads = waiting.iter().any(|w| w.part.loads);
    let overtakes = stores && scalar(|n| n.effects.load) || (stores || loads) && scalar(|n| n.effects.store);
    let full = part.is_some_and(|part| {
        let all = || waiting.iter().map(|w| w.part).chain([part]);
        let addresses: usize = all().map(VectorPart::addresses).sum();
        let arguments: usize = all().map(|p| p.arguments.len()).sum();
        addresses > MOST_ADDRESSES || arguments > MOST_VALUES || waiting.len() >= MOST_PACKETS
    });
    if overtakes || full {
        flush(l);
    }
}

/// What Cranelift's code does of an instruction on vectors: its scalar registers, and what the vector part is handed.
pub(super) fn insn(l: &mut Lower<'_, '_>, n: &InsnFacts, part: &VectorPart, arguments: &mut [Option<Value>]) {
    l.locals = vec![None; n.meaning.locals.len()];
    let vector = |k: usize| n.insn.info().operands[k].class.is_vector();
    for s in n.meaning.body {
        match s {
            Stmt::Set(..) => stmt::stmt(l, &n.insn, s),
            Stmt::Write(k, _) if !vector(*k) => stmt::stmt(l, &n.insn, s),
            _ => {}
        }
    }
    for (a, value) in part.arguments.iter().zip(arguments) {
        if a.insn != l.position {
            continue;
        }
        let v = expr::expr(l, &n.insn, a.e);
        *value = Some(match a.access {
            Some(how) => {
                let wanted = if how.store { Prot::WRITE } else { Prot::READ };
                access::vector(l, v, how.aligned, wanted)
            }
            None => l.fit(v, a.wide && a.e.ty.signed(), I64),
        });
    }
}

/// A packet's vector part is done later.
pub(super) fn put_off<'a>(
    l: &mut Lower<'a, '_>,
    pc: u32,
    part: &'a VectorPart,
    arguments: Vec<Option<Value>>,
) {
    let zero = l.int(I64, 0);
    l.vectors.waiting.push(Waiting {
        part,
        pc,
        arguments: arguments.into_iter().map(|v| v.unwrap_or(zero)).collect(),
        stale: 0,
    });
}
