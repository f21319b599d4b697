/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The process.
 */
#ifndef QURT_PROCESS_H
#define QURT_PROCESS_H

#ifdef __cplusplus
extern "C" {
#endif

/* The AP's process id. */
int qurt_getpid(void);
int qurt_process_get_id(void);

#ifdef __cplusplus
}
#endif

#endif
