/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Threads and synchronisation of the DSP's operating system: all headers of the family.
 */
#ifndef QURT_H
#define QURT_H

#include <stdlib.h>

#include "qurt_alloc.h"
#include "qurt_barrier.h"
#include "qurt_cond.h"
#include "qurt_cycles.h"
#include "qurt_event.h"
#include "qurt_futex.h"
#include "qurt_hvx.h"
#include "qurt_memory.h"
#include "qurt_mutex.h"
#include "qurt_pipe.h"
#include "qurt_pmu.h"
#include "qurt_printf.h"
#include "qurt_process.h"
#include "qurt_sem.h"
#include "qurt_signal.h"
#include "qurt_sysenv.h"
#include "qurt_thread.h"
#include "qurt_timer.h"
#include "qurt_tls.h"
#include "qurt_types.h"

#endif
