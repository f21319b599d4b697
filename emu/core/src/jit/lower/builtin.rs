//! Builtin functions: called, or done here where that is short and often wanted.
//!
//! Sums and products of floats are the host's where its result is to be trusted and no flag is left to be raised: rounding is to
//! nearest, "inexact" was raised long ago, and the result is finite (a sum) or well inside the normal range (a product). The rule
//! is that of the interpreter's quick ways (`hexagon_isa`'s `builtins/float/host.rs`). Else the unit is left in front of the packet, or,
//! in packets where that was often so, the builtin is called.

use std::mem::offset_of;

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F64, I8, I32, I64};
use cranelift_codegen::ir::{self as cl, AbiParam, InstBuilder as _, MemFlagsData, Signature, Value};
use hexagon_isa::builtins::address;
use hexagon_isa::facts::PacketFacts;
use hexagon_isa::ir::{Builtin, Kind, Needs, Type};
use hexagon_isa::state::{Status, usr};

use super::super::context::Context;
use super::super::growth::Distrusted;
use super::super::registers::USR;
use super::floats;
use super::state::{Lower, ty};
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

/// A packet computes with floats, and can be left in front of it where those are not to be trusted: it need not store before it
/// knows.
pub(in crate::jit) fn trusts(facts: &PacketFacts) -> bool {
    let stores = facts.any(|n| n.effects.store);
    wants_settled(facts) && !(stores && facts.any(|n| n.effects.load))
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

/// Finds out whether rounding is to nearest and "inexact" is raised.
pub(super) fn settle(l: &mut Lower<'_, '_>) {
    if l.distrusted == Distrusted::Leave && l.known_settled {
        return;
    }
    let usr = l.get(USR);
    let bits = l.b.ins().band_imm_u(usr, i64::from(usr::FPRND | usr::FPINPF));
    l.settled = l.b.ins().icmp_imm_u(IntCC::Equal, bits, i64::from(usr::FPINPF));
    if l.distrusted == Distrusted::Leave {
        let settled = l.settled;
        l.trust(settled);
        l.known_settled = true;
    }
}

/// The value of a builtin.
pub(super) fn builtin(l: &mut Lower<'_, '_>, b: Builtin, args: &[Value]) -> Value {
    match (b, args) {
        (Builtin::shl_signed, &[v, n]) => shift_signed(l, v, n, true),
        (Builtin::shl_unsigned, &[v, n]) => shift_signed(l, v, n, false),
        _ => match on_host(l, b, args) {
            Some((v, None)) => v,
            Some((v, Some(trusted))) if l.distrusted == Distrusted::Leave => {
                match (b, args) {
                    (Builtin::sf_mul, &[x, y]) => trust_product(l, trusted, v, [x, y]),
                    _ => l.trust(trusted),
                }
                v
            }
            Some((v, Some(trusted))) => trusted_or_called(l, b, args, v, trusted),
            None => {
                let (v, raised) = call(l, b, args);
                l.now.sticky.extend(raised);
                v
            }
        },
    }
}

/// Goes on with a product that is to be trusted, or of which a factor is zero: such a zero is exact, and common.
fn trust_product(l: &mut Lower<'_, '_>, trusted: Value, v: Value, factors: [Value; 2]) {
    let (small, on) = (l.b.create_block(), l.b.create_block());
    l.b.set_cold_block(small);
    l.b.ins().brif(trusted, on, &[], small, &[]);
    l.b.switch_to_block(small);
    let mut is_zero = |v: Value| {
        let magnitude = l.b.ins().ishl_imm_u(v, 1);
        l.b.ins().icmp_imm_u(IntCC::Equal, magnitude, 0)
    };
    let ([x, y], v) = (factors.map(&mut is_zero), is_zero(v));
    let exact = l.b.ins().bor(x, y);
    let exact = l.b.ins().band(exact, v);
    l.trust(exact);
    l.b.ins().jump(on, &[]);
    l.b.switch_to_block(on);
}

/// Left by an amount from -64 to 64; right if it is negative.
fn shift_signed(l: &mut Lower<'_, '_>, v: Value, n: Value, signed: bool) -> Value {
    let zero = l.int(I64, 0);
    let left = l.b.ins().ishl(v, n);
    let all = l.b.ins().icmp_imm_s(IntCC::Equal, n, 64);
    let left = l.b.ins().select(all, zero, left);
    let back = l.b.ins().ineg(n);
    let right = if signed {
        let most = l.int(I32, 63);
        let back = l.b.ins().umin(back, most);
        l.b.ins().sshr(v, back)
    } else {
        let right = l.b.ins().ushr(v, back);
        let all = l.b.ins().icmp_imm_s(IntCC::Equal, back, 64);
        l.b.ins().select(all, zero, right)
    };
    let negative = l.b.ins().icmp_imm_s(IntCC::SignedLessThan, n, 0);
    l.b.ins().select(negative, right, left)
}

/// The host's result, as bits, and whether it is right, if that is a question.
fn on_host(l: &mut Lower<'_, '_>, b: Builtin, args: &[Value]) -> Option<(Value, Option<Value>)> {
    use Builtin as B;
    let (v, trust, settled) = match (b, args) {
        (B::sf_add | B::df_add, &[x, y]) => {
            let (x, y) = (floats::of_bits(l, x), floats::of_bits(l, y));
            (l.b.ins().fadd(x, y), Trust::Finite, true)
        }
        (B::sf_sub | B::df_sub, &[x, y]) => {
            let (x, y) = (floats::of_bits(l, x), floats::of_bits(l, y));
            (l.b.ins().fsub(x, y), Trust::Finite, true)
        }
        (B::sf_mul, &[x, y]) => {
            let (x, y) = (floats::of_bits(l, x), floats::of_bits(l, y));
            (l.b.ins().fmul(x, y), Trust::Normal, true)
        }
        (B::sf_fma, &[x, y, z]) if l.fused => {
            let (x, y, z) = (
                floats::of_bits(l, x),
                floats::of_bits(l, y),
                floats::of_bits(l, z),
            );
            (l.b.ins().fma(x, y, z), Trust::Normal, true)
        }
        (B::sf_from_w | B::sf_from_d, &[x]) => (l.b.ins().fcvt_from_sint(F32, x), Trust::Always, true),
        (B::sf_from_uw | B::sf_from_ud, &[x]) => (l.b.ins().fcvt_from_uint(F32, x), Trust::Always, true),
        (B::df_from_w, &[x]) => (l.b.ins().fcvt_from_sint(F64, x), Trust::Always, false),
        (B::df_from_uw, &[x]) => (l.b.ins().fcvt_from_uint(F64, x), Trust::Always, false),
        (B::df_from_d, &[x]) => (l.b.ins().fcvt_from_sint(F64, x), Trust::Always, true),
        (B::df_from_ud, &[x]) => (l.b.ins().fcvt_from_uint(F64, x), Trust::Always, true),
        (B::sf_cmp_eq | B::df_cmp_eq, &[x, y]) => return Some(compare(l, FloatCC::Equal, x, y)),
        (B::sf_cmp_gt | B::df_cmp_gt, &[x, y]) => return Some(compare(l, FloatCC::GreaterThan, x, y)),
        (B::sf_cmp_ge | B::df_cmp_ge, &[x, y]) => {
            return Some(compare(l, FloatCC::GreaterThanOrEqual, x, y));
        }
        (B::sf_unordered | B::df_unordered, &[x, y]) => {
            let (_, numbers) = compare(l, FloatCC::Equal, x, y);
            return Some((l.int(I8, 0), numbers));
        }
        _ => return None,
    };
    let bits = floats::to_bits(l, v);
    let t = l.b.func.dfg.value_type(bits);
    let (infinite, least) = if t == I32 {
        (0x7f80_0000, 0x0080_0001)
    } else {
        (0x7ff0_0000_0000_0000, 0)
    };
    let size = l.b.ins().band_imm_u(bits, i64::MAX >> (64 - t.bits()));
    let good = match trust {
        Trust::Always => None,
        Trust::Finite => Some(l.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, size, infinite)),
        Trust::Normal => {
            let above = l.b.ins().iadd_imm_s(size, -least);
            Some(
                l.b.ins()
                    .icmp_imm_u(IntCC::UnsignedLessThan, above, infinite - least),
            )
        }
    };
    let good = match (good, settled && l.distrusted == Distrusted::Call) {
        (Some(good), true) => Some(l.b.ins().band(good, l.settled)),
        (None, true) => Some(l.settled),
        (good, false) => good,
    };
    Some((bits, good))
}

/// A comparison, and whether both are numbers: of NaNs some raise a flag.
fn compare(l: &mut Lower<'_, '_>, how: FloatCC, x: Value, y: Value) -> (Value, Option<Value>) {
    let (x, y) = (floats::of_bits(l, x), floats::of_bits(l, y));
    let v = l.b.ins().fcmp(how, x, y);
    (v, Some(l.b.ins().fcmp(FloatCC::Ordered, x, y)))
}

/// The host's result, or if it is not to be trusted the builtin's.
fn trusted_or_called(l: &mut Lower<'_, '_>, b: Builtin, args: &[Value], v: Value, trusted: Value) -> Value {
    let (rare, on) = (l.b.create_block(), l.b.create_block());
    l.b.set_cold_block(rare);
    let t = l.b.func.dfg.value_type(v);
    let result = l.b.append_block_param(on, t);
    let flags = l.b.append_block_param(on, I32);
    let none = l.int(I32, 0);
    l.b.ins().brif(trusted, on, &[v.into(), none.into()], rare, &[]);
    l.b.switch_to_block(rare);
    let (called, raised) = call(l, b, args);
    let raised = raised.unwrap_or(none);
    l.b.ins().jump(on, &[called.into(), raised.into()]);
    l.b.switch_to_block(on);
    l.now.sticky.push(flags);
    result
}

/// Calls a builtin. What it raises is noted; if that is left to the caller to do, it comes back.
fn call(l: &mut Lower<'_, '_>, b: Builtin, args: &[Value]) -> (Value, Option<Value>) {
    let signature = b.signature();
    let mut sig = Signature::new(l.host_convention);
    let mut all = Vec::new();
    let raises = signature.needs == Needs::Status;
    if raises {
        let (usr, none) = (l.get(USR), l.int(I32, 0));
        l.b.ins().store(
            MemFlagsData::trusted(),
            usr,
            l.context,
            status(offset_of!(Status, usr)),
        );
        l.b.ins().store(
            MemFlagsData::trusted(),
            none,
            l.context,
            status(offset_of!(Status, flags)),
        );
        all.push(l.b.ins().iadd_imm_s(l.context, i64::from(status(0))));
        sig.params.push(AbiParam::new(I64));
    }
    for (param, v) in signature.params.iter().zip(args) {
        sig.params.push(parameter(*param));
        all.push(*v);
    }
    sig.returns.extend(signature.result.map(|t| AbiParam::new(ty(t))));
    let sig = l.b.import_signature(sig);
    let at = l.int(I64, address::<AddressSpace>(b) as usize as i64);
    let call = l.b.ins().call_indirect(sig, at, &all);
    let v = l.b.inst_results(call)[0];
    if !raises {
        return (v, None);
    }
    let at = status(offset_of!(Status, flags));
    (
        v,
        Some(l.b.ins().load(I32, MemFlagsData::trusted(), l.context, at)),
    )
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
