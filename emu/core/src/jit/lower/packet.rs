//! Packets: what their instructions do, in an order in which each finds what it consumes, and how they end.

use std::mem::offset_of;

use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder as _, MemFlagsData, Value};
use hexagon_isa::state::Regs;

use super::super::context::{Context, Left};
use super::super::growth::{Call, Piece};
use super::super::registers::{self, USR, place};
use super::builtin::wants_settled;
use super::{Jump, Lower, Pending};

/// Where the branch goes that the called functions of a packet took: bit 32 is set if one was taken.
extern "C" fn taken(regs: &mut Regs) -> u64 {
    regs.take_target().map_or(0, |pc| 1 << 32 | u64::from(pc))
}

impl Lower<'_, '_> {
    /// A packet that is lowered; its branches come back.
    pub(super) fn lowered(&mut self, piece: &Piece) -> Vec<Jump> {
        self.now = Pending::default();
        if wants_settled(&piece.facts) {
            self.settled = self.find_settled();
        }
        let insns = &piece.facts.insns;
        let mut left: u8 = (1 << insns.len()) - 1;
        while left != 0 {
            let ready = |k: &usize| left >> k & 1 != 0 && insns[*k].producers & left & !(1 << k) == 0;
            let first = left.trailing_zeros() as usize;
            let k = (0..insns.len()).find(ready).unwrap_or(first);
            left &= !(1 << k);
            self.position = k;
            self.insn(&insns[k]);
        }
        self.make_stores();
        let sticky = std::mem::take(&mut self.now.sticky);
        if !sticky.is_empty() {
            let mut usr = self.newest(USR);
            for flags in sticky {
                usr = self.b.ins().bor(usr, flags);
            }
            self.now.registers.insert(USR, usr);
        }
        for (register, v) in std::mem::take(&mut self.now.registers) {
            self.define(register, v);
        }
        let mut jumps = std::mem::take(&mut self.now.jumps);
        jumps.sort_by_key(|jump| jump.position);
        jumps
    }

    /// A packet whose instructions are called. Where its branch goes comes back, if it has one.
    pub(super) fn called(&mut self, piece: &Piece, calls: &[Call]) -> Option<Value> {
        let at = offset_of!(Context, memory) as i32;
        let memory = self.b.ins().load(I64, MemFlagsData::trusted(), self.context, at);
        for call in calls {
            let function = self.int(I64, call.function as i64);
            let args = self.int(I64, &raw const *call.args as usize as i64);
            if !call.memory {
                let on_registers = self.signatures.on_registers;
                self.b
                    .ins()
                    .call_indirect(on_registers, function, &[self.regs, args]);
                continue;
            }
            let on_memory = self.signatures.on_memory;
            let done = self
                .b
                .ins()
                .call_indirect(on_memory, function, &[self.regs, memory, args]);
            let fault = self.b.inst_results(done)[0];
            let out = self.exit(piece.pc, Left::ABORT | Left::INTERPRET);
            let on = self.b.create_block();
            self.b.ins().brif(fault, out, &[], on, &[]);
            self.b.switch_to_block(on);
        }
        let written = piece
            .facts
            .insns
            .iter()
            .fold(0, |m, n| m | registers::set(&n.writes));
        for register in 0..registers::COUNT {
            if written >> register & 1 != 0
                && let Some(variable) = self.variables[register]
            {
                let (at, t) = place(register);
                let v = self.b.ins().load(t, MemFlagsData::trusted(), self.regs, at);
                self.b.def_var(variable, v);
            }
        }
        if piece.branches.is_empty() {
            return None;
        }
        let function = self.int(I64, taken as *const () as usize as i64);
        let signature = self.signatures.taken;
        let call = self.b.ins().call_indirect(signature, function, &[self.regs]);
        Some(self.b.inst_results(call)[0])
    }

    /// The branch of a called packet as one of a lowered one.
    pub(super) fn called_jump(&mut self, taken: Value) -> Jump {
        let target = self.b.ins().ireduce(I32, taken);
        let condition = self.b.ins().ushr_imm_u(taken, 32);
        Jump {
            condition: Some(condition),
            target,
            position: 0,
        }
    }
}
