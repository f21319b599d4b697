/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The script's text into commands: one a line, `#` begins a comment, `{` at the end of a line opens a block that a line
 * `}` closes. Everything that can be known to be wrong is found here, before anything runs.
 */
#include "drive.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void script_error(int line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    char text[512];
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "vh-drive: line %d: %s\n", line, text);
    exit(EXIT_SCRIPT);
}

static void *make(size_t size)
{
    void *at = calloc(1, size);
    if (!at) {
        fprintf(stderr, "vh-drive: no memory\n");
        exit(EXIT_SCRIPT);
    }
    return at;
}

/* Where a word ends: at white space outside of quotes and brackets. */
static char *word_end(int line, char *at)
{
    int depth = 0;
    char *begin = at;
    for (; *at && (depth || !isspace((unsigned char)*at)); at++) {
        if (*at == '"') {
            for (at++; *at && *at != '"'; at++)
                if (*at == '\\' && at[1])
                    at++;
            if (!*at)
                script_error(line, "a string without end: %.40s", begin);
        } else if (strchr("([", *at)) {
            depth++;
        } else if (strchr(")]", *at) && --depth < 0) {
            script_error(line, "a closing bracket too many: %.40s", begin);
        }
    }
    if (depth)
        script_error(line, "a bracket is not closed: %.40s", begin);
    return at;
}

/* Cuts a line into words; a comment ends it. */
static int words_of(int line, char *text, char **words)
{
    int count = 0;
    for (char *at = text;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (!*at || *at == '#')
            return count;
        if (count == MOST_WORDS)
            script_error(line, "more than %d words", MOST_WORDS);
        char *end = word_end(line, at);
        words[count++] = at;
        if (!*end)
            return count;
        *end = 0;
        at = end + 1;
    }
}

/* The text of words, joined: what is printed of a command, or an expectation. */
static char *joined(char **words, int from, int to)
{
    size_t size = 1;
    for (int i = from; i < to; i++)
        size += strlen(words[i]) + 1;
    char *text = make(size), *at = text;
    for (int i = from; i < to; i++)
        at += sprintf(at, "%s%s", i > from ? " " : "", words[i]);
    return text;
}

/* The letter of an option of this verb: its kind, ' ' for one without a value, 0 if there is none. */
static char option_kind(const struct verb *verb, const char *key, size_t length)
{
    for (const char *at = verb->options; at && *at;) {
        size_t n = strcspn(at, " ");
        size_t name = strcspn(at, " :");
        if (name == length && !strncmp(at, key, length))
            return name < n ? at[name + 1] : ' ';
        at += n;
        at += *at == ' ';
    }
    return 0;
}

static void check_word(const struct command *command, char kind, const char *word)
{
    int line = command->line;
    if ((kind == 'n' || kind == 't' || kind == 'u' || kind == 'v') && !name_valid(word))
        script_error(line, "`%.60s` is no name", word);
    if (kind == 'v' && event_number(word, false) < 0)
        script_error(line, "nobody posts %s", word);
    if (kind == 'u' && event_number(word, false) < 0)
        script_error(line, "no `thread` or `process` is called %s", word);
    if (kind == 'e')
        expression_check(command, word);
}

/* Sorts a command's words into parameters, options and arguments. Names are defined in a pass before (`define`). */
static void arrange(struct command *command, bool define)
{
    const struct verb *verb = command->verb;
    const char *wanted = verb->params;
    bool may_end = false;
    command->params = 0;
    for (int i = 1; i < command->words; i++) {
        const char *word = command->word[i];
        if (is_arg(word) && strchr(verb->params, '*')) {
            if (!define)
                args_check(command, word);
            continue;
        }
        size_t key = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
        char kind = key && (word[key] == '=' || !word[key]) ? option_kind(verb, word, key) : 0;
        if (kind && (kind == ' ') == !word[key]) {
            if (!define && kind != ' ') {
                check_word(command, kind, word + key + 1);
                command->plain[i] = unquoted(word + key + 1);
            }
            continue;
        }
        if (key && word[key] == '=' && word[key + 1] != '=')
            script_error(command->line, "`%s` has no option `%.*s`; usage: %s", verb->name, (int)key, word, verb->usage);
        if (*wanted == '?')
            may_end = true, wanted++;
        if (*wanted == 'E') {
            /* The rest of the line. */
            if (i + 1 < command->words)
                command->word[i] = joined(command->word, i, command->words);
            command->words = i + 1;
            if (!define)
                expression_check(command, command->word[i]);
            command->param[command->params++] = (unsigned char)i;
            wanted++;
            break;
        }
        if (!*wanted || *wanted == '*')
            script_error(command->line, "`%.60s` is one word too many; usage: %s", word, verb->usage);
        if (!define)
            check_word(command, *wanted, word);
        else if (!name_valid(word) && strchr("ntv", *wanted))
            script_error(command->line, "`%.60s` is no name", word);
        else if (*wanted == 'n')
            symbol_define(command->line, word, command->scope, !strcmp(verb->name, "for"));
        else if (*wanted == 't' || (*wanted == 'v' && !strcmp(verb->name, "post")))
            event_number(word, true);
        if (!define)
            command->plain[i] = unquoted(word);
        command->param[command->params++] = (unsigned char)i;
        wanted++;
    }
    if (*wanted && *wanted != '?' && *wanted != '*' && !may_end)
        script_error(command->line, "`%s` needs more; usage: %s", verb->name, verb->usage);
    if (!define && command->expected) {
        char *copy = strdup(command->expected), *parts[MOST_WORDS];
        for (int i = 0, n = split(copy, '|', parts, MOST_WORDS); i < n; i++) {
            char *range = strstr(parts[i], "..");
            if (!strcmp(parts[i], "any") || !strcmp(parts[i], "fail"))
                continue;
            if (range) {
                *range = 0;
                if (range[2])
                    expression_check(command, range + 2);
            }
            if (!range || *parts[i])
                expression_check(command, parts[i]);
        }
        free(copy);
    }
    if (!define && command->within)
        expression_check(command, command->within);
}

static void arrange_all(const struct block *block, bool define)
{
    for (struct command *command = block->first; command; command = command->next) {
        arrange(command, define);
        arrange_all(&command->body, define);
        arrange_all(&command->other, define);
    }
}

static struct command *command_of(int line, char **words, int count, int scope, bool *opens)
{
    struct command *command = make(sizeof *command);
    command->line = line;
    command->scope = command->inner = scope;
    *opens = !strcmp(words[count - 1], "{");
    count -= *opens;
    int end = count;
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "=>"))
            continue;
        end = i;
        int last = count;
        if (count - i >= 4 && !strcmp(words[count - 2], "within")) {
            command->within = strdup(words[count - 1]);
            last = count - 2;
        }
        if (last == i + 1)
            script_error(line, "nothing is expected behind `=>`");
        command->expected = joined(words, i + 1, last);
        break;
    }
    if (!end)
        script_error(line, "there is no command");
    command->words = end;
    for (int i = 0; i < end; i++)
        command->word[i] = strdup(words[i]);
    command->text = joined(words, 0, end);
    command->verb = verb_find(words[0]);
    if (!command->verb)
        script_error(line, "there is no command `%.40s` (vh-drive --help lists them)", words[0]);
    if (command->verb->block != *opens)
        script_error(line, *opens ? "`%s` has no block" : "`%s` has a block: `{` belongs to the end of the line", words[0]);
    if (command->expected && *opens)
        script_error(line, "a command with a block has no result to expect");
    if (!strcmp(words[0], "thread"))
        command->inner = scope_new(scope);
    return command;
}

struct block script_parse(char *text)
{
    struct block top = {0}, *stack[MOST_DEPTH] = {&top};
    struct command *owner[MOST_DEPTH] = {0};
    int depth = 0, line = 0;
    for (char *at = text, *next; at; at = next) {
        next = strchr(at, '\n');
        if (next)
            *next++ = 0;
        line++;
        char *words[MOST_WORDS];
        int count = words_of(line, at, words);
        if (!count)
            continue;
        if (!strcmp(words[0], "}")) {
            if (!depth)
                script_error(line, "`}` closes nothing");
            bool other = count == 3 && !strcmp(words[1], "else") && !strcmp(words[2], "{");
            if (count > 1 && !other)
                script_error(line, "`}` stands alone on its line, or with `else {`");
            if (!other) {
                depth--;
            } else {
                if (strcmp(owner[depth]->verb->name, "if") || stack[depth] == &owner[depth]->other)
                    script_error(line, "`else` belongs to `if`");
                stack[depth] = &owner[depth]->other;
            }
            continue;
        }
        bool opens;
        int scope = depth ? owner[depth]->inner : 0;
        struct command *command = command_of(line, words, count, scope, &opens);
        struct block *block = stack[depth];
        if (block->last)
            block->last->next = command;
        else
            block->first = command;
        block->last = command;
        if (opens) {
            if (++depth == MOST_DEPTH)
                script_error(line, "blocks are nested too deeply");
            stack[depth] = &command->body;
            owner[depth] = command;
        }
    }
    if (depth)
        script_error(owner[depth]->line, "the block of `%s` is not closed", owner[depth]->verb->name);
    arrange_all(&top, true);
    arrange_all(&top, false);
    return top;
}

char *unquoted(const char *word)
{
    char *text = make(strlen(word) + 1), *to = text;
    if (*word != '"')
        return strcpy(text, word);
    for (const char *at = word + 1; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            *to++ = *at == 'n' ? '\n' : *at == 't' ? '\t' : *at;
        } else {
            *to++ = *at;
        }
    }
    return text;
}

int split(char *text, char separator, char **parts, int most)
{
    int count = 0, depth = 0;
    parts[count++] = text;
    for (char *at = text; *at; at++) {
        if (*at == '"') {
            for (at++; *at && *at != '"'; at++)
                if (*at == '\\' && at[1])
                    at++;
            if (!*at)
                break;
        }
        depth += strchr("([", *at) != NULL;
        depth -= strchr(")]", *at) != NULL;
        if (*at == separator && !depth && at[1] != separator && (at == text || at[-1] != separator) && count < most) {
            *at = 0;
            parts[count++] = at + 1;
        }
    }
    /* White space around the parts does not count. */
    for (int i = 0; i < count; i++) {
        while (isspace((unsigned char)*parts[i]))
            parts[i]++;
        for (size_t n = strlen(parts[i]); n && isspace((unsigned char)parts[i][n - 1]);)
            parts[i][--n] = 0;
    }
    return count;
}
