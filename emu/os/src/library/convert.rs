//! Numbers from text, and other small things of `<stdlib.h>`.

use super::float_text::Number;
use super::wide;
use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import};

const ERANGE: u32 = 34;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("atoi", atoi, "`int atoi(const char *s)`: a decimal number, saturated"),
    import("atol", atoi, "`long atol(const char *s)`: a decimal number, saturated"),
    import("atoll", atoll, "`long long atoll(const char *s)`: a decimal number, saturated"),
    import("atof", atof, "`double atof(const char *s)`: as strtod without an end"),
    import("strtol", |c| long(c, Chars::Narrow), "`long strtol(const char *s, char **end, int base)`: a number; ERANGE if it does not fit"),
    import("strtoul", |c| unsigned_long(c, Chars::Narrow), "`unsigned long strtoul(const char *s, char **end, int base)`: a number; ERANGE if it does not fit"),
    import("_Stoul", |c| unsigned_long(c, Chars::Narrow), "`unsigned long _Stoul(const char *s, char **end, int base)`: what the SDK's headers make of strtoul"),
    import("strtoll", |c| long_long(c, Chars::Narrow), "`long long strtoll(const char *s, char **end, int base)`: a number; ERANGE if it does not fit"),
    import("strtoull", |c| unsigned_long_long(c, Chars::Narrow), "`unsigned long long strtoull(const char *s, char **end, int base)`: a number; ERANGE if it does not fit"),
    import("strtod", |c| double(c, Chars::Narrow), "`double strtod(const char *s, char **end)`: decimal, hexadecimal, infinities, NaNs; rounded once"),
    import("strtof", |c| float(c, Chars::Narrow), "`float strtof(const char *s, char **end)`: decimal, hexadecimal, infinities, NaNs; rounded once"),
    import("abs", abs, "`int abs(int v)`: without its sign"),
    import("labs", abs, "`long labs(long v)`: without its sign"),
    import("rand", rand, "`int rand(void)`: repeatable from its seed"),
    import("srand", srand, "`void srand(unsigned seed)`: where rand starts"),
    import("llabs", llabs, "`long long llabs(long long v)`: without its sign"),
    import("imaxabs", llabs, "`intmax_t imaxabs(intmax_t v)`: without its sign"),
    import("strtoimax", |c| long_long(c, Chars::Narrow), "`intmax_t strtoimax(const char *s, char **end, int base)`: as strtoll"),
    import("strtoumax", |c| unsigned_long_long(c, Chars::Narrow), "`uintmax_t strtoumax(const char *s, char **end, int base)`: as strtoull"),
    import("strtold", |c| double(c, Chars::Narrow), "`long double strtold(const char *s, char **end)`: as strtod"),
    import("div", div, "`div_t div(int a, int b)`: quotient and remainder; division by 0 gives 0 and a"),
    import("ldiv", div, "`ldiv_t ldiv(long a, long b)`: quotient and remainder; division by 0 gives 0 and a"),
    import("rand_r", rand_r, "`int rand_r(unsigned *seed)`: repeatable from its seed"),
];

/// A number as `strto*` reads it: value without sign (saturated), sign, bytes used.
#[derive(Debug, PartialEq, Eq)]
struct Parsed {
    value: u64,
    negative: bool,
    overflow: bool,
    used: usize,
}

fn parse(text: &[u8], base: u32) -> Parsed {
    let none = Parsed {
        value: 0,
        negative: false,
        overflow: false,
        used: 0,
    };
    if base == 1 || base > 36 {
        return none;
    }
    let mut at = text
        .iter()
        .take_while(|b| b.is_ascii_whitespace() || **b == 0x0b)
        .count();
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let hex = text.get(at) == Some(&b'0')
        && matches!(text.get(at + 1), Some(b'x' | b'X'))
        && text.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    let base = match base {
        16 | 0 if hex => {
            at += 2;
            16
        }
        0 if text.get(at) == Some(&b'0') => 8,
        0 => 10,
        b => b,
    };
    let digits = text[at..].iter().map_while(|&b| char::from(b).to_digit(base));
    let (mut value, mut count, mut overflow) = (0u64, 0, false);
    for d in digits {
        count += 1;
        match value
            .checked_mul(u64::from(base))
            .and_then(|v| v.checked_add(u64::from(d)))
        {
            Some(v) => value = v,
            None => overflow = true,
        }
    }
    if count == 0 {
        return none;
    }
    Parsed {
        value,
        negative,
        overflow,
        used: at + count,
    }
}

/// Characters that numbers are written in.
#[derive(Clone, Copy)]
pub(super) enum Chars {
    /// `char`.
    Narrow,
    /// `wchar_t`.
    Wide,
}

impl Chars {
    /// A text, as bytes: what is no ASCII is no part of a number.
    fn text(self, c: &Call<'_>, at: u32) -> Result<Vec<u8>, Stop> {
        match self {
            Self::Narrow => c.cstr(at),
            Self::Wide => {
                let wide = wide::string(c, at, usize::MAX)?.into_iter();
                Ok(wide.map(|w| u8::try_from(w).unwrap_or(u8::MAX)).collect())
            }
        }
    }

    /// Stores where the text goes on after so many characters, if somebody wants to know.
    fn store_end(self, c: &Call<'_>, end: u32, at: u32, used: usize) -> Result<(), Stop> {
        let size = match self {
            Self::Narrow => 1,
            Self::Wide => 4,
        };
        match end {
            0 => Ok(()),
            end => c.store32(end, at.wrapping_add(size * used as u32)),
        }
    }
}

/// Reads `(text, end, base)` arguments; stores the end; returns what was read.
fn read(c: &Call<'_>, chars: Chars) -> Result<Parsed, Stop> {
    let (at, end, base) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let parsed = parse(&chars.text(c, at)?, base);
    chars.store_end(c, end, at, parsed.used)?;
    Ok(parsed)
}

fn out_of_range<T>(c: &mut Call<'_>, value: T) -> Result<T, Stop> {
    c.set_errno(ERANGE)?;
    Ok(value)
}

/// Within the bounds of a signed type.
fn signed(c: &mut Call<'_>, p: &Parsed, max: i64) -> Result<i64, Stop> {
    let limit = if p.negative {
        max.unsigned_abs() + 1
    } else {
        max.unsigned_abs()
    };
    if p.overflow || p.value > limit {
        return out_of_range(c, if p.negative { -max - 1 } else { max });
    }
    Ok(if p.negative {
        (p.value as i64).wrapping_neg()
    } else {
        p.value as i64
    })
}

/// Within the bounds of an unsigned type; a minus sign wraps.
fn unsigned(c: &mut Call<'_>, p: &Parsed, max: u64) -> Result<u64, Stop> {
    if p.overflow || p.value > max {
        return out_of_range(c, max);
    }
    Ok(if p.negative {
        p.value.wrapping_neg()
    } else {
        p.value
    })
}

/// A `long` from a text.
pub(super) fn long(c: &mut Call<'_>, chars: Chars) -> Done {
    let v = signed(c, &read(c, chars)?, i32::MAX.into())?;
    c.ret(v as u32)
}

/// An `unsigned long` from a text.
pub(super) fn unsigned_long(c: &mut Call<'_>, chars: Chars) -> Done {
    let v = unsigned(c, &read(c, chars)?, u32::MAX.into())?;
    c.ret(v as u32)
}

/// A `long long` from a text.
pub(super) fn long_long(c: &mut Call<'_>, chars: Chars) -> Done {
    let v = signed(c, &read(c, chars)?, i64::MAX)?;
    c.ret64(v as u64)
}

/// An `unsigned long long` from a text.
pub(super) fn unsigned_long_long(c: &mut Call<'_>, chars: Chars) -> Done {
    let v = unsigned(c, &read(c, chars)?, u64::MAX)?;
    c.ret64(v)
}

fn atoi(c: &mut Call<'_>) -> Done {
    let p = parse(&c.cstr(c.arg(0)?)?, 10);
    let v = signed(c, &p, i32::MAX.into())?;
    c.ret(v as u32)
}

fn atoll(c: &mut Call<'_>) -> Done {
    let p = parse(&c.cstr(c.arg(0)?)?, 10);
    let v = signed(c, &p, i64::MAX)?;
    c.ret64(v as u64)
}

/// A `double` from a text.
pub(super) fn double(c: &mut Call<'_>, chars: Chars) -> Done {
    let number = read_float(c, chars)?;
    let v = number.to_f64();
    check_range(c, &number, v.is_infinite(), v.is_normal())?;
    c.ret_f64(v)
}

/// A `float` from a text.
pub(super) fn float(c: &mut Call<'_>, chars: Chars) -> Done {
    let number = read_float(c, chars)?;
    let v = number.to_f32();
    check_range(c, &number, v.is_infinite(), v.is_normal())?;
    c.ret_f32(v)
}

fn atof(c: &mut Call<'_>) -> Done {
    let v = Number::read(&c.cstr(c.arg(0)?)?).to_f64();
    c.ret_f64(v)
}

/// Reads the first of `(text, end)`; stores the end.
fn read_float(c: &Call<'_>, chars: Chars) -> Result<Number, Stop> {
    let (at, end) = (c.arg(0)?, c.arg(1)?);
    let number = Number::read(&chars.text(c, at)?);
    chars.store_end(c, end, at, number.used)?;
    Ok(number)
}

/// Too large, or too small to keep all its digits: `ERANGE`.
fn check_range(c: &mut Call<'_>, number: &Number, infinite: bool, normal: bool) -> Result<(), Stop> {
    if number.has_digits() && (infinite || (!normal && !number.is_zero())) {
        c.set_errno(ERANGE)?;
    }
    Ok(())
}

fn abs(c: &mut Call<'_>) -> Done {
    let v = (c.arg(0)? as i32).wrapping_abs();
    c.ret(v as u32)
}

fn rand(c: &mut Call<'_>) -> Done {
    let next = c.os.lib.random.wrapping_mul(1_103_515_245).wrapping_add(12345);
    c.os.lib.random = next;
    c.ret(next >> 1 & 0x7fff_ffff)
}

fn srand(c: &mut Call<'_>) -> Done {
    c.os.lib.random = c.arg(0)?;
    c.ret(0)
}

fn llabs(c: &mut Call<'_>) -> Done {
    let v = (c.arg64(0) as i64).wrapping_abs();
    c.ret64(v as u64)
}

fn div(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.arg(0)? as i32, c.arg(1)? as i32);
    let (quotient, rest) = match b {
        0 => (0, a),
        b => (a.wrapping_div(b), a.wrapping_rem(b)),
    };
    c.ret64(u64::from(quotient as u32) | u64::from(rest as u32) << 32)
}

fn rand_r(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let next = c.load32(at)?.wrapping_mul(1_103_515_245).wrapping_add(12345);
    c.store32(at, next)?;
    c.ret(next >> 1 & 0x7fff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn division_and_signs_wrap() {
        let mut g = Guest::new();
        assert_eq!(g.call64("div", &[7, -2i32 as u32]), 0x1_ffff_fffd);
        assert_eq!(g.call64("div", &[7, 0]), 0x7_0000_0000);
        assert_eq!(g.call64("ldiv", &[1 << 31, u32::MAX]), 1 << 31);
        assert_eq!(g.call64("llabs", &[u32::MAX, u32::MAX]), 1);
        let seed = g.bytes(&[1, 0, 0, 0]);
        let first = g.call("rand_r", &[seed]);
        g.call("srand", &[1]);
        assert_eq!(g.call("rand", &[]), first);
    }

    #[test]
    fn parse_reads_what_c_reads() {
        for (text, base, value, negative, used) in [
            ("42abc", 10, 42, false, 2),
            ("  -0x1fz", 0, 31, true, 7),
            ("0x", 16, 0, false, 1),
            ("0778", 0, 63, false, 3),
            ("zz", 36, 35 * 37, false, 2),
            ("", 10, 0, false, 0),
            ("-", 10, 0, false, 0),
            ("12", 1, 0, false, 0),
        ] {
            let p = parse(text.as_bytes(), base);
            assert_eq!((p.value, p.negative, p.used), (value, negative, used), "{text}");
        }
        assert!(parse(b"99999999999999999999999", 10).overflow);
    }

    #[test]
    fn out_of_range_saturates_and_sets_errno() {
        let mut g = Guest::new();
        let (s, end) = (g.bytes(b"-99999999999x\0"), g.bytes(&[0; 8]));
        assert_eq!(g.call("strtol", &[s, end, 10]), i32::MIN as u32);
        assert_eq!(g.word(end), s + 12);
        let errno = g.call("_Geterrno", &[]);
        assert_eq!(g.word(errno), ERANGE);
        assert_eq!(g.call("strtoul", &[s, 0, 10]), u32::MAX);
        assert_eq!(g.call64("strtoll", &[s, 0, 10]) as i64, -99_999_999_999);
        assert_eq!(g.call("atoi", &[s + 10]), 99);
    }

    #[test]
    fn numbers_out_of_range_set_errno() {
        let mut g = Guest::new();
        let errno = g.call("_Geterrno", &[]);
        for (text, name, ranged) in [
            (&b"1e400\0"[..], "strtod", true),
            (b"1e-400\0", "strtod", true),
            (b"4.9e-324\0", "strtod", true),
            (b"1e40\0", "strtof", true),
            (b"1e40\0", "strtod", false),
            (b"0.0e-999\0", "strtod", false),
            (b"inf\0", "strtod", false),
            (b"junk\0", "strtof", false),
        ] {
            let s = g.bytes(text);
            g.write(errno, &0u32.to_le_bytes());
            g.call(name, &[s, 0]);
            assert_eq!(
                g.word(errno) == ERANGE,
                ranged,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }
}
