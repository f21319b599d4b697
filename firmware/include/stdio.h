/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Formatted text, and files as far as the DSP has them.
 */
#ifndef VHX_STDIO_H
#define VHX_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FILE FILE;

#define EOF (-1)
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

int printf(const char *form, ...) __attribute__((format(printf, 1, 2)));
int sprintf(char *to, const char *form, ...) __attribute__((format(printf, 2, 3)));
int snprintf(char *to, size_t n, const char *form, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t n, const char *form, va_list args);
int puts(const char *s);
int putchar(int c);

FILE *fopen(const char *name, const char *mode);
size_t fread(void *to, size_t size, size_t n, FILE *file);
size_t fwrite(const void *from, size_t size, size_t n, FILE *file);
int fclose(FILE *file);

#ifdef __cplusplus
}
#endif

#endif
