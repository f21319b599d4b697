/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Signals: bits that threads wait for.
 */
#ifndef QURT_SIGNAL_H
#define QURT_SIGNAL_H

#include "qurt_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    uint64_t opaque[2];
} qurt_signal_t, qurt_anysignal_t, qurt_allsignal_t, qurt_signal2_t;

#define QURT_SIGNAL_ATTR_WAIT_ANY 0
#define QURT_SIGNAL_ATTR_WAIT_ALL 1

void qurt_signal_init(qurt_signal_t *signal);
unsigned int qurt_signal_wait(qurt_signal_t *signal, unsigned int mask, unsigned int any_or_all);
void qurt_signal_set(qurt_signal_t *signal, unsigned int mask);
unsigned int qurt_signal_get(qurt_signal_t *signal);
void qurt_signal_clear(qurt_signal_t *signal, unsigned int mask);
void qurt_signal_destroy(qurt_signal_t *signal);

static inline unsigned int qurt_signal_wait_any(qurt_signal_t *signal, unsigned int mask)
{
    return qurt_signal_wait(signal, mask, QURT_SIGNAL_ATTR_WAIT_ANY);
}

static inline unsigned int qurt_signal_wait_all(qurt_signal_t *signal, unsigned int mask)
{
    return qurt_signal_wait(signal, mask, QURT_SIGNAL_ATTR_WAIT_ALL);
}

void qurt_anysignal_init(qurt_anysignal_t *signal);
unsigned int qurt_anysignal_wait(qurt_anysignal_t *signal, unsigned int mask);
unsigned int qurt_anysignal_set(qurt_anysignal_t *signal, unsigned int mask);
unsigned int qurt_anysignal_get(qurt_anysignal_t *signal);
unsigned int qurt_anysignal_clear(qurt_anysignal_t *signal, unsigned int mask);
void qurt_anysignal_destroy(qurt_anysignal_t *signal);

/* QURT_ETIMEDOUT after so many microseconds; *set: what woke the thread. */
int qurt_signal_wait_timed(qurt_signal_t *signal, unsigned int mask, unsigned int any_or_all, unsigned int *set,
                           unsigned long long int us);
int qurt_anysignal_wait_timed(qurt_anysignal_t *signal, unsigned int mask, unsigned int *set,
                              unsigned long long int us);
int qurt_signal_wait_cancellable(qurt_signal_t *signal, unsigned int mask, unsigned int any_or_all, unsigned int *set);

/* All of a mask, which are cleared then. */
void qurt_allsignal_init(qurt_allsignal_t *signal);
void qurt_allsignal_wait(qurt_allsignal_t *signal, unsigned int mask);
void qurt_allsignal_set(qurt_allsignal_t *signal, unsigned int mask);
unsigned int qurt_allsignal_get(qurt_allsignal_t *signal);
void qurt_allsignal_clear(qurt_allsignal_t *signal, unsigned int mask);
void qurt_allsignal_destroy(qurt_allsignal_t *signal);

/* As qurt_signal with another type. */
void qurt_signal2_init(qurt_signal2_t *signal);
unsigned int qurt_signal2_wait(qurt_signal2_t *signal, unsigned int mask, unsigned int any_or_all);
unsigned int qurt_signal2_wait_any(qurt_signal2_t *signal, unsigned int mask);
unsigned int qurt_signal2_wait_all(qurt_signal2_t *signal, unsigned int mask);
int qurt_signal2_wait_cancellable(qurt_signal2_t *signal, unsigned int mask, unsigned int any_or_all,
                                  unsigned int *set);
void qurt_signal2_set(qurt_signal2_t *signal, unsigned int mask);
unsigned int qurt_signal2_get(qurt_signal2_t *signal);
void qurt_signal2_clear(qurt_signal2_t *signal, unsigned int mask);
void qurt_signal2_destroy(qurt_signal2_t *signal);

#ifdef __cplusplus
}
#endif

#endif
