//! Sums, products and fused products with the host's arithmetic, which rounds to nearest even and keeps denormals as ours does.
//!
//! What the host does not tell is which flags to raise. Two steps:
//! * Most programs have raised "inexact" long ago and round to nearest. Then only the other flags are left to be found out, and
//!   a finite sum, or a product inside the normal range, raises none of them.
//! * Else the exact error of the host's result says whether it is inexact.
//!
//! Whatever fits neither goes to [`super::exact`]. The first step alone is the functions `quick_…`, which give nothing where it
//! does not fit: an instruction's function tries them first.

use super::exact::{self, DF, SF};
use crate::state::{Status, usr};

/// Value and USR bits to be raised: what functions behind a call hand back in two host registers.
type Raised<T> = (T, u32);

impl Status {
    /// Rounding is to nearest and "inexact" is raised already.
    #[inline(always)]
    pub(super) fn settled(&self) -> bool {
        self.usr & (usr::FPRND | usr::FPINPF) == usr::FPINPF
    }

    /// Takes over what a function behind a call raised.
    #[inline(always)]
    fn take<T>(&mut self, (v, flags): Raised<T>) -> T {
        self.flags |= flags;
        v
    }
}

/// Inside the normal range, away from the smallest number: what is rounded to that may have been tiny before.
#[inline(always)]
fn normal32(r: f32) -> bool {
    const LEAST: u32 = 0x0080_0001;
    (r.to_bits() & 0x7fff_ffff).wrapping_sub(LEAST) < 0x7f80_0000 - LEAST
}

/// The host's result if it can be trusted: rounding to nearest, and well inside the normal range.
fn trusted32(usr: u32, r: f32, inexact: impl FnOnce() -> bool) -> Option<Raised<u32>> {
    if usr & usr::FPRND != 0 || !normal32(r) {
        return None;
    }
    let flags = if usr & usr::FPINPF == 0 && inexact() {
        usr::FPINPF
    } else {
        0
    };
    Some((r.to_bits(), flags))
}

fn trusted64(usr: u32, r: f64, inexact: impl FnOnce() -> bool) -> Option<Raised<u64>> {
    // The error terms below are exact only away from the ends of the range.
    if usr & usr::FPRND != 0 || !(r.abs() > 1e-280 && r.abs() < 1e290) {
        return None;
    }
    let flags = if usr & usr::FPINPF == 0 && inexact() {
        usr::FPINPF
    } else {
        0
    };
    Some((r.to_bits(), flags))
}

/// What `a + b` lost when it was rounded to `s`.
fn sum_error(a: f64, b: f64, s: f64) -> f64 {
    let t = s - a;
    (a - (s - t)) + (b - t)
}

/// Runs the exact path.
fn exactly<T>(usr: u32, f: impl FnOnce(&mut Status) -> T) -> Raised<T> {
    let mut st = Status { flags: 0, usr };
    let v = f(&mut st);
    (v, st.flags)
}

fn careful_sf_add(usr: u32, a: u32, b: u32) -> Raised<u32> {
    let (x, y) = (f64::from(f32::from_bits(a)), f64::from(f32::from_bits(b)));
    let s = x + y;
    let r = s as f32;
    let inexact = || f64::from(r) != s || sum_error(x, y, s) != 0.0;
    trusted32(usr, r, inexact)
        .unwrap_or_else(|| exactly(usr, |st| exact::add(st, SF, a.into(), b.into()) as u32))
}

#[inline(always)]
pub(crate) fn quick_sf_add(st: Status, a: u32, b: u32) -> Option<u32> {
    let r = f32::from_bits(a) + f32::from_bits(b);
    (st.settled() && r.is_finite()).then_some(r.to_bits())
}

pub(crate) fn sf_add(st: &mut Status, a: u32, b: u32) -> u32 {
    match quick_sf_add(*st, a, b) {
        Some(r) => r,
        None => st.take(careful_sf_add(st.usr, a, b)),
    }
}

#[inline(always)]
pub(crate) fn quick_sf_sub(st: Status, a: u32, b: u32) -> Option<u32> {
    let r = f32::from_bits(a) - f32::from_bits(b);
    (st.settled() && r.is_finite()).then_some(r.to_bits())
}

pub(crate) fn sf_sub(st: &mut Status, a: u32, b: u32) -> u32 {
    match quick_sf_sub(*st, a, b) {
        Some(r) => r,
        // The other sign would make a NaN no other NaN.
        None => st.take(careful_sf_add(st.usr, a, b ^ 1 << 31)),
    }
}

fn careful_sf_mul(usr: u32, a: u32, b: u32) -> Raised<u32> {
    let p = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
    if p == 0.0 {
        // A product of two numbers of this format is never too small for the wider one: a factor is zero.
        return ((a ^ b) & 1 << 31, 0);
    }
    let r = p as f32;
    trusted32(usr, r, || f64::from(r) != p)
        .unwrap_or_else(|| exactly(usr, |st| exact::mul(st, SF, a.into(), b.into()) as u32))
}

#[inline(always)]
pub(crate) fn quick_sf_mul(st: Status, a: u32, b: u32) -> Option<u32> {
    let r = f32::from_bits(a) * f32::from_bits(b);
    (st.settled() && normal32(r)).then_some(r.to_bits())
}

pub(crate) fn sf_mul(st: &mut Status, a: u32, b: u32) -> u32 {
    match quick_sf_mul(*st, a, b) {
        Some(r) => r,
        None => st.take(careful_sf_mul(st.usr, a, b)),
    }
}

fn careful_df_add(usr: u32, a: u64, b: u64) -> Raised<u64> {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    let s = x + y;
    trusted64(usr, s, || sum_error(x, y, s) != 0.0)
        .unwrap_or_else(|| exactly(usr, |st| exact::add(st, DF, a, b)))
}

#[inline(always)]
pub(crate) fn quick_df_add(st: Status, a: u64, b: u64) -> Option<u64> {
    let r = f64::from_bits(a) + f64::from_bits(b);
    (st.settled() && r.is_finite()).then_some(r.to_bits())
}

pub(crate) fn df_add(st: &mut Status, a: u64, b: u64) -> u64 {
    match quick_df_add(*st, a, b) {
        Some(r) => r,
        None => st.take(careful_df_add(st.usr, a, b)),
    }
}

#[inline(always)]
pub(crate) fn quick_df_sub(st: Status, a: u64, b: u64) -> Option<u64> {
    let r = f64::from_bits(a) - f64::from_bits(b);
    (st.settled() && r.is_finite()).then_some(r.to_bits())
}

pub(crate) fn df_sub(st: &mut Status, a: u64, b: u64) -> u64 {
    match quick_df_sub(*st, a, b) {
        Some(r) => r,
        None => st.take(careful_df_add(st.usr, a, b ^ 1 << 63)),
    }
}

/// `a * b + c` rounded once to nearest, if it can be had from the sum in the wider format, in which the product is exact. That
/// sum is rounded a second time, which errs only if the first rounding ended in the middle between two results.
#[inline(always)]
pub(super) fn fused32(a: u32, b: u32, c: u32) -> Option<u32> {
    const BELOW: u64 = (1 << 29) - 1;
    let p = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
    let s = p + f64::from(f32::from_bits(c));
    let r = s as f32;
    (normal32(r) && s.to_bits() & BELOW != 1 << 28).then_some(r.to_bits())
}

fn careful_sf_fma(usr: u32, a: u32, b: u32, c: u32) -> Raised<u32> {
    let p = f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b));
    let z = f64::from(f32::from_bits(c));
    let s = p + z;
    let e = sum_error(p, z, s);
    // Rounding to odd keeps the second rounding right.
    let odd = if e != 0.0 && s.to_bits() & 1 == 0 {
        f64::from_bits(if (e > 0.0) == (s > 0.0) {
            s.to_bits() + 1
        } else {
            s.to_bits() - 1
        })
    } else {
        s
    };
    let r = odd as f32;
    if s.is_normal()
        && s.abs() < 1e38
        && let Some(done) = trusted32(usr, r, || e != 0.0 || f64::from(r) != s)
    {
        return done;
    }
    exactly(usr, |st| {
        exact::fma(st, SF, a.into(), b.into(), c.into(), 0) as u32
    })
}

#[inline(always)]
pub(crate) fn quick_sf_fma(st: Status, a: u32, b: u32, c: u32) -> Option<u32> {
    if st.settled() { fused32(a, b, c) } else { None }
}

/// `a * b + c`, rounded once.
pub(crate) fn sf_fma(st: &mut Status, a: u32, b: u32, c: u32) -> u32 {
    match quick_sf_fma(*st, a, b, c) {
        Some(r) => r,
        None => st.take(careful_sf_fma(st.usr, a, b, c)),
    }
}
