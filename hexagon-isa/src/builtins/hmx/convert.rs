//! Accumulators to results, and the fixed-point part of it.
//!
//! A bias (64 bits a channel) holds, from bit 0 on: scale bits 10:1 (10), exponent (5), shape bit 2, not scale bit 11, shape
//! bits 1:0, output bias bits 2:0, 3 and 11:4, scale bit 0; and from bit 32 on what is added to the accumulator. The sum is
//! shifted left by the exponent and cut to 35 bits of which bit 33 says that something was lost above; its shape is one of
//! eight (as it is, negative part, positive part, magnitude, and the four with the sign turned over, in ones' complement); it
//! is scaled; the output bias is added; and it is saturated to unsigned 12 bits or cut. 16-bit results come from two
//! accumulators of neighbouring positions, the second of which weighs 256 times as much, or from two by two with the channel
//! behind; they have 24 bits here, of which the upper 20 are kept in two results of 12.
//!
//! The result goes to the array's working buffer and becomes the newest of three. A second pass (Rs bits 3:2) takes the first one's
//! result as output bias or scale, the greater or lesser of it and its own, and replaces it.
//!
//! Not modelled, and refused: second passes of 16-bit conversions, about which the public simulators say nothing. Conversions
//! that store by themselves use bias 0 and do not mark inexact values; of their 16-bit form from two by two the newer public
//! simulator keeps the even channels and multiplies the output bias by four, which it calls a fault elsewhere: not followed.

use super::bias::done;
use super::convert_float::{self, FloatControl};
use super::store::{Output, write};
use crate::memory::{Fault, Memory, Refused};
use crate::state::hmx::{CHANNELS, Converted, Fixed, HmxState};
use crate::state::{Args, Ctl, Regs};

/// Bits of a result that a store may take.
const BITS: u32 = 12;

/// What a bias says to the fixed-point array.
#[derive(Debug, Clone, Copy)]
struct Bias {
    raw: u64,
}

impl Bias {
    fn bits(self, from: u32, count: u32) -> u32 {
        (self.raw >> from) as u32 & ((1 << count) - 1)
    }
    fn add(self) -> i64 {
        i64::from((self.raw >> 32) as i32)
    }
    fn exponent(self) -> u32 {
        self.bits(10, 5)
    }
    fn shape(self) -> u32 {
        self.bits(15, 1) << 2 | self.bits(17, 2)
    }
    fn scale(self) -> u32 {
        (self.bits(16, 1) ^ 1) << 11 | self.bits(0, 10) << 1 | self.bits(31, 1)
    }
    fn output(self) -> u32 {
        self.bits(19, 12)
    }
    /// The upper eight bits of the output bias, for which 16-bit conversions have other uses.
    fn upper(self) -> u32 {
        self.bits(23, 8)
    }
}

/// What there is to say about a conversion.
#[derive(Debug, Clone, Copy)]
struct Control {
    /// Saturate instead of cutting.
    saturate: bool,
    /// Inexact values are marked.
    mark: bool,
    /// 0 none, 1 output bias, 2 scale.
    second_pass: u32,
    /// The greater of the two.
    greater: bool,
    /// 16-bit results from two: eight bits more of the lower accumulator.
    extra: bool,
    /// 16-bit results from two by two: which of them count.
    select: u32,
}

/// Shifted and shaped, with 32 bits behind the point of which the upper `frac` count. `sign_of`: whose sign it has.
fn shape(sum: i64, sign_of: i64, exponent: u32, shape: u32, frac: u32, mark: bool) -> i128 {
    let cut = !0 << (32 - frac);
    let shifted = sum.wrapping_shl(exponent) & cut;
    let negative = sign_of < 0;
    let above = shifted >> 33;
    let lost = if negative { above == -1 } else { above != 0 };
    // The sign, whether something was lost above, and what remains.
    let kept = shifted & ((1 << 33) - 1);
    let mut v = kept | i64::from(lost) << 33 | if negative { -1 << 34 } else { 0 };
    let turned = shape >= 4 && !(shape == 7 && negative) || shape == 3 && negative;
    if mark && !turned && v != 0 {
        v |= 1 << (31 - frac);
    }
    let unit = 31 - frac;
    let v = v >> unit;
    let shaped = match shape {
        1 => v.min(0),
        2 => v.max(0),
        3 => v.max(!v),
        4 if sign_of != 0 => !v,
        5 if sign_of < 0 => !v,
        6 if sign_of > 0 => !v,
        7 if sign_of != 0 => v.min(!v),
        4..=7 => 0,
        _ => v,
    };
    i128::from(shaped) << unit
}

/// Rounded, and saturated or cut to 12 or 24 bits.
fn finish(scaled: i128, rounding: i128, shift: u32, wide: bool, saturate: bool) -> u32 {
    let bits = if wide { 2 * BITS } else { BITS };
    let most = (1 << bits) - 1;
    let v = ((2 * scaled + rounding) >> shift) as i64;
    if saturate {
        v.clamp(0, most) as u32
    } else {
        (v & most) as u32
    }
}

fn byte(acc: i32, bias: Bias, scale: u32, output: u32, c: Control) -> u32 {
    let sum = i64::from(acc) + bias.add();
    let v = shape(sum, sum, bias.exponent(), bias.shape(), 12, c.mark);
    finish(
        (i128::from(scale) << 20) * v,
        i128::from(output) << 52,
        52,
        false,
        c.saturate,
    )
}

/// Of two neighbouring positions.
fn pair(low: i32, high: i32, bias: Bias, c: Control) -> u32 {
    let sum = i64::from(high) + i64::from(low >> 8) + bias.add();
    let mut exponent = bias.exponent();
    let (mut value, mut whole) = (sum, sum);
    if c.extra {
        whole = sum << 8 | i64::from(low & 0xff);
        if exponent > 8 {
            value = whole;
            exponent -= 8;
        }
    }
    let v = shape(value, whole, exponent, bias.shape(), 24, c.mark);
    let scale = i128::from(bias.scale() << 8 | bias.upper()) << 12;
    finish(
        scale * v,
        i128::from(bias.bits(22, 1)) << 47,
        40,
        true,
        c.saturate,
    ) >> 4
}

/// Of two neighbouring positions and channels: [low position, high position] of the first and of the second channel.
fn square(first: [i32; 2], second: [i32; 2], biases: [Bias; 2], c: Control) -> u32 {
    let wide = |[l, h]: [i32; 2]| (i64::from(l), i64::from(h));
    let ((ll, hl), (lh, hh)) = match c.select {
        3 => (wide(first), wide(second)),
        2 => ((0, 0), wide(first)),
        _ => ((0, 0), wide(second)),
    };
    let [low, high] = biases;
    let sum = ll + ((lh + hl + (hh << 8)) << 8);
    let sum = (sum + (low.add() << 16)) >> 16;
    let v = shape(sum, sum, low.exponent(), low.shape(), 24, c.mark);
    let upper = (high.bits(16, 1) ^ 1) << 10 | high.bits(0, 10);
    let scale = i128::from(upper << 11 | low.scale() & 0x7ff) << 10;
    let output = high.upper() << 12 | low.output();
    finish(scale * v, i128::from(output) << 44, 40, true, c.saturate) >> 4
}

/// A value of 20 bits as two results.
fn halves(v: u32) -> (u16, u16) {
    (v as u16 & 0xfff, (v >> 8) as u16 & 0xff0)
}

fn bytes(acc: &Fixed, bias: &[u64; CHANNELS], c: Control, out: &mut Converted) {
    for row in 0..64 {
        for ((out, acc), raw) in out.row_mut(row).iter_mut().zip(acc.row(row)).zip(bias) {
            let bias = Bias { raw: *raw };
            let (mut scale, mut output) = (bias.scale(), bias.output());
            let first = u32::from(*out);
            let pick = |own: u32| if c.greater { own.max(first) } else { own.min(first) };
            match c.second_pass {
                1 => output = pick(output),
                2 => scale = pick(scale),
                _ => {}
            }
            *out = byte(*acc, bias, scale, output, c) as u16;
        }
    }
}

/// Sets a 20-bit value's two results.
fn put(out: &mut Converted, row: usize, channel: usize, v: u32) {
    let (low, high) = halves(v);
    for (row, v) in [(row, low), (row + 1, high)] {
        if let Some(place) = out.row_mut(row).get_mut(channel) {
            *place = v;
        }
    }
}

fn pairs(acc: &Fixed, bias: &[u64; CHANNELS], c: Control, out: &mut Converted) {
    for row in (0..64).step_by(2) {
        for (channel, raw) in bias.iter().enumerate() {
            let (low, high) = (acc.get(row, channel), acc.get(row + 1, channel));
            put(out, row, channel, pair(low, high, Bias { raw: *raw }, c));
        }
    }
}

fn squares(acc: &Fixed, bias: &[u64; CHANNELS], c: Control, out: &mut Converted) {
    let (bias, _) = bias.as_chunks::<2>();
    for row in (0..64).step_by(2) {
        for (biases, channel) in bias.iter().zip((0..).step_by(2)) {
            let of = |channel| [acc.get(row, channel), acc.get(row + 1, channel)];
            let v = square(of(channel), of(channel + 1), biases.map(|raw| Bias { raw }), c);
            let odd = usize::from(c.select != 2);
            put(out, row, channel + odd, v);
            put(out, row, channel + (odd ^ 1), 0);
        }
    }
}

/// `kind`: 0 ub, 1 uh of 2x1, 2 uh of 2x2. Into `out`, which holds what an earlier pass gave.
fn fixed(state: &HmxState, set: usize, kind: u32, c: Control, out: &mut Converted) {
    let acc = HmxState::of(&state.fixed, state.fixed_set);
    let bias = state.bias.row(set);
    match kind {
        0 => bytes(acc, bias, c, out),
        1 => pairs(acc, bias, c, out),
        _ => squares(acc, bias, c, out),
    }
}

/// Puts a conversion's result where stores find it; a first pass makes the others older.
fn publish(state: &mut HmxState, result: Converted, float: bool, first: bool) {
    HmxState::of_mut(&mut state.working, u8::from(float)).clone_from(&result);
    if first {
        state.converted.rotate_right(1);
    }
    let [newest, ..] = &mut state.converted;
    *newest = result;
}

/// `kind`: 0 ub, 1 uh of 2x1, 2 uh of 2x2, 3 hf, 4 f8. Rs: bit 0 retain the accumulators, 1 do not saturate or clip, 3:2 second
/// pass, 4 the greater one, 5 eight bits more (2x1), 6 largest number instead of infinity, 7 bfloat16, 8 round to 20 bits, 10:9 which
/// accumulators (2x2), 11 the odd byte (f8), 13:12 set of biases.
pub(crate) fn mx_convert<M: Memory>(
    s: &mut Regs,
    _: &M,
    a: &Args,
    rs: u32,
    kind: u32,
) -> Result<(), M::Fault> {
    let bit = |n: u32| rs >> n & 1 != 0;
    let second_pass = rs >> 2 & 3;
    if matches!(kind, 1 | 2) && second_pass != 0 {
        return Err(M::Fault::refused(Refused::SecondPass));
    }
    if a.dry {
        return Ok(());
    }
    let set = if s.hmx.model.bias_sets {
        rs as usize >> 12 & 3
    } else {
        0
    };
    let (usr, model) = (s.c[Ctl::Usr], s.hmx.model);
    let state = s.hmx.state();
    let float = kind > 2;
    let mut out = HmxState::of(&state.working, u8::from(float)).clone();
    if float {
        let control = FloatControl {
            byte: (kind == 4).then_some(bit(11)),
            clip: !bit(1),
            second_pass,
            greater: bit(4),
            largest: bit(6),
            bf16: bit(7) && model.bf16 && kind == 3,
            twenty: bit(8),
            usr,
        };
        convert_float::convert(state, set, control, &mut out);
    } else {
        let control = Control {
            saturate: !bit(1),
            mark: true,
            second_pass,
            greater: bit(4),
            extra: bit(5),
            select: rs >> 9 & 3,
        };
        fixed(state, set, kind, control, &mut out);
    }
    publish(state, out, float, second_pass == 0);
    if !bit(0) {
        done(state, float);
    }
    Ok(())
}

/// Converts and stores. `kind` as for [`mx_convert`], without f8; `form`: 1 channel-major, 2 the part behind the offset along X instead
/// of that before it, 4 saturate (or clip), 8 retain the accumulators.
#[allow(clippy::too_many_arguments)]
pub(crate) fn mx_convert_store<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    rs: u32,
    rt: u32,
    kind: u32,
    form: u32,
) -> Result<(), M::Fault> {
    let bit = |n: u32| form >> n & 1 != 0;
    let permit = s.hmx.begin::<M::Fault>(a.pc)?;
    let usr = s.c[Ctl::Usr];
    let state = s.hmx.state();
    let float = kind > 2;
    let mut result = HmxState::of(&state.working, u8::from(float)).clone();
    if float {
        let control = FloatControl {
            byte: None,
            clip: bit(2),
            second_pass: 0,
            greater: false,
            largest: false,
            bf16: false,
            twenty: false,
            usr,
        };
        convert_float::convert(state, 0, control, &mut result);
    } else {
        let control = Control {
            saturate: bit(2),
            mark: false,
            second_pass: 0,
            greater: false,
            extra: false,
            select: 3,
        };
        fixed(state, 0, kind, control, &mut result);
    }
    let out = Output {
        permit,
        channel_major: bit(0),
        float,
        odd: kind == 2,
        before: (!bit(1)).then_some(&result),
        after: bit(1).then_some(&result),
    };
    write::<M>(m, a, rs, rt, out)?;
    if a.dry {
        return Ok(());
    }
    publish(state, result, float, true);
    if !bit(3) {
        done(state, float);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Control = Control {
        saturate: true,
        mark: false,
        second_pass: 0,
        greater: false,
        extra: false,
        select: 3,
    };

    /// A bias with scale 1, this exponent and this addend.
    fn bias(exponent: u64, add: i32) -> Bias {
        Bias {
            raw: u64::from(add as u32) << 32 | exponent << 10,
        }
    }

    fn of(acc: i32, b: Bias, c: Control) -> u32 {
        byte(acc, b, b.scale(), b.output(), c)
    }

    #[test]
    fn a_scale_of_one_keeps_the_upper_bits() {
        // A unit of the result is 2^20.
        assert_eq!(of(0x12_3456, bias(4, 0), PLAIN), 0x12);
        assert_eq!(of(0x12_3456, bias(8, 0), PLAIN), 0x123);
        assert_eq!(of(0x12_3456, bias(12, 0), PLAIN), 0xfff, "saturated");
        assert_eq!(of(0x12_3456, bias(12, -0x12_0000), PLAIN), 0x34);
        assert_eq!(of(-5, bias(0, 0), PLAIN), 0);
        let cut = Control {
            saturate: false,
            ..PLAIN
        };
        assert_eq!(of(0x12_3456, bias(12, 0), cut), 0x234);
    }

    #[test]
    fn shapes_are_in_ones_complement() {
        let shaped = |acc: i32, n: u64| {
            let raw = (n & 3) << 17 | (n >> 2) << 15;
            of(
                acc,
                Bias { raw },
                Control {
                    saturate: false,
                    ..PLAIN
                },
            )
        };
        let (plus, minus) = (0x1234_5678, -0x1234_5678);
        assert_eq!(shaped(plus, 1), 0);
        assert_eq!(shaped(minus, 2), 0);
        assert_eq!(shaped(plus, 3), shaped(plus, 0));
        assert_eq!(shaped(plus, 4), !shaped(plus, 0) & 0xfff);
        assert_eq!((shaped(plus, 5), shaped(0, 4)), (0, 0));
        assert_eq!(shaped(minus, 7), shaped(minus, 0));
    }

    #[test]
    fn sixteen_bits_weigh_the_second_position_by_256() {
        let b = bias(0, 0);
        let wide = pair(0x4500, 0x12_3400, b, PLAIN);
        assert_eq!(wide, pair(0, 0x12_3445, b, PLAIN));
        assert_eq!(halves(0xab_cdef & 0xf_ffff), (0xdef, 0xbc0));
        let all = square([0, 0], [0, 0x12_3400], [b, b], PLAIN);
        assert_eq!(
            square([1, 2], [0, 0x12_3400], [b, b], Control { select: 0, ..PLAIN }),
            all
        );
    }

    #[test]
    fn whatever_goes_in_something_of_the_right_width_comes_out() {
        let mut seed = 3u64;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed ^ seed >> 29
        };
        for _ in 0..20_000 {
            let c = Control {
                saturate: next() % 2 == 0,
                mark: next() % 2 == 0,
                extra: next() % 2 == 0,
                select: next() as u32 % 4,
                ..PLAIN
            };
            let (a, b) = (Bias { raw: next() }, Bias { raw: next() });
            let acc = [next() as i32, (next() >> 40) as i32];
            assert!(of(acc[0], a, c) < 1 << 12);
            assert!(pair(acc[0], acc[1], a, c) < 1 << 20);
            assert!(square(acc, [acc[1], acc[0]], [a, b], c) < 1 << 20);
        }
    }
}
