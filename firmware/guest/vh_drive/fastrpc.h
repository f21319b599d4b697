/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The requests of /dev/fastrpc-*, written down anew from their meaning: numbers and layouts are those of
 * include/uapi/misc/fastrpc.h in Linux 6.1 to 7.3 (6.1 lacks CREATE_STATIC, 6.12 SET_OPTION; the layouts never changed).
 * FREE_DMA_BUFF has a number, but no kernel serves it.
 */
#ifndef VH_FASTRPC_H
#define VH_FASTRPC_H

#include <stdint.h>
#include <sys/ioctl.h>

/* One argument of an invoke: in buffers first, then out buffers, in handles, out handles. */
struct fr_arg {
    uint64_t address; /* of a buffer; the offset of a handle */
    uint64_t length;
    int32_t fd; /* 0 or -1: the kernel copies */
    uint32_t attributes;
};
struct fr_invoke {
    uint32_t handle, scalars;
    uint64_t args;
};
struct fr_create {
    uint32_t file_length;
    int32_t file_fd;
    uint32_t attributes, signature_length;
    uint64_t file;
};
struct fr_create_static {
    uint32_t name_length, memory_length;
    uint64_t name;
};
struct fr_alloc {
    int32_t fd; /* out */
    uint32_t flags;
    uint64_t size;
};
struct fr_mmap {
    int32_t fd;
    uint32_t flags;
    uint64_t address, size;
    uint64_t dsp_address; /* out */
};
struct fr_munmap {
    uint64_t dsp_address, size;
};
struct fr_mem_map {
    int32_t version, fd, offset;
    uint32_t flags;
    uint64_t address, length;
    uint64_t dsp_address; /* out */
    int32_t attributes, reserved[4];
};
struct fr_mem_unmap {
    int32_t version, fd;
    uint64_t dsp_address, length;
    int32_t reserved[5];
};
struct fr_option {
    uint32_t request, value;
    int32_t reserved[6];
};
struct fr_capability {
    uint32_t unused, attribute;
    uint32_t value; /* out */
    uint32_t reserved[4];
};

#define FR_ALLOC _IOWR('R', 1, struct fr_alloc)
#define FR_FREE _IOWR('R', 2, uint32_t)
#define FR_INVOKE _IOWR('R', 3, struct fr_invoke)
#define FR_ATTACH _IO('R', 4)
#define FR_CREATE _IOWR('R', 5, struct fr_create)
#define FR_MMAP _IOWR('R', 6, struct fr_mmap)
#define FR_MUNMAP _IOWR('R', 7, struct fr_munmap)
#define FR_ATTACH_SENSORS _IO('R', 8)
#define FR_CREATE_STATIC _IOWR('R', 9, struct fr_create_static)
#define FR_MEM_MAP _IOWR('R', 10, struct fr_mem_map)
#define FR_MEM_UNMAP _IOWR('R', 11, struct fr_mem_unmap)
#define FR_OPTION _IOWR('R', 12, struct fr_option)
#define FR_CAPABILITY _IOWR('R', 13, struct fr_capability)

/* The numbers as the kernel's header makes them; a layout that differs would change them. */
_Static_assert(FR_ALLOC == 0xc0105201u && FR_FREE == 0xc0045202u && FR_INVOKE == 0xc0105203u, "requests");
_Static_assert(FR_ATTACH == 0x5204u && FR_CREATE == 0xc0185205u && FR_MMAP == 0xc0205206u, "requests");
_Static_assert(FR_MUNMAP == 0xc0105207u && FR_ATTACH_SENSORS == 0x5208u, "requests");
_Static_assert(FR_CREATE_STATIC == 0xc0105209u && FR_MEM_MAP == 0xc040520au, "requests");
_Static_assert(FR_MEM_UNMAP == 0xc030520bu && FR_OPTION == 0xc020520cu && FR_CAPABILITY == 0xc01c520du, "requests");

/* Attribute bit of CREATE: a process that needs no signature. */
#define FR_UNSIGNED 8
/* Flags of MMAP that every kernel takes: pages for the process's heap. */
#define FR_ADD_PAGES 0x1000

/* Counts of the scalars word: method, in buffers, out buffers, in handles, out handles. */
#define FR_SCALARS(method, in, out, hin, hout)                                                                         \
    ((uint32_t)(method) << 24 | (uint32_t)(in) << 16 | (uint32_t)(out) << 8 | (uint32_t)(hin) << 4 | (uint32_t)(hout))

/* Handles that need no opening. */
enum { FR_PROCESS_CONTROL = 1, FR_CURRENT_PROCESS = 4, FR_LISTENER = 7, FR_REMOTECTL = 8 };

#endif
