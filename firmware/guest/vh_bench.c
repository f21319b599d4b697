/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-bench: round trips from a program in the guest to a skeleton on the DSP and back.
 *
 *   vh-bench [--null N] [--echo N]
 *
 * N calls of a method without arguments, then N calls with 1 MiB in and 1 MiB out in shared memory; the output of
 * every echo is checked. One line each: bench name calls per_second median_us p99_us.
 */
#include <string.h>
#include <time.h>

#include "cdsprpc.h"

#define MIB (1u << 20)

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, double *us, long n, double total)
{
    qsort(us, n, sizeof *us, by_value);
    printf("bench %s %ld %.1f %.1f %.1f\n", name, n, n / (total / 1e6), us[n / 2], us[n - 1 - n / 100]);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    long nulls = 2000, echoes = 100;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--null"))
            nulls = atol(argv[i + 1]);
        else if (!strcmp(argv[i], "--echo"))
            echoes = atol(argv[i + 1]);
    }
    rpc_load();
    uint64_t handle;
    int e = rpc_unsigned();
    if (!e)
        e = rpc_open("bench", "", &handle);
    if (e) {
        printf("open = 0x%x\n", e);
        return 3;
    }
    long most = nulls > echoes ? nulls : echoes;
    double *us = calloc(most + 1, sizeof *us);
    if (nulls > 0) {
        for (int warm = 0; warm < 20 && !e; warm++)
            e = rpc.invoke(handle, SC(2, 0, 0), NULL);
        double start = now_us();
        for (long i = 0; i < nulls && !e; i++) {
            double t = now_us();
            e = rpc.invoke(handle, SC(2, 0, 0), NULL);
            us[i] = now_us() - t;
        }
        if (e) {
            printf("null = 0x%x\n", e);
            return 4;
        }
        report("null", us, nulls, now_us() - start);
    }
    if (echoes > 0) {
        uint8_t *in = rpc_memory(MIB), *out = rpc_memory(MIB);
        uint32_t lengths[2] = {MIB, MIB};
        double total = 0;
        for (long i = 0; i < echoes; i++) {
            memset(in, (int)i + 1, MIB);
            memset(out, 0, MIB);
            remote_arg args[3] = {rpc_buffer(lengths, 8), rpc_buffer(in, MIB), rpc_buffer(out, MIB)};
            double t = now_us();
            e = rpc.invoke(handle, SC(3, 2, 1), args);
            us[i] = now_us() - t;
            total += us[i];
            if (e || memcmp(in, out, MIB)) {
                printf("echo = 0x%x, %s\n", e, e ? "error" : "wrong data");
                return 4;
            }
        }
        report("echo-1MiB", us, echoes, total);
        rpc.free(in);
        rpc.free(out);
    }
    return rpc.close(handle) ? 5 : 0;
}
