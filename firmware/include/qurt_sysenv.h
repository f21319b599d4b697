/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What the system is.
 */
#ifndef QURT_SYSENV_H
#define QURT_SYSENV_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qurt_sysenv_max_hthreads {
    unsigned short max_hthreads;
} qurt_sysenv_max_hthreads_t;

typedef struct qurt_sysenv_arch_version {
    unsigned int arch_version;
} qurt_arch_version_t;

#define QURT_MAX_NAME_LEN 64

typedef struct qurt_sysenv_procname {
    unsigned int asid; /* the process id on the host */
    char name[QURT_MAX_NAME_LEN];
} qurt_sysenv_procname_t;

typedef struct qurt_sysenv_app_heap {
    unsigned int heap_base;
    unsigned int heap_limit;
} qurt_sysenv_app_heap_t;

typedef struct qurt_sysenv_timer_hw {
    unsigned int base;
    unsigned int int_num;
} qurt_sysenv_hw_timer_t;

typedef struct qurt_sysenv_max_pi_prio {
    unsigned int max_pi_prio;
} qurt_sysenv_max_pi_prio_t;

typedef struct qurt_sysenv_swap_pools {
    unsigned int spoolsize;
    unsigned int spooladdr;
} qurt_sysenv_swap_pools_t;

/* Threads that the DSP runs at once. */
int qurt_sysenv_get_max_hw_threads(qurt_sysenv_max_hthreads_t *answer);
/* The lowest byte: 0x68 is V68. */
int qurt_sysenv_get_arch_version(qurt_arch_version_t *answer);
int qurt_sysenv_get_process_name(qurt_sysenv_procname_t *answer);
/* QURT_EVAL: there are none. */
int qurt_sysenv_get_app_heap(qurt_sysenv_app_heap_t *answer);
int qurt_sysenv_get_hw_timer(qurt_sysenv_hw_timer_t *answer);
int qurt_sysenv_get_max_pi_prio(qurt_sysenv_max_pi_prio_t *answer);
int qurt_sysenv_get_swap_spool0(qurt_sysenv_swap_pools_t *answer);
int qurt_sysenv_get_swap_spool1(qurt_sysenv_swap_pools_t *answer);

#ifdef __cplusplus
}
#endif

#endif
