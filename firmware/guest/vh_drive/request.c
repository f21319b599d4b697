/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Requests to a device, and where their structures lie. The `place` option puts a structure where the kernel cannot write
 * it back, or cannot read it.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t request(int fd, unsigned long number, void *data)
{
    long r = syscall(SYS_ioctl, fd, number, data);
    if (r == -1)
        return -errno;
    /* What the DSP answered is the driver's return value; codes of the DSP look negative in it. */
    return r < 0 ? (int64_t)(uint32_t)r : r;
}

/* ---- memory that may not be there ----------------------------------------------------------------------------------- */

static __thread sigjmp_buf *volatile guard;

static void on_fault(int number)
{
    if (guard)
        siglongjmp(*guard, 1);
    signal(number, SIG_DFL);
    raise(number);
}

int64_t copy_guarded(void *to, const void *from, size_t size)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigjmp_buf here;
    if (sigsetjmp(here, 1)) {
        guard = NULL;
        return -EFAULT;
    }
    guard = &here;
    memcpy(to, from, size);
    guard = NULL;
    return 0;
}

/* ---- places ---------------------------------------------------------------------------------------------------------- */

int64_t request_placed(struct call *call, int fd, unsigned long number, void *data, size_t size)
{
    const char *place = string_option(call, "place", "heap");
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!strcmp(place, "heap"))
        return request(fd, number, data);
    if (!strcmp(place, "null"))
        return request(fd, number, NULL);
    if (*place == '@') {
        void *at = (void *)(uintptr_t)evaluate(call->task, call->command, place + 1);
        int64_t status = copy_guarded(at, data, size);
        if (!status) {
            status = request(fd, number, at);
            copy_guarded(data, at, size);
        }
        return status;
    }
    char *room = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return -errno;
    char *at = room;
    if (!strcmp(place, "read-only")) {
        memcpy(at, data, size);
        mprotect(room, page, PROT_READ);
    } else if (!strcmp(place, "none")) {
        mprotect(room, page, PROT_NONE);
    } else if (!strcmp(place, "edge")) {
        /* The second half of it is not there. */
        at = room + page - size / 2;
        memcpy(at, data, size);
        mprotect(room + page, page, PROT_NONE);
    } else if (!strcmp(place, "edge-read-only")) {
        /* The second half can only be read. */
        at = room + page - size / 2;
        memcpy(at, data, size);
        mprotect(room + page, page, PROT_READ);
    } else {
        stop(call, EXIT_SCRIPT, "`place` is heap, null, none, read-only, edge, edge-read-only, or @ADDRESS");
    }
    int64_t status = request(fd, number, at);
    if (strcmp(place, "none"))
        copy_guarded(data, at, size);
    munmap(room, 2 * page);
    return status;
}
