//! The floating-point array's arithmetic on exact integers: what a shift loses is found by dividing.

use super::Cell;

/// An input or a weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor {
    sig: i64,
    exp: i64,
    special: u8,
    negative: bool,
}

impl Factor {
    pub fn read(raw: u16, bf16: bool, usr: u32) -> Factor {
        let (frac, bias, most) = if bf16 { (128, 128, 255) } else { (1024, 16, 31) };
        let (exponent, fraction) = (i64::from(raw) % 32768 / frac, i64::from(raw) % frac);
        let negative = raw >= 0x8000;
        if exponent == 0 && fraction == 0 {
            return Factor {
                sig: 0,
                exp: -128,
                special: 0,
                negative: false,
            };
        }
        let mut sig = fraction + if exponent > 0 { frac } else { 0 };
        let mut exp = exponent.max(1) - bias;
        if bf16 {
            sig *= 8;
        } else {
            while sig < 1024 {
                sig *= 2;
                exp -= 1;
            }
        }
        let special = match (usr >> 20 & 1 != 0 && exponent == most, fraction, negative) {
            (false, ..) => 0,
            (true, 0, false) => 1,
            (true, 0, true) => 2,
            _ => 3,
        };
        Factor {
            sig: if negative { -sig } else { sig },
            exp,
            special,
            negative,
        }
    }
}

/// Divided by a power of two, rounded down; an odd number if something was lost.
pub(super) fn lower(v: i128, places: i64) -> i128 {
    let by = 1i128 << places.clamp(0, 100);
    let (quotient, lost) = (v.div_euclid(by), v.rem_euclid(by) != 0);
    if lost && quotient.rem_euclid(2) == 0 {
        quotient + 1
    } else {
        quotient
    }
}

/// How many places the array thinks the sum of two numbers of 31 bits can go up.
fn foreseen(a: i128, b: i128) -> i64 {
    let bit = |v: i128, n: i32| v.div_euclid(1 << n).rem_euclid(2) == 1;
    let count = |string: &dyn Fn(i32) -> bool| {
        let change = |n: i32| (bit(a, n) != bit(b, n)) == (n > 0 && string(n - 1));
        (0..30).rev().take_while(|n| change(*n) == change(30)).count() as i64
    };
    let zeros = count(&|n| !bit(a, n) && !bit(b, n));
    let ones = count(&|n| bit(a, n) && bit(b, n));
    match (bit(a, 30), bit(b, 30)) {
        (false, false) => zeros,
        (true, true) => ones,
        _ => zeros.max(ones),
    }
}

struct Product {
    sig: i128,
    exp: i64,
    special: u8,
    zero: bool,
    negative: bool,
}

fn product(a: &Factor, b: &Factor) -> Product {
    let negative = a.negative != b.negative;
    let nothing = a.sig == 0 || b.sig == 0;
    let nan = a.special == 3 || b.special == 3;
    let infinite = !nan && (a.special != 0 || b.special != 0);
    let special = match (nan || infinite && nothing, infinite, negative) {
        (true, ..) => 3,
        (_, false, _) => 0,
        (_, _, false) => 1,
        (_, _, true) => 2,
    };
    let zero = nothing && !infinite;
    Product {
        sig: i128::from(a.sig) * i128::from(b.sig),
        exp: if nothing { -256 } else { a.exp + b.exp },
        special,
        zero,
        negative: negative && (!nothing || zero),
    }
}

/// Eight products into an accumulator.
pub(super) fn reduce(c: Cell, a: &[Factor], w: &[Factor], usr: u32) -> Cell {
    let infinities = usr >> 20 & 1 != 0;
    if !infinities && (a.iter().all(|f| f.sig == 0) || w.iter().all(|f| f.sig == 0)) {
        return c;
    }
    let all: Vec<Product> = a.iter().zip(w).map(|(a, w)| product(a, w)).collect();
    let most = all.iter().map(|p| p.exp).max().unwrap_or(-256).max(-256);
    let sum: i128 = all.iter().map(|p| lower(p.sig * 16, most - p.exp)).sum();
    let special = all.iter().fold(0, |s, p| s | p.special);
    let negative = match special {
        0 => sum < 0 || all.iter().all(|p| p.sig == 0) && all.iter().any(|p| p.negative),
        s => s > 1,
    };
    let exp = c.exp.max(most);
    let (x, y) = (lower(c.sig.into(), exp - c.exp), lower(sum, exp - most));
    let mut special = special | c.special;
    let negative = match special {
        0 => x + y < 0 || c.sig == 0 && sum == 0 && (negative || c.negative),
        s => s > 1,
    };
    let up = foreseen(x, y).min(3).min(exp + 1 + 256);
    let mut exp = exp + 1 - up;
    // 30 bits.
    let sig = (lower(x + y, 1) * (1 << up)).rem_euclid(1 << 30);
    if exp > 255 {
        exp = 255;
        if special == 0 {
            special = if negative { 2 } else { 1 };
        }
    }
    Cell {
        sig: if sig >= 1 << 29 { sig - (1 << 30) } else { sig } as i64,
        exp,
        zero: c.zero && all.iter().all(|p| p.zero),
        special,
        negative,
    }
}
