//! Arithmetic and functions of complex numbers, on `double`s.
//!
//! Signs of zeros, infinities and NaNs are those of C11's annex G (with its defect report 471). Inverse sines and cosines follow Hull,
//! Fairgrieve and Tang ("Implementing the complex arcsine and arccosine functions using exception handling", 1997), the tangent
//! Kahan ("Branch cuts for complex elementary functions", 1987); how far results are from glibc's, `tests/programs/complex.c` says.

use std::f64::consts::{FRAC_PI_2, LN_2, PI};

/// Real and imaginary part.
pub(super) type Complex = (f64, f64);

/// Infinities and what is none, as C11 G.5.1 wants them: an infinity becomes one of size 1, what is finite 0, with their signs.
fn boxed((re, im): Complex) -> Complex {
    let unit = |v: f64| if v.is_infinite() { 1f64 } else { 0.0 }.copysign(v);
    (unit(re), unit(im))
}

fn zero_for_nan((re, im): Complex) -> Complex {
    let number = |v: f64| if v.is_nan() { 0f64.copysign(v) } else { v };
    (number(re), number(im))
}

pub(super) fn is_infinite((re, im): Complex) -> bool {
    re.is_infinite() || im.is_infinite()
}

/// C11 G.5.1: the product of an infinity and anything but 0 is an infinity.
pub(super) fn product(a: Complex, b: Complex) -> Complex {
    let plain = |a: Complex, b: Complex| (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0);
    let out = plain(a, b);
    if !(out.0.is_nan() && out.1.is_nan()) {
        return out;
    }
    let (mut x, mut y) = (a, b);
    if is_infinite(a) {
        (x, y) = (boxed(a), zero_for_nan(b));
    }
    if is_infinite(b) {
        (x, y) = (zero_for_nan(x), boxed(b));
    }
    let overflows = [a.0 * b.0, a.1 * b.1, a.0 * b.1, a.1 * b.0]
        .iter()
        .any(|v| v.is_infinite());
    if !is_infinite(a) && !is_infinite(b) {
        if !overflows {
            return out;
        }
        (x, y) = (zero_for_nan(a), zero_for_nan(b));
    }
    let (re, im) = plain(x, y);
    (f64::INFINITY * re, f64::INFINITY * im)
}

/// The exponent to base 2; -infinity of 0.
pub(super) fn logb(v: f64) -> f64 {
    if v == 0.0 {
        f64::NEG_INFINITY
    } else if v.is_finite() {
        libm::ilogb(v).into()
    } else {
        v * v
    }
}

/// C11 G.5.1: anything by 0 is an infinity, an infinity by what is finite too, and what is finite by an infinity is 0.
pub(super) fn quotient(a: Complex, b: Complex) -> Complex {
    // Scaled so that the squares neither overflow nor vanish.
    let size = logb(b.0.abs().max(b.1.abs()));
    let scale = if size.is_finite() { -(size as i32) } else { 0 };
    let (c, d) = (libm::scalbn(b.0, scale), libm::scalbn(b.1, scale));
    let whole = c * c + d * d;
    let part = |v: f64| libm::scalbn(v / whole, scale);
    let out = (part(a.0 * c + a.1 * d), part(a.1 * c - a.0 * d));
    if !(out.0.is_nan() && out.1.is_nan()) {
        return out;
    }
    if whole == 0.0 && !(a.0.is_nan() && a.1.is_nan()) {
        let infinity = f64::INFINITY.copysign(b.0);
        return (infinity * a.0, infinity * a.1);
    }
    if is_infinite(a) && b.0.is_finite() && b.1.is_finite() {
        let (x, y) = boxed(a);
        return (
            f64::INFINITY * (x * b.0 + y * b.1),
            f64::INFINITY * (y * b.0 - x * b.1),
        );
    }
    if size == f64::INFINITY && a.0.is_finite() && a.1.is_finite() {
        let (x, y) = boxed(b);
        return (0.0 * (a.0 * x + a.1 * y), 0.0 * (a.1 * x - a.0 * y));
    }
    out
}

/// The absolute value.
pub(super) fn cabs((re, im): Complex) -> f64 {
    re.hypot(im)
}

/// The angle, from -π to π.
pub(super) fn carg((re, im): Complex) -> f64 {
    im.atan2(re)
}

/// The same number but for infinities, which are one.
pub(super) fn cproj(z: Complex) -> Complex {
    match is_infinite(z) {
        true => (f64::INFINITY, 0f64.copysign(z.1)),
        false => z,
    }
}

fn swap((re, im): Complex) -> Complex {
    (im, re)
}

/// Beyond this `exp` overflows, though a product with it need not.
const MOST_EXPONENT: f64 = 709.0;

/// e to the x times (a, b), which are at most 1: also where e to the x alone is too large.
fn exp_times(x: f64, (a, b): Complex) -> Complex {
    if x <= MOST_EXPONENT || !x.is_finite() {
        let size = x.exp();
        return (size * a, size * b);
    }
    let half = (x / 2.0).exp();
    (half * a * half, half * b * half)
}

pub(super) fn cexp((x, y): Complex) -> Complex {
    if y == 0.0 {
        return (x.exp(), y);
    }
    if !y.is_finite() {
        return match x {
            f64::INFINITY => (x, f64::NAN),
            f64::NEG_INFINITY => (0.0, 0f64.copysign(y)),
            _ => (f64::NAN, f64::NAN),
        };
    }
    let (sine, cosine) = y.sin_cos();
    exp_times(x, (cosine, sine))
}

/// A sum and what was rounded off.
fn two_sum(a: f64, b: f64) -> Complex {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The logarithm of the absolute value.
fn log_of_size(x: f64, y: f64) -> f64 {
    let (a, b) = (x.abs().max(y.abs()), x.abs().min(y.abs()));
    if !a.is_finite() || x.is_nan() || y.is_nan() || a == 0.0 {
        return x.hypot(y).ln();
    }
    if a > 1e300 {
        return (a / 4.0).hypot(b / 4.0).ln() + 2.0 * LN_2;
    }
    if !(0.5..2.0).contains(&a) {
        // Not so small that the square of its size has lost bits.
        return match a < 1e-290 {
            true => (a * 1e18).hypot(b * 1e18).ln() - 18.0 * std::f64::consts::LN_10,
            false => a.hypot(b).ln(),
        };
    }
    // a² + b² - 1 with what is rounded off, as it may be near 0.
    let (p, q) = (a * a, b * b);
    let (p_rest, q_rest) = (a.mul_add(a, -p), b.mul_add(b, -q));
    let (s, s_rest) = two_sum(p - 1.0, q);
    let p_rest = p_rest + two_sum(p, -1.0).1;
    let less = s + (s_rest + p_rest + q_rest);
    less.ln_1p() / 2.0
}

pub(super) fn clog((x, y): Complex) -> Complex {
    (log_of_size(x, y), y.atan2(x))
}

pub(super) fn csqrt((x, y): Complex) -> Complex {
    if x == 0.0 && y == 0.0 {
        return (0.0, y);
    }
    if y.is_infinite() {
        return (f64::INFINITY, y);
    }
    match x {
        f64::INFINITY => return (x, if y.is_nan() { y } else { 0f64.copysign(y) }),
        f64::NEG_INFINITY => {
            let real = if y.is_nan() { y } else { 0.0 };
            return (real, f64::INFINITY.copysign(y));
        }
        _ if x.is_nan() || y.is_nan() => return (f64::NAN, f64::NAN),
        _ => {}
    }
    // So that neither the size overflows nor its halves vanish; the root of the scale is a power of 2, too.
    let most = x.abs().max(y.abs());
    let (scale, root) = match most {
        most if most > 1e307 => (1.0 / 16.0, 4.0),
        most if most < 1e-290 => (2f64.powi(108), 2f64.powi(-54)),
        _ => (1.0, 1.0),
    };
    let (x, y) = (x * scale, y * scale);
    let t = ((x.abs() + x.hypot(y)) / 2.0).sqrt();
    let other = y.abs() / (2.0 * t);
    let (re, im) = if x >= 0.0 { (t, other) } else { (other, t) };
    (re * root, (im * root).copysign(y))
}

pub(super) fn cpow(a: Complex, b: Complex) -> Complex {
    cexp(product(b, clog(a)))
}

pub(super) fn ccosh((x, y): Complex) -> Complex {
    if y == 0.0 {
        let im = if x.is_nan() { y } else { 0f64.copysign(x) * y };
        return (x.cosh(), im);
    }
    if !y.is_finite() {
        return match x {
            _ if x.is_infinite() => (f64::INFINITY, f64::NAN),
            0.0 => (f64::NAN, x),
            _ => (f64::NAN, f64::NAN),
        };
    }
    let (sine, cosine) = y.sin_cos();
    if x.abs() > MOST_EXPONENT {
        return exp_times(x.abs(), (cosine / 2.0, sine.copysign(sine * x) / 2.0));
    }
    (x.cosh() * cosine, x.sinh() * sine)
}

pub(super) fn csinh((x, y): Complex) -> Complex {
    if y == 0.0 {
        return (x.sinh(), y);
    }
    if !y.is_finite() {
        return match x {
            _ if x == 0.0 || x.is_infinite() => (x, f64::NAN),
            _ => (f64::NAN, f64::NAN),
        };
    }
    let (sine, cosine) = y.sin_cos();
    if x == 0.0 {
        return (x * cosine.signum(), sine);
    }
    if x.abs() > MOST_EXPONENT {
        return exp_times(x.abs(), (cosine.copysign(cosine * x) / 2.0, sine / 2.0));
    }
    (x.sinh() * cosine, x.cosh() * sine)
}

pub(super) fn ctanh((x, y): Complex) -> Complex {
    if x.is_nan() {
        return (x, if y == 0.0 { y } else { f64::NAN });
    }
    if x.is_infinite() {
        let turn = if y.is_finite() && y.abs() > 1.0 {
            y.sin() * y.cos()
        } else {
            y
        };
        return (1f64.copysign(x), 0f64.copysign(turn));
    }
    if !y.is_finite() {
        return (if x == 0.0 { x } else { f64::NAN }, f64::NAN);
    }
    if x.abs() >= 22.0 {
        let (sine, cosine) = y.sin_cos();
        return (
            1f64.copysign(x),
            4.0 * sine * cosine * (-x.abs()).exp() * (-x.abs()).exp(),
        );
    }
    let t = y.tan();
    let beta = 1.0 + t * t;
    let s = x.sinh();
    let rho = (1.0 + s * s).sqrt();
    if t.is_infinite() {
        return (rho / s, 1.0 / t);
    }
    let whole = 1.0 + beta * s * s;
    (beta * rho * s / whole, t / whole)
}

/// f(iz) = i g(z): turned there, and the result back.
fn turned(f: fn(Complex) -> Complex, (x, y): Complex) -> Complex {
    let (re, im) = f((-y, x));
    (im, -re)
}

pub(super) fn csin(z: Complex) -> Complex {
    turned(csinh, z)
}

pub(super) fn ccos((x, y): Complex) -> Complex {
    ccosh((-y, x))
}

pub(super) fn ctan(z: Complex) -> Complex {
    turned(ctanh, z)
}

/// What arcsine and arccosine of a number in the first quadrant are made of.
struct Inverse {
    /// The arcsine's real part.
    asin: f64,
    /// The arccosine's real part.
    acos: f64,
    /// The imaginary part of the arcsine, and that of the arccosine without its sign.
    imaginary: f64,
}

/// For x, y at least 0 and finite. The names are those of Hull, Fairgrieve and Tang.
fn inverse(x: f64, y: f64) -> Inverse {
    const A_CROSSOVER: f64 = 1.5;
    const B_CROSSOVER: f64 = 0.6417;
    let (most, least) = (f64::MAX.sqrt() / 8.0, f64::MIN_POSITIVE.sqrt() * 4.0);
    if x.max(y) >= most || y <= least {
        return inverse_at_the_edge(x, y);
    }
    let (r, s) = ((x + 1.0).hypot(y), (x - 1.0).hypot(y));
    let a = (r + s) / 2.0;
    let b = x / a;
    let apx = a + x;
    let (asin, acos) = if b <= B_CROSSOVER {
        (b.asin(), b.acos())
    } else {
        // The root of a² - x².
        let root = if x <= 1.0 {
            (apx * (y * y / (r + x + 1.0) + (s + (1.0 - x))) / 2.0).sqrt()
        } else {
            y * ((apx / (r + x + 1.0) + apx / (s + (x - 1.0))) / 2.0).sqrt()
        };
        ((x / root).atan(), (root / x).atan())
    };
    let imaginary = if a <= A_CROSSOVER {
        let other = if x < 1.0 {
            y * y / (s + (1.0 - x))
        } else {
            s + (x - 1.0)
        };
        let less = (y * y / (r + (x + 1.0)) + other) / 2.0;
        (less + (less * (a + 1.0)).sqrt()).ln_1p()
    } else {
        (a + (a * a - 1.0).sqrt()).ln()
    };
    Inverse {
        asin,
        acos,
        imaginary,
    }
}

/// Where squares would overflow or vanish.
fn inverse_at_the_edge(x: f64, y: f64) -> Inverse {
    let of = |asin: f64, acos: f64, imaginary: f64| Inverse {
        asin,
        acos,
        imaginary,
    };
    if x.max(y) >= f64::MAX.sqrt() / 8.0 {
        return of(x.atan2(y), y.atan2(x), log_of_size(x, y) + LN_2);
    }
    if x != 1.0 && y <= f64::EPSILON * (x - 1.0).abs() {
        let root = ((x - 1.0).abs() * (x + 1.0)).sqrt();
        return match x < 1.0 {
            true => of(x.asin(), x.acos(), y / root),
            false => {
                let small = y / root;
                of(FRAC_PI_2 - small, small, (x - 1.0 + root).ln_1p())
            }
        };
    }
    // x is 1, to the last bit.
    let root = y.sqrt();
    of(FRAC_PI_2 - root, root, root)
}

pub(super) fn casin((x, y): Complex) -> Complex {
    if x.is_nan() || y.is_nan() {
        return match (x, y) {
            _ if y.is_infinite() => (f64::NAN, y),
            _ if x.is_infinite() => (f64::NAN, x),
            _ if x == 0.0 => (x, f64::NAN),
            _ => (f64::NAN, f64::NAN),
        };
    }
    if is_infinite((x, y)) {
        return (x.abs().atan2(y.abs()).copysign(x), f64::INFINITY.copysign(y));
    }
    let parts = inverse(x.abs(), y.abs());
    (parts.asin.copysign(x), parts.imaginary.copysign(y))
}

pub(super) fn cacos((x, y): Complex) -> Complex {
    if x.is_nan() || y.is_nan() {
        return match (x, y) {
            _ if x.is_infinite() => (f64::NAN, f64::NEG_INFINITY),
            _ if y.is_infinite() => (f64::NAN, -y),
            _ if x == 0.0 => (FRAC_PI_2, f64::NAN),
            _ => (f64::NAN, f64::NAN),
        };
    }
    if is_infinite((x, y)) {
        return (y.abs().atan2(x), -f64::INFINITY.copysign(y));
    }
    let parts = inverse(x.abs(), y.abs());
    let re = if x.is_sign_negative() {
        PI - parts.acos
    } else {
        parts.acos
    };
    (re, -parts.imaginary.copysign(y))
}

pub(super) fn casinh(z: Complex) -> Complex {
    swap(casin(swap(z)))
}

pub(super) fn cacosh(z: Complex) -> Complex {
    let (re, im) = cacos(z);
    match (re.is_nan(), im.is_nan()) {
        (true, true) => (im, re),
        (true, false) => (im.abs(), re),
        (false, true) => (im, re),
        _ => (im.abs(), re.copysign(z.1)),
    }
}

pub(super) fn catanh((x, y): Complex) -> Complex {
    let (a, b) = (x.abs(), y.abs());
    if y == 0.0 && a <= 1.0 {
        return (x.atanh(), y);
    }
    if x == 0.0 {
        return (x, y.atan());
    }
    if x.is_nan() || y.is_nan() {
        return match (x, y) {
            _ if x.is_infinite() => (0f64.copysign(x), f64::NAN),
            _ if y.is_infinite() => (0f64.copysign(x), FRAC_PI_2.copysign(y)),
            _ => (f64::NAN, f64::NAN),
        };
    }
    // Far away it is the reciprocal, and a quarter of a turn.
    if a.max(b) > 1e150 {
        let size = match is_infinite((x, y)) {
            true => 0.0,
            false => {
                let size = a.hypot(b / 2.0).max((a / 2.0).hypot(b));
                (a / size) / size / (a / size).mul_add(a / size, (b / size) * (b / size))
            }
        };
        return (size.copysign(x), FRAC_PI_2.copysign(y));
    }
    let re = if a == 1.0 && b < 1e-8 {
        (LN_2 - b.ln()) / 2.0
    } else {
        (4.0 * a / ((1.0 - a) * (1.0 - a) + b * b)).ln_1p() / 4.0
    };
    let im = match a == 1.0 {
        true => 2f64.atan2(-b) / 2.0,
        false => (2.0 * b).atan2((1.0 - a) * (1.0 + a) - b * b) / 2.0,
    };
    (re.copysign(x), im.copysign(y))
}

pub(super) fn catan(z: Complex) -> Complex {
    swap(catanh(swap(z)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    fn same(a: f64, b: f64) -> bool {
        a.is_nan() && b.is_nan() || a.to_bits() == b.to_bits()
    }

    #[test]
    fn complex_numbers_keep_their_infinities() {
        assert_eq!(product((1.0, 2.0), (3.0, 4.0)), (-5.0, 10.0));
        assert_eq!(quotient((-5.0, 10.0), (3.0, 4.0)), (1.0, 2.0));
        let large = quotient((1e300, 1e300), (1e300, 1e300));
        assert_eq!(large, (1.0, 0.0));
        let (re, im) = product((f64::INFINITY, f64::NAN), (1.0, 1.0));
        assert!(re.is_infinite() || im.is_infinite());
        assert!(is_infinite(quotient((1.0, 1.0), (0.0, 0.0))));
        assert_eq!(quotient((1.0, 1.0), (f64::INFINITY, 0.0)), (0.0, 0.0));
    }

    /// Rows of C11's annex G.6.
    #[test]
    fn zeros_infinities_and_what_is_no_number_are_those_of_annex_g() {
        type F = fn(Complex) -> Complex;
        let rows: &[(&str, F, Complex, Complex)] = &[
            ("cacos", cacos, (-INF, 1.0), (PI, -INF)),
            ("cacos", cacos, (INF, 1.0), (0.0, -INF)),
            ("cacos", cacos, (2.0, INF), (FRAC_PI_2, -INF)),
            ("cacos", cacos, (0.0, NAN), (FRAC_PI_2, NAN)),
            ("cacos", cacos, (NAN, INF), (NAN, -INF)),
            ("cacosh", cacosh, (0.0, 0.0), (0.0, FRAC_PI_2)),
            ("cacosh", cacosh, (0.0, NAN), (NAN, FRAC_PI_2)),
            ("cacosh", cacosh, (1.0, -0.0), (0.0, -0.0)),
            ("cacosh", cacosh, (-INF, 1.0), (INF, PI)),
            ("cacosh", cacosh, (INF, 1.0), (INF, 0.0)),
            ("cacosh", cacosh, (INF, NAN), (INF, NAN)),
            ("cacosh", cacosh, (NAN, INF), (INF, NAN)),
            ("casinh", casinh, (0.0, -0.0), (0.0, -0.0)),
            ("casinh", casinh, (0.0, 1.0), (0.0, FRAC_PI_2)),
            ("casinh", casinh, (1.0, INF), (INF, FRAC_PI_2)),
            ("casinh", casinh, (INF, 1.0), (INF, 0.0)),
            ("casinh", casinh, (INF, NAN), (INF, NAN)),
            ("casinh", casinh, (NAN, 0.0), (NAN, 0.0)),
            ("catanh", catanh, (0.0, NAN), (0.0, NAN)),
            ("catanh", catanh, (1.0, 0.0), (INF, 0.0)),
            ("catanh", catanh, (1.0, INF), (0.0, FRAC_PI_2)),
            ("catanh", catanh, (INF, 1.0), (0.0, FRAC_PI_2)),
            ("catanh", catanh, (INF, NAN), (0.0, NAN)),
            ("catanh", catanh, (NAN, INF), (0.0, FRAC_PI_2)),
            ("ccosh", ccosh, (0.0, INF), (NAN, 0.0)),
            ("ccosh", ccosh, (INF, 0.0), (INF, 0.0)),
            ("ccosh", ccosh, (INF, 1.0), (INF, INF)),
            ("ccosh", ccosh, (INF, INF), (INF, NAN)),
            ("ccosh", ccosh, (NAN, 0.0), (NAN, 0.0)),
            ("csinh", csinh, (0.0, INF), (0.0, NAN)),
            ("csinh", csinh, (INF, 0.0), (INF, 0.0)),
            ("csinh", csinh, (-INF, 2.0), (INF, INF)),
            ("csinh", csinh, (NAN, 0.0), (NAN, 0.0)),
            ("ctanh", ctanh, (0.0, INF), (0.0, NAN)),
            ("ctanh", ctanh, (1.0, INF), (NAN, NAN)),
            ("ctanh", ctanh, (INF, 2.0), (1.0, -0.0)),
            ("ctanh", ctanh, (NAN, 0.0), (NAN, 0.0)),
            ("cexp", cexp, (-0.0, 0.0), (1.0, 0.0)),
            ("cexp", cexp, (INF, 0.0), (INF, 0.0)),
            ("cexp", cexp, (-INF, 2.0), (-0.0, 0.0)),
            ("cexp", cexp, (INF, 2.0), (-INF, INF)),
            ("cexp", cexp, (INF, NAN), (INF, NAN)),
            ("cexp", cexp, (NAN, 0.0), (NAN, 0.0)),
            ("clog", clog, (-0.0, 0.0), (-INF, PI)),
            ("clog", clog, (0.0, 0.0), (-INF, 0.0)),
            ("clog", clog, (1.0, INF), (INF, FRAC_PI_2)),
            ("clog", clog, (1.0, NAN), (NAN, NAN)),
            ("clog", clog, (-INF, NAN), (INF, NAN)),
            ("csqrt", csqrt, (-0.0, -0.0), (0.0, -0.0)),
            ("csqrt", csqrt, (NAN, INF), (INF, INF)),
            ("csqrt", csqrt, (-INF, 1.0), (0.0, INF)),
            ("csqrt", csqrt, (INF, NAN), (INF, NAN)),
        ];
        for &(name, f, z, want) in rows {
            let got = f(z);
            assert!(
                same(got.0, want.0) && same(got.1, want.1),
                "{name}{z:?}: {got:?}, not {want:?}"
            );
        }
    }

    /// How far two numbers are apart, measured by the larger one.
    fn apart(a: Complex, b: Complex) -> f64 {
        (a.0 - b.0).hypot(a.1 - b.1) / a.0.hypot(a.1).max(b.0.hypot(b.1)).max(f64::MIN_POSITIVE)
    }

    proptest! {
        #[test]
        fn what_one_does_another_undoes(re in -3.0f64..3.0, im in -3.0f64..3.0) {
            let z = (re, im);
            prop_assert!(apart(cexp(clog(z)), z) < 1e-14);
            prop_assert!(apart(product(csqrt(z), csqrt(z)), z) < 1e-14);
            prop_assert!(apart(csin(casin(z)), z) < 1e-13);
            prop_assert!(apart(ccos(cacos(z)), z) < 1e-13 / (1f64).min(cabs(z)));
            prop_assert!(apart(csinh(casinh(z)), z) < 1e-13);
            prop_assert!(apart(ccosh(cacosh(z)), z) < 1e-13 / (1f64).min(cabs(z)));
            prop_assert!(apart(quotient(csin(z), ccos(z)), ctan(z)) < 1e-13);
            prop_assert!(apart(quotient(csinh(z), ccosh(z)), ctanh(z)) < 1e-13);
        }

        #[test]
        fn any_bits_give_a_number(re in any::<u64>(), im in any::<u64>()) {
            let z = (f64::from_bits(re), f64::from_bits(im));
            for f in [cacos, casin, catan, cacosh, casinh, catanh, ccos, csin, ctan, ccosh, csinh, ctanh, cexp, clog, csqrt, cproj] {
                // Mirrored numbers have mirrored results, to the bit.
                let (a, b) = (f(z), f((z.0, -z.1)));
                prop_assert!(same(a.0, b.0) || z.1.is_nan(), "{z:?}: {a:?} {b:?}");
            }
            product(z, z);
            quotient(z, z);
            cpow(z, z);
        }
    }
}
