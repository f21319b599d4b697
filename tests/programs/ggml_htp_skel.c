/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The skeleton of ggml's htp_iface.idl: methods by number, scalars in the first block as the interface compiler lays them out.
 */
#include "AEEStdErr.h"
#include "htp_iface.h"

/* Shape and length of the first block, then the scalar at an offset. */
#define FITS(shape, bytes) (SC_SHAPE(sc) == (shape) && args[0].buf.nLen >= (bytes))
#define AT(type, offset) (*(type *)((char *)args[0].buf.pv + (offset)))

__attribute__((visibility("default"))) int htp_iface_skel_handle_invoke(remote_handle64 h, uint32_t sc, remote_arg *args)
{
    enum { ONE_IN = 1 << 16, ONE_OUT = 1 << 8 };

    switch (SC_METHOD(sc)) {
    case 0:
        return SC_SHAPE(sc) == SC(0, 2, 0, 0, 1) ? htp_iface_open(args[1].buf.pv, &args[2].h64) : (int)AEE_EBADPARM;
    case 1:
        return SC_SHAPE(sc) == SC(0, 0, 0, 1, 0) ? htp_iface_close(args[0].h64) : (int)AEE_EBADPARM;
    case 2:
        if (!FITS(ONE_IN, 32))
            break;
        return htp_iface_start(h, AT(uint32, 0), AT(uint64, 8), AT(uint32, 16), AT(uint32, 20), AT(uint64, 24));
    case 3:
        return SC_SHAPE(sc) == 0 ? htp_iface_stop(h) : (int)AEE_EBADPARM;
    case 4:
        if (!FITS(ONE_IN, 16))
            break;
        return htp_iface_mmap(h, AT(uint32, 0), AT(uint64, 8));
    case 5:
        if (!FITS(ONE_IN, 4))
            break;
        return htp_iface_munmap(h, AT(uint32, 0));
    case 6:
        if (!FITS(ONE_IN, 36))
            break;
        return htp_iface_profiler(h, AT(uint32, 0), &AT(htp_iface_pmu_conf, 4));
    case 7:
        if (!FITS(ONE_IN, 4))
            break;
        return htp_iface_etm(h, AT(uint32, 0));
    case 8:
        if (!FITS(ONE_OUT, 24))
            break;
        return htp_iface_hwinfo(h, &AT(uint32, 0), &AT(uint32, 4), &AT(uint32, 8), &AT(uint64, 16));
    default:
        return (int)AEE_EUNSUPPORTED;
    }
    return (int)AEE_EBADPARM;
}
