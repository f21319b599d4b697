/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Performance counters. Counted are packets of the process (event 3) and overflows of counters (1, 2, 5, 6).
 */
#ifndef QURT_PMU_H
#define QURT_PMU_H

#ifdef __cplusplus
extern "C" {
#endif

#define QURT_PMUCNT0     0
#define QURT_PMUCNT1     1
#define QURT_PMUCNT2     2
#define QURT_PMUCNT3     3
#define QURT_PMUCFG      4
#define QURT_PMUEVTCFG   5
#define QURT_PMUCNT4     6
#define QURT_PMUCNT5     7
#define QURT_PMUCNT6     8
#define QURT_PMUCNT7     9
#define QURT_PMUEVTCFG1  10
#define QURT_PMUSTID0    11
#define QURT_PMUSTID1    12

void qurt_pmu_enable(int on);
void qurt_pmu_set(int number, unsigned int value);
unsigned int qurt_pmu_get(int number);

#ifdef __cplusplus
}
#endif

#endif
