//! Floating-point numbers as C reads them: decimal, hexadecimal, infinities, NaNs with their text. Rounded once, to the nearest
//! and to even.

/// A number at the front of a text.
#[derive(Debug, PartialEq)]
pub struct Number {
    negative: bool,
    value: Value,
    /// Bytes that it has; 0 if there is none.
    pub used: usize,
}

#[derive(Debug, PartialEq)]
enum Value {
    None,
    Infinite,
    Nan,
    /// Digits as Rust reads them.
    Decimal(String),
    /// `mantissa` × 2^`exponent`, and a little more if `more`.
    Hex {
        mantissa: u64,
        more: bool,
        exponent: i64,
    },
}

impl Number {
    /// Reads it, after white space.
    pub fn read(text: &[u8]) -> Self {
        let start = text
            .iter()
            .take_while(|b| b.is_ascii_whitespace() || **b == 0x0b)
            .count();
        let rest = &text[start..];
        let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
        let (value, len) = value(&rest[sign..]);
        Self {
            negative: rest.first() == Some(&b'-'),
            used: if len == 0 { 0 } else { start + sign + len },
            value,
        }
    }

    /// Whether it was written in digits.
    pub fn has_digits(&self) -> bool {
        matches!(self.value, Value::Decimal(_) | Value::Hex { .. })
    }

    /// Whether all digits of it are zeros.
    pub fn is_zero(&self) -> bool {
        match &self.value {
            Value::Decimal(text) => !text
                .bytes()
                .take_while(|b| !matches!(b, b'e' | b'E'))
                .any(|b| matches!(b, b'1'..=b'9')),
            Value::Hex { mantissa, .. } => *mantissa == 0,
            _ => false,
        }
    }

    /// The nearest `double`.
    pub fn to_f64(&self) -> f64 {
        self.nearest(|text| text.parse().unwrap_or(0.0), f64::MANTISSA_DIGITS, -1074)
    }

    /// The nearest `float`.
    pub fn to_f32(&self) -> f32 {
        let decimal = |text: &str| f64::from(text.parse::<f32>().unwrap_or(0.0));
        // Has as many bits as a float keeps, so that nothing is rounded again.
        self.nearest(decimal, f32::MANTISSA_DIGITS, -149) as f32
    }

    /// The nearest number of `bits` bits and none below 2^`lowest`; `decimal` reads such a one.
    fn nearest(&self, decimal: impl Fn(&str) -> f64, bits: u32, lowest: i64) -> f64 {
        let v = match &self.value {
            Value::None => return 0.0,
            Value::Infinite => f64::INFINITY,
            Value::Nan => f64::NAN,
            Value::Decimal(text) => decimal(text),
            &Value::Hex {
                mantissa,
                more,
                exponent,
            } => nearest(mantissa, more, exponent, bits, lowest),
        };
        if self.negative { -v } else { v }
    }
}

/// What stands behind the sign, and its length.
fn value(body: &[u8]) -> (Value, usize) {
    let word = |w: &[u8]| body.len() >= w.len() && body[..w.len()].eq_ignore_ascii_case(w);
    if word(b"infinity") {
        return (Value::Infinite, 8);
    }
    if word(b"inf") {
        return (Value::Infinite, 3);
    }
    if word(b"nan") {
        let text = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
        let inside = body.get(4..).unwrap_or_default().iter().take_while(text).count();
        let closed = body.get(3) == Some(&b'(') && body.get(4 + inside) == Some(&b')');
        return (Value::Nan, if closed { 5 + inside } else { 3 });
    }
    if word(b"0x")
        && let Some(found) = hexadecimal(&body[2..])
    {
        return (found.0, 2 + found.1);
    }
    let Some(len) = decimal(body) else {
        return (Value::None, 0);
    };
    let text = String::from_utf8_lossy(&body[..len]).into_owned();
    (Value::Decimal(text), len)
}

fn count(text: Option<&[u8]>, is_digit: impl Fn(&u8) -> bool) -> usize {
    text.unwrap_or_default()
        .iter()
        .take_while(|b| is_digit(b))
        .count()
}

/// Lengths of the digits before and behind the point, and of both with the point.
fn digits(body: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<(usize, usize, usize)> {
    let whole = count(Some(body), &is_digit);
    let point = body.get(whole) == Some(&b'.');
    let fraction = if point {
        count(body.get(whole + 1..), &is_digit)
    } else {
        0
    };
    (whole + fraction > 0).then_some((whole, fraction, whole + usize::from(point) + fraction))
}

/// An exponent at `at`, saturated, and its length with letter and sign; length 0 if there is none.
fn exponent(body: &[u8], at: usize, letter: u8) -> (i64, usize) {
    if !body.get(at).is_some_and(|b| b.eq_ignore_ascii_case(&letter)) {
        return (0, 0);
    }
    let sign = usize::from(matches!(body.get(at + 1), Some(b'-' | b'+')));
    let first = at + 1 + sign;
    let len = count(body.get(first..), u8::is_ascii_digit);
    if len == 0 {
        return (0, 0);
    }
    let magnitude = body[first..first + len].iter().fold(0i64, |n, b| {
        n.saturating_mul(10)
            .saturating_add(i64::from(b - b'0'))
            .min(1 << 40)
    });
    let negative = body.get(at + 1) == Some(&b'-');
    (if negative { -magnitude } else { magnitude }, 1 + sign + len)
}

fn decimal(body: &[u8]) -> Option<usize> {
    let (_, _, len) = digits(body, u8::is_ascii_digit)?;
    Some(len + exponent(body, len, b'e').1)
}

/// What stands behind `0x`.
fn hexadecimal(body: &[u8]) -> Option<(Value, usize)> {
    let (whole, _, len) = digits(body, u8::is_ascii_hexdigit)?;
    let (mut mantissa, mut more, mut scale) = (0u64, false, 0i64);
    for (at, b) in body[..len].iter().enumerate() {
        let Some(digit) = char::from(*b).to_digit(16) else {
            continue;
        };
        // What has no room is only known to be there, and moves the digits before the point.
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            scale -= if at > whole { 4 } else { 0 };
        } else {
            more |= digit != 0;
            scale += if at < whole { 4 } else { 0 };
        }
    }
    let (power, letters) = exponent(body, len, b'p');
    let value = Value::Hex {
        mantissa,
        more,
        exponent: power + scale,
    };
    Some((value, len + letters))
}

/// `mantissa` × 2^`exponent` (and a little more if `more`) rounded to `bits` bits, none below 2^`lowest`.
fn nearest(mantissa: u64, more: bool, exponent: i64, bits: u32, lowest: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let len = i64::from(u64::BITS - mantissa.leading_zeros());
    let last = (exponent + len - i64::from(bits)).max(lowest);
    let shift = last - exponent;
    let (kept, last) = match u32::try_from(shift) {
        Err(_) | Ok(0) => (mantissa, exponent),
        Ok(shift @ 1..=64) => {
            let wide = u128::from(mantissa);
            let (kept, rest, half) = (
                (wide >> shift) as u64,
                wide & ((1 << shift) - 1),
                1u128 << (shift - 1),
            );
            let up = rest > half || (rest == half && (more || kept & 1 != 0));
            (kept + u64::from(up), last)
        }
        // Less than half of the smallest.
        Ok(_) => return 0.0,
    };
    // Both factors are exact, and so is the product, unless it is too large.
    let power = match last {
        1024.. => return f64::INFINITY,
        -1022.. => f64::from_bits(((last + 1023) as u64) << 52),
        -1074.. => f64::from_bits(1 << (last + 1074)),
        _ => return 0.0,
    };
    kept as f64 * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (f64, usize) {
        let number = Number::read(text.as_bytes());
        (number.to_f64(), number.used)
    }

    #[test]
    fn numbers_end_where_c_ends_them() {
        for (text, v, used) in [
            ("1.5e3x", 1500.0, 5),
            (" -.25", -0.25, 5),
            ("1e", 1.0, 1),
            ("x", 0.0, 0),
            ("-", 0.0, 0),
            ("7.", 7.0, 2),
            ("1e+", 1.0, 1),
            (".5.", 0.5, 2),
            ("0x1.8p3", 12.0, 7),
            ("0X.8P-1074", 0.0, 10),
            ("0X.9P-1074", f64::from_bits(1), 10),
            ("-0x1p+4x", -16.0, 7),
            ("0x", 0.0, 1),
            ("0x.p1", 0.0, 1),
            ("0x1p", 1.0, 3),
            ("0x1.fffffffffffff8p0", 2.0, 20),
            ("0x1.fffffffffffff7ffp0", 2.0f64.next_down(), 22),
            ("0x10000000000000001", 18_446_744_073_709_551_616.0, 19),
            ("0x1p1024", f64::INFINITY, 8),
            ("0x1p-99999999999999999999", 0.0, 25),
            ("inf", f64::INFINITY, 3),
            ("-INFINITY!", f64::NEG_INFINITY, 9),
        ] {
            assert_eq!(read(text), (v, used), "{text}");
        }
        for (text, used) in [
            ("nan", 3),
            ("nan(12)", 7),
            ("NaN(a_b)x", 8),
            ("nan(", 3),
            ("nan(-)", 3),
        ] {
            let (v, len) = read(text);
            assert!(v.is_nan() && len == used, "{text}: {len}");
        }
    }

    #[test]
    fn a_float_is_rounded_once() {
        // Above the middle of two floats by less than a double can tell.
        let text = "1.00000005960464477539062500000001";
        assert_eq!(Number::read(text.as_bytes()).to_f32(), 1.0f32.next_up());
        let text = "0x1.000001000000000000001p0";
        assert_eq!(Number::read(text.as_bytes()).to_f32(), 1.0f32.next_up());
        assert_eq!(Number::read(b"0x1.000001p0").to_f32(), 1.0, "to even");
        assert_eq!(Number::read(b"0x1p-149").to_f32(), f32::from_bits(1));
        assert_eq!(Number::read(b"0x1.8p-150").to_f32(), f32::from_bits(1));
        assert_eq!(Number::read(b"0x1p-150").to_f32(), 0.0);
        assert_eq!(Number::read(b"0x1p128").to_f32(), f32::INFINITY);
    }

    proptest! {
        #[test]
        fn hexadecimal_text_of_a_double_is_that_double(bits: u64) {
            let v = f64::from_bits(bits & !(1 << 63));
            prop_assume!(v.is_finite());
            let (mantissa, exponent) = match bits >> 52 & 0x7ff {
                0 => (bits & ((1 << 52) - 1), -1074i64),
                e => (bits & ((1 << 52) - 1) | 1 << 52, e as i64 - 1075),
            };
            let text = format!("0x{mantissa:x}p{exponent}");
            prop_assert_eq!(read(&text), (v, text.len()));
        }

        #[test]
        fn any_bytes_are_a_number_or_none(bytes in proptest::collection::vec(
            proptest::sample::select(&b"0123456789abcdefxXpPeE.+-naifty() \x00\xff"[..]), 0..40)) {
            let number = Number::read(&bytes);
            prop_assert!(number.used <= bytes.len());
            let _ = (number.to_f64(), number.to_f32(), number.is_zero());
        }
    }
}
