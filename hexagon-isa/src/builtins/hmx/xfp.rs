//! The number format inside the floating-point array: a signed significand that is not normalised, an exponent and a status.
//!
//! Facts: qualcomm/qemu's integer model of it (`hmx_xfp.c`, in the version that has the multiplier, too). A number has `int`
//! bits before the binary point (sign included), `frac` behind it, and an exponent of `bits` bits. Bits that a right shift
//! loses are not rounded but leave a one in the lowest place. Infinity and "not a number" are only in the status, and only
//! exist if USR bit 20 is set when a number is read (sums that overflow are infinite anyway); without it the largest exponent of IEEE's formats is an ordinary one.
//!
//! Not modelled: V68 to V79 have two bits less in the accumulator's exponent; numbers that come from half floats never need
//! them. For these cores the public simulator multiplies in IEEE doubles instead, which differs from this in the last place.

/// What USR says about floating point in this unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    /// Bit 20: there are infinities and NaNs.
    pub infinities: bool,
    /// Bit 21: NaNs stay NaNs.
    pub nans: bool,
}

impl Mode {
    pub fn of(usr: u32) -> Mode {
        Mode {
            infinities: usr >> 20 & 1 != 0,
            nans: usr >> 21 & 1 != 0,
        }
    }
}

/// No infinity.
pub(crate) const FINITE: u8 = 0;
/// Minus infinity; 1 is plus infinity.
pub(crate) const MINUS: u8 = 2;
/// Not a number.
pub(crate) const NAN: u8 = 3;

/// A number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Xfp {
    pub sig: i64,
    pub exp: i32,
    /// Bits before the point.
    pub int: u32,
    /// Bits behind it.
    pub frac: u32,
    /// Bits of the exponent.
    pub bits: u32,
    /// 0, or which infinity or NaN.
    pub inf: u8,
    /// A true zero.
    pub zero: bool,
    pub negative: bool,
    /// Too small for the exponent.
    pub under: bool,
}

/// The width of a number: bits before and behind the point, bits of the exponent.
pub(crate) type Shape = (u32, u32, u32);

fn least(bits: u32) -> i32 {
    -(1 << (bits - 1))
}

/// Shifts right; what is lost leaves a one.
pub(crate) fn shift_sticky(v: i64, n: u32) -> i64 {
    let n = n.min(63);
    v >> n | i64::from(v as u64 & ((1 << n) - 1) != 0)
}

impl Xfp {
    /// A number in an IEEE-like format of `exp` exponent and `frac` fraction bits.
    pub fn from_ieee(mode: Mode, raw: u32, frac: u32, exp: u32, (int_to, frac_to, bits): Shape) -> Xfp {
        let exponent = raw >> frac & ((1 << exp) - 1);
        let fraction = raw & ((1 << frac) - 1);
        let negative = raw >> (exp + frac) & 1 != 0;
        let zero = exponent == 0 && fraction == 0;
        let magnitude = i64::from(u32::from(exponent != 0) << frac | fraction);
        let signed = if negative { -magnitude } else { magnitude };
        let special = mode.infinities && exponent == (1 << exp) - 1;
        Xfp {
            sig: signed << (int_to + frac_to).saturating_sub(2 + frac),
            exp: if zero {
                least(bits)
            } else {
                exponent.max(1) as i32 - (1 << (exp - 1))
            },
            int: int_to,
            frac: frac_to,
            bits,
            inf: match (special, fraction, negative) {
                (false, ..) => FINITE,
                (true, 0, false) => 1,
                (true, 0, true) => MINUS,
                _ => NAN,
            },
            zero,
            negative: negative && !zero,
            under: false,
        }
    }

    /// The sum, with one bit more before the point.
    pub fn add(self, other: Xfp) -> Xfp {
        let sign = |x: &Xfp| {
            if x.zero || x.inf != FINITE {
                x.negative
            } else {
                x.sig < 0
            }
        };
        let exp = |x: &Xfp| if x.under { least(x.bits) } else { x.exp };
        let distance = exp(&self) - exp(&other);
        let (large, small) = if distance <= 0 {
            (&other, &self)
        } else {
            (&self, &other)
        };
        let sig = large
            .sig
            .wrapping_add(shift_sticky(small.sig, distance.unsigned_abs()));
        let inf = self.inf | other.inf;
        let zeros = self.sig == 0 && other.sig == 0 && self.negative && other.negative;
        Xfp {
            sig,
            exp: exp(large),
            int: self.int + 1,
            frac: self.frac,
            bits: self.bits,
            inf,
            zero: false,
            negative: if inf == FINITE {
                sign(&self) && sign(&other) || zeros || sig < 0
            } else {
                inf >> 1 != 0
            },
            under: self.under && other.under && inf == FINITE,
        }
    }

    /// Normalised and narrower.
    pub fn normalize(self, (int, frac, bits): Shape) -> Xfp {
        let (from, to) = (self.int + self.frac, int + frac);
        let mut out = Xfp {
            int,
            frac,
            bits,
            ..self
        };
        if self.sig == 0 {
            out.exp = self.exp - (from as i32 - 1) + (self.int as i32 - int as i32);
            out.under = self.inf == FINITE;
            return out;
        }
        let top = self.sig << (64 - from).min(63);
        let room = (if self.sig < 0 { !top } else { top })
            .leading_zeros()
            .saturating_sub(1);
        out.sig = shift_sticky(
            top << room.min(63) >> (64 - from).min(63),
            from.saturating_sub(to),
        );
        out.exp = self.exp - room as i32 + (self.int as i32 - int as i32);
        out.under = false;
        if out.exp > -least(bits) - 1 {
            if out.inf == FINITE {
                out.inf = if out.negative { MINUS } else { 1 };
            }
            out.exp = -least(bits) - 1;
        } else if out.exp < least(bits) && out.inf == FINITE {
            out.exp = least(bits);
            out.under = true;
        }
        out
    }

    /// The product, exact.
    pub fn multiply(self, other: Xfp, bits: u32) -> Xfp {
        let infinite = |x: &Xfp| matches!(x.inf, 1 | MINUS);
        let mut out = Xfp {
            sig: self.sig.wrapping_mul(other.sig),
            exp: self.exp + other.exp,
            int: 2 * self.int - 1,
            frac: 2 * self.frac,
            bits,
            inf: FINITE,
            zero: self.zero || other.zero,
            negative: self.negative != other.negative,
            under: self.under || other.under,
        };
        let any = infinite(&self) || infinite(&other);
        let nothing = self.sig == 0 || other.sig == 0;
        let times_zero = infinite(&self) && other.sig == 0 || infinite(&other) && self.sig == 0;
        if self.inf == NAN || other.inf == NAN || out.under && any {
            out.inf = NAN;
        } else if infinite(&self) && infinite(&other) {
            out.inf = if out.negative { MINUS } else { 1 };
        } else if times_zero {
            out.inf = NAN;
            out.zero = false;
        } else if any {
            out.inf = if out.negative { MINUS } else { 1 };
        }
        if out.zero || nothing {
            out.exp = least(bits);
            out.sig = 0;
            out.negative &= out.zero;
        }
        out
    }

    /// The lesser of two, or the greater one.
    pub fn choose(self, other: Xfp, greater: bool, mode: Mode) -> Xfp {
        let (less, more) = if greater { (other, self) } else { (self, other) };
        if self.inf == NAN || other.inf == NAN {
            let nan_first = self.inf == NAN;
            return if nan_first == mode.nans { self } else { other };
        }
        if self.inf != FINITE || other.inf != FINITE {
            let first = self.inf == MINUS || other.inf != MINUS && self.inf == FINITE;
            return if first { less } else { more };
        }
        let (a, b) = (self.sig < 0, other.sig < 0);
        let first = if a != b {
            a
        } else if self.sig == 0 {
            !b
        } else if other.sig == 0 {
            a
        } else if self.exp != other.exp {
            a != (self.exp < other.exp)
        } else {
            self.sig <= other.sig
        };
        if first { less } else { more }
    }
}

/// How a conversion ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    /// Bits of the exponent.
    pub exp: u32,
    /// Bits of the fraction that it is rounded to.
    pub frac: u32,
    /// Bits behind these, which are zero; ones in the largest number.
    pub behind: u32,
    /// A byte: there is no infinity and one NaN.
    pub byte: bool,
    /// Zero instead of anything negative.
    pub clip: bool,
    /// The largest number instead of infinity.
    pub largest: bool,
    pub mode: Mode,
}

/// The only byte that is not a number.
const BYTE_NAN: u32 = 0x80;
/// The other formats' NaN.
const WORD_NAN: u32 = 0xf_ffff;

impl Output {
    fn sign(self, negative: bool) -> u32 {
        u32::from(negative) << (self.exp + self.frac + self.behind)
    }

    /// Exponent and fraction of the largest number, or of infinity if this output has that.
    fn limit(self) -> u32 {
        let top = ((1 << self.exp) - 1) - u32::from(self.largest && !self.byte);
        let bits = self.frac + self.behind;
        let fraction = if self.largest || !self.mode.infinities {
            (1 << bits) - 1
        } else {
            0
        };
        top << bits | fraction
    }

    /// What stands for a number that is too large.
    fn too_large(self, negative: bool) -> u32 {
        if negative && self.clip {
            0
        } else if self.byte && self.mode.infinities && !self.largest {
            BYTE_NAN
        } else {
            self.sign(negative) | self.limit()
        }
    }

    fn nan(self) -> u32 {
        if self.clip && !self.mode.nans {
            0
        } else if self.byte && self.mode.infinities && !self.largest {
            BYTE_NAN
        } else if self.byte || self.largest && !self.mode.nans {
            self.sign(true) | self.limit()
        } else {
            WORD_NAN
        }
    }

    /// Rounds to nearest even.
    pub fn round(self, x: Xfp) -> u32 {
        let magnitude = (x.sig << (64 - (x.int + x.frac)).min(63)).unsigned_abs();
        let space = magnitude.leading_zeros();
        let exp = x.exp + x.int as i32 - 2 - space as i32;
        let bias = 1 << (self.exp - 1);
        // The largest exponent is infinity's.
        let end = bias - i32::from(self.mode.infinities);
        let negative = x.negative || !x.zero && x.sig < 0;
        if x.inf == NAN {
            return self.nan();
        }
        if x.inf != FINITE {
            return self.too_large(x.inf == MINUS);
        }
        if magnitude != 0 && exp >= end {
            return self.too_large(negative);
        }
        let sign = self.sign(negative);
        if negative && self.clip {
            return 0;
        }
        if magnitude == 0 || x.zero || x.under || exp < -bias - self.frac as i32 {
            return sign;
        }
        let small = exp <= -bias;
        let shift = if small { (1 - bias - exp) as u32 } else { 0 };
        let wide = magnitude
            .checked_shl(space)
            .and_then(|w| w.checked_shr(shift))
            .unwrap_or(0);
        let ulp = 63 - self.frac;
        let half = 1 << (ulp - 1);
        let below = wide & ((1 << ulp) - 1);
        let up = below > half || below == half && wide >> ulp & 1 != 0;
        let (rounded, carried) = wide.overflowing_add(if up { half } else { 0 });
        let mantissa = (rounded >> ulp) as u32;
        let exponent = if small {
            // Rounding up may have made it normal.
            (mantissa >> self.frac & 1) as i32
        } else {
            exp + bias + i32::from(carried)
        };
        if exponent >= end + bias {
            return self.too_large(negative);
        }
        let fraction = mantissa & ((1 << self.frac) - 1);
        sign | ((exponent as u32) << self.frac | fraction) << self.behind
    }
}
