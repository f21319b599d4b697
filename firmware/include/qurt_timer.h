/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Time, and timers that set signals.
 */
#ifndef QURT_TIMER_H
#define QURT_TIMER_H

#include "qurt_signal.h"
#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned int qurt_timer_t;
/* Microseconds. */
typedef unsigned long long qurt_timer_duration_t;

typedef enum {
    QURT_TIMER_ONESHOT = 0,
    QURT_TIMER_PERIODIC = 1,
} qurt_timer_type_t;

typedef struct {
    uint64_t opaque[5];
} qurt_timer_attr_t;

void qurt_timer_attr_init(qurt_timer_attr_t *how);
void qurt_timer_attr_set_duration(qurt_timer_attr_t *how, qurt_timer_duration_t us);
void qurt_timer_attr_get_duration(qurt_timer_attr_t *how, qurt_timer_duration_t *us);
/* What qurt_timer_get_attr found. */
void qurt_timer_attr_get_remaining(qurt_timer_attr_t *how, qurt_timer_duration_t *us);
void qurt_timer_attr_set_type(qurt_timer_attr_t *how, qurt_timer_type_t type);
void qurt_timer_attr_get_type(qurt_timer_attr_t *how, qurt_timer_type_t *type);
void qurt_timer_attr_set_group(qurt_timer_attr_t *how, unsigned int group);
void qurt_timer_attr_get_group(qurt_timer_attr_t *how, unsigned int *group);

int qurt_timer_create(qurt_timer_t *timer, const qurt_timer_attr_t *how, const qurt_anysignal_t *signal,
                      unsigned int mask);
int qurt_timer_delete(qurt_timer_t timer);
int qurt_timer_stop(qurt_timer_t timer);
int qurt_timer_restart(qurt_timer_t timer, qurt_timer_duration_t us);
int qurt_timer_get_attr(qurt_timer_t timer, qurt_timer_attr_t *how);
int qurt_timer_group_enable(unsigned int group);
/* QURT_ENOTSUPPORTED */
int qurt_timer_group_disable(unsigned int group);

void qurt_sleep(unsigned long long us);
int qurt_timer_sleep(qurt_timer_duration_t us);

/* Ticks of 19.2 MHz. */
unsigned long long qurt_timer_get_ticks(void);
unsigned long long qurt_timer_timetick_to_us(unsigned long long ticks);
unsigned long long qurt_timer_timetick_from_us(unsigned long long us);
unsigned long long qurt_sysclock_get_hw_ticks(void);
unsigned int qurt_sysclock_get_hw_ticks_32(void);
/* Bits 16 to 31. */
unsigned short qurt_sysclock_get_hw_ticks_16(void);

#ifdef __cplusplus
}
#endif

#endif
