//! Conversions between integers and both formats.

use super::exact::{Class, DF, Format, SF, pack, propagate, rounds_up, unpack};
use crate::state::{Status, usr};

/// The host's type of a format.
macro_rules! host {
    (SF) => {
        f32
    };
    (DF) => {
        f64
    };
}

fn from_int(st: &mut Status, f: Format, v: i128) -> u64 {
    pack(st, f, v < 0, v.unsigned_abs(), 0)
}

macro_rules! from_int {
    ($($quick:ident $name:ident $int:ty, $f:ident, $out:ty;)*) => {$(
        /// Neither too large nor tiny: all that can be raised is "inexact".
        #[inline(always)]
        pub(crate) fn $quick(st: Status, v: $int) -> Option<$out> {
            st.settled().then(|| (v as host!($f)).to_bits())
        }

        pub(crate) fn $name(st: &mut Status, v: $int) -> $out {
            match $quick(*st, v) {
                Some(r) => r,
                None => from_int(st, $f, v.into()) as $out,
            }
        }
    )*};
}
from_int! {
    quick_sf_from_w sf_from_w i32, SF, u32;
    quick_sf_from_uw sf_from_uw u32, SF, u32;
    quick_sf_from_d sf_from_d i64, SF, u32;
    quick_sf_from_ud sf_from_ud u64, SF, u32;
    quick_df_from_w df_from_w i32, DF, u64;
    quick_df_from_uw df_from_uw u32, DF, u64;
    quick_df_from_d df_from_d i64, DF, u64;
    quick_df_from_ud df_from_ud u64, DF, u64;
}

/// Converts to an integer between `lo` and `hi`. A NaN gives -1; an unsigned conversion of a negative number gives 0 and is
/// invalid even if it would round to zero.
pub(super) fn to_int(st: &mut Status, f: Format, bits: u64, chop: bool, lo: i128, hi: i128) -> i128 {
    let v = unpack(f, bits);
    let saturated = if v.sign { lo } else { hi };
    let (mant, exp) = match v.class {
        Class::Zero => return 0,
        Class::Nan { .. } => {
            st.flags |= usr::FPINVF;
            return -1;
        }
        Class::Inf => {
            st.flags |= usr::FPINVF;
            return saturated;
        }
        Class::Number { mant, exp } => (u128::from(mant), exp),
    };
    if v.sign && lo == 0 {
        st.flags |= usr::FPINVF;
        return 0;
    }
    if exp > 64 {
        st.flags |= usr::FPINVF;
        return saturated;
    }
    let (magnitude, inexact) = if exp >= 0 {
        (mant << exp, false)
    } else {
        let n = exp.unsigned_abs().min(100);
        let (kept, rest) = (mant >> n, mant & ((1 << n) - 1));
        let mode = if chop { 1 } else { st.round() };
        let up = rounds_up(mode, v.sign, kept & 1 != 0, rest, 1 << (n - 1));
        (kept + u128::from(up), rest != 0)
    };
    let value = if v.sign {
        -(magnitude as i128)
    } else {
        magnitude as i128
    };
    if value < lo || value > hi {
        st.flags |= usr::FPINVF;
        return saturated;
    }
    if inexact {
        st.flags |= usr::FPINPF;
    }
    value
}

macro_rules! to_int {
    ($($quick:ident $name:ident $f:ident $bits:ty, $int:ty;)*) => {$(
        /// Nothing is raised by what becomes an integer and back without change, and nothing new by what is chopped when
        /// "inexact" is raised already. The host's ends of the range stand for all beyond, its zero for NaN.
        #[inline(always)]
        pub(crate) fn $quick(st: Status, v: $bits, chop: bool) -> Option<$int> {
            let r = <host!($f)>::from_bits(v) as $int;
            let inside = <$int>::MIN < r && r < <$int>::MAX && !<host!($f)>::from_bits(v).is_nan();
            (inside && (chop && st.usr & usr::FPINPF != 0 || (r as host!($f)).to_bits() == v)).then_some(r)
        }

        pub(crate) fn $name(st: &mut Status, v: $bits, chop: bool) -> $int {
            match $quick(*st, v, chop) {
                Some(r) => r,
                None => to_int(st, $f, v.into(), chop, <$int>::MIN.into(), <$int>::MAX.into()) as $int,
            }
        }
    )*};
}
to_int! {
    quick_sf_to_w sf_to_w SF u32, i32;
    quick_sf_to_uw sf_to_uw SF u32, u32;
    quick_sf_to_d sf_to_d SF u32, i64;
    quick_sf_to_ud sf_to_ud SF u32, u64;
    quick_df_to_w df_to_w DF u64, i32;
    quick_df_to_uw df_to_uw DF u64, u32;
    quick_df_to_d df_to_d DF u64, i64;
    quick_df_to_ud df_to_ud DF u64, u64;
}

fn convert(st: &mut Status, from: Format, to: Format, bits: u64) -> u64 {
    let v = unpack(from, bits);
    if let Some(nan) = propagate(st, to, &[v]) {
        return nan;
    }
    match v.class {
        Class::Inf => to.inf(v.sign),
        Class::Number { mant, exp } => pack(st, to, v.sign, mant.into(), exp),
        _ => to.inf(v.sign) & to.sign(),
    }
}

pub(crate) fn sf_from_df(st: &mut Status, v: u64) -> u32 {
    convert(st, DF, SF, v) as u32
}

pub(crate) fn df_from_sf(st: &mut Status, v: u32) -> u64 {
    convert(st, SF, DF, v.into())
}
