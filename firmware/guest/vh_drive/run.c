/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Running commands: parameters, expectations, what is printed.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A command whose expectation may be met later is tried again after this time. */
enum { AGAIN_US = 20000 };

uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void print_line(const char *format, ...)
{
    char line[1024];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    /* One write a line: lines of several threads and processes do not mix. */
    if (write(1, line, (size_t)n) < 0)
        return;
}

void stop(struct call *call, int code, const char *format, ...)
{
    char text[768];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    print_line("vh-drive: line %d: %s", call->command->line, text);
    _exit(code);
}

/* ---- parameters --------------------------------------------------------------------------------------------------- */

int params(const struct call *call)
{
    return call->command->params;
}

static const char *param(const struct call *call, int index)
{
    const struct command *command = call->command;
    return index < command->params ? command->word[command->param[index]] : "";
}

int64_t number_param(struct call *call, int index)
{
    return evaluate(call->task, call->command, param(call, index));
}

int fd_param(struct call *call, int index)
{
    return (int)number_param(call, index);
}

int64_t made(struct call *call, int64_t status, int64_t value)
{
    call->value = value;
    call->has_value = !status;
    return status;
}

const char *string_param(struct call *call, int index)
{
    const struct command *command = call->command;
    return index < command->params ? command->plain[command->param[index]] : "";
}

/* The word with the value of an option, or 0. */
static int option_index(const struct command *command, const char *key)
{
    size_t n = strlen(key);
    for (int i = 1; i < command->words; i++)
        if (!strncmp(command->word[i], key, n) && command->word[i][n] == '=')
            return i;
    return 0;
}

static const char *raw_option(const struct command *command, const char *key)
{
    int index = option_index(command, key);
    return index ? command->word[index] + strlen(key) + 1 : NULL;
}

bool option(const struct call *call, const char *key)
{
    for (int i = 1; i < call->command->words; i++)
        if (!strcmp(call->command->word[i], key))
            return true;
    return raw_option(call->command, key) != NULL;
}

int64_t number_option(struct call *call, const char *key, int64_t otherwise)
{
    const char *text = raw_option(call->command, key);
    return text ? evaluate(call->task, call->command, text) : otherwise;
}

const char *string_option(struct call *call, const char *key, const char *otherwise)
{
    int index = option_index(call->command, key);
    return index ? call->command->plain[index] : otherwise;
}

/* ---- expectations ------------------------------------------------------------------------------------------------- */

static bool as_expected(struct call *call, int64_t status)
{
    const char *expected = call->command->expected;
    if (!expected)
        return status == 0;
    bool met = false;
    char *copy = strdup(expected), *parts[MOST_WORDS];
    int count = split(copy, '|', parts, MOST_WORDS);
    for (int i = 0; i < count && !met; i++) {
        char *range = strstr(parts[i], "..");
        if (!strcmp(parts[i], "any")) {
            met = true;
        } else if (!strcmp(parts[i], "fail")) {
            met = status != 0;
        } else if (range) {
            *range = 0;
            int64_t low = *parts[i] ? evaluate(call->task, call->command, parts[i]) : INT64_MIN;
            int64_t high = range[2] ? evaluate(call->task, call->command, range + 2) : INT64_MAX;
            met = status >= low && status <= high;
        } else {
            met = status == evaluate(call->task, call->command, parts[i]);
        }
    }
    free(copy);
    return met;
}

/* The name that the command gives, if it gives one. */
static const char *given_name(const struct command *command)
{
    return command->verb->params[0] == 'n' ? command->word[command->param[0]] : NULL;
}

static void give(struct call *call, int64_t status)
{
    const char *name = given_name(call->command);
    if (!name || call->command->verb->block)
        return;
    struct slot *slot = slot_of(call->task, symbol_find(name, call->command->scope));
    atomic_store(&slot->value, status || !call->has_value ? -1 : call->value);
    atomic_store(&slot->set, true);
}

/* A line, unless the same was printed of this command before: what runs a thousand times with one result is one line. */
static void tell(struct call *call, int64_t status)
{
    struct command *command = (struct command *)call->command;
    if (command->verb->run == cmd_say)
        return;
    if (atomic_exchange(&command->printed, true) && atomic_load(&command->last) == status)
        return;
    atomic_store(&command->last, status);
    char number[32], value[64] = "", task[48] = "";
    const char *name = given_name(command);
    if (name && !status && call->has_value)
        snprintf(value, sizeof value, call->value < 4096 ? ", %s = %lld" : ", %s = 0x%llx", name, (long long)call->value);
    if (call->task->name)
        snprintf(task, sizeof task, " [%s]", call->task->name);
    print_line("%d%s %s: %s%s", command->line, task, command->text, status_text(status, number, sizeof number), value);
}

static void run_command(struct task *task, const struct command *command)
{
    struct call call = {.task = task, .command = command};
    if (command->verb->block) {
        command->verb->run(&call);
        return;
    }
    uint64_t begin = now_us(), limit = 0;
    if (command->within)
        limit = begin + (uint64_t)evaluate(task, command, command->within);
    int64_t status;
    for (;;) {
        uint64_t start = now_us();
        call.has_value = false;
        status = command->verb->run(&call);
        task->ms = (int64_t)((now_us() - start) / 1000);
        task->result = status;
        give(&call, status);
        if (as_expected(&call, status))
            break;
        if (now_us() >= limit) {
            char number[32];
            tell(&call, status);
            stop(&call, EXIT_EXPECTATION, "`%s` gave %s, expected %s%s%s", command->text,
                 status_text(status, number, sizeof number), command->expected ? command->expected : "0",
                 command->within ? " within " : "", command->within ? command->within : "");
        }
        usleep(AGAIN_US);
    }
    tell(&call, status);
}

void run_block(struct task *task, const struct block *block)
{
    for (const struct command *command = block->first; command && !task->broken; command = command->next)
        run_command(task, command);
}
