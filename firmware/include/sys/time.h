/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The time since the process's clock began, in microseconds.
 */
#ifndef VHX_SYS_TIME_H
#define VHX_SYS_TIME_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
    int : 32;
};

int gettimeofday(struct timeval *now, void *zone);
int settimeofday(const struct timeval *now, const void *zone); /* refused */

#ifdef __cplusplus
}
#endif

#endif
