/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "allreduce.h"

#include <cstdint>
#include <cstdio>
#include <vector>

#include "ggml.h"

namespace {

/* A case: every DSP has a tensor of this type and shape. */
struct Sum {
    ggml_type type;
    int64_t columns, rows;
};

/* One row and one column, less and more than a vector, more than is held on the chip at once. */
constexpr Sum SUMS[] = {
    {GGML_TYPE_F32, 1, 1},    {GGML_TYPE_F32, 32, 1},      {GGML_TYPE_F32, 100, 3},   {GGML_TYPE_F32, 4096, 1},
    {GGML_TYPE_F32, 4096, 32}, {GGML_TYPE_F32, 2048, 1024}, {GGML_TYPE_F16, 64, 1},    {GGML_TYPE_F16, 100, 3},
    {GGML_TYPE_F16, 4096, 32}, {GGML_TYPE_F16, 2048, 1024},
};

/* As for other sums (ops.cpp): qfloat of V73 to V75 has no exact floats. */
constexpr double CLOSE = 1e-7;

/* Whole numbers, so that halves add them without rounding. */
float value(size_t dsp, int64_t at)
{
    return (float)((at * (int64_t)(7 + dsp) + (int64_t)dsp * 5) % 251 - 125);
}

template <typename F> F function(ggml_backend_reg_t registry, const char *name)
{
    return (F)ggml_backend_reg_get_proc_address(registry, name);
}

} /* namespace */

int allreduce(ggml_backend_reg_t registry)
{
    const auto init = function<ggml_backend_comm_init_t>(registry, "ggml_backend_comm_init");
    const auto end = function<ggml_backend_comm_free_t>(registry, "ggml_backend_comm_free");
    const auto reduce =
        function<ggml_backend_comm_allreduce_tensor_t>(registry, "ggml_backend_comm_allreduce_tensor");
    std::vector<ggml_backend_t> backends;
    for (size_t i = 0; i < ggml_backend_reg_dev_count(registry); i++)
        if (ggml_backend_t backend = ggml_backend_dev_init(ggml_backend_reg_dev_get(registry, i), nullptr))
            backends.push_back(backend);
    void *comm = init && end && reduce ? init(backends.data(), backends.size()) : nullptr;
    if (!comm)
        return fprintf(stderr, "%zu DSPs do not form a group\n", backends.size()), 3;
    int count = 0, right = 0;
    for (const Sum &sum : SUMS) {
        const int64_t elements = sum.columns * sum.rows;
        std::vector<ggml_context *> contexts;
        std::vector<ggml_backend_buffer_t> buffers;
        std::vector<ggml_tensor *> tensors;
        for (size_t dsp = 0; dsp < backends.size(); dsp++) {
            ggml_context *ctx = ggml_init({ggml_tensor_overhead() * 4, nullptr, true});
            ggml_tensor *tensor = ggml_new_tensor_2d(ctx, sum.type, sum.columns, sum.rows);
            buffers.push_back(ggml_backend_alloc_ctx_tensors(ctx, backends[dsp]));
            std::vector<float> floats(elements);
            for (int64_t at = 0; at < elements; at++)
                floats[at] = value(dsp, at);
            std::vector<ggml_fp16_t> halves(elements);
            ggml_fp32_to_fp16_row(floats.data(), halves.data(), elements);
            const void *data = sum.type == GGML_TYPE_F16 ? (const void *)halves.data() : floats.data();
            ggml_backend_tensor_set(tensor, data, 0, ggml_nbytes(tensor));
            contexts.push_back(ctx);
            tensors.push_back(tensor);
        }
        bool done = reduce(comm, tensors.data());
        for (ggml_backend_t backend : backends)
            ggml_backend_synchronize(backend);
        double difference = 0, size = 0;
        for (ggml_tensor *tensor : tensors) {
            std::vector<float> floats(elements);
            std::vector<ggml_fp16_t> halves(elements);
            if (sum.type == GGML_TYPE_F16) {
                ggml_backend_tensor_get(tensor, halves.data(), 0, ggml_nbytes(tensor));
                ggml_fp16_to_fp32_row(halves.data(), floats.data(), elements);
            } else {
                ggml_backend_tensor_get(tensor, floats.data(), 0, ggml_nbytes(tensor));
            }
            for (int64_t at = 0; at < elements; at++) {
                float wanted = 0;
                for (size_t dsp = 0; dsp < backends.size(); dsp++)
                    wanted += value(dsp, at);
                difference += ((double)floats[at] - wanted) * ((double)floats[at] - wanted);
                size += (double)wanted * wanted;
            }
        }
        const double error = difference == 0 ? 0 : difference / size;
        const bool good = done && error <= CLOSE;
        printf("ALLREDUCE\t%s %lldx%lld\t%.2g\t%g\t0\t%s\n", ggml_type_name(sum.type), (long long)sum.columns,
               (long long)sum.rows, error, CLOSE, !done ? "refused" : good ? "right" : "wrong");
        count++;
        right += good;
        for (size_t dsp = 0; dsp < backends.size(); dsp++) {
            ggml_backend_buffer_free(buffers[dsp]);
            ggml_free(contexts[dsp]);
        }
    }
    end(comm);
    for (ggml_backend_t backend : backends)
        ggml_backend_free(backend);
    printf("cases %d right %d\n", count, right);
    return right == count ? 0 : 1;
}
