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

/* Threads that the DSP runs at once. */
int qurt_sysenv_get_max_hw_threads(qurt_sysenv_max_hthreads_t *answer);

#ifdef __cplusplus
}
#endif

#endif
