//! Names and types of the builtin functions: what the language cannot say well by itself. Each is a Rust function of the
//! same name in `hexagon_isa::interp::builtins`, with tests of its own.

use super::ir::Type;

/// What a builtin needs besides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: a function of its arguments.
    Nothing,
    /// USR's rounding mode and sticky flags (`&mut Status`).
    Status,
    /// The registers and the resolved operands.
    Regs,
    /// The registers, the operands and the memory; may fault.
    Memory,
    /// As [`Needs::Regs`], and every vector register is read and written.
    Vectors,
}

/// One builtin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Name in the language and of the Rust function.
    pub name: &'static str,
    /// Parameter types.
    pub params: &'static [Type],
    /// Result; `None` for one that is a statement.
    pub result: Option<Type>,
    /// What else it gets.
    pub needs: Needs,
}

const I8: Type = Type::Int(true, 8);
const U8: Type = Type::U8;
const I32: Type = Type::I32;
const U32: Type = Type::U32;
const I64: Type = Type::I64;
const U64: Type = Type::U64;
const B: Type = Type::Bool;
const SF: Type = Type::Float(32);
const DF: Type = Type::Float(64);
const V: Type = Type::Vec;
const VV: Type = Type::VecPair;

const fn pure(name: &'static str, params: &'static [Type], result: Type) -> Builtin {
    Builtin {
        name,
        params,
        result: Some(result),
        needs: Needs::Nothing,
    }
}
const fn status(name: &'static str, params: &'static [Type], result: Type) -> Builtin {
    Builtin {
        name,
        params,
        result: Some(result),
        needs: Needs::Status,
    }
}
const fn effect(name: &'static str, params: &'static [Type]) -> Builtin {
    Builtin {
        name,
        params,
        result: None,
        needs: Needs::Regs,
    }
}
const fn vectors(name: &'static str, params: &'static [Type]) -> Builtin {
    Builtin {
        name,
        params,
        result: None,
        needs: Needs::Vectors,
    }
}
const fn memory(name: &'static str, params: &'static [Type], result: Option<Type>) -> Builtin {
    Builtin {
        name,
        params,
        result,
        needs: Needs::Memory,
    }
}

/// All builtins.
#[rustfmt::skip]
pub const BUILTINS: &[Builtin] = &[
    // addressing
    pure("circ_add", &[U32, I32, U32, U32], U32),        // base, increment, M, CS
    pure("circ_inc", &[U32, I32], I32),                  // M's signed increment, scaled by the access size
    pure("brev_addr", &[U32], U32),                      // low 16 address bits reversed
    // integer
    pure("shl_signed", &[I64, I32], I64),                // left by a signed amount; right arithmetically when negative
    pure("shl_unsigned", &[U64, I32], U64),              // left by a signed amount; right logically when negative
    status("asl_sat32", &[I32, I32], I32),               // the same on 32 bits, saturating by the original's sign
    pure("interleave", &[U32, U32], U64),
    pure("deinterleave", &[U64], U64),
    pure("polymul", &[U32, U32], U64),                   // carry-less product
    pure("polymul16", &[U32, U32], U32),
    pure("cround32", &[I32, U32], I32),
    pure("cround64", &[I64, U32], I64),
    pure("cabac_bin", &[I64, I64], I64),                 // H.264's binary arithmetic decoder: new state, range and offset
    pure("cabac_symbol", &[I64, I64], U8),               // the symbol of the same step
    // floating point; add, sub and mul of floats are operators
    status("sf_fma", &[SF, SF, SF], SF),                 // a*b + c
    status("sf_fma_lib", &[SF, SF, SF], SF),
    status("sf_fma_scale", &[SF, SF, SF, I8], SF),
    status("sf_min", &[SF, SF], SF),
    status("sf_max", &[SF, SF], SF),
    status("df_min", &[DF, DF], DF),
    status("df_max", &[DF, DF], DF),
    status("sf_cmp_eq", &[SF, SF], B),
    status("sf_cmp_gt", &[SF, SF], B),
    status("sf_cmp_ge", &[SF, SF], B),
    status("sf_unordered", &[SF, SF], B),
    status("df_cmp_eq", &[DF, DF], B),
    status("df_cmp_gt", &[DF, DF], B),
    status("df_cmp_ge", &[DF, DF], B),
    status("df_unordered", &[DF, DF], B),
    pure("sf_class", &[SF, U32], B),
    pure("df_class", &[DF, U32], B),
    status("sf_from_w", &[I32], SF),
    status("sf_from_uw", &[U32], SF),
    status("sf_from_d", &[I64], SF),
    status("sf_from_ud", &[U64], SF),
    status("sf_from_df", &[DF], SF),
    status("df_from_w", &[I32], DF),
    status("df_from_uw", &[U32], DF),
    status("df_from_d", &[I64], DF),
    status("df_from_ud", &[U64], DF),
    status("df_from_sf", &[SF], DF),
    status("sf_to_w", &[SF, B], I32),                    // second argument: chop
    status("sf_to_uw", &[SF, B], U32),
    status("sf_to_d", &[SF, B], I64),
    status("sf_to_ud", &[SF, B], U64),
    status("df_to_w", &[DF, B], I32),
    status("df_to_uw", &[DF, B], U32),
    status("df_to_d", &[DF, B], I64),
    status("df_to_ud", &[DF, B], U64),
    status("sf_recip_seed", &[SF, SF], SF),              // numerator, denominator
    status("sf_recip_adjust", &[SF, SF], U8),
    status("sf_invsqrt_seed", &[SF], SF),
    status("sf_invsqrt_adjust", &[SF], U8),
    status("sf_fixup_n", &[SF, SF], SF),
    status("sf_fixup_d", &[SF, SF], SF),
    status("sf_fixup_r", &[SF], SF),
    status("df_mpy_fix", &[DF, DF], DF),
    status("df_mpy_hh", &[DF, DF, DF], DF),              // accumulator, a, b
    // control
    effect("trap0", &[U32]),
    effect("trap1", &[U32]),
    effect("pause", &[]),
    effect("privileged", &[]),
    effect("dma", &[U32, U32, U32]),                     // command (see the function), two registers
    effect("loop_config", &[U32]),                       // USR.LPCFG
    memory("frame_check", &[U32], None),
    memory("load_locked32", &[U32], Some(U32)),
    memory("load_locked64", &[U32], Some(U64)),
    memory("store_conditional32", &[U32, U32], Some(B)),
    memory("store_conditional64", &[U32, U64], Some(B)),
    memory("zero_line", &[U32], None),
    // HVX
    memory("vstore_masked", &[U32, V, V, B], None),      // address, mask of 0xff and 0 bytes, value, invert the mask
    pure("vdelta", &[V, V], V),
    pure("vrdelta", &[V, V], V),
    pure("vshuff_pair", &[V, V, U32], VV),               // low, high, control
    pure("vdeal_pair", &[V, V, U32], VV),
    pure("vec_lo", &[VV], V),
    pure("vec_hi", &[VV], V),
    pure("vprefix_b", &[V], V),
    pure("vprefix_h", &[V], V),
    pure("vprefix_w", &[V], V),
    vectors("vhist", &[]),                               // they read the packet's `.tmp` vector
    vectors("vhist_q", &[V]),
    vectors("vwhist256", &[B]),                          // saturate
    vectors("vwhist256_q", &[V, B]),
    vectors("vwhist128", &[U32]),                        // lowest bit of the buckets, 2 for all
    vectors("vwhist128_q", &[V, U32]),
    memory("vgather_h", &[U32, U32, V], None),           // base, length - 1, offsets
    memory("vgather_hq", &[U32, U32, V, V], None),       // and a mask of bytes
    memory("vscatter_h", &[U32, U32, V, V], None),       // base, length - 1, offsets, values
    memory("vscatter_hq", &[U32, U32, V, V, V], None),
    memory("vscatter_h_add", &[U32, U32, V, V], None),
    memory("vgather_w", &[U32, U32, V], None),
    memory("vgather_wq", &[U32, U32, V, V], None),
    memory("vscatter_w", &[U32, U32, V, V], None),
    memory("vscatter_wq", &[U32, U32, V, V, V], None),
    memory("vscatter_w_add", &[U32, U32, V, V], None),
    memory("vgather_hw", &[U32, U32, VV], None),
    memory("vgather_hwq", &[U32, U32, VV, V], None),
    memory("vscatter_hw", &[U32, U32, VV, V], None),
    memory("vscatter_hwq", &[U32, U32, VV, V, V], None),
    memory("vscatter_hw_add", &[U32, U32, VV, V], None),
    pure("v6mpy_h", &[VV, VV, U32], VV),                 // data, coefficients, phase
    pure("v6mpy_v", &[VV, VV, U32], VV),
    pure("v6mpy_h_acc", &[VV, VV, VV, U32], VV),         // accumulator first
    pure("v6mpy_v_acc", &[VV, VV, VV, U32], VV),
];

/// Finds a builtin.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}
