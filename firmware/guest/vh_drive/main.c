/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * vh-drive: drives every request of the FastRPC driver and of QDA from a script, without their libraries, so that each
 * ioctl, close, signal, thread and process is exactly what the script says. docs/workloads.md describes the language.
 *
 *   vh-drive [--check] FILE|-           runs a script (or only checks it)
 *   vh-drive [--check] -e LINE [-e LINE]…
 *
 * Exit code: 0 when every expectation was met, 1 when one was not (the line is printed), 2 for an error in the script.
 */
#define _GNU_SOURCE
#include "drive.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void usage(FILE *to, int code)
{
    fprintf(to, "usage: vh-drive [--check] FILE|-\n"
                "       vh-drive [--check] -e LINE [-e LINE]...\n"
                "       vh-drive --help\n");
    if (to == stdout)
        verbs_help();
    exit(code);
}

static char *script_read(const char *path)
{
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : 0;
    char *text = malloc(SCRIPT_SIZE + 1);
    size_t size = 0;
    ssize_t n = fd < 0 || !text ? -1 : 1;
    while (n > 0 && size < SCRIPT_SIZE) {
        n = read(fd, text + size, SCRIPT_SIZE - size);
        size += n > 0 ? (size_t)n : 0;
    }
    if (n < 0) {
        fprintf(stderr, "vh-drive: cannot read %s: %s\n", path, strerror(errno));
        exit(EXIT_SCRIPT);
    }
    if (size == SCRIPT_SIZE) {
        fprintf(stderr, "vh-drive: %s is longer than %d bytes\n", path, SCRIPT_SIZE);
        exit(EXIT_SCRIPT);
    }
    if (memchr(text, 0, size)) {
        fprintf(stderr, "vh-drive: %s is no text\n", path);
        exit(EXIT_SCRIPT);
    }
    text[size] = 0;
    if (fd > 0)
        close(fd);
    return text;
}

int main(int argc, char **argv)
{
    bool check = false;
    char *text = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            usage(stdout, 0);
        } else if (!strcmp(argv[i], "--check")) {
            check = true;
        } else if (!strcmp(argv[i], "-e") && i + 1 < argc) {
            char *longer;
            if (asprintf(&longer, "%s%s\n", text ? text : "", argv[++i]) < 0)
                return EXIT_SCRIPT;
            free(text);
            text = longer;
        } else if ((*argv[i] == '-' && argv[i][1]) || text) {
            usage(stderr, EXIT_SCRIPT);
        } else {
            text = script_read(argv[i]);
        }
    }
    if (!text)
        usage(stderr, EXIT_SCRIPT);
    struct block script = script_parse(text);
    if (check)
        return 0;
    struct task task = {.body = &script};
    task_main(&task);
    return 0;
}
