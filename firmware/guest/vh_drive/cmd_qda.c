/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * One verb for each request of QDA's /dev/accel/accel*, and DRM's own for buffers.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "qda.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The node of a DSP is found by asking each for its name. */
VERB(qda_open)
{
    const char *label = string_param(call, 1);
    glob_t found = {0};
    int64_t status = -ENOENT;
    glob("/dev/accel/accel*", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc && status; i++) {
        int fd = open(found.gl_pathv[i], O_RDWR | O_CLOEXEC);
        struct qda_query query = {{0}};
        if (fd < 0)
            continue;
        if (!request(fd, QDA_QUERY, &query) && !strncmp((char *)query.name, label, sizeof query.name)) {
            listener_forget(fd);
            status = made(call, 0, fd);
        } else {
            close(fd);
        }
    }
    globfree(&found);
    return status;
}

VERB(qda_query)
{
    struct qda_query data = {{0}};
    int64_t status = request_placed(call, fd_param(call, 0), QDA_QUERY, &data, sizeof data);
    if (!status)
        print_line("%d: the DSP is called %.16s", call->command->line, (char *)data.name);
    return status;
}

VERB(qda_gem)
{
    int64_t status, handle;
    if (option(call, "older")) {
        struct qda_older_gem data = {.value = (uint64_t)number_param(call, 2)};
        status = request_placed(call, fd_param(call, 1), QDA_GEM_CREATE, &data, sizeof data);
        handle = data.handle;
    } else {
        struct qda_gem_create data = {.size = (uint64_t)number_param(call, 2)};
        status = request_placed(call, fd_param(call, 1), QDA_GEM_CREATE, &data, sizeof data);
        handle = data.handle;
    }
    return made(call, status, handle);
}

VERB(qda_offset)
{
    uint32_t handle = (uint32_t)number_param(call, 2);
    if (option(call, "older")) {
        struct qda_older_gem data = {.handle = handle};
        int64_t status = request_placed(call, fd_param(call, 1), QDA_GEM_OFFSET, &data, sizeof data);
        return made(call, status, (int64_t)data.value);
    }
    struct qda_gem_offset data = {.handle = handle};
    int64_t status = request_placed(call, fd_param(call, 1), QDA_GEM_OFFSET, &data, sizeof data);
    return made(call, status, (int64_t)data.offset);
}

VERB(qda_attach)
{
    return request(fd_param(call, 0), QDA_OLDER_ATTACH, NULL);
}

VERB(qda_create)
{
    struct qda_create data = {
        .file_length = (uint32_t)number_option(call, "length", 0),
        .file_fd = (int32_t)number_option(call, "fd", -1),
        .attributes = (uint32_t)number_option(call, "attrs", 8),
        .signature_length = (uint32_t)number_option(call, "signature", 0),
        .file = (uint64_t)number_option(call, "file", 0),
    };
    return request_placed(call, fd_param(call, 0), QDA_CREATE, &data, sizeof data);
}

VERB(qda_map)
{
    struct qda_map data = {
        .request = (uint32_t)number_option(call, "request", 2),
        .flags = (uint32_t)number_option(call, "flags", 0),
        .fd = (int32_t)number_option(call, "fd", -1),
        .attributes = (uint32_t)number_option(call, "attrs", 0),
        .offset = (uint32_t)number_option(call, "offset", 0),
        .address = (uint64_t)number_option(call, "address", 0),
        .size = (uint64_t)number_param(call, 2),
    };
    int64_t status = request_placed(call, fd_param(call, 1), QDA_MAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(qda_unmap)
{
    struct qda_unmap data = {
        .request = (uint32_t)number_option(call, "request", 2),
        .fd = (int32_t)number_option(call, "fd", -1),
        .address = (uint64_t)number_param(call, 1),
        .dsp_address = (uint64_t)number_param(call, 1),
        .size = (uint64_t)number_param(call, 2),
    };
    return request_placed(call, fd_param(call, 0), QDA_UNMAP, &data, sizeof data);
}

VERB(qda_invoke)
{
    int fd = fd_param(call, 0);
    uint32_t handle = (uint32_t)number_param(call, 1);
    return invoke(call, fd, handle, (uint32_t)number_param(call, 2), QDA_INVOKE);
}

VERB(gem_close)
{
    struct drm_close data = {.handle = (uint32_t)number_param(call, 1)};
    return request_placed(call, fd_param(call, 0), DRM_CLOSE, &data, sizeof data);
}

VERB(gem_export)
{
    struct drm_prime data = {.handle = (uint32_t)number_param(call, 2), .flags = O_RDWR | O_CLOEXEC, .fd = -1};
    int64_t status = request_placed(call, fd_param(call, 1), DRM_HANDLE_TO_FD, &data, sizeof data);
    return made(call, status, data.fd);
}

VERB(gem_import)
{
    struct drm_prime data = {.fd = (int32_t)number_param(call, 2)};
    int64_t status = request_placed(call, fd_param(call, 1), DRM_FD_TO_HANDLE, &data, sizeof data);
    return made(call, status, data.handle);
}
