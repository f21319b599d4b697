//! Descriptors as such: several for one file, other places of a file than its position (`<unistd.h>`, `<fcntl.h>`).
//!
//! Descriptors of one file share its position, also what was read ahead and not taken. 0, 1 and 2 may be made to stand for a file
//! (`dup2`): `printf` writes to 1, `scanf` reads from 0. There is no other program to be executed, so `FD_CLOEXEC` is only kept.

use super::errno::{EBADF, EINVAL, EMFILE, EOVERFLOW, ESPIPE, fail};
use super::files::{self, Then};
use super::unistd::{O_APPEND, O_RDWR, O_WRONLY, done, nothing_or};
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use crate::library_state::files::File;
use rpmsg::iface::{Cap, Text, apps_std};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("dup", dup, "`int dup(int fd)`: another descriptor of the same file, the smallest that is free; -1 and errno"),
    import("dup2", dup2, "`int dup2(int fd, int to)`: that descriptor for the same file, after it was closed; -1 and errno"),
    import("dup3", dup3, "`int dup3(int fd, int to, int flags)`: as dup2, with O_CLOEXEC or without; -1 and errno, EINVAL if they are equal"),
    import("fcntl", fcntl, "`int fcntl(int fd, int command, ...)`: F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL; -1 and errno, EINVAL for other commands and flags that cannot change"),
    import("pread", pread, "`ssize_t pread(int fd, void *to, size_t len, off_t at)`: reads elsewhere, the position stays; -1 and errno"),
    import("pwrite", pwrite, "`ssize_t pwrite(int fd, const void *from, size_t len, off_t at)`: writes elsewhere, the position stays; -1 and errno"),
    import("truncate", truncate, "`int truncate(const char *path, off_t len)`: cuts a file of the AP; -1 and errno"),
];

const O_CLOEXEC: u32 = 0o2_000_000;
/// Descriptors that a program may name: those beyond are refused as those beyond its limit.
const MOST: i32 = 1024;
/// Bytes that are read or written at once.
const PIECE: u32 = 256 << 10;

fn duplicate(c: &mut Call<'_>, fd: i32, least: i32, close_on_exec: bool) -> Done {
    if c.os.lib.files.get(fd).is_none() {
        return fail(c, EBADF);
    }
    match c.os.lib.files.duplicate(fd, least) {
        Some(new) => {
            if close_on_exec {
                c.os.lib.files.close_on_exec.insert(new);
            }
            c.ret(new as u32)
        }
        None => fail(c, EMFILE),
    }
}

fn dup(c: &mut Call<'_>) -> Done {
    let fd = files::descriptor(c, 0)?;
    duplicate(c, fd, 0, false)
}

fn dup2(c: &mut Call<'_>) -> Done {
    let (fd, to) = (files::descriptor(c, 0)?, files::descriptor(c, 1)?);
    match c.os.lib.files.get(fd) {
        Some(_) if fd == to => c.ret(to as u32),
        _ => replace(c, fd, to, false),
    }
}

fn dup3(c: &mut Call<'_>) -> Done {
    let (fd, to, flags) = (files::descriptor(c, 0)?, files::descriptor(c, 1)?, c.arg(2)?);
    if fd == to || flags & !O_CLOEXEC != 0 {
        return fail(c, EINVAL);
    }
    replace(c, fd, to, flags != 0)
}

/// Closes `to`, then lets it stand for the file of `fd`.
fn replace(c: &mut Call<'_>, fd: i32, to: i32, close_on_exec: bool) -> Done {
    if c.os.lib.files.get(fd).is_none() || !(0..MOST).contains(&to) {
        return fail(c, EBADF);
    }
    let stands = move |c: &mut Call<'_>| {
        if !c.os.lib.files.duplicate_to(fd, to) {
            // Others opened what there was room for, or closed it, meanwhile.
            let there = c.os.lib.files.get(fd).is_some();
            return fail(c, if there { EMFILE } else { EBADF });
        }
        if close_on_exec {
            c.os.lib.files.close_on_exec.insert(to);
        }
        c.ret(to as u32)
    };
    match c.os.lib.files.get(to) {
        // That it could not be closed well is not told (POSIX).
        Some(_) => files::close(c, to, Box::new(move |c, _| stands(c))),
        None => stands(c),
    }
}

fn fcntl(c: &mut Call<'_>) -> Done {
    const F_DUPFD: u32 = 0;
    const F_GETFD: u32 = 1;
    const F_SETFD: u32 = 2;
    const F_GETFL: u32 = 3;
    const F_SETFL: u32 = 4;
    const F_DUPFD_CLOEXEC: u32 = 1030;
    const FD_CLOEXEC: u32 = 1;
    let (fd, command) = (files::descriptor(c, 0)?, c.arg(1)?);
    let Some(file) = c.os.lib.files.get(fd) else {
        return fail(c, EBADF);
    };
    let flags = status(file);
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let least = c.va().word(c)? as i32;
            if !(0..MOST).contains(&least) {
                return fail(c, EINVAL);
            }
            duplicate(c, fd, least, command == F_DUPFD_CLOEXEC)
        }
        F_GETFD => {
            let set = c.os.lib.files.close_on_exec.contains(&fd);
            c.ret(set.into())
        }
        F_SETFD => {
            let wanted = c.va().word(c)?;
            if wanted & !FD_CLOEXEC != 0 {
                return fail(c, EINVAL);
            }
            let set = &mut c.os.lib.files.close_on_exec;
            match wanted {
                0 => set.remove(&fd),
                _ => set.insert(fd),
            };
            c.ret(0)
        }
        F_GETFL => c.ret(flags),
        // The AP's files keep the mode that they were opened with; the access mode is not looked at.
        F_SETFL if (c.va().word(c)? ^ flags) & !3 == 0 => c.ret(0),
        _ => fail(c, EINVAL),
    }
}

/// `O_*` of a file.
fn status(file: &File) -> u32 {
    let access = match (file.read, file.write) {
        (true, true) => O_RDWR,
        (false, true) => O_WRONLY,
        _ => 0,
    };
    access | if file.append { O_APPEND } else { 0 }
}

/// Where a piece begins in the AP's file: its number and the offset, which the AP takes as a signed word.
fn place(c: &mut Call<'_>, fd: i32, at: i64, may: fn(&File) -> bool) -> Result<(i32, i32), u32> {
    let file = c.os.lib.files.get(fd).filter(|file| may(file)).ok_or(EBADF)?;
    let number = file.ap().ok_or(ESPIPE)?;
    if at < 0 {
        return Err(EINVAL);
    }
    Ok((number, i32::try_from(at).map_err(|_| EOVERFLOW)?))
}

fn pread(c: &mut Call<'_>) -> Done {
    let (fd, to, len, at) = (files::descriptor(c, 0)?, c.arg(1)?, c.arg(2)?, c.arg64(4) as i64);
    if let Err(error) = place(c, fd, at, |file| file.read) {
        return fail(c, error);
    }
    let read = move |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
        Ok(()) => read_at(c, (fd, at), (to, len), 0, Box::new(done)),
        Err(error) => fail(c, error),
    };
    files::flush(c, fd, Box::new(read))
}

/// Reads piece by piece, as far as there is something.
fn read_at(
    c: &mut Call<'_>,
    (fd, at): (i32, i64),
    (to, left): (u32, u32),
    before: u32,
    then: Then<u32>,
) -> Done {
    let piece = left.min(PIECE);
    let (file, offset) = match place(c, fd, at, |file| file.read) {
        Ok(place) if piece > 0 => place,
        Err(error) if before == 0 => return then(c, Err(error)),
        _ => return then(c, Ok(before)),
    };
    let read = apps_std::Fread {
        file,
        data: Cap(piece),
    };
    let answered = move |c: &mut Call<'_>, reply: Result<apps_std::FreadReply, u32>| match reply {
        Ok(reply) => {
            let count = (reply.bytes_read as usize)
                .min(reply.data.len())
                .min(piece as usize);
            c.store(to, &reply.data[..count])?;
            let (count, before) = (count as u32, before + count as u32);
            if count < piece {
                return then(c, Ok(before));
            }
            let next = (fd, at + i64::from(count));
            read_at(c, next, (to.wrapping_add(count), left - count), before, then)
        }
        Err(error) if before == 0 => then(c, Err(error)),
        Err(_) => then(c, Ok(before)),
    };
    files::ask_elsewhere(file, offset, read, Box::new(answered))
}

fn pwrite(c: &mut Call<'_>) -> Done {
    let (fd, from, len, at) = (files::descriptor(c, 0)?, c.arg(1)?, c.arg(2)?, c.arg64(4) as i64);
    if let Err(error) = place(c, fd, at, |file| file.write) {
        return fail(c, error);
    }
    let write = move |c: &mut Call<'_>, moved: Result<(), u32>| match moved {
        Ok(()) => write_at(c, (fd, at), (from, len), 0, Box::new(done)),
        Err(error) => fail(c, error),
    };
    // What was read ahead may be what is written.
    let flushed = move |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
        Ok(()) => files::forget_unread(c, fd, Box::new(write)),
        Err(error) => fail(c, error),
    };
    files::flush(c, fd, Box::new(flushed))
}

/// Writes piece by piece.
fn write_at(
    c: &mut Call<'_>,
    (fd, at): (i32, i64),
    (from, left): (u32, u32),
    before: u32,
    then: Then<u32>,
) -> Done {
    let piece = left.min(PIECE);
    let (file, offset) = match place(c, fd, at, |file| file.write) {
        Ok(place) if piece > 0 => place,
        Err(error) if before == 0 => return then(c, Err(error)),
        _ => return then(c, Ok(before)),
    };
    let data = c.load(from, piece)?;
    let answered = move |c: &mut Call<'_>, reply: Result<apps_std::FwriteReply, u32>| match reply {
        Ok(reply) => {
            let count = reply.bytes_written.min(piece);
            if count < piece {
                return then(c, Ok(before + count));
            }
            let next = (fd, at + i64::from(count));
            write_at(
                c,
                next,
                (from.wrapping_add(count), left - count),
                before + count,
                then,
            )
        }
        Err(error) if before == 0 => then(c, Err(error)),
        Err(_) => then(c, Ok(before)),
    };
    files::ask_elsewhere(file, offset, apps_std::Fwrite { file, data }, Box::new(answered))
}

fn truncate(c: &mut Call<'_>) -> Done {
    let (name, len) = (files::path(c, c.arg(0)?)?, c.arg64(2));
    let Ok(offset) = i32::try_from(len) else {
        return fail(c, EINVAL);
    };
    let opened = move |c: &mut Call<'_>, reply: Result<apps_std::FopenReply, u32>| {
        let file = match reply {
            Ok(reply) => reply.file,
            Err(error) => return fail(c, error),
        };
        let cut = move |_: &mut Call<'_>, cut: Result<(), u32>| {
            let close = apps_std::Fclose { file };
            files::ask(close, Box::new(move |c, closed| nothing_or(c, cut.and(closed))))
        };
        files::ask(apps_std::Ftrunc { file, offset }, Box::new(cut))
    };
    let mode = Text::from("r+b");
    files::ask(apps_std::Fopen { name, mode }, Box::new(opened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;
    use crate::kernel::testing_files::ApFiles;

    fn errno(g: &Guest) -> u32 {
        g.word(g.os.builtins.errno().unwrap())
    }

    #[test]
    fn descriptors_of_one_file_share_its_position_and_close_it_once() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"0123456789");
        let (path, to) = (g.bytes(b"/f\0"), g.bytes(&[0; 16]));
        let fd = ap.call(&mut g, "open", &[path, O_RDWR]);
        let other = ap.call(&mut g, "dup", &[fd]);
        assert_eq!((fd, other), (3, 4));
        assert_eq!(ap.call(&mut g, "read", &[fd, to, 4]), 4);
        assert_eq!(ap.call(&mut g, "read", &[other, to, 4]), 4);
        assert_eq!(g.read(to, 4), b"4567");
        assert_eq!(ap.call(&mut g, "close", &[fd]), 0);
        assert_eq!((ap.open(), ap.call(&mut g, "read", &[other, to, 9])), (1, 2));
        assert_eq!(ap.call(&mut g, "close", &[other]), 0);
        assert_eq!(ap.open(), 0);
        assert_eq!((ap.call(&mut g, "dup", &[fd]), errno(&g)), (u32::MAX, EBADF));
    }

    #[test]
    fn the_standard_output_can_be_made_a_file_and_the_log_again() {
        let mut g = Guest::new();
        let mut ap = ApFiles::default();
        let (path, text) = (g.bytes(b"/out\0"), g.bytes(b"to a file\0"));
        let fd = ap.call(&mut g, "creat", &[path, 0o644]);
        let log = ap.call(&mut g, "dup", &[1]);
        assert_eq!(ap.call(&mut g, "dup2", &[fd, 1]), 1);
        ap.call(&mut g, "puts", &[text]);
        ap.call(&mut g, "fflush", &[0]);
        assert_eq!(ap.files["/out"], b"to a file\n");
        assert!(g.ap.0.lock().unwrap().is_empty());
        assert_eq!(ap.call(&mut g, "dup2", &[log, 1]), 1);
        ap.call(&mut g, "puts", &[text]);
        assert_eq!(g.ap.0.lock().unwrap().len(), 1);
        // The same one is left as it is; others have to be there and within bounds.
        assert_eq!(ap.call(&mut g, "dup2", &[fd, fd]), fd);
        for (from, to) in [(99, 1), (99, 99), (fd, 5000), (fd, u32::MAX)] {
            assert_eq!(
                (ap.call(&mut g, "dup2", &[from, to]), errno(&g)),
                (u32::MAX, EBADF)
            );
        }
        assert_eq!(
            (ap.call(&mut g, "dup3", &[fd, fd, 0]), errno(&g)),
            (u32::MAX, EINVAL)
        );
        // A file of numbers as the standard input.
        ap.files.insert("/in".into(), b" 42 ".to_vec());
        let (path, format, at) = (g.bytes(b"/in\0"), g.bytes(b"%d\0"), g.bytes(&[0; 4]));
        let input = ap.call(&mut g, "open", &[path, 0]);
        assert_eq!(ap.call(&mut g, "dup2", &[input, 0]), 0);
        g.varargs(&[at]);
        assert_eq!((ap.call(&mut g, "scanf", &[format]), g.word(at)), (1, 42));
    }

    #[test]
    fn other_places_are_read_and_written_and_the_position_stays() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"0123456789");
        let (path, to, word) = (g.bytes(b"/f\0"), g.bytes(&[0; 16]), g.bytes(b"XY"));
        let fd = ap.call(&mut g, "open", &[path, O_RDWR]);
        assert_eq!(ap.call(&mut g, "read", &[fd, to, 2]), 2);
        assert_eq!(ap.call(&mut g, "pread", &[fd, to, 3, 0, 6, 0]), 3);
        assert_eq!(g.read(to, 3), b"678");
        assert_eq!(ap.call(&mut g, "pwrite", &[fd, word, 2, 0, 3, 0]), 2);
        assert_eq!(ap.call(&mut g, "read", &[fd, to, 3]), 3);
        assert_eq!(g.read(to, 3), b"2XY");
        assert_eq!(ap.call(&mut g, "pread", &[fd, to, 3, 0, 10, 0]), 0);
        for (at, error) in [([0, 1], EOVERFLOW), ([0, 0x8000_0000], EINVAL)] {
            let args = [fd, to, 3, 0, at[0], at[1]];
            assert_eq!((ap.call(&mut g, "pread", &args), errno(&g)), (u32::MAX, error));
        }
        let log = [1, word, 2, 0, 0, 0];
        assert_eq!((ap.call(&mut g, "pwrite", &log), errno(&g)), (u32::MAX, ESPIPE));
        assert_eq!((ap.call(&mut g, "pread", &log), errno(&g)), (u32::MAX, EBADF));
        assert_eq!(ap.call(&mut g, "truncate", &[path, 0, 4, 0]), 0);
        assert_eq!(ap.files["/f"], b"012X");
        let none = g.bytes(b"/none\0");
        assert_eq!(
            (ap.call(&mut g, "truncate", &[none, 0, 4, 0]), errno(&g)),
            (u32::MAX, 2)
        );
        ap.call(&mut g, "close", &[fd]);
        assert_eq!(ap.open(), 0);
    }

    #[test]
    fn flags_are_told_and_cannot_change() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"");
        let path = g.bytes(b"/f\0");
        let fd = ap.call(&mut g, "open", &[path, O_RDWR | 0o100 | O_APPEND]);
        let fcntl = |g: &mut Guest, command: u32, argument: u32| {
            g.varargs(&[argument]);
            g.call("fcntl", &[fd, command])
        };
        assert_eq!(fcntl(&mut g, 3, 0), O_RDWR | O_APPEND);
        assert_eq!(fcntl(&mut g, 4, O_APPEND), 0);
        assert_eq!((fcntl(&mut g, 4, 0), errno(&g)), (u32::MAX, EINVAL));
        assert_eq!(
            (fcntl(&mut g, 1, 0), fcntl(&mut g, 2, 1), fcntl(&mut g, 1, 0)),
            (0, 0, 1)
        );
        let new = fcntl(&mut g, 0, 20);
        assert_eq!((new, g.call("fcntl", &[20, 1])), (20, 0));
        assert_eq!((fcntl(&mut g, 0, 5000), errno(&g)), (u32::MAX, EINVAL));
        assert_eq!((fcntl(&mut g, 77, 0), errno(&g)), (u32::MAX, EINVAL));
        assert_eq!((g.call("fcntl", &[50, 1]), errno(&g)), (u32::MAX, EBADF));
    }
}
