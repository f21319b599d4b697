//! Numbers and formatted text in wide characters, as those in bytes are read and written.

use super::convert::{self, Chars};
use super::errno::{EOVERFLOW, fail};
use super::format::{self, NO_LENGTH};
use super::stdio::{GuestArgs, MAX};
use super::wide::{illegal, put, string};
use crate::kernel::call::{Call, Done, VaList};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("wcstol", |c| convert::long(c, Chars::Wide), "`long wcstol(const wchar_t *s, wchar_t **end, int base)`: a number; ERANGE if it does not fit"),
    import("wcstoul", |c| convert::unsigned_long(c, Chars::Wide), "`unsigned long wcstoul(const wchar_t *s, wchar_t **end, int base)`: a number; ERANGE if it does not fit"),
    import("wcstoll", |c| convert::long_long(c, Chars::Wide), "`long long wcstoll(const wchar_t *s, wchar_t **end, int base)`: a number; ERANGE if it does not fit"),
    import("wcstoull", |c| convert::unsigned_long_long(c, Chars::Wide), "`unsigned long long wcstoull(const wchar_t *s, wchar_t **end, int base)`: a number; ERANGE if it does not fit"),
    import("wcstod", |c| convert::double(c, Chars::Wide), "`double wcstod(const wchar_t *s, wchar_t **end)`: as strtod"),
    import("wcstold", |c| convert::double(c, Chars::Wide), "`long double wcstold(const wchar_t *s, wchar_t **end)`: as strtod"),
    import("wcstof", |c| convert::float(c, Chars::Wide), "`float wcstof(const wchar_t *s, wchar_t **end)`: as strtof"),
    import("wcstoimax", |c| convert::long_long(c, Chars::Wide), "`intmax_t wcstoimax(const wchar_t *s, wchar_t **end, int base)`: as wcstoll"),
    import("wcstoumax", |c| convert::unsigned_long_long(c, Chars::Wide), "`uintmax_t wcstoumax(const wchar_t *s, wchar_t **end, int base)`: as wcstoull"),
    import("swprintf", swprintf, "`int swprintf(wchar_t *to, size_t room, const wchar_t *format, ...)`: into memory; -1 if there is no room"),
    import("vswprintf", vswprintf, "`int vswprintf(wchar_t *to, size_t room, const wchar_t *format, va_list)`: into memory; -1 if there is no room"),
];

fn swprintf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    into_buffer(c, list)
}

fn vswprintf(c: &mut Call<'_>) -> Done {
    let at = c.arg(3)?;
    into_buffer(c, VaList { at })
}

/// Formats into a buffer of as many characters as the second argument says, NUL included.
fn into_buffer(c: &mut Call<'_>, list: VaList) -> Done {
    let (to, room, text) = (c.arg(0)?, c.arg(1)? as usize, c.arg(2)?);
    let text = string(c, text, usize::MAX)?;
    let fits = room.saturating_sub(1).min(MAX);
    let mut out = format::format(&text, &mut GuestArgs { call: c, list }, fits)?;
    if room > 0 {
        out.text.push(0);
        put(c, to, &out.text)?;
    }
    match out.total {
        NO_LENGTH => illegal(c),
        total if room > 0 && total <= fits as u64 => c.ret(total as u32),
        _ => fail(c, EOVERFLOW),
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn numbers_are_read_from_wide_characters_as_from_bytes() {
        let mut g = Guest::new();
        let end = g.bytes(&[0; 4]);
        let text = g.wide("  -0x1fg");
        assert_eq!(g.call("wcstol", &[text, end, 0]) as i32, -31);
        assert_eq!(g.word(end), text + 4 * 7);
        let text = g.wide("99999999999\u{20ac}1");
        assert_eq!(g.call("wcstoul", &[text, end, 10]), u32::MAX);
        assert_eq!(
            (g.word(end), g.word(g.os.builtins.errno().unwrap())),
            (text + 44, 34)
        );
        assert_eq!(g.call64("wcstoll", &[text, 0, 10]), 99_999_999_999);
        assert_eq!(g.call64("wcstoull", &[text, 0, 10]), 99_999_999_999);
        let text = g.wide("1.5e2x");
        assert_eq!(f64::from_bits(g.call64("wcstod", &[text, end])), 150.0);
        assert_eq!(g.word(end), text + 20);
        assert_eq!(f32::from_bits(g.call("wcstof", &[text, 0])), 150.0);
        let text = g.wide("none");
        assert_eq!(g.call("wcstol", &[text, end, 10]), 0);
        assert_eq!(g.word(end), text);
        assert!(g.try_call("wcstol", &[2, 0, 10]).is_err());
    }

    #[test]
    fn text_is_formatted_into_wide_characters_or_not_at_all() {
        let mut g = Guest::new();
        let (to, text) = (g.bytes(&[0x55; 64]), g.wide("<%d>"));
        g.varargs(&[-42_i32 as u32]);
        assert_eq!(g.call("swprintf", &[to, 6, text]), 5);
        let read: Vec<u32> = (0..6).map(|n| g.word(to + 4 * n)).collect();
        assert_eq!(read, [60, 45, 52, 50, 62, 0]);
        for room in [0, 1, 5] {
            assert_eq!(g.call("swprintf", &[to, room, text]), u32::MAX, "{room}");
        }
        assert_eq!(g.word(g.os.builtins.errno().unwrap()), 75);
        // No byte is needed for a wide character in a wide text.
        let (format, euro) = (g.wide("%ls%lc\u{20ac}"), g.wide("\u{20ac}"));
        g.varargs(&[euro, 0x20ad]);
        assert_eq!(g.call("swprintf", &[to, 6, format]), 3);
        let read: Vec<u32> = (0..4).map(|n| g.word(to + 4 * n)).collect();
        assert_eq!(read, [0x20ac, 0x20ad, 0x20ac, 0]);
    }

    #[test]
    fn a_wide_character_is_found_before_memory_ends() {
        let mut g = Guest::new();
        let text = g.wide("abc");
        assert_eq!(g.call("wmemchr", &[text, 'c' as u32, u32::MAX]), text + 8);
        assert_eq!(g.call("wmemchr", &[text, 'c' as u32, 2]), 0);
        assert!(g.try_call("wmemchr", &[0xffff_fff0, 1, 9]).is_err());
    }
}
