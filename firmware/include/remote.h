/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * How a call arrives in a skeleton.
 *
 * The one function a skeleton must export has the form
 *
 *     int NAME_skel_handle_invoke(remote_handle64 h, uint32_t sc, remote_arg *args);
 *
 * and is named in the URI that the host opens: file:///libNAME_skel.so?NAME_skel_handle_invoke&_modver=1.0&_dom=cdsp
 * `sc` packs the method and the number of arguments of each kind; `args` holds input buffers, output buffers, input
 * handles and output handles, in this order. A pointer in `args` is the caller's memory itself where the caller used
 * shared memory, not a copy.
 */
#ifndef VHX_REMOTE_H
#define VHX_REMOTE_H

#include <stdint.h>

#include "static_assert.h"

typedef uint64_t remote_handle64;

/* One argument as the DSP sees it: eight bytes. */
typedef union {
    struct {
        void *pv;
        uint32_t nLen;
    } buf;               /* a buffer */
    remote_handle64 h64; /* a handle */
    struct {
        int32_t fd;
        uint32_t offset;
    } dma;               /* a piece of shared memory known by the host's file descriptor */
} __attribute__((aligned(8))) remote_arg;

VHX_STATIC_ASSERT(sizeof(remote_arg) == 8, "an argument is two words");

#define SC(method, in, out, hin, hout) \
    ((uint32_t)(method) << 24 | (uint32_t)(in) << 16 | (uint32_t)(out) << 8 | (uint32_t)(hin) << 4 | (uint32_t)(hout))

#define SC_METHOD(sc)      ((sc) >> 24 & 0x1f)
#define SC_IN_BUFS(sc)     ((sc) >> 16 & 0xff)
#define SC_OUT_BUFS(sc)    ((sc) >> 8 & 0xff)
#define SC_IN_HANDLES(sc)  ((sc) >> 4 & 0xf)
#define SC_OUT_HANDLES(sc) ((sc) & 0xf)

/* Everything but the method number. */
#define SC_SHAPE(sc) ((sc) & 0xffffffu)

#endif
