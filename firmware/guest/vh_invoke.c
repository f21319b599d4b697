/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-invoke: any method of any skeleton, for tests and for trying things out.
 *
 *   vh-invoke NAME METHOD [--word W]… [--in N]… [--out N]… [--repeat R] [--lie BYTES]
 *
 * All --word values together are the first input buffer; every --in is an input buffer of N bytes 0, 1, 2, … in shared
 * memory, every --out an output buffer of N bytes there. Prints the result code and the first bytes of the outputs.
 *
 * --lie makes the program deceive the kernel: it claims that every shared input buffer lies at a distance of BYTES from
 * the beginning of its mapping. The driver adds that distance to the buffer's device address and does not compare the
 * result with the buffer's end, so the DSP is led to addresses that the SMMU does not map: the way to see a context
 * fault from user space. It works by standing between the library and ioctl(). With a buffer of 1 MiB there is a hole
 * behind it, because the kernel places it at a multiple of its size below what is mapped already.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cdsprpc.h"

#define MOST 8

/* Where the shared input buffers are said to be (0: the truth). */
static uint64_t lie;

/* An address `distance` bytes behind the beginning of its mapping (a shared one: the kernel does not join those). */
static uint64_t address_in_mapping(size_t distance)
{
    char *at = mmap(NULL, distance + 65536, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("mmap");
        exit(92);
    }
    return (uint64_t)(uintptr_t)(at + distance);
}

/* The driver's invoke request (include/uapi/misc/fastrpc.h: FASTRPC_IOCTL_INVOKE). */
struct invoke_args {
    uint64_t ptr, length;
    int32_t fd;
    uint32_t attr;
};
struct invoke {
    uint32_t handle, sc;
    uint64_t args;
};
#define IOCTL_INVOKE _IOWR('R', 3, struct invoke)

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    if (!next)
        next = dlsym(RTLD_NEXT, "ioctl");
    va_list list;
    va_start(list, request);
    void *data = va_arg(list, void *);
    va_end(list);
    if (lie && (uint32_t)request == (uint32_t)IOCTL_INVOKE) {
        struct invoke *invoke = data;
        struct invoke_args *args = (void *)(uintptr_t)invoke->args;
        /* Only calls to skeletons: the DSP's own services have small handles. */
        if (invoke->handle > 0xff)
            for (uint32_t i = 0; i < (invoke->sc >> 16 & 0xff); i++)
                if (args[i].fd > 0)
                    args[i].ptr = lie;
    }
    return next(fd, request, data);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3) {
        fprintf(stderr, "usage: vh-invoke NAME METHOD [--word W]… [--in N]… [--out N]… [--repeat R] [--lie BYTES]\n");
        return 64;
    }
    uint32_t words[MOST], used = 0, ins = 0, outs = 0;
    size_t in[MOST], out[MOST];
    long repeat = 1;
    uint64_t told = 0;
    for (int i = 3; i + 1 < argc; i += 2) {
        uint64_t n = strtoull(argv[i + 1], NULL, 0);
        if (!strcmp(argv[i], "--word") && used < MOST)
            words[used++] = (uint32_t)n;
        else if (!strcmp(argv[i], "--in") && ins < MOST)
            in[ins++] = n;
        else if (!strcmp(argv[i], "--out") && outs < MOST)
            out[outs++] = n;
        else if (!strcmp(argv[i], "--repeat"))
            repeat = (long)n;
        else if (!strcmp(argv[i], "--lie"))
            told = n;
        else {
            fprintf(stderr, "vh-invoke: cannot use %s\n", argv[i]);
            return 64;
        }
    }
    rpc_load();
    int e = rpc_unsigned();
    uint64_t handle = 0;
    if (!e)
        e = rpc_open(argv[1], "", &handle);
    if (e) {
        printf("open = 0x%x\n", e);
        return 3;
    }
    remote_arg args[1 + 2 * MOST];
    uint32_t n = 0, lead = used > 0;
    if (lead)
        args[n++] = rpc_buffer(words, used * 4);
    for (uint32_t i = 0; i < ins; i++) {
        args[n] = rpc_buffer(rpc_memory(in[i] ? in[i] : 1), in[i]);
        for (size_t k = 0; k < in[i]; k++)
            ((uint8_t *)args[n].buf.pv)[k] = (uint8_t)k;
        n++;
    }
    for (uint32_t i = 0; i < outs; i++) {
        args[n] = rpc_buffer(rpc_memory(out[i] ? out[i] : 1), out[i]);
        memset(args[n++].buf.pv, 0, out[i]);
    }
    lie = told ? address_in_mapping(told) : 0;
    for (long r = 0; r < repeat; r++)
        e = rpc.invoke(handle, SC(strtoul(argv[2], NULL, 0), lead + ins, outs), args);
    lie = 0;
    printf("invoke = 0x%x", e);
    for (uint32_t i = 0; i < outs; i++) {
        printf(" out%u", i);
        for (size_t k = 0; k < out[i] && k < 16; k++)
            printf("%s%02x", k ? "" : " ", ((uint8_t *)args[lead + ins + i].buf.pv)[k]);
    }
    printf("\n");
    for (uint32_t i = lead; i < n; i++)
        rpc.free(args[i].buf.pv);
    int closed = rpc.close(handle);
    if (closed)
        printf("close = 0x%x\n", closed);
    return e ? 4 : 0;
}
