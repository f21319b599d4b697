/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * One verb for each request of /dev/fastrpc-*.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "fastrpc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

VERB(open)
{
    const char *label = string_param(call, 1);
    char path[128];
    if (*label == '/')
        snprintf(path, sizeof path, "%s", label);
    else
        snprintf(path, sizeof path, "/dev/fastrpc-%s%s", label, option(call, "secure") ? "-secure" : "");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    listener_forget(fd);
    return made(call, 0, fd);
}

VERB(close)
{
    return close(fd_param(call, 0)) ? -errno : 0;
}

VERB(attach)
{
    return request(fd_param(call, 0), FR_ATTACH, NULL);
}

VERB(attach_sensors)
{
    return request(fd_param(call, 0), FR_ATTACH_SENSORS, NULL);
}

VERB(create)
{
    struct fr_create data = {
        .file_length = (uint32_t)number_option(call, "length", 0),
        .file_fd = (int32_t)number_option(call, "fd", -1),
        .attributes = (uint32_t)number_option(call, "attrs", FR_UNSIGNED),
        .signature_length = (uint32_t)number_option(call, "signature", 0),
        .file = (uint64_t)number_option(call, "file", 0),
    };
    return request_placed(call, fd_param(call, 0), FR_CREATE, &data, sizeof data);
}

VERB(create_static)
{
    const char *name = string_param(call, 1);
    struct fr_create_static data = {
        .name_length = (uint32_t)number_option(call, "length", (int64_t)strlen(name) + 1),
        .memory_length = (uint32_t)number_option(call, "memory", 0),
        .name = (uint64_t)number_option(call, "name", (int64_t)(uintptr_t)name),
    };
    return request_placed(call, fd_param(call, 0), FR_CREATE_STATIC, &data, sizeof data);
}

VERB(invoke)
{
    int fd = fd_param(call, 0);
    uint32_t handle = (uint32_t)number_param(call, 1);
    return invoke(call, fd, handle, (uint32_t)number_param(call, 2), FR_INVOKE);
}

VERB(alloc)
{
    struct fr_alloc data = {
        .fd = -1,
        .flags = (uint32_t)number_option(call, "flags", 0),
        .size = (uint64_t)number_param(call, 2),
    };
    int64_t status = request_placed(call, fd_param(call, 1), FR_ALLOC, &data, sizeof data);
    return made(call, status, data.fd);
}

VERB(free)
{
    uint32_t data = (uint32_t)number_param(call, 1);
    return request(fd_param(call, 0), FR_FREE, &data);
}

VERB(mmap)
{
    struct fr_mmap data = {
        .fd = (int32_t)number_option(call, "fd", -1),
        .flags = (uint32_t)number_option(call, "flags", FR_ADD_PAGES),
        .address = (uint64_t)number_option(call, "address", 0),
        .size = (uint64_t)number_param(call, 2),
    };
    int64_t status = request_placed(call, fd_param(call, 1), FR_MMAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(munmap)
{
    struct fr_munmap data = {(uint64_t)number_param(call, 1), (uint64_t)number_param(call, 2)};
    return request_placed(call, fd_param(call, 0), FR_MUNMAP, &data, sizeof data);
}

VERB(memmap)
{
    struct fr_mem_map data = {
        .version = (int32_t)number_option(call, "version", 0),
        .fd = (int32_t)number_option(call, "fd", -1),
        .offset = (int32_t)number_option(call, "offset", 0),
        .flags = (uint32_t)number_option(call, "flags", 0),
        .address = (uint64_t)number_option(call, "address", 0),
        .length = (uint64_t)number_param(call, 2),
        .attributes = (int32_t)number_option(call, "attrs", 0),
    };
    int64_t status = request_placed(call, fd_param(call, 1), FR_MEM_MAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(memunmap)
{
    struct fr_mem_unmap data = {
        .version = (int32_t)number_option(call, "version", 0),
        .fd = (int32_t)number_option(call, "fd", -1),
        .dsp_address = (uint64_t)number_param(call, 1),
        .length = (uint64_t)number_param(call, 2),
    };
    return request_placed(call, fd_param(call, 0), FR_MEM_UNMAP, &data, sizeof data);
}

VERB(info)
{
    struct fr_capability data = {.attribute = (uint32_t)number_param(call, 2)};
    int64_t status = request_placed(call, fd_param(call, 1), FR_CAPABILITY, &data, sizeof data);
    return made(call, status, data.value);
}

VERB(option)
{
    struct fr_option data = {
        .request = (uint32_t)number_param(call, 1),
        .value = (uint32_t)number_param(call, 2),
        .reserved = {(int32_t)number_option(call, "reserved", 0)},
    };
    return request_placed(call, fd_param(call, 0), FR_OPTION, &data, sizeof data);
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

/* ---- modules, as libcdsprpc calls them ------------------------------------------------------------------------------ */

enum { ERROR_TEXT = 255 };

VERB(listen)
{
    return listener_start(fd_param(call, 0));
}

VERB(load)
{
    int fd = fd_param(call, 1);
    const char *name = string_param(call, 2);
    char uri[512], text[ERROR_TEXT + 1] = "";
    if (strstr(name, "://") || option(call, "plain"))
        snprintf(uri, sizeof uri, "%s", name);
    else
        snprintf(uri, sizeof uri, "file:///lib%s_skel.so?%s_skel_handle_invoke&_modver=1.0&_dom=cdsp", name, name);
    if (!listener_runs(fd) && !option(call, "deaf")) {
        int64_t status = listener_start(fd);
        if (status)
            return status;
    }
    uint32_t in[2] = {(uint32_t)strlen(uri) + 1, ERROR_TEXT}, out[2] = {0, 0};
    int64_t status = call_inline(fd, FR_REMOTECTL, FR_SCALARS(2, 2, 2, 0, 0), (void *[]){in, uri, out, text},
                                 (size_t[]){sizeof in, in[0], sizeof out, ERROR_TEXT});
    if (!status && out[1]) {
        status = out[1];
        print_line("%d: the DSP says: %s", call->command->line, text);
    }
    return made(call, status, out[0]);
}

VERB(unload)
{
    uint32_t in[2] = {(uint32_t)number_param(call, 1), ERROR_TEXT}, out = 0;
    char text[ERROR_TEXT + 1] = "";
    int64_t status = call_inline(fd_param(call, 0), FR_REMOTECTL, FR_SCALARS(3, 1, 2, 0, 0), (void *[]){in, &out, text},
                                 (size_t[]){sizeof in, sizeof out, ERROR_TEXT});
    return status ? status : out;
}

VERB(exit)
{
    int fd = fd_param(call, 0);
    int64_t status = call_inline(fd, FR_CURRENT_PROCESS, FR_SCALARS(2, 0, 0, 0, 0), NULL, NULL);
    int64_t joined = listener_join(fd, (uint64_t)number_option(call, "within", 10000000));
    return status ? status : joined;
}

VERB(stop)
{
    int fd = fd_param(call, 0);
    listener_interrupt(fd);
    return listener_join(fd, (uint64_t)number_option(call, "within", 10000000));
}
