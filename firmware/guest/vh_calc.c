/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-calc: sum and maximum of 0..n-1 computed on the DSP through the unmodified library.
 *
 *   vh-calc [--count N] [--repeat R] [--procs P] [--hold MS] [--quiet]
 *
 * Each of P processes opens the calculator skeleton once and calls both methods R times (default 1), checks every
 * result and prints the last ones; --hold keeps the session open for a while before it is closed. Exit code 0 when all
 * results were right.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cdsprpc.h"

static long count = 1000, repeat = 1, procs = 1, hold;
static int quiet;

/* Seconds since the guest's kernel started. */
static double uptime(void)
{
    double up = 0;
    FILE *f = fopen("/proc/uptime", "r");
    if (f) {
        if (fscanf(f, "%lf", &up) != 1)
            up = 0;
        fclose(f);
    }
    return up;
}

static int one(void)
{
    rpc_load();
    int e = rpc_unsigned();
    if (e) {
        printf("unsigned process refused: 0x%x\n", e);
        return 2;
    }
    int32_t *v = rpc_memory(count * sizeof *v);
    for (long i = 0; i < count; i++)
        v[i] = (int32_t)i;
    uint64_t handle;
    /* The example's skeleton refuses callers that do not name the version of its interface. */
    e = rpc_open("calculator", "&_idlver=1.2.3", &handle);
    if (e) {
        printf("open failed: 0x%x\n", e);
        return 3;
    }
    int64_t sum = -1, right = (int64_t)count * (count - 1) / 2;
    int32_t max = -1;
    for (long r = 0; r < repeat; r++) {
        uint32_t n = (uint32_t)count;
        sum = -1, max = -1;
        remote_arg s[3] = {rpc_buffer(&n, 4), rpc_buffer(v, count * 4), rpc_buffer(&sum, 8)};
        e = rpc.invoke(handle, SC(2, 2, 1), s);
        if (e || sum != right) {
            printf("sum failed: 0x%x, %" PRId64 " in round %ld\n", e, sum, r);
            return 4;
        }
        if (!r && !quiet)
            printf("first result at %.2f\n", uptime());
        remote_arg m[3] = {rpc_buffer(&n, 4), rpc_buffer(v, count * 4), rpc_buffer(&max, 4)};
        e = rpc.invoke(handle, SC(3, 2, 1), m);
        if (e || max != count - 1) {
            printf("max failed: 0x%x, %d in round %ld\n", e, max, r);
            return 4;
        }
    }
    printf("Sum = %" PRId64 "\n", sum);
    printf("Max value = %d\n", max);
    usleep((useconds_t)hold * 1000);
    e = rpc.close(handle);
    if (e) {
        printf("close failed: 0x%x\n", e);
        return 5;
    }
    rpc.free(v);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "1";
        if (!strcmp(argv[i], "--quiet"))
            quiet = 1;
        else if (!strcmp(argv[i], "--count"))
            count = atol(value), i++;
        else if (!strcmp(argv[i], "--repeat"))
            repeat = atol(value), i++;
        else if (!strcmp(argv[i], "--procs"))
            procs = atol(value), i++;
        else if (!strcmp(argv[i], "--hold"))
            hold = atol(value), i++;
        else {
            fprintf(stderr, "vh-calc: unknown option %s\n", argv[i]);
            return 64;
        }
    }
    if (procs <= 1)
        return one();
    for (long p = 0; p < procs; p++)
        if (!fork())
            exit(one());
    int worst = 0, status;
    while (wait(&status) > 0)
        if (status)
            worst = WIFEXITED(status) ? WEXITSTATUS(status) : 99;
    printf("procs %ld %s\n", procs, worst ? "failed" : "ok");
    return worst;
}
