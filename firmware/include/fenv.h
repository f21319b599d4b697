/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
 *
 * The floating-point environment: flags, rounding mode and traps of the thread's USR. Numbers: the register's bits, as musl has them.
 */
#ifndef VHX_FENV_H
#define VHX_FENV_H

#ifdef __cplusplus
extern "C" {
#endif

#define FE_INVALID    0x02
#define FE_DIVBYZERO  0x04
#define FE_OVERFLOW   0x08
#define FE_UNDERFLOW  0x10
#define FE_INEXACT    0x20
#define FE_ALL_EXCEPT 0x3e

#define FE_TONEAREST  0
#define FE_TOWARDZERO 1
#define FE_DOWNWARD   2
#define FE_UPWARD     3

typedef unsigned long fexcept_t;
typedef struct {
    unsigned long word;
} fenv_t;

#define FE_DFL_ENV ((const fenv_t *)-1)

int feclearexcept(int flags);
int feraiseexcept(int flags);
int fetestexcept(int flags);
int fegetexceptflag(fexcept_t *, int flags);
int fesetexceptflag(const fexcept_t *, int flags);
int fegetround(void);
int fesetround(int mode);
int fegetenv(fenv_t *);
int fesetenv(const fenv_t *);
int feholdexcept(fenv_t *);
int feupdateenv(const fenv_t *);

#ifdef __cplusplus
}
#endif

#endif
