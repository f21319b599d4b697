//! `<math.h>`, `double` and `float`, computed by the host's library; with the internal names that the SDK's headers use.

use super::fenv::round;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// `double f(double)` and `float ff(float)` under their names.
macro_rules! unary {
    ($($name:literal $namef:literal $f:expr, $ff:expr, $what:literal;)*) => {
        &[$(
            import($name, |c| {
                let v: f64 = c.arg_f64(0);
                c.ret_f64($f(v))
            }, concat!("`double ", $name, "(double v)`: ", $what)),
            import($namef, |c| {
                let v: f32 = c.arg_f32(0);
                c.ret_f32($ff(v))
            }, concat!("`float ", $namef, "(float v)`: ", $what)),
        )*]
    };
}

/// `double f(double, double)` and `float ff(float, float)`.
macro_rules! binary {
    ($($name:literal $namef:literal $f:expr, $ff:expr, $what:literal;)*) => {
        &[$(
            import($name, |c| {
                let (a, b): (f64, f64) = (c.arg_f64(0), c.arg_f64(2));
                c.ret_f64($f(a, b))
            }, concat!("`double ", $name, "(double a, double b)`: ", $what)),
            import($namef, |c| {
                let (a, b): (f32, f32) = (c.arg_f32(0), c.arg_f32(1));
                c.ret_f32($ff(a, b))
            }, concat!("`float ", $namef, "(float a, float b)`: ", $what)),
        )*]
    };
}

/// The standard library computes this one, and those beside it, by formulas that lose up to four bits.
fn acosh(v: f64) -> f64 {
    // Below 1 `libm` gives numbers, too.
    if v < 1.0 { f64::NAN } else { libm::acosh(v) }
}

#[rustfmt::skip]
const UNARY: &[Import] = unary! {
    "acos" "acosf" f64::acos, f32::acos, "arc cosine";
    "asin" "asinf" f64::asin, f32::asin, "arc sine";
    "atan" "atanf" f64::atan, f32::atan, "arc tangent";
    "cos" "cosf" f64::cos, f32::cos, "cosine";
    "sin" "sinf" f64::sin, f32::sin, "sine";
    "tan" "tanf" f64::tan, f32::tan, "tangent";
    "acosh" "acoshf" acosh, |v: f32| acosh(v.into()) as f32, "inverse hyperbolic cosine";
    "asinh" "asinhf" libm::asinh, |v: f32| libm::asinh(v.into()) as f32, "inverse hyperbolic sine";
    "atanh" "atanhf" libm::atanh, |v: f32| libm::atanh(v.into()) as f32, "inverse hyperbolic tangent";
    "cosh" "coshf" f64::cosh, f32::cosh, "hyperbolic cosine";
    "sinh" "sinhf" f64::sinh, f32::sinh, "hyperbolic sine";
    "tanh" "tanhf" f64::tanh, f32::tanh, "hyperbolic tangent";
    "exp" "expf" f64::exp, f32::exp, "e to the v";
    "exp2" "exp2f" f64::exp2, f32::exp2, "2 to the v";
    "expm1" "expm1f" f64::exp_m1, f32::exp_m1, "e to the v, less 1";
    "log" "logf" f64::ln, f32::ln, "natural logarithm";
    "log2" "log2f" f64::log2, f32::log2, "logarithm to base 2";
    "log10" "log10f" f64::log10, f32::log10, "logarithm to base 10";
    "log1p" "log1pf" f64::ln_1p, f32::ln_1p, "natural logarithm of 1 + v";
    "sqrt" "sqrtf" f64::sqrt, f32::sqrt, "square root";
    "cbrt" "cbrtf" f64::cbrt, f32::cbrt, "cube root";
    "ceil" "ceilf" f64::ceil, f32::ceil, "up to an integer";
    "floor" "floorf" f64::floor, f32::floor, "down to an integer";
    "trunc" "truncf" f64::trunc, f32::trunc, "towards 0 to an integer";
    "round" "roundf" f64::round, f32::round, "to the nearest integer, ties away from 0";
    "fabs" "fabsf" f64::abs, f32::abs, "without its sign";
    "_Exp1" "_FExp1" f64::exp, f32::exp, "e to the v, for the headers of Dinkumware";
};

#[rustfmt::skip]
const BINARY: &[Import] = binary! {
    "atan2" "atan2f" f64::atan2, f32::atan2, "the angle of the point (b, a)";
    "pow" "powf" f64::powf, f32::powf, "a to the b";
    "fmod" "fmodf" |a, b| a % b, |a, b| a % b, "remainder of a / b, with the sign of a";
    "hypot" "hypotf" f64::hypot, f32::hypot, "square root of a squared + b squared";
    "fmax" "fmaxf" f64::max, f32::max, "the larger; of a NaN and a number the number";
    "fmin" "fminf" f64::min, f32::min, "the smaller; of a NaN and a number the number";
    "copysign" "copysignf" f64::copysign, f32::copysign, "a with the sign of b";
    "fdim" "fdimf" libm::fdim, libm::fdimf, "a - b, or 0 if that is negative";
};

#[rustfmt::skip]
const OTHER: &[Import] = &[
    import("ldexp", ldexp, "`double ldexp(double v, int n)`: v times 2 to the n, rounded once"),
    import("scalbn", ldexp, "`double scalbn(double v, int n)`: v times 2 to the n, rounded once"),
    import("ldexpf", ldexpf, "`float ldexpf(float v, int n)`: v times 2 to the n, rounded once"),
    import("scalbnf", ldexpf, "`float scalbnf(float v, int n)`: v times 2 to the n, rounded once"),
    import("frexp", frexp, "`double frexp(double v, int *exponent)`: fraction in [0.5, 1) and exponent"),
    import("frexpf", frexpf, "`float frexpf(float v, int *exponent)`: fraction in [0.5, 1) and exponent"),
    import("modf", modf, "`double modf(double v, double *whole)`: fraction and whole part"),
    import("modff", modff, "`float modff(float v, float *whole)`: fraction and whole part"),
    import("fma", fma, "`double fma(double a, double b, double c)`: a times b plus c, rounded once"),
    import("fmaf", fmaf, "`float fmaf(float a, float b, float c)`: a times b plus c, rounded once"),
    import("rint", |c| c.ret_f64(round(c, c.arg_f64(0))), "`double rint(double v)`: to an integer by the rounding mode"),
    import("rintf", |c| c.ret_f32(round(c, c.arg_f32(0).into()) as f32), "`float rintf(float v)`: to an integer by the rounding mode"),
    import("nearbyint", |c| c.ret_f64(round(c, c.arg_f64(0))), "`double nearbyint(double v)`: to an integer by the rounding mode"),
    import("nearbyintf", |c| c.ret_f32(round(c, c.arg_f32(0).into()) as f32), "`float nearbyintf(float v)`: to an integer by the rounding mode"),
    import("lrint", lrint, "`long lrint(double v)`: an integer by the rounding mode"),
    import("lrintf", lrintf, "`long lrintf(float v)`: an integer by the rounding mode"),
    import("lround", lround, "`long lround(double v)`: the nearest integer, ties away from zero"),
    import("lroundf", lroundf, "`long lroundf(float v)`: the nearest integer, ties away from zero"),
    import("_Sin", quadrant_sin, "`double _Sin(double v, unsigned quadrant)`: 0 the sine, 1 the cosine, and so on round the circle"),
    import("_FSin", quadrant_sinf, "`float _FSin(float v, unsigned quadrant)`: 0 the sine, 1 the cosine, and so on round the circle"),
    import("_Log", log_base, "`double _Log(double v, int base)`: 0 natural, positive base 10, negative base 2"),
    import("_FLog", log_basef, "`float _FLog(float v, int base)`: 0 natural, positive base 10, negative base 2"),
    import("_Sinh", scaled_sinh, "`double _Sinh(double v, double factor)`: factor times sinh"),
    import("_FSinh", scaled_sinhf, "`float _FSinh(float v, float factor)`: factor times sinh"),
    import("_Cosh", scaled_cosh, "`double _Cosh(double v, double factor)`: factor times cosh"),
    import("_FCosh", scaled_coshf, "`float _FCosh(float v, float factor)`: factor times cosh"),
];

/// This family's table.
pub const IMPORTS: &[Import] = {
    const N: usize = UNARY.len() + BINARY.len() + OTHER.len();
    const ALL: [Import; N] = {
        let mut all = [OTHER[0]; N];
        let mut n = 0;
        while n < N {
            all[n] = if n < UNARY.len() {
                UNARY[n]
            } else if n < UNARY.len() + BINARY.len() {
                BINARY[n - UNARY.len()]
            } else {
                OTHER[n - UNARY.len() - BINARY.len()]
            };
            n += 1;
        }
        all
    };
    &ALL
};

/// v · 2^n without intermediate overflow: two or three exact steps, one rounding.
fn scale(v: f64, n: i32) -> f64 {
    let power = |n: i32| f64::from_bits(((n + 1023) as u64) << 52);
    let mut n = n.clamp(-2200, 2200);
    let mut v = v;
    while n > 1023 {
        v *= power(1023);
        n -= 1023;
    }
    while n < -969 {
        // Stay above the subnormals until the last step, so that only that one rounds.
        v *= power(-969);
        n += 969;
    }
    v * power(n)
}

fn ldexp(c: &mut Call<'_>) -> Done {
    let n = c.arg(2)? as i32;
    c.ret_f64(scale(c.arg_f64(0), n))
}

fn ldexpf(c: &mut Call<'_>) -> Done {
    let n = c.arg(1)? as i32;
    c.ret_f32(scale(c.arg_f32(0).into(), n) as f32)
}

/// Fraction in [0.5, 1) and exponent.
fn split(v: f64) -> (f64, i32) {
    if v == 0.0 || !v.is_finite() {
        return (v, 0);
    }
    let (v, extra) = if v.is_subnormal() {
        (v * (1u64 << 54) as f64, -54)
    } else {
        (v, 0)
    };
    let bits = v.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32 - 1022 + extra;
    (f64::from_bits(bits & !(0x7ff << 52) | 1022 << 52), exponent)
}

fn frexp(c: &mut Call<'_>) -> Done {
    let (fraction, exponent) = split(c.arg_f64(0));
    c.store32(c.arg(2)?, exponent as u32)?;
    c.ret_f64(fraction)
}

fn frexpf(c: &mut Call<'_>) -> Done {
    let (fraction, exponent) = split(c.arg_f32(0).into());
    c.store32(c.arg(1)?, exponent as u32)?;
    c.ret_f32(fraction as f32)
}

fn modf(c: &mut Call<'_>) -> Done {
    let v = c.arg_f64(0);
    c.store64(c.arg(2)?, v.trunc().to_bits())?;
    c.ret_f64(if v.is_infinite() {
        0f64.copysign(v)
    } else {
        v.fract().copysign(v)
    })
}

fn modff(c: &mut Call<'_>) -> Done {
    let v = c.arg_f32(0);
    c.store32(c.arg(1)?, v.trunc().to_bits())?;
    c.ret_f32(if v.is_infinite() {
        0f32.copysign(v)
    } else {
        v.fract().copysign(v)
    })
}

fn fma(c: &mut Call<'_>) -> Done {
    c.ret_f64(c.arg_f64(0).mul_add(c.arg_f64(2), c.arg_f64(4)))
}

fn fmaf(c: &mut Call<'_>) -> Done {
    c.ret_f32(c.arg_f32(0).mul_add(c.arg_f32(1), c.arg_f32(2)))
}

fn lrint(c: &mut Call<'_>) -> Done {
    c.ret(round(c, c.arg_f64(0)) as i32 as u32)
}

fn lrintf(c: &mut Call<'_>) -> Done {
    c.ret(round(c, c.arg_f32(0).into()) as i32 as u32)
}

fn lround(c: &mut Call<'_>) -> Done {
    c.ret(c.arg_f64(0).round() as i32 as u32)
}

fn lroundf(c: &mut Call<'_>) -> Done {
    c.ret(c.arg_f32(0).round() as i32 as u32)
}

fn quadrant_sin(c: &mut Call<'_>) -> Done {
    let (v, quadrant) = (c.arg_f64(0), c.arg(2)? & 3);
    c.ret_f64([v.sin(), v.cos(), -v.sin(), -v.cos()][quadrant as usize])
}

fn quadrant_sinf(c: &mut Call<'_>) -> Done {
    let (v, quadrant) = (c.arg_f32(0), c.arg(1)? & 3);
    c.ret_f32([v.sin(), v.cos(), -v.sin(), -v.cos()][quadrant as usize])
}

fn log_base(c: &mut Call<'_>) -> Done {
    let v = c.arg_f64(0);
    let base = c.arg(2)? as i32;
    c.ret_f64(if base == 0 {
        v.ln()
    } else if base > 0 {
        v.log10()
    } else {
        v.log2()
    })
}

fn log_basef(c: &mut Call<'_>) -> Done {
    let v = c.arg_f32(0);
    let base = c.arg(1)? as i32;
    c.ret_f32(if base == 0 {
        v.ln()
    } else if base > 0 {
        v.log10()
    } else {
        v.log2()
    })
}

fn scaled_sinh(c: &mut Call<'_>) -> Done {
    c.ret_f64(c.arg_f64(2) * c.arg_f64(0).sinh())
}

fn scaled_sinhf(c: &mut Call<'_>) -> Done {
    c.ret_f32(c.arg_f32(1) * c.arg_f32(0).sinh())
}

fn scaled_cosh(c: &mut Call<'_>) -> Done {
    c.ret_f64(c.arg_f64(2) * c.arg_f64(0).cosh())
}

fn scaled_coshf(c: &mut Call<'_>) -> Done {
    c.ret_f32(c.arg_f32(1) * c.arg_f32(0).cosh())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    fn d(v: f64) -> [u32; 2] {
        [v.to_bits() as u32, (v.to_bits() >> 32) as u32]
    }

    #[test]
    fn arguments_and_results_use_the_right_registers() {
        let mut g = Guest::new();
        let args = [d(2.0), d(10.0)].concat();
        assert_eq!(f64::from_bits(g.call64("pow", &args)), 1024.0);
        assert_eq!(
            f32::from_bits(g.call("powf", &[2f32.to_bits(), 3f32.to_bits()])),
            8.0
        );
        assert_eq!(f64::from_bits(g.call64("floor", &d(-1.5))), -2.0);
        let fma = [d(3.0), d(4.0), d(5.0)].concat();
        assert_eq!(f64::from_bits(g.call64("fma", &fma)), 17.0);
        let [low, high] = d(0.0);
        assert_eq!(f64::from_bits(g.call64("_Sin", &[low, high, 1])), 1.0);
    }

    #[test]
    fn split_and_scale_are_inverse_even_for_subnormals() {
        for v in [1.0, -3.75, 1e300, f64::MIN_POSITIVE / 8.0, 5e-324, 0.1] {
            let (fraction, exponent) = split(v);
            assert!((0.5..1.0).contains(&fraction.abs()), "{v}");
            assert_eq!(scale(fraction, exponent), v);
        }
        assert_eq!(scale(1.0, 5000), f64::INFINITY);
        assert_eq!(scale(1.0, -5000), 0.0);
    }
}
