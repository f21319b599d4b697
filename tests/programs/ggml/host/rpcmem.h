/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Memory that a program on the host shares with a DSP. Names and values: inc/rpcmem.h of qualcomm/fastrpc.
 */
#ifndef VHX_HOST_RPCMEM_H
#define VHX_HOST_RPCMEM_H

#include <stddef.h>
#include <stdint.h>

#define RPCMEM_DEFAULT_FLAGS 1

enum rpc_heap_ids { RPCMEM_HEAP_ID_SYSTEM = 25 };

#ifdef __cplusplus
extern "C" {
#endif

void *rpcmem_alloc(int heap, uint32_t flags, int size);
void *rpcmem_alloc2(int heap, uint32_t flags, size_t size);
void rpcmem_free(void *at);
int rpcmem_to_fd(void *at);

#ifdef __cplusplus
}
#endif

#endif
