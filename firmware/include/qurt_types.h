/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Numbers of the DSP's operating system.
 */
#ifndef QURT_TYPES_H
#define QURT_TYPES_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef unsigned int qurt_addr_t;
typedef unsigned int qurt_paddr_t;
typedef unsigned long long qurt_paddr_64_t;
typedef unsigned int qurt_size_t;

/* Results. */
#define QURT_EOK     0
#define QURT_EVAL    1
#define QURT_EMEM    2
#define QURT_EINVALID 4
#define QURT_EFAILED 12
#define QURT_ENOTALLOWED 13
#define QURT_ENOTHREAD 30
#define QURT_EALIGN 32
#define QURT_EPRIVILEGE 36
#define QURT_ETIMEDOUT 47
#define QURT_ENOTSUPPORTED 55
#define QURT_EFATAL -1

#ifdef __cplusplus
}
#endif

#endif
