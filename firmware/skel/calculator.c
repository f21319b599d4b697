/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Sum and maximum of a sequence of integers: the interface of the well-known calculator example (methods 2 and 3),
 * written anew, so that it can stand in for it where that one is not to be had.
 *
 *   2 sum(in sequence of s32) -> s64      in[0] {u32 count}, in[1] s32[count], out[0] s64
 *   3 max(in sequence of s32) -> s32      in[0] {u32 count}, in[1] s32[count], out[0] s32
 */
#include "HAP.h"
#include "skel.h"

/* The sequence, or NULL when the announced count does not fit the buffer. */
static const int32_t *sequence(const remote_arg *args, uint32_t *count)
{
    *count = *(const uint32_t *)args[0].buf.pv;
    return *count <= args[1].buf.nLen / 4 ? args[1].buf.pv : NULL;
}

static int sum(void *context, remote_arg *args)
{
    (void)context;
    uint32_t count;
    const int32_t *v = sequence(args, &count);
    if (!v)
        return (int)AEE_EBADPARM;
    int64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += v[i];
    memcpy(args[2].buf.pv, &total, sizeof total);
    FARF(HIGH, "DSP: sum result %lld", (long long)total);
    return AEE_SUCCESS;
}

static int max(void *context, remote_arg *args)
{
    (void)context;
    uint32_t count;
    const int32_t *v = sequence(args, &count);
    if (!v || !count)
        return (int)AEE_EBADPARM;
    int32_t best = v[0];
    for (uint32_t i = 1; i < count; i++)
        best = v[i] > best ? v[i] : best;
    memcpy(args[2].buf.pv, &best, sizeof best);
    FARF(HIGH, "DSP: maximum result %d", (int)best);
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 2, 1, 0, 0), sum, {4, 0, 8}},
    {3, SC(0, 2, 1, 0, 0), max, {4, 0, 4}},
};
SKELETON(calculator, methods)
