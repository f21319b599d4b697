/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Memory regions, mappings, caches. Structures are those of Qualcomm's open hexagon-hypervisor (libs/qurt), their enums a word
 * each. Physical addresses are device addresses; a process has its own memory and the buffers that it was sent.
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

typedef enum {
    QURT_MEM_MAPPING_VIRTUAL = 0,
    QURT_MEM_MAPPING_PHYS_CONTIGUOUS = 1, /* of a buffer that the process knows */
    QURT_MEM_MAPPING_IDEMPOTENT = 2,      /* refused */
    QURT_MEM_MAPPING_VIRTUAL_FIXED = 3,   /* at addresses that a region without memory reserved */
    QURT_MEM_MAPPING_NONE = 4,            /* addresses without memory */
    QURT_MEM_MAPPING_VIRTUAL_RANDOM = 7,
    QURT_MEM_MAPPING_INVALID = 10,
} qurt_mem_mapping_t;

typedef enum {
    QURT_MEM_CACHE_WRITEBACK_NONL2CACHEABLE = 0,
    QURT_MEM_CACHE_WRITETHROUGH_NONL2CACHEABLE = 1,
    QURT_MEM_CACHE_DEVICE = 4,
    QURT_MEM_CACHE_NONE = 4,
    QURT_MEM_CACHE_WRITETHROUGH = 5,
    QURT_MEM_CACHE_WRITETHROUGH_L2CACHEABLE = QURT_MEM_CACHE_WRITETHROUGH,
    QURT_MEM_CACHE_NONE_SHARED = 6,
    QURT_MEM_CACHE_WRITEBACK = 7,
    QURT_MEM_CACHE_WRITEBACK_L2CACHEABLE = QURT_MEM_CACHE_WRITEBACK,
    QURT_MEM_CACHE_INVALID = 10,
} qurt_mem_cache_mode_t;

typedef enum {
    QURT_PERM_READ = 0x1,
    QURT_PERM_WRITE = 0x2,
    QURT_PERM_EXECUTE = 0x4,
    QURT_PERM_FULL = QURT_PERM_READ | QURT_PERM_WRITE | QURT_PERM_EXECUTE,
} qurt_perm_t;

typedef enum {
    QURT_MEM_REGION_LOCAL = 0,
    QURT_MEM_REGION_SHARED = 1,
    QURT_MEM_REGION_USER_ACCESS = 2,
    QURT_MEM_REGION_FS = 4,
    QURT_MEM_REGION_INVALID = 10,
} qurt_mem_region_type_t;

typedef enum {
    HEXAGON_L1_I_CACHE = 0,
    HEXAGON_L1_D_CACHE = 1,
    HEXAGON_L2_CACHE = 2,
} qurt_cache_type_t;

typedef enum {
    FULL_SIZE = 0,
    HALF_SIZE = 1,
    THREE_QUARTER_SIZE = 2,
    SEVEN_EIGHTHS_SIZE = 3,
} qurt_cache_partition_size_t;

typedef unsigned int qurt_mem_region_t;
typedef unsigned int qurt_mem_pool_t;

/* Numbers of pages of 4 KiB. */
typedef struct {
    unsigned int ppn;
    unsigned int vpn;
    unsigned int size;
    unsigned int mapping_type; /* qurt_mem_mapping_t */
    unsigned int type;         /* qurt_mem_region_type_t */
    unsigned char perms;
    unsigned char cccc;
    unsigned char abits;
} qurt_mem_region_attr_t;

#define MAX_POOL_RANGES 4
#define MAX_POOL_NAME_LEN 24

typedef struct {
    char name[MAX_POOL_NAME_LEN];
    struct {
        unsigned int start;
        unsigned int size;
    } ranges[MAX_POOL_RANGES];
} qurt_mem_pool_attr_t;

#define QURT_MEM_INVALID (~0U)
#define QURT_POOL_REMOVE_ALL_OR_NONE 1

/* The one pool there is: what the driver gave to the process. Its name is DEFAULT_PHYSPOOL. */
extern qurt_mem_pool_t qurt_mem_default_pool;

int qurt_mem_region_create(qurt_mem_region_t *region, qurt_size_t size, qurt_mem_pool_t pool, qurt_mem_region_attr_t *how);
int qurt_mem_region_delete(qurt_mem_region_t region);
int qurt_mem_region_attr_get(qurt_mem_region_t region, qurt_mem_region_attr_t *how);
int qurt_mem_region_query(qurt_mem_region_t *region, qurt_addr_t at, qurt_paddr_t physical);
int qurt_mem_region_query_64(qurt_mem_region_t *region, qurt_addr_t at, qurt_paddr_64_t physical);
int qurt_mem_pool_attach(char *name, qurt_mem_pool_t *pool);
int qurt_mem_pool_attr_get(qurt_mem_pool_t pool, qurt_mem_pool_attr_t *how);
/* QURT_EPRIVILEGE */
int qurt_mem_pool_create(char *name, unsigned base, unsigned size, qurt_mem_pool_t *pool);
int qurt_mem_pool_add_pages(qurt_mem_pool_t pool, unsigned first, unsigned pages);
int qurt_mem_pool_remove_pages(qurt_mem_pool_t pool, unsigned first, unsigned pages, unsigned flags,
                               void (*done)(void *), void *argument);

int qurt_mapping_create(qurt_addr_t at, qurt_addr_t physical, qurt_size_t size, qurt_mem_cache_mode_t cache,
                        qurt_perm_t allowed);
int qurt_mapping_create_64(qurt_addr_t at, qurt_paddr_64_t physical, qurt_size_t size, qurt_mem_cache_mode_t cache,
                           qurt_perm_t allowed);
int qurt_mapping_remove(qurt_addr_t at, qurt_addr_t physical, qurt_size_t size);
int qurt_mapping_remove_64(qurt_addr_t at, qurt_paddr_64_t physical, qurt_size_t size);
/* QURT_EVAL: nothing is mapped statically. */
int qurt_mapping_reclaim(qurt_addr_t at, qurt_size_t size, qurt_mem_pool_t pool);
/* QURT_EMEM and -1: nothing is mapped statically. */
int qurt_mem_map_static_query(qurt_addr_t *at, qurt_addr_t physical, unsigned int size, qurt_mem_cache_mode_t cache,
                              qurt_perm_t allowed);
int qurt_mem_map_static_query_64(qurt_addr_t *at, qurt_paddr_64_t physical, unsigned int size,
                                 qurt_mem_cache_mode_t cache, qurt_perm_t allowed);
/* 0: nothing is there. */
qurt_paddr_t qurt_lookup_physaddr(qurt_addr_t at);
qurt_paddr_64_t qurt_lookup_physaddr_64(qurt_addr_t at);
qurt_paddr_64_t qurt_lookup_physaddr2(qurt_addr_t at, unsigned int process);

int qurt_mem_cache_clean(qurt_addr_t at, qurt_size_t size, qurt_mem_cache_op_t operation, qurt_mem_cache_type_t type);
int qurt_mem_cache_clean2(qurt_addr_t at, qurt_size_t size, qurt_mem_cache_op_t operation, qurt_mem_cache_type_t type);
void qurt_mem_barrier(void);
void qurt_mem_syncht(void);
/* Lines of 32 bytes. */
int qurt_mem_l2cache_line_lock(qurt_addr_t at, qurt_size_t size);
int qurt_mem_l2cache_line_unlock(qurt_addr_t at, qurt_size_t size);
/* QURT_EVAL */
int qurt_mem_configure_cache_partition(qurt_cache_type_t cache, qurt_cache_partition_size_t size);
void qurt_l2fetch_disable(void);

static inline void qurt_mem_region_attr_init(qurt_mem_region_attr_t *how)
{
    how->ppn = how->vpn = how->size = 0;
    how->mapping_type = QURT_MEM_MAPPING_VIRTUAL;
    how->type = QURT_MEM_REGION_LOCAL;
    how->perms = QURT_PERM_READ | QURT_PERM_WRITE;
    how->cccc = QURT_MEM_CACHE_WRITEBACK;
    how->abits = 0;
}

static inline void qurt_mem_region_attr_set_mapping(qurt_mem_region_attr_t *how, qurt_mem_mapping_t mapping)
{
    how->mapping_type = mapping;
}

static inline void qurt_mem_region_attr_get_mapping(qurt_mem_region_attr_t *how, qurt_mem_mapping_t *mapping)
{
    *mapping = (qurt_mem_mapping_t)how->mapping_type;
}

static inline void qurt_mem_region_attr_set_type(qurt_mem_region_attr_t *how, qurt_mem_region_type_t type)
{
    how->type = type;
}

static inline void qurt_mem_region_attr_get_type(qurt_mem_region_attr_t *how, qurt_mem_region_type_t *type)
{
    *type = (qurt_mem_region_type_t)how->type;
}

static inline void qurt_mem_region_attr_get_size(qurt_mem_region_attr_t *how, qurt_size_t *size)
{
    *size = how->size << 12;
}

static inline void qurt_mem_region_attr_set_physaddr(qurt_mem_region_attr_t *how, qurt_paddr_t physical)
{
    how->ppn = physical >> 12;
}

static inline void qurt_mem_region_attr_get_physaddr(qurt_mem_region_attr_t *how, unsigned int *physical)
{
    *physical = how->ppn << 12;
}

static inline void qurt_mem_region_attr_set_physaddr_64(qurt_mem_region_attr_t *how, qurt_paddr_64_t physical)
{
    how->ppn = (unsigned int)(physical >> 12);
}

static inline void qurt_mem_region_attr_get_physaddr_64(qurt_mem_region_attr_t *how, qurt_paddr_64_t *physical)
{
    *physical = (qurt_paddr_64_t)how->ppn << 12;
}

static inline void qurt_mem_region_attr_set_virtaddr(qurt_mem_region_attr_t *how, qurt_addr_t at)
{
    how->vpn = at >> 12;
}

static inline void qurt_mem_region_attr_get_virtaddr(qurt_mem_region_attr_t *how, unsigned int *at)
{
    *at = how->vpn << 12;
}

static inline void qurt_mem_region_attr_set_cache_mode(qurt_mem_region_attr_t *how, qurt_mem_cache_mode_t mode)
{
    how->cccc = (unsigned char)mode;
}

static inline void qurt_mem_region_attr_get_cache_mode(qurt_mem_region_attr_t *how, qurt_mem_cache_mode_t *mode)
{
    *mode = (qurt_mem_cache_mode_t)how->cccc;
}

static inline void qurt_mem_region_attr_set_bus_attr(qurt_mem_region_attr_t *how, unsigned bits)
{
    how->abits = (unsigned char)bits;
}

static inline void qurt_mem_region_attr_get_bus_attr(qurt_mem_region_attr_t *how, unsigned *bits)
{
    *bits = how->abits;
}

static inline void qurt_mem_region_attr_set_perms(qurt_mem_region_attr_t *how, unsigned allowed)
{
    how->perms = (unsigned char)allowed;
}

static inline void qurt_mem_region_attr_get_perms(qurt_mem_region_attr_t *how, unsigned *allowed)
{
    *allowed = how->perms;
}

static inline int qurt_mem_pool_attr_get_addr(qurt_mem_pool_attr_t *how, int range, qurt_addr_t *at)
{
    *at = range >= 0 && range < MAX_POOL_RANGES ? how->ranges[range].start << 12 : 0;
    return range >= 0 && range < MAX_POOL_RANGES ? QURT_EOK : QURT_EINVALID;
}

static inline int qurt_mem_pool_attr_get_size(qurt_mem_pool_attr_t *how, int range, qurt_size_t *size)
{
    *size = range >= 0 && range < MAX_POOL_RANGES ? how->ranges[range].size << 12 : 0;
    return range >= 0 && range < MAX_POOL_RANGES ? QURT_EOK : QURT_EINVALID;
}

#ifdef __cplusplus
}
#endif

#endif
