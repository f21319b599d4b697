/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Caches. Memory is coherent on this DSP; a program for hardware says what it wants all the same.
 */
#ifndef QURT_MEMORY_H
#define QURT_MEMORY_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    QURT_MEM_ICACHE,
    QURT_MEM_DCACHE,
} qurt_mem_cache_type_t;

typedef enum {
    QURT_MEM_CACHE_FLUSH,
    QURT_MEM_CACHE_INVALIDATE,
    QURT_MEM_CACHE_FLUSH_INVALIDATE,
    QURT_MEM_CACHE_FLUSH_ALL,
    QURT_MEM_CACHE_FLUSH_INVALIDATE_ALL,
    QURT_MEM_CACHE_TABLE_FLUSH_INVALIDATE,
    QURT_MEM_CACHE_FLUSH_INVALIDATE_L2,
} qurt_mem_cache_op_t;

int qurt_mem_cache_clean(qurt_addr_t at, qurt_size_t size, qurt_mem_cache_op_t operation, qurt_mem_cache_type_t type);
void qurt_mem_barrier(void);

#ifdef __cplusplus
}
#endif

#endif
