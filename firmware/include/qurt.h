/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Threads and synchronisation of the DSP's operating system, as far as our skeletons use them. Objects are opaque
 * blocks; an all-zero one counts as initialised.
 */
#ifndef VHX_QURT_H
#define VHX_QURT_H

#include <stdint.h>

typedef uint32_t qurt_thread_t;

/* 36 bytes; the caller supplies the stack. Priority 1 is the highest, 254 the lowest. */
typedef struct {
    char name[16];
    uint8_t tcb_partition;
    uint8_t stid;
    uint16_t priority;
    uint8_t flags;
    uint8_t bus_priority;
    uint16_t timetest_id;
    uint32_t stack_size;
    void *stack_addr;
    uint16_t detach_state;
    uint16_t reserved;
} qurt_thread_attr_t;

_Static_assert(sizeof(qurt_thread_attr_t) == 36, "the layout is fixed");

typedef struct {
    uint64_t opaque[2];
} qurt_mutex_t, qurt_signal_t, qurt_barrier_t;

int qurt_thread_create(qurt_thread_t *thread, qurt_thread_attr_t *attributes, void (*entry)(void *), void *argument);
void qurt_thread_exit(int status) __attribute__((noreturn));
int qurt_thread_join(qurt_thread_t thread, int *status);
qurt_thread_t qurt_thread_get_id(void);

void qurt_mutex_init(qurt_mutex_t *mutex);
void qurt_mutex_lock(qurt_mutex_t *mutex);
void qurt_mutex_unlock(qurt_mutex_t *mutex);
void qurt_mutex_destroy(qurt_mutex_t *mutex);

void qurt_sleep(uint64_t us);

static inline void qurt_thread_attr_init(qurt_thread_attr_t *a)
{
    *a = (qurt_thread_attr_t){.priority = 254, .bus_priority = 0xff, .timetest_id = 0xfffe};
}

#endif
