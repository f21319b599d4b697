//! The `scanf` family: the scanner (`scan.rs`) over strings, and over files as far as they have to be read; also with formats of wide
//! characters.

use super::convert::Chars;
use super::errno::{EBADF, EILSEQ};
use super::files;
use super::scan::{Scanned, Store, scan};
use super::stdio_file::descriptor;
use super::wide;
use super::wide_stdio::orient;
use crate::kernel::call::{Call, Done, Stop, VaList};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("sscanf", sscanf, "`int sscanf(const char *s, const char *format, ...)`: reads from a string; how many were stored, -1 at the end"),
    import("vsscanf", vsscanf, "`int vsscanf(const char *s, const char *format, va_list)`: reads from a string"),
    import("fscanf", fscanf, "`int fscanf(FILE *, const char *format, ...)`: reads from a file; how many were stored, -1 at the end"),
    import("vfscanf", vfscanf, "`int vfscanf(FILE *, const char *format, va_list)`: reads from a file"),
    import("scanf", scanf, "`int scanf(const char *format, ...)`: reads the standard input, which is empty unless dup2 made it a file; how many were read, -1 at the end"),
    import("vscanf", vscanf, "`int vscanf(const char *format, va_list)`: reads the standard input, which is empty unless dup2 made it a file; how many were read, -1 at the end"),
    import("swscanf", swscanf, "`int swscanf(const wchar_t *s, const wchar_t *format, ...)`: as sscanf, of wide characters"),
    import("vswscanf", vswscanf, "`int vswscanf(const wchar_t *s, const wchar_t *format, va_list)`: as vsscanf, of wide characters"),
    import("fwscanf", fwscanf, "`int fwscanf(FILE *, const wchar_t *format, ...)`: as fscanf; each byte is a character"),
    import("vfwscanf", vfwscanf, "`int vfwscanf(FILE *, const wchar_t *format, va_list)`: as vfscanf; each byte is a character"),
    import("wscanf", wscanf, "`int wscanf(const wchar_t *format, ...)`: reads the standard input, which is empty unless dup2 made it a file; how many were read, -1 at the end"),
    import("vwscanf", vwscanf, "`int vwscanf(const wchar_t *format, va_list)`: reads the standard input, which is empty unless dup2 made it a file; how many were read, -1 at the end"),
];

/// Most bytes of a file that are looked at before its scanner has to do with them.
const MOST: usize = 1 << 20;

/// Stores what was read where the arguments say.
fn store(c: &Call<'_>, list: VaList, stores: &[Store]) -> Result<(), Stop> {
    for store in stores {
        let at = (list.at.wrapping_add(3) & !3).wrapping_add(4 * store.argument as u32);
        c.store(c.load32(at)?, &store.bytes)?;
    }
    Ok(())
}

/// A format, in the characters that it has.
enum Format {
    Narrow(Vec<u8>),
    Wide(Vec<u32>),
}

impl Format {
    fn load(c: &Call<'_>, at: u32, chars: Chars) -> Result<Self, Stop> {
        Ok(match chars {
            Chars::Narrow => Self::Narrow(c.cstr(at)?),
            Chars::Wide => Self::Wide(wide::string(c, at, usize::MAX)?),
        })
    }

    /// Scans what a file has.
    fn scan(&self, bytes: &[u8], ended: bool) -> Scanned {
        match self {
            Self::Narrow(format) => scan(format, bytes, ended),
            Self::Wide(format) => {
                let text: Vec<u32> = bytes.iter().map(|&byte| byte.into()).collect();
                scan(format, &text, ended)
            }
        }
    }
}

/// Stores what was read; how many.
fn stored(c: &mut Call<'_>, list: VaList, count: i32, illegal: bool, stores: &[Store]) -> Done {
    store(c, list, stores)?;
    if illegal {
        c.set_errno(EILSEQ)?;
    }
    c.ret(count as u32)
}

fn of_string(c: &mut Call<'_>, list: VaList, chars: Chars) -> Done {
    let at = c.arg(0)?;
    let scanned = match Format::load(c, c.arg(1)?, chars)? {
        Format::Narrow(format) => scan(&format, &c.cstr(at)?, true),
        Format::Wide(format) => scan(&format, &wide::string(c, at, usize::MAX)?, true),
    };
    match scanned {
        Scanned::Done {
            count,
            illegal,
            stores,
            ..
        } => stored(c, list, count, illegal, &stores),
        Scanned::More => c.ret(u32::MAX),
    }
}

fn of_file(c: &mut Call<'_>, fd: i32, format: Format, list: VaList) -> Done {
    let ended = files::at_end(c, fd);
    let unread = c.os.lib.files.get(fd).map(|file| &*file.unread.make_contiguous());
    let unread = unread.unwrap_or_default();
    match format.scan(unread, ended || unread.len() >= MOST) {
        Scanned::Done {
            count,
            used,
            illegal,
            stores,
        } => {
            files::take(c, fd, used);
            stored(c, list, count, illegal, &stores)
        }
        Scanned::More => {
            let filled = move |c: &mut Call<'_>, filled: Result<(), u32>| match filled {
                Ok(()) => of_file(c, fd, format, list),
                Err(error) => {
                    c.set_errno(error)?;
                    c.ret(u32::MAX)
                }
            };
            files::fill(c, fd, files::PAGE, Box::new(filled))
        }
    }
}

fn of_stream(c: &mut Call<'_>, list: VaList, chars: Chars) -> Done {
    let format = Format::load(c, c.arg(1)?, chars)?;
    let fd = descriptor(c, c.arg(0)?);
    of_descriptor(c, fd, format, list)
}

fn of_input(c: &mut Call<'_>, list: VaList, chars: Chars) -> Done {
    let format = Format::load(c, c.arg(0)?, chars)?;
    of_descriptor(c, Some(0), format, list)
}

fn of_descriptor(c: &mut Call<'_>, fd: Option<i32>, format: Format, list: VaList) -> Done {
    if let (Some(fd), Format::Wide(_)) = (fd, &format) {
        orient(c, fd, 1);
    }
    match fd {
        Some(fd) if c.os.lib.files.get(fd).is_some_and(|file| file.read) => of_file(c, fd, format, list),
        _ => {
            c.set_errno(EBADF)?;
            c.ret(u32::MAX)
        }
    }
}

fn sscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_string(c, list, Chars::Narrow)
}

fn vsscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    of_string(c, VaList { at }, Chars::Narrow)
}

fn fscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_stream(c, list, Chars::Narrow)
}

fn vfscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    of_stream(c, VaList { at }, Chars::Narrow)
}

fn swscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_string(c, list, Chars::Wide)
}

fn vswscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    of_string(c, VaList { at }, Chars::Wide)
}

fn fwscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_stream(c, list, Chars::Wide)
}

fn vfwscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    of_stream(c, VaList { at }, Chars::Wide)
}

fn scanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_input(c, list, Chars::Narrow)
}

fn vscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(1)?;
    of_input(c, VaList { at }, Chars::Narrow)
}

fn wscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_input(c, list, Chars::Wide)
}

fn vwscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(1)?;
    of_input(c, VaList { at }, Chars::Wide)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;

    #[test]
    fn files_are_read_as_far_as_it_takes() {
        let mut g = Guest::new();
        // A number across the border of what is read ahead.
        let text = [vec![b' '; 4094], b"1234 x".to_vec()].concat();
        let mut ap = ApFiles::with("/f", &text);
        let (path, mode, format, to) = (
            g.bytes(b"/f\0"),
            g.bytes(b"r\0"),
            g.bytes(b"%d\0"),
            g.bytes(&[0; 4]),
        );
        let f = ap.call(&mut g, "fopen", &[path, mode]);
        g.varargs(&[to]);
        assert_eq!(ap.call(&mut g, "fscanf", &[f, format]), 1);
        assert_eq!(g.word(to), 1234);
        assert_eq!(ap.call(&mut g, "fgetc", &[f]), u32::from(b' '));
        assert_eq!(ap.call(&mut g, "fscanf", &[f, format]), 0);
        assert_eq!(ap.call(&mut g, "fgetc", &[f]), u32::from(b'x'));
        assert_eq!(ap.call(&mut g, "fscanf", &[f, format]), u32::MAX);
    }

    #[test]
    fn wide_formats_read_strings_and_files() {
        let mut g = Guest::new();
        let (s, format) = (g.wide("7 \u{20ac}x"), g.wide("%d %ls"));
        let (number, to) = (g.bytes(&[0; 4]), g.bytes(&[0; 16]));
        g.varargs(&[number, to]);
        assert_eq!(g.call("swscanf", &[s, format]), 2);
        assert_eq!((g.word(number), g.word(to), g.word(to + 8)), (7, 0x20ac, 0));
        let list = g.bytes(&[number, to].map(u32::to_le_bytes).concat());
        let narrow = g.wide("%d %s");
        assert_eq!(g.call("vswscanf", &[s, narrow, list]), 1);
        assert_eq!(g.word(g.os.builtins.errno().unwrap()), super::EILSEQ);
        let mut ap = ApFiles::with("/f", b"12 ab\xe4 x");
        let (path, mode) = (g.bytes(b"/f\0"), g.bytes(b"r\0"));
        let f = ap.call(&mut g, "fopen", &[path, mode]);
        assert_eq!(ap.call(&mut g, "fwscanf", &[f, format]), 2);
        assert_eq!((g.word(number), g.word(to + 8), g.word(to + 12)), (12, 0xe4, 0));
        assert_eq!(ap.call(&mut g, "vfwscanf", &[f, format, list]), 0);
        assert_eq!(g.call("wscanf", &[format]), u32::MAX);
    }

    #[test]
    fn strings_are_read_into_the_arguments() {
        let mut g = Guest::new();
        let (s, format) = (g.bytes(b"size 12 at 0x1000\0"), g.bytes(b"%s %d at %x\0"));
        let (name, size, at) = (g.bytes(&[0; 8]), g.bytes(&[0; 4]), g.bytes(&[0; 4]));
        g.varargs(&[name, size, at]);
        assert_eq!(g.call("sscanf", &[s, format]), 3);
        assert_eq!(
            (g.text(name), g.word(size), g.word(at)),
            ("size".into(), 12, 0x1000)
        );
        let list = g.bytes(&[name, size, at].map(u32::to_le_bytes).concat());
        assert_eq!(g.call("vsscanf", &[s, format, list]), 3);
        g.varargs(&[3, size, at]);
        assert!(g.try_call("sscanf", &[s, format]).is_err());
    }
}
