/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Formats of integers by their widths, and the widest integers.
 */
#ifndef VHX_INTTYPES_H
#define VHX_INTTYPES_H

#include <stddef.h>
#include <stdint.h>

#define PRId8  "hhd"
#define PRIi8  "hhi"
#define PRIu8  "hhu"
#define PRIo8  "hho"
#define PRIx8  "hhx"
#define PRIX8  "hhX"
#define PRId16 "hd"
#define PRIi16 "hi"
#define PRIu16 "hu"
#define PRIo16 "ho"
#define PRIx16 "hx"
#define PRIX16 "hX"
#define PRId32 "d"
#define PRIi32 "i"
#define PRIu32 "u"
#define PRIo32 "o"
#define PRIx32 "x"
#define PRIX32 "X"
#define PRId64 "lld"
#define PRIi64 "lli"
#define PRIu64 "llu"
#define PRIo64 "llo"
#define PRIx64 "llx"
#define PRIX64 "llX"
#define PRIdMAX "lld"
#define PRIiMAX "lli"
#define PRIuMAX "llu"
#define PRIxMAX "llx"
#define PRIdPTR "d"
#define PRIuPTR "u"
#define PRIxPTR "x"
#define SCNd32 "d"
#define SCNi32 "i"
#define SCNu32 "u"
#define SCNx32 "x"
#define SCNd64 "lld"
#define SCNi64 "lli"
#define SCNu64 "llu"
#define SCNx64 "llx"

typedef struct {
    intmax_t quot, rem;
} imaxdiv_t;

#ifdef __cplusplus
extern "C" {
#endif

intmax_t imaxabs(intmax_t v);
imaxdiv_t imaxdiv(intmax_t a, intmax_t b);
intmax_t strtoimax(const char *s, char **end, int base);
uintmax_t strtoumax(const char *s, char **end, int base);
intmax_t wcstoimax(const wchar_t *s, wchar_t **end, int base);
uintmax_t wcstoumax(const wchar_t *s, wchar_t **end, int base);

#ifdef __cplusplus
}
#endif

#endif
