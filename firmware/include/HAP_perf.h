/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Clocks.
 */
#ifndef HAP_PERF_H
#define HAP_PERF_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* Microseconds since the DSP came up. */
uint64_t HAP_perf_get_time_us(void);
uint64_t HAP_perf_qtimer_count_to_us(uint64_t ticks);
int HAP_timer_sleep(uint64_t us);

#ifdef __cplusplus
}
#endif

#endif
