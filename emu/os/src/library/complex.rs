//! `<complex.h>`: numbers of two `double`s, of two `float`s, and of two `long double`s, which are `double`s here.
//!
//! As clang passes them for Hexagon: two `double`s on the stack, the result where r0 says; two `float`s in a pair of registers.
//! Functions of `float`s are computed as `double`s and rounded.

use super::complex_math::{self as complex, Complex};
use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import, joined};

/// A number on the stack, `n` numbers before it.
fn stacked(c: &Call<'_>, n: u32) -> Result<Complex, Stop> {
    let at = c.sp().wrapping_add(16 * n);
    let (re, im) = (c.load64(at)?, c.load64(at.wrapping_add(8))?);
    Ok((f64::from_bits(re), f64::from_bits(im)))
}

/// A number in a pair of registers.
fn paired(c: &Call<'_>, n: usize) -> Complex {
    (c.arg_f32(n).into(), c.arg_f32(n + 1).into())
}

fn ret(c: &mut Call<'_>, (re, im): Complex) -> Done {
    let to = c.arg(0)?;
    c.store64(to, re.to_bits())?;
    c.store64(to.wrapping_add(8), im.to_bits())?;
    c.ret(to)
}

fn ret_pair(c: &mut Call<'_>, (re, im): Complex) -> Done {
    c.ret64(u64::from((re as f32).to_bits()) | u64::from((im as f32).to_bits()) << 32)
}

/// Functions of one number, which are one again.
macro_rules! functions {
    ($($name:literal $namef:literal $namel:literal $f:expr, $what:literal;)*) => {
        &[$(
            import($name, |c| { let z = stacked(c, 0)?; ret(c, $f(z)) }, concat!("`double _Complex ", $name, "(double _Complex)`: ", $what)),
            import($namef, |c| { let z = paired(c, 0); ret_pair(c, $f(z)) }, concat!("`float _Complex ", $namef, "(float _Complex)`: ", $what)),
            import($namel, |c| { let z = stacked(c, 0)?; ret(c, $f(z)) }, concat!("`long double _Complex ", $namel, "(long double _Complex)`: ", $what)),
        )*]
    };
}

/// Functions of one number, which are a real one.
macro_rules! reals {
    ($($name:literal $namef:literal $namel:literal $f:expr, $what:literal;)*) => {
        &[$(
            import($name, |c| { let z = stacked(c, 0)?; c.ret_f64($f(z)) }, concat!("`double ", $name, "(double _Complex)`: ", $what)),
            import($namef, |c| { let z = paired(c, 0); c.ret_f32($f(z) as f32) }, concat!("`float ", $namef, "(float _Complex)`: ", $what)),
            import($namel, |c| { let z = stacked(c, 0)?; c.ret_f64($f(z)) }, concat!("`long double ", $namel, "(long double _Complex)`: ", $what)),
        )*]
    };
}

#[rustfmt::skip]
const FUNCTIONS: &[Import] = functions! {
    "cacos" "cacosf" "cacosl" complex::cacos, "arc cosine";
    "casin" "casinf" "casinl" complex::casin, "arc sine";
    "catan" "catanf" "catanl" complex::catan, "arc tangent";
    "ccos" "ccosf" "ccosl" complex::ccos, "cosine";
    "csin" "csinf" "csinl" complex::csin, "sine";
    "ctan" "ctanf" "ctanl" complex::ctan, "tangent";
    "cacosh" "cacoshf" "cacoshl" complex::cacosh, "inverse of ccosh";
    "casinh" "casinhf" "casinhl" complex::casinh, "inverse of csinh";
    "catanh" "catanhf" "catanhl" complex::catanh, "inverse of ctanh";
    "ccosh" "ccoshf" "ccoshl" complex::ccosh, "hyperbolic cosine";
    "csinh" "csinhf" "csinhl" complex::csinh, "hyperbolic sine";
    "ctanh" "ctanhf" "ctanhl" complex::ctanh, "hyperbolic tangent";
    "cexp" "cexpf" "cexpl" complex::cexp, "e to the number";
    "clog" "clogf" "clogl" complex::clog, "natural logarithm";
    "csqrt" "csqrtf" "csqrtl" complex::csqrt, "square root";
    "conj" "conjf" "conjl" |(re, im): Complex| (re, -im), "the number mirrored at the real axis";
    "cproj" "cprojf" "cprojl" complex::cproj, "the number; all infinities are one";
};

#[rustfmt::skip]
const REALS: &[Import] = reals! {
    "cabs" "cabsf" "cabsl" complex::cabs, "absolute value";
    "carg" "cargf" "cargl" complex::carg, "angle, from -pi to pi";
    "creal" "crealf" "creall" |z: Complex| z.0, "real part";
    "cimag" "cimagf" "cimagl" |z: Complex| z.1, "imaginary part";
};

#[rustfmt::skip]
const POWERS: &[Import] = &[
    import("cpow", cpow, "`double _Complex cpow(double _Complex, double _Complex)`: power"),
    import("cpowf", cpowf, "`float _Complex cpowf(float _Complex, float _Complex)`: power"),
    import("cpowl", cpow, "`long double _Complex cpowl(long double _Complex, long double _Complex)`: power"),
];

/// This family's tables.
pub const IMPORTS: &[Import] =
    &joined::<{ FUNCTIONS.len() + REALS.len() + POWERS.len() }>(&[FUNCTIONS, REALS, POWERS]);

fn cpow(c: &mut Call<'_>) -> Done {
    let (a, b) = (stacked(c, 0)?, stacked(c, 1)?);
    ret(c, complex::cpow(a, b))
}

fn cpowf(c: &mut Call<'_>) -> Done {
    let (a, b) = (paired(c, 0), paired(c, 2));
    ret_pair(c, complex::cpow(a, b))
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    fn words(v: f64) -> [u32; 2] {
        [v.to_bits() as u32, (v.to_bits() >> 32) as u32]
    }

    #[test]
    fn doubles_are_on_the_stack_and_floats_in_pairs() {
        let mut g = Guest::new();
        let to = g.bytes(&[0; 16]);
        let f = |v: f32| v.to_bits();
        g.varargs(&[words(-3.0), words(4.0)].concat());
        assert_eq!(f64::from_bits(g.call64("cabs", &[])), 5.0);
        assert_eq!(g.call("csqrt", &[to]), to);
        assert_eq!(g.read(to, 16), [1f64.to_le_bytes(), 2f64.to_le_bytes()].concat());
        assert_eq!(f32::from_bits(g.call("cabsf", &[f(3.0), f(4.0)])), 5.0);
        let both = g.call64("conjf", &[f(3.0), f(4.0)]);
        assert_eq!((both as u32, (both >> 32) as u32), (f(3.0), f(-4.0)));
        // i to the second.
        g.varargs(&[words(0.0), words(1.0), words(2.0), words(0.0)].concat());
        g.call("cpow", &[to]);
        let re = f64::from_le_bytes(g.read(to, 8).try_into().unwrap());
        assert!((re + 1.0).abs() < 1e-15, "{re}");
        let power = g.call64("cpowf", &[f(0.0), f(1.0), f(2.0), f(0.0)]);
        assert_eq!(power as u32, f(-1.0));
        assert!(g.try_call("cexp", &[2]).is_err());
    }
}
