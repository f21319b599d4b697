/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Semaphores.
 */
#ifndef VHX_SEMAPHORE_H
#define VHX_SEMAPHORE_H

#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    unsigned reserved[4];
} sem_t;

#define SEM_VALUE_MAX 0x7fffffff

int sem_init(sem_t *, int shared, unsigned units);
int sem_destroy(sem_t *);
int sem_wait(sem_t *);
int sem_trywait(sem_t *);
int sem_timedwait(sem_t *, const struct timespec *until);
int sem_post(sem_t *);
int sem_getvalue(sem_t *, int *);

#ifdef __cplusplus
}
#endif

#endif
