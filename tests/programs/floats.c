/* A skeleton for tests: floating point on vectors that some parts lack.
 *
 *   2 sums(seq sf[32], seq sf[32]) -> sf[32]   in[0], in[1] of 128 bytes, out[0]: by the IEEE form, twice
 */
#include "skel.h"
#include <qurt_hvx.h>

typedef long vector __attribute__((vector_size(128), aligned(128)));

static int sums(void *context, remote_arg *args)
{
    (void)context;
    static vector a, b, c;
    if (qurt_hvx_lock(QURT_HVX_MODE_128B))
        return AEE_EFAILED;
    __builtin_memcpy(&a, args[0].buf.pv, sizeof a);
    __builtin_memcpy(&b, args[1].buf.pv, sizeof b);
    for (int n = 0; n < 2; n++)
        __asm__ volatile("%0.sf = vadd(%1.sf, %2.sf)" : "=v"(c) : "v"(a), "v"(b));
    __builtin_memcpy(args[2].buf.pv, &c, sizeof c);
    qurt_hvx_unlock();
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 2, 1, 0, 0), sums, {128, 128, 128}},
};
SKELETON(floats, methods)
