/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The kit's header: its folder is not one for programs of the host, which have a C library of their own.
 */
#include "AEEStdDef.h"

#include "../../../../firmware/include/dspqueue.h"
