/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Types that generated stubs and skeletons use.
 */
#ifndef AEESTDDEF_H
#define AEESTDDEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int AEEResult;
typedef uint32_t AEEUID, AEEIID, AEECLSID, AEEPRIVID;
typedef uint16_t AECHAR;

typedef unsigned char boolean;
typedef uint8_t byte, uint8;
typedef int8_t int8;
typedef uint16_t uint16, _wchar_t;
typedef int16_t int16;
typedef uint32_t uint32;
typedef int32_t int32;
typedef unsigned long long uint64;
typedef long long int64;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

/* Strings of the interface language, as members of structures. */
typedef struct _cstring_s {
    char *data;
    int dataLen;
    int dataLenReq;
} _cstring_t;

typedef struct _wstring_s {
    _wchar_t *data;
    int dataLen;
    int dataLenReq;
} _wstring_t;

#define CDECL

#ifdef __cplusplus
}
#endif

#endif
