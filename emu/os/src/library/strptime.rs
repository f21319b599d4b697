//! `strptime` of `<time.h>` (POSIX): a text by a format into a broken-down time. Only the fields that the format names are set, as in
//! musl; those whose text is read and dropped are named below.

use super::calendar::{Broken, DAYS, MONTHS, OFFSET};
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("strptime", strptime, "`char *strptime(const char *, const char *format, struct tm *)`: what a text says by a format, behind what was read; NULL if it says something else"),
];

/// Formats in formats that are read (`%c` has `%T`).
const DEEPEST: u32 = 4;

/// A text being read.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    time: Broken,
    /// The hour is one of twelve.
    twelve: bool,
    afternoon: Option<bool>,
    century: Option<i32>,
    year_of_century: Option<i32>,
    offset: Option<i32>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_whitespace() || byte == 0x0b)
        {
            self.at += 1;
        }
    }

    /// A number of at most so many digits, in a range.
    fn number(&mut self, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        self.skip_spaces();
        let rest = self.text.get(self.at..)?;
        let count = rest
            .iter()
            .take(digits)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let value: i64 = std::str::from_utf8(&rest[..count]).ok()?.parse().ok()?;
        self.at += count;
        range.contains(&value).then_some(value)
    }

    fn small(&mut self, digits: usize, least: i64, most: i64) -> Option<i32> {
        self.number(digits, least..=most).map(|value| value as i32)
    }

    /// One of these names, whole or its first three letters; which.
    fn name(&mut self, names: &[&str]) -> Option<i32> {
        self.skip_spaces();
        let rest = self.text.get(self.at..)?;
        let begins = |name: &str| {
            let head = rest.get(..name.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
        };
        let len = |name: &&str| {
            [*name, &name[..3]]
                .into_iter()
                .find(|name| begins(name))
                .map(str::len)
        };
        let (which, len) = (0..).zip(names).find_map(|(n, name)| Some((n, len(name)?)))?;
        self.at += len;
        Some(which)
    }

    /// `+hh`, `+hhmm` or `+hh:mm`, or Z; seconds to the east.
    fn zone(&mut self) -> Option<i32> {
        self.skip_spaces();
        let sign = match self.peek()? {
            b'+' => 1,
            b'-' => -1,
            b'Z' => {
                self.at += 1;
                return Some(0);
            }
            _ => return None,
        };
        self.at += 1;
        let two = |reader: &mut Self, most: i32| {
            let digits = reader.text.get(reader.at..reader.at + 2)?;
            let value: i32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            let plain = digits.iter().all(u8::is_ascii_digit) && value <= most;
            reader.at += 2;
            plain.then_some(value)
        };
        let hours = two(self, 24)?;
        let minutes = match self.peek() {
            Some(b':') => {
                self.at += 1;
                two(self, 59)?
            }
            Some(byte) if byte.is_ascii_digit() => two(self, 59)?,
            _ => 0,
        };
        Some(sign * (hours * 3600 + minutes * 60))
    }

    /// Reads a text by a format; `None`: it is another one.
    fn read(&mut self, format: &[u8], depth: u32) -> Option<()> {
        let mut format = format.iter().copied();
        while let Some(byte) = format.next() {
            if byte.is_ascii_whitespace() || byte == 0x0b {
                self.skip_spaces();
                continue;
            }
            if byte != b'%' {
                self.literal(byte)?;
                continue;
            }
            // E and O ask for other calendars' digits, which the locale "C" does not have.
            let letter = match format.next()? {
                b'E' | b'O' => format.next()?,
                letter => letter,
            };
            self.conversion(letter, depth)?;
        }
        Some(())
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        if self.peek() != Some(byte) {
            return None;
        }
        self.at += 1;
        Some(())
    }

    fn conversion(&mut self, letter: u8, depth: u32) -> Option<()> {
        match letter {
            b'a' | b'A' => self.time.weekday = self.name(&DAYS)?,
            b'b' | b'B' | b'h' => self.time.month = self.name(&MONTHS)?,
            b'C' => self.century = Some(self.small(2, 0, 99)?),
            b'd' | b'e' => self.time.day = self.small(2, 1, 31)?,
            b'H' | b'k' => (self.time.hour, self.twelve) = (self.small(2, 0, 23)?, false),
            b'I' | b'l' => (self.time.hour, self.twelve) = (self.small(2, 1, 12)?, true),
            b'j' => self.time.yearday = self.small(3, 1, 366)? - 1,
            b'm' => self.time.month = self.small(2, 1, 12)? - 1,
            b'M' => self.time.minute = self.small(2, 0, 59)?,
            b'n' | b't' => self.skip_spaces(),
            b'p' | b'P' => {
                self.skip_spaces();
                let half = self.text.get(self.at..self.at + 2)?;
                let half = [half[0].to_ascii_lowercase(), half[1].to_ascii_lowercase()];
                self.afternoon = Some(match &half {
                    b"am" => false,
                    b"pm" => true,
                    _ => return None,
                });
                self.at += 2;
            }
            b's' => {
                let seconds = self.number(18, 0..=i64::MAX)?;
                self.time = Broken::of(seconds)?;
                (self.twelve, self.century, self.year_of_century) = (false, None, None);
            }
            b'S' => self.time.second = self.small(2, 0, 60)?,
            b'u' => self.time.weekday = self.small(1, 1, 7)? % 7,
            b'w' => self.time.weekday = self.small(1, 0, 6)?,
            // Weeks say nothing without a weekday and a year: read and dropped.
            b'U' | b'W' | b'V' => {
                self.small(2, 0, 53)?;
            }
            b'g' => {
                self.small(2, 0, 99)?;
            }
            b'G' => {
                self.small(4, 0, 9999)?;
            }
            b'y' => self.year_of_century = Some(self.small(2, 0, 99)?),
            b'Y' => {
                self.time.year = self.year()?;
                (self.century, self.year_of_century) = (None, None);
            }
            b'z' => self.offset = Some(self.zone()?),
            // Names of zones are not known: read and dropped.
            b'Z' => {
                while self.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
                    self.at += 1;
                }
            }
            b'%' => self.literal(b'%')?,
            _ => {
                let whole: &[u8] = match letter {
                    b'c' => b"%a %b %e %T %Y",
                    b'D' | b'x' => b"%m/%d/%y",
                    b'F' => b"%Y-%m-%d",
                    b'r' => b"%I:%M:%S %p",
                    b'R' => b"%H:%M",
                    b'T' | b'X' => b"%H:%M:%S",
                    _ => return None,
                };
                return (depth < DEEPEST).then(|| self.read(whole, depth + 1))?;
            }
        }
        Some(())
    }

    /// A year, with its sign if it has one.
    fn year(&mut self) -> Option<i32> {
        self.skip_spaces();
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative || self.peek() == Some(b'+'));
        let year = self.number(9, 0..=i64::from(i32::MAX))?;
        let year = if negative { -year } else { year };
        i32::try_from(year - 1900).ok()
    }

    /// What several conversions say together.
    fn finish(&mut self) {
        if self.twelve {
            let half = if self.afternoon == Some(true) { 12 } else { 0 };
            self.time.hour = self.time.hour % 12 + half;
        }
        self.time.year = match (self.century, self.year_of_century) {
            (Some(century), year) => 100 * (century - 19) + year.unwrap_or(self.time.year.rem_euclid(100)),
            // POSIX: 69 to 99 are of the twentieth century.
            (None, Some(year)) => year + if year < 69 { 100 } else { 0 },
            (None, None) => self.time.year,
        };
    }
}

fn strptime(c: &mut Call<'_>) -> Done {
    let (at, text, format) = (c.arg(0)?, c.cstr(c.arg(0)?)?, c.cstr(c.arg(1)?)?);
    let to = c.arg(2)?;
    let mut reader = Reader {
        text: &text,
        at: 0,
        time: Broken::load(c, to)?,
        twelve: false,
        afternoon: None,
        century: None,
        year_of_century: None,
        offset: None,
    };
    if reader.read(&format, 0).is_none() {
        return c.ret(0);
    }
    reader.finish();
    reader.time.store_fields(c, to)?;
    if let Some(offset) = reader.offset {
        c.store32(to.wrapping_add(OFFSET), offset as u32)?;
    }
    c.ret(at.wrapping_add(reader.at as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::kernel::testing::Guest;

    /// Fields of the time, and what was not read.
    fn read(g: &mut Guest, text: &str, format: &str) -> Option<(Vec<i32>, String)> {
        let (text, format) = (
            g.bytes(format!("{text}\0").as_bytes()),
            g.bytes(format!("{format}\0").as_bytes()),
        );
        let to = g.bytes(&[0; 44]);
        match g.call("strptime", &[text, format, to]) {
            0 => None,
            end => Some(((0..10).map(|n| g.word(to + 4 * n) as i32).collect(), g.text(end))),
        }
    }

    #[test]
    fn texts_are_read_by_formats() {
        let mut g = Guest::new();
        let mut fields = |text: &str, format: &str| read(&mut g, text, format).map(|(fields, _)| fields);
        let zero = |changes: &[(usize, i32)]| {
            let mut all = vec![0; 10];
            for &(n, value) in changes {
                all[n] = value;
            }
            Some(all)
        };
        let day = [(3, 29), (4, 1), (5, 124)];
        assert_eq!(fields("2024-02-29", "%F"), zero(&day));
        assert_eq!(fields("02/29/24", "%D"), zero(&day));
        assert_eq!(fields("29  February\n2024", "%d %b %Y"), zero(&day));
        let whole = [(0, 5), (1, 4), (2, 15), (3, 29), (4, 1), (5, 124), (6, 4)];
        assert_eq!(fields("thu FEB 29 15:04:05 2024", "%c"), zero(&whole));
        assert_eq!(fields("12:04:05 am", "%r"), zero(&[(0, 5), (1, 4)]));
        assert_eq!(fields("PM 03", "%p %I"), zero(&[(2, 15)]));
        assert_eq!(fields("69 ", "%y %n"), zero(&[(5, 69)]));
        assert_eq!(fields("68", "%y"), zero(&[(5, 168)]));
        assert_eq!(fields("18 07", "%C %y"), zero(&[(5, -93)]));
        assert_eq!(fields("100 % 7", "%j %% %u"), zero(&[(7, 99)]));
        assert_eq!(fields("-01:30", "%z"), zero(&[(9, -5400)]));
        assert_eq!(fields("+0200", "%z"), zero(&[(9, 7200)]));
        assert_eq!(
            fields("1709219045", "%s"),
            zero(&[
                (0, 5),
                (1, 4),
                (2, 15),
                (3, 29),
                (4, 1),
                (5, 124),
                (6, 4),
                (7, 59)
            ])
        );
        for (text, format) in [
            ("2024-13-01", "%F"),
            ("24:00", "%R"),
            ("x", "y"),
            ("", "%d"),
            ("1", "%Q"),
            ("noon", "%p"),
            ("1", "%"),
            ("", "x"),
        ] {
            assert_eq!(fields(text, format), None, "{text} {format}");
        }
        assert_eq!(read(&mut g, "10:30 and more", "%R").unwrap().1, " and more");
    }

    proptest! {
        #[test]
        fn any_text_and_format_end(text in "[ -~]{0,30}", format in "([ -~]|%[a-zA-Z]){0,12}") {
            read(&mut Guest::new(), &text, &format);
        }

        #[test]
        fn what_is_written_is_read(seconds in 0i64..32_000_000_000) {
            let mut g = Guest::new();
            let (at, to) = (g.bytes(&seconds.to_le_bytes()), g.bytes(&[0; 44]));
            g.call("gmtime_r", &[at, to]);
            let (text, format) = (g.bytes(&[0; 64]), g.bytes(b"%a %b %d %I:%M:%S %p %Y %j\0"));
            g.call("strftime", &[text, 64, format, to]);
            let back = g.bytes(&[0; 44]);
            prop_assert_ne!(g.call("strptime", &[text, format, back]), 0);
            prop_assert_eq!(g.read(back, 36), g.read(to, 36));
        }
    }
}
