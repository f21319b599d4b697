/* Vector contexts, the matrix unit and VTCM as phones let programs use them, and as they do not.
 *
 *   2 use(how) -> u32      1: loads a bias with the unit's lock; 2: without; 3: with it, outside of VTCM; 4: after it was given back;
 *                          5: writes VTCM behind what was acquired; 6: writes all that was acquired
 *   3 vectors(how) -> u32  1: uses vectors with a context; 2: without; 3: after it was given back
 */
#include "skel.h"
#include <HAP_compute_res.h>
#include <qurt_hvx.h>

static unsigned elsewhere[64] __attribute__((aligned(256)));

static void load_bias(void *at)
{
    register unsigned r2 __asm__("r2") = (unsigned)at;
    /* bias = mxmem2(r2), which LLVM has no assembler for */
    __asm__ volatile(".word 0x9202c3fe" : : "r"(r2) : "memory");
}

static int use(void *context, remote_arg *args)
{
    (void)context;
    unsigned how = *(const unsigned *)args[0].buf.pv, size = 1 << 16;
    compute_res_attr_t attributes;
    HAP_compute_res_attr_init(&attributes);
    HAP_compute_res_attr_set_vtcm_param(&attributes, size, 1);
    HAP_compute_res_attr_set_hmx_param(&attributes, 1);
    unsigned id = HAP_compute_res_acquire(&attributes, 100000);
    volatile unsigned char *vtcm = HAP_compute_res_attr_get_vtcm_ptr(&attributes);
    if (!id || !vtcm)
        return AEE_EFAILED;
    if (how != 2 && HAP_compute_res_hmx_lock(id))
        return AEE_EFAILED;
    if (how == 5 || how == 6)
        for (unsigned at = 0; at < size + (how == 5); at++)
            vtcm[at] = 7;
    else if (how == 4) {
        HAP_compute_res_hmx_unlock(id);
        load_bias((void *)vtcm);
    } else
        load_bias(how == 3 ? elsewhere : (void *)vtcm);
    HAP_compute_res_release(id);
    *(unsigned *)args[1].buf.pv = how;
    return AEE_SUCCESS;
}

static int vectors(void *context, remote_arg *args)
{
    (void)context;
    unsigned how = *(const unsigned *)args[0].buf.pv;
    /* Code that was run while there was a context is no way round one that is not there. */
    for (unsigned n = 0; n < 200; n++) {
        if (how != 2 && qurt_hvx_lock(QURT_HVX_MODE_128B))
            return AEE_EFAILED;
        if (how == 3 && n == 199)
            qurt_hvx_unlock();
        __asm__ volatile("{ v0 = vxor(v0, v0) }" : : : "v0");
        if (how != 2 && n < 199)
            qurt_hvx_unlock();
    }
    *(unsigned *)args[1].buf.pv = how;
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 1, 1, 0, 0), use, {4, 4}},
    {3, SC(0, 1, 1, 0, 0), vectors, {4, 4}},
};
SKELETON(silicon, methods)
