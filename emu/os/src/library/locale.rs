//! Locales, of which there is one: "C". A `locale_t` is a number that says so; functions that take one do as those without.

use super::calendar::IMPORTS as CALENDAR;
use super::convert::IMPORTS as CONVERT;
use super::ctype::IMPORTS as CTYPE;
use super::errno::{EINVAL, ENOENT, IMPORTS as ERRNO, fail_null};
use super::heap::allocate;
use super::string::IMPORTS as STRING;
use super::string_more::IMPORTS as MORE;
use super::wide::IMPORTS as WIDE;
use super::wide_strings::IMPORTS as WIDE_MORE;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, alias, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("newlocale", newlocale, "`locale_t newlocale(int mask, const char *name, locale_t)`: the locale \"C\"; NULL and ENOENT for any other than \"C\", \"POSIX\" and the default"),
    import("duplocale", duplocale, "`locale_t duplocale(locale_t)`: the locale \"C\"; NULL and EINVAL"),
    import("freelocale", freelocale, "`void freelocale(locale_t)`: there is nothing to be freed"),
    import("uselocale", uselocale, "`locale_t uselocale(locale_t)`: LC_GLOBAL_LOCALE (-1), which is \"C\"; NULL and EINVAL"),
    import("localeconv", localeconv, "`struct lconv *localeconv(void)`: a point, and nothing else"),
    import("nl_langinfo", nl_langinfo, "`char *nl_langinfo(nl_item)`: \"ASCII\" (14), the point (0x10000); an empty text for others"),
    import("__ctype_get_mb_cur_max", |c| c.ret(1), "`size_t __ctype_get_mb_cur_max(void)`: a character has one byte"),
    alias("isalnum_l", CTYPE, "isalnum", "`int isalnum_l(int byte, locale_t)`: as isalnum"),
    alias("isalpha_l", CTYPE, "isalpha", "`int isalpha_l(int byte, locale_t)`: as isalpha"),
    alias("isblank_l", MORE, "isblank", "`int isblank_l(int byte, locale_t)`: as isblank"),
    alias("iscntrl_l", CTYPE, "iscntrl", "`int iscntrl_l(int byte, locale_t)`: as iscntrl"),
    alias("isdigit_l", CTYPE, "isdigit", "`int isdigit_l(int byte, locale_t)`: as isdigit"),
    alias("isgraph_l", CTYPE, "isgraph", "`int isgraph_l(int byte, locale_t)`: as isgraph"),
    alias("islower_l", CTYPE, "islower", "`int islower_l(int byte, locale_t)`: as islower"),
    alias("isprint_l", CTYPE, "isprint", "`int isprint_l(int byte, locale_t)`: as isprint"),
    alias("ispunct_l", CTYPE, "ispunct", "`int ispunct_l(int byte, locale_t)`: as ispunct"),
    alias("isspace_l", CTYPE, "isspace", "`int isspace_l(int byte, locale_t)`: as isspace"),
    alias("isupper_l", CTYPE, "isupper", "`int isupper_l(int byte, locale_t)`: as isupper"),
    alias("isxdigit_l", CTYPE, "isxdigit", "`int isxdigit_l(int byte, locale_t)`: as isxdigit"),
    alias("tolower_l", CTYPE, "tolower", "`int tolower_l(int byte, locale_t)`: as tolower"),
    alias("toupper_l", CTYPE, "toupper", "`int toupper_l(int byte, locale_t)`: as toupper"),
    alias("iswalnum_l", WIDE, "iswalnum", "`int iswalnum_l(wint_t, locale_t)`: as iswalnum"),
    alias("iswalpha_l", WIDE, "iswalpha", "`int iswalpha_l(wint_t, locale_t)`: as iswalpha"),
    alias("iswblank_l", WIDE_MORE, "iswblank", "`int iswblank_l(wint_t, locale_t)`: as iswblank"),
    alias("iswcntrl_l", WIDE, "iswcntrl", "`int iswcntrl_l(wint_t, locale_t)`: as iswcntrl"),
    alias("iswdigit_l", WIDE, "iswdigit", "`int iswdigit_l(wint_t, locale_t)`: as iswdigit"),
    alias("iswgraph_l", WIDE_MORE, "iswgraph", "`int iswgraph_l(wint_t, locale_t)`: as iswgraph"),
    alias("iswlower_l", WIDE, "iswlower", "`int iswlower_l(wint_t, locale_t)`: as iswlower"),
    alias("iswprint_l", WIDE, "iswprint", "`int iswprint_l(wint_t, locale_t)`: as iswprint"),
    alias("iswpunct_l", WIDE, "iswpunct", "`int iswpunct_l(wint_t, locale_t)`: as iswpunct"),
    alias("iswspace_l", WIDE, "iswspace", "`int iswspace_l(wint_t, locale_t)`: as iswspace"),
    alias("iswupper_l", WIDE, "iswupper", "`int iswupper_l(wint_t, locale_t)`: as iswupper"),
    alias("iswxdigit_l", WIDE, "iswxdigit", "`int iswxdigit_l(wint_t, locale_t)`: as iswxdigit"),
    alias("iswctype_l", WIDE_MORE, "iswctype", "`int iswctype_l(wint_t, wctype_t, locale_t)`: as iswctype"),
    alias("wctype_l", WIDE_MORE, "wctype", "`wctype_t wctype_l(const char *name, locale_t)`: as wctype"),
    alias("towlower_l", WIDE, "towlower", "`wint_t towlower_l(wint_t, locale_t)`: as towlower"),
    alias("towupper_l", WIDE, "towupper", "`wint_t towupper_l(wint_t, locale_t)`: as towupper"),
    alias("strcoll_l", STRING, "strcoll", "`int strcoll_l(const char *a, const char *b, locale_t)`: as strcoll"),
    alias("strxfrm_l", MORE, "strxfrm", "`size_t strxfrm_l(char *to, const char *from, size_t room, locale_t)`: as strxfrm"),
    alias("strcasecmp_l", STRING, "strcasecmp", "`int strcasecmp_l(const char *a, const char *b, locale_t)`: as strcasecmp"),
    alias("strncasecmp_l", STRING, "strncasecmp", "`int strncasecmp_l(const char *a, const char *b, size_t max, locale_t)`: as strncasecmp"),
    alias("strerror_l", ERRNO, "strerror", "`char *strerror_l(int number, locale_t)`: as strerror"),
    alias("strftime_l", CALENDAR, "strftime", "`size_t strftime_l(char *, size_t room, const char *format, const struct tm *, locale_t)`: as strftime"),
    alias("wcscoll_l", WIDE_MORE, "wcscoll", "`int wcscoll_l(const wchar_t *a, const wchar_t *b, locale_t)`: as wcscoll"),
    alias("wcsxfrm_l", WIDE_MORE, "wcsxfrm", "`size_t wcsxfrm_l(wchar_t *to, const wchar_t *from, size_t room, locale_t)`: as wcsxfrm"),
    alias("strtod_l", CONVERT, "strtod", "`double strtod_l(const char *s, char **end, locale_t)`: as strtod"),
    alias("strtof_l", CONVERT, "strtof", "`float strtof_l(const char *s, char **end, locale_t)`: as strtof"),
    alias("strtold_l", CONVERT, "strtold", "`long double strtold_l(const char *s, char **end, locale_t)`: as strtod"),
    alias("strtoll_l", CONVERT, "strtoll", "`long long strtoll_l(const char *s, char **end, int base, locale_t)`: as strtoll"),
    alias("strtoull_l", CONVERT, "strtoull", "`unsigned long long strtoull_l(const char *s, char **end, int base, locale_t)`: as strtoull"),
];

/// A `locale_t` of "C", and `LC_GLOBAL_LOCALE`.
const C: u32 = 1;
const GLOBAL: u32 = u32::MAX;
/// Bytes of musl's `struct lconv`: ten pointers to text and fourteen numbers; then the texts "" and ".".
const LCONV: u32 = 56;
/// `CODESET` and `RADIXCHAR` as in musl.
const CODESET: u32 = 14;
const RADIXCHAR: u32 = 0x1_0000;

fn newlocale(c: &mut Call<'_>) -> Done {
    let name = c.cstr_max(c.arg(1)?, 16)?;
    match &*name {
        b"" | b"C" | b"POSIX" => c.ret(C),
        _ => fail_null(c, ENOENT),
    }
}

fn duplocale(c: &mut Call<'_>) -> Done {
    match c.arg(0)? {
        C | GLOBAL => c.ret(C),
        _ => fail_null(c, EINVAL),
    }
}

fn freelocale(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn uselocale(c: &mut Call<'_>) -> Done {
    match c.arg(0)? {
        0 | C | GLOBAL => c.ret(GLOBAL),
        _ => fail_null(c, EINVAL),
    }
}

/// Goes on with `struct lconv` and the texts behind it; 0: there is no memory.
fn with_facts(c: &mut Call<'_>, then: impl FnOnce(&mut Call<'_>, u32) -> Done + Send + 'static) -> Done {
    let fill = |c: &mut Call<'_>, at: u32| {
        let (none, point) = (at + LCONV, at + LCONV + 1);
        let mut facts: Vec<u8> = [point, none, none, none, none, none, none, none, none, none]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        // CHAR_MAX: not said.
        facts.resize(LCONV as usize, u8::MAX);
        facts.extend(b"\0.\0ASCII\0");
        c.store(at, &facts)
    };
    match c.os.lib.facts {
        0 => allocate(
            c,
            LCONV + 9,
            16,
            Box::new(move |c, at| {
                if at != 0 {
                    fill(c, at)?;
                    c.os.lib.facts = at;
                }
                then(c, at)
            }),
        ),
        at => then(c, at),
    }
}

fn localeconv(c: &mut Call<'_>) -> Done {
    with_facts(c, |c, at| c.ret(at))
}

fn nl_langinfo(c: &mut Call<'_>) -> Done {
    let item = c.arg(0)?;
    with_facts(c, move |c, at| {
        let text = match item {
            CODESET => 3,
            RADIXCHAR => 1,
            _ => 0,
        };
        c.ret(if at == 0 { 0 } else { at + LCONV + text })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn there_is_one_locale_and_its_facts() {
        let mut g = Guest::new();
        let (c, other) = (g.bytes(b"C\0"), g.bytes(b"de_DE\0"));
        let locale = g.call("newlocale", &[63, c, 0]);
        assert_eq!((locale, g.call("newlocale", &[63, other, 0])), (C, 0));
        assert_eq!(
            (g.call("uselocale", &[locale]), g.call("uselocale", &[7])),
            (GLOBAL, 0)
        );
        assert_eq!(g.call("duplocale", &[GLOBAL]), C);
        let facts = g.call("localeconv", &[]);
        let (point, separator) = (g.word(facts), g.word(facts + 4));
        assert_eq!((g.text(point), g.text(separator)), (".".into(), String::new()));
        assert_eq!(g.read(facts + 40, 14), [u8::MAX; 14]);
        let name = g.call("nl_langinfo", &[CODESET]);
        assert_eq!(g.text(name), "ASCII");
        let point = g.call("nl_langinfo", &[RADIXCHAR]);
        assert_eq!(g.text(point), ".");
        assert_eq!(
            (g.call("isalpha_l", &[97, C]), g.call("towupper_l", &[97, C])),
            (1, 65)
        );
        let number = g.bytes(b"2.5\0");
        assert_eq!(f64::from_bits(g.call64("strtod_l", &[number, 0, C])), 2.5);
    }
}
