//! What else there is in `<string.h>`: POSIX's and GNU's additions.

use super::heap::allocate;
use super::string::line;
use crate::kernel::call::{Call, Done, MAX_STRING};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("memccpy", memccpy, "`void *memccpy(void *to, const void *from, int byte, size_t len)`: up to and with the byte; what is behind it, or NULL"),
    import("mempcpy", mempcpy, "`void *mempcpy(void *to, const void *from, size_t len)`: copies; the end of what was copied"),
    import("memmem", memmem, "`void *memmem(const void *hay, size_t, const void *needle, size_t)`: finds a block, or NULL"),
    import("stpncpy", stpncpy, "`char *stpncpy(char *to, const char *from, size_t len)`: pads with NUL; where that begins"),
    import("strndup", strndup, "`char *strndup(const char *s, size_t max)`: a copy of at most so much, on the heap"),
    import("strchrnul", strchrnul, "`char *strchrnul(const char *s, int byte)`: finds a byte, or the NUL"),
    import("strcasestr", strcasestr, "`char *strcasestr(const char *hay, const char *needle)`: finds a string without regard to case"),
    import("strxfrm", strxfrm, "`size_t strxfrm(char *to, const char *from, size_t room)`: a copy, in the locale \"C\"; the length it takes"),
    import("isblank", |c| class(c, |b| b == b' ' || b == b'\t'), "`int isblank(int byte)`: a space or a tab?"),
    import("isascii", |c| class(c, |b| b.is_ascii()), "`int isascii(int byte)`: below 128?"),
    import("toascii", toascii, "`int toascii(int byte)`: its lowest seven bits"),
];

fn class(c: &mut Call<'_>, is: fn(u8) -> bool) -> Done {
    let is = u8::try_from(c.arg(0)?).is_ok_and(is);
    c.ret(is.into())
}

fn toascii(c: &mut Call<'_>) -> Done {
    let byte = c.arg(0)? & 0x7f;
    c.ret(byte)
}

fn memccpy(c: &mut Call<'_>) -> Done {
    let (to, from, byte, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)? as u8, c.arg(3)?);
    let mut done = 0;
    while done < len {
        // No page behind the byte's is read.
        let mut part = line(c, from.wrapping_add(done), len - done)?;
        let end = part.iter().position(|&b| b == byte);
        part.truncate(end.map_or(part.len(), |end| end + 1));
        c.store(to.wrapping_add(done), &part)?;
        done += part.len() as u32;
        if end.is_some() {
            return c.ret(to.wrapping_add(done));
        }
    }
    c.ret(0)
}

fn mempcpy(c: &mut Call<'_>) -> Done {
    let (to, from, len) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    let block = c.load(from, len)?;
    c.store(to, &block)?;
    c.ret(to.wrapping_add(len))
}

/// Where a block begins that is found.
fn found(c: &mut Call<'_>, at: u32, index: Option<usize>) -> Done {
    c.ret(index.map_or(0, |index| at.wrapping_add(index as u32)))
}

fn memmem(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let (hay, needle) = (c.load(at, c.arg(1)?)?, c.load(c.arg(2)?, c.arg(3)?)?);
    let index = super::string::find(&hay, &needle);
    found(c, at, index)
}

fn stpncpy(c: &mut Call<'_>) -> Done {
    let (to, len) = (c.arg(0)?, c.arg(2)?);
    let mut text = c.cstr_max(c.arg(1)?, len as usize)?;
    let end = to.wrapping_add(text.len() as u32);
    // As much as is padded has to be there.
    c.check_readable(to, len)?;
    text.resize(len as usize, 0);
    c.store(to, &text)?;
    c.ret(end)
}

fn strndup(c: &mut Call<'_>) -> Done {
    let max = c.arg(1)? as usize;
    let mut text = if max < MAX_STRING {
        c.cstr_max(c.arg(0)?, max)?
    } else {
        c.cstr(c.arg(0)?)?
    };
    text.push(0);
    let made = |text: Vec<u8>| {
        move |c: &mut Call<'_>, at: u32| {
            if at != 0 {
                c.store(at, &text)?;
            }
            c.ret(at)
        }
    };
    allocate(c, text.len() as u32, 16, Box::new(made(text)))
}

fn strchrnul(c: &mut Call<'_>) -> Done {
    let (at, byte) = (c.arg(0)?, c.arg(1)? as u8);
    let text = c.cstr(at)?;
    let index = text.iter().position(|&b| b == byte).unwrap_or(text.len());
    found(c, at, Some(index))
}

fn strcasestr(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let (hay, needle) = (c.cstr(at)?, c.cstr(c.arg(1)?)?);
    let index = super::string::find(&hay.to_ascii_lowercase(), &needle.to_ascii_lowercase());
    found(c, at, index)
}

fn strxfrm(c: &mut Call<'_>) -> Done {
    let (to, mut text, room) = (c.arg(0)?, c.cstr(c.arg(1)?)?, c.arg(2)? as usize);
    let len = text.len();
    if room > 0 {
        text.truncate(room - 1);
        text.push(0);
        c.store(to, &text)?;
    }
    c.ret(len as u32)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn blocks_and_strings_are_copied_and_found() {
        let mut g = Guest::new();
        let (s, needle, to) = (
            g.bytes(b"one Two three\0"),
            g.bytes(b"tWO\0"),
            g.bytes(&[0x55; 32]),
        );
        assert_eq!(g.call("memccpy", &[to, s, u32::from(b' '), 32]), to + 4);
        assert_eq!(g.call("memccpy", &[to, s, u32::from(b'!'), 5]), 0);
        assert_eq!(g.call("mempcpy", &[to, s, 3]), to + 3);
        assert_eq!(g.call("memmem", &[s, 13, needle + 1, 0]), s);
        assert_eq!(g.call("memmem", &[s, 13, s + 8, 5]), s + 8);
        assert_eq!(g.call("memmem", &[s, 5, s + 8, 5]), 0);
        assert_eq!(g.call("strcasestr", &[s, needle]), s + 4);
        assert_eq!(g.call("strchrnul", &[s, u32::from(b'!')]), s + 13);
        assert_eq!(g.call("stpncpy", &[to, needle, 6]), to + 3);
        assert_eq!(g.read(to, 7), b"tWO\0\0\0\x55");
        let copy = g.call("strndup", &[s, 3]);
        assert_eq!(g.text(copy), "one");
        assert_eq!(g.call("strxfrm", &[to, s, 4]), 13);
        assert_eq!(g.text(to), "one");
        assert_eq!(
            (
                g.call("isblank", &[9]),
                g.call("isascii", &[128]),
                g.call("toascii", &[0xc1])
            ),
            (1, 0, 0x41)
        );
        for (name, args) in [
            ("mempcpy", [to, s, 0x4000_0000]),
            ("stpncpy", [to, s, 0x4000_0000]),
            ("strndup", [3, 4, 0]),
        ] {
            assert!(g.try_call(name, &args).is_err(), "{name}");
        }
    }

    #[test]
    fn a_copy_ends_with_its_byte_wherever_that_is() {
        let mut g = Guest::new();
        let mut bytes = vec![1; 1000];
        bytes[600] = 7;
        let (from, to) = (g.bytes(&bytes), g.bytes(&[0; 1000]));
        assert_eq!(g.call("memccpy", &[to, from + 5, 7, u32::MAX]), to + 596);
        assert_eq!(g.read(to + 594, 4), [1, 7, 0, 0]);
        assert_eq!(g.call("memccpy", &[to, from, 7, 600]), 0);
        assert!(g.try_call("memccpy", &[to, from, 9, u32::MAX]).is_err());
    }

    #[test]
    fn what_is_too_long_to_be_copied_is_not_cut() {
        use crate::kernel::call::MAX_STRING;
        let mut g = Guest::new();
        let long = g.bytes(&vec![b'a'; MAX_STRING + 16]);
        let cut = g.call("strndup", &[long, MAX_STRING as u32 - 1]);
        assert_eq!(g.call("strlen", &[cut]), MAX_STRING as u32 - 1);
        assert!(g.try_call("strndup", &[long, MAX_STRING as u32]).is_err());
    }
}
