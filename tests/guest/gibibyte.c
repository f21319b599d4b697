/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * A gibibyte mapped for a skeleton in pieces of 64 MiB, all of them at once, so many times as the first argument says: the unmodified
 * library's rpcmem_alloc and fastrpc_mmap. The skeleton sums the first word of every page, each with a value of its own.
 */
#include "cdsprpc.h"

enum { PIECES = 16, PIECE = 64 << 20, PAGE = 4096, MAP_FD = 2, TOUCH = 6 };

static int (*map)(int domain, int fd, void *at, int offset, size_t length, int flags);
static int (*unmap)(int domain, int fd, void *at, size_t length);

static int failed(const char *what, int piece, int code)
{
    printf("piece %d: %s = %#x\n", piece, what, (unsigned)code);
    return 1;
}

static int once(uint64_t handle, uint32_t seed)
{
    uint8_t *at[PIECES];
    for (int i = 0; i < PIECES; i++) {
        at[i] = rpc_memory(PIECE);
        int code = map(rpc_domain(), rpc.to_fd(at[i]), at[i], 0, PIECE, MAP_FD);
        if (code)
            return failed("fastrpc_mmap", i, code);
    }
    for (int i = 0; i < PIECES; i++) {
        uint32_t length = PIECE, wanted = 0, sum = 0;
        for (uint32_t page = 0; page < PIECE; page += PAGE) {
            uint32_t value = seed++ * 2654435761u;
            memcpy(at[i] + page, &value, 4);
            wanted += value;
        }
        remote_arg args[3] = {rpc_buffer(&length, 4), rpc_buffer(at[i], PIECE), rpc_buffer(&sum, 4)};
        int code = rpc.invoke(handle, SC(TOUCH, 2, 1), args);
        if (code || sum != wanted)
            return failed(code ? "touch" : "a wrong sum", i, code ? code : (int)sum);
    }
    for (int i = 0; i < PIECES; i++) {
        int code = unmap(rpc_domain(), rpc.to_fd(at[i]), at[i], PIECE);
        if (code)
            return failed("fastrpc_munmap", i, code);
        rpc.free(at[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    rpc_load();
    map = rpc_symbol(rpc.library, "fastrpc_mmap");
    unmap = rpc_symbol(rpc.library, "fastrpc_munmap");
    uint64_t handle = 0;
    int code = rpc_unsigned();
    if (!code)
        code = rpc_open("bench", "", &handle);
    if (code)
        return failed("open", -1, code);
    long rounds = argc > 1 ? atol(argv[1]) : 1;
    for (long round = 0; round < rounds; round++) {
        if (once(handle, (uint32_t)round * 7919 + 1))
            return 1;
        printf("round %ld right\n", round);
    }
    return rpc.close(handle) ? 1 : 0;
}
