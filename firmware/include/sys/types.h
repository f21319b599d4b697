/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Types of POSIX, as musl has them for Hexagon.
 */
#ifndef VHX_SYS_TYPES_H
#define VHX_SYS_TYPES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int ssize_t;
typedef long long off_t;
typedef long long time_t;
typedef long suseconds_t;
typedef int pid_t;
typedef unsigned uid_t;
typedef unsigned gid_t;
typedef unsigned mode_t;
typedef unsigned nlink_t;
typedef unsigned long long dev_t;
typedef unsigned long long ino_t;
typedef int blksize_t;
typedef long long blkcnt_t;

#ifdef __cplusplus
}
#endif

#endif
