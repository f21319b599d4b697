/* Functions of real numbers at many places: the same program is built for the host, whose library they are compared with.
 *
 *   2 values() -> u64[2 * N]   bits of what functions of doubles and of floats give
 */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "values.h"

/* The second argument of functions that have one. */
static double second;

#define ONE(name)                                                \
    static double name##_d(double x) { return name(x); }         \
    static float name##_f(float x) { return name##f(x); }
#define TWO(name)                                                \
    static double name##_d(double x) { return name(x, second); } \
    static float name##_f(float x) { return name##f(x, (float)second); }
#define ALL(ONE, TWO)                                                                                              \
    ONE(acos) ONE(asin) ONE(atan) ONE(cos) ONE(sin) ONE(tan) ONE(acosh) ONE(asinh) ONE(atanh) ONE(cosh) ONE(sinh) \
    ONE(tanh) ONE(exp) ONE(exp2) ONE(expm1) ONE(log) ONE(log2) ONE(log10) ONE(log1p) ONE(logb) ONE(cbrt)          \
    ONE(sqrt) ONE(fabs) ONE(ceil) ONE(floor) ONE(trunc) ONE(round) ONE(rint) ONE(nearbyint) ONE(erf) ONE(erfc)    \
    ONE(lgamma) ONE(tgamma) TWO(pow) TWO(atan2) TWO(hypot) TWO(fmod) TWO(remainder) TWO(fdim) TWO(fmax) TWO(fmin) \
    TWO(nextafter)
ALL(ONE, TWO)

struct function {
    double (*of_double)(double);
    float (*of_float)(float);
};
#define ROW(name) {name##_d, name##_f},
static const struct function functions[] = {ALL(ROW, ROW)};
#define FUNCTIONS (sizeof functions / sizeof *functions)

static const double special[] = {0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 10.0, -3.0, 1e-310, -1e-40, 1e300, -1e-300, (double)INFINITY,
                                 -(double)INFINITY, (double)NAN, 171.5};
#define SPECIAL (sizeof special / sizeof *special)
#define POINTS 512
#define N (FUNCTIONS * POINTS)

static unsigned long long state;

/* Knuth's numbers for a linear congruential generator (MMIX): 0 to 1. */
static double random_number(void)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* A sign, and a size between 2^-range and 2^range. */
static double of_size(int range)
{
    double sign = random_number() < 0.5 ? -1.0 : 1.0;
    double part = 1.0 + random_number();
    int exponent = (int)(random_number() * 2.0 * range) - range;
    return sign * ldexp(part, exponent);
}

static double argument(size_t point)
{
    static const int ranges[] = {1, 4, 10, 60};
    if (point < SPECIAL)
        return special[point];
    return point % 2 ? of_size(ranges[point / 2 % 4]) : 4.0 * random_number() - 2.0;
}

static void values(unsigned long long *out)
{
    for (size_t f = 0; f < FUNCTIONS; f++) {
        state = 1;
        for (size_t n = 0; n < POINTS; n++) {
            double x = argument(n);
            second = n < SPECIAL ? special[n * 7 % SPECIAL] : argument(SPECIAL + n);
            double d = functions[f].of_double(x);
            /* Exactly as a double. */
            double w = (double)functions[f].of_float((float)x);
            memcpy(out++, &d, sizeof d);
            memcpy(out++, &w, sizeof w);
        }
    }
}

VALUES(real, 2 * N)
