/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Characters of UTF-16 and UTF-32: one byte each, in the locale "C".
 */
#ifndef VHX_UCHAR_H
#define VHX_UCHAR_H

#include <wchar.h>

#ifdef __cplusplus
extern "C" {
#else
typedef __CHAR16_TYPE__ char16_t;
typedef __CHAR32_TYPE__ char32_t;
#endif

size_t mbrtoc16(char16_t *to, const char *s, size_t len, mbstate_t *);
size_t c16rtomb(char *to, char16_t, mbstate_t *);
size_t mbrtoc32(char32_t *to, const char *s, size_t len, mbstate_t *);
size_t c32rtomb(char *to, char32_t, mbstate_t *);

#ifdef __cplusplus
}
#endif

#endif
