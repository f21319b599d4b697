//! Packets: what their instructions do, in an order in which each finds what it consumes, and how they end.

use std::mem::offset_of;

use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder as _, MemFlagsData, Value};
use hexagon_isa::state::Regs;

use super::super::context::{Context, Left};
use super::super::growth::{Call, Piece};
use super::super::registers::{self, USR, place};
use super::super::vector::VectorPart;
use super::state::{Jump, Lower, Pending};
use super::{access, builtin, stmt, vector};

/// Where the branch goes that the called functions of a packet took: bit 32 is set if one was taken.
extern "C" fn taken(regs: &mut Regs) -> u64 {
    regs.take_target().map_or(0, |pc| 1 << 32 | u64::from(pc))
}

/// A packet that is lowered; its branches come back.
pub(super) fn lowered<'a>(l: &mut Lower<'a, '_>, piece: &Piece, part: Option<&'a VectorPart>) -> Vec<Jump> {
    l.now = Pending::default();
    access::begin(l, piece);
    l.distrusted = piece.distrusted;
    if builtin::wants_settled(&piece.facts) {
        builtin::settle(l);
    }
    let insns = &piece.facts.insns;
    let of_vectors = part.map_or(0, |part| part.of);
    let mut arguments = part.map_or_else(Vec::new, |part| vec![None; part.arguments.len()]);
    let mut left: u8 = (1 << insns.len()) - 1;
    while left != 0 {
        let ready = |k: &usize| left >> k & 1 != 0 && insns[*k].producers & left & !(1 << k) == 0;
        let first = left.trailing_zeros() as usize;
        let k = (0..insns.len()).find(ready).unwrap_or(first);
        left &= !(1 << k);
        l.position = k;
        match part.filter(|_| of_vectors >> k & 1 != 0) {
            Some(part) => vector::insn(l, &insns[k], part, &mut arguments),
            None => stmt::insn(l, &insns[k]),
        }
    }
    access::make_stores(l);
    if let Some(part) = part {
        vector::put_off(l, piece.pc, part, arguments);
    }
    let sticky = std::mem::take(&mut l.now.sticky);
    if !sticky.is_empty() {
        let mut usr = l.newest(USR);
        for flags in sticky {
            usr = l.b.ins().bor(usr, flags);
        }
        l.now.registers.insert(USR, usr);
    }
    for (register, v) in std::mem::take(&mut l.now.registers) {
        l.define(register, v);
    }
    let mut jumps = std::mem::take(&mut l.now.jumps);
    jumps.sort_by_key(|jump| jump.position);
    jumps
}

/// A packet whose instructions are called. Where its branch goes comes back, if it has one.
pub(super) fn called(l: &mut Lower<'_, '_>, piece: &Piece, calls: &[Call]) -> Option<Value> {
    let at = offset_of!(Context, memory) as i32;
    let memory = l.b.ins().load(I64, MemFlagsData::trusted(), l.context, at);
    for call in calls {
        let function = l.int(I64, call.function as i64);
        let args = l.int(I64, &raw const call.args as usize as i64);
        if !call.memory {
            let on_registers = l.signatures.on_registers;
            l.b.ins().call_indirect(on_registers, function, &[l.regs, args]);
            continue;
        }
        let on_memory = l.signatures.on_memory;
        let done =
            l.b.ins()
                .call_indirect(on_memory, function, &[l.regs, memory, args]);
        let fault = l.b.inst_results(done)[0];
        let out = l.exit(piece.pc, Left::ABORT | Left::INTERPRET);
        let on = l.b.create_block();
        l.b.ins().brif(fault, out, &[], on, &[]);
        l.b.switch_to_block(on);
    }
    let written = piece
        .facts
        .insns
        .iter()
        .fold(0, |m, n| m | registers::set(&n.writes));
    l.known_settled &= written >> USR & 1 == 0;
    for register in 0..registers::COUNT {
        if written >> register & 1 != 0 && l.variables[register].is_some() {
            let (at, t) = place(register);
            let v = l.b.ins().load(t, MemFlagsData::trusted(), l.regs, at);
            l.assign(register, v);
        }
    }
    if piece.branches.is_empty() {
        return None;
    }
    let function = l.int(I64, taken as *const () as usize as i64);
    let signature = l.signatures.taken;
    let call = l.b.ins().call_indirect(signature, function, &[l.regs]);
    Some(l.b.inst_results(call)[0])
}

/// The branch of a called packet as one of a lowered one.
pub(super) fn called_jump(l: &mut Lower<'_, '_>, taken: Value) -> Jump {
    let target = l.b.ins().ireduce(I32, taken);
    let condition = l.b.ins().ushr_imm_u(taken, 32);
    Jump {
        condition: Some(condition),
        target,
        position: 0,
    }
}
