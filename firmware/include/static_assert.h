/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Checks of layouts in C and in C++: g++ knows only C++'s keyword.
 */
#ifndef VHX_STATIC_ASSERT_H
#define VHX_STATIC_ASSERT_H

#ifdef __cplusplus
#define VHX_STATIC_ASSERT(holds, why) static_assert(holds, why)
#else
#define VHX_STATIC_ASSERT(holds, why) _Static_assert(holds, why)
#endif

#endif
