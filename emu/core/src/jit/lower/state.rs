//! What is known while a unit is lowered, and what every part of lowering does with it: registers, constants, ways out.

use std::collections::{BTreeMap, HashMap};

use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    self as cl, AbiParam, Block, InstBuilder as _, MemFlagsData, SigRef, Signature, Value,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, Variable};
use hexagon_isa::ir::Type;

use super::super::context::Left;
use super::super::growth::{Distrusted, Unit};
use super::super::registers::{USR, place};
use super::floats::{self, Floats};
use super::functions::{Vectors, Waiting};

/// A store that is made later.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) condition: Option<Value>,
    /// It is in the guarded window.
    pub(super) guarded: bool,
    pub(super) host: Value,
    pub(super) value: Value,
}

/// A branch that a packet takes, if the condition holds.
#[derive(Debug, Clone)]
pub(super) struct Jump {
    pub(super) condition: Option<Value>,
    pub(super) target: Value,
    /// Its instruction's position in the packet: the first one wins.
    pub(super) position: usize,
}

/// What the running packet has come to.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending {
    pub(super) registers: BTreeMap<usize, Value>,
    pub(super) stores: Vec<Store>,
    pub(super) jumps: Vec<Jump>,
    /// Flags of USR to be raised.
    pub(super) sticky: Vec<Value>,
}

/// A way out that is emitted at the end.
#[derive(Debug)]
pub(super) struct Exit<'a> {
    pub(super) block: Block,
    /// What has to be done on vectors first.
    pub(super) waiting: Vec<Waiting<'a>>,
    /// Held registers are back already.
    pub(super) away: bool,
    pub(super) pc: u32,
    pub(super) how: u64,
    pub(super) counted: i64,
}

/// The functions that units call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signatures {
    pub(super) on_registers: SigRef,
    pub(super) on_memory: SigRef,
    pub(super) taken: SigRef,
    pub(super) unit: SigRef,
}

/// The function of a unit: registers, [`Context`], which way in; what it returns is [`Left`].
pub(in crate::jit) fn unit_signature() -> Signature {
    function(CallConv::Tail, 3, true)
}

/// A function that takes and returns words.
pub(in crate::jit) fn function(convention: CallConv, params: usize, returns: bool) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params = vec![AbiParam::new(I64); params];
    signature.returns = vec![AbiParam::new(I64); usize::from(returns)];
    signature
}

/// What lowering needs to know of the host.
#[derive(Debug, Clone, Copy)]
pub(in crate::jit) struct Host {
    /// How C functions are called.
    pub(in crate::jit) convention: CallConv,
    /// It has fused multiply-add.
    pub(in crate::jit) fused: bool,
}

pub(super) struct Lower<'a, 'b> {
    pub(super) b: &'a mut FunctionBuilder<'b>,
    pub(super) unit: &'a Unit,
    pub(super) variables: Vec<Option<Variable>>,
    pub(super) counter: Variable,
    pub(super) regs: Value,
    pub(super) context: Value,
    pub(super) window: Value,
    /// The guarded window's address.
    pub(super) guarded: Value,
    /// Packets by their `SourceLoc`: where each is, and what was counted in front of it.
    pub(super) packets: Vec<(u32, i64)>,
    /// Accesses of the running packet need not ask whether they are allowed.
    pub(super) unasked: bool,
    /// Nor need its store, which is its only one.
    pub(super) unasked_store: bool,
    pub(super) blocks: BTreeMap<u32, Block>,
    pub(super) exits: Vec<Exit<'a>>,
    /// Truth values behind predicates that were made of them.
    pub(super) truths: HashMap<Value, Value>,
    pub(super) now: Pending,
    pub(super) locals: Vec<Option<Value>>,
    /// The running instruction's position in the packet.
    pub(super) position: usize,
    /// What is done where floats are not to be trusted.
    pub(super) distrusted: Distrusted,
    /// Whether flags of floats are settled, in packets that call where they are not.
    pub(super) settled: Value,
    /// They are, or the unit would have been left in front of this packet or one before it in its block.
    pub(super) known_settled: bool,
    /// Values to which something was added (the second number) that is a multiple of a size (the first one), or the unit would have
    /// been left in this block.
    pub(super) aligned: HashMap<Value, (u32, u32)>,
    /// Addresses of the running packet and the one behind it.
    pub(super) pc: u32,
    pub(super) next: u32,
    /// The way out in front of the running packet.
    pub(super) way_out: Option<Block>,
    /// The one because of floats.
    pub(super) distrust: Option<Block>,
    /// Counted since the block began.
    pub(super) counted: i64,
    pub(super) signatures: Signatures,
    pub(super) host_convention: CallConv,
    pub(super) fused: bool,
    pub(super) vectors: Vectors<'a>,
    pub(super) floats: Floats,
}

/// The host's type for values of a scalar type. A float is its bits.
pub(super) fn ty(ty: Type) -> cl::Type {
    cl::Type::int(ty.bits().max(8) as u16).unwrap_or(cl::types::I64)
}

impl Lower<'_, '_> {
    /// A constant of a host type.
    pub(super) fn int(&mut self, ty: cl::Type, v: i64) -> Value {
        let bits = ty.bits();
        let v = if bits < 64 { v & ((1 << bits) - 1) } else { v };
        self.b.ins().iconst(ty, v)
    }

    /// A value as another host type: cut off, or extended.
    pub(super) fn fit(&mut self, v: Value, signed: bool, want: cl::Type) -> Value {
        let have = self.b.func.dfg.value_type(v);
        if have.bits() == want.bits() {
            v
        } else if have.bits() > want.bits() {
            self.b.ins().ireduce(want, v)
        } else if signed {
            self.b.ins().sextend(want, v)
        } else {
            self.b.ins().uextend(want, v)
        }
    }

    /// A register as the packet found it.
    pub(super) fn get(&mut self, register: usize) -> Value {
        match self.variables[register] {
            Some(v) => {
                let v = self.b.use_var(v);
                self.floats.has_read(register, v);
                v
            }
            None => {
                // Nobody of the unit writes it.
                let (at, t) = place(register);
                self.b.ins().load(t, MemFlagsData::trusted(), self.regs, at)
            }
        }
    }

    /// A register as the packet has left it so far.
    pub(super) fn newest(&mut self, register: usize) -> Value {
        match self.now.registers.get(&register) {
            Some(v) => *v,
            None => self.get(register),
        }
    }

    /// A register's new value.
    pub(super) fn define(&mut self, register: usize, v: Value) {
        self.known_settled &= register != USR;
        self.assign(register, v);
        self.b
            .ins()
            .store(MemFlagsData::trusted(), v, self.regs, place(register).0);
    }

    /// A register's new value, which is stored already.
    pub(super) fn assign(&mut self, register: usize, v: Value) {
        if let Some(variable) = self.variables[register] {
            self.b.def_var(variable, v);
            floats::define(self, register, v);
        }
    }

    /// A way out, to be emitted at the end.
    pub(super) fn exit(&mut self, pc: u32, how: u64) -> Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        let counted = self.counted;
        self.exits.push(Exit {
            block,
            waiting: self.vectors.waiting.clone(),
            away: self.vectors.away,
            pc,
            how,
            counted,
        });
        block
    }

    /// The way out in front of the running packet, which the interpreter has then.
    pub(super) fn way_out(&mut self) -> Block {
        match self.way_out {
            Some(out) => out,
            None => {
                let out = self.exit(self.pc, Left::INTERPRET);
                self.way_out = Some(out);
                out
            }
        }
    }

    /// Goes on only if `v` holds: floats are to be trusted. Else the interpreter has the packet.
    pub(super) fn trust(&mut self, v: Value) {
        let out = match self.distrust {
            Some(out) => out,
            None => {
                let out = self.exit(self.pc, Left::INTERPRET | Left::DISTRUSTED);
                self.distrust = Some(out);
                out
            }
        };
        let on = self.b.create_block();
        self.b.ins().brif(v, on, &[], out, &[]);
        self.go_on(on);
    }

    /// Goes on in a block that is reached from here alone: registers are the values that they were, and what is known of those stays.
    fn go_on(&mut self, on: Block) {
        self.b.seal_block(on);
        self.b.switch_to_block(on);
    }

    /// Goes on only if `v` is zero (or is not); else the interpreter has the packet.
    pub(super) fn unless(&mut self, v: Value, zero: bool) {
        let (out, on) = (self.way_out(), self.b.create_block());
        if zero {
            self.b.ins().brif(v, out, &[], on, &[]);
        } else {
            self.b.ins().brif(v, on, &[], out, &[]);
        }
        self.go_on(on);
    }
}
