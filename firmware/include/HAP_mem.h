/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Memory that the host registered by file descriptor, and the heap.
 */
#ifndef HAP_MEM_H
#define HAP_MEM_H

#include "AEEStdDef.h"
#include "AEEStdErr.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HAP_PROT_READ  0x1
#define HAP_PROT_WRITE 0x2
#define HAP_PROT_EXEC  0x4
/* Cached how; or-ed to the protection. */
#define HAP_MEM_CACHE_WRITEBACK    0x10
#define HAP_MEM_CACHE_NON_SHARED   0x20
#define HAP_MEM_CACHE_WRITETHROUGH 0x40

#define HAP_MEM_FLAGS_SKIP_DSP_MAP 0
#define HAP_MEM_FLAGS_DSP_MAP      1
#define HAP_MEM_FLAGS_EXTENDED_MAP 2
#define HAP_MEM_FLAGS_MAX          (HAP_MEM_FLAGS_EXTENDED_MAP + 1)

/* Failure: (void *)-1. What was mapped is unmapped with the same address and length. */
void *HAP_mmap(void *at, int length, int prot, int flags, int fd, long offset);
void *HAP_mmap2(void *at, size_t length, int prot, int flags, int fd, long offset);
int HAP_munmap(void *at, int length);
int HAP_munmap2(void *at, size_t length);
/* Where a mapped descriptor is; each get wants a put. */
int HAP_mmap_get(int fd, void **at, uint64 *physical);
int HAP_mmap_put(int fd);

struct HAP_mem_stats {
    uint64 bytes_free;
    uint64 bytes_used;
    uint64 seg_free;
    uint64 seg_used;
    uint64 min_grow_bytes;
};

int HAP_mem_get_stats(struct HAP_mem_stats *stats);
int HAP_mem_set_grow_size(uint64 least, uint64 most);
/* Bytes of stack left to the calling thread. Newer headers of the vendor give 64 bits; programs count on these. */
int HAP_mem_available_stack(void);

/* The first two are refused with AEE_EUNSUPPORTED. */
typedef enum {
    HAP_MEM_LOG_BLOCKS = 1,
    HAP_MEM_SET_MARKER = 2,
    HAP_MEM_MAP = 3,
    HAP_MEM_UNMAP = 4,
    HAP_RESERVE_VA = 5,
    HAP_UNRESERVE_VA = 6,
} HAP_mem_req_t;

typedef enum { START = 0, END } marker_t;

typedef struct {
    marker_t marker_type;
    uint16_t instance;
} HAP_mem_marker_payload_t;

typedef struct {
    uint64_t addr;   /* reserved address, or 0 */
    uint64_t len;
    int prot;
    int flags;       /* 0 or HAP_MEM_FLAGS_EXTENDED_MAP */
    int fd;
    uint64_t dsp_pa; /* offset */
    uint64_t dsp_va; /* answer */
} HAP_mem_map_t;

typedef struct {
    uint64_t dsp_va;
    uint64_t len;
} HAP_mem_unmap_t, HAP_mem_unreserve_t;

typedef struct {
    uint64_t len;
    int prot;
    uint64_t dsp_va; /* answer */
} HAP_mem_reserve_t;

typedef struct {
    HAP_mem_req_t request_id;
    union {
        HAP_mem_marker_payload_t mem_marker_payload;
        HAP_mem_map_t mmap;
        HAP_mem_unmap_t munmap;
        HAP_mem_reserve_t reserve;
        HAP_mem_unreserve_t unreserve;
    };
} HAP_mem_req_payload_t;

/* The length of a buffer that the host registered. */
int adsp_mmap_fd_getinfo(int fd, uint32_t *length);

/* Memory that stays in the cache, and its address on the bus. NULL: there is no room. */
void *HAP_cache_lock(unsigned int size, void **physical);
int HAP_cache_unlock(void *at);
int HAP_query_avail_cachelock(void);
int HAP_query_total_cachelock(void);

/* Weak: older images have none. */
__attribute__((weak)) int HAP_mem_request(HAP_mem_req_payload_t *request);

#ifdef __cplusplus
}
#endif

#endif
