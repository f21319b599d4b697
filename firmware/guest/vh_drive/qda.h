/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The requests of the QDA accel driver's nodes (/dev/accel/accel*), as its first numbered posting has them, written down
 * anew from their meaning. No kernel carries the driver yet, and every posting so far changed something: in the one before
 * (called older here) an argument's fd is a GEM handle instead of a DMA-BUF descriptor, the fields of GEM_CREATE and
 * GEM_MMAP_OFFSET have another order, and number 3 attaches.
 */
#ifndef VH_QDA_H
#define VH_QDA_H

#include "drive.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* Accelerators have a major number of their own (admin-guide/devices.txt). */
enum { QDA_ACCEL_MAJOR = 261 };

struct qda_query {
    uint8_t name[16]; /* out: the DSP's label */
};
struct qda_gem_create {
    uint64_t size;
    uint32_t handle; /* out */
    uint32_t pad;
};
struct qda_gem_offset {
    uint64_t offset; /* out: for mmap */
    uint32_t handle, pad;
};
/* The older order of both. */
struct qda_older_gem {
    uint32_t handle, pad;
    uint64_t value;
};
/* What a map request stands for: methods 4 and 5 of process control, or 10 and 11. */
enum { QDA_PAGES = 1, QDA_BUFFER = 2 };
struct qda_create {
    uint32_t file_length;
    int32_t file_fd;
    uint32_t attributes, signature_length;
    uint64_t file;
};
struct qda_map {
    uint32_t request; /* QDA_PAGES or QDA_BUFFER */
    uint32_t flags;
    int32_t fd;
    uint32_t attributes, offset, pad;
    uint64_t address, size;
    uint64_t dsp_address; /* out */
};
struct qda_unmap {
    uint32_t request;
    int32_t fd;
    uint64_t address, dsp_address, size;
};
struct qda_invoke {
    uint32_t handle, scalars;
    uint64_t args; /* as struct fr_arg */
};

/* DRM's requests, for buffers that are passed between devices. */
struct drm_prime {
    uint32_t handle, flags;
    int32_t fd;
};
struct drm_close {
    uint32_t handle, pad;
};

#define QDA_QUERY _IOR('d', 0x40, struct qda_query)
#define QDA_GEM_CREATE _IOWR('d', 0x41, struct qda_gem_create)
#define QDA_GEM_OFFSET _IOWR('d', 0x42, struct qda_gem_offset)
#define QDA_OLDER_ATTACH _IO('d', 0x43)
#define QDA_CREATE _IOWR('d', 0x44, struct qda_create)
#define QDA_MAP _IOWR('d', 0x45, struct qda_map)
#define QDA_UNMAP _IOWR('d', 0x46, struct qda_unmap)
#define QDA_INVOKE _IOWR('d', 0x47, struct qda_invoke)
#define DRM_CLOSE _IOW('d', 0x09, struct drm_close)
#define DRM_HANDLE_TO_FD _IOWR('d', 0x2d, struct drm_prime)
#define DRM_FD_TO_HANDLE _IOWR('d', 0x2e, struct drm_prime)

_Static_assert(QDA_QUERY == 0x80106440u && QDA_GEM_CREATE == 0xc0106441u, "requests");
_Static_assert(QDA_GEM_OFFSET == 0xc0106442u && QDA_OLDER_ATTACH == 0x6443u, "requests");
_Static_assert(QDA_CREATE == 0xc0186444u && QDA_MAP == 0xc0306445u, "requests");
_Static_assert(QDA_UNMAP == 0xc0206446u && QDA_INVOKE == 0xc0106447u, "requests");
_Static_assert(sizeof(struct qda_older_gem) == sizeof(struct qda_gem_create), "both orders have one size");

/* The postings differ in where GEM_MMAP_OFFSET has its handle and its padding. A structure with handle 0 and a one that is
 * the padding to the newer (which refuses it) and room for the result to the older (which finds no such handle) tells them
 * apart; it makes nothing, and no message goes to the DSP. */
#define QDA_PROBE ((struct qda_gem_offset){.pad = 1})

/* Which it is by what the node said to the probe; 0 if neither. */
static inline int qda_posting_by(int64_t status)
{
    return status == -EINVAL ? QDA_NEWER : status == -ENOENT ? QDA_OLDER : 0;
}

/* REMOTE_MAP as a command's options say. */
struct qda_map qda_map_of(struct call *call, uint32_t request);

/* What node.c and memory.c make of them. The call is for `place=`, NULL outside of a command. */
int64_t qda_node_open(const char *label);
int64_t qda_gem_new(struct call *call, int fd, int64_t posting, uint64_t size, uint32_t *handle);
int64_t qda_gem_drop(int fd, uint32_t handle);
int64_t qda_gem_fd(int fd, uint32_t handle, int *dmabuf);
int64_t qda_memory_add(struct call *call, int fd, struct qda_map *map);
int64_t qda_memory_remove(struct call *call, int fd, uint64_t dsp_address, uint64_t size);

#endif
