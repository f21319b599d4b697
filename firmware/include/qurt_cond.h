/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Condition variables.
 */
#ifndef QURT_COND_H
#define QURT_COND_H

#include "qurt_mutex.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t opaque[2];
} qurt_cond_t;

void qurt_cond_init(qurt_cond_t *condition);
void qurt_cond_wait(qurt_cond_t *condition, qurt_mutex_t *mutex);
void qurt_cond_wait2(qurt_cond_t *condition, qurt_rmutex2_t *mutex);
void qurt_cond_signal(qurt_cond_t *condition);
void qurt_cond_broadcast(qurt_cond_t *condition);
void qurt_cond_destroy(qurt_cond_t *condition);

#ifdef __cplusplus
}
#endif

#endif
