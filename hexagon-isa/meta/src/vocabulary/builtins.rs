// The builtin functions. Compiled here and, as text, in hexagon-isa.

use super::effects::Effects;
use super::ir::Type;

/// What a builtin gets besides its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Nothing: a function of its arguments.
    Nothing,
    /// USR's rounding mode and sticky flags.
    Status,
    /// Which qfloat the core has.
    Qfloat,
    /// The registers and the resolved operands.
    Regs,
    /// The registers, the memory and the operands; may fault.
    Memory,
    /// The Z register's bytes.
    Z,
}

/// Types and effects of a builtin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Name in the language, and of the Rust function.
    pub name: &'static str,
    /// Parameter types.
    pub params: &'static [Type],
    /// Result; `None` for one that is a statement.
    pub result: Option<Type>,
    /// What else it gets.
    pub needs: Needs,
    /// What it touches besides its arguments.
    pub effects: Effects,
    /// There is a form that gives no value where flags may have to be raised.
    pub quick: bool,
}

/// A sort of builtin: what it needs, touches, and whether it has a quick form.
type Sort = (Needs, Effects, bool);

const NONE: Effects = Effects::NONE;
const FLOAT: Effects = Effects {
    sticky: true,
    status: true,
    ..NONE
};
const FAULT: Effects = Effects { fault: true, ..NONE };
/// Control register.
const USR: u32 = 1 << 8;
/// Control register.
const FRAMELIMIT: u32 = 1 << 16;

const PURE: Sort = (Needs::Nothing, NONE, false);
const STATUS: Sort = (Needs::Status, FLOAT, false);
const QUICK_FLOAT: Sort = (Needs::Status, FLOAT, true);
const QFLOAT: Sort = (Needs::Qfloat, NONE, false);
const EVENT: Sort = (Needs::Regs, Effects { event: true, ..NONE }, false);
const FENCE: Sort = (Needs::Regs, NONE, false);
const PRIVILEGED: Sort = {
    let effects = Effects {
        event: true,
        privileged: true,
        ..NONE
    };
    (Needs::Regs, effects, false)
};
const LOOP_CONFIG: Sort = {
    let effects = Effects {
        reads_ctl: USR,
        writes_ctl: USR,
        ..NONE
    };
    (Needs::Regs, effects, false)
};
/// Histograms.
const VECTORS: Sort = {
    let effects = Effects {
        vectors: true,
        ..NONE
    };
    (Needs::Regs, effects, false)
};
const Z: Sort = (
    Needs::Z,
    Effects {
        reads_z: true,
        ..NONE
    },
    false,
);
const Z_LOAD: Sort = (
    Needs::Regs,
    Effects {
        writes_z: true,
        ..NONE
    },
    false,
);
const FRAME_LIMIT: Sort = {
    let effects = Effects {
        reads_ctl: FRAMELIMIT,
        ..FAULT
    };
    (Needs::Memory, effects, false)
};
const LOADS: Sort = (Needs::Memory, Effects { load: true, ..FAULT }, false);
const STORES: Sort = (Needs::Memory, Effects { store: true, ..FAULT }, false);
const UPDATES: Sort = {
    let effects = Effects {
        load: true,
        store: true,
        ..FAULT
    };
    (Needs::Memory, effects, false)
};
const CONDITIONAL_STORE: Sort = {
    let effects = Effects {
        event: true,
        ..UPDATES.1
    };
    (Needs::Memory, effects, false)
};
/// A change of the matrix unit that reads or writes memory. It cannot be undone, no more than a store: what may fault behind it
/// runs first. (An activation load only says what the weight load, which comes behind it, reads.)
const MATRIX: Sort = {
    let effects = Effects {
        reads_ctl: USR,
        ..UPDATES.1
    };
    (Needs::Memory, effects, false)
};
/// A change of the matrix unit alone.
const UNIT: Sort = (Needs::Regs, NONE, false);

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

macro_rules! builtins {
    ($($(#[$doc:meta])+ $sort:ident $name:ident($($param:ident),*) $(-> $result:ident)?;)+) => {
        /// Functions that meanings call: what the language cannot say well by itself. Each is a Rust function with tests of its
        /// own in hexagon-isa; a name or type that differs from the one here does not compile.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(non_camel_case_types)]
        #[repr(u8)]
        pub enum Builtin {
            $($(#[$doc])+ $name),+
        }

        impl Builtin {
            /// All of them.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$name),+];

            /// Its types and effects.
            #[must_use]
            pub const fn signature(self) -> &'static Signature {
                match self {
                    $(Builtin::$name => const {
                        &Signature {
                            name: stringify!($name),
                            params: &[$($param),*],
                            result: result!($($result)?),
                            needs: $sort.0,
                            effects: $sort.1,
                            quick: $sort.2,
                        }
                    }),+
                }
            }
        }
    };
}

macro_rules! result {
    () => {
        None
    };
    ($result:ident) => {
        Some($result)
    };
}

#[rustfmt::skip]
builtins! {
    // addressing
    /// Circular addressing: base, increment, M, CS. Wraps once into the buffer that M and CS describe.
    PURE circ_add(U32, I32, U32, U32) -> U32;
    /// The signed increment that M holds, times the access size.
    PURE circ_inc(U32, I32) -> I32;
    /// The low 16 address bits in reverse order.
    PURE brev_addr(U32) -> U32;
    // integers
    /// Left by a signed amount (-64 to 64); right, arithmetically, when it is negative.
    PURE shl_signed(I64, I32) -> I64;
    /// Left by a signed amount; right, logically, when it is negative.
    PURE shl_unsigned(U64, I32) -> U64;
    /// As `shl_signed` on 32 bits; a left shift saturates by the sign of the original value.
    STATUS asl_sat32(I32, I32) -> I32;
    /// Bits of the first at even positions, of the second at odd ones.
    PURE interleave(U32, U32) -> U64;
    /// The inverse: even bits in the low word.
    PURE deinterleave(U64) -> U64;
    /// Carry-less product.
    PURE polymul(U32, U32) -> U64;
    /// Carry-less product of halfwords.
    PURE polymul16(U32, U32) -> U32;
    /// Convergent rounding.
    PURE cround32(I32, U32) -> I32;
    /// Convergent rounding.
    PURE cround64(I64, U32) -> I64;
    /// A step of H.264's binary arithmetic decoder: the new state, probable symbol, range and offset.
    PURE cabac_bin(I64, I64) -> I64;
    /// The symbol of the same step.
    PURE cabac_symbol(I64, I64) -> U8;
    // scalar floating point
    /// IEEE sum.
    QUICK_FLOAT sf_add(SF, SF) -> SF;
    /// IEEE difference.
    QUICK_FLOAT sf_sub(SF, SF) -> SF;
    /// IEEE product.
    QUICK_FLOAT sf_mul(SF, SF) -> SF;
    /// IEEE sum.
    QUICK_FLOAT df_add(DF, DF) -> DF;
    /// IEEE difference.
    QUICK_FLOAT df_sub(DF, DF) -> DF;
    /// `a * b + c`, rounded once.
    QUICK_FLOAT sf_fma(SF, SF, SF) -> SF;
    /// The fused multiply-add of library sequences: rounds to nearest and raises nothing.
    STATUS sf_fma_lib(SF, SF, SF) -> SF;
    /// `(a * b + c) * 2^scale`, rounded once.
    STATUS sf_fma_scale(SF, SF, SF, I8) -> SF;
    /// The smaller; of a number and a NaN the number.
    STATUS sf_min(SF, SF) -> SF;
    /// The larger; of a number and a NaN the number.
    STATUS sf_max(SF, SF) -> SF;
    /// The smaller; of a number and a NaN the number.
    STATUS df_min(DF, DF) -> DF;
    /// The larger; of a number and a NaN the number.
    STATUS df_max(DF, DF) -> DF;
    /// Equal, ordered.
    QUICK_FLOAT sf_cmp_eq(SF, SF) -> B;
    /// Greater, ordered.
    QUICK_FLOAT sf_cmp_gt(SF, SF) -> B;
    /// Greater or equal, ordered.
    QUICK_FLOAT sf_cmp_ge(SF, SF) -> B;
    /// One is a NaN.
    QUICK_FLOAT sf_unordered(SF, SF) -> B;
    /// Equal, ordered.
    QUICK_FLOAT df_cmp_eq(DF, DF) -> B;
    /// Greater, ordered.
    QUICK_FLOAT df_cmp_gt(DF, DF) -> B;
    /// Greater or equal, ordered.
    QUICK_FLOAT df_cmp_ge(DF, DF) -> B;
    /// One is a NaN.
    QUICK_FLOAT df_unordered(DF, DF) -> B;
    /// The number is of a class in the mask.
    PURE sf_class(SF, U32) -> B;
    /// The number is of a class in the mask.
    PURE df_class(DF, U32) -> B;
    /// Conversion.
    QUICK_FLOAT sf_from_w(I32) -> SF;
    /// Conversion.
    QUICK_FLOAT sf_from_uw(U32) -> SF;
    /// Conversion.
    QUICK_FLOAT sf_from_d(I64) -> SF;
    /// Conversion.
    QUICK_FLOAT sf_from_ud(U64) -> SF;
    /// Conversion.
    STATUS sf_from_df(DF) -> SF;
    /// Conversion.
    QUICK_FLOAT df_from_w(I32) -> DF;
    /// Conversion.
    QUICK_FLOAT df_from_uw(U32) -> DF;
    /// Conversion.
    QUICK_FLOAT df_from_d(I64) -> DF;
    /// Conversion.
    QUICK_FLOAT df_from_ud(U64) -> DF;
    /// Conversion.
    STATUS df_from_sf(SF) -> DF;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT sf_to_w(SF, B) -> I32;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT sf_to_uw(SF, B) -> U32;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT sf_to_d(SF, B) -> I64;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT sf_to_ud(SF, B) -> U64;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT df_to_w(DF, B) -> I32;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT df_to_uw(DF, B) -> U32;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT df_to_d(DF, B) -> I64;
    /// Saturating conversion; towards zero if the second is true.
    QUICK_FLOAT df_to_ud(DF, B) -> U64;
    /// `sfrecipa`: the estimate, of numerator and denominator.
    STATUS sf_recip_seed(SF, SF) -> SF;
    /// `sfrecipa`: the predicate.
    STATUS sf_recip_adjust(SF, SF) -> U8;
    /// `sfinvsqrta`: the estimate.
    STATUS sf_invsqrt_seed(SF) -> SF;
    /// `sfinvsqrta`: the predicate.
    STATUS sf_invsqrt_adjust(SF) -> U8;
    /// `sffixupn`.
    STATUS sf_fixup_n(SF, SF) -> SF;
    /// `sffixupd`.
    STATUS sf_fixup_d(SF, SF) -> SF;
    /// `sffixupr`.
    STATUS sf_fixup_r(SF) -> SF;
    /// `dfmpyfix`: scales the first if the second is a denormal that would lose too much, and the other way round.
    STATUS df_mpy_fix(DF, DF) -> DF;
    /// `dfmpyhh`: accumulator of the lower partial products, and both factors.
    STATUS df_mpy_hh(DF, DF, DF) -> DF;
    // control
    /// Asks for a trap.
    EVENT trap0(U32);
    /// Asks for a trap.
    EVENT trap1(U32);
    /// Asks to let others run.
    EVENT pause();
    /// What the thread stored is seen by all others before anything that it loads or stores from here on.
    FENCE barrier();
    /// Raises the exception that user code gets.
    PRIVILEGED privileged();
    /// Asks the DMA engine: 0 start, 1 link, 2 resume, 3 poll, 4 wait, 5 pause; two registers.
    EVENT dma(U32, U32, U32);
    /// Sets USR.LPCFG: how many iterations of a pipelined loop are still prologue.
    LOOP_CONFIG loop_config(U32);
    /// Faults if a frame that reaches down to there would lie below FRAMELIMIT.
    FRAME_LIMIT frame_check(U32);
    /// Loads and reserves.
    LOADS load_locked32(U32) -> U32;
    /// Loads and reserves.
    LOADS load_locked64(U32) -> U64;
    /// Stores if the reservation holds; says whether it did.
    CONDITIONAL_STORE store_conditional32(U32, U32) -> B;
    /// Stores if the reservation holds; says whether it did.
    CONDITIONAL_STORE store_conditional64(U32, U64) -> B;
    /// Zeroes a line of the data cache, 32 bytes.
    STORES zero_line(U32);
    // HVX
    /// Address, mask of 0xff and 0 bytes, value, invert the mask.
    STORES vstore_masked(U32, V, V, B);
    /// `vdelta`.
    PURE vdelta(V, V) -> V;
    /// `vrdelta`.
    PURE vrdelta(V, V) -> V;
    /// `vshuff`: low, high, control.
    PURE vshuff_pair(V, V, U32) -> VV;
    /// `vdeal`: low, high, control.
    PURE vdeal_pair(V, V, U32) -> VV;
    /// The low vector.
    PURE vec_lo(VV) -> V;
    /// The high vector.
    PURE vec_hi(VV) -> V;
    /// `prefixsum` of a mask, for bytes.
    PURE vprefix_b(V) -> V;
    /// `prefixsum` of a mask, for halfwords.
    PURE vprefix_h(V) -> V;
    /// `prefixsum` of a mask, for words.
    PURE vprefix_w(V) -> V;
    /// `vhist` of the packet's `.tmp` vector.
    VECTORS vhist();
    /// The same under a mask.
    VECTORS vhist_q(V);
    /// `vwhist256` of the packet's `.tmp` vector; saturate.
    VECTORS vwhist256(B);
    /// The same under a mask.
    VECTORS vwhist256_q(V, B);
    /// `vwhist128`: lowest bit of the buckets, 2 for all.
    VECTORS vwhist128(U32);
    /// The same under a mask.
    VECTORS vwhist128_q(V, U32);
    /// Base, length - 1, offsets; for the packet's `vtmp.new` store.
    LOADS vgather_h(U32, U32, V);
    /// The same and a mask of bytes.
    LOADS vgather_hq(U32, U32, V, V);
    /// Base, length - 1, offsets, values.
    STORES vscatter_h(U32, U32, V, V);
    /// The same and a mask of bytes.
    STORES vscatter_hq(U32, U32, V, V, V);
    /// Adds instead of storing.
    UPDATES vscatter_h_add(U32, U32, V, V);
    /// Words.
    LOADS vgather_w(U32, U32, V);
    /// Words and a mask.
    LOADS vgather_wq(U32, U32, V, V);
    /// Words.
    STORES vscatter_w(U32, U32, V, V);
    /// Words and a mask.
    STORES vscatter_wq(U32, U32, V, V, V);
    /// Adds words.
    UPDATES vscatter_w_add(U32, U32, V, V);
    /// Halfwords at word offsets.
    LOADS vgather_hw(U32, U32, VV);
    /// Halfwords at word offsets and a mask.
    LOADS vgather_hwq(U32, U32, VV, V);
    /// Halfwords at word offsets.
    STORES vscatter_hw(U32, U32, VV, V);
    /// Halfwords at word offsets and a mask.
    STORES vscatter_hwq(U32, U32, VV, V, V);
    /// Adds halfwords at word offsets.
    UPDATES vscatter_hw_add(U32, U32, VV, V);
    /// `v6mpy:h`: data, coefficients, phase.
    PURE v6mpy_h(VV, VV, U32) -> VV;
    /// `v6mpy:v`.
    PURE v6mpy_v(VV, VV, U32) -> VV;
    /// The same added to the first.
    PURE v6mpy_h_acc(VV, VV, VV, U32) -> VV;
    /// The same added to the first.
    PURE v6mpy_v_acc(VV, VV, VV, U32) -> VV;
    /// Fills half of Z: address, the 128 bytes there.
    Z_LOAD z_load(U32, V);
    /// The four bytes from this place of the window on, the first one lowest.
    Z z_word(U32) -> U32;
    // matrix unit; what the numbers stand for is said at the functions and in spec/hmx.isa
    /// Activation load: Rs, Rt, kind, form, channel-major.
    LOADS mx_activation(U32, U32, U32, U32, U32);
    /// Weight load: Rs, Rt, kind, form.
    MATRIX mx_weight(U32, U32, U32, U32);
    /// Loads biases: register, both words.
    MATRIX mx_bias_load(U32, U32);
    /// Stores biases: register, both words.
    MATRIX mx_bias_store(U32, U32);
    /// Converts accumulators: register, kind.
    MATRIX mx_convert(U32, U32);
    /// Converts and stores: Rs, Rt, kind, form.
    MATRIX mx_convert_store(U32, U32, U32, U32);
    /// Stores what was converted: Rs, Rt, kind, channel-major, older.
    MATRIX mx_store(U32, U32, U32, U32, U32);
    /// Clears the accumulators: fixed (0) or floating-point (1).
    UNIT mx_clear(U32);
    /// Makes the other set of accumulators the current one.
    UNIT mx_swap(U32);
    /// Shifts the fixed accumulators left by 16.
    UNIT mx_shift16();
    // HVX floating point
    /// IEEE sum of sf.
    PURE vsf_add(U32, U32) -> U32;
    /// IEEE difference of sf.
    PURE vsf_sub(U32, U32) -> U32;
    /// IEEE product of sf.
    PURE vsf_mpy(U32, U32) -> U32;
    /// IEEE sum of hf.
    PURE vhf_add(U16, U16) -> U16;
    /// IEEE difference of hf.
    PURE vhf_sub(U16, U16) -> U16;
    /// IEEE product of hf.
    PURE vhf_mpy(U16, U16) -> U16;
    /// `acc + a * b` of hf, rounded once.
    PURE vhf_fma(U16, U16, U16) -> U16;
    /// `acc + a * b` of bf, rounded once to sf.
    PURE vsf_fma_bf(U32, U16, U16) -> U32;
    /// `acc + a1 * b1 + a0 * b0` of hf, rounded once to sf.
    PURE vsf_dmpy_acc(U32, U16, U16, U16, U16) -> U32;
    /// Conversion, exact.
    PURE vsf_from_hf(U16) -> U32;
    /// Conversion.
    PURE vhf_from_sf(U32) -> U16;
    /// Conversion.
    PURE vbf_from_sf(U32) -> U16;
    /// Conversion.
    PURE vhf_from_b(I8) -> U16;
    /// Conversion.
    PURE vb_from_hf(U16) -> I8;
    /// Conversion.
    PURE vhf_from_ub(U8) -> U16;
    /// Conversion.
    PURE vub_from_hf(U16) -> U8;
    /// Conversion.
    PURE vhf_from_h(I16) -> U16;
    /// Conversion.
    PURE vh_from_hf(U16) -> I16;
    /// Conversion.
    PURE vhf_from_uh(U16) -> U16;
    /// Conversion.
    PURE vuh_from_hf(U16) -> U16;
    /// Conversion towards zero.
    PURE vh_from_hf_chop(U16) -> I16;
    /// Conversion to nearest even.
    PURE vh_from_hf_rnd(U16) -> I16;
    /// Conversion towards zero.
    PURE vw_from_sf(U32) -> I32;
    /// Conversion.
    PURE vsf_from_w(I32) -> U32;
    /// Greater, in the core's order of NaNs.
    QFLOAT vsf_gt(U32, U32) -> B;
    /// Equal.
    PURE vsf_eq(U32, U32) -> B;
    /// The smaller, as IEEE has it.
    PURE vsf_fmin(U32, U32) -> U32;
    /// The larger, as IEEE has it.
    PURE vsf_fmax(U32, U32) -> U32;
    /// The smaller, in the core's order of NaNs.
    QFLOAT vsf_min(U32, U32) -> U32;
    /// The larger, in the core's order of NaNs.
    QFLOAT vsf_max(U32, U32) -> U32;
    /// Greater, in the core's order of NaNs.
    QFLOAT vhf_gt(U16, U16) -> B;
    /// Equal.
    PURE vhf_eq(U16, U16) -> B;
    /// The smaller, as IEEE has it.
    PURE vhf_fmin(U16, U16) -> U16;
    /// The larger, as IEEE has it.
    PURE vhf_fmax(U16, U16) -> U16;
    /// The smaller, in the core's order of NaNs.
    QFLOAT vhf_min(U16, U16) -> U16;
    /// The larger, in the core's order of NaNs.
    QFLOAT vhf_max(U16, U16) -> U16;
    /// Greater.
    PURE vbf_gt(U16, U16) -> B;
    /// The smaller.
    PURE vbf_min(U16, U16) -> U16;
    /// The larger.
    PURE vbf_max(U16, U16) -> U16;
    /// Conversion, exact.
    PURE vhf_from_f8(U8) -> U16;
    /// Conversion; what is too large becomes the NaN, or the largest number if the second is true.
    PURE vf8_from_hf(U16, B) -> U8;
    /// Without sign.
    PURE vf8_abs(U8) -> U8;
    /// With the other sign.
    PURE vf8_neg(U8) -> U8;
    /// The smaller.
    PURE vf8_min(U8, U8) -> U8;
    /// The larger.
    PURE vf8_max(U8, U8) -> U8;
    // qfloat; _mix: one side is IEEE's
    /// Sum.
    QFLOAT vqf32_add(Q32, Q32) -> Q32;
    /// Sum with an sf.
    QFLOAT vqf32_add_mix(Q32, U32) -> Q32;
    /// Sum of two sf.
    QFLOAT vqf32_add_sf(U32, U32) -> Q32;
    /// Difference.
    QFLOAT vqf32_sub(Q32, Q32) -> Q32;
    /// Difference from which an sf is taken.
    QFLOAT vqf32_sub_mix(Q32, U32) -> Q32;
    /// Difference of two sf.
    QFLOAT vqf32_sub_sf(U32, U32) -> Q32;
    /// Product.
    QFLOAT vqf32_mpy(Q32, Q32) -> Q32;
    /// Product of two sf.
    QFLOAT vqf32_mpy_sf(U32, U32) -> Q32;
    /// Difference: an sf less a qf32.
    QFLOAT vqf32_sub_sf_mix(U32, Q32) -> Q32;
    /// Product of two hf.
    QFLOAT vqf32_mpy_hf(U16, U16) -> Q32;
    /// Product of a qf16 and an hf.
    QFLOAT vqf32_mpy_mix_hf(Q16, U16) -> Q32;
    /// Product of two qf16.
    QFLOAT vqf32_mpy_qf16(Q16, Q16) -> Q32;
    /// Sum.
    QFLOAT vqf16_add(Q16, Q16) -> Q16;
    /// Sum with an hf.
    QFLOAT vqf16_add_mix(Q16, U16) -> Q16;
    /// Sum of two hf.
    QFLOAT vqf16_add_hf(U16, U16) -> Q16;
    /// Difference.
    QFLOAT vqf16_sub(Q16, Q16) -> Q16;
    /// Difference from which an hf is taken.
    QFLOAT vqf16_sub_mix(Q16, U16) -> Q16;
    /// Difference of two hf.
    QFLOAT vqf16_sub_hf(U16, U16) -> Q16;
    /// Product.
    QFLOAT vqf16_mpy(Q16, Q16) -> Q16;
    /// Product with an hf.
    QFLOAT vqf16_mpy_mix(Q16, U16) -> Q16;
    /// Product of two hf.
    QFLOAT vqf16_mpy_hf(U16, U16) -> Q16;
    /// Difference: an hf less a qf16.
    QFLOAT vqf16_sub_hf_mix(U16, Q16) -> Q16;
    /// Conversion.
    QFLOAT vsf_from_qf32(Q32) -> U32;
    /// Conversion.
    QFLOAT vhf_from_qf32(Q32) -> U16;
    /// Conversion.
    QFLOAT vhf_from_qf16(Q16) -> U16;
    /// Conversion.
    PURE vbf_from_qf32(Q32) -> U16;
    /// Conversion by way of hf: rounded twice.
    PURE vf8_from_qf16(Q16) -> U8;
    /// Conversion.
    PURE vqf16_from_f8(U8) -> Q16;
    /// The hidden bits as a mask: byte 0 for Q, then E, R, L.
    PURE vqf32_hidden(Q32) -> U32;
    /// A word with a hidden bit for every byte of the mask that is not zero.
    PURE vqf32_with_hidden(U32, U32) -> Q32;
    /// Conversion.
    PURE vqf32_from_sf(U32) -> Q32;
    /// Normalised.
    PURE vqf32_normal(Q32) -> Q32;
    /// An sf with the other sign.
    PURE vqf32_neg_sf(U32) -> Q32;
    /// With the other sign.
    PURE vqf32_neg(Q32) -> Q32;
    /// An sf without sign.
    PURE vqf32_abs_sf(U32) -> Q32;
    /// Without sign.
    PURE vqf32_abs(Q32) -> Q32;
    /// Conversion.
    PURE vqf16_from_hf(U16) -> Q16;
    /// Normalised.
    PURE vqf16_normal(Q16) -> Q16;
    /// An hf with the other sign.
    PURE vqf16_neg_hf(U16) -> Q16;
    /// With the other sign.
    PURE vqf16_neg(Q16) -> Q16;
    /// An hf without sign.
    PURE vqf16_abs_hf(U16) -> Q16;
    /// Without sign.
    PURE vqf16_abs(Q16) -> Q16;
    /// Logarithm of the magnitude, rounded down.
    PURE vilog2_sf(U32) -> I32;
    /// Logarithm of the magnitude, rounded down.
    PURE vilog2_qf32(Q32) -> I32;
    /// Logarithm of the magnitude, rounded down.
    PURE vilog2_hf(U16) -> I16;
    /// Logarithm of the magnitude, rounded down.
    PURE vilog2_qf16(Q16) -> I16;
}
