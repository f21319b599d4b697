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
} qurt_mutex_t, qurt_rmutex2_t, qurt_pimutex2_t;

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
int qurt_rmutex_try_lock_block_once(qurt_mutex_t *mutex);

/* The same with another type. */
void qurt_rmutex2_init(qurt_rmutex2_t *mutex);
void qurt_rmutex2_lock(qurt_rmutex2_t *mutex);
int qurt_rmutex2_try_lock(qurt_rmutex2_t *mutex);
void qurt_rmutex2_unlock(qurt_rmutex2_t *mutex);
void qurt_rmutex2_destroy(qurt_rmutex2_t *mutex);

/* Those whose owner has the priority of the best thread that waits; one thread may lock them several times. */
void qurt_pimutex_init(qurt_mutex_t *mutex);
void qurt_pimutex_lock(qurt_mutex_t *mutex);
int qurt_pimutex_try_lock(qurt_mutex_t *mutex);
void qurt_pimutex_unlock(qurt_mutex_t *mutex);
void qurt_pimutex_destroy(qurt_mutex_t *mutex);

void qurt_pimutex2_init(qurt_pimutex2_t *mutex);
void qurt_pimutex2_lock(qurt_pimutex2_t *mutex);
int qurt_pimutex2_try_lock(qurt_pimutex2_t *mutex);
void qurt_pimutex2_unlock(qurt_pimutex2_t *mutex);
void qurt_pimutex2_destroy(qurt_pimutex2_t *mutex);

/* QURT_ETIMEDOUT after so many microseconds. */
int qurt_mutex_lock_timed(qurt_mutex_t *mutex, unsigned long long int us);
int qurt_rmutex_lock_timed(qurt_mutex_t *mutex, unsigned long long int us);
int qurt_pimutex_lock_timed(qurt_mutex_t *mutex, unsigned long long int us);

#ifdef __cplusplus
}
#endif

#endif
