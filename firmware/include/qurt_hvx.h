/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Vector contexts.
 */
#ifndef QURT_HVX_H
#define QURT_HVX_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    QURT_HVX_MODE_64B = 0,
    QURT_HVX_MODE_128B = 1,
} qurt_hvx_mode_t;

/* A mode, as the number that programs without this header pass. */
int qurt_hvx_lock(int mode);
int qurt_hvx_try_lock(int mode);
int qurt_hvx_unlock(void);
/* 1: vectors of 128 bytes; -1: the DSP has none. */
int qurt_hvx_get_mode(void);
/* Contexts of 128 bytes in bits 15:8. */
int qurt_hvx_get_units(void);
int qurt_hvx_reserve(int units);
int qurt_hvx_cancel_reserve(void);

#ifdef __cplusplus
}
#endif

#endif
