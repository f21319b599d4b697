/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * Jumps out of functions.
 */
#ifndef VHX_SETJMP_H
#define VHX_SETJMP_H

#ifdef __cplusplus
extern "C" {
#endif

/* r16 to r27, r29 to r31, and room. */
typedef unsigned long jmp_buf[16];
typedef jmp_buf sigjmp_buf;

int setjmp(jmp_buf) __attribute__((returns_twice));
int _setjmp(jmp_buf) __attribute__((returns_twice));
int sigsetjmp(sigjmp_buf, int) __attribute__((returns_twice));
void longjmp(jmp_buf, int) __attribute__((noreturn));
void _longjmp(jmp_buf, int) __attribute__((noreturn));
void siglongjmp(sigjmp_buf, int) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
