/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Messages of the DSP. Programs use FARF (HAP_farf.h). All functions are weak: an image without them has no log.
 */
#ifndef HAP_DEBUG_H
#define HAP_DEBUG_H

#include "AEEStdDef.h"
#include <stdarg.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAP_LEVEL_LOW          0
#define HAP_LEVEL_MEDIUM       1
#define HAP_LEVEL_HIGH         2
#define HAP_LEVEL_ERROR        3
#define HAP_LEVEL_FATAL        4
#define HAP_LEVEL_CRITICAL     5
#define HAP_LEVEL_RPC_LOW      16
#define HAP_LEVEL_RPC_MEDIUM   17
#define HAP_LEVEL_RPC_HIGH     18
#define HAP_LEVEL_RPC_ERROR    19
#define HAP_LEVEL_RPC_FATAL    20
#define HAP_LEVEL_RPC_CRITICAL 21
/* The message is wanted only if its level was switched on while the program runs. */
#define HAP_LEVEL_RUNTIME      (1 << 5)

__attribute__((weak, format(printf, 4, 5))) void HAP_debug_v2(int level, const char *file, int line, const char *form, ...);
__attribute__((weak, format(printf, 4, 5))) void HAP_debug_runtime(int level, const char *file, int line, const char *form, ...);
__attribute__((weak)) void HAP_debug(const char *message, int level, const char *file, int line);

/* Switches the run-time levels of `mask` on, in the files named (none: in all). */
int HAP_setFARFRuntimeLoggingParams(unsigned int mask, const char *files[], unsigned short count);

#ifdef __cplusplus
}
#endif

#endif
