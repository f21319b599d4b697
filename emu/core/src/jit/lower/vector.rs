//! What packets do on vectors: functions of our own (see [`vector`](crate::jit::vector)), and when they are called.
//!
//! The vector parts of packets that follow each other are put off and done by one function. That must be before a block ends, before
//! a scalar access that must not overtake them, and before the interpreter's functions; a way out in between does them first, too.

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder as _, MemFlagsData, Value};
use cranelift_codegen::isa::CallConv;
use hexagon_isa::facts::InsnFacts;
use hexagon_isa::ir::Stmt;
use hexagon_isa::state::layout;

use super::super::growth::Piece;
use super::super::vector::{MOST_ADDRESSES, MOST_VALUES, Member, VectorPart, assemble, divisible};
use super::functions::{Waiting, leaves_vectors_alone};
use super::state::{Lower, function};
use super::{access, expr, stmt};
use crate::mem::Prot;

/// Packets that one function does at most.
const MOST_PACKETS: usize = 16;

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
    if l.vectors.functions.table.is_empty() {
        return;
    }
    let at = layout::HVX as i32;
    l.vectors.file = l.b.ins().load(I64, MemFlagsData::trusted(), l.regs, at);
    bring_in(l);
}

fn bring_in(l: &mut Lower<'_, '_>) {
    if let Some(bring) = l.vectors.bring {
        call(l, bring.to_host, &[]);
    }
}

/// The unit ends: held registers go back.
pub(super) fn bring_back(l: &mut Lower<'_, '_>) {
    if let Some(bring) = l.vectors.bring {
        call(l, bring.to_file, &[]);
    }
}

/// A packet begins. If its code does not leave the host's vector registers alone held ones go back until it ends.
pub(super) fn begin<'a>(l: &mut Lower<'a, '_>, piece: &Piece, part: Option<&'a VectorPart>) {
    make_room(l, piece, part);
    if l.vectors.bring.is_some() && !leaves_vectors_alone(piece) {
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
    if std::mem::take(&mut l.vectors.away) {
        bring_in(l);
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
    let [loads, stores] = [false, true].map(|store| waiting.iter().any(|w| w.part.accesses(store)));
    // On some hosts a function's accesses are made quarter by quarter.
    let members = waiting.iter().map(|w| w.part).chain(part);
    let indivisible = part.is_some_and(|part| !part.wide) && !divisible(members);
    let overtakes = stores && scalar(|n| n.effects.load) || (stores || loads) && scalar(|n| n.effects.store);
    let full = part.is_some_and(|part| {
        let all = || waiting.iter().map(|w| w.part).chain([part]);
        let addresses: usize = all().map(VectorPart::addresses).sum();
        let arguments: usize = all().map(|p| p.arguments.len()).sum();
        addresses > MOST_ADDRESSES || arguments > MOST_VALUES || waiting.len() >= MOST_PACKETS
    });
    if overtakes || full || indivisible {
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
            None => l.fit(v, a.extended && a.e.ty.signed(), I64),
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
