//! `<time.h>`'s calendar: broken-down times and their texts, in UTC and the locale "C". The calendar is the Gregorian one throughout
//! (C17 7.27, POSIX `<time.h>`); there are no leap seconds and no time zones.
//!
//! `struct tm` has 44 bytes as in musl: nine numbers, the offset from UTC, and the zone's name.

use super::errno::{EOVERFLOW, fail_null};
use super::heap::allocate;
use super::unit::Unit;
use super::wide;
use crate::kernel::call::{Call, Done, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("gmtime", broken_down, "`struct tm *gmtime(const time_t *)`: in UTC, in memory that the next call changes; NULL and EOVERFLOW"),
    import("localtime", broken_down, "`struct tm *localtime(const time_t *)`: as gmtime, the zone is UTC"),
    import("gmtime_r", broken_down_to, "`struct tm *gmtime_r(const time_t *, struct tm *)`: in UTC; NULL and EOVERFLOW"),
    import("localtime_r", broken_down_to, "`struct tm *localtime_r(const time_t *, struct tm *)`: as gmtime_r, the zone is UTC"),
    import("timegm", timegm, "`time_t timegm(struct tm *)`: seconds since 1970; what is out of its range is brought into it; -1 and EOVERFLOW"),
    import("mktime", timegm, "`time_t mktime(struct tm *)`: as timegm, the zone is UTC"),
    import("asctime", asctime, "`char *asctime(const struct tm *)`: \"Thu Jan  1 00:00:00 1970\", a line, in memory that the next call changes"),
    import("asctime_r", asctime_r, "`char *asctime_r(const struct tm *, char *)`: as asctime, to 26 bytes"),
    import("ctime", ctime, "`char *ctime(const time_t *)`: as asctime"),
    import("ctime_r", ctime_r, "`char *ctime_r(const time_t *, char *)`: as asctime, to 26 bytes"),
    import("strftime", strftime, "`size_t strftime(char *, size_t room, const char *format, const struct tm *)`: 0 if there is no room"),
    import("wcsftime", wcsftime, "`size_t wcsftime(wchar_t *, size_t room, const wchar_t *format, const struct tm *)`: as strftime, in wide characters"),
    import("tzset", tzset, "`void tzset(void)`: the zone is UTC"),
];

/// Bytes of a `struct tm`, where its last two fields are, and bytes of `asctime`'s text.
const TM: u32 = 44;
pub(super) const OFFSET: u32 = 36;
const ZONE: u32 = 40;
const TEXT: u32 = 26;
/// The memory that `gmtime` and `asctime` answer in: a `struct tm`, the zone's name, a text.
const NAME_AT: u32 = TM;
const TEXT_AT: u32 = 48;
const ROOM: u32 = TEXT_AT + TEXT;

pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Days of a year before each month.
const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAY: i64 = 86_400;

/// A time, broken down: the fields of `struct tm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Broken {
    pub second: i32,
    pub minute: i32,
    pub hour: i32,
    pub day: i32,
    pub month: i32,
    /// Since 1900.
    pub year: i32,
    pub weekday: i32,
    pub yearday: i32,
    summer: i32,
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970-01-01 to the first of January of a year.
const fn days_before(year: i64) -> i64 {
    let years = year - 1;
    years * 365 + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400) - 719_162
}

impl Broken {
    /// The time so many seconds after 1970; `None`: its year is no `int`.
    pub fn of(seconds: i64) -> Option<Self> {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // A year has 365.2425 days: this is the year or one beside it.
        let mut year = 1970 + (i128::from(days) * 400).div_euclid(146_097) as i64;
        while days_before(year) > days {
            year -= 1;
        }
        while days_before(year + 1) <= days {
            year += 1;
        }
        let yearday = days - days_before(year);
        let leap = i64::from(is_leap(year));
        let start = |month: usize| BEFORE[month] + if month > 1 { leap } else { 0 };
        let month = (0..12).rev().find(|&month| start(month) <= yearday)?;
        Some(Self {
            second: (rest % 60) as i32,
            minute: (rest / 60 % 60) as i32,
            hour: (rest / 3600) as i32,
            day: (yearday - start(month) + 1) as i32,
            month: month as i32,
            year: i32::try_from(year - 1900).ok()?,
            weekday: (days + 4).rem_euclid(7) as i32,
            yearday: yearday as i32,
            summer: 0,
        })
    }

    /// Seconds since 1970; fields may be out of their ranges, weekday and yearday do not count.
    fn seconds(&self) -> i64 {
        let months = i64::from(self.year) * 12 + i64::from(self.month);
        let (year, month) = (months.div_euclid(12) + 1900, months.rem_euclid(12) as usize);
        let leap = i64::from(month > 1 && is_leap(year));
        let days = days_before(year) + BEFORE[month] + leap + i64::from(self.day) - 1;
        days * DAY + i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }

    pub fn load(c: &Call<'_>, at: u32) -> Result<Self, Stop> {
        let words: Vec<i32> = c
            .load(at, TM)?
            .chunks_exact(4)
            .map(|word| i32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        let [second, minute, hour, day, month, year, weekday, yearday, summer] = words[..9] else {
            return Ok(Self::default());
        };
        Ok(Self {
            second,
            minute,
            hour,
            day,
            month,
            year,
            weekday,
            yearday,
            summer,
        })
    }

    /// Stores the nine numbers.
    pub fn store_fields(&self, c: &Call<'_>, at: u32) -> Result<(), Stop> {
        let words = [
            self.second,
            self.minute,
            self.hour,
            self.day,
            self.month,
            self.year,
            self.weekday,
            self.yearday,
            self.summer,
        ];
        c.store(at, &words.map(i32::to_le_bytes).concat())
    }

    fn store(&self, c: &Call<'_>, at: u32, zone: u32) -> Result<(), Stop> {
        self.store_fields(c, at)?;
        c.store32(at.wrapping_add(OFFSET), 0)?;
        c.store32(at.wrapping_add(ZONE), zone)
    }

    fn day_name(&self) -> &'static str {
        DAYS.get(self.weekday as usize).copied().unwrap_or("???")
    }

    fn month_name(&self) -> &'static str {
        MONTHS.get(self.month as usize).copied().unwrap_or("???")
    }

    /// The full year.
    fn full_year(&self) -> i64 {
        i64::from(self.year) + 1900
    }

    fn line(&self) -> String {
        format!(
            "{:.3} {:.3}{:3} {:02}:{:02}:{:02} {}\n",
            self.day_name(),
            self.month_name(),
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.full_year()
        )
    }

    /// Year and week of ISO 8601: weeks begin on Monday, the first one has the year's first Thursday.
    fn iso_week(&self) -> (i64, i64) {
        let monday_based = (i64::from(self.weekday) + 6).rem_euclid(7);
        let week = (i64::from(self.yearday) - monday_based + 10).div_euclid(7);
        let year = self.full_year();
        let weeks = |year: i64| {
            let first = (days_before(year) + 4).rem_euclid(7);
            52 + i64::from(first == 4 || first == 3 && is_leap(year))
        };
        match week {
            ..1 => (year - 1, weeks(year - 1)),
            _ if week > weeks(year) => (year + 1, 1),
            _ => (year, week),
        }
    }

    /// What a conversion of `strftime` becomes; `None`: there is no such one.
    fn conversion(&self, letter: u8) -> Option<String> {
        let twelve = match self.hour.rem_euclid(12) {
            0 => 12,
            hour => hour,
        };
        let day = i64::from(self.yearday);
        let week = |first: i64| (day + 7 - (i64::from(self.weekday) - first).rem_euclid(7)) / 7;
        Some(match letter {
            b'a' => format!("{:.3}", self.day_name()),
            b'A' => self.day_name().to_owned(),
            b'b' | b'h' => format!("{:.3}", self.month_name()),
            b'B' => self.month_name().to_owned(),
            b'c' => self.line().trim_end().to_owned(),
            b'C' => format!("{:02}", self.full_year().div_euclid(100)),
            b'd' => format!("{:02}", self.day),
            b'D' | b'x' => format!(
                "{:02}/{:02}/{:02}",
                i64::from(self.month) + 1,
                self.day,
                self.full_year().rem_euclid(100)
            ),
            b'e' => format!("{:2}", self.day),
            b'F' => format!(
                "{}-{:02}-{:02}",
                self.full_year(),
                i64::from(self.month) + 1,
                self.day
            ),
            b'g' => format!("{:02}", self.iso_week().0.rem_euclid(100)),
            b'G' => self.iso_week().0.to_string(),
            b'H' => format!("{:02}", self.hour),
            b'I' => format!("{twelve:02}"),
            b'j' => format!("{:03}", day + 1),
            b'k' => format!("{:2}", self.hour),
            b'l' => format!("{twelve:2}"),
            b'm' => format!("{:02}", i64::from(self.month) + 1),
            b'M' => format!("{:02}", self.minute),
            b'n' => "\n".into(),
            b'p' => if self.hour < 12 { "AM" } else { "PM" }.into(),
            b'P' => if self.hour < 12 { "am" } else { "pm" }.into(),
            b'r' => format!(
                "{twelve:02}:{:02}:{:02} {}",
                self.minute,
                self.second,
                if self.hour < 12 { "AM" } else { "PM" }
            ),
            b'R' => format!("{:02}:{:02}", self.hour, self.minute),
            b's' => self.seconds().to_string(),
            b'S' => format!("{:02}", self.second),
            b't' => "\t".into(),
            b'T' | b'X' => format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second),
            b'u' => (i64::from(self.weekday) + 6)
                .rem_euclid(7)
                .wrapping_add(1)
                .to_string(),
            b'U' => format!("{:02}", week(0)),
            b'V' => format!("{:02}", self.iso_week().1),
            b'w' => self.weekday.to_string(),
            b'W' => format!("{:02}", week(1)),
            b'y' => format!("{:02}", self.full_year().rem_euclid(100)),
            b'Y' => self.full_year().to_string(),
            b'z' => "+0000".into(),
            b'Z' => "UTC".into(),
            b'%' => "%".into(),
            _ => return None,
        })
    }
}

/// Goes on with the memory that is answered in; 0: there is none.
fn with_memory(c: &mut Call<'_>, then: impl FnOnce(&mut Call<'_>, u32) -> Done + Send + 'static) -> Done {
    match c.os.lib.calendar {
        0 => {
            let made = move |c: &mut Call<'_>, at: u32| {
                if at != 0 {
                    c.os.lib.calendar = at;
                    c.store(at.wrapping_add(NAME_AT), b"UTC\0")?;
                }
                then(c, at)
            };
            allocate(c, ROOM, 16, Box::new(made))
        }
        at => then(c, at),
    }
}

fn broken_down(c: &mut Call<'_>) -> Done {
    let seconds = c.load64(c.arg(0)?)? as i64;
    let Some(time) = Broken::of(seconds) else {
        return fail_null(c, EOVERFLOW);
    };
    with_memory(c, move |c, at| {
        if at != 0 {
            time.store(c, at, at.wrapping_add(NAME_AT))?;
        }
        c.ret(at)
    })
}

fn broken_down_to(c: &mut Call<'_>) -> Done {
    let (seconds, to) = (c.load64(c.arg(0)?)? as i64, c.arg(1)?);
    let Some(time) = Broken::of(seconds) else {
        return fail_null(c, EOVERFLOW);
    };
    with_memory(c, move |c, at| {
        let zone = if at == 0 { 0 } else { at.wrapping_add(NAME_AT) };
        time.store(c, to, zone)?;
        c.ret(to)
    })
}

fn timegm(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let seconds = Broken::load(c, at)?.seconds();
    let Some(time) = Broken::of(seconds) else {
        c.set_errno(EOVERFLOW)?;
        return c.ret64(u64::MAX);
    };
    with_memory(c, move |c, memory| {
        let zone = if memory == 0 {
            0
        } else {
            memory.wrapping_add(NAME_AT)
        };
        time.store(c, at, zone)?;
        c.ret64(seconds as u64)
    })
}

/// `asctime`'s text of a time, which has room for years of four digits.
fn line(c: &mut Call<'_>, time: Broken, to: u32) -> Done {
    let mut text = time.line().into_bytes();
    if text.len() >= TEXT as usize {
        return fail_null(c, EOVERFLOW);
    }
    text.push(0);
    c.store(to, &text)?;
    c.ret(to)
}

fn line_in_memory(c: &mut Call<'_>, time: Broken) -> Done {
    with_memory(c, move |c, at| match at {
        0 => c.ret(0),
        at => line(c, time, at.wrapping_add(TEXT_AT)),
    })
}

fn asctime(c: &mut Call<'_>) -> Done {
    let time = Broken::load(c, c.arg(0)?)?;
    line_in_memory(c, time)
}

fn asctime_r(c: &mut Call<'_>) -> Done {
    let (time, to) = (Broken::load(c, c.arg(0)?)?, c.arg(1)?);
    line(c, time, to)
}

fn ctime(c: &mut Call<'_>) -> Done {
    match Broken::of(c.load64(c.arg(0)?)? as i64) {
        Some(time) => line_in_memory(c, time),
        None => fail_null(c, EOVERFLOW),
    }
}

fn ctime_r(c: &mut Call<'_>) -> Done {
    let to = c.arg(1)?;
    match Broken::of(c.load64(c.arg(0)?)? as i64) {
        Some(time) => line(c, time, to),
        None => fail_null(c, EOVERFLOW),
    }
}

/// The text that a format makes of a time, if it is shorter than the room.
fn formatted<U: Unit>(format: &[U], time: &Broken, room: usize) -> Option<Vec<U>> {
    let mut text = Vec::new();
    let mut rest = format.iter().copied();
    while let Some(unit) = rest.next() {
        if unit == U::of_byte(b'%') {
            // E and O ask for other calendars' digits, which the locale "C" does not have.
            let letter = match rest.next()?.byte()? {
                b'E' | b'O' => rest.next()?.byte()?,
                letter => letter,
            };
            let piece = time.conversion(letter)?;
            text.extend(piece.bytes().map(U::of_byte));
        } else {
            text.push(unit);
        }
        if text.len() >= room {
            return None;
        }
    }
    (room > 0).then_some(text)
}

fn strftime(c: &mut Call<'_>) -> Done {
    let (to, room) = (c.arg(0)?, c.arg(1)? as usize);
    let (format, time) = (c.cstr(c.arg(2)?)?, Broken::load(c, c.arg(3)?)?);
    let Some(mut text) = formatted(&format, &time, room) else {
        return c.ret(0);
    };
    let len = text.len() as u32;
    text.push(0);
    c.store(to, &text)?;
    c.ret(len)
}

fn wcsftime(c: &mut Call<'_>) -> Done {
    let (to, room) = (c.arg(0)?, c.arg(1)? as usize);
    let (format, time) = (
        wide::string(c, c.arg(2)?, usize::MAX)?,
        Broken::load(c, c.arg(3)?)?,
    );
    let Some(mut text) = formatted(&format, &time, room) else {
        return c.ret(0);
    };
    let len = text.len() as u32;
    text.push(0);
    wide::put(c, to, &text)?;
    c.ret(len)
}

fn tzset(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::testing::Guest;

    fn text_of(g: &mut Guest, format: &[u8], seconds: i64) -> String {
        let (at, format) = (
            g.bytes(&seconds.to_le_bytes()),
            g.bytes(&[format, b"\0"].concat()),
        );
        let to = g.bytes(&[0; 256]);
        let tm = g.call("gmtime", &[at]);
        let len = g.call("strftime", &[to, 256, format, tm]);
        let text = g.text(to);
        assert_eq!(len as usize, text.len());
        text
    }

    #[test]
    fn wide_formats_are_those_of_bytes() {
        let mut g = Guest::new();
        let (at, format, to) = (g.bytes(&[0; 8]), g.wide("%Y\u{20ac}%p"), g.bytes(&[0; 64]));
        let tm = g.call("gmtime", &[at]);
        assert_eq!(g.call("wcsftime", &[to, 8, format, tm]), 7);
        assert_eq!(
            (g.word(to + 16), g.word(to + 24), g.word(to + 28)),
            (0x20ac, 77, 0)
        );
        assert_eq!(g.call("wcsftime", &[to, 7, format, tm]), 0);
        let wrong = g.wide("%\u{20ac}");
        assert_eq!(g.call("wcsftime", &[to, 7, wrong, tm]), 0);
    }

    #[test]
    fn times_are_broken_down_and_written() {
        let mut g = Guest::new();
        // date -u -d @… says the same.
        let all =
            b"%a %A %b %B %C %d %D %e %F %g %G %H %I %j %m %M %p %R %S %T %u %U %V %w %W %y %Y %z %Z %%";
        assert_eq!(
            text_of(&mut g, all, 0),
            "Thu Thursday Jan January 19 01 01/01/70  1 1970-01-01 70 1970 00 12 001 01 00 AM 00:00 00 00:00:00 4 00 01 4 00 70 1970 +0000 UTC %"
        );
        assert_eq!(
            text_of(&mut g, all, 1_709_210_096),
            "Thu Thursday Feb February 20 29 02/29/24 29 2024-02-29 24 2024 12 12 060 02 34 PM 12:34 56 12:34:56 4 08 09 4 09 24 2024 +0000 UTC %"
        );
        // A Friday in the last week of the year before, and a Monday in the first one of the year after.
        assert_eq!(
            text_of(&mut g, b"%G-W%V-%u %F", 1_609_459_200),
            "2020-W53-5 2021-01-01"
        );
        assert_eq!(
            text_of(&mut g, b"%G-W%V-%u %F", 1_735_516_800),
            "2025-W01-1 2024-12-30"
        );
        let at = g.bytes(&(-1i64).to_le_bytes());
        let line = g.call("ctime", &[at]);
        assert_eq!(g.text(line), "Wed Dec 31 23:59:59 1969\n");
    }

    #[test]
    fn what_is_too_long_or_too_far_is_refused() {
        let mut g = Guest::new();
        let (to, tm, format) = (g.bytes(&[7; 16]), g.bytes(&[0; 44]), g.bytes(b"%Y\0"));
        assert_eq!(g.call("strftime", &[to, 4, format, tm]), 0);
        assert_eq!(g.call("strftime", &[to, 5, format, tm]), 4);
        let unknown = g.bytes(b"%Q\0");
        assert_eq!(g.call("strftime", &[to, 16, unknown, tm]), 0);
        let far = g.bytes(&i64::MAX.to_le_bytes());
        assert_eq!(g.call("gmtime", &[far]), 0);
        let errno = g.call("__errno_location", &[]);
        assert_eq!(g.word(errno), EOVERFLOW);
        // Years of five digits have no room in asctime's text.
        let year = g.bytes(&300_000_000_000i64.to_le_bytes());
        assert_eq!(g.call("ctime", &[year]), 0);
    }

    #[test]
    fn fields_out_of_their_ranges_are_brought_into_them() {
        let mut g = Guest::new();
        // 2023-14-31 25:61:61 is 2024-03-03 02:02:01.
        let words = [61, 61, 25, 31, 13, 123, 0, 0, 0, 7, 7];
        let tm = g.bytes(&words.map(i32::to_le_bytes).concat());
        let seconds = g.call("timegm", &[tm]);
        assert_eq!(seconds, 1_709_431_321);
        let (to, format) = (g.bytes(&[0; 64]), g.bytes(b"%F %T %a %j\0"));
        g.call("strftime", &[to, 64, format, tm]);
        assert_eq!(g.text(to), "2024-03-03 02:02:01 Sun 063");
    }

    proptest! {
        #[test]
        fn seconds_come_back(seconds in prop_oneof![any::<i64>(), -70_000_000_000_000..70_000_000_000_000i64]) {
            if let Some(time) = Broken::of(seconds) {
                prop_assert_eq!(time.seconds(), seconds);
                prop_assert!((0..12).contains(&time.month) && (1..=31).contains(&time.day));
            }
        }

        #[test]
        fn any_fields_have_a_text(words in prop::array::uniform9(any::<i32>()), letter in any::<u8>()) {
            let [second, minute, hour, day, month, year, weekday, yearday, summer] = words;
            let time = Broken { second, minute, hour, day, month, year, weekday, yearday, summer };
            let _ = (time.conversion(letter), time.line(), time.seconds());
        }
    }
}
