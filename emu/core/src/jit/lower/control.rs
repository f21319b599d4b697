//! Where control goes: blocks of a unit, branches, ends of loops, ways out of it.

use std::collections::HashMap;
use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, InstBuilder as _, JumpTableData, MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;
use hexagon_isa::EndLoop;
use hexagon_isa::state::usr;

use super::super::context::{Context, Left, NEAR, Near, count};
use super::super::growth::{Branch, Distrusted, Piece, Unit, Way};
use super::super::registers::{self, CTL, PRED, USR, place};
use super::floats::Floats;
use super::functions::{Functions, Vectors};
use super::state::{Host, Jump, Lower, Pending, Signatures, function, unit_signature};
use super::{access, packet, vector};
use crate::stop::may_stop;

/// Fills the function of `b` with the unit. What comes back: the functions that it calls; by their `SourceLoc`, where packets are and
/// what was counted in front of them.
pub(in crate::jit) fn unit<'a, 'b>(
    b: &'a mut FunctionBuilder<'b>,
    unit: &'a Unit,
    host: Host,
) -> (Functions, Vec<(u32, i64)>) {
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    let &[regs, context, which] = b.block_params(entry) else {
        unreachable!("a unit has three parameters")
    };
    let signatures = Signatures {
        on_registers: b.import_signature(function(host.convention, 2, false)),
        on_memory: b.import_signature(function(host.convention, 3, true)),
        taken: b.import_signature(function(host.convention, 1, true)),
        unit: b.import_signature(unit_signature()),
    };
    let touched = touched(unit);
    let mut variables = vec![None; registers::COUNT];
    for (register, variable) in variables.iter_mut().enumerate() {
        if touched >> register & 1 != 0 {
            let (at, t) = place(register);
            let v = b.declare_var(t);
            let now = b.ins().load(t, MemFlagsData::trusted(), regs, at);
            b.def_var(v, now);
            *variable = Some(v);
        }
    }
    let floats = Floats::new(b, unit, regs);
    let counter = b.declare_var(I64);
    let now = b.ins().load(
        I64,
        MemFlagsData::trusted(),
        context,
        offset_of!(Context, count) as i32,
    );
    b.def_var(counter, now);
    let leaders = unit.leaders.iter().filter(|pc| unit.pieces.contains_key(pc));
    let blocks = leaders.map(|pc| (*pc, b.create_block())).collect();
    let mut lower = Lower {
        b,
        unit,
        variables,
        counter,
        regs,
        context,
        window: regs,
        guarded: regs,
        packets: Vec::new(),
        unasked: false,
        unasked_store: false,
        blocks,
        exits: Vec::new(),
        truths: HashMap::new(),
        now: Pending::default(),
        locals: Vec::new(),
        position: 0,
        distrusted: Distrusted::Call,
        settled: regs,
        known_settled: false,
        aligned: HashMap::new(),
        pc: 0,
        next: 0,
        way_out: None,
        distrust: None,
        counted: 0,
        signatures,
        host_convention: host.convention,
        fused: host.fused,
        vectors: Vectors::new(unit, regs),
        floats,
    };
    access::enter(&mut lower);
    vector::enter(&mut lower);
    enter(&mut lower, which);
    for (pc, block) in lower.blocks.clone() {
        lower.b.switch_to_block(block);
        lower.counted = 0;
        lower.known_settled = false;
        lower.aligned.clear();
        straight(&mut lower, pc);
    }
    leave(&mut lower);
    lower.b.seal_all_blocks();
    (lower.vectors.functions, lower.packets)
}

fn enter(l: &mut Lower<'_, '_>, which: Value) {
    let entries: Vec<Block> = l.unit.entries.iter().map(|pc| l.blocks[pc]).collect();
    if let [only] = entries[..] {
        l.b.ins().jump(only, &[]);
        return;
    }
    let dfg = &mut l.b.func.dfg;
    let calls: Vec<_> = entries.iter().map(|block| dfg.block_call(*block, &[])).collect();
    // Each call owns its list of arguments, so the default is one more.
    let default = dfg.block_call(entries[0], &[]);
    let table = l.b.create_jump_table(JumpTableData::new(default, &calls));
    let which = l.b.ins().ireduce(I32, which);
    l.b.ins().br_table(which, table);
}

/// The packets from a leader on, up to the next one.
fn straight(l: &mut Lower<'_, '_>, mut pc: u32) {
    let unit = l.unit;
    debug_assert!(l.vectors.waiting.is_empty(), "each block does what it put off");
    loop {
        let Some(piece) = unit.pieces.get(&pc) else {
            // Another unit is there, or nothing, or this one is as large as it may be.
            let target = l.int(I32, i64::from(pc));
            finish_block(l);
            return go_away(l, l.pc, target);
        };
        (l.pc, l.next) = (pc, piece.next);
        (l.way_out, l.distrust) = (None, None);
        l.floats.begin();
        let jumps = match &piece.way {
            Way::Interpreted => {
                let out = l.exit(pc, Left::INTERPRET);
                l.b.ins().jump(out, &[]);
                // The way out does what waits.
                l.vectors.waiting.clear();
                return;
            }
            Way::Lowered(part) => {
                vector::begin(l, piece, part.as_deref());
                let jumps = packet::lowered(l, piece, part.as_deref());
                vector::end(l, piece);
                jumps
            }
            Way::Called(calls) => {
                vector::flush(l);
                vector::begin(l, piece, None);
                let taken = packet::called(l, piece, calls);
                vector::end(l, piece);
                taken
                    .map(|taken| packet::called_jump(l, taken))
                    .into_iter()
                    .collect()
            }
        };
        l.counted += count(1, piece.facts.insns.len() as u32, piece.facts.hvx() as u32);
        if piece.facts.endloop != EndLoop::None {
            return end_loops(l, piece);
        }
        if !jumps.is_empty() {
            finish_block(l);
            return take(l, piece, &jumps);
        }
        pc = piece.next;
        if l.blocks.contains_key(&pc) {
            finish_block(l);
            return go(l, piece.pc, pc);
        }
    }
}

/// Takes the first of a packet's branches whose condition holds, or goes on behind it.
fn take(l: &mut Lower<'_, '_>, piece: &Piece, jumps: &[Jump]) {
    for (n, jump) in jumps.iter().enumerate() {
        let (taken, not) = (l.b.create_block(), l.b.create_block());
        match jump.condition {
            Some(c) => l.b.ins().brif(c, taken, &[], not, &[]),
            None => l.b.ins().jump(taken, &[]),
        };
        l.b.switch_to_block(taken);
        // A called packet has one for all of them.
        let known = match &piece.way {
            Way::Lowered(_) => piece.branches.get(n).into_iter().copied().collect(),
            _ => piece.branches.clone(),
        };
        go_to_one_of(l, piece, &known, jump.target);
        if jump.condition.is_none() {
            return;
        }
        l.b.switch_to_block(not);
    }
    go(l, piece.pc, piece.next);
}

fn go_to_one_of(l: &mut Lower<'_, '_>, piece: &Piece, known: &[Branch], target: Value) {
    if piece.call {
        return go_away(l, piece.pc, target);
    }
    if let [Branch { target: Some(to), .. }] = known {
        return go(l, piece.pc, *to);
    }
    for to in known.iter().filter_map(|b| b.target) {
        let (same, other) = (l.b.create_block(), l.b.create_block());
        let c = l.b.ins().icmp_imm_u(IntCC::Equal, target, i64::from(to));
        l.b.ins().brif(c, same, &[], other, &[]);
        l.b.switch_to_block(same);
        go(l, piece.pc, to);
        l.b.switch_to_block(other);
    }
    go_away(l, piece.pc, target);
}

/// Does what was put off, and adds what the block counted.
fn finish_block(l: &mut Lower<'_, '_>) {
    vector::flush(l);
    let n = l.b.use_var(l.counter);
    let n = l.b.ins().iadd_imm_s(n, l.counted);
    l.b.def_var(l.counter, n);
    l.counted = 0;
    // An access that is refused leaves the unit without the counter.
    let at = offset_of!(Context, count) as i32;
    l.b.ins().store(MemFlagsData::trusted(), n, l.context, at);
}

/// Whether the budget is used up.
fn used_up(l: &mut Lower<'_, '_>) -> Value {
    let n = l.b.use_var(l.counter);
    l.b.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, n, 0)
}

/// Ends a block, from the packet at `from` to the one at `to`.
fn go(l: &mut Lower<'_, '_>, from: u32, to: u32) {
    let Some(block) = l.blocks.get(&to).copied() else {
        let target = l.int(I32, i64::from(to));
        return go_away(l, from, target);
    };
    if may_stop(from, to) {
        let out = l.exit(to, Left::MAY_STOP);
        let over = used_up(l);
        l.b.ins().brif(over, out, &[], block, &[]);
    } else {
        l.b.ins().jump(block, &[]);
    }
}

/// Leaves the packet at `from` for an address in a register: into another unit if one is known there.
fn go_away(l: &mut Lower<'_, '_>, from: u32, target: Value) {
    vector::bring_back(l);
    let over = used_up(l);
    let (look, over_block) = (l.b.create_block(), l.b.create_block());
    let (hit, miss) = (l.b.create_block(), l.b.create_block());
    l.b.set_cold_block(over_block);
    l.b.set_cold_block(miss);
    l.b.ins().brif(over, over_block, &[], look, &[]);

    l.b.switch_to_block(look);
    let at = offset_of!(Context, near) as i32;
    let near =
        l.b.ins()
            .load(I64, MemFlagsData::trusted().with_readonly(), l.context, at);
    let wide = l.b.ins().uextend(I64, target);
    let slot = l.b.ins().ushr_imm_u(wide, 2);
    let slot = l.b.ins().band_imm_u(slot, NEAR as i64 - 1);
    let slot = l.b.ins().ishl_imm_u(slot, i64::from(size_of::<Near>().ilog2()));
    let slot = l.b.ins().iadd(near, slot);
    let flags = MemFlagsData::trusted();
    let pc = l.b.ins().load(I32, flags, slot, offset_of!(Near, pc) as i32);
    let same = l.b.ins().icmp(IntCC::Equal, pc, target);
    l.b.ins().brif(same, hit, &[], miss, &[]);

    l.b.switch_to_block(hit);
    let which = l.b.ins().uload32(flags, slot, offset_of!(Near, which) as i32);
    let code = l.b.ins().load(I64, flags, slot, offset_of!(Near, code) as i32);
    let (regs, context) = (l.regs, l.context);
    let signature = l.signatures.unit;
    l.b.ins()
        .return_call_indirect(signature, code, &[regs, context, which]);

    l.b.switch_to_block(miss);
    let wide = l.b.ins().uextend(I64, target);
    l.b.ins().return_(&[wide]);

    l.b.switch_to_block(over_block);
    // As `stop::may_stop` says.
    let back =
        l.b.ins()
            .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, target, i64::from(from));
    let moved = l.b.ins().bxor_imm_u(target, i64::from(from));
    let page = l.b.ins().ushr_imm_u(moved, i64::from(crate::mem::PAGE_SHIFT));
    let page = l.b.ins().icmp_imm_u(IntCC::NotEqual, page, 0);
    let may = l.b.ins().bor(back, page);
    let may = l.b.ins().uextend(I64, may);
    let may =
        l.b.ins()
            .ishl_imm_u(may, i64::from(Left::MAY_STOP.trailing_zeros()));
    let left = l.b.ins().uextend(I64, target);
    let left = l.b.ins().bor(left, may);
    l.b.ins().return_(&[left]);
}

/// The ends of loops, which act last.
fn end_loops(l: &mut Lower<'_, '_>, piece: &Piece) {
    finish_block(l);
    let which = piece.facts.endloop;
    if which != EndLoop::Loop1 {
        prologue(l);
        let start = l.unit.inner_start(piece.pc);
        end_loop(l, piece, 0, start);
    }
    if which != EndLoop::Loop0 {
        let start = l.unit.outer_start(piece.pc);
        end_loop(l, piece, 2, start);
    }
    go(l, piece.pc, piece.next);
}

/// Counts the prologue of a pipelined loop down, if it is in one.
fn prologue(l: &mut Lower<'_, '_>) {
    let status = l.get(USR);
    let config = l.b.ins().band_imm_u(status, i64::from(usr::LPCFG));
    let (some, on) = (l.b.create_block(), l.b.create_block());
    l.b.set_cold_block(some);
    l.b.ins().brif(config, some, &[], on, &[]);
    l.b.switch_to_block(some);
    let last = l.b.ins().icmp_imm_u(IntCC::Equal, config, 1 << usr::LPCFG_SHIFT);
    let (old, all) = (l.get(PRED + 3), l.int(place(PRED).1, -1));
    let p3 = l.b.ins().select(last, all, old);
    l.define(PRED + 3, p3);
    let status = l.b.ins().iadd_imm_s(status, -(1i64 << usr::LPCFG_SHIFT));
    l.define(USR, status);
    l.b.ins().jump(on, &[]);
    l.b.switch_to_block(on);
}

/// Goes back if the loop whose start is in this control register, and its count in the next, is not done.
fn end_loop(l: &mut Lower<'_, '_>, piece: &Piece, control: usize, likely: Option<u32>) {
    let n = l.get(CTL + control + 1);
    let (back, on) = (l.b.create_block(), l.b.create_block());
    let more = l.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, n, 1);
    l.b.ins().brif(more, back, &[], on, &[]);
    l.b.switch_to_block(back);
    let n = l.b.ins().iadd_imm_s(n, -1);
    l.define(CTL + control + 1, n);
    let start = l.get(CTL + control);
    if let Some(to) = likely.filter(|to| l.blocks.contains_key(to)) {
        let (same, other) = (l.b.create_block(), l.b.create_block());
        l.b.set_cold_block(other);
        let c = l.b.ins().icmp_imm_u(IntCC::Equal, start, i64::from(to));
        l.b.ins().brif(c, same, &[], other, &[]);
        l.b.switch_to_block(same);
        go(l, piece.pc, to);
        l.b.switch_to_block(other);
    }
    go_away(l, piece.pc, start);
    l.b.switch_to_block(on);
}

/// The ways out: each does what waits, and all leave in one place.
fn leave(l: &mut Lower<'_, '_>) {
    let exits = std::mem::take(&mut l.exits);
    let mut out = [None; 2];
    for exit in exits {
        l.b.switch_to_block(exit.block);
        vector::done(l, &exit.waiting);
        let n = l.b.use_var(l.counter);
        let n = l.b.ins().iadd_imm_s(n, exit.counted);
        let left = l.int(I64, (u64::from(exit.pc) | exit.how) as i64);
        let block = *out[usize::from(exit.away)].get_or_insert_with(|| {
            let block = l.b.create_block();
            l.b.set_cold_block(block);
            l.b.append_block_param(block, I64);
            l.b.append_block_param(block, I64);
            block
        });
        l.b.ins().jump(block, &[n.into(), left.into()]);
    }
    for (away, block) in [false, true].into_iter().zip(out) {
        let Some(block) = block else { continue };
        l.b.switch_to_block(block);
        if !away {
            vector::bring_back(l);
        }
        let &[n, left] = l.b.block_params(block) else {
            unreachable!("it was given two")
        };
        let at = offset_of!(Context, count) as i32;
        l.b.ins().store(MemFlagsData::trusted(), n, l.context, at);
        l.b.ins().return_(&[left]);
    }
}

/// The registers that packets of the unit which are lowered read or write.
fn touched(unit: &Unit) -> registers::Set {
    let mut all = 1 << USR;
    for piece in unit.pieces.values() {
        if matches!(piece.way, Way::Lowered(_)) {
            for n in &piece.facts.insns {
                all |= registers::set(&n.reads) | registers::set(&n.writes);
            }
        }
        if piece.facts.endloop != EndLoop::None {
            all |= 0xf << CTL | 1 << (PRED + 3);
        }
    }
    all
}
