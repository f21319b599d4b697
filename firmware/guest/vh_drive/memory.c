/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Buffers and memory for the DSP's heap, of either driver: FastRPC allocates and keeps them itself, with QDA the program
 * makes an object, passes it on, and takes it back.
 */
#include "drive.h"
#include "fastrpc.h"
#include "qda.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- buffers --------------------------------------------------------------------------------------------------------- */

/* A request of a command's, which may say where its structure lies, or of the listener's. */
static int64_t of_command(struct call *call, int fd, unsigned long number, void *data, size_t size)
{
    return call ? request_placed(call, fd, number, data, size) : request(fd, number, data);
}

int64_t qda_gem_new(struct call *call, int fd, int64_t posting, uint64_t size, uint32_t *handle)
{
    int64_t status = posting;
    if (posting == QDA_OLDER) {
        struct qda_older_gem data = {.value = size};
        status = of_command(call, fd, QDA_GEM_CREATE, &data, sizeof data);
        *handle = data.handle;
    } else if (posting == QDA_NEWER) {
        struct qda_gem_create data = {.size = size};
        status = of_command(call, fd, QDA_GEM_CREATE, &data, sizeof data);
        *handle = data.handle;
    }
    return status;
}

int64_t qda_gem_drop(int fd, uint32_t handle)
{
    return request(fd, DRM_CLOSE, &(struct drm_close){.handle = handle});
}

int64_t qda_gem_fd(int fd, uint32_t handle, int *dmabuf)
{
    struct drm_prime data = {.handle = handle, .flags = O_RDWR | O_CLOEXEC, .fd = -1};
    int64_t status = request(fd, DRM_HANDLE_TO_FD, &data);
    *dmabuf = data.fd;
    return status;
}

int64_t dma_reference(int fd, int32_t *dmabuf)
{
    /* 0 and -1 stand for no buffer. */
    if (*dmabuf <= 0 || !is_qda(fd))
        return 0;
    int64_t posting = qda_posting(fd);
    if (posting != QDA_OLDER)
        return posting < 0 ? posting : 0;
    struct drm_prime data = {.fd = *dmabuf};
    int64_t status = request(fd, DRM_FD_TO_HANDLE, &data);
    *dmabuf = (int32_t)data.handle;
    return status;
}

/* ---- memory of the driver's for the DSP's heap ------------------------------------------------------------------------ */

/* What QDA's driver does not do by itself: the object behind a mapping, which goes with it. */
struct lent {
    struct lent *next;
    int fd;
    uint32_t handle;
    uint64_t dsp_address;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct lent *lent;

/* Takes an entry out, if there is one. */
static struct lent *lent_take(int fd, uint64_t dsp_address)
{
    pthread_mutex_lock(&lock);
    struct lent **at = &lent, *found;
    while (*at && ((*at)->fd != fd || (*at)->dsp_address != dsp_address))
        at = &(*at)->next;
    if ((found = *at))
        *at = found->next;
    pthread_mutex_unlock(&lock);
    return found;
}

void memory_forget(int fd)
{
    pthread_mutex_lock(&lock);
    for (struct lent **at = &lent; *at;) {
        struct lent *entry = *at;
        if (entry->fd != fd) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        free(entry);
    }
    pthread_mutex_unlock(&lock);
}

int64_t qda_memory_add(struct call *call, int fd, struct qda_map *map)
{
    struct lent *entry = calloc(1, sizeof *entry);
    if (!entry)
        return -ENOMEM;
    *entry = (struct lent){.fd = fd};
    int dmabuf = -1;
    int64_t status = qda_gem_new(NULL, fd, qda_posting(fd), map->size, &entry->handle);
    if (!status && !(status = qda_gem_fd(fd, entry->handle, &dmabuf))) {
        map->fd = dmabuf;
        if (!(status = dma_reference(fd, &map->fd)))
            status = of_command(call, fd, QDA_MAP, map, sizeof *map);
        close(dmabuf);
    }
    if (status) {
        /* What was cut short may be mapped all the same: then the object stays as long as the file. */
        if (entry->handle && status != -EINTR && status != -EFAULT)
            qda_gem_drop(fd, entry->handle);
        free(entry);
        return status;
    }
    entry->dsp_address = map->dsp_address;
    pthread_mutex_lock(&lock);
    entry->next = lent;
    lent = entry;
    pthread_mutex_unlock(&lock);
    return 0;
}

int64_t qda_memory_remove(struct call *call, int fd, uint64_t dsp_address, uint64_t size)
{
    struct qda_unmap unmap = {
        .request = QDA_PAGES, .fd = -1, .address = dsp_address, .dsp_address = dsp_address, .size = size};
    int64_t status = of_command(call, fd, QDA_UNMAP, &unmap, sizeof unmap);
    struct lent *entry = status ? NULL : lent_take(fd, dsp_address);
    if (entry)
        qda_gem_drop(fd, entry->handle);
    free(entry);
    return status;
}

int64_t memory_add(int fd, uint64_t size, uint64_t *dsp_address)
{
    int64_t status;
    if (is_qda(fd)) {
        struct qda_map map = {.request = QDA_PAGES, .flags = FR_ADD_PAGES, .size = size};
        status = qda_memory_add(NULL, fd, &map);
        *dsp_address = map.dsp_address;
    } else {
        struct fr_mmap map = {.fd = -1, .flags = FR_ADD_PAGES, .size = size};
        status = request(fd, FR_MMAP, &map);
        *dsp_address = map.dsp_address;
    }
    return status;
}

int64_t memory_remove(int fd, uint64_t dsp_address, uint64_t size)
{
    if (is_qda(fd))
        return qda_memory_remove(NULL, fd, dsp_address, size);
    struct fr_munmap unmap = {dsp_address, size};
    return request(fd, FR_MUNMAP, &unmap);
}
