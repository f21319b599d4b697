//! Exact numbers: integers of 1536 bits that count a unit of 2 to the power -640. Every product of two operands of HVX floating
//! point and every sum of such products is such a number, so nothing is ever lost before the rounding that is modelled.

use std::cmp::Ordering;

const LIMBS: usize = 24;
/// The unit is 2 to the power of this.
const UNIT: i32 = -640;

/// A number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact([u64; LIMBS]);

impl Exact {
    pub const ZERO: Exact = Exact([0; LIMBS]);

    /// `m` times 2 to the power `e`.
    pub fn new(m: i128, e: i32) -> Exact {
        assert!(e >= UNIT, "2^{e} is below the unit");
        let fill = if m < 0 { u64::MAX } else { 0 };
        let mut out = [fill; LIMBS];
        out[0] = m as u64;
        out[1] = (m >> 64) as u64;
        Exact(out).shl((e - UNIT) as usize)
    }

    fn shl(self, n: usize) -> Exact {
        let (limbs, bits) = (n / 64, n % 64);
        Exact(std::array::from_fn(|i| {
            let at = |k: usize| i.checked_sub(k).map_or(0, |j| self.0[j]);
            match bits {
                0 => at(limbs),
                _ => at(limbs) << bits | at(limbs + 1) >> (64 - bits),
            }
        }))
    }

    pub fn is_negative(self) -> bool {
        self.0[LIMBS - 1] >> 63 != 0
    }

    pub fn is_zero(self) -> bool {
        self == Exact::ZERO
    }

    pub fn add(self, o: Exact) -> Exact {
        let mut carry = 0;
        Exact(std::array::from_fn(|i| {
            let t = u128::from(self.0[i]) + u128::from(o.0[i]) + carry;
            carry = t >> 64;
            t as u64
        }))
    }

    /// The product; operands have at most 63 digits each.
    pub fn times(self, o: Exact) -> Exact {
        let parts = |x: Exact| {
            let limb = x.0.iter().position(|l| *l != 0).unwrap_or(0);
            let e = UNIT + 64 * limb as i32 + x.0[limb].trailing_zeros() as i32;
            (x.floor(e), e)
        };
        if self.is_zero() || o.is_zero() {
            return Exact::ZERO;
        }
        let ((m, e), (n, f)) = (parts(self), parts(o));
        Exact::new(m * n, e + f)
    }

    pub fn neg(self) -> Exact {
        Exact(self.0.map(|l| !l)).add(Exact::new(1, UNIT))
    }

    pub fn abs(self) -> Exact {
        if self.is_negative() { self.neg() } else { self }
    }

    /// Orders by value.
    pub fn compare(self, o: Exact) -> Ordering {
        let d = self.add(o.neg());
        match (d.is_zero(), d.is_negative()) {
            (true, _) => Ordering::Equal,
            (_, true) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    /// The largest multiple of 2 to the power `e` that is not above the number, in that unit.
    pub fn floor(self, e: i32) -> i128 {
        let n = e - UNIT;
        assert!(n >= 0, "2^{e} is below the unit");
        let fill = if self.is_negative() { u64::MAX } else { 0 };
        let limb = |k: usize| self.0.get(k).copied().unwrap_or(fill);
        let (limbs, bits) = (n as usize / 64, n as u32 % 64);
        let part = |k: usize| match bits {
            0 => limb(k),
            _ => limb(k) >> bits | limb(k + 1) << (64 - bits),
        };
        let v = (u128::from(part(limbs + 1)) << 64 | u128::from(part(limbs))) as i128;
        assert_eq!(
            v < 0,
            self.is_negative() && !self.is_zero(),
            "too large a multiple"
        );
        v
    }

    /// The power of two that the magnitude reaches: `floor(log2(|x|))`.
    pub fn log2(self) -> i32 {
        let a = self.abs();
        let top = (0..LIMBS).rev().find(|i| a.0[*i] != 0).expect("not zero");
        UNIT + 64 * top as i32 + 63 - a.0[top].leading_zeros() as i32
    }

    /// The nearest multiple of 2 to the power `e`, ties to even, in that unit.
    pub fn nearest(self, e: i32) -> i128 {
        let low = self.floor(e);
        let twice_rest = self.add(Exact::new(low, e).neg()).shl(1);
        match twice_rest.compare(Exact::new(1, e)) {
            Ordering::Less => low,
            Ordering::Greater => low + 1,
            Ordering::Equal => low + (low & 1),
        }
    }
}

/// An IEEE format: bits of the fraction, exponent of the smallest normal number; the largest exponent is `1 - min`.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    pub frac: u32,
    pub min: i32,
}

pub const SF: Format = Format { frac: 23, min: -126 };
pub const HF: Format = Format { frac: 10, min: -14 };
pub const BF: Format = Format { frac: 7, min: -126 };

impl Format {
    /// The bits of infinity: also the number of finite magnitudes.
    pub fn infinity(self) -> u32 {
        (((2 - 2 * self.min) + 1) as u32) << self.frac
    }

    /// The magnitude's bits of the nearest number; infinity if it is too large.
    pub fn round(self, x: Exact) -> u32 {
        if x.is_zero() {
            return 0;
        }
        let e = x.log2().max(self.min);
        if e > 1 - self.min {
            return self.infinity();
        }
        let m = x.abs().nearest(e - self.frac as i32) as u32;
        // A normal number's hidden bit adds one to the exponent's field.
        (((e - self.min) as u32) << self.frac) + m
    }

    /// A finite number from its bits without sign.
    pub fn number(self, magnitude: u32) -> Exact {
        let (field, frac) = (magnitude >> self.frac, magnitude & ((1 << self.frac) - 1));
        let hidden = u32::from(field != 0) << self.frac;
        let e = self.min - self.frac as i32 + field.saturating_sub(1) as i32;
        Exact::new(i128::from(hidden | frac), e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let a = Exact::new(-5, 500).add(Exact::new(1, -600));
        assert_eq!((a.floor(500), a.log2(), a.is_negative()), (-5, 502, true));
        assert_eq!(a.add(Exact::new(5, 500)), Exact::new(1, -600));
        assert_eq!(Exact::new(-3, 0).floor(1), -2);
        assert_eq!(
            (
                Exact::new(5, -1).nearest(0),
                Exact::new(-5, -1).nearest(0),
                Exact::new(7, -1).nearest(0)
            ),
            (2, -2, 4)
        );
    }

    #[test]
    fn formats_are_those_of_the_host() {
        for bits in [1u32, 0x7f_ffff, 0x80_0000, 0x3f80_0001, 0x7f7f_ffff] {
            let x = SF.number(bits);
            assert_eq!(SF.round(x), bits);
            let half = f64::from(f32::from_bits(bits)) * 0.3;
            let exact = Exact::new(
                (half.to_bits() & ((1 << 52) - 1) | 1 << 52).into(),
                (half.to_bits() >> 52) as i32 - 1075,
            );
            assert_eq!(SF.round(exact), (half as f32).to_bits(), "{bits:#x}");
        }
        assert_eq!((SF.infinity(), HF.infinity()), (0x7f80_0000, 0x7c00));
        assert_eq!(HF.round(Exact::new(65520, 0)), 0x7c00);
    }
}
