/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Barriers.
 */
#ifndef QURT_BARRIER_H
#define QURT_BARRIER_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t opaque[2];
} qurt_barrier_t;

int qurt_barrier_init(qurt_barrier_t *barrier, unsigned int threads);
int qurt_barrier_wait(qurt_barrier_t *barrier);
int qurt_barrier_destroy(qurt_barrier_t *barrier);

#ifdef __cplusplus
}
#endif

#endif
