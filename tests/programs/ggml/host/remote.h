/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What ggml's host side uses of libcdsprpc. Names, values and layouts: inc/remote.h of qualcomm/fastrpc; those of
 * remote_system_request, which that library does not have, are of newer SDKs as public programs use them.
 */
#ifndef VHX_HOST_REMOTE_H
#define VHX_HOST_REMOTE_H

#include <stddef.h>
#include <stdint.h>

#define CDSP_DOMAIN_ID   3
#define CDSP_DOMAIN_NAME "cdsp"

typedef uint32_t remote_handle;
typedef uint64_t remote_handle64;

/* A DSP: its number, and what stands for it in a URI. */
typedef struct domain {
    int id;
    char uri[12];
} domain;

/* One argument: sixteen bytes. */
typedef union {
    struct {
        void *pv;
        size_t nLen;
    } buf;
    remote_handle64 h64;
    struct {
        int32_t fd;
        uint32_t offset;
    } dma;
} remote_arg;

#define SC(method, in, out, hin, hout) \
    ((uint32_t)(method) << 24 | (uint32_t)(in) << 16 | (uint32_t)(out) << 8 | (uint32_t)(hin) << 4 | (uint32_t)(hout))

/* remote_handle_control and remote_handle64_control */
enum handle_control_req_id { DSPRPC_CONTROL_LATENCY = 1, DSPRPC_GET_DSP_INFO = 2 };

struct remote_rpc_control_latency {
    uint32_t enable, latency;
};

enum remote_dsp_attributes { ARCH_VER = 6 };

struct remote_dsp_capability {
    uint32_t domain, attribute_ID, capability;
};

/* remote_session_control */
enum session_control_req_id {
    DSPRPC_CONTROL_UNSIGNED_MODULE = 2,
    FASTRPC_RESERVE_NEW_SESSION = 13,
    FASTRPC_GET_EFFECTIVE_DOMAIN_ID = 14,
    FASTRPC_GET_URI = 15,
};

struct remote_rpc_control_unsigned_module {
    int domain, enable;
};

struct remote_rpc_reserve_new_session {
    char *domain_name;
    uint32_t domain_name_len;
    char *session_name;
    uint32_t session_name_len;
    uint32_t effective_domain_id;
    uint32_t session_id;
};

struct remote_rpc_effective_domain_id {
    char *domain_name;
    uint32_t domain_name_len;
    uint32_t session_id;
    uint32_t effective_domain_id;
};

struct remote_rpc_get_uri {
    char *domain_name;
    uint32_t domain_name_len;
    uint32_t session_id;
    char *module_uri;
    uint32_t module_uri_len;
    char *uri;
    uint32_t uri_len;
};

enum fastrpc_map_flags {
    FASTRPC_MAP_STATIC = 0,
    FASTRPC_MAP_FD = 2,
    FASTRPC_MAP_FD_DELAYED = 3,
    FASTRPC_MAP_FD_DELAYED_EXTENDED = 18,
};

/* remote_system_request */
enum fastrpc_domain_type { FASTRPC_NSP = 3 };
enum { FASTRPC_GET_DOMAINS = 0 };
#define DOMAINS_LIST_FLAGS_SET_TYPE(flags, type) ((flags) | ((type) & 31))

typedef struct {
    int id;
    char name[30];
    enum fastrpc_domain_type type;
    int status;
    uint32_t card, soc_id, instance_id;
} fastrpc_domain;

typedef struct {
    int id;
    struct {
        fastrpc_domain *domains;
        int max_domains, num_domains;
        uint64_t flags;
    } sys;
} system_req_payload;

#ifdef __cplusplus
extern "C" {
#endif

int remote_handle64_open(const char *name, remote_handle64 *handle);
int remote_handle64_invoke(remote_handle64 handle, uint32_t sc, remote_arg *args);
int remote_handle64_close(remote_handle64 handle);
int remote_handle_control(uint32_t request, void *data, uint32_t length);
int remote_handle64_control(remote_handle64 handle, uint32_t request, void *data, uint32_t length);
int remote_session_control(uint32_t request, void *data, uint32_t length);
int remote_system_request(system_req_payload *request);
int fastrpc_mmap(int domain, int fd, void *at, int offset, size_t length, enum fastrpc_map_flags flags);
int fastrpc_munmap(int domain, int fd, void *at, size_t length);

#ifdef __cplusplus
}
#endif

#endif
