//! The exact path of scalar floating point: operands are taken apart, computed with integers and a sticky bit, and rounded once
//! ([`pack`]). Everything is defined by it; what [`super::host`] does faster gives the same.
//!
//! Source: Hexagon PRM, chapter on floating point; behaviour compared with qemu-hexagon.

use crate::state::{Status, usr};

/// A binary format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Format {
    /// Bits of the fraction.
    pub frac: u32,
    /// Bits of the exponent.
    pub exp: u32,
}

pub(super) const SF: Format = Format { frac: 23, exp: 8 };
pub(super) const DF: Format = Format { frac: 52, exp: 11 };

impl Format {
    pub const fn bias(self) -> i32 {
        (1 << (self.exp - 1)) - 1
    }
    pub const fn max_exp(self) -> u64 {
        (1 << self.exp) - 1
    }
    pub const fn sign(self) -> u64 {
        1 << (self.frac + self.exp)
    }
    pub const fn inf(self, sign: bool) -> u64 {
        self.max_exp() << self.frac | if sign { self.sign() } else { 0 }
    }
    /// The one NaN that is ever produced.
    pub const fn nan(self) -> u64 {
        self.sign() | (self.sign() - 1)
    }
}

/// An operand taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Zero,
    /// `mant` times two to the power `exp`.
    Number {
        mant: u64,
        exp: i32,
    },
    Inf,
    Nan {
        signalling: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub sign: bool,
    pub class: Class,
}

pub(super) fn unpack(f: Format, bits: u64) -> Value {
    let sign = bits & f.sign() != 0;
    let frac = bits & ((1 << f.frac) - 1);
    let exp = bits >> f.frac & f.max_exp();
    let class = match (exp, frac) {
        (0, 0) => Class::Zero,
        (0, _) => Class::Number {
            mant: frac,
            exp: 1 - f.bias() - f.frac as i32,
        },
        (e, 0) if e == f.max_exp() => Class::Inf,
        (e, _) if e == f.max_exp() => Class::Nan {
            signalling: frac >> (f.frac - 1) == 0,
        },
        (e, _) => Class::Number {
            mant: frac | 1 << f.frac,
            exp: e as i32 - f.bias() - f.frac as i32,
        },
    };
    Value { sign, class }
}

/// Right shift that keeps in bit 0 whether anything was lost.
fn shift_jam(v: u128, n: u32) -> u128 {
    match n {
        0 => v,
        1..=127 => v >> n | u128::from(v << (128 - n) != 0),
        _ => u128::from(v != 0),
    }
}

/// Whether a rounded magnitude goes up: `rest` are the bits below the last place, `half` their midpoint.
pub(super) fn rounds_up(mode: u8, sign: bool, odd: bool, rest: u128, half: u128) -> bool {
    match mode {
        0 => rest > half || rest == half && odd,
        1 => false,
        2 => sign && rest != 0,
        _ => !sign && rest != 0,
    }
}

/// Rounds the exact value `mant` times two to the power `exp` (bit 0 of `mant` may be sticky) to the format.
pub(super) fn pack(st: &mut Status, f: Format, sign: bool, mant: u128, exp: i32) -> u64 {
    let s = if sign { f.sign() } else { 0 };
    if mant == 0 {
        return s;
    }
    // The leading one to bit 126, so that a sticky bit stays below every rounding position.
    let lead = mant.leading_zeros() as i32;
    let mant = if lead == 0 {
        shift_jam(mant, 1)
    } else {
        mant << (lead - 1)
    };
    let exp = exp - lead + 1;
    // Biased exponent of the number were it normal.
    let mut biased = exp + 126 + f.bias();
    let mut drop = 126 - f.frac;
    let tiny = biased < 1;
    if tiny {
        drop = drop.saturating_add((1 - biased) as u32);
        biased = 0;
    }
    let (kept, rest, half) = if drop > 127 {
        (0, 1, 2)
    } else {
        (mant >> drop, mant & ((1 << drop) - 1), 1 << (drop - 1))
    };
    let up = rounds_up(st.round(), sign, kept & 1 != 0, rest, half);
    let kept = kept as u64 + u64::from(up);
    if rest != 0 {
        st.flags |= usr::FPINPF;
        if tiny {
            st.flags |= usr::FPUNFF;
        }
    }
    // A carry out of the fraction moves the exponent up by itself.
    let magnitude = if tiny {
        kept
    } else {
        ((biased as u64) << f.frac)
            .wrapping_add(kept)
            .wrapping_sub(1 << f.frac)
    };
    if !tiny && (biased as u64 > f.max_exp() || magnitude >= f.inf(false)) {
        st.flags |= usr::FPOVFF | usr::FPINPF;
        let to_inf = match st.round() {
            0 => true,
            1 => false,
            2 => sign,
            _ => !sign,
        };
        return s | if to_inf { f.inf(false) } else { f.inf(false) - 1 };
    }
    s | magnitude
}

fn invalid(st: &mut Status, f: Format) -> u64 {
    st.flags |= usr::FPINVF;
    f.nan()
}

/// If an operand is a NaN: the result, with invalid raised for a signalling one.
pub(super) fn propagate(st: &mut Status, f: Format, all: &[Value]) -> Option<u64> {
    let mut nan = false;
    for v in all {
        if let Class::Nan { signalling } = v.class {
            nan = true;
            if signalling {
                st.flags |= usr::FPINVF;
            }
        }
    }
    nan.then(|| f.nan())
}

/// Sum of two exact values; each mantissa below 2^107.
fn sum(st: &mut Status, f: Format, a: (bool, u128, i32), b: (bool, u128, i32)) -> u64 {
    let (big, small) = {
        let top = |v: &(bool, u128, i32)| v.2 - v.1.leading_zeros() as i32;
        if top(&a) >= top(&b) { (a, b) } else { (b, a) }
    };
    // The larger one's leading bit to bit 124: room for a carry above, guard bits below.
    let up = big.1.leading_zeros() as i32 - 3;
    let (bm, be) = (big.1 << up.max(0), big.2 - up.max(0));
    let sm = if small.2 >= be {
        small.1 << (small.2 - be).min(127)
    } else {
        shift_jam(small.1, (be - small.2) as u32)
    };
    if big.0 == small.0 {
        return pack(st, f, big.0, bm + sm, be);
    }
    let (sign, m) = if bm >= sm {
        (big.0, bm - sm)
    } else {
        (small.0, sm - bm)
    };
    if m == 0 {
        // An exact zero difference is -0 only when rounding down.
        return if st.round() == 2 { f.sign() } else { 0 };
    }
    pack(st, f, sign, m, be)
}

pub(super) fn add(st: &mut Status, f: Format, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(f, a), unpack(f, b));
    if let Some(nan) = propagate(st, f, &[x, y]) {
        return nan;
    }
    match (x.class, y.class) {
        (Class::Inf, Class::Inf) if x.sign != y.sign => invalid(st, f),
        (Class::Inf, _) => a,
        (_, Class::Inf) => b,
        (Class::Zero, Class::Zero) => {
            if x.sign == y.sign {
                a
            } else if st.round() == 2 {
                f.sign()
            } else {
                0
            }
        }
        (Class::Zero, _) => b,
        (_, Class::Zero) => a,
        (Class::Number { mant: m, exp: e }, Class::Number { mant: n, exp: g }) => {
            sum(st, f, (x.sign, m.into(), e), (y.sign, n.into(), g))
        }
        _ => f.nan(),
    }
}

pub(super) fn mul(st: &mut Status, f: Format, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(f, a), unpack(f, b));
    if let Some(nan) = propagate(st, f, &[x, y]) {
        return nan;
    }
    let sign = x.sign != y.sign;
    match (x.class, y.class) {
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf) => invalid(st, f),
        (Class::Inf, _) | (_, Class::Inf) => f.inf(sign),
        (Class::Number { mant: m, exp: e }, Class::Number { mant: n, exp: g }) => {
            pack(st, f, sign, u128::from(m) * u128::from(n), e + g)
        }
        _ => f.inf(sign) & f.sign(),
    }
}

/// `(a * b + c) * 2^scale`, rounded once.
pub(super) fn fma(st: &mut Status, f: Format, a: u64, b: u64, c: u64, scale: i32) -> u64 {
    let (x, y, z) = (unpack(f, a), unpack(f, b), unpack(f, c));
    let sign = x.sign != y.sign;
    if matches!(
        (x.class, y.class),
        (Class::Inf, Class::Zero) | (Class::Zero, Class::Inf)
    ) {
        return invalid(st, f);
    }
    if let Some(nan) = propagate(st, f, &[x, y, z]) {
        return nan;
    }
    match (x.class, y.class, z.class) {
        (Class::Inf, _, Class::Inf) | (_, Class::Inf, Class::Inf) if sign != z.sign => invalid(st, f),
        (Class::Inf, ..) | (_, Class::Inf, _) => f.inf(sign),
        (_, _, Class::Inf) => c,
        (Class::Number { mant: m, exp: e }, Class::Number { mant: n, exp: g }, z_class) => {
            let product = (sign, u128::from(m) * u128::from(n), e + g + scale);
            match z_class {
                Class::Number { mant, exp } => sum(st, f, product, (z.sign, mant.into(), exp + scale)),
                _ => pack(st, f, product.0, product.1, product.2),
            }
        }
        // The product is zero.
        (_, _, Class::Number { mant, exp }) => pack(st, f, z.sign, mant.into(), exp + scale),
        _ => {
            if sign == z.sign {
                c
            } else if st.round() == 2 {
                f.sign()
            } else {
                0
            }
        }
    }
}

/// Times two to the power `n`.
pub(super) fn scale(st: &mut Status, f: Format, bits: u64, n: i32) -> u64 {
    match unpack(f, bits) {
        Value {
            sign,
            class: Class::Number { mant, exp },
        } => pack(st, f, sign, mant.into(), exp + n),
        _ => bits,
    }
}

/// Biased exponent; 1 for a denormal, -1 for what is no finite nonzero number.
pub(super) fn exponent(f: Format, bits: u64) -> i32 {
    match (unpack(f, bits).class, bits >> f.frac & f.max_exp()) {
        (Class::Number { .. }, 0) => 1,
        (Class::Number { .. }, e) => e as i32,
        _ => -1,
    }
}
