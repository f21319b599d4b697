/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The part of a skeleton that an IDL compiler would write, as one small table and one macro.
 *
 *     static int sum(void *context, remote_arg *args) { ... }
 *
 *     static const struct skel_method methods[] = {
 *         { 2, SC(0, 2, 1, 0, 0), sum, {4, 0, 8} },
 *     };
 *     SKELETON(calculator, methods)
 *
 * The table says for each method which arguments it takes and how long each one must be at least; a call of another
 * shape is refused before the method runs, because the host is not to be trusted. Methods 0 (open) and 1 (close) are
 * answered here: each open gets `SKEL_CONTEXT` zeroed bytes that its methods see as `context`.
 */
#ifndef VHX_SKEL_H
#define VHX_SKEL_H

#include "AEEStdErr.h"
#include "libc.h"
#include "remote.h"

#ifndef SKEL_CONTEXT
#define SKEL_CONTEXT 16
#endif

#define SKEL_MAX_ARGS 6

struct skel_method {
    uint32_t method;
    uint32_t shape;                          /* SC(0, in, out, hin, hout) */
    int (*run)(void *context, remote_arg *args);
    uint32_t least[SKEL_MAX_ARGS];           /* bytes each buffer must have at least */
};

static inline int skel_open(uint32_t sc, remote_arg *args)
{
    if (SC_SHAPE(sc) != SC(0, 2, 0, 0, 1) || args[0].buf.nLen < 4 || !args[1].buf.nLen)
        return (int)AEE_EBADPARM;
    /* The URI must be a string: the length that was announced, with its end inside. */
    uint32_t length = *(const uint32_t *)args[0].buf.pv;
    const char *uri = (const char *)args[1].buf.pv;
    if (length > args[1].buf.nLen || !length || uri[length - 1])
        return (int)AEE_EBADPARM;
    void *context = calloc(1, SKEL_CONTEXT);
    if (!context)
        return (int)AEE_ENOMEMORY;
    args[2].h64 = (uint32_t)context;
    return AEE_SUCCESS;
}

static inline int skel_close(uint32_t sc, remote_arg *args)
{
    if (SC_SHAPE(sc) != SC(0, 0, 0, 1, 0))
        return (int)AEE_EBADPARM;
    free((void *)(uint32_t)args[0].h64);
    return AEE_SUCCESS;
}

static inline int skel_dispatch(const struct skel_method *methods, uint32_t count, remote_handle64 h, uint32_t sc,
                                remote_arg *args)
{
    if (SC_METHOD(sc) == 0)
        return skel_open(sc, args);
    if (SC_METHOD(sc) == 1)
        return skel_close(sc, args);
    for (uint32_t m = 0; m < count; m++) {
        if (methods[m].method != SC_METHOD(sc))
            continue;
        if (methods[m].shape != SC_SHAPE(sc))
            return (int)AEE_EBADPARM;
        uint32_t buffers = SC_IN_BUFS(sc) + SC_OUT_BUFS(sc);
        for (uint32_t i = 0; i < buffers && i < SKEL_MAX_ARGS; i++)
            if (args[i].buf.nLen < methods[m].least[i])
                return (int)AEE_EBADPARM;
        return methods[m].run((void *)(uint32_t)h, args);
    }
    return (int)AEE_EUNSUPPORTED;
}

#define SKEL_EXPORT __attribute__((visibility("default"), used))

#define SKELETON(name, table)                                                                                          \
    SKEL_EXPORT int name##_skel_handle_invoke(remote_handle64 h, uint32_t sc, remote_arg *args)                        \
    {                                                                                                                  \
        return skel_dispatch(table, sizeof(table) / sizeof((table)[0]), h, sc, args);                                  \
    }

#endif
