/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * For hosts that are not AArch64, in place of ggml's hex-fastdiv.h (compiled with -include): the backend makes divisors of 0
 * where a matrix of experts is multiplied for fewer tokens than there are experts, and does not use them. AArch64 divides by 0
 * without a word and gives 0; x86 ends the process.
 */
#ifndef HEX_FASTDIV_H
#define HEX_FASTDIV_H

#include <stdint.h>

/* n / d is the upper word of n * mp, plus n, shifted right by l. */
struct fastdiv_values {
    uint32_t mp, l;
};

static inline struct fastdiv_values init_fastdiv_values(uint32_t d)
{
    const uint32_t l = d > 1 ? 32 - (uint32_t)__builtin_clz(d - 1) : 0;
    const uint64_t rest = (((uint64_t)1 << l) - d) << 32;
    struct fastdiv_values values = {(uint32_t)(d ? rest / d : 0) + 1, l};
    return values;
}

static inline uint32_t fastdiv(uint32_t n, const struct fastdiv_values *by)
{
    const uint64_t upper = (uint64_t)n * by->mp >> 32;
    return (uint32_t)(upper + n) >> by->l;
}

static inline uint32_t fastmodulo(uint32_t n, uint32_t d, const struct fastdiv_values *by)
{
    return n - fastdiv(n, by) * d;
}

#endif
