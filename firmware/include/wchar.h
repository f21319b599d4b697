/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Wide characters: one byte each, in the locale "C".
 */
#ifndef VHX_WCHAR_H
#define VHX_WCHAR_H

#include <stddef.h>

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

#ifdef __cplusplus
}
#endif

#endif
