//! Wide characters: `wchar_t` has 32 bits. In the locale "C" a wide character up to 255 is that byte, and a larger one is an error.

use super::errno::EILSEQ;
use crate::kernel::call::{Call, Done, MAX_STRING, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("wcslen", wcslen, "`size_t wcslen(const wchar_t *)`: characters without NUL"),
    import("wcscpy", wcscpy, "`wchar_t *wcscpy(wchar_t *to, const wchar_t *from)`: copies a string"),
    import("wcsncpy", wcsncpy, "`wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t len)`: pads with NUL, may leave none"),
    import("wcscat", wcscat, "`wchar_t *wcscat(wchar_t *to, const wchar_t *from)`: appends"),
    import("wcscmp", wcscmp, "`int wcscmp(const wchar_t *a, const wchar_t *b)`: compares"),
    import("wcsncmp", wcsncmp, "`int wcsncmp(const wchar_t *a, const wchar_t *b, size_t max)`: compares at most so much"),
    import("wcschr", wcschr, "`wchar_t *wcschr(const wchar_t *s, wchar_t)`: finds a character; the NUL counts"),
    import("wcsrchr", wcsrchr, "`wchar_t *wcsrchr(const wchar_t *s, wchar_t)`: finds the last such character; the NUL counts"),
    import("wmemcpy", wmemcpy, "`wchar_t *wmemcpy(wchar_t *to, const wchar_t *from, size_t count)`: copies; ranges may overlap"),
    import("wmemmove", wmemcpy, "`wchar_t *wmemmove(wchar_t *to, const wchar_t *from, size_t count)`: copies; ranges may overlap"),
    import("wmemset", wmemset, "`wchar_t *wmemset(wchar_t *to, wchar_t, size_t count)`: fills"),
    import("wmemcmp", wmemcmp, "`int wmemcmp(const wchar_t *a, const wchar_t *b, size_t count)`: compares"),
    import("wmemchr", wmemchr, "`wchar_t *wmemchr(const wchar_t *at, wchar_t, size_t count)`: finds a character; reads none behind it"),
    import("mbstowcs", mbstowcs, "`size_t mbstowcs(wchar_t *to, const char *from, size_t room)`: as many characters as bytes"),
    import("wcstombs", wcstombs, "`size_t wcstombs(char *to, const wchar_t *from, size_t room)`: -1 and EILSEQ for characters above 255"),
    import("mbtowc", mbtowc, "`int mbtowc(wchar_t *to, const char *s, size_t len)`: one character; 0 at NUL, -1 if there is no byte"),
    import("mbrtowc", mbrtowc, "`size_t mbrtowc(wchar_t *to, const char *s, size_t len, mbstate_t *)`: one character; 0 at NUL, -2 if there is no byte"),
    import("mbrlen", mbrlen, "`size_t mbrlen(const char *s, size_t len, mbstate_t *)`: bytes of one character"),
    import("mblen", mblen, "`int mblen(const char *s, size_t len)`: bytes of one character; -1 if there is no byte"),
    import("wctomb", wctomb, "`int wctomb(char *to, wchar_t)`: one byte; -1 and EILSEQ for characters above 255"),
    import("wcrtomb", wctomb, "`size_t wcrtomb(char *to, wchar_t, mbstate_t *)`: one byte; -1 and EILSEQ for characters above 255"),
    import("mbsinit", mbsinit, "`int mbsinit(const mbstate_t *)`: 1, characters have no state"),
    import("btowc", btowc, "`wint_t btowc(int byte)`: the byte as a character; -1 for EOF"),
    import("wctob", wctob, "`int wctob(wint_t)`: the character as a byte; -1 if it is none"),
    import("iswalpha", |c| class(c, |b| b.is_ascii_alphabetic()), "`int iswalpha(wint_t)`: a letter?"),
    import("iswalnum", |c| class(c, |b| b.is_ascii_alphanumeric()), "`int iswalnum(wint_t)`: a letter or a digit?"),
    import("iswdigit", |c| class(c, |b| b.is_ascii_digit()), "`int iswdigit(wint_t)`: a decimal digit?"),
    import("iswxdigit", |c| class(c, |b| b.is_ascii_hexdigit()), "`int iswxdigit(wint_t)`: a hexadecimal digit?"),
    import("iswspace", |c| class(c, |b| b.is_ascii_whitespace() || b == 0x0b), "`int iswspace(wint_t)`: white space?"),
    import("iswupper", |c| class(c, |b| b.is_ascii_uppercase()), "`int iswupper(wint_t)`: a capital?"),
    import("iswlower", |c| class(c, |b| b.is_ascii_lowercase()), "`int iswlower(wint_t)`: a small letter?"),
    import("iswpunct", |c| class(c, |b| b.is_ascii_punctuation()), "`int iswpunct(wint_t)`: prints something, and no letter or digit?"),
    import("iswprint", |c| class(c, |b| b.is_ascii_graphic() || b == b' '), "`int iswprint(wint_t)`: prints something, or a space?"),
    import("iswcntrl", |c| class(c, |b| b.is_ascii_control()), "`int iswcntrl(wint_t)`: a control character?"),
    import("towlower", |c| map(c, |b| b.to_ascii_lowercase()), "`wint_t towlower(wint_t)`: as a small letter"),
    import("towupper", |c| map(c, |b| b.to_ascii_uppercase()), "`wint_t towupper(wint_t)`: as a capital"),
];

/// A string of wide characters, without its NUL; at most `max` characters of it.
pub(super) fn string(c: &Call<'_>, at: u32, max: usize) -> Result<Vec<u32>, Stop> {
    let mut out = Vec::new();
    while out.len() < max {
        if out.len() >= MAX_STRING {
            return Err(endless(at));
        }
        match character(c, at, out.len())? {
            0 => break,
            wide => out.push(wide),
        }
    }
    Ok(out)
}

fn endless(at: u32) -> Stop {
    Stop::because(format!("string at {at:#010x} has no end within 1 Mi characters"))
}

pub(super) fn character(c: &Call<'_>, at: u32, index: usize) -> Result<u32, Stop> {
    c.load32(place(at, index as u32)?)
}

/// Where a character is.
pub(super) fn place(at: u32, index: u32) -> Result<u32, Stop> {
    let place = index.checked_mul(4).and_then(|offset| at.checked_add(offset));
    place.ok_or_else(|| Stop::because("a string runs over the end of the address space"))
}

/// Bytes of so many characters.
pub(super) fn bytes(count: u32) -> Result<u32, Stop> {
    count
        .checked_mul(4)
        .ok_or_else(|| Stop::because("so many characters are nowhere"))
}

/// Puts characters somewhere.
pub(super) fn put(c: &Call<'_>, at: u32, text: &[u32]) -> Result<(), Stop> {
    let bytes: Vec<u8> = text.iter().flat_map(|wide| wide.to_le_bytes()).collect();
    c.store(at, &bytes)
}

fn wcslen(c: &mut Call<'_>) -> Done {
    let len = string(c, c.arg(0)?, usize::MAX)?.len();
    c.ret(len as u32)
}

fn wcscpy(c: &mut Call<'_>) -> Done {
    let (to, mut text) = (c.arg(0)?, string(c, c.arg(1)?, usize::MAX)?);
    text.push(0);
    put(c, to, &text)?;
    c.ret(to)
}

fn wcsncpy(c: &mut Call<'_>) -> Done {
    let (to, len) = (c.arg(0)?, c.arg(2)?);
    // As much as is padded has to be there.
    c.check_readable(to, bytes(len)?)?;
    let mut text = string(c, c.arg(1)?, len as usize)?;
    text.resize(len as usize, 0);
    put(c, to, &text)?;
    c.ret(to)
}

fn wcscat(c: &mut Call<'_>) -> Done {
    let to = c.arg(0)?;
    let end = string(c, to, usize::MAX)?.len();
    let mut text = string(c, c.arg(1)?, usize::MAX)?;
    text.push(0);
    put(c, place(to, end as u32)?, &text)?;
    c.ret(to)
}

fn compare(c: &mut Call<'_>, max: usize) -> Done {
    let (a, b) = (c.arg(0)?, c.arg(1)?);
    for index in 0..max {
        if index >= MAX_STRING {
            return Err(endless(a));
        }
        let (x, y) = (character(c, a, index)?, character(c, b, index)?);
        if x != y || x == 0 {
            let order = (x as i32).cmp(&(y as i32)) as i32;
            return c.ret(order as u32);
        }
    }
    c.ret(0)
}

fn wcscmp(c: &mut Call<'_>) -> Done {
    compare(c, usize::MAX)
}

fn wcsncmp(c: &mut Call<'_>) -> Done {
    let max = c.arg(2)? as usize;
    compare(c, max)
}

fn find(c: &mut Call<'_>, last: bool) -> Done {
    let (at, wanted) = (c.arg(0)?, c.arg(1)?);
    let mut text = string(c, at, usize::MAX)?;
    text.push(0);
    let index = if last {
        text.iter().rposition(|&wide| wide == wanted)
    } else {
        text.iter().position(|&wide| wide == wanted)
    };
    let found = index.map_or(Ok(0), |index| place(at, index as u32))?;
    c.ret(found)
}

fn wcschr(c: &mut Call<'_>) -> Done {
    find(c, false)
}

fn wcsrchr(c: &mut Call<'_>) -> Done {
    find(c, true)
}

fn wmemcpy(c: &mut Call<'_>) -> Done {
    let (to, from, len) = (c.arg(0)?, c.arg(1)?, bytes(c.arg(2)?)?);
    let block = c.load(from, len)?;
    c.store(to, &block)?;
    c.ret(to)
}

fn wmemset(c: &mut Call<'_>) -> Done {
    let (to, wide, count) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    c.check_readable(to, bytes(count)?)?;
    put(c, to, &vec![wide; count as usize])?;
    c.ret(to)
}

fn wmemcmp(c: &mut Call<'_>) -> Done {
    let (a, b, count) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    for index in 0..count {
        let (x, y) = (c.load32(place(a, index)?)?, c.load32(place(b, index)?)?);
        if x != y {
            let order = (x as i32).cmp(&(y as i32)) as i32;
            return c.ret(order as u32);
        }
    }
    c.ret(0)
}

fn wmemchr(c: &mut Call<'_>) -> Done {
    let (at, wanted, count) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    for index in 0..count {
        let here = place(at, index)?;
        if c.load32(here)? == wanted {
            return c.ret(here);
        }
    }
    c.ret(0)
}

fn mbstowcs(c: &mut Call<'_>) -> Done {
    let (to, room) = (c.arg(0)?, c.arg(2)? as usize);
    let text = c.cstr(c.arg(1)?)?;
    if to == 0 {
        return c.ret(text.len() as u32);
    }
    let mut wide: Vec<u32> = text.iter().take(room).map(|&b| b.into()).collect();
    let count = wide.len();
    if count < room {
        wide.push(0);
    }
    put(c, to, &wide)?;
    c.ret(count as u32)
}

/// There is no such character.
pub(super) fn illegal(c: &mut Call<'_>) -> Done {
    c.set_errno(EILSEQ)?;
    c.ret(u32::MAX)
}

fn wcstombs(c: &mut Call<'_>) -> Done {
    let (to, room) = (c.arg(0)?, c.arg(2)? as usize);
    let text = string(c, c.arg(1)?, usize::MAX)?;
    let Ok(mut bytes) = text
        .iter()
        .map(|&wide| u8::try_from(wide))
        .collect::<Result<Vec<u8>, _>>()
    else {
        return illegal(c);
    };
    if to == 0 {
        return c.ret(bytes.len() as u32);
    }
    bytes.truncate(room);
    let count = bytes.len();
    if count < room {
        bytes.push(0);
    }
    c.store(to, &bytes)?;
    c.ret(count as u32)
}

/// The next character of `s`, which has `len` bytes: `missing` if it has none, and 0 for the NUL.
fn next(c: &mut Call<'_>, to: u32, s: u32, len: u32, missing: u32) -> Done {
    if s == 0 {
        return c.ret(0);
    }
    if len == 0 {
        return c.ret(missing);
    }
    let byte = c.load8(s)?;
    if to != 0 {
        c.store32(to, byte.into())?;
    }
    c.ret(u32::from(byte != 0))
}

fn mbtowc(c: &mut Call<'_>) -> Done {
    let (to, s, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    next(c, to, s, len, u32::MAX)
}

pub(super) fn mbrtowc(c: &mut Call<'_>) -> Done {
    let (to, s, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    next(c, to, s, len, -2i32 as u32)
}

fn mbrlen(c: &mut Call<'_>) -> Done {
    let (s, len) = (c.arg(0)?, c.arg(1)?);
    next(c, 0, s, len, -2i32 as u32)
}

fn mblen(c: &mut Call<'_>) -> Done {
    let (s, len) = (c.arg(0)?, c.arg(1)?);
    next(c, 0, s, len, u32::MAX)
}

pub(super) fn wctomb(c: &mut Call<'_>) -> Done {
    let (to, wide) = (c.arg(0)?, c.arg(1)?);
    if to == 0 {
        return c.ret(0);
    }
    let Ok(byte) = u8::try_from(wide) else {
        return illegal(c);
    };
    c.store8(to, byte)?;
    c.ret(1)
}

fn mbsinit(c: &mut Call<'_>) -> Done {
    c.ret(1)
}

fn btowc(c: &mut Call<'_>) -> Done {
    let byte = u8::try_from(c.arg(0)?);
    c.ret(byte.map_or(u32::MAX, u32::from))
}

fn wctob(c: &mut Call<'_>) -> Done {
    btowc(c)
}

pub(super) fn class(c: &mut Call<'_>, is: fn(u8) -> bool) -> Done {
    let is = u8::try_from(c.arg(0)?).is_ok_and(is);
    c.ret(is.into())
}

pub(super) fn map(c: &mut Call<'_>, to: fn(u8) -> u8) -> Done {
    let wide = c.arg(0)?;
    c.ret(u8::try_from(wide).map_or(wide, |byte| to(byte).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    fn wide(g: &mut Guest, text: &[u32]) -> u32 {
        let bytes: Vec<u8> = text.iter().chain([&0]).flat_map(|w| w.to_le_bytes()).collect();
        g.bytes(&bytes)
    }

    #[test]
    fn strings_of_wide_characters() {
        let mut g = Guest::new();
        let (abc, abd, to) = (
            wide(&mut g, &[97, 98, 99]),
            wide(&mut g, &[97, 98, 0x1_0000]),
            g.bytes(&[0xff; 64]),
        );
        assert_eq!(g.call("wcslen", &[abc]), 3);
        assert_eq!(g.call("wcscmp", &[abc, abd]), u32::MAX);
        assert_eq!(g.call("wcsncmp", &[abc, abd, 2]), 0);
        assert_eq!(g.call("wcschr", &[abc, 98]), abc + 4);
        assert_eq!(g.call("wcschr", &[abc, 0]), abc + 12);
        assert_eq!(g.call("wcsrchr", &[abc, 120]), 0);
        g.call("wcscpy", &[to, abc]);
        g.call("wcscat", &[to, abc]);
        assert_eq!(
            (g.call("wcslen", &[to]), g.call("wmemcmp", &[to, abc, 3])),
            (6, 0)
        );
        g.call("wcsncpy", &[to, abc, 5]);
        assert_eq!((g.word(to + 8), g.word(to + 16)), (99, 0));
        g.call("wmemset", &[to, 7, 2]);
        assert_eq!((g.word(to), g.word(to + 4), g.word(to + 8)), (7, 7, 99));
        for (name, args) in [
            ("wcslen", [3, 0, 0]),
            ("wmemset", [to, 7, u32::MAX]),
            ("wmemset", [to, 7, 0x2000_0000]),
            ("wcsncpy", [to, abc, 0x2000_0000]),
            ("wmemcpy", [to, abc, 0x4000_0001]),
        ] {
            assert!(g.try_call(name, &args).is_err(), "{name}");
        }
    }

    #[test]
    fn characters_above_255_have_no_byte() {
        let mut g = Guest::new();
        let (ok, large, text, to) = (
            wide(&mut g, &[97, 255]),
            wide(&mut g, &[97, 256]),
            g.bytes(b"a\xff\0"),
            g.bytes(&[0x55; 32]),
        );
        assert_eq!(g.call("wcstombs", &[to, ok, 8]), 2);
        assert_eq!(g.read(to, 4), b"a\xff\0\x55");
        assert_eq!(g.call("wcstombs", &[to, large, 8]), u32::MAX);
        assert_eq!(g.word(g.os.builtins.errno().unwrap()), EILSEQ);
        assert_eq!(g.call("mbstowcs", &[to, text, 8]), 2);
        assert_eq!((g.word(to), g.word(to + 4), g.word(to + 8)), (97, 255, 0));
        assert_eq!(g.call("mbtowc", &[to, text, 1]), 1);
        assert_eq!(g.call("mbtowc", &[to, text + 2, 1]), 0);
        assert_eq!(g.call("mbrtowc", &[to, text, 0, 0]), -2i32 as u32);
        assert_eq!(g.call("wctomb", &[to, 256]), u32::MAX);
        assert_eq!(
            (g.call("btowc", &[u32::MAX]), g.call("wctob", &[0x100])),
            (u32::MAX, u32::MAX)
        );
        assert_eq!((g.call("iswalpha", &[0x161]), g.call("towupper", &[97])), (0, 65));
    }

    #[test]
    fn strings_that_are_too_long_to_compare_are_not_the_same() {
        let mut g = Guest::new();
        let long = vec![b'a'; 4 * MAX_STRING + 64];
        let at = g.bytes(&long);
        assert_eq!(g.call("wcsncmp", &[at, at, MAX_STRING as u32]), 0);
        assert!(g.try_call("wcsncmp", &[at, at, MAX_STRING as u32 + 1]).is_err());
        assert!(g.try_call("wcscmp", &[at, at]).is_err());
    }
}
