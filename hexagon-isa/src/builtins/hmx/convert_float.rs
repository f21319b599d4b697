//! Floating-point accumulators to half floats, bfloat16 or bytes.
//!
//! A bias holds, from bit 0 on: scale (16 bits), output bias (16), four more fraction bits of each (4, 4), the shape (2: as it
//! is, negative part, positive part, magnitude), whether the scale is negated, five more fraction bits of the accumulator's
//! bias (5), and that (16). The accumulator's bias is added, the sum normalised to 16 bits, shaped, multiplied by the scale; the
//! output bias is added; and it is rounded to nearest even, to 16 bits or (Rs bit 8) with four more, which only a second
//! pass sees. The format inside is that of [`super::xfp`].
//!
//! A result is kept as two of 12 bits: a store takes the upper eight of each. The newer public simulator changes numbers with
//! the largest exponent once more if a conversion stores by itself; the format it models has no such step, and nothing is done
//! here.

use super::xfp::{Mode, Output, Shape, Xfp};
use crate::state::hmx::{Cell, Converted, HmxState, status};

/// Accumulators, and the number that shapes compare with.
const ACCUMULATOR: Shape = (8, 22, 9);
/// What the accumulator's bias is read as.
const ADDEND: Shape = (3, 22, 9);
/// The normalised sum, and the output bias.
const NORMAL: Shape = (3, 13, 8);
/// Scales, as they are compared.
const SCALE: Shape = (3, 14, 8);
/// Bits of a product's exponent.
const PRODUCT: u32 = 9;

/// What there is to say about a conversion; see [`super::mx_convert`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct FloatControl {
    /// To bytes: the odd ones instead of the even ones.
    pub byte: Option<bool>,
    pub clip: bool,
    pub second_pass: u32,
    pub greater: bool,
    pub largest: bool,
    pub bf16: bool,
    /// Round to 20 bits.
    pub twenty: bool,
    pub usr: u32,
}

/// What a bias says, for one channel.
#[derive(Clone, Copy)]
struct Bias {
    raw: u64,
}

impl Bias {
    fn bits(self, from: u32, count: u32) -> u32 {
        (self.raw >> from) as u32 & ((1 << count) - 1)
    }
    fn scale(self) -> u32 {
        self.bits(0, 16) << 4 | self.bits(32, 4)
    }
    fn output(self) -> u32 {
        self.bits(16, 16) << 4 | self.bits(36, 4)
    }
    fn shape(self) -> u32 {
        self.bits(40, 2)
    }
    fn negate(self) -> bool {
        self.bits(42, 1) != 0
    }
    fn add(self) -> u32 {
        self.bits(48, 16) << 5 | self.bits(43, 5)
    }
}

fn number(cell: Cell) -> Xfp {
    let (int, frac, bits) = ACCUMULATOR;
    Xfp {
        sig: i64::from(cell.sig),
        exp: i32::from(cell.exp),
        int,
        frac,
        bits,
        inf: (cell.status & status::INF) >> status::INF_SHIFT,
        zero: cell.status & status::ZERO != 0,
        negative: cell.status & status::NEGATIVE != 0,
        under: false,
    }
}

/// One accumulator; `first` is what an earlier pass gave.
fn one(cell: Cell, bias: Bias, first: u32, c: FloatControl) -> u32 {
    let mode = Mode::of(c.usr);
    let (frac, exp) = if c.bf16 { (7, 8) } else { (10, 5) };
    let read = |raw: u32, more: u32, shape: Shape| Xfp::from_ieee(mode, raw, frac + more, exp, shape);
    let sum = number(cell).add(read(bias.add(), 5, ADDEND)).normalize(NORMAL);
    let turn = bias.negate() != (bias.shape() == 3 && sum.negative);
    let sign = u32::from(turn) << 19;
    let mut scale = read(bias.scale() ^ sign, 4, SCALE);
    if c.second_pass == 2 {
        scale = scale.choose(read(first ^ sign, 4, SCALE), c.greater != turn, mode);
    }
    scale.frac -= 1;
    scale.sig >>= 1;
    let zero = number(Cell::ZERO);
    let shaped = match bias.shape() {
        1 => sum.choose(zero, false, mode),
        2 => sum.choose(zero, true, mode),
        _ => sum,
    };
    let product = shaped.multiply(scale, PRODUCT);
    let mut output = read(bias.output(), 4, NORMAL);
    if c.second_pass == 1 {
        output = output.choose(read(first, 4, NORMAL), c.greater, mode);
    }
    output.sig <<= product.frac.saturating_sub(output.frac);
    let byte = c.byte.is_some();
    let (exp, frac, behind) = match (byte, c.twenty) {
        (true, _) => (4, 3, 0),
        (false, true) => (exp, frac + 4, 0),
        (false, false) => (exp, frac, 4),
    };
    let rounding = Output {
        exp,
        frac,
        behind,
        byte,
        clip: c.clip,
        largest: c.largest,
        mode,
    };
    rounding.round(product.add(output))
}

/// Converts the current accumulators with a set of biases into `out`, which holds what an earlier pass gave.
pub(crate) fn convert(state: &HmxState, set: usize, c: FloatControl, out: &mut Converted) {
    let acc = HmxState::of(&state.float, state.float_set);
    let bias = state.bias.row(set);
    for row in 0..32 {
        for (channel, (cell, raw)) in acc.row(row).iter().zip(bias).enumerate() {
            let (low, high) = (out.get(2 * row, channel), out.get(2 * row + 1, channel));
            let first = u32::from(high & 0xff0) << 8 | u32::from(low & 0xfff);
            let v = one(*cell, Bias { raw: *raw }, first, c);
            let new = match c.byte {
                Some(false) => (((v & 0xff) << 4) as u16, high),
                Some(true) => (low, ((v & 0xff) << 4) as u16),
                None => (v as u16 & 0xfff, (v >> 8) as u16 & 0xff0),
            };
            for (row, v) in [(2 * row, new.0), (2 * row + 1, new.1)] {
                if let Some(place) = out.row_mut(row).get_mut(channel) {
                    *place = v;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: FloatControl = FloatControl {
        byte: None,
        clip: false,
        second_pass: 0,
        greater: false,
        largest: false,
        bf16: false,
        twenty: false,
        usr: 0,
    };

    /// An accumulator that holds a whole number.
    fn cell(v: i32) -> Cell {
        Cell {
            sig: v << 8,
            exp: 14,
            status: if v < 0 { status::NEGATIVE } else { 0 },
        }
    }

    /// Scale, output bias and accumulator's bias as half floats.
    fn bias(scale: u64, output: u64, add: u64, shape: u64) -> Bias {
        Bias {
            raw: scale | output << 16 | shape << 40 | add << 48,
        }
    }

    fn half(c: Cell, b: Bias, control: FloatControl) -> u32 {
        one(c, b, 0, control) >> 4
    }

    #[test]
    fn accumulators_are_biased_scaled_and_biased() {
        let one_ = 0x3c00;
        assert_eq!(half(cell(3), bias(one_, 0, 0, 0), PLAIN), 0x4200);
        assert_eq!(half(cell(-3), bias(one_, 0, 0, 0), PLAIN), 0xc200);
        // (3 + 1) · 0.5 + 2
        assert_eq!(half(cell(3), bias(0x3800, 0x4000, one_, 0), PLAIN), 0x4400);
        assert_eq!(
            half(
                cell(-3),
                bias(one_, 0, 0, 0),
                FloatControl { clip: true, ..PLAIN }
            ),
            0
        );
    }

    #[test]
    fn shapes_take_a_part_or_the_magnitude() {
        let shaped = |v: i32, shape| half(cell(v), bias(0x3c00, 0, 0, shape), PLAIN);
        assert_eq!((shaped(3, 1), shaped(-3, 1)), (0, 0xc200));
        assert_eq!((shaped(3, 2), shaped(-3, 2)), (0x4200, 0));
        assert_eq!((shaped(3, 3), shaped(-3, 3)), (0x4200, 0x4200));
    }

    #[test]
    fn what_is_too_large_depends_on_the_threads_mode() {
        let huge = cell(1 << 20);
        let b = bias(0x3c00, 0, 0, 0);
        assert_eq!(
            half(huge, b, PLAIN),
            0x7fff,
            "the largest exponent is an ordinary one"
        );
        let infinities = FloatControl {
            usr: 1 << 20,
            ..PLAIN
        };
        assert_eq!(half(huge, b, infinities), 0x7c00);
        assert_eq!(
            half(
                huge,
                b,
                FloatControl {
                    largest: true,
                    ..infinities
                }
            ),
            0x7bff
        );
    }

    #[test]
    fn bytes_have_three_bits_of_fraction() {
        let byte = FloatControl {
            byte: Some(false),
            ..PLAIN
        };
        let b = bias(0x3c00, 0, 0, 0);
        assert_eq!(one(cell(1), b, 0, byte), 0x38);
        assert_eq!(
            one(cell(19), b, 0, byte),
            0x5a,
            "19 is halfway: to the even one, 20"
        );
        assert_eq!(one(cell(-1), b, 0, byte), 0xb8);
    }

    #[test]
    fn a_second_pass_takes_the_lesser_or_the_greater_scale() {
        let b = bias(0x4000, 0, 0, 0);
        let first = 0x3c00 << 4;
        let pass = |greater| {
            one(
                cell(3),
                b,
                first,
                FloatControl {
                    second_pass: 2,
                    greater,
                    ..PLAIN
                },
            ) >> 4
        };
        assert_eq!((pass(false), pass(true)), (0x4200, 0x4600));
    }
}
