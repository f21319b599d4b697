/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * One verb for each request of QDA's /dev/accel/accel*, and DRM's own for buffers. Numbers are passed as they are given:
 * what an argument's descriptor has to be is the posting's matter and the script's.
 */
#define _GNU_SOURCE
#include "drive.h"
#include "qda.h"

#include <fcntl.h>

VERB(qda_open)
{
    return opened(call, qda_node_open(string_param(call, 1)));
}

VERB(qda_query)
{
    struct qda_query data = {{0}};
    int64_t status = request_placed(call, fd_param(call, 0), QDA_QUERY, &data, sizeof data);
    if (!status)
        print_line("%d: the DSP is called %.16s", call->command->line, (char *)data.name);
    return status;
}

/* Whose layout is meant: that of the node, if the script does not say. */
static int64_t layout(struct call *call, int fd)
{
    return option(call, "older") ? QDA_OLDER : option(call, "newer") ? QDA_NEWER : qda_posting(fd);
}

VERB(qda_gem)
{
    int fd = fd_param(call, 1);
    uint32_t handle = 0;
    int64_t status = qda_gem_new(call, fd, layout(call, fd), (uint64_t)number_param(call, 2), &handle);
    return made(call, status, handle);
}

VERB(qda_offset)
{
    int fd = fd_param(call, 1);
    uint32_t handle = (uint32_t)number_param(call, 2);
    int64_t posting = layout(call, fd);
    if (posting < 0)
        return posting;
    if (posting == QDA_OLDER) {
        struct qda_older_gem data = {.handle = handle};
        int64_t status = request_placed(call, fd, QDA_GEM_OFFSET, &data, sizeof data);
        return made(call, status, (int64_t)data.value);
    }
    struct qda_gem_offset data = {.handle = handle};
    int64_t status = request_placed(call, fd, QDA_GEM_OFFSET, &data, sizeof data);
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

struct qda_map qda_map_of(struct call *call, uint32_t request)
{
    return (struct qda_map){
        .request = request,
        .flags = (uint32_t)number_option(call, "flags", 0),
        .fd = (int32_t)number_option(call, "fd", -1),
        .attributes = (uint32_t)number_option(call, "attrs", 0),
        .offset = (uint32_t)number_option(call, "offset", 0),
        .address = (uint64_t)number_option(call, "address", 0),
        .size = (uint64_t)number_param(call, 2),
    };
}

VERB(qda_map)
{
    struct qda_map data = qda_map_of(call, (uint32_t)number_option(call, "request", QDA_BUFFER));
    int64_t status = request_placed(call, fd_param(call, 1), QDA_MAP, &data, sizeof data);
    return made(call, status, (int64_t)data.dsp_address);
}

VERB(qda_unmap)
{
    struct qda_unmap data = {
        .request = (uint32_t)number_option(call, "request", QDA_BUFFER),
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
    return invoke(call, fd, handle, (uint32_t)number_param(call, 2), QDA_INVOKE, true);
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
