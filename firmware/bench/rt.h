/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Turns a benchmark that was written for a Linux user-mode runner (a function `bench` and a line
 * `MAIN("name", iterations)`) into a skeleton: `cargo xtask bench` puts a copy of the benchmark beside this file, so
 * that the same source runs on both sides.
 *
 *   2 run(u32 iterations) -> u32          in[0], out[0] checksum over all iterations
 */
#include "skel.h"

typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;
typedef int16_t s16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;

u32 bench(void);

static int run(void *context, remote_arg *args)
{
    (void)context;
    u32 c = 0;
    for (u32 k = *(const u32 *)args[0].buf.pv; k; k--)
        c = c * 31 + bench();
    *(u32 *)args[1].buf.pv = c;
    return AEE_SUCCESS;
}

#define MAIN(NAME, ITERS)                                                                                              \
    static const struct skel_method methods[] = {{2, SC(0, 1, 1, 0, 0), run, {4, 4}}};                                 \
    SKELETON(core, methods)
