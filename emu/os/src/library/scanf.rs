//! The `scanf` family: the scanner (`scan.rs`) over strings, and over files as far as they have to be read.

use super::errno::EBADF;
use super::files;
use super::scan::{Scanned, Store, scan};
use super::stdio_file::descriptor;
use crate::kernel::call::{Call, Done, Stop, VaList};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("sscanf", sscanf, "`int sscanf(const char *s, const char *format, ...)`: reads from a string; how many were stored, -1 at the end"),
    import("vsscanf", vsscanf, "`int vsscanf(const char *s, const char *format, va_list)`: reads from a string"),
    import("fscanf", fscanf, "`int fscanf(FILE *, const char *format, ...)`: reads from a file; how many were stored, -1 at the end"),
    import("vfscanf", vfscanf, "`int vfscanf(FILE *, const char *format, va_list)`: reads from a file"),
    import("scanf", scanf, "`int scanf(const char *format, ...)`: -1, the standard input is empty"),
    import("vscanf", vscanf, "`int vscanf(const char *format, va_list)`: -1, the standard input is empty"),
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

fn of_string(c: &mut Call<'_>, list: VaList) -> Done {
    let (text, format) = (c.cstr(c.arg(0)?)?, c.cstr(c.arg(1)?)?);
    match scan(&format, &text, true) {
        Scanned::Done { count, stores, .. } => {
            store(c, list, &stores)?;
            c.ret(count as u32)
        }
        Scanned::More => c.ret(u32::MAX),
    }
}

fn of_file(c: &mut Call<'_>, fd: i32, format: Vec<u8>, list: VaList) -> Done {
    let ended = files::at_end(c, fd);
    let unread = c.os.lib.files.get(fd).map(|file| &*file.unread.make_contiguous());
    let unread = unread.unwrap_or_default();
    match scan(&format, unread, ended || unread.len() >= MOST) {
        Scanned::Done { count, used, stores } => {
            files::take(c, fd, used);
            store(c, list, &stores)?;
            c.ret(count as u32)
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

fn of_stream(c: &mut Call<'_>, list: VaList) -> Done {
    let format = c.cstr(c.arg(1)?)?;
    match descriptor(c, c.arg(0)?) {
        Some(fd) if c.os.lib.files.get(fd).is_some_and(|file| file.read) => of_file(c, fd, format, list),
        Some(0) => c.ret(u32::MAX),
        _ => {
            c.set_errno(EBADF)?;
            c.ret(u32::MAX)
        }
    }
}

fn sscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_string(c, list)
}

fn vsscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    of_string(c, VaList { at })
}

fn fscanf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    of_stream(c, list)
}

fn vfscanf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    of_stream(c, VaList { at })
}

fn scanf(c: &mut Call<'_>) -> Done {
    c.ret(u32::MAX)
}

fn vscanf(c: &mut Call<'_>) -> Done {
    scanf(c)
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
