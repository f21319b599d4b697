/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What several threads of one process do together, and how long it takes in 19.2 MHz ticks.
 *
 *   2 start(u32 count) -> u32 ticks           in[0], out[0]: starts so many threads and joins each before the next
 *   3 pingpong(u32 rounds) -> u32 ticks       in[0], out[0]: two threads wake each other by futexes, so often
 *   4 matmul(u32 n, u32 threads) -> u32 sum, u32 ticks
 *                                             in[0], out[0]: the sum of the elements of an n * n product of words (n up to
 *                                             256), its rows shared out; the threads meet first, without `pause`
 *   5 count(u32 threads, u32 rounds) -> u32   in[0], out[0]: each thread adds 1 to the same word so often
 */
#include "HAP.h"
#include "qurt.h"
#include "skel.h"

enum { MOST = 16, STACK = 8192, N = 256 };

int qurt_futex_wait(void *at, int value);
int qurt_futex_wake(void *at, int count);

static char stacks[MOST][STACK] __attribute__((aligned(128)));

static int start_thread(qurt_thread_t *thread, unsigned number, void (*entry)(void *), void *argument)
{
    qurt_thread_attr_t a;
    qurt_thread_attr_init(&a);
    a.stack_addr = stacks[number];
    a.stack_size = STACK;
    a.priority = 100;
    return qurt_thread_create(thread, &a, entry, argument);
}

static uint32_t argument(const remote_arg *arg, unsigned n)
{
    return ((const uint32_t *)arg->buf.pv)[n];
}

static void nothing(void *unused)
{
    (void)unused;
    qurt_thread_exit(0);
}

static int start(void *context, remote_arg *args)
{
    (void)context;
    uint64_t begin = HAP_perf_get_qtimer_count();
    for (uint32_t n = argument(&args[0], 0); n; n--) {
        qurt_thread_t thread;
        int status;
        if (start_thread(&thread, 0, nothing, 0))
            return AEE_EFAILED;
        qurt_thread_join(thread, &status);
    }
    *(uint32_t *)args[1].buf.pv = (uint32_t)(HAP_perf_get_qtimer_count() - begin);
    return AEE_SUCCESS;
}

static struct {
    uint32_t turn, rounds;
} game;

static void play(uint32_t me)
{
    for (uint32_t n = game.rounds; n; n--) {
        uint32_t turn;
        while ((turn = __atomic_load_n(&game.turn, __ATOMIC_SEQ_CST)) != me)
            qurt_futex_wait(&game.turn, (int)turn);
        __atomic_store_n(&game.turn, !me, __ATOMIC_SEQ_CST);
        qurt_futex_wake(&game.turn, 1);
    }
}

static void other(void *unused)
{
    (void)unused;
    play(1);
    qurt_thread_exit(0);
}

static int pingpong(void *context, remote_arg *args)
{
    (void)context;
    qurt_thread_t thread;
    int status;
    game.turn = 0;
    game.rounds = argument(&args[0], 0);
    if (start_thread(&thread, 0, other, 0))
        return AEE_EFAILED;
    uint64_t begin = HAP_perf_get_qtimer_count();
    play(0);
    qurt_thread_join(thread, &status);
    *(uint32_t *)args[1].buf.pv = (uint32_t)(HAP_perf_get_qtimer_count() - begin);
    return AEE_SUCCESS;
}

static struct {
    int32_t a[N][N], b[N][N], c[N][N];
    uint32_t n, threads, absent;
} product;

static void meet(uint32_t *absent)
{
    __atomic_fetch_sub(absent, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(absent, __ATOMIC_SEQ_CST)) {
    }
}

static void rows(uint32_t me)
{
    uint32_t n = product.n;
    meet(&product.absent);
    for (uint32_t i = me; i < n; i += product.threads)
        for (uint32_t j = 0; j < n; j++) {
            int32_t sum = 0;
            for (uint32_t k = 0; k < n; k++)
                sum += product.a[i][k] * product.b[j][k];
            product.c[i][j] = sum;
        }
}

static void some_rows(void *me)
{
    rows((uint32_t)(uintptr_t)me);
    qurt_thread_exit(0);
}

static int matmul(void *context, remote_arg *args)
{
    (void)context;
    qurt_thread_t threads[MOST];
    int status;
    uint32_t n = argument(&args[0], 0), count = argument(&args[0], 1);
    if (n == 0 || n > N || count == 0 || count > MOST)
        return (int)AEE_EBADPARM;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) {
            product.a[i][j] = (int32_t)(i * 3 + j);
            product.b[i][j] = (int32_t)(i ^ (j * 5));
        }
    product.n = n;
    product.threads = product.absent = count;
    uint64_t begin = HAP_perf_get_qtimer_count();
    for (uint32_t t = 1; t < count; t++)
        if (start_thread(&threads[t], t, some_rows, (void *)(uintptr_t)t))
            return AEE_EFAILED;
    rows(0);
    for (uint32_t t = 1; t < count; t++)
        qurt_thread_join(threads[t], &status);
    uint32_t *out = args[1].buf.pv;
    out[1] = (uint32_t)(HAP_perf_get_qtimer_count() - begin);
    out[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            out[0] += (uint32_t)product.c[i][j];
    return AEE_SUCCESS;
}

static struct {
    uint32_t value, rounds;
} counter;

static void add(void *unused)
{
    (void)unused;
    for (uint32_t n = counter.rounds; n; n--)
        __atomic_fetch_add(&counter.value, 1, __ATOMIC_SEQ_CST);
    qurt_thread_exit(0);
}

static int count(void *context, remote_arg *args)
{
    (void)context;
    qurt_thread_t threads[MOST];
    int status;
    uint32_t n = argument(&args[0], 0);
    if (n > MOST)
        return (int)AEE_EBADPARM;
    counter.value = 0;
    counter.rounds = argument(&args[0], 1);
    for (uint32_t t = 0; t < n; t++)
        if (start_thread(&threads[t], t, add, 0))
            return AEE_EFAILED;
    for (uint32_t t = 0; t < n; t++)
        qurt_thread_join(threads[t], &status);
    *(uint32_t *)args[1].buf.pv = counter.value;
    return AEE_SUCCESS;
}

static const struct skel_method methods[] = {
    {2, SC(0, 1, 1, 0, 0), start, {4, 4}},
    {3, SC(0, 1, 1, 0, 0), pingpong, {4, 4}},
    {4, SC(0, 1, 1, 0, 0), matmul, {8, 8}},
    {5, SC(0, 1, 1, 0, 0), count, {8, 4}},
};
SKELETON(threads, methods)
