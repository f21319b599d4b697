//! The host's arithmetic and the exact path against each other, and the exact path against the host and by hand.

use proptest::prelude::*;

use super::exact::{DF, Format, SF, add, fma, mul, pack};
use super::*;
use crate::state::{Status, usr};

const ONE: u32 = 0x3f80_0000;
const NAN: u32 = u32::MAX;

/// Exponents and fractions at which something changes.
fn edge(f: Format) -> impl Strategy<Value = u64> {
    let exps = [
        0,
        1,
        2,
        f.frac as u64,
        f.bias() as u64,
        f.bias() as u64 + 1,
        f.max_exp() - 1,
        f.max_exp(),
    ];
    let last = (1u64 << f.frac) - 1;
    let fracs = [0, 1, 2, last / 2, last / 2 + 1, last / 2 + 2, last - 1, last];
    (0..exps.len(), 0..fracs.len(), any::<bool>()).prop_map(move |(e, m, sign)| {
        exps.get(e).unwrap_or(&0) << f.frac | fracs.get(m).unwrap_or(&0) | if sign { f.sign() } else { 0 }
    })
}

/// Bits with exponents close enough for sums and products to be interesting; sometimes with few ones, so that results are exact
/// or lie in the middle between two numbers.
fn near(f: Format) -> impl Strategy<Value = u64> {
    let middle = f.bias() as u64;
    (any::<u64>(), middle - 27..middle + 27, 0..f.frac, any::<bool>()).prop_map(
        move |(bits, exp, zeros, short)| {
            let frac = bits & ((1 << f.frac) - 1);
            let frac = if short { frac >> zeros << zeros } else { frac };
            bits & f.sign() | exp << f.frac | frac
        },
    )
}

/// Any bits, more often those that matter.
fn number(f: Format) -> impl Strategy<Value = u64> {
    prop_oneof![
        5 => near(f),
        2 => any::<u64>().prop_map(move |v| v & f.nan()),
        2 => edge(f),
    ]
}

/// USR with all that the functions look at.
fn user_status() -> impl Strategy<Value = u32> {
    (any::<u32>(), any::<bool>()).prop_map(|(v, usual)| {
        // Most programs run like this.
        if usual { v & !usr::FPRND | usr::FPINPF } else { v }
    })
}

/// Result and sticky flags of an operation.
fn run(usr: u32, op: impl FnOnce(&mut Status) -> u64) -> (u64, u32) {
    let mut st = Status { flags: 0, usr };
    let v = op(&mut st);
    // What is set already need not be raised again.
    (v, st.flags | usr)
}

macro_rules! same {
    ($usr:expr, $fast:expr, $exact:expr) => {{
        let (fast, exact) = (run($usr, $fast), run($usr, $exact));
        prop_assert_eq!(
            fast,
            exact,
            "{:x?} instead of {:x?} with USR {:#x}",
            fast,
            exact,
            $usr
        );
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_host_agrees_with_the_exact_path_in_single(
        u in user_status(), a in number(SF), b in number(SF), c in number(SF),
    ) {
        let (x, y, z) = (a as u32, b as u32, c as u32);
        same!(u, |st| sf_add(st, x, y).into(), |st| add(st, SF, a, b));
        same!(u, |st| sf_sub(st, x, y).into(), |st| add(st, SF, a, b ^ 1 << 31));
        same!(u, |st| sf_add(st, x, x ^ 1 << 31).into(), |st| add(st, SF, a, a ^ 1 << 31));
        same!(u, |st| sf_mul(st, x, y).into(), |st| mul(st, SF, a, b));
        same!(u, |st| sf_fma(st, x, y, z).into(), |st| fma(st, SF, a, b, c, 0));
        // A sum that all but cancels the product.
        let p = run(0, |st| mul(st, SF, a, b)).0 ^ 1 << 31;
        same!(u, |st| sf_fma(st, x, y, p as u32).into(), |st| fma(st, SF, a, b, p, 0));
        // One that ends in the middle, or just beside it: the sum of a number, half its last place, and very little.
        let half = (a & 0x7f80_0000).saturating_sub(24 << 23) | u64::from(z & 1 << 31);
        same!(u, |st| sf_fma(st, half as u32, ONE + (z & 1), x).into(), |st| fma(st, SF, half, (ONE + (z & 1)).into(), a, 0));
    }

    #[test]
    fn the_host_agrees_with_the_exact_path_in_double(u in user_status(), a in number(DF), b in number(DF)) {
        same!(u, |st| df_add(st, a, b), |st| add(st, DF, a, b));
        same!(u, |st| df_sub(st, a, b), |st| add(st, DF, a, b ^ 1 << 63));
        same!(u, |st| df_sub(st, a, a), |st| add(st, DF, a, a ^ 1 << 63));
    }

    #[test]
    fn the_library_form_agrees_where_the_host_is_asked(a in number(SF), b in number(SF), c in number(SF)) {
        if let Some(r) = host::fused32(a as u32, b as u32, c as u32) {
            prop_assert_eq!(u64::from(r), fma(&mut Status::default(), SF, a, b, c, 0));
        }
    }

    #[test]
    fn integers_become_numbers_as_on_the_exact_path(u in user_status(), v in any::<i64>(), right in 0u32..64) {
        let v = v >> right;
        let exact = |f, v: i128| move |st: &mut Status| pack(st, f, v < 0, v.unsigned_abs(), 0);
        same!(u, |st| sf_from_w(st, v as i32).into(), exact(SF, (v as i32).into()));
        same!(u, |st| sf_from_uw(st, v as u32).into(), exact(SF, (v as u32).into()));
        same!(u, |st| sf_from_d(st, v).into(), exact(SF, v.into()));
        same!(u, |st| sf_from_ud(st, v as u64).into(), exact(SF, (v as u64).into()));
        same!(u, |st| df_from_w(st, v as i32), exact(DF, (v as i32).into()));
        same!(u, |st| df_from_uw(st, v as u32), exact(DF, (v as u32).into()));
        same!(u, |st| df_from_d(st, v), exact(DF, v.into()));
        same!(u, |st| df_from_ud(st, v as u64), exact(DF, (v as u64).into()));
    }

    #[test]
    fn numbers_become_integers_as_on_the_exact_path(
        u in user_status(), a in number(SF), b in number(DF), n in any::<i64>(), right in 0u32..64, chop in any::<bool>(),
    ) {
        macro_rules! check {
            ($($name:ident $f:ident $int:ty;)*) => {$(
                for v in [if $f.frac == 23 { a } else { b }, run(0, |st| pack(st, $f, n < 0, (n >> right).unsigned_abs().into(), 0)).0] {
                    let exact = |st: &mut Status| {
                        convert::to_int(st, $f, v, chop, <$int>::MIN.into(), <$int>::MAX.into()) as $int as u64
                    };
                    same!(u, |st| $name(st, v as _, chop) as u64, exact);
                }
            )*};
        }
        check! {
            sf_to_w SF i32; sf_to_uw SF u32; sf_to_d SF i64; sf_to_ud SF u64;
            df_to_w DF i32; df_to_uw DF u32; df_to_d DF i64; df_to_ud DF u64;
        }
    }

    #[test]
    fn comparisons_raise_what_the_exact_path_raises(a in number(DF), b in number(DF)) {
        let both = [exact::unpack(DF, a), exact::unpack(DF, b)];
        let flags = run(0, |st| exact::propagate(st, DF, &both).unwrap_or(0)).1;
        for compare in [df_cmp_eq, df_cmp_gt, df_cmp_ge, df_unordered] {
            prop_assert_eq!(run(0, |st| compare(st, a, b).into()).1, flags);
        }
    }

    #[test]
    fn the_exact_path_agrees_with_the_host(a in any::<u64>(), b in any::<u64>()) {
        let mut st = Status::default();
        let host = |v: f64| if v.is_nan() { u64::MAX } else { v.to_bits() };
        prop_assert_eq!(add(&mut st, DF, a, b), host(f64::from_bits(a) + f64::from_bits(b)));
        prop_assert_eq!(mul(&mut st, DF, a, b), host(f64::from_bits(a) * f64::from_bits(b)));
        let (x, y, z) = (a as u32, (a >> 32) as u32, b as u32);
        let r = f32::from_bits(x).mul_add(f32::from_bits(y), f32::from_bits(z));
        let r = if r.is_nan() { u32::MAX } else { r.to_bits() };
        prop_assert_eq!(fma(&mut st, SF, x.into(), y.into(), z.into(), 0) as u32, r);
        prop_assert_eq!(sf_from_df(&mut st, a), {
            let v = f64::from_bits(a) as f32;
            if v.is_nan() { u32::MAX } else { v.to_bits() }
        });
        prop_assert_eq!(df_to_d(&mut st, a, true), if f64::from_bits(a).is_nan() { -1 } else { f64::from_bits(a) as i64 });
        prop_assert_eq!(sf_from_d(&mut st, a as i64), (a as i64 as f32).to_bits());
    }
}

#[test]
fn rounding_modes_differ_in_the_last_place() {
    let third = |round: u32| {
        let mut st = Status {
            flags: 0,
            usr: round << usr::FPRND_SHIFT,
        };
        // 1 + 2^-30
        let r = sf_add(&mut st, ONE, 0x3080_0000);
        (r, st.flags)
    };
    assert_eq!(third(0), (ONE, usr::FPINPF));
    assert_eq!(third(1), (ONE, usr::FPINPF));
    assert_eq!(third(2), (ONE, usr::FPINPF));
    assert_eq!(third(3), (ONE + 1, usr::FPINPF));
}

#[test]
fn tininess_is_seen_before_rounding() {
    let mut st = Status::default();
    // The largest number below the smallest normal one times (1 + 2^-23) rounds up to it.
    let r = sf_mul(&mut st, 0x007f_ffff, 0x3f80_0001);
    assert_eq!((r, st.flags), (0x0080_0000, usr::FPINPF | usr::FPUNFF));
}

#[test]
fn unsigned_conversion_of_a_negative_fraction_is_invalid() {
    let mut st = Status::default();
    assert_eq!(
        (sf_to_uw(&mut st, (-0.25f32).to_bits(), false), st.flags),
        (0, usr::FPINVF)
    );
    assert_eq!(sf_to_uw(&mut st, NAN, true), u32::MAX);
    assert_eq!(sf_to_w(&mut st, 1e20f32.to_bits(), true), i32::MAX);
}
