/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Time.
 */
#ifndef QURT_TIMER_H
#define QURT_TIMER_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

void qurt_sleep(unsigned long long us);

#ifdef __cplusplus
}
#endif

#endif
