/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Heap, numbers, sorting, the end of a process.
 */
#ifndef VHX_STDLIB_H
#define VHX_STDLIB_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void *memalign(size_t align, size_t n);
void free(void *p);

int atoi(const char *s);
long strtol(const char *s, char **end, int base);
unsigned long strtoul(const char *s, char **end, int base);
long long strtoll(const char *s, char **end, int base);
unsigned long long strtoull(const char *s, char **end, int base);
double strtod(const char *s, char **end);
float strtof(const char *s, char **end);
int abs(int n);
int rand(void);
void srand(unsigned int seed);
void qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));

char *getenv(const char *name);
int atexit(void (*f)(void));
void abort(void) __attribute__((noreturn));
void exit(int status) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
