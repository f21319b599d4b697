/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Files of the AP by descriptors. Flags that no mode of fopen says (O_EXCL, O_CREAT alone) are refused with EINVAL.
 */
#ifndef VHX_FCNTL_H
#define VHX_FCNTL_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define O_RDONLY 0
#define O_WRONLY 01
#define O_RDWR 02
#define O_ACCMODE 03
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NOFOLLOW 0100000
#define O_LARGEFILE 0400000
#define O_CLOEXEC 02000000

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_DUPFD_CLOEXEC 1030
#define FD_CLOEXEC 1

int open(const char *path, int flags, ...);
int creat(const char *path, mode_t mode);
int fcntl(int fd, int command, ...);
int openat(int directory, const char *path, int flags, ...); /* refused */

#ifdef __cplusplus
}
#endif

#endif
