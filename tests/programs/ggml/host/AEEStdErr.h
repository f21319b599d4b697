/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Result codes as a program on the host sees them: without the DSP's offset.
 */
#ifndef AEE_EOFFSET
#define AEE_EOFFSET 0
#endif
#include "../../../../firmware/include/AEEStdErr.h"
