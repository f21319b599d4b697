/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Exceptions. Each ends the process.
 */
#ifndef QURT_EVENT_H
#define QURT_EVENT_H

#ifdef __cplusplus
extern "C" {
#endif

void qurt_assert_error(const char *file, int line) __attribute__((noreturn));
void qurt_exception_raise_fatal(void) __attribute__((noreturn));
int qurt_exception_raise_nonfatal(int error);
/* For ever. */
unsigned int qurt_exception_wait(unsigned int *ip, unsigned int *sp, unsigned int *bad_address, unsigned int *cause);
/* QURT_EVAL */
unsigned int qurt_exception_register_fatal_notification(void (*entry)(void *), void *argument);

#ifdef __cplusplus
}
#endif

#endif
