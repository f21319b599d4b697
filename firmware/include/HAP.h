/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Services of the DSP's platform layer that small skeletons use: log messages of all levels, time, memory given by the host.
 */
#ifndef HAP_H
#define HAP_H

#ifndef FARF_LOW
#define FARF_LOW 1
#endif
#ifndef FARF_MEDIUM
#define FARF_MEDIUM 1
#endif
#ifndef FARF_HIGH
#define FARF_HIGH 1
#endif

#include "HAP_farf.h"
#include "HAP_mem.h"
#include "HAP_perf.h"

#endif
