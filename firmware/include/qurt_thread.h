/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Threads. The caller supplies the stack.
 */
#ifndef QURT_THREAD_H
#define QURT_THREAD_H

#include "qurt_types.h"
#include "static_assert.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t qurt_thread_t;

typedef enum {
    CCCC_PARTITION = 0,
    MAIN_PARTITION = 1,
    AUX_PARTITION = 2,
    MINIMUM_PARTITION = 3,
} qurt_cache_partition_t;

/* detach_state: what can be joined until it ends, what keeps its status until it is joined, what is never joined. */
#define QURT_THREAD_ATTR_CREATE_LEGACY 0
#define QURT_THREAD_ATTR_CREATE_JOINABLE 1
#define QURT_THREAD_ATTR_CREATE_DETACHED 2

/* Priorities: 1 is the highest, 254 the lowest. */

/* 36 bytes. */
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

VHX_STATIC_ASSERT(sizeof(qurt_thread_attr_t) == 36, "the layout is fixed");

int qurt_thread_create(qurt_thread_t *thread, qurt_thread_attr_t *attributes, void (*entry)(void *), void *argument);
void qurt_thread_exit(int status) __attribute__((noreturn));
int qurt_thread_join(qurt_thread_t thread, int *status);
int qurt_thread_detach(qurt_thread_t thread);
qurt_thread_t qurt_thread_get_id(void);
void qurt_thread_get_name(char *name, unsigned char most);
int qurt_thread_get_priority(qurt_thread_t thread);
int qurt_thread_set_priority(qurt_thread_t thread, unsigned short priority);
void qurt_thread_stop(void) __attribute__((noreturn));
/* -1: none is suspended. */
int qurt_thread_resume(unsigned int thread);
/* A number for tools. */
unsigned short qurt_thread_get_timetest_id(void);
void qurt_thread_set_timetest_id(unsigned short id);
qurt_cache_partition_t qurt_thread_get_l2cache_partition(void);
/* Without effect. */
void qurt_thread_set_cache_partition(qurt_cache_partition_t l1_instructions, qurt_cache_partition_t l1_data,
                                     qurt_cache_partition_t l2);
unsigned int qurt_api_version(void);

static inline void qurt_thread_attr_init(qurt_thread_attr_t *a)
{
    __builtin_memset(a, 0, sizeof *a);
    a->priority = 254;
    a->bus_priority = 0xff;
    a->timetest_id = 0xfffe;
}

static inline void qurt_thread_attr_set_name(qurt_thread_attr_t *a, const char *name)
{
    unsigned i = 0;
    for (; i < sizeof a->name - 1 && name[i]; i++)
        a->name[i] = name[i];
    a->name[i] = 0;
}

static inline void qurt_thread_attr_set_priority(qurt_thread_attr_t *a, unsigned short priority)
{
    a->priority = priority;
}

static inline void qurt_thread_attr_set_stack_size(qurt_thread_attr_t *a, unsigned int size)
{
    a->stack_size = size;
}

static inline void qurt_thread_attr_set_stack_addr(qurt_thread_attr_t *a, void *at)
{
    a->stack_addr = at;
}

static inline void qurt_thread_attr_set_timetest_id(qurt_thread_attr_t *a, unsigned short id)
{
    a->timetest_id = id;
}

static inline void qurt_thread_attr_set_detachstate(qurt_thread_attr_t *a, unsigned short state)
{
    a->detach_state = state;
}

#ifdef __cplusplus
}
#endif

#endif
