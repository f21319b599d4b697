/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Strings and memory.
 */
#ifndef VHX_STRING_H
#define VHX_STRING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
/* As much as fits into `room`; how much that was. */
size_t memscpy(void *to, size_t room, const void *from, size_t n);
size_t memsmove(void *to, size_t room, const void *from, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t n);
size_t strlcpy(char *to, const char *from, size_t n);
size_t strlcat(char *to, const char *from, size_t n);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *part);
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);
char *strpbrk(const char *s, const char *set);
char *strtok(char *s, const char *set);
char *strtok_r(char *s, const char *set, char **place);
char *strsep(char **s, const char *set);
char *strdup(const char *s);
char *strerror(int number);
int strerror_r(int number, char *to, size_t room);
int strcoll(const char *a, const char *b);
size_t strxfrm(char *to, const char *from, size_t room);
char *stpcpy(char *to, const char *from);
char *stpncpy(char *to, const char *from, size_t n);
char *strndup(const char *s, size_t max);
char *strcasestr(const char *s, const char *part);
char *strchrnul(const char *s, int c);
int strverscmp(const char *a, const char *b);
void *memccpy(void *to, const void *from, int c, size_t n);
void *mempcpy(void *to, const void *from, size_t n);
void *memrchr(const void *s, int c, size_t n);
void *memmem(const void *s, size_t n, const void *part, size_t length);
void *rawmemchr(const void *s, int c);
void explicit_bzero(void *to, size_t n);

#ifdef __cplusplus
}
#endif

#endif
