/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Modules of a DSP process, as libcdsprpc calls them.
 */
#include "drive.h"
#include "fastrpc.h"

#include <stdio.h>
#include <string.h>

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
