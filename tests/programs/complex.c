/* Functions of complex numbers over a grid: the same program is built for the host, whose library they are compared with.
 *
 *   2 values() -> u64[4 * N]   bits of real and imaginary parts
 */
#include <complex.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "values.h"

typedef double _Complex (*function)(double _Complex);
typedef float _Complex (*functionf)(float _Complex);

static double _Complex by_power(double _Complex z) { return cpow(z, CMPLX(1.5, -0.5)); }
static float _Complex by_powerf(float _Complex z) { return cpowf(z, CMPLXF(1.5f, -0.5f)); }
static double _Complex sizes(double _Complex z) { return CMPLX(cabs(z), carg(z)); }
static float _Complex sizesf(float _Complex z) { return CMPLXF(cabsf(z), cargf(z)); }
static double _Complex parts(double _Complex z) { return CMPLX(cimag(z), creal(z)); }
static float _Complex partsf(float _Complex z) { return CMPLXF(cimagf(z), crealf(z)); }
static double _Complex product(double _Complex z) { return z * CMPLX(0.5, -2.0); }
static float _Complex productf(float _Complex z) { return z / CMPLXF(0.5f, -2.0f); }

static const function doubles[] = {cacos, casin, catan, ccos,  csin,  ctan, cacosh,   casinh, catanh, ccosh,
                                   csinh, ctanh, cexp,  clog,  csqrt, conj, cproj,    by_power, sizes, parts, product};
static const functionf floats[] = {cacosf, casinf, catanf, ccosf,  csinf,  ctanf, cacoshf,  casinhf, catanhf, ccoshf,
                                   csinhf, ctanhf, cexpf,  clogf,  csqrtf, conjf, cprojf,   by_powerf, sizesf, partsf, productf};
#define FUNCTIONS (sizeof doubles / sizeof *doubles)

/* Also what is near a place where something changes. */
static const double axis[] = {0.0,   -0.0,  1.0,  -1.0,    0.5,  -0.75, 1.0000001, 0.99999, 3.0,     -7.25,
                              25.0,  1e-9,  -1e9, 1.5e-30, 2e20, 1e-3,  710.0,     -1e-300, 1.2e300, (double)INFINITY,
                              -(double)INFINITY, (double)NAN};
#define POINTS (sizeof axis / sizeof *axis)
#define N (FUNCTIONS * POINTS * POINTS)

static unsigned long long bits(double v)
{
    unsigned long long out;
    memcpy(&out, &v, sizeof out);
    return out;
}

static void values(unsigned long long *out)
{
    for (size_t f = 0; f < FUNCTIONS; f++)
        for (size_t x = 0; x < POINTS; x++)
            for (size_t y = 0; y < POINTS; y++) {
                double _Complex z = doubles[f](CMPLX(axis[x], axis[y]));
                float _Complex w = floats[f](CMPLXF((float)axis[x], (float)axis[y]));
                *out++ = bits(__real__ z);
                *out++ = bits(__imag__ z);
                *out++ = bits(__real__ w);
                *out++ = bits(__imag__ w);
            }
}

VALUES(complex, 4 * N)
