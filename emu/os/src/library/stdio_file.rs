//! `FILE`s of `<stdio.h>`: on files of the AP (`files.rs`), and the standard streams, which are the log and an empty input.
//!
//! A `FILE` is a block of zeros: what macros of headers find in it says that nothing is buffered, so they call the functions.

use super::errno::{EBADF, EINVAL, ENOMEM};
use super::files;
use super::heap::allocate;
use super::log_text::end_line;
use super::stdio::{formatted, write};
use crate::builtins::STREAMS;
use crate::kernel::call::{Call, Done, Stop, VaList};
use crate::kernel::import::{Import, import};
use crate::library_state::files::{Buffering, File};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("fopen", fopen, "`FILE *fopen(const char *path, const char *mode)`: a file of the AP, by absolute path or along its search path; NULL and errno"),
    import("fdopen", fdopen, "`FILE *fdopen(int fd, const char *mode)`: the descriptor as a stream; NULL and EBADF"),
    import("fclose", fclose, "`int fclose(FILE *)`: closes it, after what was written reached the AP; -1 and errno"),
    import("fread", fread, "`size_t fread(void *to, size_t size, size_t count, FILE *)`: reads elements; how many came"),
    import("fwrite", fwrite, "`size_t fwrite(const void *from, size_t size, size_t count, FILE *)`: writes elements; how many went"),
    import("fseek", fseek, "`int fseek(FILE *, long offset, int whence)`: moves the position; -1 and errno"),
    import("fseeko", fseeko, "`int fseeko(FILE *, off_t offset, int whence)`: moves the position; -1 and errno"),
    import("ftell", ftell, "`long ftell(FILE *)`: the position; -1 and errno"),
    import("ftello", ftello, "`off_t ftello(FILE *)`: the position; -1 and errno"),
    import("rewind", rewind, "`void rewind(FILE *)`: to the beginning, and forgets errors"),
    import("fgetpos", fgetpos, "`int fgetpos(FILE *, fpos_t *)`: the position; -1 and errno"),
    import("fsetpos", fsetpos, "`int fsetpos(FILE *, const fpos_t *)`: back to that position; -1 and errno"),
    import("feof", feof, "`int feof(FILE *)`: was the end met?"),
    import("ferror", ferror, "`int ferror(FILE *)`: did something fail?"),
    import("clearerr", clearerr, "`void clearerr(FILE *)`: forgets the end and errors"),
    import("fflush", fflush, "`int fflush(FILE *)`: what was written goes to the AP, or the incomplete line to the log; NULL: of all"),
    import("fgetc", fgetc, "`int fgetc(FILE *)`: the next byte; -1 at the end"),
    import("getc", fgetc, "`int getc(FILE *)`: the next byte; -1 at the end"),
    import("getchar", getchar, "`int getchar(void)`: the next byte of the standard input, which is empty unless dup2 made it a file; -1 at the end"),
    import("ungetc", ungetc, "`int ungetc(int byte, FILE *)`: to be read again"),
    import("fgets", fgets, "`char *fgets(char *to, int room, FILE *)`: a line, or what fits; NULL at the end"),
    import("fputc", fputc, "`int fputc(int byte, FILE *)`: writes a byte; -1 and errno"),
    import("putc", fputc, "`int putc(int byte, FILE *)`: writes a byte; -1 and errno"),
    import("fputs", fputs, "`int fputs(const char *s, FILE *)`: writes a string; -1 and errno"),
    import("fprintf", fprintf, "`int fprintf(FILE *, const char *format, ...)`: writes text; -1 and errno"),
    import("vfprintf", vfprintf, "`int vfprintf(FILE *, const char *format, va_list)`: writes text; -1 and errno"),
    import("fileno", fileno, "`int fileno(FILE *)`: its descriptor; -1 and EBADF"),
    import("setvbuf", setvbuf, "`int setvbuf(FILE *, char *, int mode, size_t)`: when what is written goes to the AP: page by page, with each line, at once; -1 and errno. The log has lines"),
    import("setbuf", setbuf, "`void setbuf(FILE *, char *)`: page by page; NULL: at once"),
    import("setbuffer", setbuf, "`void setbuffer(FILE *, char *, size_t)`: page by page; NULL: at once"),
    import("setlinebuf", setlinebuf, "`void setlinebuf(FILE *)`: with each line"),
];

/// Bytes of a `FILE`.
const FILE: u32 = 96;
/// Longest text that is formatted, longest line that is looked for, and the most that `ungetc` may pile up.
const MAX: usize = 1 << 20;
/// `EOF`, and what other functions answer when they fail.
const END: u32 = u32::MAX;

/// The descriptor of the stream at this address.
pub(super) fn descriptor(c: &Call<'_>, at: u32) -> Option<i32> {
    let standard = STREAMS.iter().zip(0..).find_map(|(name, fd)| {
        let there = c.os.builtins.address(name.as_bytes());
        (there == Some(at)).then_some(fd)
    });
    standard.or_else(|| c.os.lib.files.streams.get(&at).copied())
}

/// Sets errno and returns the value that says so.
pub(super) fn failed(c: &mut Call<'_>, error: u32, value: u32) -> Done {
    c.set_errno(error)?;
    c.ret(value)
}

/// The descriptor of the stream at argument `n`, or -1 for one that there is none behind, which every function refuses.
pub(super) fn stream(c: &Call<'_>, n: usize) -> Result<i32, Stop> {
    Ok(descriptor(c, c.arg(n)?).unwrap_or(-1))
}

/// Makes a `FILE` for a descriptor.
pub(super) fn make_stream(c: &mut Call<'_>, fd: i32) -> Done {
    let made = move |c: &mut Call<'_>, at: u32| {
        if at != 0 {
            c.store(at, &[0; FILE as usize])?;
            c.os.lib.files.streams.insert(at, fd);
            return c.ret(at);
        }
        files::close(c, fd, Box::new(|c, _| failed(c, ENOMEM, 0)))
    };
    allocate(c, FILE, 16, Box::new(made))
}

fn fopen(c: &mut Call<'_>) -> Done {
    let (path, mode) = (c.cstr_max(c.arg(0)?, 4096)?, c.cstr_max(c.arg(1)?, 16)?);
    let opened = |c: &mut Call<'_>, fd: Result<i32, u32>| match fd {
        Ok(fd) => make_stream(c, fd),
        Err(error) => failed(c, error, 0),
    };
    files::open(c, path, mode, Box::new(opened))
}

fn fdopen(c: &mut Call<'_>) -> Done {
    let fd = files::descriptor(c, 0)?;
    let free = c.os.lib.files.get(fd).is_some() && !c.os.lib.files.streams.values().any(|&known| known == fd);
    if free {
        make_stream(c, fd)
    } else {
        failed(c, EBADF, 0)
    }
}

fn fclose(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let Some(fd) = c.os.lib.files.streams.remove(&at) else {
        // A standard stream stays open.
        let standard = descriptor(c, at).is_some();
        return if standard { c.ret(0) } else { failed(c, EBADF, END) };
    };
    // Whoever freed it has a corrupt heap, which the next user of the heap is told.
    let _ = c.os.heap.free(at);
    let closed = |c: &mut Call<'_>, closed: Result<(), u32>| match closed {
        Ok(()) => c.ret(0),
        Err(error) => failed(c, error, END),
    };
    files::close(c, fd, Box::new(closed))
}

fn fread(c: &mut Call<'_>) -> Done {
    let (to, size, count, fd) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, stream(c, 3)?);
    let Some(len) = size.checked_mul(count).filter(|&len| len > 0) else {
        return c.ret(0);
    };
    let read = move |c: &mut Call<'_>, got: Result<u32, u32>| match got {
        Ok(got) => c.ret(got / size),
        Err(error) => failed(c, error, 0),
    };
    files::take_range(c, fd, to, len, 0, Box::new(read))
}

fn fwrite(c: &mut Call<'_>) -> Done {
    let (from, size, count, fd) = (c.arg(0)?, c.arg(1)?, c.arg(2)?, stream(c, 3)?);
    let Some(len) = size.checked_mul(count).filter(|&len| len > 0) else {
        return c.ret(0);
    };
    let written = move |c: &mut Call<'_>, went: Result<u32, u32>| match went {
        Ok(went) => c.ret(went / size),
        Err(error) => failed(c, error, 0),
    };
    files::put_range(c, fd, from, len, 0, Box::new(written))
}

fn seek(c: &mut Call<'_>, fd: i32, offset: i64, whence: u32) -> Done {
    let moved = |c: &mut Call<'_>, moved: Result<(), u32>| match moved {
        Ok(()) => c.ret(0),
        Err(error) => failed(c, error, END),
    };
    files::seek(c, fd, offset, whence, Box::new(moved))
}

fn fseek(c: &mut Call<'_>) -> Done {
    let (fd, offset, whence) = (stream(c, 0)?, c.arg(1)? as i32, c.arg(2)?);
    seek(c, fd, offset.into(), whence)
}

fn fseeko(c: &mut Call<'_>) -> Done {
    let (fd, offset, whence) = (stream(c, 0)?, c.arg64(2) as i64, c.arg(4)?);
    seek(c, fd, offset, whence)
}

fn ftell(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    let told = |c: &mut Call<'_>, at: Result<u32, u32>| match at {
        Ok(at) => c.ret(at),
        Err(error) => failed(c, error, END),
    };
    files::tell_position(c, fd, Box::new(told))
}

fn ftello(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    let told = |c: &mut Call<'_>, at: Result<u32, u32>| match at {
        Ok(at) => c.ret64(at.into()),
        Err(error) => {
            c.set_errno(error)?;
            c.ret64(u64::MAX)
        }
    };
    files::tell_position(c, fd, Box::new(told))
}

fn rewind(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    let moved = move |c: &mut Call<'_>, _: Result<(), u32>| {
        if let Some(file) = c.os.lib.files.get(fd) {
            file.error = false;
        }
        c.ret(0)
    };
    files::seek(c, fd, 0, 0, Box::new(moved))
}

/// A `fpos_t` is used as one doubleword; musl's has 16 bytes.
fn fgetpos(c: &mut Call<'_>) -> Done {
    let (fd, place) = (stream(c, 0)?, c.arg(1)?);
    let told = move |c: &mut Call<'_>, at: Result<u32, u32>| match at {
        Ok(at) => {
            c.store64(place, at.into())?;
            c.ret(0)
        }
        Err(error) => failed(c, error, END),
    };
    files::tell_position(c, fd, Box::new(told))
}

fn fsetpos(c: &mut Call<'_>) -> Done {
    let (fd, place) = (stream(c, 0)?, c.arg(1)?);
    let offset = c.load64(place)? as i64;
    seek(c, fd, offset, 0)
}

fn feof(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    let end = c.os.lib.files.get(fd);
    let end = end.is_some_and(|file| file.end && file.unread.is_empty());
    c.ret(end.into())
}

fn ferror(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    let error = c.os.lib.files.get(fd).is_none_or(|file| file.error);
    c.ret(error.into())
}

fn clearerr(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    if let Some(file) = c.os.lib.files.get(fd) {
        (file.end, file.error) = (false, false);
    }
    c.ret(0)
}

fn fflush(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let answer = |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
        Ok(()) => c.ret(0),
        Err(error) => failed(c, error, END),
    };
    if at == 0 {
        return flush_streams(c, Box::new(answer));
    }
    let fd = stream(c, 0)?;
    if files::is_log(c, fd) {
        end_line(c);
    }
    files::flush(c, fd, Box::new(answer))
}

/// Hands over what was written to any stream, and the line that is not complete yet.
pub(super) fn flush_streams(c: &mut Call<'_>, then: files::Then<()>) -> Done {
    end_line(c);
    let all = c.os.lib.files.descriptors();
    flush_all(c, all, Ok(()), then)
}

fn flush_all(c: &mut Call<'_>, mut left: Vec<i32>, before: Result<(), u32>, then: files::Then<()>) -> Done {
    let Some(fd) = left.pop() else {
        return then(c, before);
    };
    let next =
        move |c: &mut Call<'_>, flushed: Result<(), u32>| flush_all(c, left, flushed.and(before), then);
    files::flush(c, fd, Box::new(next))
}

fn next_byte(c: &mut Call<'_>, fd: i32) -> Done {
    if let Some(&byte) = files::take(c, fd, 1).first() {
        return c.ret(byte.into());
    }
    if files::at_end(c, fd) {
        return c.ret(END);
    }
    let filled = move |c: &mut Call<'_>, filled: Result<(), u32>| match filled {
        Ok(()) => match files::take(c, fd, 1).first() {
            Some(&byte) => c.ret(byte.into()),
            None => c.ret(END),
        },
        Err(error) => failed(c, error, END),
    };
    files::fill(c, fd, files::PAGE, Box::new(filled))
}

pub(super) fn fgetc(c: &mut Call<'_>) -> Done {
    let fd = stream(c, 0)?;
    next_byte(c, fd)
}

pub(super) fn getchar(c: &mut Call<'_>) -> Done {
    next_byte(c, 0)
}

fn ungetc(c: &mut Call<'_>) -> Done {
    let (byte, fd) = (c.arg(0)?, stream(c, 1)?);
    put_back(c, byte, fd)
}

/// The next byte to be read, if there is a byte and room for it.
pub(super) fn put_back(c: &mut Call<'_>, byte: u32, fd: i32) -> Done {
    let takes = |file: &&mut File| file.read && byte != END && file.unread.len() < MAX;
    let Some(file) = c.os.lib.files.get(fd).filter(takes) else {
        return c.ret(END);
    };
    file.unread.push_front(byte as u8);
    file.end = false;
    c.ret(byte & 0xff)
}

fn fgets(c: &mut Call<'_>) -> Done {
    let (to, room, fd) = (c.arg(0)?, c.arg(1)? as i32, stream(c, 2)?);
    match usize::try_from(room) {
        Ok(room @ 1..) => line(c, fd, (room - 1).min(MAX), to, c_string),
        _ => failed(c, EINVAL, 0),
    }
}

/// Bytes and a NUL.
fn c_string(c: &Call<'_>, to: u32, mut bytes: Vec<u8>) -> Result<(), Stop> {
    bytes.push(0);
    c.store(to, &bytes)
}

/// Stores a line.
pub(super) type StoreLine = fn(&Call<'_>, u32, Vec<u8>) -> Result<(), Stop>;

/// Takes a line of at most `most` bytes when there is one, or reads on; returns where it was stored, or NULL.
pub(super) fn line(c: &mut Call<'_>, fd: i32, most: usize, to: u32, store: StoreLine) -> Done {
    let unread = c.os.lib.files.get(fd).map(|file| &file.unread);
    let (there, end) = unread.map_or((0, None), |unread| {
        let end = unread.iter().take(most).position(|&b| b == b'\n');
        (unread.len(), end)
    });
    let len = match end {
        Some(end) => Some(end + 1),
        None if there >= most || (there > 0 && files::at_end(c, fd)) => Some(there.min(most)),
        None => None,
    };
    if let Some(len) = len {
        let bytes = files::take(c, fd, len);
        store(c, to, bytes)?;
        return c.ret(to);
    }
    if files::at_end(c, fd) {
        return c.ret(0);
    }
    let filled = move |c: &mut Call<'_>, filled: Result<(), u32>| match filled {
        Ok(()) => line(c, fd, most, to, store),
        Err(error) => failed(c, error, 0),
    };
    files::fill(c, fd, files::PAGE, Box::new(filled))
}

fn fputc(c: &mut Call<'_>) -> Done {
    let (byte, fd) = (c.arg(0)? as u8, stream(c, 1)?);
    files::put_for(c, fd, vec![byte], byte.into())
}

fn fputs(c: &mut Call<'_>) -> Done {
    let (s, fd) = (c.cstr(c.arg(0)?)?, stream(c, 1)?);
    files::put_for(c, fd, s, 0)
}

fn print(c: &mut Call<'_>, list: VaList) -> Done {
    let (fd, text) = (stream(c, 0)?, c.arg(1)?);
    let out = formatted(c, text, list, MAX)?;
    write(c, fd, out)
}

fn fprintf(c: &mut Call<'_>) -> Done {
    let list = c.va();
    print(c, list)
}

fn vfprintf(c: &mut Call<'_>) -> Done {
    let at = c.arg(2)?;
    print(c, VaList { at })
}

fn fileno(c: &mut Call<'_>) -> Done {
    match stream(c, 0)? {
        // Memory as a stream has none.
        ..0 => failed(c, EBADF, END),
        fd => c.ret(fd as u32),
    }
}

/// The memory that the program offers is not used: what is buffered is the process's, not the program's.
fn buffer(c: &mut Call<'_>, buffering: Buffering) -> Done {
    let fd = stream(c, 0)?;
    match c.os.lib.files.get(fd) {
        Some(file) => {
            file.buffering = buffering;
            c.ret(0)
        }
        None => failed(c, EBADF, END),
    }
}

fn setvbuf(c: &mut Call<'_>) -> Done {
    match c.arg(2)? {
        0 => buffer(c, Buffering::Full),
        1 => buffer(c, Buffering::Lines),
        2 => buffer(c, Buffering::Nothing),
        _ => failed(c, EINVAL, END),
    }
}

fn setbuf(c: &mut Call<'_>) -> Done {
    match c.arg(1)? {
        0 => buffer(c, Buffering::Nothing),
        _ => buffer(c, Buffering::Full),
    }
}

fn setlinebuf(c: &mut Call<'_>) -> Done {
    buffer(c, Buffering::Lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;
    use crate::library::errno::{EIO, EMFILE, ENOENT};

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    fn open(g: &mut Guest, ap: &mut ApFiles, path: &str, mode: &str) -> u32 {
        let (path, mode) = (
            g.bytes(&[path.as_bytes(), b"\0"].concat()),
            g.bytes(&[mode.as_bytes(), b"\0"].concat()),
        );
        ap.call(g, "fopen", &[path, mode])
    }

    #[test]
    fn a_file_is_read_by_its_path_and_along_the_search_path() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/lib/weights.bin", b"ABCDEFGH");
        let to = g.bytes(&[0; 16]);
        for path in ["/lib/weights.bin", "weights.bin"] {
            let f = open(&mut g, &mut ap, path, "rb");
            assert_ne!(f, 0);
            assert_eq!(ap.call(&mut g, "fread", &[to, 3, 2, f]), 2);
            assert_eq!(g.read(to, 6), b"ABCDEF");
            assert_eq!(ap.call(&mut g, "ftell", &[f]), 6);
            assert_eq!(ap.call(&mut g, "feof", &[f]), 0);
            assert_eq!(ap.call(&mut g, "fgetc", &[f]), u32::from(b'G'));
            assert_eq!(ap.call(&mut g, "fread", &[to, 1, 16, f]), 1);
            assert_eq!(ap.call(&mut g, "feof", &[f]), 1);
            assert_eq!(ap.call(&mut g, "fgetc", &[f]), END);
            assert_eq!(ap.call(&mut g, "fseek", &[f, -2i32 as u32, 2]), 0);
            assert_eq!(ap.call(&mut g, "fgetc", &[f]), u32::from(b'G'));
            assert_eq!(ap.call(&mut g, "fseek", &[f, -3i32 as u32, 1]), 0);
            assert_eq!(ap.call(&mut g, "fgetc", &[f]), u32::from(b'E'));
            assert_eq!(ap.call(&mut g, "fclose", &[f]), 0);
            assert_eq!((ap.call(&mut g, "fclose", &[f]), errno(&g)), (END, EBADF));
        }
        assert_eq!(ap.open(), 0);
    }

    #[test]
    fn a_failed_open_has_the_ap_s_errno() {
        let mut g = Guest::new();
        let mut ap = ApFiles::default();
        assert_eq!((open(&mut g, &mut ap, "/none", "r"), errno(&g)), (0, ENOENT));
        assert_eq!((open(&mut g, &mut ap, "", "r"), errno(&g)), (0, ENOENT));
        assert_eq!((open(&mut g, &mut ap, "/none", "x"), errno(&g)), (0, EINVAL));
        // Nobody serves files.
        let (path, mode) = (g.bytes(b"/none\0"), g.bytes(b"r\0"));
        let Ok(crate::kernel::call::Outcome::Ask(_, answered)) = g.try_call("fopen", &[path, mode]) else {
            panic!("the AP is asked")
        };
        let mut call = Call {
            os: &mut g.os,
            thread: &mut g.thread,
        };
        answered(&mut call, Err(crate::ap::ApError::NoListener)).unwrap();
        assert_eq!((g.thread.core.regs.r[0], errno(&g)), (0, EIO));
    }

    #[test]
    fn what_is_written_arrives_when_it_is_flushed_or_closed() {
        let mut g = Guest::new();
        let mut ap = ApFiles::default();
        let f = open(&mut g, &mut ap, "/out", "w+");
        let (text, line) = (g.bytes(b"n = %d\n\0"), g.bytes(b"second\n\0"));
        g.varargs(&[7]);
        assert_eq!(ap.call(&mut g, "fprintf", &[f, text]), 6);
        assert_eq!(ap.files["/out"], b"");
        assert_eq!(ap.call(&mut g, "fflush", &[f]), 0);
        assert_eq!(ap.files["/out"], b"n = 7\n");
        assert_eq!(ap.call(&mut g, "fputs", &[line, f]), 0);
        assert_eq!(ap.call(&mut g, "fputc", &[0x21, f]), 0x21);
        let to = g.bytes(&[0xff; 16]);
        ap.call(&mut g, "rewind", &[f]);
        assert_eq!(ap.call(&mut g, "fgets", &[to, 16, f]), to);
        assert_eq!(g.text(to), "n = 7\n");
        assert_eq!(ap.call(&mut g, "fgets", &[to, 4, f]), to);
        assert_eq!(g.text(to), "sec");
        assert_eq!(ap.call(&mut g, "ungetc", &[u32::from(b'X'), f]), u32::from(b'X'));
        assert_eq!(ap.call(&mut g, "fgets", &[to, 16, f]), to);
        assert_eq!(g.text(to), "Xond\n");
        // Written where the program reads, not where the AP has read ahead to.
        let byte = g.bytes(b"?");
        assert_eq!(ap.call(&mut g, "fwrite", &[byte, 1, 1, f]), 1);
        assert_eq!(ap.call(&mut g, "fclose", &[f]), 0);
        assert_eq!(ap.files["/out"], b"n = 7\nsecond\n?");
    }

    #[test]
    fn streams_hand_over_as_often_as_they_are_told() {
        let mut g = Guest::new();
        let mut ap = ApFiles::default();
        let f = open(&mut g, &mut ap, "/out", "w");
        let (part, end) = (g.bytes(b"part\0"), g.bytes(b" end\n\0"));
        assert_eq!(ap.call(&mut g, "setvbuf", &[f, 0, 1, 0]), 0);
        ap.call(&mut g, "fputs", &[part, f]);
        assert_eq!(ap.files["/out"], b"");
        ap.call(&mut g, "fputs", &[end, f]);
        assert_eq!(ap.files["/out"], b"part end\n");
        ap.call(&mut g, "setbuf", &[f, 0]);
        ap.call(&mut g, "fputs", &[part, f]);
        assert_eq!(ap.files["/out"], b"part end\npart");
        assert_eq!(
            (ap.call(&mut g, "setvbuf", &[f, 0, 3, 0]), errno(&g)),
            (END, EINVAL)
        );
        assert_eq!(
            (ap.call(&mut g, "setvbuf", &[1, 0, 0, 0]), errno(&g)),
            (END, EBADF)
        );
    }

    #[test]
    fn a_write_that_fails_is_told() {
        let mut g = Guest::new();
        let mut ap = ApFiles::default();
        let f = open(&mut g, &mut ap, "/out", "w");
        ap.broken = Some(28);
        let big = g.bytes(&[1; 5000]);
        assert_eq!(
            (ap.call(&mut g, "fwrite", &[big, 1, 5000, f]), errno(&g)),
            (0, 28)
        );
        assert_eq!(ap.call(&mut g, "ferror", &[f]), 1);
        assert_eq!((ap.call(&mut g, "fgetc", &[f]), errno(&g)), (END, EBADF));
        g.call("fputc", &[1, f]);
        assert_eq!((ap.call(&mut g, "fclose", &[f]), errno(&g)), (END, 28));
        assert_eq!(ap.open(), 0);
    }

    #[test]
    fn large_reads_come_in_pieces_and_wild_pointers_end_the_process() {
        let mut g = Guest::new();
        let bytes: Vec<u8> = (0..700_000u32).map(|n| (n / 7) as u8).collect();
        let mut ap = ApFiles::with("/big", &bytes);
        let f = open(&mut g, &mut ap, "/big", "rb");
        let to = g.bytes(&vec![0; 700_000]);
        assert_eq!(ap.call(&mut g, "fread", &[to, 1, 700_000, f]), 700_000);
        assert_eq!(g.read(to, 700_000), bytes);
        assert!(ap.asked.iter().filter(|name| **name == "fread").count() < 8);
        assert_eq!(ap.call(&mut g, "fread", &[to, u32::MAX, 2, f]), 0);
        assert!(g.try_call("fwrite", &[0xffff_0000, 1, 0x100, f]).is_err());
        assert_eq!((g.call("fread", &[to, 1, 4, 0x1234]), errno(&g)), (0, EBADF));
    }

    #[test]
    fn much_text_for_the_log_does_not_use_up_the_host_s_stack() {
        let body = || {
            let mut g = Guest::new();
            let text = g.bytes(&vec![b'x'; 48 << 20]);
            let out = g.word(g.os.builtins.address(b"stdout").unwrap());
            assert_eq!(g.call("fwrite", &[text, 1, 48 << 20, out]), 48 << 20);
            let lines = g.ap.0.lock().unwrap();
            assert_eq!(lines.iter().map(|line| line.text.len()).sum::<usize>(), 48 << 20);
        };
        let small = std::thread::Builder::new().stack_size(128 << 10);
        small.spawn(body).unwrap().join().unwrap();
    }

    #[test]
    fn open_files_are_bounded() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"");
        let mut count = 0;
        while open(&mut g, &mut ap, "/f", "r") != 0 {
            count += 1;
            assert!(count <= 256);
        }
        assert_eq!((count, errno(&g)), (256, EMFILE));
    }

    #[test]
    fn standard_streams_are_the_log_and_an_empty_input() {
        let mut g = Guest::new();
        let streams = |g: &Guest, name: &[u8]| g.os.builtins.address(name).unwrap();
        let (out, input) = (g.word(streams(&g, b"stdout")), streams(&g, b"_Stdin"));
        assert_eq!(out, streams(&g, b"_Stdout"));
        let text = g.bytes(b"no line yet\0");
        assert_eq!(g.call("fputs", &[text, out]), 0);
        assert!(g.ap.0.lock().unwrap().is_empty());
        assert_eq!(g.call("fflush", &[out]), 0);
        assert_eq!(g.ap.0.lock().unwrap()[0].text, "no line yet");
        assert_eq!((g.call("fgetc", &[input]), g.call("feof", &[input])), (END, 1));
        assert_eq!(g.call("fileno", &[streams(&g, b"_Stderr")]), 2);
        assert_eq!(g.call("fclose", &[out]), 0);
    }

    #[test]
    fn what_is_put_back_has_a_bound() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/a", b"abc");
        let (name, mode) = (g.bytes(b"/a\0"), g.bytes(b"r\0"));
        let f = ap.call(&mut g, "fopen", &[name, mode]);
        for _ in 0..MAX {
            assert_eq!(g.call("ungetc", &[7, f]), 7);
        }
        assert_eq!(g.call("ungetc", &[7, f]), END);
        assert_eq!((g.call("fgetc", &[f]), g.call("ungetc", &[7, f])), (7, 7));
    }
}
