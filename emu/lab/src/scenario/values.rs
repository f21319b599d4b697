//! The kinds of values in a scenario file: numbers and ranges, words, times, bytes, expressions.

use super::expr::Expr;
use super::scalar::{FromToml, from_scalar, one_or_list};
use serde::de::{Deserialize, Deserializer};
use std::time::Duration;

/// Most bytes of a literal.
pub const MAX_BYTES: usize = 64 * 1024;
/// Longest time.
const MAX_TIME: Duration = Duration::from_secs(3600);

/// Numbers that a field may have: `3`, `"2..5"`, `"7.."`, or a list of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ints(Vec<(i64, i64)>);

impl Ints {
    /// Exactly these.
    #[must_use]
    pub fn of(numbers: &[i64]) -> Self {
        Self(numbers.iter().map(|n| (*n, *n)).collect())
    }

    /// Whether `n` is among them.
    #[must_use]
    pub fn contains(&self, n: i64) -> bool {
        self.0.iter().any(|&(low, high)| (low..=high).contains(&n))
    }
}

impl std::fmt::Display for Ints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, &(low, high)) in self.0.iter().enumerate() {
            f.write_str(if n > 0 { ", " } else { "" })?;
            match (low, high) {
                _ if low == high => write!(f, "{low}")?,
                (i64::MIN, high) => write!(f, "..{high}")?,
                (low, i64::MAX) => write!(f, "{low}..")?,
                (low, high) => write!(f, "{low}..{high}")?,
            }
        }
        Ok(())
    }
}

fn int(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    value.ok().filter(|n: &i64| *n >= 0).map(|n| sign * n)
}

fn range(text: &str) -> Result<(i64, i64), String> {
    let wrong = || format!("{text:?} is neither a number nor a range like \"2..5\", \"7..\" or \"..9\"");
    let Some((low, high)) = text.split_once("..") else {
        return int(text).map(|n| (n, n)).ok_or_else(wrong);
    };
    let end = |text: &str, open| {
        if text.trim().is_empty() {
            Ok(open)
        } else {
            int(text).ok_or_else(wrong)
        }
    };
    let (low, high) = (end(low, i64::MIN)?, end(high, i64::MAX)?);
    if low > high {
        return Err(format!("the range {text:?} is empty"));
    }
    Ok((low, high))
}

impl FromToml for (i64, i64) {
    const IS: &'static str = "a number or a range like \"2..5\"";

    fn from_int(n: i64) -> Option<Self> {
        Some((n, n))
    }

    fn from_bool(yes: bool) -> Option<Self> {
        Self::from_int(yes.into())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        range(text)
    }
}

impl<'de> Deserialize<'de> for Ints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_list(deserializer).map(Self)
    }
}

/// A word, or a list of words. Numbers are taken as words, too (GLINK commands and bits have both).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl FromToml for String {
    const IS: &'static str = "a word";

    fn from_int(n: i64) -> Option<Self> {
        Some(n.to_string())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_list(deserializer).map(Self)
    }
}

/// A time, `"250us"`, `"50ms"`, `"2s"`, or two of them between which one is drawn, `"0ms..5ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The shortest.
    pub low: Duration,
    /// The longest.
    pub high: Duration,
}

impl Time {
    /// Always the same.
    #[must_use]
    pub const fn exactly(time: Duration) -> Self {
        Self {
            low: time,
            high: time,
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let one = |text: &str| {
            let text = text.trim();
            let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, unit) = text.split_at(split);
            let n = digits.parse::<u64>().ok();
            let time = match (n, unit) {
                (Some(n), "us") => Some(Duration::from_micros(n)),
                (Some(n), "ms") => Some(Duration::from_millis(n)),
                (Some(n), "s") => Some(Duration::from_secs(n)),
                _ => None,
            };
            match time {
                Some(time) if time <= MAX_TIME => Ok(time),
                Some(_) => Err(format!("{text:?} is longer than an hour")),
                None => Err(format!(
                    "{text:?} is not a time like \"250us\", \"50ms\" or \"2s\""
                )),
            }
        };
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let (low, high) = (one(low)?, one(high)?);
        if low > high {
            return Err(format!("{text:?} ends before it begins"));
        }
        Ok(Self { low, high })
    }
}

impl FromToml for Time {
    const IS: &'static str = "a time like \"50ms\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_scalar(deserializer)
    }
}

/// Bytes in hex, `"de ad be ef"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    fn parse(text: &str) -> Result<Self, String> {
        let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        if !digits.len().is_multiple_of(2) {
            return Err(format!("{} hex digits do not make bytes", digits.len()));
        }
        if digits.len() / 2 > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes"));
        }
        let digit = |c: &char| {
            c.to_digit(16)
                .and_then(|n| u8::try_from(n).ok())
                .ok_or_else(|| format!("{c:?} is not a hex digit"))
        };
        digits
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Ok(digit(high)? << 4 | digit(low)?),
                _ => Ok(0),
            })
            .collect::<Result<_, String>>()
            .map(Self)
    }
}

impl FromToml for Bytes {
    const IS: &'static str = "bytes in hex like \"de ad be ef\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_scalar(deserializer)
    }
}

/// A number, or an expression over the event's fields and the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Num(pub Expr);

impl FromToml for Num {
    const IS: &'static str = "a number or an expression like \"ctx ^ 0x10\"";

    fn from_int(n: i64) -> Option<Self> {
        Some(Self(Expr::Int(n)))
    }

    fn from_bool(yes: bool) -> Option<Self> {
        Self::from_int(yes.into())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        Expr::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_scalar(deserializer)
    }
}

/// What the JSON schema says of these values.
#[cfg(test)]
mod schema {
    use super::{Bytes, Ints, Num, Time, Words};
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use std::borrow::Cow;

    macro_rules! schema {
        ($type:ty, $name:literal, $($json:tt)+) => {
            impl JsonSchema for $type {
                fn schema_name() -> Cow<'static, str> {
                    $name.into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($($json)+)
                }
            }
        };
    }

    schema!(Ints, "Ints", {
        "description": "Numbers that match: one, a range like \"2..5\" or \"7..\", or a list of them.",
        "anyOf": [
            {"type": ["integer", "string", "boolean"]},
            {"type": "array", "minItems": 1, "items": {"type": ["integer", "string", "boolean"]}}
        ]
    });
    schema!(Words, "Words", {
        "description": "A word or a list of words.",
        "anyOf": [
            {"type": ["string", "integer"]},
            {"type": "array", "minItems": 1, "items": {"type": ["string", "integer"]}}
        ]
    });
    schema!(Time, "Time", {
        "description": "A time like \"250us\", \"50ms\", \"2s\", or a range of which one is drawn, \"0ms..5ms\".",
        "type": "string"
    });
    schema!(Bytes, "Bytes", {
        "description": "Bytes in hex, \"de ad be ef\".",
        "type": "string"
    });
    schema!(Num, "Num", {
        "description": "A number, or an expression over event fields and variables, \"ctx ^ 0x10\", \"rand(1, 6)\".",
        "type": ["integer", "string", "boolean"]
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct File<T> {
        v: T,
    }

    fn value<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
        toml::from_str::<File<T>>(&format!("v = {text}"))
            .map(|file| file.v)
            .map_err(|e| e.message().to_owned())
    }

    #[test]
    fn numbers_and_ranges() {
        let ints = |text| value::<Ints>(text);
        assert!(ints("3").unwrap().contains(3) && !ints("3").unwrap().contains(4));
        let several = ints(r#"[1, "0x10..0x12", "100.."]"#).unwrap();
        let found: Vec<i64> = [0, 1, 15, 16, 18, 19, 99, 100, i64::MAX]
            .into_iter()
            .filter(|n| several.contains(*n))
            .collect();
        assert_eq!(found, [1, 16, 18, 100, i64::MAX]);
        assert!(ints(r#""..-3""#).unwrap().contains(-3));
        assert!(ints(r#""5..2""#).unwrap_err().contains("empty"));
        assert!(
            ints(r#""a..b""#)
                .unwrap_err()
                .contains("neither a number nor a range")
        );
        assert!(ints("[]").unwrap_err().contains("empty list"));
        assert!(
            ints("1.5")
                .unwrap_err()
                .contains("a number or a range like \"2..5\", or a list")
        );
    }

    #[test]
    fn times() {
        let time = |text| value::<Time>(text);
        assert_eq!(time(r#""50ms""#), Ok(Time::exactly(Duration::from_millis(50))));
        let range = time(r#""250us..2s""#).unwrap();
        assert_eq!(
            (range.low, range.high),
            (Duration::from_micros(250), Duration::from_secs(2))
        );
        for wrong in [
            r#""50""#,
            r#""ms""#,
            r#""-1ms""#,
            r#""1h""#,
            r#""99999999999999999999s""#,
        ] {
            assert!(time(wrong).unwrap_err().contains("is not a time"), "{wrong}");
        }
        assert!(time(r#""2h""#).is_err() && time(r#""4000s""#).unwrap_err().contains("an hour"));
        assert!(time(r#""2s..1s""#).unwrap_err().contains("ends before"));
        assert!(time("50").unwrap_err().contains("a time like"));
    }

    #[test]
    fn bytes_and_words() {
        assert_eq!(
            value::<Bytes>(r#""de ad BEEF""#),
            Ok(Bytes(vec![0xde, 0xad, 0xbe, 0xef]))
        );
        assert!(value::<Bytes>(r#""abc""#).unwrap_err().contains("3 hex digits"));
        assert!(value::<Bytes>(r#""xy""#).unwrap_err().contains("not a hex digit"));
        assert_eq!(
            value::<Words>(r#"["a", 3]"#),
            Ok(Words(vec!["a".into(), "3".into()]))
        );
    }
}
