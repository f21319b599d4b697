//! Accumulators to results, and results to memory: exact integers, divided and rounded at the end.

use super::super::State;
use super::real::lower;
use super::tile::Places;
use super::{Cell, Matrix, NOTHING, Rows, set_byte};

/// What is said about a conversion, in its register or its text.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    retain: bool,
    /// Saturates bytes and halfwords, clips negative floats.
    limit: bool,
    pass: u32,
    greater: bool,
    extra: bool,
    largest: bool,
    bf16: bool,
    twenty: bool,
    select: u32,
    odd: bool,
    set: usize,
    /// Stores by itself.
    direct: bool,
}

fn field(raw: u64, from: u32, bits: u32) -> i128 {
    i128::from(raw / (1 << from) % (1 << bits))
}

fn wrap64(v: i128) -> i128 {
    i128::from(v as i64)
}

/// The fixed-point bias.
struct Bias {
    scale: i128,
    output: i128,
    add: i128,
    exponent: i128,
    shape: i128,
}

impl Bias {
    fn of(raw: u64) -> Bias {
        Bias {
            scale: (1 - field(raw, 16, 1)) * 2048 + field(raw, 0, 10) * 2 + field(raw, 31, 1),
            output: field(raw, 23, 8) * 16 + field(raw, 22, 1) * 8 + field(raw, 19, 3),
            add: i128::from((raw >> 32) as i32),
            exponent: field(raw, 10, 5),
            shape: field(raw, 15, 1) * 4 + field(raw, 17, 2),
        }
    }
}

/// With 32 bits behind the point, of which `frac` count.
fn shaped(sum: i128, sign_of: i128, exponent: i128, shape: i128, frac: u32, how: How) -> i128 {
    let moved = wrap64(sum << exponent);
    let moved = moved - moved.rem_euclid(1 << (32 - frac));
    let negative = sign_of < 0;
    let limit = 1i128 << 33;
    let upper = if negative {
        (-limit..0).contains(&moved)
    } else {
        !(0..limit).contains(&moved)
    };
    let mut v =
        moved.rem_euclid(limit) + if upper { limit } else { 0 } - if negative { 2 * limit } else { 0 };
    let unit = 1i128 << (31 - frac);
    let inverted = match shape {
        3 => negative,
        7 => !negative,
        s => s >= 4,
    };
    if v != 0 && !how.direct && !inverted {
        v += unit;
    }
    let n = v.div_euclid(unit);
    let not = -n - 1;
    let out = match shape {
        1 if n > 0 => 0,
        2 if n < 0 => 0,
        3 if n < 0 => not,
        4 if sign_of != 0 => not,
        5 if sign_of < 0 => not,
        6 if sign_of > 0 => not,
        7 if sign_of != 0 && n >= 0 => not,
        7 if sign_of != 0 => n,
        4.. => 0,
        _ => n,
    };
    out * unit
}

fn limited(v: i128, bits: u32, how: How) -> u32 {
    let v = wrap64(v);
    let all = 1i128 << bits;
    (if how.limit {
        v.clamp(0, all - 1)
    } else {
        v.rem_euclid(all)
    }) as u32
}

fn fixed(m: &mut Matrix, kind: &str, two_by_two: bool, how: How) -> Rows<u16> {
    let mut out = m.working[0].clone();
    let acc = &m.sums[m.sums_now];
    let bias = m.bias[how.set];
    if kind == "ub" {
        for (row, sums) in acc.iter().enumerate() {
            for (o, sum) in sums.iter().enumerate() {
                let b = Bias::of(bias[o]);
                let first = i128::from(out[row][o]);
                let best = |own: i128| if (own > first) == how.greater { own } else { first };
                let scale = if how.pass == 2 { best(b.scale) } else { b.scale };
                let output = if how.pass == 1 { best(b.output) } else { b.output };
                let v = i128::from(*sum) + b.add;
                let v = shaped(v, v, b.exponent, b.shape, 12, how);
                // The scale has 11 bits behind its point, the output bias 4 more than the result has.
                let v = (2 * (scale << 20) * v + (output << 52)).div_euclid(1 << 52);
                out[row][o] = limited(v, 12, how) as u16;
            }
        }
        return out;
    }
    for row in (0..64).step_by(2) {
        for o in (0..32).step_by(if two_by_two { 2 } else { 1 }) {
            let b = Bias::of(bias[o]);
            let of = |o: usize| (i128::from(acc[row][o]), i128::from(acc[row + 1][o]));
            let twenty = if two_by_two {
                let (zero, a, c) = ((0, 0), of(o), of(o + 1));
                let ((ll, hl), (lh, hh)) = match how.select {
                    3 => (a, c),
                    2 => (zero, a),
                    _ => (zero, c),
                };
                let v = (ll + 256 * (lh + hl) + 65536 * hh + 65536 * b.add).div_euclid(65536);
                let v = shaped(v, v, b.exponent, b.shape, 24, how);
                let next = bias[o + 1];
                let upper = (1 - field(next, 16, 1)) * 1024 + field(next, 0, 10);
                let scale = upper * 2048 + b.scale % 2048;
                let output = field(next, 23, 8) * 4096 + b.output;
                (2 * (scale << 10) * v + (output << 44)).div_euclid(1 << 40)
            } else {
                let (low, high) = of(o);
                let sum = high + low.div_euclid(256) + b.add;
                let whole = sum * 256 + low.rem_euclid(256);
                let scale = b.scale * 256 + field(bias[o], 23, 8);
                let v = match how.extra {
                    true if b.exponent > 8 => shaped(whole, whole, b.exponent - 8, b.shape, 24, how),
                    true => shaped(sum, whole, b.exponent, b.shape, 24, how),
                    false => shaped(sum, sum, b.exponent, b.shape, 24, how),
                };
                (2 * (scale << 12) * v + (field(bias[o], 22, 1) << 47)).div_euclid(1 << 40)
            };
            let v = limited(twenty, 24, how) / 16;
            let at = if two_by_two && how.select != 2 { o + 1 } else { o };
            if two_by_two {
                let other = if at == o { o + 1 } else { o };
                (out[row][other], out[row + 1][other]) = (0, 0);
            }
            out[row][at] = (v % 4096) as u16;
            out[row + 1][at] = (v / 4096 * 16) as u16;
        }
    }
    out
}

/// A number on its way through a floating-point conversion: `sig` · 2^(`exp` - `frac`).
#[derive(Debug, Clone, Copy)]
struct Real {
    sig: i128,
    exp: i64,
    frac: i64,
    /// The least exponent.
    least: i64,
    special: u8,
    zero: bool,
    negative: bool,
    under: bool,
}

impl Real {
    fn of(c: Cell) -> Real {
        Real {
            sig: c.sig.into(),
            exp: c.exp,
            frac: 22,
            least: -256,
            special: c.special,
            zero: c.zero,
            negative: c.negative,
            under: false,
        }
    }

    /// 20 bits or more: a half float, or bfloat16, with further fraction bits.
    fn read(raw: u32, more: u32, frac: i64, least: i64, how: How, usr: u32) -> Real {
        let (e, f) = if how.bf16 { (8, 7 + more) } else { (5, 10 + more) };
        let exponent = i64::from(raw >> f) % (1 << e);
        let fraction = i128::from(raw % (1 << f));
        let negative = raw >> (e + f) & 1 != 0;
        let zero = exponent == 0 && fraction == 0;
        let sig = fraction + if exponent > 0 { 1 << f } else { 0 };
        let special = match (usr >> 20 & 1 != 0 && exponent == (1 << e) - 1, fraction, negative) {
            (false, ..) => 0,
            (true, 0, n) => 1 + u8::from(n),
            _ => 3,
        };
        // The point stands one place further to the right than in the format.
        let up = (frac + 1 - i64::from(f)).max(0);
        Real {
            sig: if negative { -sig } else { sig } << up,
            exp: if zero {
                least
            } else {
                exponent.max(1) - (1 << (e - 1))
            },
            frac,
            least,
            special,
            zero,
            negative: negative && !zero,
            under: false,
        }
    }

    fn plus(self, other: Real) -> Real {
        let exp = |r: &Real| if r.under { r.least } else { r.exp };
        let most = exp(&self).max(exp(&other));
        let part = |r: &Real| lower(r.sig, (most - exp(r)).min(63));
        let sig = part(&self) + part(&other);
        let special = self.special | other.special;
        let sign = |r: &Real| {
            if r.zero || r.special != 0 {
                r.negative
            } else {
                r.sig < 0
            }
        };
        let zeros = self.sig == 0 && other.sig == 0 && self.negative && other.negative;
        Real {
            sig,
            exp: most,
            special,
            zero: false,
            negative: match special {
                0 => sign(&self) && sign(&other) || zeros || sig < 0,
                s => s > 1,
            },
            under: self.under && other.under && special == 0,
            ..self
        }
    }

    /// To 16 bits with 13 behind the point, from 31 with 22.
    fn normal(self) -> Real {
        let mut out = Real {
            frac: 13,
            least: -128,
            ..self
        };
        if self.sig == 0 {
            out.exp = self.exp - 30 + 6;
            out.under = self.special == 0;
            return out;
        }
        let half = 1i128 << 30;
        while (-half..half).contains(&(2 * out.sig)) {
            out.sig *= 2;
            out.exp -= 1;
        }
        out.sig = lower(out.sig, 15);
        out.exp += 6;
        out.under = false;
        if out.exp > 127 {
            out.exp = 127;
            if out.special == 0 {
                out.special = if out.negative { 2 } else { 1 };
            }
        } else if out.exp < -128 && out.special == 0 {
            out.exp = -128;
            out.under = true;
        }
        out
    }

    fn times(self, other: Real) -> Real {
        let infinite = |r: &Real| r.special == 1 || r.special == 2;
        let (a, b) = (infinite(&self), infinite(&other));
        let negative = self.negative != other.negative;
        let under = self.under || other.under;
        let mut zero = self.zero || other.zero;
        let special = if self.special == 3 || other.special == 3 || under && (a || b) {
            3
        } else if a && b {
            1 + u8::from(negative)
        } else if a && other.sig == 0 || b && self.sig == 0 {
            zero = false;
            3
        } else if a || b {
            1 + u8::from(negative)
        } else {
            0
        };
        let sig = self.sig * other.sig;
        let nothing = zero || sig == 0;
        Real {
            sig: if nothing { 0 } else { sig },
            exp: if nothing { -256 } else { self.exp + other.exp },
            frac: 2 * self.frac,
            least: -256,
            special,
            zero,
            negative: negative && (zero || !nothing),
            under,
        }
    }

    /// Is `self` before `other` in the array's order?
    fn first(self, other: Real) -> bool {
        match (self.special, other.special) {
            (0, 0) => {}
            (2, _) => return true,
            (_, 2) => return false,
            (s, _) => return s != 1,
        }
        match (self.sig < 0, other.sig < 0) {
            (true, false) => true,
            (false, true) => false,
            _ if self.sig == 0 => true,
            _ if other.sig == 0 => false,
            (negative, _) if self.exp != other.exp => (self.exp < other.exp) != negative,
            _ => self.sig <= other.sig,
        }
    }

    fn pick(self, other: Real, greater: bool, usr: u32) -> Real {
        if self.special == 3 || other.special == 3 {
            let keep = usr >> 21 & 1 != 0;
            return if (self.special == 3) == keep { self } else { other };
        }
        if self.first(other) != greater { self } else { other }
    }

    /// Rounded to nearest even.
    fn rounded(self, byte: bool, how: How, usr: u32) -> u32 {
        let infinities = usr >> 20 & 1 != 0;
        let nans = usr >> 21 & 1 != 0;
        let (e, f, behind) = match (byte, how.bf16, how.twenty) {
            (true, ..) => (4, 3, 0),
            (_, false, false) => (5, 10, 4),
            (_, false, true) => (5, 14, 0),
            (_, true, false) => (8, 7, 4),
            (_, true, true) => (8, 11, 0),
        };
        let bias = 1i64 << (e - 1);
        let top = (1 << (e + f + behind)) - 1;
        let infinity = (1 << (f + behind)) * ((1 << e) - 1);
        let sign = |negative: bool| u32::from(negative) << (e + f + behind);
        let most = match (byte, how.largest, infinities) {
            (true, true, _) | (_, false, false) => top,
            (false, true, _) => top - (1 << (f + behind)),
            _ => infinity,
        };
        let no_number = byte && infinities && !how.largest;
        let huge = |negative: bool| match (negative && how.limit, no_number) {
            (true, _) => 0,
            (_, true) => 0x80,
            _ => sign(negative) + most,
        };
        match self.special {
            0 => {}
            3 if how.limit && !nans => return 0,
            3 if no_number => return 0x80,
            3 if byte || how.largest && !nans => return sign(true) + most,
            3 => return 0xf_ffff,
            s => return huge(s == 2),
        }
        let size = self.sig.unsigned_abs();
        let negative = self.negative || !self.zero && self.sig < 0;
        let highest = i64::from(size.checked_ilog2().unwrap_or(0));
        let exponent = self.exp - self.frac - 1 + highest;
        let end = bias - i64::from(infinities);
        if size != 0 && exponent >= end {
            return huge(negative);
        }
        if negative && how.limit {
            return 0;
        }
        if size == 0 || self.zero || self.under || exponent < -bias - i64::from(f) {
            return sign(negative);
        }
        // In units of the last place.
        let places = highest - i64::from(f) + (1 - bias - exponent).max(0);
        let (unit, size) = if places >= 0 {
            (1u128 << places, size)
        } else {
            (1, size << -places)
        };
        let (mut n, rest) = (size / unit, size % unit);
        if 2 * rest > unit || 2 * rest == unit && n % 2 == 1 {
            n += 1;
        }
        let start = (exponent + bias - 1).max(0) as u128;
        let word = ((start << f) + n) as u32;
        if i64::from(word >> f) >= end + bias {
            return huge(negative);
        }
        sign(negative) + (word << behind)
    }
}

fn float_one(c: Cell, raw: u64, first: u32, byte: bool, how: How, usr: u32) -> u32 {
    let part = |from, bits| field(raw, from, bits) as u32;
    let read = |raw: u32, more: u32, frac: i64, least: i64| Real::read(raw, more, frac, least, how, usr);
    let add = read(part(48, 16) * 32 + part(43, 5), 5, 22, -256);
    let sum = Real::of(c).plus(add).normal();
    let shape = part(40, 2);
    let turned = (part(42, 1) == 1) != (shape == 3 && sum.negative);
    let flip = if turned { 1 << 19 } else { 0 };
    let mut scale = read((part(0, 16) * 16 + part(32, 4)) ^ flip, 4, 14, -128);
    if how.pass == 2 {
        let other = read(first ^ flip, 4, 14, -128);
        scale = scale.pick(other, how.greater != turned, usr);
    }
    scale.sig = scale.sig.div_euclid(2);
    scale.frac = 13;
    let zero = Real::of(NOTHING);
    let shaped = match shape {
        1 => sum.pick(zero, false, usr),
        2 => sum.pick(zero, true, usr),
        _ => sum,
    };
    let product = shaped.times(scale);
    let mut output = read(part(16, 16) * 16 + part(36, 4), 4, 13, -128);
    if how.pass == 1 {
        output = output.pick(read(first, 4, 13, -128), how.greater, usr);
    }
    output.sig <<= product.frac - 13;
    product.plus(output).rounded(byte, how, usr)
}

fn float(m: &Matrix, byte: bool, how: How, usr: u32) -> Rows<u16> {
    let mut out = m.working[1].clone();
    for (row, cells) in m.cells[m.cells_now].iter().enumerate() {
        for (o, c) in cells.iter().enumerate() {
            let (low, high) = (u32::from(out[2 * row][o]), u32::from(out[2 * row + 1][o]));
            let v = float_one(*c, m.bias[how.set][o], high / 16 * 4096 + low, byte, how, usr);
            if byte {
                out[2 * row + usize::from(how.odd)][o] = (v * 16) as u16;
            } else {
                out[2 * row][o] = (v % 4096) as u16;
                out[2 * row + 1][o] = (v / 4096 * 16) as u16;
            }
        }
    }
    out
}

fn result(s: &State, m: &mut Matrix, text: &str, how: How) -> Rows<u16> {
    let kind = ["ub", "uh", "hf", "f8"]
        .into_iter()
        .find(|k| text.contains(&format!(".{k} =")));
    match kind {
        Some("hf") => float(m, false, how, s.usr),
        Some("f8") => float(m, true, how, s.usr),
        kind => fixed(m, kind.unwrap_or_default(), text.ends_with("2x2"), how),
    }
}

fn is_float(text: &str) -> bool {
    text.contains(".hf") || text.contains(".f8")
}

fn publish(m: &mut Matrix, text: &str, new: Rows<u16>, how: How) {
    let float = is_float(text);
    m.working[usize::from(float)].clone_from(&new);
    if how.pass == 0 {
        m.results[2] = m.results[1].clone();
        m.results[1] = m.results[0].clone();
    }
    m.results[0] = new;
    if how.retain {
        return;
    }
    if float {
        m.cells[m.cells_now].iter_mut().for_each(|r| *r = [NOTHING; 32]);
        m.cells_now = 1 - m.cells_now;
    } else {
        m.sums[m.sums_now].iter_mut().for_each(|r| *r = [0; 32]);
        m.sums_now = 1 - m.sums_now;
    }
}

pub(super) fn convert(s: &State, m: &mut Matrix, text: &str, rs: u32) {
    let bit = |n: u32| rs >> n & 1 != 0;
    let four = s.arch >= hexagon_isa::Arch::V75;
    let how = How {
        retain: bit(0),
        limit: !bit(1),
        pass: rs >> 2 & 3,
        greater: bit(4),
        extra: bit(5),
        largest: bit(6),
        bf16: bit(7) && text.contains(".hf") && s.arch >= hexagon_isa::Arch::V81,
        twenty: bit(8),
        select: rs >> 9 & 3,
        odd: bit(11),
        set: if four { (rs >> 12 & 3) as usize } else { 0 },
        direct: false,
    };
    let new = result(s, m, text, how);
    publish(m, text, new, how);
}

/// The result before the offset along X, and the one behind it.
fn store(s: &mut State, parts: [Option<&Rows<u16>>; 2], rs: u32, rt: u32, places: &Places, odd: bool) {
    let (nx, ny) = places.count();
    let (xb, yb) = places.numbers(rs);
    let base = rs / 2048 * 2048;
    for address in 0..2048u32 {
        let (x, y) = places.numbers(address);
        let Some(rows) = parts[usize::from(x >= xb)] else {
            continue;
        };
        let mut channel = (address / places.stride % 32) as usize;
        if odd {
            if channel / 16 != (rs / 64 % 2) as usize {
                continue;
            }
            channel = channel % 16 * 2 + 1;
        }
        let mut from = places.address((x + nx - xb) % nx, (y + ny - yb) % ny);
        if places.address(x, y) & 1 != address & 1 && places.stride != 1 {
            // The second byte of a pair.
            from += 1;
        }
        let value = rows[places.position(from)][channel] / 16;
        let distance = if y < yb { rt / 2048 * 2048 } else { 0 };
        set_byte(s, base.wrapping_add(distance) + address, value as u8);
    }
}

pub(super) fn store_converted(s: &mut State, m: &Matrix, text: &str, rs: u32, rt: u32) {
    let places = Places::new(rt, text.contains(":cm"), text.contains(".f8"));
    let before = if text.contains(":deep") { 2 } else { 1 };
    let parts = [Some(&m.results[before]), Some(&m.results[0])];
    store(s, parts, rs, rt, &places, text.contains(":2x2"));
}

pub(super) fn convert_and_store(s: &mut State, m: &mut Matrix, text: &str, rs: u32, rt: u32) {
    let how = How {
        retain: text.contains(":retain"),
        limit: text.contains(":sat") || text.contains(":pos"),
        select: 3,
        direct: true,
        ..How::default()
    };
    let new = result(s, m, text, how);
    let places = Places::new(rt, text.contains(":cm"), text.contains(".hf"));
    let parts = if text.contains(":before") {
        [Some(&new), None]
    } else {
        [None, Some(&new)]
    };
    store(s, parts, rs, rt, &places, text.ends_with("2x2"));
    publish(m, text, new, how);
}
