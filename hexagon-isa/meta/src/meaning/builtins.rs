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
    /// Which qfloat the core has (`Qfloat`).
    Qfloat,
    /// The registers and the resolved operands.
    Regs,
    /// The registers, the operands and the memory; may fault.
    Memory,
    /// As [`Needs::Regs`], and every vector register is read and written.
    Vectors,
    /// The Z register's bytes.
    Z,
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
const I16: Type = Type::Int(true, 16);
const U16: Type = Type::Int(false, 16);
const I32: Type = Type::I32;
const U32: Type = Type::U32;
const I64: Type = Type::I64;
const U64: Type = Type::U64;
const B: Type = Type::Bool;
const SF: Type = Type::Float(32);
const DF: Type = Type::Float(64);
const Q32: Type = Type::Qf(32);
const Q16: Type = Type::Qf(16);
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
const fn qfloat(name: &'static str, params: &'static [Type], result: Type) -> Builtin {
    Builtin {
        name,
        params,
        result: Some(result),
        needs: Needs::Qfloat,
    }
}
const fn z(name: &'static str, params: &'static [Type], result: Type) -> Builtin {
    Builtin {
        name,
        params,
        result: Some(result),
        needs: Needs::Z,
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
    effect("z_load", &[U32, V]),                        // address, the 128 bytes there
    z("z_word", &[U32], U32),                            // the four bytes from this place of the window on
    // matrix unit; what the numbers stand for is said at the functions and in spec/hmx.isa
    memory("mx_activation", &[U32, U32, U32, U32, U32], None),    // registers; kind, form, channel-major
    memory("mx_weight", &[U32, U32, U32, U32], None),             // registers; kind, form
    memory("mx_bias_load", &[U32, U32], None),                    // register; both words
    memory("mx_bias_store", &[U32, U32], None),
    memory("mx_convert", &[U32, U32], None),                      // register; kind
    memory("mx_convert_store", &[U32, U32, U32, U32], None),      // registers; kind, form
    memory("mx_store", &[U32, U32, U32, U32, U32], None),         // registers; kind, channel-major, older
    effect("mx_clear", &[U32]),                                   // floating point
    effect("mx_swap", &[U32]),
    effect("mx_shift16", &[]),
    // HVX floating point
    pure("vsf_add", &[U32, U32], U32),
    pure("vsf_sub", &[U32, U32], U32),
    pure("vsf_mpy", &[U32, U32], U32),
    pure("vhf_add", &[U16, U16], U16),
    pure("vhf_sub", &[U16, U16], U16),
    pure("vhf_mpy", &[U16, U16], U16),
    pure("vhf_fma", &[U16, U16, U16], U16),
    pure("vsf_fma_bf", &[U32, U16, U16], U32),
    pure("vsf_dmpy_acc", &[U32, U16, U16, U16, U16], U32),
    pure("vsf_from_hf", &[U16], U32),
    pure("vhf_from_sf", &[U32], U16),
    pure("vbf_from_sf", &[U32], U16),
    pure("vhf_from_b", &[I8], U16),
    pure("vb_from_hf", &[U16], I8),
    pure("vhf_from_ub", &[U8], U16),
    pure("vub_from_hf", &[U16], U8),
    pure("vhf_from_h", &[I16], U16),
    pure("vh_from_hf", &[U16], I16),
    pure("vhf_from_uh", &[U16], U16),
    pure("vuh_from_hf", &[U16], U16),
    pure("vh_from_hf_chop", &[U16], I16),
    pure("vh_from_hf_rnd", &[U16], I16),
    pure("vw_from_sf", &[U32], I32),
    pure("vsf_from_w", &[I32], U32),
    qfloat("vsf_gt", &[U32, U32], B),
    pure("vsf_eq", &[U32, U32], B),
    pure("vsf_fmin", &[U32, U32], U32),
    pure("vsf_fmax", &[U32, U32], U32),
    qfloat("vsf_min", &[U32, U32], U32),
    qfloat("vsf_max", &[U32, U32], U32),
    qfloat("vhf_gt", &[U16, U16], B),
    pure("vhf_eq", &[U16, U16], B),
    pure("vhf_fmin", &[U16, U16], U16),
    pure("vhf_fmax", &[U16, U16], U16),
    qfloat("vhf_min", &[U16, U16], U16),
    qfloat("vhf_max", &[U16, U16], U16),
    pure("vbf_gt", &[U16, U16], B),
    pure("vbf_min", &[U16, U16], U16),
    pure("vbf_max", &[U16, U16], U16),
    pure("vhf_from_f8", &[U8], U16),
    pure("vf8_from_hf", &[U16, B], U8),
    pure("vf8_abs", &[U8], U8),
    pure("vf8_neg", &[U8], U8),
    pure("vf8_min", &[U8, U8], U8),
    pure("vf8_max", &[U8, U8], U8),
    // qfloat
    qfloat("vqf32_add", &[Q32, Q32], Q32),
    qfloat("vqf32_add_mix", &[Q32, U32], Q32),
    qfloat("vqf32_add_sf", &[U32, U32], Q32),
    qfloat("vqf32_sub", &[Q32, Q32], Q32),
    qfloat("vqf32_sub_mix", &[Q32, U32], Q32),
    qfloat("vqf32_sub_sf", &[U32, U32], Q32),
    qfloat("vqf32_mpy", &[Q32, Q32], Q32),
    qfloat("vqf32_mpy_sf", &[U32, U32], Q32),
    qfloat("vqf32_sub_sf_mix", &[U32, Q32], Q32),
    qfloat("vqf32_mpy_hf", &[U16, U16], Q32),
    qfloat("vqf32_mpy_mix_hf", &[Q16, U16], Q32),
    qfloat("vqf32_mpy_qf16", &[Q16, Q16], Q32),
    qfloat("vqf16_add", &[Q16, Q16], Q16),
    qfloat("vqf16_add_mix", &[Q16, U16], Q16),
    qfloat("vqf16_add_hf", &[U16, U16], Q16),
    qfloat("vqf16_sub", &[Q16, Q16], Q16),
    qfloat("vqf16_sub_mix", &[Q16, U16], Q16),
    qfloat("vqf16_sub_hf", &[U16, U16], Q16),
    qfloat("vqf16_mpy", &[Q16, Q16], Q16),
    qfloat("vqf16_mpy_mix", &[Q16, U16], Q16),
    qfloat("vqf16_mpy_hf", &[U16, U16], Q16),
    qfloat("vqf16_sub_hf_mix", &[U16, Q16], Q16),
    qfloat("vsf_from_qf32", &[Q32], U32),
    qfloat("vhf_from_qf32", &[Q32], U16),
    qfloat("vhf_from_qf16", &[Q16], U16),
    pure("vbf_from_qf32", &[Q32], U16),
    pure("vf8_from_qf16", &[Q16], U8),
    pure("vqf16_from_f8", &[U8], Q16),
    pure("vqf32_hidden", &[Q32], U32),
    pure("vqf32_with_hidden", &[U32, U32], Q32),
    pure("vqf32_from_sf", &[U32], Q32),
    pure("vqf32_normal", &[Q32], Q32),
    pure("vqf32_neg_sf", &[U32], Q32),
    pure("vqf32_neg", &[Q32], Q32),
    pure("vqf32_abs_sf", &[U32], Q32),
    pure("vqf32_abs", &[Q32], Q32),
    pure("vqf16_from_hf", &[U16], Q16),
    pure("vqf16_normal", &[Q16], Q16),
    pure("vqf16_neg_hf", &[U16], Q16),
    pure("vqf16_neg", &[Q16], Q16),
    pure("vqf16_abs_hf", &[U16], Q16),
    pure("vqf16_abs", &[Q16], Q16),
    pure("vilog2_sf", &[U32], I32),
    pure("vilog2_qf32", &[Q32], I32),
    pure("vilog2_hf", &[U16], I16),
    pure("vilog2_qf16", &[Q16], I16),
];

/// Finds a builtin.
pub fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|b| b.name == name)
}
