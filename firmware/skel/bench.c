/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Calls that cost as little as possible, move as much as possible, or take as long as they are told.
 *
 *   2 null()
 *   3 echo(in bytes) -> bytes             in[0] {u32 inLen, u32 outLen}, in[1], out[0]: copies the shorter length
 *   4 spin(u32 iterations) -> u32         in[0], out[0] a value that depends on every iteration
 *   5 sleep(u32 milliseconds)             in[0]
 *   6 touch(in bytes) -> u32              in[0] {u32 length}, in[1], out[0] sum of the first word of every 4 KiB page
 *   7 say(u32 number)                     in[0]: one log message at each level, with the number
 *   8 ticks() -> u64, u64                 out[0]: 19.2 MHz ticks, processor cycles
 *   9 counter() -> u32                    out[0]: how often this handle called it
 *  10 sum(dma buffer) -> u32              in[0] {u32 length}, out[0] sum of that many bytes of the buffer in handles[0], from
 *                                         its offset on
 */
#include "HAP.h"
#include "qurt.h"
#include "skel.h"

static uint32_t word(const remote_arg *arg)
{
    return *(const uint32_t *)arg->buf.pv;
}

static int null(void *context, remote_arg *args)
{
    (void)context, (void)args;
    return AEE_SUCCESS;
}

static int echo(void *context, remote_arg *args)
{
    (void)context;
    uint32_t n = args[1].buf.nLen < args[2].buf.nLen ? args[1].buf.nLen : args[2].buf.nLen;
    memcpy(args[2].buf.pv, args[1].buf.pv, n);
    return AEE_SUCCESS;
}

static int spin(void *context, remote_arg *args)
{
    (void)context;
    uint32_t x = 1;
    for (uint32_t n = word(&args[0]); n; n--) {
        x = x * 1664525u + 1013904223u;
        __asm__ volatile("" : "+r"(x));
    }
    *(uint32_t *)args[1].buf.pv = x;
    return AEE_SUCCESS;
}

static int sleep(void *context, remote_arg *args)
{
    (void)context;
    return HAP_timer_sleep((uint64_t)word(&args[0]) * 1000);
}

static int touch(void *context, remote_arg *args)
{
    (void)context;
    uint32_t total = 0;
    for (uint32_t at = 0; at + 4 <= args[1].buf.nLen; at += 4096)
        total += *(const volatile uint32_t *)((const char *)args[1].buf.pv + at);
    *(uint32_t *)args[2].buf.pv = total;
    return AEE_SUCCESS;
}

static int say(void *context, remote_arg *args)
{
    (void)context;
    unsigned n = word(&args[0]);
    FARF(LOW, "low %u", n);
    FARF(MEDIUM, "medium %u", n);
    FARF(HIGH, "high %u", n);
    FARF(ERROR, "error %u", n);
    return AEE_SUCCESS;
}

static int ticks(void *context, remote_arg *args)
{
    (void)context;
    uint64_t now[2] = {HAP_perf_get_qtimer_count(), HAP_perf_get_pcycles()};
    memcpy(args[0].buf.pv, now, sizeof now);
    return AEE_SUCCESS;
}

static int counter(void *context, remote_arg *args)
{
    uint32_t *count = context;
    *(uint32_t *)args[0].buf.pv = ++*count;
    return AEE_SUCCESS;
}

static int sum(void *context, remote_arg *args)
{
    (void)context;
    uint32_t length = word(&args[0]), total = 0;
    const uint8_t *part = HAP_mmap(0, (int)length, 3, 0, args[2].dma.fd, (long)args[2].dma.offset);
    if (part == (void *)-1)
        return (int)AEE_EBADPARM;
    for (uint32_t i = 0; i < length; i++)
        total += part[i];
    *(uint32_t *)args[1].buf.pv = total;
    return HAP_munmap((void *)part, (int)length);
}

static const struct skel_method methods[] = {
    {2, SC(0, 0, 0, 0, 0), null, {0}},
    {3, SC(0, 2, 1, 0, 0), echo, {8, 0, 0}},
    {4, SC(0, 1, 1, 0, 0), spin, {4, 4}},
    {5, SC(0, 1, 0, 0, 0), sleep, {4}},
    {6, SC(0, 2, 1, 0, 0), touch, {4, 0, 4}},
    {7, SC(0, 1, 0, 0, 0), say, {4}},
    {8, SC(0, 0, 1, 0, 0), ticks, {16}},
    {9, SC(0, 0, 1, 0, 0), counter, {4}},
    {10, SC(0, 1, 1, 1, 0), sum, {4, 4}},
};
SKELETON(bench, methods)
