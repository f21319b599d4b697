/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * As printf.
 */
#ifndef QURT_PRINTF_H
#define QURT_PRINTF_H

#ifdef __cplusplus
extern "C" {
#endif

int qurt_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif

#endif
