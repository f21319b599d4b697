/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * A client of hexagonrpcd (its option -p): calls on the session whose descriptor the daemon shares as HEXAGONRPC_FD. Opens the
 * calculator's skeleton, which the DSP has to ask the daemon for, sums 0 to 999 with it and closes it; then opens one that the daemon
 * does not have.
 */
#include <misc/fastrpc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REMOTECTL = 0, OPEN = 0, CLOSE = 1, SUM = 2 };

static int session;

/* A call of `ins` inputs and `outs` outputs; the kernel's or the DSP's code. */
static int call(uint32_t handle, unsigned method, struct fastrpc_invoke_args *args, unsigned ins, unsigned outs)
{
    struct fastrpc_invoke invoke = {
        .handle = handle,
        .sc = method << 24 | ins << 16 | outs << 8,
        .args = (uintptr_t)args,
    };
    return ioctl(session, FASTRPC_IOCTL_INVOKE, &invoke);
}

static struct fastrpc_invoke_args buffer(const void *at, size_t length)
{
    return (struct fastrpc_invoke_args){.ptr = (uintptr_t)at, .length = length, .fd = -1};
}

static uint32_t open_module(const char *name)
{
    char uri[256], text[256] = "";
    snprintf(uri, sizeof uri, "file:///lib%s_skel.so?%s_skel_handle_invoke&_modver=1.0", name, name);
    uint32_t sizes[2] = {(uint32_t)strlen(uri) + 1, sizeof text}, opened[2] = {0, 0};
    struct fastrpc_invoke_args args[4] = {
        buffer(sizes, sizeof sizes),
        buffer(uri, sizes[0]),
        buffer(opened, sizeof opened),
        buffer(text, sizeof text),
    };
    int result = call(REMOTECTL, OPEN, args, 2, 2);
    printf("open %s = %d, error %#x%s%.255s\n", name, result, opened[1], *text ? ", " : "", text);
    return opened[0];
}

int main(void)
{
    const char *shared = getenv("HEXAGONRPC_FD");
    if (!shared) {
        puts("no HEXAGONRPC_FD");
        return 1;
    }
    session = atoi(shared);
    setvbuf(stdout, NULL, _IOLBF, 0);

    static int32_t values[1000];
    for (int i = 0; i < 1000; i++)
        values[i] = i;
    uint32_t handle = open_module("calculator"), count = 1000;
    int64_t sum = 0;
    struct fastrpc_invoke_args args[3] = {
        buffer(&count, sizeof count),
        buffer(values, sizeof values),
        buffer(&sum, sizeof sum),
    };
    int result = call(handle, SUM, args, 2, 1);
    printf("sum = %d, %lld\n", result, (long long)sum);

    char text[256];
    uint32_t closing[2] = {handle, sizeof text}, closed[2] = {0, 0};
    struct fastrpc_invoke_args close_args[3] = {
        buffer(closing, sizeof closing),
        buffer(closed, sizeof(uint32_t)),
        buffer(text, sizeof text),
    };
    printf("close = %d\n", call(REMOTECTL, CLOSE, close_args, 1, 2));
    open_module("nowhere");
    puts("client done");
    return 0;
}
