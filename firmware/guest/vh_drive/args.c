/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Arguments of an invoke:
 *
 *   in=[1,2:8,0xff:1]       numbers, four bytes each or as many as behind the colon
 *   in="text"               a string with its end
 *   in=SIZE   out=SIZE      scratch memory of the program; inputs hold 0, 1, 2, …
 *   in=@ADDRESS,LENGTH      memory of the script's; so does out
 *   …,fd=FD …,attr=N        the descriptor and the attributes that go with it
 *   out=…,to=NAME           up to eight bytes of the output as a number
 *   hin=FD,LENGTH,OFFSET    a DMA handle; so does hout
 */
#include "drive.h"
#include "fastrpc.h"
#include "qda.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PARTS = 64, MOST_BYTES = 64 << 20, KINDS = 4 };

static const char *const prefixes[KINDS] = {"in=", "out=", "hin=", "hout="};

static int kind_of(const char *word)
{
    for (int kind = 0; kind < KINDS; kind++)
        if (!strncmp(word, prefixes[kind], strlen(prefixes[kind])))
            return kind;
    return -1;
}

bool is_arg(const char *word)
{
    return kind_of(word) >= 0;
}

/* One argument as it stands in the script, cut into its parts. */
struct text {
    int kind;
    char *copy;
    char *main, *length, *offset, *fd, *attributes, *to;
};

static struct text cut(const struct command *command, const char *word)
{
    struct text text = {.kind = kind_of(word)};
    text.copy = strdup(word + strlen(prefixes[text.kind]));
    char *parts[8];
    int count = split(text.copy, ',', parts, 8), plain = 0;
    text.main = parts[0];
    for (int i = 1; i < count; i++) {
        if (!strncmp(parts[i], "fd=", 3))
            text.fd = parts[i] + 3;
        else if (!strncmp(parts[i], "attr=", 5))
            text.attributes = parts[i] + 5;
        else if (!strncmp(parts[i], "to=", 3) && text.kind == 1)
            text.to = parts[i] + 3;
        else if (plain == 0 && (text.kind > 1 || *text.main == '@'))
            text.length = parts[i], plain++;
        else if (plain == 1 && text.kind > 1)
            text.offset = parts[i], plain++;
        else
            script_error(command->line, "`%.40s` does not belong to an argument like `%.40s`", parts[i], word);
    }
    if (text.kind < 2 && *text.main == '@' && !text.length)
        script_error(command->line, "`%.40s` lacks its length: @ADDRESS,LENGTH", word);
    return text;
}

static void list_check(const struct command *command, const char *main)
{
    char *copy = strdup(main), *parts[MOST_PARTS + 1];
    char *end = strrchr(copy, ']');
    if (!end || end[1])
        script_error(command->line, "`%.40s` is no list", main);
    *end = 0;
    int count = split(copy + 1, ',', parts, MOST_PARTS + 1);
    if (count > MOST_PARTS)
        script_error(command->line, "more than %d numbers in a list", MOST_PARTS);
    for (int i = 0; i < count; i++) {
        char *width = strchr(parts[i], ':');
        if (width) {
            *width++ = 0;
            if (!strchr("1248", *width) || !*width || width[1])
                script_error(command->line, "a number is 1, 2, 4 or 8 bytes wide");
        }
        expression_check(command, parts[i]);
    }
    free(copy);
}

void args_check(const struct command *command, const char *word)
{
    struct text text = cut(command, word);
    if (text.kind == 0 && *text.main == '[')
        list_check(command, text.main);
    else if (text.kind != 0 || *text.main != '"')
        expression_check(command, *text.main == '@' ? text.main + 1 : text.main);
    const char *const others[] = {text.length, text.offset, text.fd, text.attributes};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i])
            expression_check(command, others[i]);
    if (text.to) {
        if (!name_valid(text.to))
            script_error(command->line, "`%.40s` is no name", text.to);
        if (!symbol_find(text.to, command->scope))
            script_error(command->line, "nothing is called `%s`: `set %s 0` before makes it", text.to, text.to);
    }
    free(text.copy);
}

/* An argument ready for the kernel. */
struct ready {
    struct fr_arg arg;
    void *scratch;
    char to[NAME_SIZE];
};

static void list_bytes(struct call *call, char *main, struct ready *ready)
{
    char *parts[MOST_PARTS + 1];
    *strrchr(main, ']') = 0;
    int count = split(main + 1, ',', parts, MOST_PARTS + 1);
    unsigned char *at = ready->scratch = malloc((size_t)count * 8);
    for (int i = 0; i < count; i++) {
        char *width = strchr(parts[i], ':');
        size_t bytes = width ? (size_t)(width[1] - '0') : 4;
        if (width)
            *width = 0;
        int64_t value = evaluate(call->task, call->command, parts[i]);
        memcpy(at, &value, bytes);
        at += bytes;
    }
    ready->arg.length = (uint64_t)(at - (unsigned char *)ready->scratch);
}

static void prepare(struct call *call, const char *word, struct ready *ready)
{
    struct text text = cut(call->command, word);
    int64_t (*number)(struct task *, const struct command *, const char *) = evaluate;
    struct task *task = call->task;
    const struct command *command = call->command;
    ready->arg.fd = text.fd ? (int32_t)number(task, command, text.fd) : -1;
    ready->arg.attributes = text.attributes ? (uint32_t)number(task, command, text.attributes) : 0;
    if (text.to)
        memcpy(ready->to, text.to, strlen(text.to) + 1);
    if (text.kind > 1) {
        ready->arg.fd = (int32_t)number(task, command, text.main);
        ready->arg.length = text.length ? (uint64_t)number(task, command, text.length) : 0;
        ready->arg.address = text.offset ? (uint64_t)number(task, command, text.offset) : 0;
    } else if (*text.main == '@') {
        ready->arg.address = (uint64_t)number(task, command, text.main + 1);
        ready->arg.length = (uint64_t)number(task, command, text.length);
    } else if (*text.main == '[') {
        list_bytes(call, text.main, ready);
    } else if (*text.main == '"') {
        ready->scratch = unquoted(text.main);
        ready->arg.length = strlen(ready->scratch) + 1;
    } else {
        uint64_t size = (uint64_t)number(task, command, text.main);
        if (size > MOST_BYTES)
            stop(call, EXIT_SCRIPT, "scratch memory of more than %d bytes", MOST_BYTES);
        ready->arg.length = size;
        unsigned char *at = ready->scratch = calloc(1, size + 1);
        for (uint64_t i = 0; at && text.kind == 0 && i < size; i++)
            at[i] = (unsigned char)i;
    }
    if (ready->scratch)
        ready->arg.address = (uint64_t)(uintptr_t)ready->scratch;
    free(text.copy);
}

/* Stores what an output holds under the name that it was given. */
static void keep(struct call *call, const struct ready *ready)
{
    if (!*ready->to)
        return;
    uint64_t value = 0;
    size_t size = ready->arg.length < 8 ? (size_t)ready->arg.length : 8;
    copy_guarded(&value, (const void *)(uintptr_t)ready->arg.address, size);
    struct slot *slot = slot_of(call->task, symbol_find(ready->to, call->command->scope));
    atomic_store(&slot->value, (int64_t)value);
    atomic_store(&slot->set, true);
}

int64_t invoke(struct call *call, int fd, uint32_t handle, uint32_t method, unsigned long number, bool raw)
{
    const struct command *command = call->command;
    struct ready ready[MOST_WORDS] = {0};
    struct fr_arg *args = calloc(256, sizeof *args);
    unsigned count[KINDS] = {0}, n = 0;
    int64_t status = 0;
    if (!args)
        return -ENOMEM;
    /* The kernel wants them by kind; within a kind they keep their order. */
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 1; i < command->words; i++)
            if (kind_of(command->word[i]) == kind) {
                prepare(call, command->word[i], &ready[n]);
                if (!raw && !status)
                    status = dma_reference(fd, &ready[n].arg.fd);
                args[n] = ready[n].arg;
                n++;
                count[kind]++;
            }
    uint32_t scalars = FR_SCALARS(method, count[0], count[1], count[2], count[3]);
    struct fr_invoke data = {
        .handle = handle,
        .scalars = (uint32_t)number_option(call, "sc", scalars),
        .args = (uint64_t)number_option(call, "args", (int64_t)(uintptr_t)args),
    };
    if (!status)
        status = request_placed(call, fd, number, &data, sizeof data);
    for (unsigned i = 0; i < n; i++) {
        keep(call, &ready[i]);
        free(ready[i].scratch);
    }
    free(args);
    return status;
}

int64_t call_inline(int fd, uint32_t handle, uint32_t scalars, void *const *data, const size_t *length)
{
    struct fr_arg args[8] = {0};
    unsigned count = (scalars >> 16 & 0xff) + (scalars >> 8 & 0xff);
    for (unsigned i = 0; i < count && i < 8; i++)
        args[i] = (struct fr_arg){(uint64_t)(uintptr_t)data[i], length[i], -1, 0};
    struct fr_invoke invoke = {handle, scalars, (uint64_t)(uintptr_t)args};
    /* Both drivers have one structure. */
    return request(fd, is_qda(fd) ? QDA_INVOKE : FR_INVOKE, &invoke);
}
