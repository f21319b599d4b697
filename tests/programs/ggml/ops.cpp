/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * ggml-ops: each operation of ggml's Hexagon backend on a DSP and by ggml's own CPU code, with the same inputs.
 *
 *   ggml-ops [--only TEXT] [--corrupt] [--bench ROUNDS]
 *   ggml-ops --allreduce
 *
 * A line for each case, tabs between: operation, what of it, normalised mean squared error, its limit, milliseconds on the DSP,
 * verdict (right, wrong, refused). At the end "cases N right N". The exit code is 0 if all are right.
 *
 * --only takes the cases whose line contains the text. --corrupt changes a few values of the first input on the DSP's side only:
 * then every case must be wrong.
 *
 * --bench measures other, larger cases: each is computed this many times with the same inputs, after once that does not count. A line
 * has "bench", operation, what of it, work (multiply-adds of products, else elements), the median of the milliseconds on the DSP;
 * that its last result is right is compared as above, and part of the line.
 *
 * --allreduce adds up tensors of several DSPs, which GGML_HEXAGON_DEVICES names.
 */
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <unistd.h>

#include "allreduce.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-hexagon.h"
#include "ggml.h"

namespace {

using Shape = std::vector<int64_t>;
using T = ggml_tensor *;

/* Limits as llama.cpp's own comparison of backends has them (tests/test-backend-ops.cpp): sums of products; softmax; what this backend
 * quantises; everything else. HALF is ours, for quotients and gated activations of halves: the DSP's code computes them in halves, the
 * CPU's in floats, and the inputs here are not as large as there. */
constexpr double EXACT = 0, CLOSE = 1e-7, HALF = 1e-6, SOFTMAX = 1e-6, QUANTISED = 5e-6, DOT = 5e-4;

/* An input and what is in it. */
struct Input {
    T tensor;
    std::vector<float> numbers; /* for types of floats, before they are quantised */
    std::vector<int32_t> words; /* for integers */
};

/* A graph under construction; the same calls make the same inputs. */
struct Graph {
    ggml_context *ctx;
    std::vector<Input> inputs;
    bool reference = false; /* it is for the CPU */
    uint64_t state = 1;

    float uniform(float low, float high)
    {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return low + (high - low) * (float)(state >> 40) / (float)(1 << 24);
    }

    T input(ggml_type type, const Shape &shape, float low = -1, float high = 1)
    {
        T tensor = ggml_new_tensor(ctx, type, (int)shape.size(), shape.data());
        std::vector<float> numbers(ggml_nelements(tensor));
        for (float &number : numbers)
            number = uniform(low, high);
        inputs.push_back({tensor, numbers, {}});
        return tensor;
    }

    T f32(const Shape &shape, float low = -1, float high = 1)
    {
        return input(GGML_TYPE_F32, shape, low, high);
    }

    /* Integers below a bound, all of a row different if there are as many. */
    T indices(const Shape &shape, int bound, ggml_type type = GGML_TYPE_I32)
    {
        T tensor = ggml_new_tensor(ctx, type, (int)shape.size(), shape.data());
        std::vector<int32_t> words;
        for (int64_t row = 0; row < ggml_nrows(tensor); row++) {
            std::vector<int32_t> all(bound);
            for (int i = 0; i < bound; i++)
                all[i] = i;
            for (int i = bound - 1; i > 0; i--)
                std::swap(all[i], all[(int)uniform(0, (float)i)]);
            /* The first row is always among them, which --corrupt changes. */
            std::iter_swap(all.begin(), std::find(all.begin(), all.end(), 0));
            for (int64_t i = 0; i < tensor->ne[0]; i++)
                words.push_back(all[i % bound]);
        }
        inputs.push_back({tensor, {}, words});
        return tensor;
    }

    T positions(int64_t count, int copies = 1)
    {
        const Shape shape = {count * copies};
        T tensor = ggml_new_tensor(ctx, GGML_TYPE_I32, 1, shape.data());
        std::vector<int32_t> words;
        for (int copy = 0; copy < copies; copy++)
            for (int64_t i = 0; i < count; i++)
                words.push_back((int32_t)(i * (copy + 1) + 3));
        inputs.push_back({tensor, {}, words});
        return tensor;
    }
};

struct Case {
    std::string op, what;
    double limit;
    std::function<T(Graph &)> make;
    bool sets = false; /* rows are compared as sets of integers */
    double work = 0; /* of a case to be measured */
};

std::string text(const Shape &shape)
{
    std::string out;
    for (int64_t n : shape)
        out += (out.empty() ? "" : "x") + std::to_string(n);
    return out;
}

T layer(Graph &g);

std::vector<Case> cases()
{
    std::vector<Case> all;
    auto add = [&](const char *op, const std::string &what, double limit, std::function<T(Graph &)> make) {
        all.push_back({op, what, limit, std::move(make)});
    };
    const ggml_type F32 = GGML_TYPE_F32, F16 = GGML_TYPE_F16;
    const ggml_type quantised[] = {GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q8_0, GGML_TYPE_IQ4_NL, GGML_TYPE_MXFP4,
                                   GGML_TYPE_Q2_K, GGML_TYPE_Q3_K, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K,   GGML_TYPE_Q6_K};

    /* Matrix multiplies: rows of weights, depth, columns. */
    auto mul_mat = [&](ggml_type type, int64_t m, int64_t k, int64_t n, int64_t batch = 1, ggml_type with = GGML_TYPE_F32) {
        std::string what = std::string(ggml_type_name(type)) + " " + text({k, m}) + " by " + text({k, n});
        if (batch > 1)
            what += "x" + std::to_string(batch);
        if (with != GGML_TYPE_F32)
            what += std::string(" ") + ggml_type_name(with);
        add("MUL_MAT", what, DOT, [=](Graph &g) {
            T a = g.input(type, {k, m, batch});
            return ggml_mul_mat(g.ctx, a, g.input(with, {k, n, batch}));
        });
    };
    for (ggml_type type : quantised) {
        mul_mat(type, 96, 256, 1);
        mul_mat(type, 64, 512, 5);
        mul_mat(type, 64, 256, 40);
    }
    mul_mat(GGML_TYPE_Q4_0, 160, 1024, 64);
    for (ggml_type type : {F16, F32}) {
        mul_mat(type, 96, 256, 1);
        mul_mat(type, 64, 128, 5, 2);
        mul_mat(type, 64, 256, 40);
        mul_mat(type, 32, 64, 32, 3);
    }
    mul_mat(F16, 64, 128, 5, 1, F16);
    for (ggml_type type : quantised) {
        for (int64_t tokens : {1, 12}) {
            add("MUL_MAT_ID", std::string(ggml_type_name(type)) + " 256x64x4, 2 of 4, " + std::to_string(tokens) + " tokens", DOT,
                [=](Graph &g) {
                    T a = g.input(type, {256, 64, 4});
                    T b = g.f32({256, 2, tokens});
                    return ggml_mul_mat_id(g.ctx, a, b, g.indices({2, tokens}, 4));
                });
        }
    }

    /* Arithmetic of two tensors, with rows that repeat. */
    struct Binary {
        const char *name;
        T (*op)(ggml_context *, T, T);
    };
    const Binary binary[] = {{"ADD", ggml_add}, {"SUB", ggml_sub}, {"MUL", ggml_mul}, {"DIV", ggml_div}};
    for (const Binary &b : binary) {
        for (ggml_type type : {F32, F16}) {
            for (const Shape &other : {Shape{160, 7, 3}, Shape{160, 1, 1}, Shape{1, 1, 1}}) {
                add(b.name, std::string(ggml_type_name(type)) + " 160x7x3 and " + text(other),
                    type == F16 && b.op == ggml_div ? HALF : CLOSE, [=](Graph &g) {
                    T a = g.input(type, {160, 7, 3});
                    return b.op(g.ctx, a, g.input(type, other, 0.5f, 2));
                });
            }
        }
    }
    add("ADD_ID", "f32 128x4x6", CLOSE, [=](Graph &g) {
        T a = g.f32({128, 4, 6}), b = g.f32({128, 8});
        return ggml_add_id(g.ctx, a, b, g.indices({4, 6}, 8));
    });

    /* Functions of one tensor. */
    struct Unary {
        const char *name;
        T (*op)(ggml_context *, T);
        float low, high;
        bool half;
    };
    const Unary unary[] = {
        {"SILU", ggml_silu, -8, 8, false},
        /* The DSP's code takes GELU for GELU_QUICK, and multiplies its polynomial for erf once too often: over llama.cpp's own
         * range both are within its limit, near 0 they are not. */
        {"GELU", ggml_gelu, -150, 150, false},
        {"GELU_QUICK", ggml_gelu_quick, -8, 8, false},
        {"GELU_ERF", ggml_gelu_erf, -150, 150, false},
        {"SIGMOID", ggml_sigmoid, -8, 8, false},
        {"EXP", ggml_exp, -8, 8, false},
        {"NEG", ggml_neg, -8, 8, false},
        {"SOFTPLUS", ggml_softplus, -8, 8, false},
        {"TANH", ggml_tanh, -4, 4, false},
        {"RELU", ggml_relu, -8, 8, false},
        {"ABS", ggml_abs, -8, 8, true},
        {"STEP", ggml_step, -8, 8, true},
        {"LOG", ggml_log, 0.01f, 8, true},
        {"SQR", ggml_sqr, -8, 8, true},
        {"SQRT", ggml_sqrt, 0, 8, true},
        {"NORM", [](ggml_context *c, T a) { return ggml_norm(c, a, 1e-5f); }, -2, 2, true},
        {"RMS_NORM", [](ggml_context *c, T a) { return ggml_rms_norm(c, a, 1e-5f); }, -2, 2, true},
        {"L2_NORM", [](ggml_context *c, T a) { return ggml_l2_norm(c, a, 1e-5f); }, -2, 2, true},
        {"SCALE", [](ggml_context *c, T a) { return ggml_scale_bias(c, a, 1.7f, -0.3f); }, -2, 2, true},
        {"CLAMP", [](ggml_context *c, T a) { return ggml_clamp(c, a, -0.5f, 0.7f); }, -2, 2, true},
        {"LEAKY_RELU", [](ggml_context *c, T a) { return ggml_leaky_relu(c, a, 0.1f, false); }, -2, 2, false},
    };
    for (const Unary &u : unary) {
        for (const Shape &shape : {Shape{256, 5, 2}, Shape{77, 9}}) {
            add(u.name, "f32 " + text(shape), CLOSE, [=](Graph &g) { return u.op(g.ctx, g.f32(shape, u.low, u.high)); });
            if (u.half)
                add(u.name, "f16 " + text(shape), CLOSE, [=](Graph &g) {
                    T a = g.input(F16, shape, u.low, u.high);
                    /* The CPU has some of them for f32 only. */
                    return g.reference ? ggml_cast(g.ctx, u.op(g.ctx, ggml_cast(g.ctx, a, F32)), F16) : u.op(g.ctx, a);
                });
        }
    }

    /* Gated activations: halves of one tensor, and two tensors. */
    const ggml_glu_op glu[] = {GGML_GLU_OP_SWIGLU, GGML_GLU_OP_GEGLU, GGML_GLU_OP_GEGLU_QUICK, GGML_GLU_OP_GEGLU_ERF};
    for (ggml_glu_op op : glu) {
        for (ggml_type type : {F32, F16}) {
            /* The host side offers it, the DSP side answers that it does not have it. */
            const bool erf = op == GGML_GLU_OP_GEGLU_ERF;
            if ((erf || op == GGML_GLU_OP_GEGLU_QUICK) && type == F16)
                continue;
            const float high = erf ? 150 : 4;
            const std::string name = ggml_type_name(type);
            const double limit = type == F16 ? HALF : CLOSE;
            add(ggml_glu_op_name(op), name + " halves of 256x6", limit,
                [=](Graph &g) { return ggml_glu(g.ctx, g.input(type, {256, 6}, -high, high), op, false); });
            add(ggml_glu_op_name(op), name + " 160x7 twice", limit, [=](Graph &g) {
                T a = g.input(type, {160, 7}, -high, high);
                return ggml_glu_split(g.ctx, a, g.input(type, {160, 7}), op);
            });
        }
    }
    add("SWIGLU_OAI", "f32 160x7 twice", CLOSE, [=](Graph &g) {
        T a = g.f32({160, 7}, -9, 9);
        return ggml_swiglu_oai(g.ctx, a, g.f32({160, 7}, -9, 9), 1.702f, 7);
    });
    add("SWIGLU_CLAMP", "f32 160x7 twice", CLOSE, [=](Graph &g) {
        T a = g.f32({160, 7}, -9, 9);
        return ggml_swiglu_clamp(g.ctx, a, g.f32({160, 7}, -9, 9), 7);
    });

    add("SOFT_MAX", "f32 128x6x2", SOFTMAX, [=](Graph &g) { return ggml_soft_max(g.ctx, g.f32({128, 6, 2}, -4, 4)); });
    for (ggml_type mask : {F16, F32})
        for (float bias : {0.0f, 8.0f})
            add("SOFT_MAX", std::string("f32 96x5x4, mask ") + ggml_type_name(mask) + (bias > 0 ? ", bias" : ""), SOFTMAX, [=](Graph &g) {
                T a = g.f32({96, 5, 4}, -4, 4);
                return ggml_soft_max_ext(g.ctx, a, g.input(mask, {96, 5}), 0.7f, bias);
            });

    /* Rotary positions: pairs beside each other, halves, several axes. */
    for (int mode : {GGML_ROPE_TYPE_NORMAL, GGML_ROPE_TYPE_NEOX}) {
        for (int64_t n : {64, 128}) {
            for (bool factors : {false, true}) {
                add("ROPE", std::string(mode ? "neox " : "normal ") + std::to_string(n) + " of 128x4x6" + (factors ? ", factors" : ""),
                    CLOSE, [=](Graph &g) {
                        T a = g.f32({128, 4, 6}), at = g.positions(6);
                        T f = factors ? g.f32({n / 2}, 0.9f, 1.1f) : nullptr;
                        return ggml_rope_ext(g.ctx, a, at, f, (int)n, mode, 512, 10000, 1, 0, 1, 32, 1);
                    });
            }
        }
    }
    for (int mode : {GGML_ROPE_TYPE_MROPE, GGML_ROPE_TYPE_IMROPE, GGML_ROPE_TYPE_VISION}) {
        const char *name = mode == GGML_ROPE_TYPE_VISION ? "vision" : mode == GGML_ROPE_TYPE_MROPE ? "mrope" : "imrope";
        add("ROPE", std::string(name) + " 128x4x6", CLOSE, [=](Graph &g) {
            const bool vision = mode == GGML_ROPE_TYPE_VISION;
            int sections[4] = {vision ? 32 : 16, vision ? 32 : 24, vision ? 0 : 24, 0};
            T a = g.f32({128, 4, 6});
            return ggml_rope_multi(g.ctx, a, g.positions(6, 4), nullptr, vision ? 64 : 128, sections, mode, 512, 10000, 1, 0, 1, 32, 1);
        });
    }

    /* Attention: head size, heads, heads of keys, queries, length of the cache. */
    auto attention = [&](ggml_type cache, int64_t size, int64_t heads, int64_t kv_heads, int64_t n, int64_t kv, bool masked, bool sinks,
                         float cap = 0) {
        std::string what = std::string(ggml_type_name(cache)) + " " + text({size, n, heads}) + " over " + text({size, kv, kv_heads}) +
                           (masked ? ", mask" : "") + (sinks ? ", sinks" : "") + (cap > 0 ? ", cap" : "");
        add("FLASH_ATTN_EXT", what, DOT, [=](Graph &g) {
            T q = g.f32({size, n, heads}), k = g.input(cache, {size, kv, kv_heads}), v = g.input(cache, {size, kv, kv_heads});
            T mask = masked ? g.input(GGML_TYPE_F16, {kv, n}) : nullptr;
            T out = ggml_flash_attn_ext(g.ctx, q, k, v, mask, 1 / std::sqrt((float)size), 0, cap);
            if (sinks)
                ggml_flash_attn_ext_add_sinks(out, g.f32({heads}));
            return out;
        });
    };
    for (ggml_type cache : {F16, GGML_TYPE_Q8_0}) {
        attention(cache, 64, 4, 4, 1, 64, false, false);
        attention(cache, 64, 4, 2, 7, 96, true, false);
        attention(cache, 128, 4, 1, 35, 128, true, false);
    }
    attention(F16, 64, 4, 2, 3, 64, true, true);
    attention(F16, 128, 2, 2, 33, 64, true, false, 10);

    /* Rows, copies, shapes. */
    for (ggml_type rows : {GGML_TYPE_I32, GGML_TYPE_I64}) {
        for (ggml_type type : {F32, F16, GGML_TYPE_Q8_0}) {
            add("SET_ROWS", std::string(ggml_type_name(type)) + " 128x9 by " + ggml_type_name(rows), type == F32 ? EXACT : type == F16 ? CLOSE : QUANTISED, [=](Graph &g) {
                T b = g.f32({128, 5}), a = g.input(type, {128, 9});
                return ggml_set_rows(g.ctx, a, b, g.indices({5}, 9, rows));
            });
        }
    }
    for (ggml_type type : {F32, F16, GGML_TYPE_Q4_0, GGML_TYPE_Q8_0})
        add("GET_ROWS", std::string(ggml_type_name(type)) + " 128x32", CLOSE, [=](Graph &g) {
            T a = g.input(type, {128, 32});
            return ggml_get_rows(g.ctx, a, g.indices({6}, 32));
        });
    for (ggml_type from : {F32, F16})
        for (ggml_type to : {F32, F16})
            add("CPY", std::string(ggml_type_name(from)) + " to " + ggml_type_name(to) + " 96x5x3", from == to ? EXACT : CLOSE, [=](Graph &g) {
                T a = g.input(from, {96, 5, 3});
                return ggml_cpy(g.ctx, a, ggml_new_tensor_3d(g.ctx, to, 96, 5, 3));
            });
    for (ggml_type type : {F32, F16}) {
        const std::string name = ggml_type_name(type);
        add("CONT", name + " 64x5x3, transposed", EXACT,
            [=](Graph &g) { return ggml_cont(g.ctx, ggml_transpose(g.ctx, g.input(type, {64, 5, 3}))); });
        add("CONT", name + " 64x5x3, permuted", EXACT,
            [=](Graph &g) { return ggml_cont(g.ctx, ggml_permute(g.ctx, g.input(type, {64, 5, 3}), 0, 2, 1, 3)); });
        add("REPEAT", name + " 48x3 to 96x6x2", EXACT,
            [=](Graph &g) { return ggml_repeat_4d(g.ctx, g.input(type, {48, 3}), 96, 6, 2, 1); });
        add("FILL", name + " 96x5", EXACT, [=](Graph &g) { return ggml_fill(g.ctx, g.input(type, {96, 5}), 1.5f); });
        for (int dim = 0; dim < 3; dim++)
            add("CONCAT", name + " 64x5x3 along " + std::to_string(dim), EXACT, [=](Graph &g) {
                T a = g.input(type, {64, 5, 3});
                return ggml_concat(g.ctx, a, g.input(type, {64, 5, 3}), dim);
            });
    }
    add("PAD", "f32 60x5x3", EXACT, [=](Graph &g) { return ggml_pad_ext(g.ctx, g.f32({60, 5, 3}), 3, 1, 1, 2, 0, 1, 0, 0); });
    add("ROLL", "f32 60x5x3", EXACT, [=](Graph &g) { return ggml_roll(g.ctx, g.f32({60, 5, 3}), 7, 2, -1, 0); });
    for (ggml_type type : {F32, F16})
        add("IM2COL", std::string("f32 to ") + ggml_type_name(type) + " 20x20x3, kernel 3x3", type == F32 ? EXACT : CLOSE, [=](Graph &g) {
            T data = g.f32({20, 20, 3, 1}), kernel = g.input(F16, {3, 3, 3, 4});
            return ggml_im2col(g.ctx, kernel, data, 1, 1, 1, 1, 1, 1, true, type);
        });
    add("DIAG", "f32 48x1x3", EXACT, [=](Graph &g) { return ggml_diag(g.ctx, g.f32({48, 1, 3})); });
    for (int type = 0; type < 4; type++)
        add("TRI", "f32 48x48x2, kind " + std::to_string(type), EXACT, [=](Graph &g) {
            /* The first values, which --corrupt changes, are in the first row: above the diagonal but for one. */
            return ggml_tri(g.ctx, g.f32({48, 48, 2}), (ggml_tri_type)type);
        });

    /* Sums, orders. */
    add("SUM", "f32 96x5x3", CLOSE, [=](Graph &g) { return ggml_sum(g.ctx, g.f32({96, 5, 3}, 0, 1)); });
    add("SUM_ROWS", "f32 160x5x3", CLOSE, [=](Graph &g) { return ggml_sum_rows(g.ctx, g.f32({160, 5, 3}, 0, 1)); });
    add("CUMSUM", "f32 160x5x3", CLOSE, [=](Graph &g) { return ggml_cumsum(g.ctx, g.f32({160, 5, 3})); });
    add("ARGMAX", "f32 160x5", EXACT, [=](Graph &g) { return ggml_argmax(g.ctx, g.f32({160, 5})); });
    for (ggml_sort_order order : {GGML_SORT_ORDER_ASC, GGML_SORT_ORDER_DESC})
        for (int64_t n : {8, 60, 256})
            add("ARGSORT", "f32 " + text({n, 5}) + (order == GGML_SORT_ORDER_ASC ? " up" : " down"), EXACT,
                [=](Graph &g) { return ggml_argsort(g.ctx, g.f32({n, 5}), order); });
    all.push_back({"TOP_K", "f32 6 of 200x5", EXACT, [=](Graph &g) { return ggml_top_k(g.ctx, g.f32({200, 5}), 6); }, true});

    /* Recurrent layers. */
    for (int64_t tokens : {1, 9})
        add("SSM_CONV", "f32 4 of 96, " + std::to_string(tokens) + " tokens, 2 sequences", CLOSE, [=](Graph &g) {
            T a = g.f32({3 + tokens, 96, 2});
            return ggml_ssm_conv(g.ctx, a, g.f32({4, 96}));
        });
    for (int64_t tokens : {1, 6, 70})
        for (int64_t size : {32, 64})
            for (bool vector : {false, true}) {
                /* Where a matrix unit can be used it is, on halves. */
                const double limit = tokens == 70 && size == 64 && !vector ? 5e-6 : CLOSE;
                add("GATED_DELTA_NET",
                    "f32 " + std::to_string(size) + ", 4 heads, " + std::to_string(tokens) + " tokens" + (vector ? ", vector gate" : ""), limit,
                    [=](Graph &g) {
                        T q = ggml_l2_norm(g.ctx, g.f32({size, 4, tokens, 1}), 1e-6f), k = ggml_l2_norm(g.ctx, g.f32({size, 4, tokens, 1}), 1e-6f);
                        T v = g.f32({size, 4, tokens, 1});
                        T gate = g.f32({vector ? size : 1, 4, tokens, 1}, -1, -0.01f), beta = g.f32({1, 4, tokens, 1}, 0, 1);
                        return ggml_gated_delta_net(g.ctx, q, k, v, gate, beta, g.f32({size, size, 4, 1}), 1);
                    });
            }
    add("SOLVE_TRI", "f32 48x48 for 20 columns", CLOSE, [=](Graph &g) {
        T b = g.f32({20, 48});
        T a = ggml_tri(g.ctx, g.f32({48, 48}, -0.2f, 0.2f), GGML_TRI_TYPE_LOWER);
        a = ggml_add(g.ctx, a, ggml_diag(g.ctx, g.f32({48, 1}, 1, 2)));
        return ggml_solve_tri(g.ctx, a, b, true, true, false);
    });

    /* Operations that the backend makes one. */
    add("RMS_NORM+MUL", "f32 256x6", CLOSE, [=](Graph &g) {
        T a = g.f32({256, 6}, -2, 2);
        return ggml_mul(g.ctx, ggml_rms_norm(g.ctx, a, 1e-5f), g.f32({256}));
    });
    for (int64_t n : {1, 40})
        add("MUL_MAT+ADD", "q4_0 256x64 by " + text({256, n}), DOT, [=](Graph &g) {
            T a = g.input(GGML_TYPE_Q4_0, {256, 64}), b = g.f32({256, n});
            return ggml_add(g.ctx, ggml_mul_mat(g.ctx, a, b), g.f32({64, n}));
        });
    for (int64_t n : {1, 40})
        add("MUL_MAT*3", "q4_0 256x64, 256x32, 256x32 by " + text({256, n}), DOT, [=](Graph &g) {
            T a = g.input(GGML_TYPE_Q4_0, {256, 64}), b = g.input(GGML_TYPE_Q4_0, {256, 32}), c = g.input(GGML_TYPE_Q4_0, {256, 32});
            T x = g.f32({256, n});
            T q = ggml_mul_mat(g.ctx, a, x), k = ggml_mul_mat(g.ctx, b, x), v = ggml_mul_mat(g.ctx, c, x);
            return ggml_concat(g.ctx, q, ggml_concat(g.ctx, k, v, 0), 0);
        });
    add("MUL_MAT_ID*2", "mxfp4 256x64x4, 12 tokens", DOT, [=](Graph &g) {
        T a = g.input(GGML_TYPE_MXFP4, {256, 64, 4}), b = g.input(GGML_TYPE_MXFP4, {256, 64, 4});
        T x = g.f32({256, 1, 12}), ids = g.indices({2, 12}, 4);
        return ggml_swiglu_split(g.ctx, ggml_mul_mat_id(g.ctx, a, x, ids), ggml_mul_mat_id(g.ctx, b, x, ids));
    });
    add("layer", "one transformer layer, q4_0, 256 wide, 33 tokens", DOT, layer);
    return all;
}

/* What is measured: large enough for a call's way to the DSP and back not to count. */
std::vector<Case> measured()
{
    std::vector<Case> all;
    auto product = [&](ggml_type type, int64_t m, int64_t k, int64_t n) {
        all.push_back({"MUL_MAT", std::string(ggml_type_name(type)) + " " + text({k, m}) + " by " + text({k, n}), DOT,
                       [=](Graph &g) {
                           T a = g.input(type, {k, m});
                           return ggml_mul_mat(g.ctx, a, g.f32({k, n}));
                       },
                       false, double(m) * double(k) * double(n)});
    };
    for (ggml_type type : {GGML_TYPE_Q4_0, GGML_TYPE_F16}) {
        product(type, 1024, 1024, 64);
        product(type, 4096, 1024, 1);
    }
    auto elements = [&](const char *op, const Shape &shape, double limit, std::function<T(Graph &)> make) {
        double work = 1;
        for (int64_t n : shape)
            work *= double(n);
        all.push_back({op, "f32 " + text(shape), limit, std::move(make), false, work});
    };
    elements("SOFT_MAX", {1024, 256}, SOFTMAX, [](Graph &g) { return ggml_soft_max(g.ctx, g.f32({1024, 256}, -4, 4)); });
    elements("GELU", {4096, 64}, CLOSE, [](Graph &g) { return ggml_gelu(g.ctx, g.f32({4096, 64}, -150, 150)); });
    elements("RMS_NORM", {4096, 64}, CLOSE, [](Graph &g) { return ggml_rms_norm(g.ctx, g.f32({4096, 64}, -2, 2), 1e-5f); });
    const int64_t size = 64, heads = 8, n = 64, kv = 512;
    all.push_back({"FLASH_ATTN_EXT", "f16 " + text({size, n, heads}) + " over " + text({size, kv, heads}), DOT,
                   [=](Graph &g) {
                       T q = g.f32({size, n, heads}), k = g.input(GGML_TYPE_F16, {size, kv, heads}), v = g.input(GGML_TYPE_F16, {size, kv, heads});
                       return ggml_flash_attn_ext(g.ctx, q, k, v, g.input(GGML_TYPE_F16, {kv, n}), 0.125f, 0, 0);
                   },
                   false, 2.0 * size * heads * n * kv});
    return all;
}

/* One layer of a transformer, as llama.cpp builds it: 4 heads of 64, 2 of keys and values, a cache of 64 tokens. */
T layer(Graph &g)
{
    const int64_t width = 256, size = 64, heads = 4, kv_heads = 2, tokens = 33, kv = 64, hidden = 512;
    const ggml_type q4 = GGML_TYPE_Q4_0;
    ggml_context *c = g.ctx;
    T x = g.f32({width, tokens}), at = g.positions(tokens), rows = g.indices({tokens}, kv, GGML_TYPE_I64);
    T norm1 = g.f32({width}, 0.5f, 1.5f), norm2 = g.f32({width}, 0.5f, 1.5f);
    T wq = g.input(q4, {width, size * heads}, -0.1f, 0.1f), wk = g.input(q4, {width, size * kv_heads}, -0.1f, 0.1f);
    T wv = g.input(q4, {width, size * kv_heads}, -0.1f, 0.1f), wo = g.input(q4, {size * heads, width}, -0.1f, 0.1f);
    T gate = g.input(q4, {width, hidden}, -0.1f, 0.1f), up = g.input(q4, {width, hidden}, -0.1f, 0.1f);
    T down = g.input(q4, {hidden, width}, -0.1f, 0.1f);
    T cache_k = g.input(GGML_TYPE_F16, {size * kv_heads, kv}), cache_v = g.input(GGML_TYPE_F16, {size * kv_heads, kv});
    T mask = g.input(GGML_TYPE_F16, {kv, tokens});

    T h = ggml_mul(c, ggml_rms_norm(c, x, 1e-5f), norm1);
    T q = ggml_reshape_3d(c, ggml_mul_mat(c, wq, h), size, heads, tokens);
    T k = ggml_reshape_3d(c, ggml_mul_mat(c, wk, h), size, kv_heads, tokens);
    T v = ggml_mul_mat(c, wv, h);
    q = ggml_rope_ext(c, q, at, nullptr, (int)size, GGML_ROPE_TYPE_NEOX, 512, 10000, 1, 0, 1, 32, 1);
    k = ggml_rope_ext(c, k, at, nullptr, (int)size, GGML_ROPE_TYPE_NEOX, 512, 10000, 1, 0, 1, 32, 1);
    cache_k = ggml_set_rows(c, cache_k, ggml_reshape_2d(c, k, size * kv_heads, tokens), rows);
    cache_v = ggml_set_rows(c, cache_v, v, rows);
    auto by_head = [&](T cache) { return ggml_permute(c, ggml_reshape_3d(c, cache, size, kv_heads, kv), 0, 2, 1, 3); };
    T a = ggml_flash_attn_ext(c, ggml_permute(c, q, 0, 2, 1, 3), by_head(cache_k), by_head(cache_v), mask, 0.125f, 0, 0);
    x = ggml_add(c, ggml_mul_mat(c, wo, ggml_reshape_2d(c, a, size * heads, tokens)), x);
    h = ggml_mul(c, ggml_rms_norm(c, x, 1e-5f), norm2);
    h = ggml_swiglu_split(c, ggml_mul_mat(c, gate, h), ggml_mul_mat(c, up, h));
    return ggml_add(c, ggml_mul_mat(c, down, h), x);
}

std::vector<uint8_t> bytes_of(const Input &input)
{
    const T tensor = input.tensor;
    std::vector<uint8_t> bytes(ggml_nbytes(tensor));
    if (!input.words.empty()) {
        for (size_t i = 0; i < input.words.size(); i++) {
            const int64_t wide = input.words[i];
            memcpy(&bytes[i * ggml_type_size(tensor->type)], &wide, ggml_type_size(tensor->type));
        }
    } else if (tensor->type == GGML_TYPE_F32) {
        memcpy(bytes.data(), input.numbers.data(), bytes.size());
    } else {
        ggml_quantize_chunk(tensor->type, input.numbers.data(), bytes.data(), 0, ggml_nrows(tensor), tensor->ne[0], nullptr);
    }
    return bytes;
}

std::vector<double> numbers_of(T tensor)
{
    std::vector<uint8_t> bytes(ggml_nbytes(tensor));
    ggml_backend_tensor_get(tensor, bytes.data(), 0, bytes.size());
    const int64_t count = ggml_nelements(tensor);
    std::vector<double> out(count);
    if (tensor->type == GGML_TYPE_I32) {
        for (int64_t i = 0; i < count; i++)
            out[i] = reinterpret_cast<const int32_t *>(bytes.data())[i];
        return out;
    }
    std::vector<float> floats(count);
    if (tensor->type == GGML_TYPE_F32)
        memcpy(floats.data(), bytes.data(), bytes.size());
    else
        ggml_get_type_traits(tensor->type)->to_float(bytes.data(), floats.data(), count);
    return {floats.begin(), floats.end()};
}

struct Result {
    std::vector<double> numbers;
    int64_t row = 1;
    double milliseconds = 0;
    std::string refused; /* the operation that the backend does not take */
};

/* Computes it once, or once and then so many times more. */
Result run(const Case &c, ggml_backend_t backend, bool reference, bool corrupt, int more = 0)
{
    ggml_context *ctx = ggml_init({ggml_tensor_overhead() * 256 + ggml_graph_overhead(), nullptr, true});
    Graph graph{ctx, {}, reference};
    T out = c.make(graph);
    ggml_cgraph *nodes = ggml_new_graph(ctx);
    ggml_build_forward_expand(nodes, out);
    Result result;
    for (int i = 0; i < ggml_graph_n_nodes(nodes); i++)
        if (!ggml_backend_supports_op(backend, ggml_graph_node(nodes, i)))
            result.refused = ggml_op_desc(ggml_graph_node(nodes, i));
    if (result.refused.empty()) {
        ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(ctx, backend);
        ggml_backend_buffer_clear(buffer, 0);
        for (size_t i = 0; i < graph.inputs.size(); i++) {
            Input &input = graph.inputs[i];
            if (corrupt && i == 0)
                for (size_t n = 0; n < input.numbers.size() && n < 32; n++)
                    input.numbers[n] = input.numbers[n] > 0 ? -3.0f : 3.0f;
            const std::vector<uint8_t> bytes = bytes_of(input);
            ggml_backend_tensor_set(input.tensor, bytes.data(), 0, bytes.size());
        }
        ggml_status status = GGML_STATUS_SUCCESS;
        std::vector<double> took;
        for (int round = 0; round <= more && status == GGML_STATUS_SUCCESS; round++) {
            const auto start = std::chrono::steady_clock::now();
            status = ggml_backend_graph_compute(backend, nodes);
            const std::chrono::duration<double, std::milli> one = std::chrono::steady_clock::now() - start;
            if (round > 0 || more == 0)
                took.push_back(one.count());
        }
        std::sort(took.begin(), took.end());
        result.milliseconds = took.empty() ? 0 : took[took.size() / 2];
        if (status == GGML_STATUS_SUCCESS) {
            result.numbers = numbers_of(out);
            result.row = out->ne[0];
        }
        ggml_backend_buffer_free(buffer);
    }
    ggml_free(ctx);
    return result;
}

/* Infinity if something is no number, or they are not as many. */
double error(const Case &c, Result got, Result wanted)
{
    if (got.numbers.empty() || got.numbers.size() != wanted.numbers.size())
        return INFINITY;
    if (c.sets)
        for (Result *r : {&got, &wanted})
            for (auto at = r->numbers.begin(); at < r->numbers.end(); at += r->row)
                std::sort(at, at + r->row);
    double difference = 0, size = 0;
    for (size_t i = 0; i < got.numbers.size(); i++) {
        const double a = got.numbers[i], b = wanted.numbers[i];
        if (a == b) {
            size += std::isfinite(b) ? b * b : 0;
            continue;
        }
        if (!std::isfinite(a) || !std::isfinite(b))
            return INFINITY;
        difference += (a - b) * (a - b);
        size += b * b;
    }
    return difference == 0 ? 0 : difference / size;
}

} /* namespace */

int main(int argc, char **argv)
{
    setvbuf(stdout, nullptr, _IOLBF, 0);
    std::string only;
    bool corrupt = false, quick_exit = false, together = false;
    int rounds = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--corrupt"))
            corrupt = true;
        else if (!strcmp(argv[i], "--quick-exit"))
            quick_exit = true;
        else if (!strcmp(argv[i], "--allreduce"))
            together = true;
        else if (!strcmp(argv[i], "--only") && i + 1 < argc)
            only = argv[++i];
        else if (!strcmp(argv[i], "--bench") && i + 1 < argc && (rounds = atoi(argv[i + 1])) > 0)
            i++;
        else
            return fprintf(stderr, "usage: %s [--only TEXT] [--corrupt] [--quick-exit] [--bench ROUNDS] [--allreduce]\n", argv[0]), 2;
    }
    ggml_backend_reg_t registry = ggml_backend_hexagon_reg();
    if (!registry || !ggml_backend_reg_dev_count(registry))
        return fprintf(stderr, "there is no DSP\n"), 3;
    if (together)
        return allreduce(registry);
    ggml_backend_t dsp = ggml_backend_dev_init(ggml_backend_reg_dev_get(registry, 0), nullptr);
    ggml_backend_t cpu = ggml_backend_cpu_init();
    if (!dsp || !cpu)
        return fprintf(stderr, "a backend does not start\n"), 3;
    ggml_backend_cpu_set_n_threads(cpu, 1);
    int count = 0, right = 0;
    for (const Case &c : rounds > 0 ? measured() : cases()) {
        if ((c.op + "\t" + c.what).find(only) == std::string::npos)
            continue;
        count++;
        const Result got = run(c, dsp, false, corrupt, rounds);
        if (!got.refused.empty()) {
            printf("%s\t%s\t-\t%g\t-\trefused %s\n", c.op.c_str(), c.what.c_str(), c.limit, got.refused.c_str());
            continue;
        }
        const double e = error(c, got, run(c, cpu, true, false));
        right += e <= c.limit;
        if (rounds > 0) {
            printf("bench\t%s\t%s\t%.0f\t%.3f\t%s\n", c.op.c_str(), c.what.c_str(), c.work, got.milliseconds,
                   e <= c.limit ? "right" : "wrong");
            continue;
        }
        printf("%s\t%s\t%.2g\t%g\t%.1f\t%s\n", c.op.c_str(), c.what.c_str(), e, c.limit, got.milliseconds,
               e <= c.limit ? "right" : "wrong");
    }
    ggml_backend_free(dsp);
    ggml_backend_free(cpu);
    printf("cases %d right %d\n", count, right);
    const int code = count > 0 && right == count ? 0 : 1;
    /* ggml never releases its session, and the thread that qualcomm/fastrpc's libcdsprpc has for the queue goes on while the
     * library's destructor (close_dev) frees the lists that this thread's calls walk: one program in forty ends with a
     * segmentation fault. The price is that Linux 7.3 keeps the memory of a process that ends within a call. */
    if (quick_exit) {
        fflush(nullptr);
        _exit(code);
    }
    return code;
}
