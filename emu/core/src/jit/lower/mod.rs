//! From meanings to the IR of Cranelift: a unit becomes one function.
//!
//! Scalar registers are values. A packet reads them as it finds them; what it writes is kept aside to its end, and stores until every
//! access of the packet was found to be possible. So a packet can be left in front of its first effect: whatever is rare (a page that
//! is not at hand, an address that is not aligned, a frame below the limit) leaves the unit in front of the packet, and the
//! interpreter executes it. There is no second implementation of any fault.
//!
//! A register is stored when it is written: in front of each packet the memory has the exact state, and ways out have nothing to do.

mod access;
mod builtin;
mod expr;
mod packet;
mod possible;
mod stmt;

use std::collections::{BTreeMap, HashMap};
use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    AbiParam, Block, InstBuilder as _, JumpTableData, MemFlagsData, SigRef, Signature, Value,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, Variable};
use hexagon_isa::EndLoop;
use hexagon_isa::state::usr;

use super::context::{Context, Left, NEAR, Near, count};
use super::growth::{Branch, Piece, Unit, Way};
use super::registers::{self, CTL, PRED, USR, place};

pub(super) use possible::can_lower;

/// A store that is made later.
#[derive(Debug, Clone)]
struct Store {
    condition: Option<Value>,
    host: Value,
    value: Value,
}

/// A branch that a packet takes, if the condition holds.
#[derive(Debug, Clone)]
struct Jump {
    condition: Option<Value>,
    target: Value,
    /// Its instruction's position in the packet: the first one wins.
    position: usize,
}

/// What the running packet has come to.
#[derive(Debug, Clone, Default)]
struct Pending {
    registers: BTreeMap<usize, Value>,
    stores: Vec<Store>,
    jumps: Vec<Jump>,
    /// Flags of USR to be raised.
    sticky: Vec<Value>,
}

/// A way out that is emitted at the end.
#[derive(Debug)]
struct Exit {
    block: Block,
    pc: u32,
    how: u64,
    counted: i64,
}

/// The functions that units call.
#[derive(Debug, Clone, Copy)]
struct Signatures {
    on_registers: SigRef,
    on_memory: SigRef,
    taken: SigRef,
    unit: SigRef,
}

/// The function of a unit: registers, [`Context`], which way in; what it returns is [`Left`].
pub(super) fn unit_signature() -> Signature {
    function(CallConv::Tail, 3, true)
}

/// A function that takes and returns words.
pub(super) fn function(convention: CallConv, params: usize, returns: bool) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params = vec![AbiParam::new(I64); params];
    signature.returns = vec![AbiParam::new(I64); usize::from(returns)];
    signature
}

/// What lowering needs to know of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    /// How C functions are called.
    pub convention: CallConv,
    /// It has fused multiply-add.
    pub fused: bool,
}

pub(super) struct Lower<'a, 'b> {
    b: &'a mut FunctionBuilder<'b>,
    unit: &'a Unit,
    variables: Vec<Option<Variable>>,
    counter: Variable,
    regs: Value,
    context: Value,
    table: Value,
    blocks: BTreeMap<u32, Block>,
    exits: Vec<Exit>,
    /// Truth values behind predicates that were made of them.
    truths: HashMap<Value, Value>,
    now: Pending,
    locals: Vec<Option<Value>>,
    /// The running instruction's position in the packet.
    position: usize,
    /// Whether flags of floats are settled, in packets that want to know.
    settled: Value,
    /// Addresses of the running packet and the one behind it.
    pc: u32,
    next: u32,
    /// The way out in front of the running packet.
    way_out: Option<Block>,
    /// Counted since the block began.
    counted: i64,
    signatures: Signatures,
    host_convention: CallConv,
    fused: bool,
}

impl<'a, 'b> Lower<'a, 'b> {
    /// Fills the function of `b` with the unit.
    pub(super) fn unit(b: &'a mut FunctionBuilder<'b>, unit: &'a Unit, host: Host) {
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
            table: regs,
            blocks,
            exits: Vec::new(),
            truths: HashMap::new(),
            now: Pending::default(),
            locals: Vec::new(),
            position: 0,
            settled: regs,
            pc: 0,
            next: 0,
            way_out: None,
            counted: 0,
            signatures,
            host_convention: host.convention,
            fused: host.fused,
        };
        lower.table = lower.load_table();
        lower.enter(which);
        for (pc, block) in lower.blocks.clone() {
            lower.b.switch_to_block(block);
            lower.counted = 0;
            lower.straight(pc);
        }
        lower.leave();
        lower.b.seal_all_blocks();
    }

    fn enter(&mut self, which: Value) {
        let entries: Vec<Block> = self.unit.entries.iter().map(|pc| self.blocks[pc]).collect();
        if let [only] = entries[..] {
            self.b.ins().jump(only, &[]);
            return;
        }
        let dfg = &mut self.b.func.dfg;
        let calls: Vec<_> = entries.iter().map(|block| dfg.block_call(*block, &[])).collect();
        // Each call owns its list of arguments, so the default is one more.
        let default = dfg.block_call(entries[0], &[]);
        let table = self.b.create_jump_table(JumpTableData::new(default, &calls));
        let which = self.b.ins().ireduce(I32, which);
        self.b.ins().br_table(which, table);
    }

    /// A register as the packet found it.
    fn get(&mut self, register: usize) -> Value {
        match self.variables[register] {
            Some(v) => self.b.use_var(v),
            None => {
                // Nobody of the unit writes it.
                let (at, t) = place(register);
                self.b.ins().load(t, MemFlagsData::trusted(), self.regs, at)
            }
        }
    }

    /// A register as the packet has left it so far.
    fn newest(&mut self, register: usize) -> Value {
        match self.now.registers.get(&register) {
            Some(v) => *v,
            None => self.get(register),
        }
    }

    /// A register's new value.
    fn define(&mut self, register: usize, v: Value) {
        if let Some(variable) = self.variables[register] {
            self.b.def_var(variable, v);
        }
        self.b
            .ins()
            .store(MemFlagsData::trusted(), v, self.regs, place(register).0);
    }

    /// The packets from a leader on, up to the next one.
    fn straight(&mut self, mut pc: u32) {
        let unit = self.unit;
        loop {
            let Some(piece) = unit.pieces.get(&pc) else {
                // Another unit is there, or nothing, or this one is as large as it may be.
                let target = self.int(I32, i64::from(pc));
                self.finish_block();
                return self.go_away(self.pc, target);
            };
            (self.pc, self.next, self.way_out) = (pc, piece.next, None);
            let jumps = match &piece.way {
                Way::Interpreted => {
                    let out = self.exit(pc, Left::INTERPRET);
                    self.b.ins().jump(out, &[]);
                    return;
                }
                Way::Lowered => self.lowered(piece),
                Way::Called(calls) => {
                    let taken = self.called(piece, calls);
                    taken.map(|taken| self.called_jump(taken)).into_iter().collect()
                }
            };
            self.counted += count(1, piece.facts.insns.len() as u32, piece.facts.hvx() as u32);
            if piece.facts.endloop != EndLoop::None {
                return self.end_loops(piece);
            }
            if !jumps.is_empty() {
                self.finish_block();
                return self.take(piece, &jumps);
            }
            pc = piece.next;
            if self.blocks.contains_key(&pc) {
                self.finish_block();
                return self.go(piece.pc, pc);
            }
        }
    }

    /// Takes the first of a packet's branches whose condition holds, or goes on behind it.
    fn take(&mut self, piece: &Piece, jumps: &[Jump]) {
        for (n, jump) in jumps.iter().enumerate() {
            let (taken, not) = (self.b.create_block(), self.b.create_block());
            match jump.condition {
                Some(c) => self.b.ins().brif(c, taken, &[], not, &[]),
                None => self.b.ins().jump(taken, &[]),
            };
            self.b.switch_to_block(taken);
            // A called packet has one for all of them.
            let known = match &piece.way {
                Way::Lowered => piece.branches.get(n).into_iter().copied().collect(),
                _ => piece.branches.clone(),
            };
            self.go_to_one_of(piece, &known, jump.target);
            if jump.condition.is_none() {
                return;
            }
            self.b.switch_to_block(not);
        }
        self.go(piece.pc, piece.next);
    }

    fn go_to_one_of(&mut self, piece: &Piece, known: &[Branch], target: Value) {
        if piece.call {
            return self.go_away(piece.pc, target);
        }
        if let [Branch { target: Some(to), .. }] = known {
            return self.go(piece.pc, *to);
        }
        for to in known.iter().filter_map(|b| b.target) {
            let (same, other) = (self.b.create_block(), self.b.create_block());
            let c = self.b.ins().icmp_imm_u(IntCC::Equal, target, i64::from(to));
            self.b.ins().brif(c, same, &[], other, &[]);
            self.b.switch_to_block(same);
            self.go(piece.pc, to);
            self.b.switch_to_block(other);
        }
        self.go_away(piece.pc, target);
    }

    /// Adds what the block counted.
    fn finish_block(&mut self) {
        let n = self.b.use_var(self.counter);
        let n = self.b.ins().iadd_imm_s(n, self.counted);
        self.b.def_var(self.counter, n);
        self.counted = 0;
    }

    /// Whether the budget is used up.
    fn used_up(&mut self) -> Value {
        let n = self.b.use_var(self.counter);
        self.b.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, n, 0)
    }

    /// Ends a block, from the packet at `from` to the one at `to`.
    fn go(&mut self, from: u32, to: u32) {
        let Some(block) = self.blocks.get(&to).copied() else {
            let target = self.int(I32, i64::from(to));
            return self.go_away(from, target);
        };
        if crate::cpu::may_stop(from, to) {
            let out = self.exit(to, Left::MAY_STOP);
            let over = self.used_up();
            self.b.ins().brif(over, out, &[], block, &[]);
        } else {
            self.b.ins().jump(block, &[]);
        }
    }

    fn store_count(&mut self, counted: i64) {
        let n = self.b.use_var(self.counter);
        let n = self.b.ins().iadd_imm_s(n, counted);
        let at = offset_of!(Context, count) as i32;
        self.b.ins().store(MemFlagsData::trusted(), n, self.context, at);
    }

    /// Leaves the packet at `from` for an address in a register: into another unit if one is known there.
    fn go_away(&mut self, from: u32, target: Value) {
        self.store_count(0);
        let over = self.used_up();
        let (look, over_block) = (self.b.create_block(), self.b.create_block());
        let (hit, miss) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(over_block);
        self.b.set_cold_block(miss);
        self.b.ins().brif(over, over_block, &[], look, &[]);

        self.b.switch_to_block(look);
        let at = offset_of!(Context, near) as i32;
        let near = self
            .b
            .ins()
            .load(I64, MemFlagsData::trusted().with_readonly(), self.context, at);
        let wide = self.b.ins().uextend(I64, target);
        let slot = self.b.ins().ushr_imm_u(wide, 2);
        let slot = self.b.ins().band_imm_u(slot, NEAR as i64 - 1);
        let slot = self
            .b
            .ins()
            .ishl_imm_u(slot, i64::from(size_of::<Near>().ilog2()));
        let slot = self.b.ins().iadd(near, slot);
        let flags = MemFlagsData::trusted();
        let pc = self.b.ins().load(I32, flags, slot, offset_of!(Near, pc) as i32);
        let same = self.b.ins().icmp(IntCC::Equal, pc, target);
        self.b.ins().brif(same, hit, &[], miss, &[]);

        self.b.switch_to_block(hit);
        let which = self.b.ins().uload32(flags, slot, offset_of!(Near, which) as i32);
        let code = self.b.ins().load(I64, flags, slot, offset_of!(Near, code) as i32);
        let (regs, context) = (self.regs, self.context);
        let signature = self.signatures.unit;
        self.b
            .ins()
            .return_call_indirect(signature, code, &[regs, context, which]);

        self.b.switch_to_block(miss);
        let wide = self.b.ins().uextend(I64, target);
        self.b.ins().return_(&[wide]);

        self.b.switch_to_block(over_block);
        // As `cpu::may_stop` says.
        let back = self
            .b
            .ins()
            .icmp_imm_u(IntCC::UnsignedLessThanOrEqual, target, i64::from(from));
        let moved = self.b.ins().bxor_imm_u(target, i64::from(from));
        let page = self.b.ins().ushr_imm_u(moved, i64::from(crate::mem::PAGE_SHIFT));
        let page = self.b.ins().icmp_imm_u(IntCC::NotEqual, page, 0);
        let may = self.b.ins().bor(back, page);
        let may = self.b.ins().uextend(I64, may);
        let may = self
            .b
            .ins()
            .ishl_imm_u(may, i64::from(Left::MAY_STOP.trailing_zeros()));
        let left = self.b.ins().uextend(I64, target);
        let left = self.b.ins().bor(left, may);
        self.b.ins().return_(&[left]);
    }

    /// The ends of loops, which act last.
    fn end_loops(&mut self, piece: &Piece) {
        self.finish_block();
        let which = piece.facts.endloop;
        if which != EndLoop::Loop1 {
            self.prologue();
            let start = self.unit.inner_start(piece.pc);
            self.end_loop(piece, 0, start);
        }
        if which != EndLoop::Loop0 {
            let start = self.unit.outer_start(piece.pc);
            self.end_loop(piece, 2, start);
        }
        self.go(piece.pc, piece.next);
    }

    /// Counts the prologue of a pipelined loop down, if it is in one.
    fn prologue(&mut self) {
        let status = self.get(USR);
        let config = self.b.ins().band_imm_u(status, i64::from(usr::LPCFG));
        let (some, on) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(some);
        self.b.ins().brif(config, some, &[], on, &[]);
        self.b.switch_to_block(some);
        let last = self
            .b
            .ins()
            .icmp_imm_u(IntCC::Equal, config, 1 << usr::LPCFG_SHIFT);
        let (old, all) = (self.get(PRED + 3), self.int(place(PRED).1, -1));
        let p3 = self.b.ins().select(last, all, old);
        self.define(PRED + 3, p3);
        let status = self.b.ins().iadd_imm_s(status, -(1i64 << usr::LPCFG_SHIFT));
        self.define(USR, status);
        self.b.ins().jump(on, &[]);
        self.b.switch_to_block(on);
    }

    /// Goes back if the loop whose start is in this control register, and its count in the next, is not done.
    fn end_loop(&mut self, piece: &Piece, control: usize, likely: Option<u32>) {
        let n = self.get(CTL + control + 1);
        let (back, on) = (self.b.create_block(), self.b.create_block());
        let more = self.b.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, n, 1);
        self.b.ins().brif(more, back, &[], on, &[]);
        self.b.switch_to_block(back);
        let n = self.b.ins().iadd_imm_s(n, -1);
        self.define(CTL + control + 1, n);
        let start = self.get(CTL + control);
        if let Some(to) = likely.filter(|to| self.blocks.contains_key(to)) {
            let (same, other) = (self.b.create_block(), self.b.create_block());
            self.b.set_cold_block(other);
            let c = self.b.ins().icmp_imm_u(IntCC::Equal, start, i64::from(to));
            self.b.ins().brif(c, same, &[], other, &[]);
            self.b.switch_to_block(same);
            self.go(piece.pc, to);
            self.b.switch_to_block(other);
        }
        self.go_away(piece.pc, start);
        self.b.switch_to_block(on);
    }

    /// A way out, to be emitted at the end.
    fn exit(&mut self, pc: u32, how: u64) -> Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        let counted = self.counted;
        self.exits.push(Exit {
            block,
            pc,
            how,
            counted,
        });
        block
    }

    fn leave(&mut self) {
        for exit in std::mem::take(&mut self.exits) {
            self.b.switch_to_block(exit.block);
            self.store_count(exit.counted);
            let left = self.int(I64, (u64::from(exit.pc) | exit.how) as i64);
            self.b.ins().return_(&[left]);
        }
    }

    /// Goes on only if `v` is zero (or is not); else the interpreter has the packet.
    fn unless(&mut self, v: Value, zero: bool) {
        let out = match self.way_out {
            Some(out) => out,
            None => {
                let out = self.exit(self.pc, Left::INTERPRET);
                self.way_out = Some(out);
                out
            }
        };
        let on = self.b.create_block();
        if zero {
            self.b.ins().brif(v, out, &[], on, &[]);
        } else {
            self.b.ins().brif(v, on, &[], out, &[]);
        }
        self.b.switch_to_block(on);
    }
}

/// The registers that packets of the unit which are lowered read or write.
fn touched(unit: &Unit) -> registers::Set {
    let mut all = 1 << USR;
    for piece in unit.pieces.values() {
        if matches!(piece.way, Way::Lowered) {
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
