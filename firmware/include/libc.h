/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The C library functions that a DSP process offers to a skeleton (there are no system headers for this target). The
 * names are the usual ones, so a skeleton may declare them itself as well.
 */
#ifndef VHX_LIBC_H
#define VHX_LIBC_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t n);
void *memalign(size_t align, size_t n);
void free(void *p);

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int snprintf(char *to, size_t n, const char *form, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t n, const char *form, va_list args);

void abort(void) __attribute__((noreturn));
void exit(int status) __attribute__((noreturn));
void _Assert(const char *expression, const char *function) __attribute__((noreturn));

#define assert(x) ((x) ? (void)0 : _Assert(#x, __func__))

#endif
