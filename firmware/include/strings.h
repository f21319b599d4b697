/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Strings of BSD.
 */
#ifndef VHX_STRINGS_H
#define VHX_STRINGS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

int bcmp(const void *a, const void *b, size_t n);
void bcopy(const void *from, void *to, size_t n);
void bzero(void *to, size_t n);
int ffs(int v);
int ffsl(long v);
int ffsll(long long v);
char *index(const char *s, int c);
char *rindex(const char *s, int c);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);

#ifdef __cplusplus
}
#endif

#endif
