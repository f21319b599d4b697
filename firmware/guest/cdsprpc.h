/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The few calls of libcdsprpc.so.1 that our guest programs use, bound at run time: the programs are built where that
 * library is not.
 */
#ifndef VH_CDSPRPC_H
#define VH_CDSPRPC_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One argument on the host's side: sixteen bytes. */
typedef union {
    struct {
        void *pv;
        size_t nLen;
    } buf;
    uint64_t h64;
    struct {
        int32_t fd;
        uint32_t offset;
    } dma;
} remote_arg;

#define SC(method, in, out) ((uint32_t)(method) << 24 | (uint32_t)(in) << 16 | (uint32_t)(out) << 8)

enum { CONTROL_UNSIGNED_MODULE = 2, HEAP_SYSTEM = 25 };

static struct {
    void *library; /* for what single programs bind besides */
    int (*open)(const char *uri, uint64_t *handle);
    int (*invoke)(uint64_t handle, uint32_t sc, remote_arg *args);
    int (*close)(uint64_t handle);
    int (*session_control)(uint32_t request, void *data, uint32_t length);
    void *(*alloc)(int heap, uint32_t flags, int size);
    void (*free)(void *buffer);
    int (*to_fd)(void *buffer);
} rpc;

/* The DSP that the programs use: VH_DSP in the environment, or the compute DSP. */
static inline const char *rpc_dsp(void)
{
    const char *name = getenv("VH_DSP");
    return name && *name ? name : "cdsp";
}

static inline void *rpc_symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "the library lacks %s\n", name);
        exit(90);
    }
    return found;
}

static inline void rpc_load(void)
{
    /* Each library takes shared memory from its own DSP's device. */
    const char *dsp = rpc_dsp(), *name = "libcdsprpc.so.1";
    if (!strcmp(dsp, "adsp"))
        name = "libadsprpc.so.1";
    else if (!strcmp(dsp, "sdsp"))
        name = "libsdsprpc.so.1";
    void *library = dlopen(name, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(90);
    }
    rpc.library = library;
    rpc.open = rpc_symbol(library, "remote_handle64_open");
    rpc.invoke = rpc_symbol(library, "remote_handle64_invoke");
    rpc.close = rpc_symbol(library, "remote_handle64_close");
    rpc.session_control = rpc_symbol(library, "remote_session_control");
    rpc.alloc = rpc_symbol(library, "rpcmem_alloc");
    rpc.free = rpc_symbol(library, "rpcmem_free");
    rpc.to_fd = rpc_symbol(library, "rpcmem_to_fd");
}

/* The library's number of that DSP. */
static inline int32_t rpc_domain(void)
{
    static const char *const names[] = {"adsp", "mdsp", "sdsp", "cdsp", "cdsp1", "gdsp0", "gdsp1"};
    for (int32_t i = 0; i < (int32_t)(sizeof names / sizeof *names); i++)
        if (!strcmp(names[i], rpc_dsp()))
            return i;
    fprintf(stderr, "there is no DSP called %s\n", rpc_dsp());
    exit(92);
}

/* Asks for an unsigned process: nothing of ours is signed. */
static inline int rpc_unsigned(void)
{
    struct {
        int32_t domain, enable;
    } control = {rpc_domain(), 1};
    return rpc.session_control(CONTROL_UNSIGNED_MODULE, &control, sizeof control);
}

/* Opens lib<name>_skel.so on the DSP; `more` is further text for the URI, such as "&_idlver=1.2.3". */
static inline int rpc_open(const char *name, const char *more, uint64_t *handle)
{
    char uri[256];
    snprintf(uri, sizeof uri, "file:///lib%s_skel.so?%s_skel_handle_invoke&_modver=1.0%s&_dom=%s", name, name, more,
             rpc_dsp());
    return rpc.open(uri, handle);
}

static inline remote_arg rpc_buffer(void *at, size_t length)
{
    return (remote_arg){.buf = {at, length}};
}

/* Shared memory, or the end of the program. */
static inline void *rpc_memory(size_t size)
{
    void *at = rpc.alloc(HEAP_SYSTEM, 1, (int)size);
    if (!at) {
        fprintf(stderr, "rpcmem_alloc of %zu bytes failed\n", size);
        exit(91);
    }
    return at;
}

#endif
