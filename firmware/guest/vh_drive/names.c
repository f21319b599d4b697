/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Names: variables and the block that they belong to, events and tasks, errno and signal names, drivers.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct symbol symbols[MOST_SYMBOLS];
static int symbol_count;
static int parents[MOST_SCOPES];
static int scope_count = 1;
static char events[MOST_EVENTS][NAME_SIZE];
static int event_count;

int scope_new(int parent)
{
    if (scope_count == MOST_SCOPES)
        return parent;
    parents[scope_count] = parent;
    return scope_count++;
}

bool name_valid(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '_')
        return false;
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || text[n] == '_')
        n++;
    return !text[n] && n < NAME_SIZE;
}

static bool reserved(const char *name)
{
    int64_t ignored;
    return !strcmp(name, "result") || !strcmp(name, "ms") || !strcmp(name, "me") || !strcmp(name, "pid") ||
           !strcmp(name, "page") || !strcmp(name, "any") || !strcmp(name, "fail") || !strcmp(name, "rand") ||
           constant_find(name, &ignored);
}

void symbol_define(int line, const char *name, int scope, bool loop)
{
    if (reserved(name))
        script_error(line, "`%s` has a meaning already", name);
    for (int i = 0; i < symbol_count; i++)
        if (symbols[i].scope == scope && !strcmp(symbols[i].name, name)) {
            if (symbols[i].loop != loop)
                script_error(line, "`%s` is the name of a `for` elsewhere", name);
            return;
        }
    if (symbol_count == MOST_SYMBOLS)
        script_error(line, "more than %d names", MOST_SYMBOLS);
    struct symbol *symbol = &symbols[symbol_count++];
    snprintf(symbol->name, sizeof symbol->name, "%s", name);
    symbol->scope = scope;
    symbol->loop = loop;
}

const struct symbol *symbol_find(const char *name, int scope)
{
    const struct symbol *found = NULL;
    for (;; scope = parents[scope]) {
        for (int i = 0; i < symbol_count; i++)
            if (symbols[i].scope == scope && !strcmp(symbols[i].name, name))
                found = &symbols[i];
        if (!scope)
            return found;
    }
}

int symbol_total(void)
{
    return symbol_count;
}

struct slot *slot_of(struct task *task, const struct symbol *symbol)
{
    size_t index = (size_t)(symbol - symbols);
    if (symbol->loop)
        return &task->loops[index];
    while (task->parent && task->scope != symbol->scope)
        task = task->parent;
    return &task->locals[index];
}

int event_number(const char *name, bool define)
{
    for (int i = 0; i < event_count; i++)
        if (!strcmp(events[i], name))
            return i;
    if (!define || event_count == MOST_EVENTS)
        return -1;
    snprintf(events[event_count], NAME_SIZE, "%s", name);
    return event_count++;
}

bool constant_find(const char *name, int64_t *value)
{
    for (int e = 1; e < 134; e++) {
        const char *known = strerrorname_np(e);
        if (known && !strcmp(known, name)) {
            *value = -e;
            return true;
        }
    }
    /* The same number under another name. */
    static const struct {
        const char *name;
        int number;
    } others[] = {{"EWOULDBLOCK", EAGAIN}, {"EDEADLOCK", EDEADLK}, {"ENOTSUP", EOPNOTSUPP}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(others[i].name, name)) {
            *value = -others[i].number;
            return true;
        }
    static const struct {
        const char *name;
        int64_t value;
    } drivers[] = {{"FASTRPC", DRIVER_FASTRPC}, {"QDA", QDA_NEWER}, {"QDA_OLDER", QDA_OLDER}};
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (!strcmp(drivers[i].name, name)) {
            *value = drivers[i].value;
            return true;
        }
    if (strncmp(name, "SIG", 3))
        return false;
    for (int s = 1; s < 32; s++) {
        const char *known = sigabbrev_np(s);
        if (known && !strcmp(known, name + 3)) {
            *value = s;
            return true;
        }
    }
    return false;
}

const char *status_text(int64_t status, char *buffer, size_t size)
{
    const char *name = status < 0 && status > -4096 ? strerrorname_np((int)-status) : NULL;
    if (name)
        return name;
    if (status >= 0x1000)
        snprintf(buffer, size, "0x%llx", (unsigned long long)status);
    else
        snprintf(buffer, size, "%lld", (long long)status);
    return buffer;
}
