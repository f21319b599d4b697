/* VTCM by its address, as programs take it that are older than compute resources (hap_example up to v1.0.1 of qualcomm/fastrpc).
 *
 *   2 vtcm() -> u32[8]            what there is, what is left while some of it is held, and what is refused
 */
#include "skel.h"
#include <HAP_vtcm_mgr.h>

static int vtcm(void *context, remote_arg *args)
{
    (void)context;
    unsigned *out = args[0].buf.pv;
    unsigned page, count, block, largest, pages, before;
    out[0] = (unsigned)HAP_query_total_VTCM(&page, &count) + page / 1024 * count;
    out[1] = (unsigned)HAP_query_avail_VTCM(&before, &largest, &pages);
    volatile unsigned *one = HAP_request_VTCM(1 << 20, 1);
    volatile unsigned *two = HAP_request_async_VTCM(256 << 10, 0, 1000);
    if (!one || !two)
        return AEE_EFAILED;
    one[0] = 40;
    one[(1 << 18) - 1] = 2;
    two[0] = one[0] + one[(1 << 18) - 1];
    out[2] = two[0];
    out[3] = ((unsigned)one & 0xfffff) == 0;
    HAP_query_avail_VTCM(&block, &largest, &pages);
    out[4] = block < before;
    /* More than there is, at once and after a wait; an address that nobody was given. */
    out[5] = HAP_request_VTCM(page * count, 0) || HAP_request_async_VTCM(page * count, 0, 1000);
    out[6] = HAP_release_VTCM((void *)(one + 1)) != 0;
    out[7] = (unsigned)HAP_release_VTCM((void *)one) + (unsigned)HAP_release_VTCM((void *)two);
    HAP_query_avail_VTCM(&block, &largest, &pages);
    return block == before ? AEE_SUCCESS : AEE_EFAILED;
}

static const struct skel_method methods[] = {
    {2, SC(0, 0, 1, 0, 0), vtcm, {32}},
};
SKELETON(vtcm, methods)
