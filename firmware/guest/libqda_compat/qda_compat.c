/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Lets a libcdsprpc that was built for QDA's first posting run on a kernel with the numbered one, for tests:
 *
 *     LD_PRELOAD=/vh/lib/libqda_compat.so PROGRAM
 *
 * Both have the same requests. What differs between them, and is changed here on the way to the kernel:
 *
 *   an argument's descriptor, and those of CREATE, MAP and MUNMAP, are GEM handles in the first posting and dma-bufs in the
 *   numbered one; GEM_MMAP_OFFSET has its fields in another order; INVOKE's structure is shorter than that library says.
 *
 * What the numbered posting does not have is refused as by the kernel, and said once: INIT_ATTACH. Nothing is changed on nodes of
 * the first posting, or of another driver.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../vh_drive/qda.h"

enum {
    /* Numbers of DRM's requests and of the driver's, which begin at 0x40. */
    NR_GEM_CLOSE = 0x09,
    NR_EXPORT = 0x2d,
    NR_IMPORT = 0x2e,
    NR_GEM_OFFSET = 0x42,
    NR_ATTACH = 0x43,
    NR_CREATE = 0x44,
    NR_MAP = 0x45,
    NR_UNMAP = 0x46,
    NR_INVOKE = 0x47,
};

/* An argument of INVOKE, the same in both. */
struct argument {
    uint64_t ptr, length;
    int32_t fd;
    uint32_t attr;
};

/* What a descriptor is, if it is no node of a posting (QDA_OLDER, QDA_NEWER). */
enum { UNKNOWN = 0, OTHER = -1 };

/* The dma-buf of an object of a node. */
struct object {
    int node;
    uint32_t handle;
    int dmabuf;
    bool ours; /* exported here, so closed here */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int *nodes;
static size_t node_count;
static struct object *objects;
static size_t object_count, object_room;

static int (*next_ioctl)(int, unsigned long, ...);
static int (*next_close)(int);

__attribute__((constructor)) static void find_next(void)
{
    *(void **)&next_ioctl = dlsym(RTLD_NEXT, "ioctl");
    *(void **)&next_close = dlsym(RTLD_NEXT, "close");
}

static void say_once(atomic_flag *said, const char *text)
{
    if (!atomic_flag_test_and_set(said))
        fprintf(stderr, "qda_compat: %s\n", text);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static int look(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) || !S_ISCHR(stat.st_mode) || major(stat.st_rdev) != QDA_ACCEL_MAJOR)
        return OTHER;
    struct qda_gem_offset probe = QDA_PROBE;
    int posting = qda_posting_by(next_ioctl(fd, QDA_GEM_OFFSET, &probe) ? -errno : 0);
    return posting ? posting : OTHER;
}

/* With the lock held. */
static int node_of(int fd)
{
    if (fd < 0)
        return OTHER;
    if ((size_t)fd >= node_count) {
        size_t room = (size_t)fd + 64;
        int *more = realloc(nodes, room * sizeof *nodes);
        if (!more)
            return OTHER;
        for (size_t i = node_count; i < room; i++)
            more[i] = UNKNOWN;
        nodes = more;
        node_count = room;
    }
    if (nodes[fd] == UNKNOWN)
        nodes[fd] = look(fd);
    return nodes[fd];
}

/* ---- objects ------------------------------------------------------------------------------------------------------- */

static struct object *find(int node, uint32_t handle)
{
    for (size_t i = 0; i < object_count; i++)
        if (objects[i].node == node && objects[i].handle == handle)
            return &objects[i];
    return NULL;
}

static void forget(size_t index)
{
    if (objects[index].ours)
        next_close(objects[index].dmabuf);
    objects[index] = objects[--object_count];
}

/* What the program itself exported or imported is known by its own descriptor: the number that its skeletons hear of. */
static bool remember(int node, uint32_t handle, int dmabuf, bool ours)
{
    struct object *known = find(node, handle);
    if (known) {
        if (known->ours)
            next_close(known->dmabuf);
        known->dmabuf = dmabuf;
        known->ours = ours;
        return true;
    }
    if (object_count == object_room) {
        size_t room = object_room ? 2 * object_room : 64;
        struct object *more = realloc(objects, room * sizeof *objects);
        if (!more)
            return false;
        objects = more;
        object_room = room;
    }
    objects[object_count++] = (struct object){node, handle, dmabuf, ours};
    return true;
}

/* The dma-buf of an object; what is not positive is no handle and stays. False: there is none, errno says why. */
static bool to_dmabuf(int node, int32_t *fd)
{
    if (*fd <= 0)
        return true;
    struct object *known = find(node, (uint32_t)*fd);
    if (known) {
        *fd = known->dmabuf;
        return true;
    }
    struct drm_prime prime = {.handle = (uint32_t)*fd, .flags = O_RDWR | O_CLOEXEC, .fd = -1};
    if (next_ioctl(node, DRM_HANDLE_TO_FD, &prime))
        return false;
    if (!remember(node, prime.handle, prime.fd, true)) {
        next_close(prime.fd);
        errno = ENOMEM;
        return false;
    }
    *fd = prime.fd;
    return true;
}

int close(int fd)
{
    pthread_mutex_lock(&lock);
    for (size_t i = object_count; i--;)
        if (objects[i].node == fd || (objects[i].dmabuf == fd && !objects[i].ours))
            forget(i);
    if (fd >= 0 && (size_t)fd < node_count)
        nodes[fd] = UNKNOWN;
    pthread_mutex_unlock(&lock);
    return next_close(fd);
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

/* With the lock held; it is given up while the DSP works. */
static int send_invoke(int node, const struct qda_invoke *given)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    struct qda_invoke data = *given;
    size_t buffers = (data.scalars >> 16 & 0xff) + (data.scalars >> 8 & 0xff);
    struct argument args[2 * 255];
    if (data.scalars & 0xff) {
        /* The library copies its buffers only: the kernel would read the handles from whatever lies behind them. */
        say_once(&said, "a call with DMA handles is refused: the library does not pass them on");
        pthread_mutex_unlock(&lock);
        errno = EINVAL;
        return -1;
    }
    const struct argument *from = (const struct argument *)(uintptr_t)data.args;
    for (size_t i = 0; i < buffers; i++) {
        args[i] = from[i];
        if (!to_dmabuf(node, &args[i].fd)) {
            int error = errno;
            pthread_mutex_unlock(&lock);
            errno = error;
            return -1;
        }
    }
    if (buffers)
        data.args = (uint64_t)(uintptr_t)args;
    pthread_mutex_unlock(&lock);
    return next_ioctl(node, QDA_INVOKE, &data);
}

/* With the lock held, which is given up. */
static int send_translated(int node, unsigned number, unsigned long request, void *data)
{
    static atomic_flag no_attach = ATOMIC_FLAG_INIT, no_shell = ATOMIC_FLAG_INIT;
    struct qda_older_gem *older = data;
    struct qda_gem_offset offset;
    struct qda_create create;
    struct qda_map map;
    struct qda_unmap unmap;
    int result = -1;
    bool known = true;
    switch (number) {
    case NR_INVOKE:
        return send_invoke(node, data);
    case NR_GEM_OFFSET:
        offset = (struct qda_gem_offset){.handle = older->handle};
        pthread_mutex_unlock(&lock);
        result = next_ioctl(node, QDA_GEM_OFFSET, &offset);
        if (!result)
            older->value = offset.offset;
        return result;
    case NR_CREATE:
        create = *(struct qda_create *)data;
        if (create.file_length && create.file_fd <= 0) {
            say_once(&no_shell, "a process with a file that is no buffer of the driver's is refused: the kernel cannot take it");
            errno = EINVAL;
            known = false;
        }
        known = known && to_dmabuf(node, &create.file_fd);
        pthread_mutex_unlock(&lock);
        return known ? next_ioctl(node, QDA_CREATE, &create) : -1;
    case NR_MAP:
        map = *(struct qda_map *)data;
        known = to_dmabuf(node, &map.fd);
        pthread_mutex_unlock(&lock);
        result = known ? next_ioctl(node, QDA_MAP, &map) : -1;
        ((struct qda_map *)data)->dsp_address = map.dsp_address;
        return result;
    case NR_UNMAP:
        unmap = *(struct qda_unmap *)data;
        known = to_dmabuf(node, &unmap.fd);
        pthread_mutex_unlock(&lock);
        return known ? next_ioctl(node, QDA_UNMAP, &unmap) : -1;
    case NR_ATTACH:
        say_once(&no_attach, "the kernel's QDA has no INIT_ATTACH");
        break;
    case NR_GEM_CLOSE: {
        struct object *closed = find(node, ((struct drm_close *)data)->handle);
        if (closed)
            forget((size_t)(closed - objects));
        break;
    }
    default:
        break;
    }
    pthread_mutex_unlock(&lock);
    result = next_ioctl(node, request, data);
    if (!result && (number == NR_EXPORT || number == NR_IMPORT)) {
        const struct drm_prime *prime = data;
        pthread_mutex_lock(&lock);
        remember(node, prime->handle, prime->fd, false);
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *data = va_arg(list, void *);
    va_end(list);
    if (_IOC_TYPE(request) != 'd')
        return next_ioctl(fd, request, data);
    int before = errno;
    pthread_mutex_lock(&lock);
    bool newer = node_of(fd) == QDA_NEWER;
    errno = before;
    if (newer)
        return send_translated(fd, _IOC_NR(request), request, data);
    pthread_mutex_unlock(&lock);
    return next_ioctl(fd, request, data);
}
