/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Turns of threads. Priorities: 1 is worst, 254 best.
 */
#ifndef VHX_SCHED_H
#define VHX_SCHED_H

#ifdef __cplusplus
extern "C" {
#endif

#define SCHED_OTHER 0
#define SCHED_FIFO 1
#define SCHED_RR 2

struct sched_param {
    int sched_priority;
    int reserved[7];
};

int sched_yield(void);
int sched_get_priority_max(int policy);
int sched_get_priority_min(int policy);

#ifdef __cplusplus
}
#endif

#endif
