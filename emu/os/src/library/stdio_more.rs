//! What else there is in `<stdio.h>` for streams: lines of any length, text into memory of its own, another file for a stream, and
//! the functions that POSIX has for locked streams.

use super::errno::{EBADF, EINVAL, ENOMEM, EOVERFLOW, fail, text_of};
use super::files;
use super::heap::allocate;
use super::stdio::{IMPORTS as STDIO, MAX, formatted, length};
use super::stdio_file::{IMPORTS as STREAMS, failed, stream};
use crate::kernel::call::{Call, Done, VaList};
use crate::kernel::import::{Import, alias, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("getdelim", getdelim, "`ssize_t getdelim(char **line, size_t *room, int delimiter, FILE *)`: up to and with that byte, into memory that grows; -1 at the end, or errno"),
    import("getline", getline, "`ssize_t getline(char **line, size_t *room, FILE *)`: a line, into memory that grows; -1 at the end, or errno"),
    import("asprintf", asprintf, "`int asprintf(char **to, const char *format, ...)`: into memory of its own; -1 and errno"),
    import("vasprintf", vasprintf, "`int vasprintf(char **to, const char *format, va_list)`: into memory of its own; -1 and errno"),
    import("dprintf", dprintf, "`int dprintf(int fd, const char *format, ...)`: to a descriptor; 1 and 2 are the log; -1 and errno"),
    import("vdprintf", vdprintf, "`int vdprintf(int fd, const char *format, va_list)`: to a descriptor; 1 and 2 are the log; -1 and errno"),
    import("freopen", freopen, "`FILE *freopen(const char *path, const char *mode, FILE *)`: another file of the AP for the stream; NULL and errno, EBADF for a standard stream, EINVAL without a path"),
    import("perror", perror, "`void perror(const char *s)`: s and what errno means, to the log"),
    alias("getc_unlocked", STREAMS, "getc", "`int getc_unlocked(FILE *)`: as getc"),
    alias("fgetc_unlocked", STREAMS, "fgetc", "`int fgetc_unlocked(FILE *)`: as fgetc"),
    alias("getchar_unlocked", STREAMS, "getchar", "`int getchar_unlocked(void)`: as getchar"),
    alias("putc_unlocked", STREAMS, "putc", "`int putc_unlocked(int byte, FILE *)`: as putc"),
    alias("fputc_unlocked", STREAMS, "fputc", "`int fputc_unlocked(int byte, FILE *)`: as fputc"),
    alias("putchar_unlocked", STDIO, "putchar", "`int putchar_unlocked(int byte)`: as putchar"),
    alias("fread_unlocked", STREAMS, "fread", "`size_t fread_unlocked(void *to, size_t size, size_t count, FILE *)`: as fread"),
    alias("fwrite_unlocked", STREAMS, "fwrite", "`size_t fwrite_unlocked(const void *from, size_t size, size_t count, FILE *)`: as fwrite"),
    import("flockfile", nothing, "`void flockfile(FILE *)`: keeps other threads away; each function is whole without it, several are not").without_effect("nothing"),
    import("ftrylockfile", nothing, "`int ftrylockfile(FILE *)`: keeps other threads away; each function is whole without it, several are not").without_effect("0"),
    import("funlockfile", nothing, "`void funlockfile(FILE *)`: lets others at it again").without_effect("nothing"),
];

fn nothing(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

fn getdelim(c: &mut Call<'_>) -> Done {
    let (delimiter, fd) = (c.arg(2)? as u8, stream(c, 3)?);
    delimited(c, fd, delimiter)
}

fn getline(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 2)?;
    delimited(c, fd, b'\n')
}

fn delimited(c: &mut Call<'_>, fd: i32, delimiter: u8) -> Done {
    let (line, room) = (c.arg(0)?, c.arg(1)?);
    if line == 0 || room == 0 {
        return fail(c, EINVAL);
    }
    take_until(c, fd, delimiter, (line, room))
}

/// Takes bytes when there is the delimiter, or reads on, as long as the line is not longer than any text may be.
fn take_until(c: &mut Call<'_>, fd: i32, delimiter: u8, to: (u32, u32)) -> Done {
    let unread = c.os.lib.files.get(fd).map(|file| &file.unread);
    let (there, end) = unread.map_or((0, None), |unread| {
        (unread.len(), unread.iter().position(|&b| b == delimiter))
    });
    let at_end = files::at_end(c, fd);
    let len = match end {
        Some(end) if end < MAX => end + 1,
        None if there < MAX && at_end && there > 0 => there,
        None if there < MAX && at_end => return c.ret(u32::MAX),
        None if there < MAX => {
            let filled = move |c: &mut Call<'_>, filled: Result<(), u32>| match filled {
                Ok(()) => take_until(c, fd, delimiter, to),
                Err(error) => fail(c, error),
            };
            return files::fill(c, fd, files::PAGE, Box::new(filled));
        }
        _ => return fail(c, EOVERFLOW),
    };
    let bytes = files::take(c, fd, len);
    keep_line(c, bytes, to)
}

/// Stores a line where there is room for it, in a larger block if it has to be.
fn keep_line(c: &mut Call<'_>, mut bytes: Vec<u8>, (line, room): (u32, u32)) -> Done {
    let (old, has) = (c.load32(line)?, c.load32(room)?);
    let len = bytes.len() as u32;
    bytes.push(0);
    if old != 0 && has > len {
        c.store(old, &bytes)?;
        return c.ret(len);
    }
    let wanted = (len + 1).next_multiple_of(128);
    let made = move |c: &mut Call<'_>, at: u32| {
        if at == 0 {
            return fail(c, ENOMEM);
        }
        if old != 0 {
            c.os.heap.free(old).map_err(|_| {
                crate::kernel::call::Stop::because(format!("getline: {old:#010x} is not a live heap block"))
            })?;
        }
        c.store(at, &bytes)?;
        c.store32(line, at)?;
        c.store32(room, wanted)?;
        c.ret(len)
    };
    allocate(c, wanted, 16, Box::new(made))
}

fn asprintf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    into_own(c, list)
}

fn vasprintf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    into_own(c, VaList { at })
}

fn into_own(c: &mut Call<'_>, list: VaList) -> Done {
    let (to, text) = (c.arg(0)?, c.arg(1)?);
    let mut out = formatted(c, text, list, MAX)?;
    if out.total > MAX as u64 {
        // No text, or more than is ever built.
        c.store32(to, 0)?;
        return length(c, out.total.max(1 << 31));
    }
    out.text.push(0);
    let made = move |c: &mut Call<'_>, at: u32| {
        c.store32(to, at)?;
        if at == 0 {
            return fail(c, ENOMEM);
        }
        c.store(at, &out.text)?;
        c.ret(out.total as u32)
    };
    allocate(c, out.total as u32 + 1, 16, Box::new(made))
}

fn dprintf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    to_descriptor(c, list)
}

fn vdprintf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    to_descriptor(c, VaList { at })
}

fn to_descriptor(c: &mut Call<'_>, list: VaList) -> Done {
    let (fd, text) = (files::descriptor(c, 0)?, c.arg(1)?);
    let out = formatted(c, text, list, MAX)?;
    if out.total > i32::MAX as u64 {
        return length(c, out.total);
    }
    let total = out.total as u32;
    let answer = move |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
        Ok(()) => c.ret(total),
        Err(error) => fail(c, error),
    };
    // Not behind: who writes to a descriptor has written.
    let written = move |c: &mut Call<'_>, written: Result<(), u32>| match written {
        Ok(()) => files::flush(c, fd, Box::new(answer)),
        Err(error) => fail(c, error),
    };
    files::put(c, fd, out.text, Box::new(written))
}

fn freopen(c: &mut Call<'_>) -> Done {
    let (path, mode, at) = (c.arg(0)?, c.cstr_max(c.arg(1)?, 16)?, c.arg(2)?);
    let Some(&fd) = c.os.lib.files.streams.get(&at) else {
        return failed(c, EBADF, 0);
    };
    // The mode of a file that is open cannot be changed.
    if path == 0 {
        return failed(c, EINVAL, 0);
    }
    let path = c.cstr_max(path, 4096)?;
    c.os.lib.files.streams.remove(&at);
    // That it could not be closed well is not told (C11 7.21.5.4).
    let closed = move |c: &mut Call<'_>, _: Result<(), u32>| {
        let opened = move |c: &mut Call<'_>, opened: Result<i32, u32>| match opened {
            Ok(fd) => {
                c.os.lib.files.streams.insert(at, fd);
                c.ret(at)
            }
            Err(error) => {
                // The stream is closed; whoever freed its memory has a corrupt heap.
                let _ = c.os.heap.free(at);
                failed(c, error, 0)
            }
        };
        files::open(c, path, mode, Box::new(opened))
    };
    files::close(c, fd, Box::new(closed))
}

fn perror(c: &mut Call<'_>) -> Done {
    let (what, at) = (c.arg(0)?, c.errno()?);
    let number = at.map_or(Ok(0), |at| c.load32(at))?;
    let mut line = Vec::new();
    if what != 0 {
        line = c.cstr(what)?;
        if !line.is_empty() {
            line.extend(b": ");
        }
    }
    line.extend(text_of(number));
    line.push(b'\n');
    files::put_for(c, 2, line, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;

    fn open(g: &mut Guest, ap: &mut ApFiles, path: &str, mode: &str) -> u32 {
        let (path, mode) = (
            g.bytes(&[path.as_bytes(), b"\0"].concat()),
            g.bytes(&[mode.as_bytes(), b"\0"].concat()),
        );
        ap.call(g, "fopen", &[path, mode])
    }

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    #[test]
    fn lines_of_any_length_are_read() {
        let mut g = Guest::new();
        let long = vec![b'x'; 10_000];
        let mut ap = ApFiles::with("/f", &[b"one\n", &long[..], b"\na:b"].concat());
        let f = open(&mut g, &mut ap, "/f", "r");
        let (line, room) = (g.bytes(&[0; 4]), g.bytes(&[0; 4]));
        assert_eq!(ap.call(&mut g, "getline", &[line, room, f]), 4);
        let first = g.word(line);
        assert_eq!((g.text(first), g.word(room)), ("one\n".into(), 128));
        assert_eq!(ap.call(&mut g, "getline", &[line, room, f]), 10_001);
        assert_eq!(g.read(g.word(line), 10_000), long);
        assert_eq!(ap.call(&mut g, "getdelim", &[line, room, u32::from(b':'), f]), 2);
        assert_eq!(ap.call(&mut g, "getdelim", &[line, room, u32::from(b':'), f]), 1);
        assert_eq!(g.text(g.word(line)), "b");
        assert_eq!(ap.call(&mut g, "getline", &[line, room, f]), u32::MAX);
        assert_eq!((g.call("getline", &[0, room, f]), errno(&g)), (u32::MAX, EINVAL));
        assert_eq!(
            (g.call("getline", &[line, room, 0x1234]), errno(&g)),
            (u32::MAX, EBADF)
        );
        // A block that is none.
        let mut ap = ApFiles::with("/f", b"a line that is too long");
        let f = open(&mut g, &mut ap, "/f", "r");
        ap.call(&mut g, "fgetc", &[f]);
        g.write(line, &0x1000u32.to_le_bytes());
        g.write(room, &[1, 0, 0, 0]);
        assert!(g.try_call("getline", &[line, room, f]).is_err());
    }

    #[test]
    fn lines_have_a_bound() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", &vec![b'x'; 2 * MAX]);
        let f = open(&mut g, &mut ap, "/f", "r");
        let (line, room) = (g.bytes(&[0; 4]), g.bytes(&[0; 4]));
        assert_eq!(ap.call(&mut g, "getline", &[line, room, f]), u32::MAX);
        assert_eq!(errno(&g), EOVERFLOW);
    }

    #[test]
    fn text_gets_memory_of_its_own() {
        let mut g = Guest::new();
        let (to, format) = (g.bytes(&[0; 4]), g.bytes(b"<%d>\0"));
        g.varargs(&[42]);
        assert_eq!(g.call("asprintf", &[to, format]), 4);
        let at = g.word(to);
        assert_eq!(g.text(at), "<42>");
        assert_eq!(g.call("free", &[at]), 0);
        let large = g.bytes(b"%2000000d\0");
        assert_eq!((g.call("asprintf", &[to, large]), g.word(to)), (u32::MAX, 0));
    }

    #[test]
    fn descriptors_take_text_at_once() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"");
        let f = open(&mut g, &mut ap, "/f", "w");
        let (fd, format) = (g.call("fileno", &[f]), g.bytes(b"%d;\0"));
        g.varargs(&[7]);
        assert_eq!(ap.call(&mut g, "dprintf", &[fd, format]), 2);
        assert_eq!(ap.files["/f"], b"7;");
        assert_eq!((g.call("dprintf", &[99, format]), errno(&g)), (u32::MAX, EBADF));
    }

    #[test]
    fn a_stream_gets_another_file() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/a", b"A");
        ap.files.insert("/b".into(), b"B".to_vec());
        let f = open(&mut g, &mut ap, "/a", "r");
        let (path, mode, none) = (g.bytes(b"/b\0"), g.bytes(b"r\0"), g.bytes(b"/none\0"));
        assert_eq!((g.call("freopen", &[0, mode, f]), errno(&g)), (0, EINVAL));
        assert_eq!(ap.call(&mut g, "freopen", &[path, mode, f]), f);
        assert_eq!(
            (ap.call(&mut g, "getc_unlocked", &[f]), ap.open()),
            (u32::from(b'B'), 1)
        );
        assert_eq!((ap.call(&mut g, "freopen", &[none, mode, f]), errno(&g)), (0, 2));
        assert_eq!((ap.open(), g.call("fclose", &[f])), (0, u32::MAX));
        let out = g.word(g.os.builtins.address(b"stdout").unwrap());
        assert_eq!((g.call("freopen", &[path, mode, out]), errno(&g)), (0, EBADF));
    }
}
