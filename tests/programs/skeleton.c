/* A skeleton for tests: user DMA and HVX modes inside a DSP process.
 *
 *   2 copy(in bytes) -> bytes     in[0] {u32 inLen, u32 outLen}, in[1], out[0]: through the thread's DMA engine
 *   3 modes() -> u32, u32         out[0]: what qurt_hvx_lock says to vectors of 64 and of 128 bytes
 *   4 lose()                      copies to where nothing is mapped
 */
#include "skel.h"

int qurt_hvx_lock(int mode);
int qurt_hvx_unlock(void);

static uint32_t d[8] __attribute__((aligned(32)));

static uint32_t dma(const void *from, void *to, uint32_t n)
{
    uint32_t status;
    d[0] = 0;
    d[1] = n;
    d[2] = (uint32_t)from;
    d[3] = (uint32_t)to;
    __asm__ volatile("dmstart(%1)\n\t%0 = dmwait" : "=&r"(status) : "r"(d) : "memory");
    return status;
}

static int copy(void *context, remote_arg *args)
{
    (void)context;
    uint32_t n = args[1].buf.nLen < args[2].buf.nLen ? args[1].buf.nLen : args[2].buf.nLen;
    return dma(args[1].buf.pv, args[2].buf.pv, n) == 0 && d[1] >> 31 ? AEE_SUCCESS : AEE_EFAILED;
}

static int modes(void *context, remote_arg *args)
{
    (void)context;
    uint32_t *out = args[0].buf.pv;
    out[0] = (uint32_t)qurt_hvx_lock(0);
    out[1] = (uint32_t)qurt_hvx_lock(1);
    qurt_hvx_unlock();
    return AEE_SUCCESS;
}

static int lose(void *context, remote_arg *args)
{
    (void)context;
    return (int)dma(args, (void *)0x1000, 64);
}

static const struct skel_method methods[] = {
    {2, SC(0, 2, 1, 0, 0), copy, {8, 0, 0}},
    {3, SC(0, 0, 1, 0, 0), modes, {8}},
    {4, SC(0, 0, 0, 0, 0), lose, {0}},
};
SKELETON(skeleton, methods)
