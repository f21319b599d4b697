/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Semaphores.
 */
#ifndef QURT_SEM_H
#define QURT_SEM_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t opaque[2];
} qurt_sem_t;

void qurt_sem_init(qurt_sem_t *semaphore);
void qurt_sem_init_val(qurt_sem_t *semaphore, unsigned short units);
int qurt_sem_down(qurt_sem_t *semaphore);
int qurt_sem_try_down(qurt_sem_t *semaphore);
int qurt_sem_up(qurt_sem_t *semaphore);
int qurt_sem_add(qurt_sem_t *semaphore, unsigned int units);
unsigned short qurt_sem_get_val(qurt_sem_t *semaphore);
/* QURT_ETIMEDOUT after so many microseconds. */
int qurt_sem_down_timed(qurt_sem_t *semaphore, unsigned long long int us);
int qurt_sem_down_cancellable(qurt_sem_t *semaphore);
void qurt_sem_destroy(qurt_sem_t *semaphore);

#ifdef __cplusplus
}
#endif

#endif
