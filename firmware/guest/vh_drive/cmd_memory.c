/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Memory and descriptors: anonymous memory, mappings of descriptors, holes and protections, dma-bufs of other origin.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* The same for what a system call returned. */
static int64_t returned(struct call *call, int64_t value)
{
    return value == -1 ? -errno : made(call, 0, value);
}

static void *address_param(struct call *call, int index)
{
    return (void *)(uintptr_t)number_param(call, index);
}

static int protection(struct call *call, const char *text)
{
    if (!strcmp(text, "rw"))
        return PROT_READ | PROT_WRITE;
    if (!strcmp(text, "ro"))
        return PROT_READ;
    if (!strcmp(text, "wo"))
        return PROT_WRITE;
    if (!strcmp(text, "none"))
        return PROT_NONE;
    stop(call, EXIT_SCRIPT, "a protection is rw, ro, wo or none");
}

static int64_t map(struct call *call, int fd, size_t size, int flags)
{
    void *at = (void *)(uintptr_t)number_option(call, "at", 0);
    int prot = protection(call, string_option(call, "prot", "rw"));
    off_t offset = (off_t)number_option(call, "offset", 0);
    return returned(call, (int64_t)(intptr_t)mmap(at, size, prot, flags | (at ? MAP_FIXED : 0), fd, offset));
}

VERB(memory)
{
    int kind = option(call, "shared") ? MAP_SHARED : MAP_PRIVATE;
    return map(call, -1, (size_t)number_param(call, 1), kind | MAP_ANONYMOUS);
}

VERB(view)
{
    return map(call, (int)number_param(call, 1), (size_t)number_param(call, 2), MAP_SHARED);
}

VERB(unmap)
{
    return munmap(address_param(call, 0), (size_t)number_param(call, 1)) ? -errno : 0;
}

VERB(protect)
{
    int prot = protection(call, string_param(call, 2));
    return mprotect(address_param(call, 0), (size_t)number_param(call, 1), prot) ? -errno : 0;
}

/* The byte at a distance: the given one, or 0, 1, 2, … */
static unsigned char byte_at(int64_t byte, size_t i)
{
    return byte < 0 ? (unsigned char)i : (unsigned char)byte;
}

VERB(fill)
{
    char *at = address_param(call, 0);
    size_t size = (size_t)number_param(call, 1);
    int64_t byte = params(call) > 2 ? number_param(call, 2) & 0xff : -1;
    unsigned char piece[4096];
    for (size_t done = 0, n; done < size; done += n) {
        n = size - done < sizeof piece ? size - done : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(byte, done + i);
        int64_t status = copy_guarded(at + done, piece, n);
        if (status)
            return status;
    }
    return 0;
}

VERB(check)
{
    const char *at = address_param(call, 0);
    size_t size = (size_t)number_param(call, 1);
    int64_t byte = params(call) > 2 ? number_param(call, 2) & 0xff : -1;
    unsigned char piece[4096];
    for (size_t done = 0, n; done < size; done += n) {
        n = size - done < sizeof piece ? size - done : sizeof piece;
        int64_t status = copy_guarded(piece, at + done, n);
        if (status)
            return status;
        for (size_t i = 0; i < n; i++)
            if (piece[i] != byte_at(byte, done + i)) {
                print_line("%d: at %zu there is 0x%02x, not 0x%02x", call->command->line, done + i, piece[i],
                           byte_at(byte, done + i));
                return 1;
            }
    }
    return 0;
}

static size_t width(struct call *call)
{
    int64_t bytes = number_option(call, "width", 4);
    if (bytes < 1 || bytes > 8)
        stop(call, EXIT_SCRIPT, "a width is 1 to 8 bytes");
    return (size_t)bytes;
}

VERB(peek)
{
    uint64_t value = 0;
    int64_t status = copy_guarded(&value, address_param(call, 1), width(call));
    call->value = (int64_t)value;
    call->has_value = !status;
    return status;
}

VERB(poke)
{
    int64_t value = number_param(call, 1);
    return copy_guarded(address_param(call, 0), &value, width(call));
}

VERB(heap)
{
    char path[128];
    snprintf(path, sizeof path, "/dev/dma_heap/%s", string_option(call, "heap", "system"));
    int heap = open(path, O_RDWR | O_CLOEXEC);
    if (heap < 0)
        return -errno;
    struct dma_heap_allocation_data data = {.len = (uint64_t)number_param(call, 1), .fd_flags = O_RDWR | O_CLOEXEC};
    int64_t status = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : 0;
    close(heap);
    return status ? status : returned(call, (int64_t)data.fd);
}

static int memfd(size_t size)
{
    int fd = memfd_create("vh-drive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)size)) {
        close(fd);
        return -1;
    }
    return fd;
}

VERB(memfd)
{
    return returned(call, memfd((size_t)number_param(call, 1)));
}

VERB(udmabuf)
{
    size_t size = (size_t)number_param(call, 1);
    int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
    if (device < 0)
        return -errno;
    int file = memfd(size);
    int64_t status = file < 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) ? -errno : 0;
    struct udmabuf_create data = {.memfd = (uint32_t)file, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size};
    int fd = -1;
    if (!status && (fd = ioctl(device, UDMABUF_CREATE, &data)) < 0)
        status = -errno;
    if (file >= 0)
        close(file);
    close(device);
    return status ? status : returned(call, fd);
}

VERB(sync)
{
    const char *when = string_param(call, 1);
    if (strcmp(when, "begin") && strcmp(when, "end"))
        stop(call, EXIT_SCRIPT, "`sync` is for begin or end");
    struct dma_buf_sync data = {DMA_BUF_SYNC_RW | (*when == 'b' ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END)};
    return ioctl((int)number_param(call, 0), DMA_BUF_IOCTL_SYNC, &data) ? -errno : 0;
}

VERB(dup)
{
    int fd = (int)number_param(call, 1);
    if (!option(call, "to"))
        return returned(call, fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return returned(call, dup3(fd, (int)number_option(call, "to", 0), O_CLOEXEC));
}

VERB(file)
{
    return returned(call, open(string_param(call, 1), (option(call, "ro") ? O_RDONLY : O_RDWR) | O_CLOEXEC));
}

VERB(limit_files)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)number_param(call, 0);
    return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}
