/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The requests that only /dev/fastrpc-* has.
 */
#include "drive.h"
#include "fastrpc.h"

#include <errno.h>
#include <string.h>

/* An accel node looks at a request's number only, and would take one of these for another of its own. */
static int64_t only(struct call *call, int fd, unsigned long number, void *data, size_t size)
{
    return is_qda(fd) ? -ENOTTY : request_placed(call, fd, number, data, size);
}

VERB(attach_sensors)
{
    return only(call, fd_param(call, 0), FR_ATTACH_SENSORS, NULL, 0);
}

VERB(create_static)
{
    const char *name = string_param(call, 1);
    struct fr_create_static data = {
        .name_length = (uint32_t)number_option(call, "length", (int64_t)strlen(name) + 1),
        .memory_length = (uint32_t)number_option(call, "memory", 0),
        .name = (uint64_t)number_option(call, "name", (int64_t)(uintptr_t)name),
    };
    return only(call, fd_param(call, 0), FR_CREATE_STATIC, &data, sizeof data);
}

VERB(free)
{
    uint32_t data = (uint32_t)number_param(call, 1);
    return only(call, fd_param(call, 0), FR_FREE, &data, sizeof data);
}

VERB(info)
{
    struct fr_capability data = {.attribute = (uint32_t)number_param(call, 2)};
    int64_t status = only(call, fd_param(call, 1), FR_CAPABILITY, &data, sizeof data);
    return made(call, status, data.value);
}

VERB(option)
{
    struct fr_option data = {
        .request = (uint32_t)number_param(call, 1),
        .value = (uint32_t)number_param(call, 2),
        .reserved = {(int32_t)number_option(call, "reserved", 0)},
    };
    return only(call, fd_param(call, 0), FR_OPTION, &data, sizeof data);
}
