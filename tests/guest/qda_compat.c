/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * qda_compat on the host, over a driver that is only written down here: its nodes are descriptors 100 (the numbered posting)
 * and 101 (the first). Each request that reaches the driver is kept, for the test to look at.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int fake_fstat(int fd, struct stat *stat)
{
    memset(stat, 0, sizeof *stat);
    if (fd == 100 || fd == 101) {
        stat->st_mode = S_IFCHR;
        stat->st_rdev = makedev(261, (unsigned)fd);
    }
    return 0;
}
#define fstat fake_fstat
#include "../../firmware/guest/libqda_compat/qda_compat.c"

static union {
    struct qda_invoke invoke;
    struct qda_create create;
    struct qda_map map;
    struct qda_unmap unmap;
    struct drm_close close;
} last;
static struct argument last_args[8];
static unsigned long last_request;
static int exports, closed[64], closed_count;

static int fake_ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *data = va_arg(list, void *);
    va_end(list);
    struct drm_prime *prime = data;
    last_request = request;
    switch (request) {
    case QDA_GEM_OFFSET: {
        struct qda_gem_offset *numbered = data;
        struct qda_older_gem *first = data;
        if (fd == 101 || numbered->pad) {
            errno = fd == 101 ? ENOENT : EINVAL;
            (void)first;
            return -1;
        }
        numbered->offset = 0x1000ull * numbered->handle;
        return 0;
    }
    case DRM_HANDLE_TO_FD:
        if (prime->handle > 50) {
            errno = ENOENT;
            return -1;
        }
        exports++;
        prime->fd = 200 + (int)prime->handle;
        return 0;
    case DRM_FD_TO_HANDLE:
        prime->handle = (uint32_t)prime->fd - 300;
        return 0;
    case QDA_INVOKE:
        last.invoke = *(struct qda_invoke *)data;
        for (unsigned i = 0; i < (last.invoke.scalars >> 16 & 0xff) + (last.invoke.scalars >> 8 & 0xff); i++)
            last_args[i] = ((struct argument *)(uintptr_t)last.invoke.args)[i];
        return 39;
    case QDA_CREATE:
        last.create = *(struct qda_create *)data;
        return 0;
    case QDA_MAP:
        ((struct qda_map *)data)->dsp_address = 0xabc000;
        last.map = *(struct qda_map *)data;
        return 0;
    case QDA_UNMAP:
        last.unmap = *(struct qda_unmap *)data;
        return 0;
    case DRM_CLOSE:
        return 0;
    default:
        errno = EINVAL;
        return -1;
    }
}

static int fake_close(int fd)
{
    closed[closed_count++] = fd;
    return 0;
}

/* As the library has it: 24 bytes by its number, 16 in fact. */
#define LIBRARY_INVOKE _IOWR('d', 0x47, struct argument)

int main(void)
{
    next_ioctl = fake_ioctl;
    next_close = fake_close;

    /* Handles become dma-bufs, each exported once; what is no handle stays; what the DSP answers comes back. */
    struct argument args[4] = {{1, 2, 7, 0}, {3, 4, -1, 5}, {6, 7, 0, 0}, {8, 9, 7, 0}};
    struct qda_invoke invoke = {3, 2u << 24 | 3u << 16 | 1u << 8, (uintptr_t)args};
    assert(ioctl(100, LIBRARY_INVOKE, &invoke) == 39 && last_request == QDA_INVOKE);
    assert(last_args[0].fd == 207 && last_args[1].fd == -1 && last_args[2].fd == 0 && last_args[3].fd == 207);
    assert(last_args[1].ptr == 3 && last_args[1].length == 4 && last_args[1].attr == 5);
    assert(exports == 1 && args[0].fd == 7 && invoke.args == (uintptr_t)args);

    /* The program's own number of a dma-buf goes before one of ours. */
    struct drm_prime import = {.fd = 308};
    assert(!ioctl(100, DRM_FD_TO_HANDLE, &import) && import.handle == 8);
    args[0].fd = 8;
    assert(ioctl(100, LIBRARY_INVOKE, &invoke) == 39 && last_args[0].fd == 308 && exports == 1);

    /* A handle that is none, and a call with DMA handles, reach nobody. */
    args[0].fd = 51;
    last_request = 0;
    assert(ioctl(100, LIBRARY_INVOKE, &invoke) == -1 && errno == ENOENT && last_request == DRM_HANDLE_TO_FD);
    invoke.scalars |= 1 << 4;
    last_request = 0;
    assert(ioctl(100, LIBRARY_INVOKE, &invoke) == -1 && errno == EINVAL && !last_request);

    /* CREATE, MAP, MUNMAP. */
    struct qda_create create = {.file_length = 10, .file_fd = 9};
    assert(!ioctl(100, QDA_CREATE, &create) && last.create.file_fd == 209 && last.create.file_length == 10);
    create.file_fd = -1;
    last_request = 0;
    assert(ioctl(100, QDA_CREATE, &create) == -1 && errno == EINVAL && !last_request);
    struct qda_map map = {.request = 2, .fd = 9, .size = 4096};
    assert(!ioctl(100, QDA_MAP, &map) && last.map.fd == 209 && map.dsp_address == 0xabc000 && map.fd == 9);
    struct qda_unmap unmap = {.request = 2, .fd = 9};
    assert(!ioctl(100, QDA_UNMAP, &unmap) && last.unmap.fd == 209);

    /* GEM_MMAP_OFFSET in the first posting's order. */
    struct qda_older_gem offset = {.handle = 5};
    assert(!ioctl(100, QDA_GEM_OFFSET, &offset) && offset.value == 0x5000 && offset.handle == 5);

    /* Attaching is refused as the kernel refuses it. */
    assert(ioctl(100, QDA_OLDER_ATTACH, NULL) == -1 && errno == EINVAL);

    /* What was exported here is closed with the object, the rest with the node; the program's own stays. */
    struct drm_close gem_close = {.handle = 7};
    assert(!ioctl(100, DRM_CLOSE, &gem_close) && closed_count == 1 && closed[0] == 207);
    assert(!close(100) && closed_count == 3);
    assert((closed[1] == 209 && closed[2] == 100));

    /* On a node of the first posting, and on anything else, nothing is changed. */
    args[0].fd = 7;
    invoke.scalars = 2u << 24 | 1u << 16;
    assert(ioctl(101, QDA_INVOKE, &invoke) == 39 && last_args[0].fd == 7);
    assert(ioctl(5, QDA_INVOKE, &invoke) == 39 && last_args[0].fd == 7);
    return 0;
}
