/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Waiting for a word to change.
 */
#ifndef QURT_FUTEX_H
#define QURT_FUTEX_H

#ifdef __cplusplus
extern "C" {
#endif

/* Waits while *at is `value`. */
int qurt_futex_wait(void *at, int value);
int qurt_futex_wait_cancellable(void *at, int value);
/* Wakes so many that wait at `at`; returns how many it were. */
int qurt_futex_wake(void *at, int count);

#ifdef __cplusplus
}
#endif

#endif
