/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The C library functions that small skeletons use, in one header.
 */
#ifndef VHX_LIBC_H
#define VHX_LIBC_H

#include "assert.h"
#include "stdio.h"
#include "stdlib.h"
#include "string.h"
#include <stdint.h>

#endif
