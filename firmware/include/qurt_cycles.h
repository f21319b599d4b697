/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Processor cycles.
 */
#ifndef QURT_CYCLES_H
#define QURT_CYCLES_H

#ifdef __cplusplus
extern "C" {
#endif

unsigned long long int qurt_get_core_pcycles(void);
/* Of the calling thread: one a packet. */
unsigned long long int qurt_profile_get_thread_pcycles(void);
/* Without effect. */
void qurt_profile_enable(int enable);

#ifdef __cplusplus
}
#endif

#endif
