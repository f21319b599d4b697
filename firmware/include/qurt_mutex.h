/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Mutexes. Objects are opaque; an all-zero one counts as initialised.
 */
#ifndef QURT_MUTEX_H
#define QURT_MUTEX_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t opaque[2];
} qurt_mutex_t;

void qurt_mutex_init(qurt_mutex_t *mutex);
void qurt_mutex_lock(qurt_mutex_t *mutex);
int qurt_mutex_try_lock(qurt_mutex_t *mutex);
void qurt_mutex_unlock(qurt_mutex_t *mutex);
void qurt_mutex_destroy(qurt_mutex_t *mutex);

/* Those that one thread may lock several times. */
void qurt_rmutex_init(qurt_mutex_t *mutex);
void qurt_rmutex_lock(qurt_mutex_t *mutex);
int qurt_rmutex_try_lock(qurt_mutex_t *mutex);
void qurt_rmutex_unlock(qurt_mutex_t *mutex);
void qurt_rmutex_destroy(qurt_mutex_t *mutex);

#ifdef __cplusplus
}
#endif

#endif
