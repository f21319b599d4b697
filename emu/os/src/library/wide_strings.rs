//! What else there is in `<wchar.h>`, `<wctype.h>` and `<uchar.h>`, in the locale "C": more of strings, conversions of whole
//! strings and of UTF-16 and UTF-32, classes by name.
//!
//! A character of UTF-16 or UTF-32 is a byte like a wide one: what is above 255 has none (EILSEQ), so there are no surrogates either.

use super::errno::{EILSEQ, EINVAL};
use super::heap::allocate;
use super::unit::Unit as _;
use super::wide::{bytes, character, class, illegal, map, mbrtowc, place, put, string, wctomb};
use crate::kernel::call::{Call, Done, MAX_STRING, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("wcsnlen", wcsnlen, "`size_t wcsnlen(const wchar_t *, size_t max)`: characters without NUL, at most so many"),
    import("wcpcpy", wcpcpy, "`wchar_t *wcpcpy(wchar_t *to, const wchar_t *from)`: copies a string; where its NUL is"),
    import("wcpncpy", wcpncpy, "`wchar_t *wcpncpy(wchar_t *to, const wchar_t *from, size_t len)`: pads with NUL; where that begins"),
    import("wcsncat", wcsncat, "`wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t max)`: appends at most so much, and a NUL"),
    import("wmempcpy", wmempcpy, "`wchar_t *wmempcpy(wchar_t *to, const wchar_t *from, size_t count)`: copies; the end of what was copied"),
    import("wcsdup", wcsdup, "`wchar_t *wcsdup(const wchar_t *)`: a copy on the heap"),
    import("wcsspn", wcsspn, "`size_t wcsspn(const wchar_t *, const wchar_t *set)`: how many at its front are of the set"),
    import("wcscspn", wcscspn, "`size_t wcscspn(const wchar_t *, const wchar_t *set)`: how many at its front are not of the set"),
    import("wcspbrk", wcspbrk, "`wchar_t *wcspbrk(const wchar_t *, const wchar_t *set)`: the first of the set, or NULL"),
    import("wcsstr", wcsstr, "`wchar_t *wcsstr(const wchar_t *hay, const wchar_t *needle)`: finds a string, or NULL"),
    import("wcstok", wcstok, "`wchar_t *wcstok(wchar_t *, const wchar_t *set, wchar_t **place)`: the next word; NULL behind the last"),
    import("wcscoll", |c| compare(c, usize::MAX, |wide| wide), "`int wcscoll(const wchar_t *a, const wchar_t *b)`: compares, in the locale \"C\""),
    import("wcsxfrm", wcsxfrm, "`size_t wcsxfrm(wchar_t *to, const wchar_t *from, size_t room)`: a copy, in the locale \"C\"; the length it takes"),
    import("wcscasecmp", |c| compare(c, usize::MAX, small), "`int wcscasecmp(const wchar_t *a, const wchar_t *b)`: compares without regard to case"),
    import("wcsncasecmp", wcsncasecmp, "`int wcsncasecmp(const wchar_t *a, const wchar_t *b, size_t max)`: as wcscasecmp, at most so much"),
    import("wcwidth", wcwidth, "`int wcwidth(wchar_t)`: 1 if it prints something, 0 for the NUL; -1"),
    import("wcswidth", wcswidth, "`int wcswidth(const wchar_t *, size_t max)`: columns; -1 if one of them does not print"),
    import("mbsrtowcs", mbsrtowcs, "`size_t mbsrtowcs(wchar_t *to, const char **from, size_t room, mbstate_t *)`: as many characters as bytes"),
    import("mbsnrtowcs", mbsnrtowcs, "`size_t mbsnrtowcs(wchar_t *to, const char **from, size_t len, size_t room, mbstate_t *)`: of at most so many bytes"),
    import("wcsrtombs", wcsrtombs, "`size_t wcsrtombs(char *to, const wchar_t **from, size_t room, mbstate_t *)`: -1 and EILSEQ for characters above 255"),
    import("wcsnrtombs", wcsnrtombs, "`size_t wcsnrtombs(char *to, const wchar_t **from, size_t count, size_t room, mbstate_t *)`: of at most so many characters"),
    import("mbrtoc16", mbrtoc16, "`size_t mbrtoc16(char16_t *to, const char *s, size_t len, mbstate_t *)`: one character; 0 at NUL, -2 if there is no byte"),
    import("c16rtomb", c16rtomb, "`size_t c16rtomb(char *to, char16_t, mbstate_t *)`: one byte; -1 and EILSEQ for characters above 255"),
    import("mbrtoc32", mbrtowc, "`size_t mbrtoc32(char32_t *to, const char *s, size_t len, mbstate_t *)`: one character; 0 at NUL, -2 if there is no byte"),
    import("c32rtomb", wctomb, "`size_t c32rtomb(char *to, char32_t, mbstate_t *)`: one byte; -1 and EILSEQ for characters above 255"),
    import("iswgraph", |c| class(c, |b| b.is_ascii_graphic()), "`int iswgraph(wint_t)`: prints something?"),
    import("iswblank", |c| class(c, |b| b == b' ' || b == b'\t'), "`int iswblank(wint_t)`: a space or a tab?"),
    import("wctype", wctype, "`wctype_t wctype(const char *name)`: a class by its name; 0 and EINVAL"),
    import("iswctype", iswctype, "`int iswctype(wint_t, wctype_t)`: of that class?"),
    import("wctrans", wctrans, "`wctrans_t wctrans(const char *name)`: \"tolower\" or \"toupper\"; 0 and EINVAL"),
    import("towctrans", towctrans, "`wint_t towctrans(wint_t, wctrans_t)`: changed like that"),
];

fn wcsnlen(c: &mut Call<'_>) -> Done {
    let (at, max) = (c.arg(0)?, c.arg(1)?);
    for index in 0..max {
        if character(c, at, index as usize)? == 0 {
            return c.ret(index);
        }
    }
    c.ret(max)
}

fn wcpcpy(c: &mut Call<'_>) -> Done {
    let (to, mut text) = (c.arg(0)?, string(c, c.arg(1)?, usize::MAX)?);
    let end = place(to, text.len() as u32)?;
    text.push(0);
    put(c, to, &text)?;
    c.ret(end)
}

fn wcpncpy(c: &mut Call<'_>) -> Done {
    let (to, len) = (c.arg(0)?, c.arg(2)?);
    // As much as is padded has to be there.
    c.check_readable(to, bytes(len)?)?;
    let mut text = string(c, c.arg(1)?, len as usize)?;
    let end = place(to, text.len() as u32)?;
    text.resize(len as usize, 0);
    put(c, to, &text)?;
    c.ret(end)
}

fn wcsncat(c: &mut Call<'_>) -> Done {
    let (to, max) = (c.arg(0)?, c.arg(2)?);
    let end = string(c, to, usize::MAX)?.len();
    let mut text = string(c, c.arg(1)?, max as usize)?;
    text.push(0);
    put(c, place(to, end as u32)?, &text)?;
    c.ret(to)
}

fn wmempcpy(c: &mut Call<'_>) -> Done {
    let (to, from, len) = (c.arg(0)?, c.arg(1)?, bytes(c.arg(2)?)?);
    let block = c.load(from, len)?;
    c.store(to, &block)?;
    c.ret(to.wrapping_add(len))
}

fn wcsdup(c: &mut Call<'_>) -> Done {
    let mut text = string(c, c.arg(0)?, usize::MAX)?;
    text.push(0);
    let len = bytes(text.len() as u32)?;
    let copied = move |c: &mut Call<'_>, at: u32| {
        if at != 0 {
            put(c, at, &text)?;
        }
        c.ret(at)
    };
    allocate(c, len, 16, Box::new(copied))
}

/// The characters that a string names, sorted: looking one up takes no longer when many are named.
fn set_at(c: &Call<'_>, at: u32) -> Result<Vec<u32>, Stop> {
    let mut set = string(c, at, usize::MAX)?;
    set.sort_unstable();
    Ok(set)
}

fn is_of(set: &[u32], wide: u32) -> bool {
    set.binary_search(&wide).is_ok()
}

fn wcsspn(c: &mut Call<'_>) -> Done {
    let (text, set) = (string(c, c.arg(0)?, usize::MAX)?, set_at(c, c.arg(1)?)?);
    let count = text.iter().take_while(|&&wide| is_of(&set, wide)).count();
    c.ret(count as u32)
}

fn wcscspn(c: &mut Call<'_>) -> Done {
    let (text, set) = (string(c, c.arg(0)?, usize::MAX)?, set_at(c, c.arg(1)?)?);
    let count = text.iter().take_while(|&&wide| !is_of(&set, wide)).count();
    c.ret(count as u32)
}

fn wcspbrk(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let (text, set) = (string(c, at, usize::MAX)?, set_at(c, c.arg(1)?)?);
    let found = text.iter().position(|&wide| is_of(&set, wide));
    let found = found.map_or(Ok(0), |index| place(at, index as u32))?;
    c.ret(found)
}

/// Where one text begins in another. Takes no longer than both are long (Knuth, Morris and Pratt's way).
fn find(hay: &[u32], needle: &[u32]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    // For each place of the needle: how much of its front ends there.
    let mut front = vec![0; needle.len()];
    let grow = |front: &[usize], mut len: usize, wide: u32| {
        while len > 0 && (len == needle.len() || needle[len] != wide) {
            len = front[len - 1];
        }
        len + usize::from(needle[len] == wide)
    };
    let mut len = 0;
    for at in 1..needle.len() {
        len = grow(&front, len, needle[at]);
        front[at] = len;
    }
    let mut len = 0;
    for (at, &wide) in hay.iter().enumerate() {
        len = grow(&front, len, wide);
        if len == needle.len() {
            return Some(at + 1 - len);
        }
    }
    None
}

fn wcsstr(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let (hay, needle) = (string(c, at, usize::MAX)?, string(c, c.arg(1)?, usize::MAX)?);
    let found = find(&hay, &needle).map_or(Ok(0), |index| place(at, index as u32))?;
    c.ret(found)
}

fn wcstok(c: &mut Call<'_>) -> Done {
    let (mut at, set, rest) = (c.arg(0)?, set_at(c, c.arg(1)?)?, c.arg(2)?);
    if at == 0 {
        at = c.load32(rest)?;
    }
    if at == 0 {
        return c.ret(0);
    }
    let text = string(c, at, usize::MAX)?;
    let Some(from) = text.iter().position(|&wide| !is_of(&set, wide)) else {
        c.store32(rest, 0)?;
        return c.ret(0);
    };
    let word = place(at, from as u32)?;
    let next = match text[from..].iter().position(|&wide| is_of(&set, wide)) {
        Some(len) => {
            let end = place(word, len as u32)?;
            c.store32(end, 0)?;
            place(end, 1)?
        }
        None => 0,
    };
    c.store32(rest, next)?;
    c.ret(word)
}

fn small(wide: u32) -> u32 {
    wide.byte().map_or(wide, |byte| byte.to_ascii_lowercase().into())
}

fn compare(c: &mut Call<'_>, max: usize, as_what: fn(u32) -> u32) -> Done {
    let (a, b) = (c.arg(0)?, c.arg(1)?);
    for index in 0..max {
        if index >= MAX_STRING {
            return Err(Stop::because(format!(
                "strings at {a:#010x} and {b:#010x} have no end within 1 Mi characters"
            )));
        }
        let (x, y) = (as_what(character(c, a, index)?), as_what(character(c, b, index)?));
        if x != y || x == 0 {
            let order = (x as i32).cmp(&(y as i32)) as i32;
            return c.ret(order as u32);
        }
    }
    c.ret(0)
}

fn wcsncasecmp(c: &mut Call<'_>) -> Done {
    let max = c.arg(2)? as usize;
    compare(c, max, small)
}

fn wcsxfrm(c: &mut Call<'_>) -> Done {
    let (to, room) = (c.arg(0)?, c.arg(2)? as usize);
    let mut text = string(c, c.arg(1)?, usize::MAX)?;
    let len = text.len() as u32;
    if text.len() < room {
        text.push(0);
        put(c, to, &text)?;
    }
    c.ret(len)
}

/// Columns of a character; `None`: it does not print.
fn columns(wide: u32) -> Option<u32> {
    match wide.byte()? {
        0 => Some(0),
        b' '..=b'~' => Some(1),
        _ => None,
    }
}

fn wcwidth(c: &mut Call<'_>) -> Done {
    let wide = c.arg(0)?;
    c.ret(columns(wide).unwrap_or(u32::MAX))
}

fn wcswidth(c: &mut Call<'_>) -> Done {
    let (at, max) = (c.arg(0)?, c.arg(1)?);
    let text = string(c, at, max as usize)?;
    let sum: Option<u32> = text.iter().map(|&wide| columns(wide)).sum();
    c.ret(sum.unwrap_or(u32::MAX))
}

/// Converts at most `len` bytes of a string; the pointer to it says how far it went, NULL at its end.
fn widen(c: &mut Call<'_>, len: usize, room: usize) -> Done {
    let (to, pointer) = (c.arg(0)?, c.arg(1)?);
    let from = c.load32(pointer)?;
    let most = if to == 0 { len } else { len.min(room) };
    let text = c.cstr_max(from, most.min(MAX_STRING))?;
    if text.len() >= MAX_STRING {
        return Err(Stop::because(format!(
            "string at {from:#010x} has no end within 1 MiB"
        )));
    }
    if to == 0 {
        return c.ret(text.len() as u32);
    }
    let mut wide: Vec<u32> = text.iter().map(|&byte| byte.into()).collect();
    let end = match wide.len() < most {
        true => {
            wide.push(0);
            0
        }
        false => from.wrapping_add(text.len() as u32),
    };
    put(c, to, &wide)?;
    c.store32(pointer, end)?;
    c.ret(text.len() as u32)
}

fn mbsrtowcs(c: &mut Call<'_>) -> Done {
    let room = c.arg(2)? as usize;
    widen(c, usize::MAX, room)
}

fn mbsnrtowcs(c: &mut Call<'_>) -> Done {
    let (len, room) = (c.arg(2)? as usize, c.arg(3)? as usize);
    widen(c, len, room)
}

/// Converts at most `count` characters of a string; the pointer to it says how far it went, NULL at its end.
fn narrow(c: &mut Call<'_>, count: usize, room: usize) -> Done {
    let (to, pointer) = (c.arg(0)?, c.arg(1)?);
    let from = c.load32(pointer)?;
    let most = if to == 0 { count } else { count.min(room) };
    let text = string(c, from, most)?;
    let mut bytes: Vec<u8> = text.iter().map_while(|wide| wide.byte()).collect();
    let legal = bytes.len();
    if to == 0 {
        return if legal < text.len() {
            illegal(c)
        } else {
            c.ret(legal as u32)
        };
    }
    let end = match legal == text.len() && legal < most {
        true => {
            bytes.push(0);
            0
        }
        false => place(from, legal as u32)?,
    };
    c.store(to, &bytes)?;
    c.store32(pointer, end)?;
    if legal < text.len() {
        c.set_errno(EILSEQ)?;
        return c.ret(u32::MAX);
    }
    c.ret(legal as u32)
}

fn wcsrtombs(c: &mut Call<'_>) -> Done {
    let room = c.arg(2)? as usize;
    narrow(c, usize::MAX, room)
}

fn wcsnrtombs(c: &mut Call<'_>) -> Done {
    let (count, room) = (c.arg(2)? as usize, c.arg(3)? as usize);
    narrow(c, count, room)
}

fn mbrtoc16(c: &mut Call<'_>) -> Done {
    let (to, s, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if s == 0 {
        return c.ret(0);
    }
    if len == 0 {
        return c.ret(-2i32 as u32);
    }
    let byte = c.load8(s)?;
    if to != 0 {
        c.store(to, &u16::from(byte).to_le_bytes())?;
    }
    c.ret((byte != 0).into())
}

fn c16rtomb(c: &mut Call<'_>) -> Done {
    // The upper half of the register is not of a char16_t.
    let wide = c.arg(1)? & 0xffff;
    c.thread.core.regs.r[1] = wide;
    wctomb(c)
}

/// A class of characters, and what is of it.
type Class = (&'static [u8], fn(u8) -> bool);

/// Classes by name, as POSIX has them; a `wctype_t` is the place here, from 1 on.
const CLASSES: [Class; 12] = [
    (b"alnum", |b| b.is_ascii_alphanumeric()),
    (b"alpha", |b| b.is_ascii_alphabetic()),
    (b"blank", |b| b == b' ' || b == b'\t'),
    (b"cntrl", |b| b.is_ascii_control()),
    (b"digit", |b| b.is_ascii_digit()),
    (b"graph", |b| b.is_ascii_graphic()),
    (b"lower", |b| b.is_ascii_lowercase()),
    (b"print", |b| b.is_ascii_graphic() || b == b' '),
    (b"punct", |b| b.is_ascii_punctuation()),
    (b"space", |b| b.is_ascii_whitespace() || b == 0x0b),
    (b"upper", |b| b.is_ascii_uppercase()),
    (b"xdigit", |b| b.is_ascii_hexdigit()),
];

fn wctype(c: &mut Call<'_>) -> Done {
    let name = c.cstr_max(c.arg(0)?, 16)?;
    match CLASSES.iter().position(|(known, _)| *known == name) {
        Some(index) => c.ret(index as u32 + 1),
        None => {
            c.set_errno(EINVAL)?;
            c.ret(0)
        }
    }
}

fn iswctype(c: &mut Call<'_>) -> Done {
    match (c.arg(1)? as usize).checked_sub(1).and_then(|n| CLASSES.get(n)) {
        Some(&(_, is)) => class(c, is),
        None => c.ret(0),
    }
}

fn wctrans(c: &mut Call<'_>) -> Done {
    match &*c.cstr_max(c.arg(0)?, 16)? {
        b"tolower" => c.ret(1),
        b"toupper" => c.ret(2),
        _ => {
            c.set_errno(EINVAL)?;
            c.ret(0)
        }
    }
}

fn towctrans(c: &mut Call<'_>) -> Done {
    match c.arg(1)? {
        1 => map(c, |b| b.to_ascii_lowercase()),
        2 => map(c, |b| b.to_ascii_uppercase()),
        _ => {
            let same = c.arg(0)?;
            c.set_errno(EINVAL)?;
            c.ret(same)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    fn text(g: &Guest, at: u32) -> String {
        (0..)
            .map(|n| g.word(at + 4 * n))
            .take_while(|&wide| wide != 0)
            .map(|wide| char::from_u32(wide).unwrap())
            .collect()
    }

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    #[test]
    fn strings_are_copied_and_appended() {
        let mut g = Guest::new();
        let (s, to) = (g.wide("ab\u{20ac}"), g.bytes(&[0x55; 64]));
        assert_eq!(g.call("wcpcpy", &[to, s]), to + 12);
        assert_eq!(g.call("wcsncat", &[to, s, 2]), to);
        assert_eq!(text(&g, to), "ab\u{20ac}ab");
        assert_eq!(g.call("wcpncpy", &[to, s, 5]), to + 12);
        assert_eq!(g.word(to + 16), 0);
        assert_eq!(g.call("wcpncpy", &[to, s, 2]), to + 8);
        assert_eq!(g.call("wmempcpy", &[to, s, 3]), to + 12);
        assert_eq!((g.call("wcsnlen", &[s, 9]), g.call("wcsnlen", &[s, 2])), (3, 2));
        assert_eq!(g.call("wcsnlen", &[1, 0]), 0);
        let copy = g.call("wcsdup", &[s]);
        assert_eq!(text(&g, copy), "ab\u{20ac}");
        assert_eq!(
            (g.call("wcsxfrm", &[to, s, 3]), g.call("wcsxfrm", &[to, s, 4])),
            (3, 3)
        );
        assert!(g.try_call("wcpncpy", &[to, s, 0x2000_0000]).is_err());
        assert!(g.try_call("wcsnlen", &[0xffff_fff0, 0x1000]).is_err());
    }

    #[test]
    fn strings_are_searched() {
        let mut g = Guest::new();
        let (hay, needle) = (g.wide("aabaabaac\u{20ac}"), g.wide("aabaac"));
        assert_eq!(g.call("wcsstr", &[hay, needle]), hay + 12);
        assert_eq!(g.call("wcsstr", &[needle, hay]), 0);
        let (none, set) = (g.wide(""), g.wide("\u{20ac}c"));
        assert_eq!(g.call("wcsstr", &[hay, none]), hay);
        assert_eq!(g.call("wcspbrk", &[hay, set]), hay + 32);
        assert_eq!(g.call("wcspbrk", &[needle, none]), 0);
        assert_eq!(g.call("wcscspn", &[hay, set]), 8);
        let ab = g.wide("ba");
        assert_eq!(
            (g.call("wcsspn", &[hay, ab]), g.call("wcsspn", &[hay, none])),
            (8, 0)
        );
        let (list, commas, rest) = (g.wide(",one,,two"), g.wide(","), g.bytes(&[0; 4]));
        let one = g.call("wcstok", &[list, commas, rest]);
        assert_eq!(text(&g, one), "one");
        let two = g.call("wcstok", &[0, commas, rest]);
        assert_eq!(text(&g, two), "two");
        assert_eq!(g.call("wcstok", &[0, commas, rest]), 0);
    }

    #[test]
    fn a_needle_that_nearly_matches_everywhere_takes_no_longer() {
        // Compared place by place this would take minutes.
        let hay = vec![u32::from(b'a'); 1 << 20];
        let mut needle = vec![u32::from(b'a'); 1 << 19];
        needle.push(u32::from(b'b'));
        assert_eq!(find(&hay, &needle), None);
        needle.pop();
        assert_eq!(find(&hay[..needle.len()], &needle), Some(0));
    }

    #[test]
    fn texts_are_compared_and_measured() {
        let mut g = Guest::new();
        let (a, b) = (g.wide("Hello\u{c4}"), g.wide("hELLO\u{e4}"));
        assert_eq!(g.call("wcscasecmp", &[a, b]), u32::MAX);
        assert_eq!(g.call("wcsncasecmp", &[a, b, 5]), 0);
        assert_eq!(g.call("wcscoll", &[a, b]), u32::MAX);
        assert_eq!(
            (g.call("wcswidth", &[a, 5]), g.call("wcswidth", &[a, 6])),
            (5, u32::MAX)
        );
        assert_eq!(
            (g.call("wcwidth", &[0]), g.call("wcwidth", &[0x20ac])),
            (0, u32::MAX)
        );
    }

    #[test]
    fn whole_strings_are_converted_as_far_as_there_is_room() {
        let mut g = Guest::new();
        let (s, to) = (g.bytes(b"abc\0"), g.bytes(&[0x55; 64]));
        let from = g.bytes(&s.to_le_bytes());
        assert_eq!(g.call("mbsrtowcs", &[0, from, 0, 0]), 3);
        assert_eq!(g.call("mbsrtowcs", &[to, from, 2, 0]), 2);
        assert_eq!((g.word(from), g.word(to + 8)), (s + 2, 0x5555_5555));
        assert_eq!(g.call("mbsrtowcs", &[to, from, 9, 0]), 1);
        assert_eq!((g.word(from), text(&g, to)), (0, "c".into()));
        g.write(from, &s.to_le_bytes());
        assert_eq!(g.call("mbsnrtowcs", &[to, from, 1, 9, 0]), 1);
        assert_eq!(g.word(from), s + 1);
        let w = g.wide("ab\u{20ac}");
        g.write(from, &w.to_le_bytes());
        assert_eq!(
            (g.call("wcsrtombs", &[0, from, 0, 0]), errno(&g)),
            (u32::MAX, EILSEQ)
        );
        assert_eq!(g.call("wcsnrtombs", &[to, from, 2, 9, 0]), 2);
        assert_eq!((g.word(from), g.read(to, 2)), (w + 8, b"ab".to_vec()));
        assert_eq!(g.call("wcsrtombs", &[to, from, 9, 0]), u32::MAX);
        let w = g.wide("xy");
        g.write(from, &w.to_le_bytes());
        assert_eq!(g.call("wcsrtombs", &[to, from, 9, 0]), 2);
        assert_eq!((g.word(from), g.text(to)), (0, "xy".into()));
        assert_eq!(g.call("mbrtoc16", &[to, s, 1, 0]), 1);
        assert_eq!(g.read(to, 3), b"a\0\0");
        assert_eq!(g.call("c16rtomb", &[to, 0xff_0041, 0]), 1);
        assert_eq!(
            (g.call("c32rtomb", &[to, 0xff_0041, 0]), g.read(to, 1)),
            (u32::MAX, b"A".to_vec())
        );
        assert_eq!(g.call("mbrtoc32", &[to, s + 3, 1, 0]), 0);
    }

    #[test]
    fn classes_have_names() {
        let mut g = Guest::new();
        for (name, letter, is) in [
            (&b"xdigit\0"[..], b'f', 1),
            (b"upper\0", b'f', 0),
            (b"blank\0", b'\t', 1),
        ] {
            let name = g.bytes(name);
            let class = g.call("wctype", &[name]);
            assert_eq!(g.call("iswctype", &[letter.into(), class]), is);
        }
        let (wrong, upper) = (g.bytes(b"nothing\0"), g.bytes(b"toupper\0"));
        assert_eq!((g.call("wctype", &[wrong]), errno(&g)), (0, EINVAL));
        assert_eq!(
            (g.call("wctrans", &[wrong]), g.call("iswctype", &[65, 99])),
            (0, 0)
        );
        let upper = g.call("wctrans", &[upper]);
        assert_eq!(
            (g.call("towctrans", &[97, upper]), g.call("towctrans", &[97, 77])),
            (65, 97)
        );
        assert_eq!((g.call("iswgraph", &[32]), g.call("iswblank", &[32])), (0, 1));
    }
}
