/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Services of the DSP's platform layer that our skeletons use: log messages, time, memory given by the host.
 */
#ifndef VHX_HAP_H
#define VHX_HAP_H

#include <stdint.h>

/* Levels of a log message. */
#define HAP_LEVEL_LOW    0
#define HAP_LEVEL_MEDIUM 1
#define HAP_LEVEL_HIGH   2
#define HAP_LEVEL_ERROR  3
#define HAP_LEVEL_FATAL  4

void HAP_debug_v2(int level, const char *file, int line, const char *form, ...) __attribute__((weak, format(printf, 4, 5)));

/* FARF(HIGH, "text %d", n): a message that ends up in the host's log. Where the platform has no log it costs a test. */
#define FARF(level, ...)                                                                                               \
    do {                                                                                                               \
        if (HAP_debug_v2)                                                                                              \
            HAP_debug_v2(HAP_LEVEL_##level, __FILE_NAME__, __LINE__, __VA_ARGS__);                                     \
    } while (0)

/* 19.2 MHz ticks since the DSP came up: the register pair that user code may read. */
static inline uint64_t HAP_perf_get_qtimer_count(void)
{
    uint64_t ticks;
    __asm__ volatile("%0 = c31:30" : "=r"(ticks));
    return ticks;
}

/* Processor cycles. */
static inline uint64_t HAP_perf_get_pcycles(void)
{
    uint64_t cycles;
    __asm__ volatile("%0 = c15:14" : "=r"(cycles));
    return cycles;
}

uint64_t HAP_perf_qtimer_count_to_us(uint64_t ticks);
int HAP_timer_sleep(uint64_t us);

/* Memory that the host registered by file descriptor; MAP_FAILED is (void *)-1. */
void *HAP_mmap(void *at, int length, int prot, int flags, int fd, long offset);
int HAP_munmap(void *at, int length);

#endif
