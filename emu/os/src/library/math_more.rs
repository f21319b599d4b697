//! What else there is in `<math.h>`: error and gamma functions, Bessel functions, parts of numbers, `long double`, which is `double`
//! here (as clang's for Hexagon), and the compiler's products and quotients of complex numbers.
//!
//! Results round to nearest whatever `fesetround` says (but for integers, see `fenv.rs`), and raise no exceptions of `<fenv.h>`.

use super::complex_math::{Complex, logb, product, quotient};
use super::fenv::round;
use super::gamma;
use super::math::IMPORTS as MATH;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, alias, import, joined};

/// `double f(double)`, `float ff(float)` and `long double fl(long double)` under their names.
macro_rules! unary {
    ($($name:literal $namef:literal $namel:literal $f:expr, $ff:expr, $what:literal;)*) => {
        &[$(
            import($name, |c| c.ret_f64($f(c.arg_f64(0))), concat!("`double ", $name, "(double v)`: ", $what)),
            import($namef, |c| c.ret_f32($ff(c.arg_f32(0))), concat!("`float ", $namef, "(float v)`: ", $what)),
            import($namel, |c| c.ret_f64($f(c.arg_f64(0))), concat!("`long double ", $namel, "(long double v)`: ", $what)),
        )*]
    };
}

/// The same with two arguments.
macro_rules! binary {
    ($($name:literal $namef:literal $namel:literal $f:expr, $ff:expr, $what:literal;)*) => {
        &[$(
            import($name, |c| c.ret_f64($f(c.arg_f64(0), c.arg_f64(2))), concat!("`double ", $name, "(double a, double b)`: ", $what)),
            import($namef, |c| c.ret_f32($ff(c.arg_f32(0), c.arg_f32(1))), concat!("`float ", $namef, "(float a, float b)`: ", $what)),
            import($namel, |c| c.ret_f64($f(c.arg_f64(0), c.arg_f64(2))), concat!("`long double ", $namel, "(long double a, long double b)`: ", $what)),
        )*]
    };
}

/// `long double` functions that are those of `double`.
macro_rules! long_doubles {
    ($($name:literal $of:literal $arguments:literal;)*) => {
        &[$(alias($name, MATH, $of, concat!("`long double ", $name, $arguments, "`: as ", $of)),)*]
    };
}

#[rustfmt::skip]
const UNARY: &[Import] = unary! {
    "erf" "erff" "erfl" pxfm::f_erf, |v: f32| pxfm::f_erf(v.into()) as f32, "error function";
    "erfc" "erfcf" "erfcl" pxfm::f_erfc, |v: f32| pxfm::f_erfc(v.into()) as f32, "1 less the error function";
    "tgamma" "tgammaf" "tgammal" gamma::tgamma, |v: f32| gamma::tgamma(v.into()) as f32, "gamma function";
    "logb" "logbf" "logbl" logb, |v: f32| logb(v.into()) as f32, "the exponent to base 2; -infinity of 0";
};

#[rustfmt::skip]
const BINARY: &[Import] = binary! {
    "nextafter" "nextafterf" "nextafterl" libm::nextafter, libm::nextafterf, "the next number from a towards b";
    "remainder" "remainderf" "remainderl" libm::remainder, libm::remainderf, "a less the multiple of b that is nearest";
};

#[rustfmt::skip]
const LONG: &[Import] = long_doubles! {
    "acosl" "acos" "(long double)"; "acoshl" "acosh" "(long double)"; "asinl" "asin" "(long double)";
    "asinhl" "asinh" "(long double)"; "atanl" "atan" "(long double)"; "atanhl" "atanh" "(long double)";
    "cbrtl" "cbrt" "(long double)"; "ceill" "ceil" "(long double)"; "cosl" "cos" "(long double)";
    "coshl" "cosh" "(long double)"; "expl" "exp" "(long double)"; "exp2l" "exp2" "(long double)";
    "expm1l" "expm1" "(long double)"; "fabsl" "fabs" "(long double)"; "floorl" "floor" "(long double)";
    "logl" "log" "(long double)"; "log10l" "log10" "(long double)"; "log1pl" "log1p" "(long double)";
    "log2l" "log2" "(long double)"; "nearbyintl" "nearbyint" "(long double)"; "rintl" "rint" "(long double)";
    "roundl" "round" "(long double)"; "sinl" "sin" "(long double)"; "sinhl" "sinh" "(long double)";
    "sqrtl" "sqrt" "(long double)"; "tanl" "tan" "(long double)"; "tanhl" "tanh" "(long double)";
    "truncl" "trunc" "(long double)"; "atan2l" "atan2" "(long double, long double)";
    "copysignl" "copysign" "(long double, long double)"; "fdiml" "fdim" "(long double, long double)";
    "fmaxl" "fmax" "(long double, long double)"; "fminl" "fmin" "(long double, long double)";
    "fmodl" "fmod" "(long double, long double)"; "hypotl" "hypot" "(long double, long double)";
    "powl" "pow" "(long double, long double)"; "fmal" "fma" "(long double, long double, long double)";
    "ldexpl" "ldexp" "(long double, int)"; "scalbnl" "scalbn" "(long double, int)"; "scalblnl" "scalbn" "(long double, long)";
    "frexpl" "frexp" "(long double, int *)"; "modfl" "modf" "(long double, long double *)";
};

#[rustfmt::skip]
const OTHER: &[Import] = &[
    alias("scalbln", MATH, "scalbn", "`double scalbln(double v, long n)`: v times 2 to the n, rounded once"),
    alias("scalblnf", MATH, "scalbnf", "`float scalblnf(float v, long n)`: v times 2 to the n, rounded once"),
    alias("lrintl", MATH, "lrint", "`long lrintl(long double v)`: an integer by the rounding mode"),
    alias("lroundl", MATH, "lround", "`long lroundl(long double v)`: the nearest integer, ties away from zero"),
    import("llrint", llrint, "`long long llrint(double v)`: an integer by the rounding mode"),
    import("llrintl", llrint, "`long long llrintl(long double v)`: an integer by the rounding mode"),
    import("llround", llround, "`long long llround(double v)`: the nearest integer, ties away from zero"),
    import("llroundl", llround, "`long long llroundl(long double v)`: the nearest integer, ties away from zero"),
    import("llrintf", |c| c.ret64(round(c, c.arg_f32(0).into()) as i64 as u64), "`long long llrintf(float v)`: an integer by the rounding mode"),
    import("llroundf", |c| c.ret64(c.arg_f32(0).round() as i64 as u64), "`long long llroundf(float v)`: the nearest integer, ties away from zero"),
    import("ilogb", |c| c.ret(ilogb(c.arg_f64(0)) as u32), "`int ilogb(double v)`: the exponent to base 2; INT_MIN of 0 and NaN, INT_MAX of an infinity"),
    import("ilogbf", |c| c.ret(ilogb(c.arg_f32(0).into()) as u32), "`int ilogbf(float v)`: as ilogb"),
    import("ilogbl", |c| c.ret(ilogb(c.arg_f64(0)) as u32), "`int ilogbl(long double v)`: as ilogb"),
    import("nexttoward", |c| c.ret_f64(libm::nextafter(c.arg_f64(0), c.arg_f64(2))), "`double nexttoward(double a, long double b)`: the next number from a towards b"),
    import("nexttowardl", |c| c.ret_f64(libm::nextafter(c.arg_f64(0), c.arg_f64(2))), "`long double nexttowardl(long double a, long double b)`: the next number from a towards b"),
    import("nexttowardf", nexttowardf, "`float nexttowardf(float a, long double b)`: the next number from a towards b"),
    import("remquo", remquo, "`double remquo(double a, double b, int *quotient)`: remainder, and the last bits of the quotient with its sign"),
    import("remquol", remquo, "`long double remquol(long double a, long double b, int *quotient)`: as remquo"),
    import("remquof", remquof, "`float remquof(float a, float b, int *quotient)`: remainder, and the last bits of the quotient with its sign"),
    import("lgamma", lgamma, "`double lgamma(double v)`: logarithm of the gamma function without its sign"),
    import("lgammal", lgamma, "`long double lgammal(long double v)`: as lgamma"),
    import("lgammaf", lgammaf, "`float lgammaf(float v)`: logarithm of the gamma function without its sign"),
    import("lgamma_r", lgamma_r, "`double lgamma_r(double v, int *sign)`: as lgamma, with the sign"),
    import("lgammaf_r", lgammaf_r, "`float lgammaf_r(float v, int *sign)`: as lgammaf, with the sign"),
    import("nan", |c| c.ret_f64(f64::NAN), "`double nan(const char *)`: a quiet NaN"),
    import("nanl", |c| c.ret_f64(f64::NAN), "`long double nanl(const char *)`: a quiet NaN"),
    import("nanf", |c| c.ret_f32(f32::NAN), "`float nanf(const char *)`: a quiet NaN"),
    import("sincos", sincos, "`void sincos(double v, double *sine, double *cosine)`: both"),
    import("sincosf", sincosf, "`void sincosf(float v, float *sine, float *cosine)`: both"),
    import("exp10", |c| c.ret_f64(libm::exp10(c.arg_f64(0))), "`double exp10(double v)`: 10 to the v"),
    import("exp10f", |c| c.ret_f32(libm::exp10f(c.arg_f32(0))), "`float exp10f(float v)`: 10 to the v"),
    import("j0", |c| c.ret_f64(libm::j0(c.arg_f64(0))), "`double j0(double v)`: Bessel function of the first kind"),
    import("j1", |c| c.ret_f64(libm::j1(c.arg_f64(0))), "`double j1(double v)`: Bessel function of the first kind"),
    import("y0", |c| c.ret_f64(libm::y0(c.arg_f64(0))), "`double y0(double v)`: Bessel function of the second kind"),
    import("y1", |c| c.ret_f64(libm::y1(c.arg_f64(0))), "`double y1(double v)`: Bessel function of the second kind"),
    import("__mulsc3", |c| complex_float(c, product), "`float _Complex __mulsc3(float a, float b, float c, float d)`: (a + bi) (c + di)"),
    import("__divsc3", |c| complex_float(c, quotient), "`float _Complex __divsc3(float a, float b, float c, float d)`: (a + bi) / (c + di)"),
    import("__muldc3", |c| complex_double(c, product), "`double _Complex __muldc3(double a, double b, double c, double d)`: (a + bi) (c + di)"),
    import("__divdc3", |c| complex_double(c, quotient), "`double _Complex __divdc3(double a, double b, double c, double d)`: (a + bi) / (c + di)"),
];

/// This family's tables.
pub const IMPORTS: &[Import] =
    &joined::<{ UNARY.len() + BINARY.len() + LONG.len() + OTHER.len() }>(&[UNARY, BINARY, LONG, OTHER]);

fn llrint(c: &mut Call<'_>) -> Done {
    c.ret64(round(c, c.arg_f64(0)) as i64 as u64)
}

fn llround(c: &mut Call<'_>) -> Done {
    c.ret64(c.arg_f64(0).round() as i64 as u64)
}

/// The exponent to base 2, with C's values for what has none.
fn ilogb(v: f64) -> i32 {
    if v.is_nan() || v == 0.0 {
        i32::MIN
    } else if v.is_infinite() {
        i32::MAX
    } else {
        libm::ilogb(v)
    }
}

/// The next `float` towards a `double`, which may lie between two of them.
fn nexttowardf(c: &mut Call<'_>) -> Done {
    let (from, to) = (c.arg_f32(0), c.arg_f64(2));
    c.ret_f32(match f64::from(from).partial_cmp(&to) {
        None => f32::NAN,
        Some(std::cmp::Ordering::Equal) => to as f32,
        Some(std::cmp::Ordering::Less) => libm::nextafterf(from, f32::INFINITY),
        Some(std::cmp::Ordering::Greater) => libm::nextafterf(from, f32::NEG_INFINITY),
    })
}

fn remquo(c: &mut Call<'_>) -> Done {
    let (rest, quotient) = libm::remquo(c.arg_f64(0), c.arg_f64(2));
    c.store32(c.arg(4)?, quotient as u32)?;
    c.ret_f64(rest)
}

fn remquof(c: &mut Call<'_>) -> Done {
    let (rest, quotient) = libm::remquof(c.arg_f32(0), c.arg_f32(1));
    c.store32(c.arg(2)?, quotient as u32)?;
    c.ret_f32(rest)
}

fn lgamma(c: &mut Call<'_>) -> Done {
    c.ret_f64(gamma::lgamma(c.arg_f64(0)))
}

fn lgammaf(c: &mut Call<'_>) -> Done {
    c.ret_f32(gamma::lgamma(c.arg_f32(0).into()) as f32)
}

fn lgamma_r(c: &mut Call<'_>) -> Done {
    let v = c.arg_f64(0);
    c.store32(c.arg(2)?, gamma::sign(v) as u32)?;
    c.ret_f64(gamma::lgamma(v))
}

fn lgammaf_r(c: &mut Call<'_>) -> Done {
    let v = f64::from(c.arg_f32(0));
    c.store32(c.arg(1)?, gamma::sign(v) as u32)?;
    c.ret_f32(gamma::lgamma(v) as f32)
}

fn sincos(c: &mut Call<'_>) -> Done {
    let (sine, cosine) = c.arg_f64(0).sin_cos();
    c.store64(c.arg(2)?, sine.to_bits())?;
    c.store64(c.arg(3)?, cosine.to_bits())?;
    c.ret(0)
}

fn sincosf(c: &mut Call<'_>) -> Done {
    let (sine, cosine) = c.arg_f32(0).sin_cos();
    c.store32(c.arg(1)?, sine.to_bits())?;
    c.store32(c.arg(2)?, cosine.to_bits())?;
    c.ret(0)
}

/// Four `float`s in r0 to r3; the result in r1:0. Computed as `double`s, so that only the result is rounded to `float`.
fn complex_float(c: &mut Call<'_>, f: fn(Complex, Complex) -> Complex) -> Done {
    let arg = |n| f64::from(c.arg_f32(n));
    let (re, im) = f((arg(0), arg(1)), (arg(2), arg(3)));
    c.ret64(u64::from((re as f32).to_bits()) | u64::from((im as f32).to_bits()) << 32)
}

/// Where the result goes in r0, two `double`s in r3:2 and r5:4, and two on the stack.
fn complex_double(c: &mut Call<'_>, f: fn(Complex, Complex) -> Complex) -> Done {
    let (to, a) = (c.arg(0)?, (c.arg_f64(2), c.arg_f64(4)));
    let stacked =
        |n: u32| Ok::<_, crate::kernel::call::Stop>(f64::from_bits(c.load64(c.sp().wrapping_add(n))?));
    let b = (stacked(0)?, stacked(8)?);
    let (re, im) = f(a, b);
    c.store64(to, re.to_bits())?;
    c.store64(to.wrapping_add(8), im.to_bits())?;
    c.ret(to)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    fn d(v: f64) -> [u32; 2] {
        [v.to_bits() as u32, (v.to_bits() >> 32) as u32]
    }

    fn double(g: &mut Guest, name: &str, args: &[f64]) -> f64 {
        let words: Vec<u32> = args.iter().flat_map(|&v| d(v)).collect();
        f64::from_bits(g.call64(name, &words))
    }

    #[test]
    fn values_are_those_of_tables() {
        let mut g = Guest::new();
        for (name, args, want) in [
            ("erf", &[0.5][..], 0.520_499_877_813_046_5),
            ("erfc", &[0.5], 0.479_500_122_186_953_5),
            ("tgamma", &[5.0], 24.0),
            ("lgamma", &[10.0], 12.801_827_480_081_469),
            ("j0", &[1.0], 0.765_197_686_557_966_6),
            ("y1", &[1.0], -0.781_212_821_300_288_7),
            ("exp10", &[3.0], 1000.0),
            ("remainder", &[5.0, 3.0], -1.0),
            ("logb", &[10.0], 3.0),
            ("logbl", &[0.0], f64::NEG_INFINITY),
            ("sqrtl", &[2.0], std::f64::consts::SQRT_2),
            ("powl", &[2.0, 10.0], 1024.0),
        ] {
            let got = double(&mut g, name, args);
            assert!(
                got == want || (got - want).abs() <= 4e-16 * want.abs(),
                "{name}: {got}"
            );
        }
        assert_eq!(double(&mut g, "nextafter", &[1.0, 2.0]), 1.0 + f64::EPSILON);
        let one = [1f32.to_bits(), 0];
        let up = g.call("nexttowardf", &[&one[..], &d(1.0 + 1e-12)].concat());
        assert_eq!(f32::from_bits(up), 1.0 + f32::EPSILON);
        assert_eq!(g.call64("llrint", &d(-1e10 - 0.5)) as i64, -10_000_000_000);
        assert_eq!(g.call64("llroundf", &[2.5f32.to_bits()]), 3);
        assert_eq!(g.call("ilogb", &d(0.0)) as i32, i32::MIN);
        assert_eq!(g.call("ilogb", &d(f64::INFINITY)) as i32, i32::MAX);
        assert!(double(&mut g, "nan", &[0.0]).is_nan());
    }

    #[test]
    fn second_results_go_where_they_are_wanted() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 16]);
        let args = [&d(7.0)[..], &d(2.0), &[at]].concat();
        assert_eq!(f64::from_bits(g.call64("remquo", &args)), -1.0);
        assert_eq!(g.word(at), 4);
        g.call("lgamma_r", &[&d(-0.5)[..], &[at]].concat());
        assert_eq!(g.word(at) as i32, -1);
        g.call("sincos", &[&d(0.0)[..], &[at, at + 8]].concat());
        assert_eq!((g.word(at), g.word(at + 12)), (0, 0x3ff0_0000));
        assert!(g.try_call("sincosf", &[0, 2, 3]).is_err());
    }

    #[test]
    fn the_compiler_s_products_and_quotients_have_their_calling_convention() {
        let mut g = Guest::new();
        let f = |v: f32| v.to_bits();
        let got = g.call64("__mulsc3", &[f(1.0), f(2.0), f(3.0), f(4.0)]);
        assert_eq!((got as u32, (got >> 32) as u32), (f(-5.0), f(10.0)));
        let to = g.bytes(&[0; 16]);
        g.varargs(&[d(3.0), d(4.0)].concat());
        let args = [&[to, 0][..], &d(-5.0), &d(10.0)].concat();
        assert_eq!(g.call("__divdc3", &args), to);
        assert_eq!(
            (g.read(to, 8), g.read(to + 8, 8)),
            (1f64.to_le_bytes().to_vec(), 2f64.to_le_bytes().to_vec())
        );
    }
}
