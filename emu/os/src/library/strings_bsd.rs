//! `<strings.h>`, `<libgen.h>`, and what BSD, GNU and POSIX have for strings besides.

use super::heap::allocate;
use super::string::IMPORTS as STRING;
use crate::kernel::call::{Call, Done, MAX_STRING, Stop};
use crate::kernel::import::{Import, alias, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    alias("bcmp", STRING, "memcmp", "`int bcmp(const void *a, const void *b, size_t len)`: 0 if they are the same"),
    import("bcopy", bcopy, "`void bcopy(const void *from, void *to, size_t len)`: copies; ranges may overlap"),
    alias("explicit_bzero", STRING, "bzero", "`void explicit_bzero(void *to, size_t len)`: zeros"),
    alias("index", STRING, "strchr", "`char *index(const char *s, int byte)`: as strchr"),
    alias("rindex", STRING, "strrchr", "`char *rindex(const char *s, int byte)`: as strrchr"),
    import("ffs", ffs, "`int ffs(int v)`: its lowest bit that is set, from 1 on; 0 if there is none"),
    import("ffsl", ffs, "`int ffsl(long v)`: its lowest bit that is set, from 1 on; 0 if there is none"),
    import("ffsll", ffsll, "`int ffsll(long long v)`: its lowest bit that is set, from 1 on; 0 if there is none"),
    import("rawmemchr", rawmemchr, "`void *rawmemchr(const void *at, int byte)`: finds a byte that is there"),
    import("swab", swab, "`void swab(const void *from, void *to, ssize_t len)`: copies, the bytes of each pair exchanged"),
    import("strverscmp", strverscmp, "`int strverscmp(const char *a, const char *b)`: compares, numbers in them by their values"),
    import("basename", basename, "`char *basename(char *path)`: what is behind its last slash; may write to it"),
    import("dirname", dirname, "`char *dirname(char *path)`: what is before its last slash; may write to it"),
];

fn bcopy(c: &mut Call<'_>) -> Done {
    let (from, to, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let block = c.load(from, len)?;
    c.store(to, &block)?;
    c.ret(0)
}

fn ffs(c: &mut Call<'_>) -> Done {
    let v = c.arg(0)?;
    c.ret(if v == 0 { 0 } else { v.trailing_zeros() + 1 })
}

fn ffsll(c: &mut Call<'_>) -> Done {
    let v = c.arg64(0);
    c.ret(if v == 0 { 0 } else { v.trailing_zeros() + 1 })
}

fn rawmemchr(c: &mut Call<'_>) -> Done {
    let (at, byte) = (c.arg(0)?, c.arg(1)? as u8);
    for offset in 0..MAX_STRING as u32 {
        let here = at.wrapping_add(offset);
        if c.load8(here)? == byte {
            return c.ret(here);
        }
    }
    Err(Stop::because(format!(
        "rawmemchr: there is no byte {byte:#04x} within 1 MiB of {at:#010x}"
    )))
}

fn swab(c: &mut Call<'_>) -> Done {
    let (from, to, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)? as i32);
    // The last byte of an odd number is not copied.
    let mut block = c.load(from, len.max(0) as u32 & !1)?;
    block
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .for_each(|pair| pair.reverse());
    c.store(to, &block)?;
    c.ret(0)
}

/// GNU's order: as `strcmp`, but where the texts differ within digits these are compared as numbers; digits with a zero in front
/// are a fraction and come before, the longer run of zeros first.
fn order(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let is_digit = |text: &[u8], at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    let start = (0..same)
        .rev()
        .take_while(|&at| is_digit(a, at))
        .last()
        .unwrap_or(same);
    let digits = |text: &[u8]| (start..text.len()).take_while(|&at| is_digit(text, at)).count();
    let (x, y) = (digits(a), digits(b));
    let plain = a[same..].cmp(&b[same..]);
    let fraction = |text: &[u8]| text.get(start) == Some(&b'0');
    if x == 0 || y == 0 || fraction(a) || fraction(b) {
        // Zeros that are the same so far: the one that goes on with digits is the smaller.
        let zeros = (start..same).all(|at| a[at] == b'0') && same > start;
        return match (zeros, is_digit(a, same), is_digit(b, same)) {
            (true, true, false) => std::cmp::Ordering::Less,
            (true, false, true) => std::cmp::Ordering::Greater,
            _ => plain,
        };
    }
    x.cmp(&y).then(plain)
}

fn strverscmp(c: &mut Call<'_>) -> Done {
    let (a, b) = (c.cstr(c.arg(0)?)?, c.cstr(c.arg(1)?)?);
    c.ret(order(&a, &b) as i32 as u32)
}

/// Answers ".", which is the process's and made when it is first wanted.
fn dot(c: &mut Call<'_>) -> Done {
    match c.os.lib.dot {
        0 => allocate(
            c,
            2,
            16,
            Box::new(|c, at| {
                if at != 0 {
                    c.store(at, b".\0")?;
                    c.os.lib.dot = at;
                }
                c.ret(at)
            }),
        ),
        at => {
            // A program may have written to it.
            c.store(at, b".\0")?;
            c.ret(at)
        }
    }
}

/// The path of the first argument, without slashes at its end; `None`: there is none.
fn path(c: &Call<'_>) -> Result<Option<(u32, Vec<u8>)>, Stop> {
    let at = c.arg(0)?;
    if at == 0 {
        return Ok(None);
    }
    let mut text = c.cstr(at)?;
    while text.len() > 1 && text.last() == Some(&b'/') {
        text.pop();
    }
    Ok((!text.is_empty()).then_some((at, text)))
}

fn basename(c: &mut Call<'_>) -> Done {
    let Some((at, text)) = path(c)? else {
        return dot(c);
    };
    let end = at.wrapping_add(text.len() as u32);
    // Only what ends in slashes is written to, so that a constant path may be asked.
    if c.load8(end)? != 0 {
        c.store8(end, 0)?;
    }
    let slash = text[..text.len() - 1].iter().rposition(|&b| b == b'/');
    c.ret(at.wrapping_add(slash.map_or(0, |slash| slash as u32 + 1)))
}

fn dirname(c: &mut Call<'_>) -> Done {
    let Some((at, mut text)) = path(c)? else {
        return dot(c);
    };
    let Some(slash) = text.iter().rposition(|&b| b == b'/') else {
        return dot(c);
    };
    text.truncate(slash + 1);
    while text.len() > 1 && text.last() == Some(&b'/') {
        text.pop();
    }
    let end = at.wrapping_add(text.len() as u32);
    if c.load8(end)? != 0 {
        c.store8(end, 0)?;
    }
    c.ret(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use std::cmp::Ordering;

    #[test]
    fn blocks_and_bits() {
        let mut g = Guest::new();
        let (from, to) = (g.bytes(b"abcde\0"), g.bytes(&[0; 8]));
        g.call("bcopy", &[from, to, 3]);
        assert_eq!(g.text(to), "abc");
        g.call("swab", &[from, to, 5]);
        assert_eq!(g.text(to), "badc");
        g.call("swab", &[from, to, u32::MAX]);
        assert_eq!(g.call("rawmemchr", &[from, u32::from(b'd')]), from + 3);
        assert_eq!(g.call("bcmp", &[from, from, 5]), 0);
        assert_eq!(
            (g.call("ffs", &[0]), g.call("ffs", &[8]), g.call("ffsll", &[0, 1])),
            (0, 4, 33)
        );
        assert_eq!(
            (g.call("index", &[from, 99]), g.call("rindex", &[from, 120])),
            (from + 2, 0)
        );
        let none = g.bytes(&vec![1; MAX_STRING]);
        assert!(g.try_call("rawmemchr", &[none, 7]).is_err());
        assert!(g.try_call("swab", &[from, to, 0x7fff_ffff]).is_err());
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        for (a, b, want) in [
            ("v9", "v10", Ordering::Less),
            ("v10", "v10", Ordering::Equal),
            ("1.2", "1.10", Ordering::Less),
            ("jan1", "jan10", Ordering::Less),
            ("item#99", "item#100", Ordering::Less),
            ("no digit", "no digits", Ordering::Less),
            ("000", "00", Ordering::Less),
            ("01", "010", Ordering::Less),
            ("09", "0", Ordering::Less),
            ("b", "a1", Ordering::Greater),
        ] {
            assert_eq!(order(a.as_bytes(), b.as_bytes()), want, "{a} {b}");
            assert_eq!(order(b.as_bytes(), a.as_bytes()), want.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn paths_are_cut_as_posix_says() {
        let mut g = Guest::new();
        for (text, base, dir) in [
            ("/usr/lib", "lib", "/usr"),
            ("/usr/", "usr", "/"),
            ("usr", "usr", "."),
            ("/", "/", "/"),
            (".", ".", "."),
            ("a//b//", "b", "a"),
            ("", ".", "."),
            ("//x", "x", "/"),
        ] {
            let at = g.bytes(&[text.as_bytes(), b"\0"].concat());
            let found = g
                .try_call("basename", &[at])
                .map(|_| g.thread.core.regs.r[0])
                .unwrap();
            assert_eq!(g.text(found), base, "{text}");
            let at = g.bytes(&[text.as_bytes(), b"\0"].concat());
            let found = g.call("dirname", &[at]);
            assert_eq!(g.text(found), dir, "{text}");
        }
        let dot = g.call("basename", &[0]);
        assert_eq!(g.text(dot), ".");
    }
}
