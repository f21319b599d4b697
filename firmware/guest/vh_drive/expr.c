/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Expressions: C's operators and precedence over signed 64-bit numbers that wrap. Numbers may carry K, M, G (bytes) or
 * us, ms, s (times, in microseconds).
 */
#include "drive.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
    struct task *task; /* NULL: only look whether it is right */
    const struct command *command;
    const char *text, *at;
    int depth;
};

static _Noreturn void wrong(struct reader *r, const char *what)
{
    script_error(r->command->line, "%s in `%.60s`", what, r->text);
}

static void blank(struct reader *r)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
}

static bool take(struct reader *r, const char *operator)
{
    blank(r);
    size_t n = strlen(operator);
    if (strncmp(r->at, operator, n))
        return false;
    r->at += n;
    return true;
}

static int64_t binary(struct reader *r, int level);

static int64_t number(struct reader *r)
{
    char *end;
    uint64_t value = strtoull(r->at, &end, 0);
    static const struct {
        const char *suffix;
        uint64_t factor;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
    size_t n = strspn(end, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
    for (size_t i = 0; n && i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].suffix) == n && !strncmp(end, units[i].suffix, n)) {
            value *= units[i].factor;
            end += n;
            n = 0;
        }
    if (n)
        wrong(r, "a number with something behind it");
    r->at = end;
    return (int64_t)value;
}

/* A number from `low` to `high`; the sequence is the same in every run as long as one task draws. */
static int64_t draw(int64_t low, int64_t high)
{
    static _Atomic uint64_t state;
    uint64_t z = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u) + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    if (high < low)
        return low;
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    return (int64_t)((uint64_t)low + (span ? z % span : z));
}

static int64_t named(struct reader *r)
{
    char name[NAME_SIZE];
    size_t n = 0;
    for (; isalnum((unsigned char)r->at[n]) || r->at[n] == '_'; n++)
        if (n + 1 == sizeof name)
            wrong(r, "a name that is too long");
    memcpy(name, r->at, n);
    name[n] = 0;
    r->at += n;
    struct task *task = r->task;
    if (!strcmp(name, "result"))
        return task ? task->result : 0;
    if (!strcmp(name, "ms"))
        return task ? task->ms : 0;
    if (!strcmp(name, "me"))
        return task ? task->number : 0;
    if (!strcmp(name, "pid"))
        return getpid();
    if (!strcmp(name, "page"))
        return sysconf(_SC_PAGESIZE);
    if (!strcmp(name, "rand")) {
        if (!take(r, "("))
            wrong(r, "rand without its two limits");
        int64_t low = binary(r, 0);
        if (!take(r, ","))
            wrong(r, "rand without its two limits");
        int64_t high = binary(r, 0);
        if (!take(r, ")"))
            wrong(r, "a bracket is missing");
        return task ? draw(low, high) : low;
    }
    int64_t value;
    if (constant_find(name, &value))
        return value;
    const struct symbol *symbol = symbol_find(name, r->command->scope);
    if (!symbol)
        script_error(r->command->line, "nothing is called `%s`", name);
    if (!task)
        return 1;
    struct slot *slot = slot_of(task, symbol);
    if (!atomic_load(&slot->set))
        script_error(r->command->line, "`%s` has no value yet", name);
    return atomic_load(&slot->value);
}

static int64_t unary(struct reader *r)
{
    if (++r->depth > 100)
        wrong(r, "too many brackets");
    int64_t value;
    blank(r);
    if (take(r, "(")) {
        value = binary(r, 0);
        if (!take(r, ")"))
            wrong(r, "a bracket is missing");
    } else if (take(r, "-")) {
        value = (int64_t)(0 - (uint64_t)unary(r));
    } else if (take(r, "~")) {
        value = ~unary(r);
    } else if (*r->at == '!' && r->at[1] != '=') {
        r->at++;
        value = !unary(r);
    } else if (isdigit((unsigned char)*r->at)) {
        value = number(r);
    } else if (isalpha((unsigned char)*r->at) || *r->at == '_') {
        value = named(r);
    } else {
        wrong(r, "a number or a name is missing");
    }
    r->depth--;
    return value;
}

/* The longer operators first: `<` must not be taken for the begin of `<<`. */
static const struct {
    const char *text;
    int level;
} operators[] = {
    {"||", 0}, {"&&", 1}, {"==", 5}, {"!=", 5}, {"<<", 7}, {">>", 7}, {"<=", 6}, {">=", 6}, {"|", 2},
    {"^", 3},  {"&", 4},  {"<", 6},  {">", 6},  {"+", 8},  {"-", 8},  {"*", 9},  {"/", 9},  {"%", 9},
};

static int64_t apply(struct reader *r, const char *operator, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    switch (operator[0] | operator[1] << 8) {
    case '|' | '|' << 8: return a || b;
    case '&' | '&' << 8: return a && b;
    case '=' | '=' << 8: return a == b;
    case '!' | '=' << 8: return a != b;
    case '<' | '=' << 8: return a <= b;
    case '>' | '=' << 8: return a >= b;
    case '<' | '<' << 8: return (int64_t)(y < 64 ? x << y : 0);
    case '>' | '>' << 8: return (int64_t)(y < 64 ? x >> y : 0);
    case '<': return a < b;
    case '>': return a > b;
    case '|': return (int64_t)(x | y);
    case '^': return (int64_t)(x ^ y);
    case '&': return (int64_t)(x & y);
    case '+': return (int64_t)(x + y);
    case '-': return (int64_t)(x - y);
    case '*': return (int64_t)(x * y);
    default: break;
    }
    if (!r->task)
        return 1;
    if (!b || (a == INT64_MIN && b == -1))
        wrong(r, "a division that has no result");
    return *operator == '/' ? a / b : a % b;
}

static int64_t binary(struct reader *r, int level)
{
    int64_t value = unary(r);
    for (;;) {
        blank(r);
        size_t i = 0, count = sizeof operators / sizeof *operators;
        while (i < count && strncmp(r->at, operators[i].text, strlen(operators[i].text)))
            i++;
        if (i == count || operators[i].level < level)
            return value;
        r->at += strlen(operators[i].text);
        int64_t right = binary(r, operators[i].level + 1);
        value = apply(r, operators[i].text, value, right);
    }
}

static int64_t whole(struct reader *r)
{
    int64_t value = binary(r, 0);
    blank(r);
    if (*r->at)
        wrong(r, "something that does not belong there");
    return value;
}

int64_t evaluate(struct task *task, const struct command *command, const char *text)
{
    struct reader r = {task, command, text, text, 0};
    return whole(&r);
}

void expression_check(const struct command *command, const char *text)
{
    struct reader r = {NULL, command, text, text, 0};
    whole(&r);
}
