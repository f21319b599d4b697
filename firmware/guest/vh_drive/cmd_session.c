/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * What a session does with either driver: a command is the request of the descriptor's driver. Buffers are dma-bufs by their
 * descriptors, whatever the driver calls them.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "fastrpc.h"
#include "qda.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int64_t opened(struct call *call, int64_t fd)
{
    if (fd < 0)
        return fd;
    listener_forget((int)fd);
    memory_forget((int)fd);
    return made(call, 0, fd);
}

VERB(open)
{
    return opened(call, node_open(string_param(call, 1), option(call, "secure")));
}

VERB(close)
{
    int fd = fd_param(call, 0);
    memory_forget(fd);
    return close(fd) ? -errno : 0;
}

VERB(driver)
{
    int64_t number = driver_number(fd_param(call, 1));
    return number < 0 ? number : made(call, 0, number);
}

VERB(attach)
{
    int fd = fd_param(call, 0);
    return request(fd, is_qda(fd) ? QDA_OLDER_ATTACH : FR_ATTACH, NULL);
}

VERB(create)
{
    int fd = fd_param(call, 0);
    int32_t file_fd = (int32_t)number_option(call, "fd", -1);
    int64_t status = dma_reference(fd, &file_fd);
    if (status)
        return status;
    struct fr_create data = {
        .file_length = (uint32_t)number_option(call, "length", 0),
        .file_fd = file_fd,
        .attributes = (uint32_t)number_option(call, "attrs", FR_UNSIGNED),
        .signature_length = (uint32_t)number_option(call, "signature", 0),
        .file = (uint64_t)number_option(call, "file", 0),
    };
    /* Both have one structure. */
    return request_placed(call, fd, is_qda(fd) ? QDA_CREATE : FR_CREATE, &data, sizeof data);
}

VERB(invoke)
{
    int fd = fd_param(call, 0);
    uint32_t handle = (uint32_t)number_param(call, 1);
    return invoke(call, fd, handle, (uint32_t)number_param(call, 2), is_qda(fd) ? QDA_INVOKE : FR_INVOKE, false);
}

VERB(alloc)
{
    int fd = fd_param(call, 1);
    uint64_t size = (uint64_t)number_param(call, 2);
    if (is_qda(fd)) {
        /* The object stays the file's until that is closed, the dma-buf is one more name of it. */
        uint32_t handle = 0;
        int dmabuf = -1;
        int64_t status = qda_gem_new(call, fd, qda_posting(fd), size, &handle);
        if (!status && (status = qda_gem_fd(fd, handle, &dmabuf)))
            qda_gem_drop(fd, handle);
        return made(call, status, dmabuf);
    }
    struct fr_alloc data = {.fd = -1, .flags = (uint32_t)number_option(call, "flags", 0), .size = size};
    int64_t status = request_placed(call, fd, FR_ALLOC, &data, sizeof data);
    return made(call, status, data.fd);
}

VERB(mmap)
{
    int fd = fd_param(call, 1);
    int32_t buffer = (int32_t)number_option(call, "fd", -1);
    uint32_t flags = (uint32_t)number_option(call, "flags", FR_ADD_PAGES);
    uint64_t address = (uint64_t)number_option(call, "address", 0), size = (uint64_t)number_param(call, 2);
    if (is_qda(fd)) {
        struct qda_map data = {.request = QDA_PAGES, .flags = flags, .fd = buffer, .address = address, .size = size};
        int64_t status = buffer == -1 ? qda_memory_add(call, fd, &data) : dma_reference(fd, &data.fd);
        if (!status && buffer != -1)
            status = request_placed(call, fd, QDA_MAP, &data, sizeof data);
        return made(call, status, (int64_t)data.dsp_address);
    }
    struct fr_mmap data = {.fd = buffer, .flags = flags, .address = address, .size = size};
    int64_t status = request_placed(call, fd, FR_MMAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(munmap)
{
    int fd = fd_param(call, 0);
    struct fr_munmap data = {(uint64_t)number_param(call, 1), (uint64_t)number_param(call, 2)};
    if (is_qda(fd))
        return qda_memory_remove(call, fd, data.dsp_address, data.size);
    return request_placed(call, fd, FR_MUNMAP, &data, sizeof data);
}

static int64_t qda_memmap(struct call *call, int fd)
{
    struct qda_map data = qda_map_of(call, QDA_BUFFER);
    int64_t status = dma_reference(fd, &data.fd);
    if (!status)
        status = request_placed(call, fd, QDA_MAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(memmap)
{
    int fd = fd_param(call, 1);
    if (is_qda(fd))
        return qda_memmap(call, fd);
    struct fr_mem_map data = {
        .version = (int32_t)number_option(call, "version", 0),
        .fd = (int32_t)number_option(call, "fd", -1),
        .offset = (int32_t)number_option(call, "offset", 0),
        .flags = (uint32_t)number_option(call, "flags", 0),
        .address = (uint64_t)number_option(call, "address", 0),
        .length = (uint64_t)number_param(call, 2),
        .attributes = (int32_t)number_option(call, "attrs", 0),
    };
    int64_t status = request_placed(call, fd, FR_MEM_MAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(memunmap)
{
    int fd = fd_param(call, 0);
    int32_t buffer = (int32_t)number_option(call, "fd", -1);
    uint64_t address = (uint64_t)number_param(call, 1), size = (uint64_t)number_param(call, 2);
    int64_t status = dma_reference(fd, &buffer);
    if (status)
        return status;
    if (is_qda(fd)) {
        struct qda_unmap data = {
            .request = QDA_BUFFER, .fd = buffer, .address = address, .dsp_address = address, .size = size};
        return request_placed(call, fd, QDA_UNMAP, &data, sizeof data);
    }
    struct fr_mem_unmap data = {
        .version = (int32_t)number_option(call, "version", 0),
        .fd = buffer,
        .dsp_address = address,
        .length = size,
    };
    return request_placed(call, fd, FR_MEM_UNMAP, &data, sizeof data);
}

VERB(ioctl)
{
    enum { MOST = 4096 };
    size_t size = (size_t)number_option(call, "size", 64);
    if (size > MOST)
        stop(call, EXIT_SCRIPT, "a structure of more than %d bytes", MOST);
    unsigned char data[MOST];
    memset(data, (int)number_option(call, "byte", 0), sizeof data);
    return request_placed(call, fd_param(call, 0), (unsigned long)number_param(call, 1), data, size);
}
