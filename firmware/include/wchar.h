/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Wide characters: one byte each, in the locale "C".
 */
#ifndef VHX_WCHAR_H
#define VHX_WCHAR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef WEOF
typedef unsigned wint_t;
#define WEOF 0xffffffffU
#endif
typedef struct {
    unsigned reserved[2];
} mbstate_t;
#ifndef WCHAR_MAX
#define WCHAR_MAX __WCHAR_MAX__
#define WCHAR_MIN (-WCHAR_MAX - 1)
#endif

size_t wcslen(const wchar_t *);
wchar_t *wcscpy(wchar_t *to, const wchar_t *from);
wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t len);
wchar_t *wcscat(wchar_t *to, const wchar_t *from);
int wcscmp(const wchar_t *a, const wchar_t *b);
int wcsncmp(const wchar_t *a, const wchar_t *b, size_t max);
wchar_t *wcschr(const wchar_t *s, wchar_t);
wchar_t *wcsrchr(const wchar_t *s, wchar_t);
wchar_t *wmemcpy(wchar_t *to, const wchar_t *from, size_t count);
wchar_t *wmemmove(wchar_t *to, const wchar_t *from, size_t count);
wchar_t *wmemset(wchar_t *to, wchar_t, size_t count);
int wmemcmp(const wchar_t *a, const wchar_t *b, size_t count);
size_t mbstowcs(wchar_t *to, const char *from, size_t room);
size_t wcstombs(char *to, const wchar_t *from, size_t room);
int mbtowc(wchar_t *to, const char *s, size_t len);
size_t mbrtowc(wchar_t *to, const char *s, size_t len, mbstate_t *);
size_t mbrlen(const char *s, size_t len, mbstate_t *);
int mblen(const char *s, size_t len);
int wctomb(char *to, wchar_t);
size_t wcrtomb(char *to, wchar_t, mbstate_t *);
int mbsinit(const mbstate_t *);
wint_t btowc(int byte);
int wctob(wint_t);

size_t wcsnlen(const wchar_t *, size_t max);
wchar_t *wcpcpy(wchar_t *to, const wchar_t *from);
wchar_t *wcpncpy(wchar_t *to, const wchar_t *from, size_t len);
wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t max);
wchar_t *wcsdup(const wchar_t *);
wchar_t *wmempcpy(wchar_t *to, const wchar_t *from, size_t count);
wchar_t *wmemchr(const wchar_t *, wchar_t, size_t count);
size_t wcsspn(const wchar_t *, const wchar_t *set);
size_t wcscspn(const wchar_t *, const wchar_t *set);
wchar_t *wcspbrk(const wchar_t *, const wchar_t *set);
wchar_t *wcsstr(const wchar_t *hay, const wchar_t *needle);
wchar_t *wcstok(wchar_t *, const wchar_t *set, wchar_t **place);
int wcscoll(const wchar_t *a, const wchar_t *b);
size_t wcsxfrm(wchar_t *to, const wchar_t *from, size_t room);
int wcscasecmp(const wchar_t *a, const wchar_t *b);
int wcsncasecmp(const wchar_t *a, const wchar_t *b, size_t max);
int wcwidth(wchar_t);
int wcswidth(const wchar_t *, size_t max);
size_t mbsrtowcs(wchar_t *to, const char **from, size_t room, mbstate_t *);
size_t mbsnrtowcs(wchar_t *to, const char **from, size_t len, size_t room, mbstate_t *);
size_t wcsrtombs(char *to, const wchar_t **from, size_t room, mbstate_t *);
size_t wcsnrtombs(char *to, const wchar_t **from, size_t count, size_t room, mbstate_t *);

long wcstol(const wchar_t *, wchar_t **end, int base);
unsigned long wcstoul(const wchar_t *, wchar_t **end, int base);
long long wcstoll(const wchar_t *, wchar_t **end, int base);
unsigned long long wcstoull(const wchar_t *, wchar_t **end, int base);
double wcstod(const wchar_t *, wchar_t **end);
float wcstof(const wchar_t *, wchar_t **end);
long double wcstold(const wchar_t *, wchar_t **end);
size_t wcsftime(wchar_t *, size_t room, const wchar_t *format, const struct tm *);

wint_t fgetwc(FILE *);
wint_t getwc(FILE *);
wint_t getwchar(void);
wint_t ungetwc(wint_t, FILE *);
wchar_t *fgetws(wchar_t *to, int room, FILE *);
wint_t fputwc(wchar_t, FILE *);
wint_t putwc(wchar_t, FILE *);
wint_t putwchar(wchar_t);
int fputws(const wchar_t *, FILE *);
int fwide(FILE *, int mode);
FILE *open_wmemstream(wchar_t **memory, size_t *len);
int wprintf(const wchar_t *format, ...);
int fwprintf(FILE *, const wchar_t *format, ...);
int swprintf(wchar_t *to, size_t room, const wchar_t *format, ...);
int vwprintf(const wchar_t *format, va_list);
int vfwprintf(FILE *, const wchar_t *format, va_list);
int vswprintf(wchar_t *to, size_t room, const wchar_t *format, va_list);
int wscanf(const wchar_t *format, ...);
int fwscanf(FILE *, const wchar_t *format, ...);
int swscanf(const wchar_t *, const wchar_t *format, ...);
int vwscanf(const wchar_t *format, va_list);
int vfwscanf(FILE *, const wchar_t *format, va_list);
int vswscanf(const wchar_t *, const wchar_t *format, va_list);

#ifdef __cplusplus
}
#endif

#endif
