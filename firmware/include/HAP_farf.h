/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * FARF(LEVEL, "text %d", n): a message that ends up in the host's log. ALWAYS, ERROR and FATAL are compiled in, LOW, MEDIUM,
 * HIGH and CRITICAL if FARF_LOW (and so on) is defined as 1 before this header is included, RUNTIME_* always; those are
 * printed once HAP_setFARFRuntimeLoggingParams switched their level on.
 */
#ifndef HAP_FARF_H
#define HAP_FARF_H

#include "HAP_debug.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef _DEBUG
#ifndef FARF_HIGH
#define FARF_HIGH 1
#endif
#endif

#ifndef FARF_ALWAYS
#define FARF_ALWAYS 1
#endif
#ifndef FARF_LOW
#define FARF_LOW 0
#endif
#ifndef FARF_MEDIUM
#define FARF_MEDIUM 0
#endif
#ifndef FARF_HIGH
#define FARF_HIGH 0
#endif
#ifndef FARF_ERROR
#define FARF_ERROR 1
#endif
#ifndef FARF_FATAL
#define FARF_FATAL 1
#endif
#ifndef FARF_CRITICAL
#define FARF_CRITICAL 0
#endif
#ifndef FARF_RUNTIME_LOW
#define FARF_RUNTIME_LOW 1
#endif
#ifndef FARF_RUNTIME_MEDIUM
#define FARF_RUNTIME_MEDIUM 1
#endif
#ifndef FARF_RUNTIME_HIGH
#define FARF_RUNTIME_HIGH 1
#endif
#ifndef FARF_RUNTIME_ERROR
#define FARF_RUNTIME_ERROR 1
#endif
#ifndef FARF_RUNTIME_FATAL
#define FARF_RUNTIME_FATAL 1
#endif
#ifndef FARF_RUNTIME_RPC_LOW
#define FARF_RUNTIME_RPC_LOW 1
#endif
#ifndef FARF_RUNTIME_RPC_MEDIUM
#define FARF_RUNTIME_RPC_MEDIUM 1
#endif
#ifndef FARF_RUNTIME_RPC_HIGH
#define FARF_RUNTIME_RPC_HIGH 1
#endif
#ifndef FARF_RUNTIME_RPC_ERROR
#define FARF_RUNTIME_RPC_ERROR 1
#endif
#ifndef FARF_RUNTIME_RPC_FATAL
#define FARF_RUNTIME_RPC_FATAL 1
#endif
#ifndef FARF_RUNTIME_RPC_CRITICAL
#define FARF_RUNTIME_RPC_CRITICAL 1
#endif

/* What each is called with. */
#define FARF_ALWAYS_LEVEL HAP_LEVEL_HIGH
#define FARF_LOW_LEVEL HAP_LEVEL_LOW
#define FARF_MEDIUM_LEVEL HAP_LEVEL_MEDIUM
#define FARF_HIGH_LEVEL HAP_LEVEL_HIGH
#define FARF_ERROR_LEVEL HAP_LEVEL_ERROR
#define FARF_FATAL_LEVEL HAP_LEVEL_FATAL
#define FARF_CRITICAL_LEVEL HAP_LEVEL_CRITICAL
#define FARF_RUNTIME_LOW_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_LOW)
#define FARF_RUNTIME_MEDIUM_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_MEDIUM)
#define FARF_RUNTIME_HIGH_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_HIGH)
#define FARF_RUNTIME_ERROR_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_ERROR)
#define FARF_RUNTIME_FATAL_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_FATAL)
#define FARF_RUNTIME_RPC_LOW_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_RPC_LOW)
#define FARF_RUNTIME_RPC_MEDIUM_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_RPC_MEDIUM)
#define FARF_RUNTIME_RPC_HIGH_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_RPC_HIGH)
#define FARF_RUNTIME_RPC_ERROR_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_RPC_ERROR)
#define FARF_RUNTIME_RPC_FATAL_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_RPC_FATAL)
#define FARF_RUNTIME_RPC_CRITICAL_LEVEL (HAP_LEVEL_RUNTIME | HAP_LEVEL_RPC_CRITICAL)

#define VHX_FARF_0(level, ...) ((void)0)
#define VHX_FARF_1(level, ...)                                                                                         \
    do {                                                                                                               \
        if (!((FARF_##level##_LEVEL) & HAP_LEVEL_RUNTIME)) {                                                           \
            if (HAP_debug_v2)                                                                                          \
                HAP_debug_v2(FARF_##level##_LEVEL, __FILE_NAME__, __LINE__, __VA_ARGS__);                              \
        } else if (HAP_debug_runtime) {                                                                                \
            HAP_debug_runtime(FARF_##level##_LEVEL ^ HAP_LEVEL_RUNTIME, __FILE_NAME__, __LINE__, __VA_ARGS__);         \
        }                                                                                                              \
    } while (0)
#define VHX_FARF_PASTE(on, ...) VHX_FARF_PASTE_(on, __VA_ARGS__)
#define VHX_FARF_PASTE_(on, ...) VHX_FARF_##on(__VA_ARGS__)

#define FARF(level, ...) VHX_FARF_PASTE(FARF_##level, level, __VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif
