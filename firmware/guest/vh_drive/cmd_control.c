/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Verbs of the language itself: variables, conditions, loops, time, and looking at files of the kernel.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

VERB(set)
{
    call->value = number_param(call, 1);
    call->has_value = true;
    return 0;
}

VERB(expect)
{
    if (!number_param(call, 0))
        stop(call, EXIT_EXPECTATION, "`%s` does not hold", call->command->text);
    return 0;
}

VERB(if)
{
    run_block(call->task, number_param(call, 0) ? &call->command->body : &call->command->other);
    return 0;
}

VERB(repeat)
{
    for (int64_t n = number_param(call, 0); n > 0 && !call->task->broken; n--)
        run_block(call->task, &call->command->body);
    call->task->broken = false;
    return 0;
}

VERB(while)
{
    while (!call->task->broken && number_param(call, 0))
        run_block(call->task, &call->command->body);
    call->task->broken = false;
    return 0;
}

VERB(for)
{
    const char *name = string_param(call, 0);
    struct slot *slot = slot_of(call->task, symbol_find(name, call->command->scope));
    int64_t low = number_param(call, 1), high = number_param(call, 2), step = number_option(call, "step", 1);
    if (step <= 0)
        stop(call, EXIT_SCRIPT, "the step of `for` is not positive");
    for (int64_t i = low; i <= high && !call->task->broken; i += step) {
        atomic_store(&slot->value, i);
        atomic_store(&slot->set, true);
        run_block(call->task, &call->command->body);
        if (high - i < step)
            break;
    }
    call->task->broken = false;
    return 0;
}

VERB(break)
{
    call->task->broken = true;
    return 0;
}

VERB(sleep)
{
    int64_t time = number_param(call, 0);
    for (uint64_t end = now_us() + (uint64_t)(time > 0 ? time : 0), now; (now = now_us()) < end;)
        usleep((useconds_t)(end - now < 500000 ? end - now : 500000));
    return 0;
}

VERB(say)
{
    char line[512];
    size_t n = (size_t)snprintf(line, sizeof line, "%s", string_param(call, 0));
    for (int i = 1; i < params(call) && n < sizeof line; i++) {
        char number[32];
        const char *text = status_text(number_param(call, i), number, sizeof number);
        n += (size_t)snprintf(line + n, sizeof line - n, " %s", text);
    }
    print_line("%s", line);
    return 0;
}

/* What is below debugfs needs it mounted. */
static void reach(const char *path)
{
    static const char debug[] = "/sys/kernel/debug";
    if (!strncmp(path, debug, strlen(debug)) && access(path, F_OK))
        mount("debugfs", debug, "debugfs", 0, NULL);
}

/* A file's text, NULL with errno if it cannot be read. */
static char *file_text(const char *path)
{
    enum { MOST = 4 << 20 };
    reach(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t size = 0, room = 65536;
    char *text = malloc(room + 1);
    ssize_t n;
    while (text && size < MOST && (n = read(fd, text + size, room - size)) > 0) {
        size += (size_t)n;
        if (size == room)
            text = realloc(text, (room *= 2) + 1);
    }
    close(fd);
    if (text)
        text[size] = 0;
    return text;
}

VERB(number)
{
    char *text = file_text(string_param(call, 1)), *at = text;
    if (!text)
        return -errno;
    const char *after = string_option(call, "after", NULL);
    if (after && (at = strstr(text, after)))
        at += strlen(after);
    while (at && *at && !isdigit((unsigned char)*at))
        at++;
    if (at && *at) {
        call->value = strtoll(at, NULL, 0);
        call->has_value = true;
    }
    free(text);
    return call->has_value ? 0 : -ENODATA;
}

VERB(lines)
{
    char *text = file_text(string_param(call, 1));
    if (!text)
        return -errno;
    const char *with = string_option(call, "with", NULL);
    call->value = 0;
    call->has_value = true;
    for (char *line = text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        call->value += !with || strstr(line, with);
    }
    free(text);
    return 0;
}

VERB(present)
{
    const char *path = string_param(call, 0);
    if (!strchr(path, '/'))
        return node_present(path);
    reach(path);
    return access(path, F_OK) ? -errno : 0;
}

VERB(write)
{
    const char *text = string_param(call, 1);
    reach(string_param(call, 0));
    int fd = open(string_param(call, 0), O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, text, strlen(text));
    int64_t status = n < 0 ? -errno : 0;
    close(fd);
    return status;
}

VERB(run)
{
    int status = system(string_param(call, 0));
    if (status < 0)
        return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
