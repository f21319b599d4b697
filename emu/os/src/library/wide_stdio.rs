//! `<wchar.h>` on streams: each character is a byte there, as in the locale "C", and one above 255 an error (EILSEQ); but for memory
//! of wide characters (`open_wmemstream`).
//!
//! Streams take functions for bytes and for wide characters, whatever their orientation is said to be.

use super::errno::{EBADF, EINVAL};
use super::files::{is_wide_memory, put_for as put, put_wide_for};
use super::format;
use super::stdio::{GuestArgs, MAX, length};
use super::stdio_file::{failed, fgetc, getchar, line, put_back, stream};
use super::unit::{Unit as _, bytes};
use super::wide::{illegal, put as put_wide, string};
use crate::kernel::call::{Call, Done, VaList};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("fgetwc", fgetwc, "`wint_t fgetwc(FILE *)`: the next character; -1 at the end"),
    import("getwc", fgetwc, "`wint_t getwc(FILE *)`: the next character; -1 at the end"),
    import("getwchar", getwchar, "`wint_t getwchar(void)`: the next character of the standard input; -1 at the end"),
    import("ungetwc", ungetwc, "`wint_t ungetwc(wint_t, FILE *)`: to be read again; -1 and EILSEQ for characters above 255"),
    import("fgetws", fgetws, "`wchar_t *fgetws(wchar_t *to, int room, FILE *)`: a line, or what fits; NULL at the end"),
    import("fputwc", fputwc, "`wint_t fputwc(wchar_t, FILE *)`: writes a character; -1 and errno"),
    import("putwc", fputwc, "`wint_t putwc(wchar_t, FILE *)`: writes a character; -1 and errno"),
    import("putwchar", putwchar, "`wint_t putwchar(wchar_t)`: to the log, line by line; -1 and EILSEQ"),
    import("fputws", fputws, "`int fputws(const wchar_t *, FILE *)`: writes a string; -1 and errno"),
    import("wprintf", wprintf, "`int wprintf(const wchar_t *format, ...)`: to the log, line by line; -1 and EILSEQ"),
    import("vwprintf", vwprintf, "`int vwprintf(const wchar_t *format, va_list)`: to the log, line by line; -1 and EILSEQ"),
    import("fwprintf", fwprintf, "`int fwprintf(FILE *, const wchar_t *format, ...)`: writes text; -1 and errno"),
    import("vfwprintf", vfwprintf, "`int vfwprintf(FILE *, const wchar_t *format, va_list)`: writes text; -1 and errno"),
    import("fwide", fwide, "`int fwide(FILE *, int mode)`: 1 for a stream that this or a function of wide characters made wide, -1 for one that this made narrow; 0"),
];

/// `WEOF`, and what other functions answer when they fail.
const END: u32 = u32::MAX;

fn fgetwc(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    orient(c, fd, 1);
    fgetc(c)
}

fn getwchar(c: &mut Call<'_>) -> Done {
    orient(c, 0, 1);
    getchar(c)
}

fn ungetwc(c: &mut Call<'_>) -> Done {
    let (wide, fd) = (c.arg(0)?, stream(c, 1)?);
    orient(c, fd, 1);
    match wide.byte() {
        Some(_) => put_back(c, wide, fd),
        None if wide == END => c.ret(END),
        None => illegal(c),
    }
}

fn fgetws(c: &mut Call<'_>) -> Done {
    let (to, room, fd) = (c.arg(0)?, c.arg(1)? as i32, stream(c, 2)?);
    orient(c, fd, 1);
    let Some(most) = usize::try_from(room).ok().and_then(|room| room.checked_sub(1)) else {
        return failed(c, EINVAL, 0);
    };
    line(c, fd, most.min(MAX), to, |c, to, bytes| {
        let text: Vec<u32> = bytes.into_iter().chain([0]).map(u32::from).collect();
        put_wide(c, to, &text)
    })
}

fn fputwc(c: &mut Call<'_>) -> Done {
    let (wide, fd) = (c.arg(0)?, stream(c, 1)?);
    orient(c, fd, 1);
    write(c, fd, &[wide], wide)
}

/// Writes characters and returns `value`, or -1.
fn write(c: &mut Call<'_>, fd: i32, text: &[u32], value: u32) -> Done {
    if is_wide_memory(c, fd) {
        return put_wide_for(c, fd, text, value);
    }
    match bytes(text) {
        Some(bytes) => put(c, fd, bytes, value),
        None => illegal(c),
    }
}

fn putwchar(c: &mut Call<'_>) -> Done {
    let wide = c.arg(0)?;
    orient(c, 1, 1);
    write(c, 1, &[wide], wide)
}

fn fputws(c: &mut Call<'_>) -> Done {
    let (text, fd) = (string(c, c.arg(0)?, usize::MAX)?, stream(c, 1)?);
    orient(c, fd, 1);
    write(c, fd, &text, 0)
}

/// Formats and writes to a stream; nothing is written of a text with a character that has no byte.
fn print(c: &mut Call<'_>, fd: i32, text: u32, list: VaList) -> Done {
    orient(c, fd, 1);
    let text = string(c, text, usize::MAX)?;
    let out = format::format(&text, &mut GuestArgs { call: c, list }, MAX)?;
    match u32::try_from(out.total) {
        Ok(total) if total <= i32::MAX as u32 => write(c, fd, &out.text, total),
        _ => length(c, out.total),
    }
}

fn wprintf(c: &mut Call<'_>) -> Done {
    let (text, list) = (c.arg(0)?, c.va());
    print(c, 1, text, list)
}

fn vwprintf(c: &mut Call<'_>) -> Done {
    let (text, at) = (c.arg(0)?, c.arg(1)?);
    print(c, 1, text, VaList { at })
}

fn fwprintf(c: &mut Call<'_>) -> Done {
    let (fd, text, list) = (stream(c, 0)?, c.arg(1)?, c.va());
    print(c, fd, text, list)
}

fn vfwprintf(c: &mut Call<'_>) -> Done {
    let (fd, text, at) = (stream(c, 0)?, c.arg(1)?, c.arg(2)?);
    print(c, fd, text, VaList { at })
}

/// Gives a stream an orientation, if it has none; the one that it has.
pub(super) fn orient(c: &mut Call<'_>, fd: i32, wanted: i32) -> i32 {
    match wanted {
        0 => c.os.lib.files.orientation(fd),
        _ => c.os.lib.files.orient(fd, wanted.signum()),
    }
}

fn fwide(c: &mut Call<'_>) -> Done {
    let (fd, mode) = (stream(c, 0)?, c.arg(1)? as i32);
    if fd < 0 {
        return failed(c, EBADF, 0);
    }
    let is = orient(c, fd, mode);
    c.ret(is as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;
    use crate::library::errno::EILSEQ;

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    fn open(g: &mut Guest, ap: &mut ApFiles, mode: &str) -> u32 {
        let (path, mode) = (g.bytes(b"/f\0"), g.bytes(&[mode.as_bytes(), b"\0"].concat()));
        ap.call(g, "fopen", &[path, mode])
    }

    #[test]
    fn streams_are_read_by_character_and_by_line() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"a\xe4\nlast");
        let (f, to) = (open(&mut g, &mut ap, "r"), g.bytes(&[0x55; 64]));
        assert_eq!(g.call("fwide", &[f, 0]), 0);
        assert_eq!(ap.call(&mut g, "fgetwc", &[f]), u32::from(b'a'));
        assert_eq!(g.call("fwide", &[f, -1i32 as u32]), 1);
        assert_eq!(g.call("ungetwc", &[0xff, f]), 0xff);
        assert_eq!((g.call("ungetwc", &[0x100, f]), errno(&g)), (END, EILSEQ));
        assert_eq!(g.call("ungetwc", &[END, f]), END);
        assert_eq!(ap.call(&mut g, "fgetws", &[to, 16, f]), to);
        let read: Vec<u32> = (0..4).map(|n| g.word(to + 4 * n)).collect();
        assert_eq!(read, [0xff, 0xe4, 10, 0]);
        assert_eq!(ap.call(&mut g, "fgetws", &[to, 3, f]), to);
        assert_eq!((g.word(to + 4), g.word(to + 8)), (u32::from(b'a'), 0));
        assert_eq!(ap.call(&mut g, "fgetws", &[to, 16, f]), to);
        assert_eq!(ap.call(&mut g, "fgetws", &[to, 16, f]), 0);
        assert_eq!((g.call("fgetws", &[to, 0, f]), errno(&g)), (0, EINVAL));
        assert_eq!(ap.call(&mut g, "getwc", &[f]), END);
        assert_eq!(g.call("getwchar", &[]), END);
    }

    #[test]
    fn text_is_written_or_has_a_character_without_a_byte() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"");
        let f = open(&mut g, &mut ap, "w");
        let (format, name) = (g.wide("%ls=%d\u{e4};"), g.wide("x"));
        g.varargs(&[name, 7]);
        assert_eq!(ap.call(&mut g, "fwprintf", &[f, format]), 5);
        let list = g.bytes(&[name, 8].map(u32::to_le_bytes).concat());
        assert_eq!(ap.call(&mut g, "vfwprintf", &[f, format, list]), 5);
        assert_eq!(ap.call(&mut g, "fputwc", &[0xff, f]), 0xff);
        assert_eq!(ap.call(&mut g, "putwc", &[u32::from(b'!'), f]), u32::from(b'!'));
        assert_eq!(ap.call(&mut g, "fputws", &[name, f]), 0);
        let euro = g.wide("a\u{20ac}");
        for (name, args) in [
            ("fputws", [euro, f]),
            ("fputwc", [0x20ac, f]),
            ("fwprintf", [f, euro]),
        ] {
            g.call("_Geterrno", &[]);
            g.write(g.os.builtins.errno().unwrap(), &[0; 4]);
            assert_eq!((g.call(name, &args), errno(&g)), (END, EILSEQ), "{name}");
        }
        ap.call(&mut g, "fclose", &[f]);
        assert_eq!(ap.files["/f"], b"x=7\xe4;x=8\xe4;\xff!x");
        assert_eq!((g.call("fputwc", &[65, 0x1234]), errno(&g)), (END, EBADF));
    }

    #[test]
    fn the_standard_output_is_the_log() {
        let mut g = Guest::new();
        let (format, list) = (g.wide("%d wide\n"), g.bytes(&[2, 0, 0, 0]));
        g.varargs(&[1]);
        assert_eq!(g.call("wprintf", &[format]), 7);
        assert_eq!(g.call("vwprintf", &[format, list]), 7);
        assert_eq!(g.call("putwchar", &[65]), 65);
        assert_eq!(g.call("putwchar", &[10]), 10);
        assert_eq!((g.call("putwchar", &[256]), errno(&g)), (END, EILSEQ));
        let texts: Vec<String> = g.ap.0.lock().unwrap().iter().map(|r| r.text.clone()).collect();
        assert_eq!(texts, ["1 wide", "2 wide", "A"]);
    }

    #[test]
    fn the_first_orientation_stays() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"");
        let f = open(&mut g, &mut ap, "r");
        assert_eq!(g.call("fwide", &[f, -5i32 as u32]), u32::MAX);
        assert_eq!(g.call("fwide", &[f, 1]), u32::MAX);
        ap.call(&mut g, "fclose", &[f]);
        let f = open(&mut g, &mut ap, "w");
        assert_eq!(g.call("fwide", &[f, 0]), 0);
        g.call("fputwc", &[65, f]);
        assert_eq!(g.call("fwide", &[f, -1i32 as u32]), 1);
        assert_eq!((g.call("fwide", &[0x1234, 1]), errno(&g)), (0, EBADF));
    }
}
