/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The C library's heap under other names.
 */
#ifndef QURT_ALLOC_H
#define QURT_ALLOC_H

#ifdef __cplusplus
extern "C" {
#endif

void *qurt_malloc(unsigned int size);
void *qurt_calloc(unsigned int size, unsigned int count);
void *qurt_realloc(void *at, int size);
void qurt_free(void *at);

#ifdef __cplusplus
}
#endif

#endif
