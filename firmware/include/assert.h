/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * A failed assertion ends the process with a report. With NDEBUG there are none.
 */
#ifndef VHX_ASSERT_H
#define VHX_ASSERT_H

#ifdef __cplusplus
extern "C" {
#endif

void _Assert(const char *expression, const char *function) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif

/* Each inclusion asks NDEBUG anew, as the standard has it. */
#undef assert
#ifdef NDEBUG
#define assert(x) ((void)0)
#else
#define assert(x) ((x) ? (void)0 : _Assert(#x, __func__))
#endif
