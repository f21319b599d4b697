//! Builtin functions: called, or done here where that is short and often wanted.
//!
//! Sums and products of floats are the host's where its result is to be trusted and no flag is left to be raised: rounding is to
//! nearest, "inexact" was raised long ago, and the result is finite (a sum) or well inside the normal range (a product). The rule
//! is that of the interpreter's quick ways (`hexagon_isa`'s `builtins/float/host.rs`); else the builtin is called.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};
use cranelift_codegen::ir::{self as cl, AbiParam, InstBuilder as _, MemFlagsData, Signature, Value};
use hexagon_isa::builtins::address;
use hexagon_isa::facts::PacketFacts;
use hexagon_isa::ir::{Builtin, Kind, Needs, Type};
use hexagon_isa::state::{Status, usr};

use super::super::context::Context;
use super::super::registers::USR;
use super::Lower;
use super::expr::ty;
use crate::mem::AddressSpace;

/// When the host's result is right and raises nothing.
enum Trust {
    /// If it is finite.
    Finite,
    /// If it is well inside the normal range.
    Normal,
    /// Always: it is exact, or what is not was asked before.
    Always,
}

/// A packet computes with floats in a way that wants to know whether flags are left to be raised.
pub(super) fn wants_settled(facts: &PacketFacts) -> bool {
    let mut found = false;
    for n in &facts.insns {
        n.meaning.visit(&mut |e| {
            found |= match e.kind {
                Kind::Call(b, _) => b.signature().quick,
                Kind::Binary(op, ..) => op.float_builtin(e.ty).is_some(),
                _ => false,
            };
        });
    }
    found
}

fn status(field: usize) -> i32 {
    (offset_of!(Context, status) + field) as i32
}

impl Lower<'_, '_> {
    /// Whether rounding is to nearest and "inexact" is raised.
    pub(super) fn find_settled(&mut self) -> Value {
        let usr = self.get(USR);
        let bits = self.b.ins().band_imm_u(usr, i64::from(usr::FPRND | usr::FPINPF));
        self.b
            .ins()
            .icmp_imm_u(IntCC::Equal, bits, i64::from(usr::FPINPF))
    }

    /// The value of a builtin.
    pub(super) fn builtin(&mut self, b: Builtin, args: &[Value]) -> Value {
        match (b, args) {
            (Builtin::shl_signed, &[v, n]) => self.shift_signed(v, n, true),
            (Builtin::shl_unsigned, &[v, n]) => self.shift_signed(v, n, false),
            _ => match self.on_host(b, args) {
                Some((v, trusted)) => self.trusted_or_called(b, args, v, trusted),
                None => {
                    let (v, raised) = self.call(b, args);
                    self.now.sticky.extend(raised);
                    v
                }
            },
        }
    }

    /// Left by an amount from -64 to 64; right if it is negative.
    fn shift_signed(&mut self, v: Value, n: Value, signed: bool) -> Value {
        let zero = self.int(I64, 0);
        let left = self.b.ins().ishl(v, n);
        let all = self.b.ins().icmp_imm_s(IntCC::Equal, n, 64);
        let left = self.b.ins().select(all, zero, left);
        let back = self.b.ins().ineg(n);
        let right = if signed {
            let most = self.int(I32, 63);
            let back = self.b.ins().umin(back, most);
            self.b.ins().sshr(v, back)
        } else {
            let right = self.b.ins().ushr(v, back);
            let all = self.b.ins().icmp_imm_s(IntCC::Equal, back, 64);
            self.b.ins().select(all, zero, right)
        };
        let negative = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, n, 0);
        self.b.ins().select(negative, right, left)
    }

    fn as_float(&mut self, v: Value) -> Value {
        let t = if self.b.func.dfg.value_type(v) == I32 {
            F32
        } else {
            F64
        };
        self.b.ins().bitcast(t, MemFlagsData::new(), v)
    }

    /// The host's result, as bits, and whether it is right.
    fn on_host(&mut self, b: Builtin, args: &[Value]) -> Option<(Value, Value)> {
        use Builtin as B;
        let (v, trust, settled) = match (b, args) {
            (B::sf_add | B::df_add, &[x, y]) => {
                let (x, y) = (self.as_float(x), self.as_float(y));
                (self.b.ins().fadd(x, y), Trust::Finite, true)
            }
            (B::sf_sub | B::df_sub, &[x, y]) => {
                let (x, y) = (self.as_float(x), self.as_float(y));
                (self.b.ins().fsub(x, y), Trust::Finite, true)
            }
            (B::sf_mul, &[x, y]) => {
                let (x, y) = (self.as_float(x), self.as_float(y));
                (self.b.ins().fmul(x, y), Trust::Normal, true)
            }
            (B::sf_fma, &[x, y, z]) if self.fused => {
                let (x, y, z) = (self.as_float(x), self.as_float(y), self.as_float(z));
                (self.b.ins().fma(x, y, z), Trust::Normal, true)
            }
            (B::sf_from_w | B::sf_from_d, &[x]) => (self.b.ins().fcvt_from_sint(F32, x), Trust::Always, true),
            (B::sf_from_uw | B::sf_from_ud, &[x]) => {
                (self.b.ins().fcvt_from_uint(F32, x), Trust::Always, true)
            }
            (B::df_from_w, &[x]) => (self.b.ins().fcvt_from_sint(F64, x), Trust::Always, false),
            (B::df_from_uw, &[x]) => (self.b.ins().fcvt_from_uint(F64, x), Trust::Always, false),
            (B::df_from_d, &[x]) => (self.b.ins().fcvt_from_sint(F64, x), Trust::Always, true),
            (B::df_from_ud, &[x]) => (self.b.ins().fcvt_from_uint(F64, x), Trust::Always, true),
            (B::sf_cmp_eq | B::df_cmp_eq, &[x, y]) => return Some(self.compare(FloatCC::Equal, x, y)),
            (B::sf_cmp_gt | B::df_cmp_gt, &[x, y]) => return Some(self.compare(FloatCC::GreaterThan, x, y)),
            (B::sf_cmp_ge | B::df_cmp_ge, &[x, y]) => {
                return Some(self.compare(FloatCC::GreaterThanOrEqual, x, y));
            }
            (B::sf_unordered | B::df_unordered, &[x, y]) => {
                let (_, numbers) = self.compare(FloatCC::Equal, x, y);
                return Some((self.int(I8, 0), numbers));
            }
            _ => return None,
        };
        let t = if self.b.func.dfg.value_type(v) == F32 {
            I32
        } else {
            I64
        };
        let bits = self.b.ins().bitcast(t, MemFlagsData::new(), v);
        let (infinite, least) = if t == I32 {
            (0x7f80_0000, 0x0080_0001)
        } else {
            (0x7ff0_0000_0000_0000, 0)
        };
        let size = self.b.ins().band_imm_u(bits, i64::MAX >> (64 - t.bits()));
        let good = match trust {
            Trust::Always => None,
            Trust::Finite => Some(self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, size, infinite)),
            Trust::Normal => {
                let above = self.b.ins().iadd_imm_s(size, -least);
                Some(
                    self.b
                        .ins()
                        .icmp_imm_u(IntCC::UnsignedLessThan, above, infinite - least),
                )
            }
        };
        let good = match (good, settled) {
            (Some(good), _) => self.b.ins().band(good, self.settled),
            (None, true) => self.settled,
            (None, false) => self.int(I8, 1),
        };
        Some((bits, good))
    }

    /// A comparison, and whether both are numbers: of NaNs some raise a flag.
    fn compare(&mut self, how: FloatCC, x: Value, y: Value) -> (Value, Value) {
        let (x, y) = (self.as_float(x), self.as_float(y));
        let v = self.b.ins().fcmp(how, x, y);
        (v, self.b.ins().fcmp(FloatCC::Ordered, x, y))
    }

    /// The host's result, or if it is not to be trusted the builtin's.
    fn trusted_or_called(&mut self, b: Builtin, args: &[Value], v: Value, trusted: Value) -> Value {
        let (rare, on) = (self.b.create_block(), self.b.create_block());
        self.b.set_cold_block(rare);
        let t = self.b.func.dfg.value_type(v);
        let result = self.b.append_block_param(on, t);
        let flags = self.b.append_block_param(on, I32);
        let none = self.int(I32, 0);
        self.b
            .ins()
            .brif(trusted, on, &[v.into(), none.into()], rare, &[]);
        self.b.switch_to_block(rare);
        let (called, raised) = self.call(b, args);
        let raised = raised.unwrap_or(none);
        self.b.ins().jump(on, &[called.into(), raised.into()]);
        self.b.switch_to_block(on);
        self.now.sticky.push(flags);
        result
    }

    /// Calls a builtin. What it raises is noted; if that is left to the caller to do, it comes back.
    fn call(&mut self, b: Builtin, args: &[Value]) -> (Value, Option<Value>) {
        let signature = b.signature();
        let mut sig = Signature::new(self.host_convention);
        let mut all = Vec::new();
        let raises = signature.needs == Needs::Status;
        if raises {
            let (usr, none) = (self.get(USR), self.int(I32, 0));
            self.b.ins().store(
                MemFlagsData::trusted(),
                usr,
                self.context,
                status(offset_of!(Status, usr)),
            );
            self.b.ins().store(
                MemFlagsData::trusted(),
                none,
                self.context,
                status(offset_of!(Status, flags)),
            );
            all.push(self.b.ins().iadd_imm_s(self.context, i64::from(status(0))));
            sig.params.push(AbiParam::new(I64));
        }
        for (param, v) in signature.params.iter().zip(args) {
            sig.params.push(parameter(*param));
            all.push(*v);
        }
        sig.returns.extend(signature.result.map(|t| AbiParam::new(ty(t))));
        let sig = self.b.import_signature(sig);
        let at = self.int(I64, address::<AddressSpace>(b) as usize as i64);
        let call = self.b.ins().call_indirect(sig, at, &all);
        let v = self.b.inst_results(call)[0];
        if !raises {
            return (v, None);
        }
        let at = status(offset_of!(Status, flags));
        (
            v,
            Some(self.b.ins().load(I32, MemFlagsData::trusted(), self.context, at)),
        )
    }
}

/// How C hands over a value: what is shorter than an int is extended.
fn parameter(of: Type) -> AbiParam {
    let t: cl::Type = ty(of);
    match of {
        _ if t.bits() >= 32 => AbiParam::new(t),
        _ if of.signed() => AbiParam::new(t).sext(),
        _ => AbiParam::new(t).uext(),
    }
}
