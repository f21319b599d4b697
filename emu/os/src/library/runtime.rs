//! The compiler's run-time library: arithmetic that Hexagon has no instruction for, half-precision conversions.
//!
//! Division by zero gives what the real routines' users can rely on: nothing. It gives 0 here (and the dividend as
//! remainder) instead of a crash, as the hardware routines do not trap either.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("__hexagon_divsi3", divsi3, "`int __hexagon_divsi3(int, int)`: quotient; 0 if divided by 0"),
    import("__powidf2", powi, "`double __powidf2(double, int)`: a power with a whole exponent, by multiplications"),
    import("__powisf2", powi_f32, "`float __powisf2(float, int)`: a power with a whole exponent, by multiplications"),
    import("__divsi3", divsi3, "`int __divsi3(int, int)`: quotient; 0 if divided by 0"),
    import("__hexagon_modsi3", modsi3, "`int __hexagon_modsi3(int, int)`: remainder; the dividend if divided by 0"),
    import("__modsi3", modsi3, "`int __modsi3(int, int)`: remainder; the dividend if divided by 0"),
    import("__hexagon_udivsi3", udivsi3, "`unsigned __hexagon_udivsi3(unsigned, unsigned)`: quotient; 0 if divided by 0"),
    import("__udivsi3", udivsi3, "`unsigned __udivsi3(unsigned, unsigned)`: quotient; 0 if divided by 0"),
    import("__hexagon_umodsi3", umodsi3, "`unsigned __hexagon_umodsi3(unsigned, unsigned)`: remainder; the dividend if divided by 0"),
    import("__umodsi3", umodsi3, "`unsigned __umodsi3(unsigned, unsigned)`: remainder; the dividend if divided by 0"),
    import("__hexagon_divdi3", divdi3, "`long long __hexagon_divdi3(long long, long long)`: quotient; 0 if divided by 0"),
    import("__divdi3", divdi3, "`long long __divdi3(long long, long long)`: quotient; 0 if divided by 0"),
    import("__hexagon_moddi3", moddi3, "`long long __hexagon_moddi3(long long, long long)`: remainder; the dividend if divided by 0"),
    import("__moddi3", moddi3, "`long long __moddi3(long long, long long)`: remainder; the dividend if divided by 0"),
    import("__hexagon_udivdi3", udivdi3, "`unsigned long long __hexagon_udivdi3(unsigned long long, unsigned long long)`: quotient; 0 if divided by 0"),
    import("__udivdi3", udivdi3, "`unsigned long long __udivdi3(unsigned long long, unsigned long long)`: quotient; 0 if divided by 0"),
    import("__hexagon_umoddi3", umoddi3, "`unsigned long long __hexagon_umoddi3(unsigned long long, unsigned long long)`: remainder; the dividend if divided by 0"),
    import("__umoddi3", umoddi3, "`unsigned long long __umoddi3(unsigned long long, unsigned long long)`: remainder; the dividend if divided by 0"),
    import("__hexagon_udivmodsi4", udivmodsi4, "`unsigned __hexagon_udivmodsi4(unsigned, unsigned)`: quotient in r0, remainder in r1"),
    import("__hexagon_udivmoddi4", udivmoddi4, "`unsigned long long __hexagon_udivmoddi4(unsigned long long, unsigned long long)`: quotient in r1:0, remainder in r3:2"),
    import("__hexagon_adddf3", |c| double(c, |a, b| a + b), "`double __hexagon_adddf3(double, double)`: sum"),
    import("__adddf3", |c| double(c, |a, b| a + b), "`double __adddf3(double, double)`: sum"),
    import("__hexagon_fast_adddf3", |c| double(c, |a, b| a + b), "`double __hexagon_fast_adddf3(double, double)`: sum"),
    import("__hexagon_subdf3", |c| double(c, |a, b| a - b), "`double __hexagon_subdf3(double, double)`: difference"),
    import("__subdf3", |c| double(c, |a, b| a - b), "`double __subdf3(double, double)`: difference"),
    import("__hexagon_fast_subdf3", |c| double(c, |a, b| a - b), "`double __hexagon_fast_subdf3(double, double)`: difference"),
    import("__hexagon_muldf3", |c| double(c, |a, b| a * b), "`double __hexagon_muldf3(double, double)`: product"),
    import("__muldf3", |c| double(c, |a, b| a * b), "`double __muldf3(double, double)`: product"),
    import("__hexagon_fast_muldf3", |c| double(c, |a, b| a * b), "`double __hexagon_fast_muldf3(double, double)`: product"),
    import("__hexagon_divdf3", |c| double(c, |a, b| a / b), "`double __hexagon_divdf3(double, double)`: quotient"),
    import("__divdf3", |c| double(c, |a, b| a / b), "`double __divdf3(double, double)`: quotient"),
    import("__hexagon_fast_divdf3", |c| double(c, |a, b| a / b), "`double __hexagon_fast_divdf3(double, double)`: quotient"),
    import("__hexagon_mindf3", |c| double(c, f64::min), "`double __hexagon_mindf3(double, double)`: the smaller"),
    import("__hexagon_maxdf3", |c| double(c, f64::max), "`double __hexagon_maxdf3(double, double)`: the larger"),
    import("__hexagon_fmadf4", fmadf4, "`double __hexagon_fmadf4(double a, double b, double c)`: a times b plus c, rounded once"),
    import("__hexagon_fmadf5", fmadf4, "`double __hexagon_fmadf5(double a, double b, double c)`: a times b plus c, rounded once"),
    import("__hexagon_sqrtdf2", sqrtdf2, "`double __hexagon_sqrtdf2(double)`: square root"),
    import("__hexagon_sqrt", sqrtdf2, "`double __hexagon_sqrt(double)`: square root"),
    import("__hexagon_divsf3", |c| single(c, |a, b| a / b), "`float __hexagon_divsf3(float, float)`: quotient"),
    import("__divsf3", |c| single(c, |a, b| a / b), "`float __divsf3(float, float)`: quotient"),
    import("__hexagon_fast_divsf3", |c| single(c, |a, b| a / b), "`float __hexagon_fast_divsf3(float, float)`: quotient"),
    import("__hexagon_sqrtf", sqrtf, "`float __hexagon_sqrtf(float)`: square root"),
    import("__hexagon_fast2_sqrtf", sqrtf, "`float __hexagon_fast2_sqrtf(float)`: square root"),
    import("__extendhfsf2", extendhfsf2, "`float __extendhfsf2(_Float16)`: exact; the half in the low 16 bits"),
    import("__gnu_h2f_ieee", extendhfsf2, "`float __gnu_h2f_ieee(uint16)`: a half as float, exact"),
    import("__truncsfhf2", truncsfhf2, "`_Float16 __truncsfhf2(float)`: rounded once; the half in the low 16 bits"),
    import("__gnu_f2h_ieee", truncsfhf2, "`uint16 __gnu_f2h_ieee(float)`: rounded once, as a half"),
    import("__truncdfhf2", truncdfhf2, "`_Float16 __truncdfhf2(double)`: rounded once; the half in the low 16 bits"),
];

fn divsi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg(0)? as i32, c.arg(1)? as i32);
    c.ret(if b == 0 { 0 } else { a.wrapping_div(b) as u32 })
}

fn modsi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg(0)? as i32, c.arg(1)? as i32);
    c.ret(if b == 0 { a } else { a.wrapping_rem(b) } as u32)
}

fn udivsi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg(0)?, c.arg(1)?);
    c.ret(a.checked_div(b).unwrap_or(0))
}

fn umodsi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg(0)?, c.arg(1)?);
    c.ret(a.checked_rem(b).unwrap_or(a))
}

fn divdi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg64(0) as i64, c.arg64(2) as i64);
    c.ret64(if b == 0 { 0 } else { a.wrapping_div(b) as u64 })
}

fn moddi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg64(0) as i64, c.arg64(2) as i64);
    c.ret64(if b == 0 { a } else { a.wrapping_rem(b) } as u64)
}

fn udivdi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg64(0), c.arg64(2));
    c.ret64(a.checked_div(b).unwrap_or(0))
}

fn umoddi3(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg64(0), c.arg64(2));
    c.ret64(a.checked_rem(b).unwrap_or(a))
}

fn udivmodsi4(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg(0)?, c.arg(1)?);
    let (q, r) = (a.checked_div(b).unwrap_or(0), a.checked_rem(b).unwrap_or(a));
    c.ret64(u64::from(q) | u64::from(r) << 32)
}

fn udivmoddi4(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg64(0), c.arg64(2));
    let r = a.checked_rem(b).unwrap_or(a);
    c.thread.core.regs.r[2] = r as u32;
    c.thread.core.regs.r[3] = (r >> 32) as u32;
    c.ret64(a.checked_div(b).unwrap_or(0))
}

fn double(c: &mut Call<'_>, f: fn(f64, f64) -> f64) -> Done {
    c.ret_f64(f(c.arg_f64(0), c.arg_f64(2)))
}

fn single(c: &mut Call<'_>, f: fn(f32, f32) -> f32) -> Done {
    c.ret_f32(f(c.arg_f32(0), c.arg_f32(1)))
}

fn fmadf4(c: &mut Call<'_>) -> Done {
    c.ret_f64(c.arg_f64(0).mul_add(c.arg_f64(2), c.arg_f64(4)))
}

fn sqrtdf2(c: &mut Call<'_>) -> Done {
    c.ret_f64(c.arg_f64(0).sqrt())
}

fn sqrtf(c: &mut Call<'_>) -> Done {
    c.ret_f32(c.arg_f32(0).sqrt())
}

/// Half to single: exact.
fn half_to_single(h: u16) -> f32 {
    let (sign, exponent, mantissa) = (u32::from(h >> 15) << 31, h >> 10 & 31, u32::from(h & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa as f32 / (1 << 24) as f32,
        31 => f32::from_bits(0x7f80_0000 | mantissa << 13),
        e => f32::from_bits((u32::from(e) + 112) << 23 | mantissa << 13),
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// Double to half, rounded to nearest even once.
fn to_half(v: f64) -> u16 {
    let sign = ((v.to_bits() >> 63) as u16) << 15;
    let a = v.abs();
    if v.is_nan() {
        return sign | 0x7e00;
    }
    // 65520 and above round to infinity.
    if a >= 65520.0 {
        return sign | 0x7c00;
    }
    // The unit in the last place: 2^-24 for subnormals, else 2^(exponent − 10). The quotient is exact.
    let exponent = ((a.to_bits() >> 52) as i32 - 1023).max(-14);
    let units = (a * f64::from_bits(((10 - exponent + 1023) as u64) << 52)).round_ties_even() as u32;
    // A carry out of the mantissa moves into the exponent by itself.
    sign | (((exponent + 14) as u32) * 1024 + units) as u16
}

fn extendhfsf2(c: &mut Call<'_>) -> Done {
    let h = c.arg(0)? as u16;
    c.ret_f32(half_to_single(h))
}

fn truncsfhf2(c: &mut Call<'_>) -> Done {
    c.ret(to_half(c.arg_f32(0).into()).into())
}

fn truncdfhf2(c: &mut Call<'_>) -> Done {
    c.ret(to_half(c.arg_f64(0)).into())
}

/// Squares that the exponent's bits choose; a negative one's reciprocal is taken in the end, as compiler-rt does, which is what
/// compilers count on when they turn such a call into multiplications.
fn power<T: Copy + std::ops::Mul<Output = T> + std::ops::Div<Output = T>>(
    mut base: T,
    exponent: i32,
    one: T,
) -> T {
    let (mut left, mut product) = (exponent.unsigned_abs(), one);
    loop {
        if left & 1 != 0 {
            product = product * base;
        }
        left >>= 1;
        if left == 0 {
            break;
        }
        base = base * base;
    }
    if exponent < 0 { one / product } else { product }
}

fn powi(c: &mut Call<'_>) -> Done {
    let v = power(c.arg_f64(0), c.arg(2)? as i32, 1.0);
    c.ret_f64(v)
}

fn powi_f32(c: &mut Call<'_>) -> Done {
    let v = power(c.arg_f32(0), c.arg(1)? as i32, 1.0);
    c.ret_f32(v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn whole_powers_are_products() {
        let mut g = Guest::new();
        for (base, exponent, want) in [
            (3.0f64, 5, 243.0f64),
            (2.0, -3, 0.125),
            (-2.0, 3, -8.0),
            (7.5, 0, 1.0),
            (f64::NAN, 0, 1.0),
            (0.0, -1, f64::INFINITY),
            (2.0, i32::MIN, 0.0),
        ] {
            let bits = base.to_bits();
            let words = [bits as u32, (bits >> 32) as u32, exponent as u32];
            assert_eq!(g.call64("__powidf2", &words), want.to_bits(), "{base} {exponent}");
            let words = [(base as f32).to_bits(), exponent as u32];
            let want = (want as f32).to_bits();
            assert_eq!(g.call("__powisf2", &words), want, "{base} {exponent}");
        }
    }

    #[test]
    fn every_half_survives_the_round_trip() {
        for h in 0..=u16::MAX {
            let v = half_to_single(h);
            if v.is_nan() {
                assert!(to_half(v.into()) & 0x7e00 == 0x7e00);
            } else {
                assert_eq!(to_half(v.into()), h, "{v}");
            }
        }
    }

    #[test]
    fn halves_round_to_nearest_even() {
        for (v, want) in [
            (1.0 + 1.0 / 2048.0, 0x3c00),
            (1.0 + 3.0 / 2048.0, 0x3c02),
            (65519.0, 0x7bff),
            (65520.0, 0x7c00),
            (2f64.powi(-25), 0),
            (2f64.powi(-25) * 1.5, 1),
            (-0.0, 0x8000),
            (1e-300, 0),
            (6.1e-5, 0x3ff),
        ] {
            assert_eq!(to_half(v), want, "{v}");
        }
    }

    #[test]
    fn division_never_panics() {
        let mut g = Guest::new();
        assert_eq!(
            g.call("__hexagon_divsi3", &[i32::MIN as u32, u32::MAX]),
            i32::MIN as u32
        );
        assert_eq!(g.call("__hexagon_modsi3", &[7, 0]), 7);
        assert_eq!(g.call("__hexagon_divsi3", &[-7i32 as u32, 2]), -3i32 as u32);
        assert_eq!(g.call64("__hexagon_udivdi3", &[0, 1, 0, 0]), 0);
        assert_eq!(g.call64("__hexagon_udivdi3", &[0, 1, 2, 0]), 0x8000_0000);
        assert_eq!(
            g.call64("__hexagon_divdi3", &[0, 0x8000_0000, u32::MAX, u32::MAX]),
            1 << 63
        );
    }
}
