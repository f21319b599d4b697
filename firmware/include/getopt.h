/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Options of a program: letters as in POSIX, names as in GNU's manual.
 */
#ifndef VHX_GETOPT_H
#define VHX_GETOPT_H

#ifdef __cplusplus
extern "C" {
#endif

extern char *optarg;
extern int optind, opterr, optopt, optreset;

struct option {
    const char *name;
    int has_arg;
    int *flag;
    int val;
};

#define no_argument 0
#define required_argument 1
#define optional_argument 2

int getopt(int count, char *const arguments[], const char *letters);
int getopt_long(int count, char *const arguments[], const char *letters, const struct option *names, int *index);
int getopt_long_only(int count, char *const arguments[], const char *letters, const struct option *names, int *index);

#ifdef __cplusplus
}
#endif

#endif
