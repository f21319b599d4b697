//! Descriptors, paths and directories of the AP (`<unistd.h>`, `<fcntl.h>`, `<sys/stat.h>`, `<dirent.h>`).
//!
//! Structures are laid out as in musl for Hexagon: `off_t` has 64 bits, `struct stat` 128 bytes, `struct dirent` 280. Only what the
//! AP's `apps_std` can do is here: it opens by C modes, so a new file's permission bits are the AP's choice, and `O_EXCL` is refused,
//! for between a question and a file that is made another may have made it.

use super::errno::{EACCES, EBADF, EINVAL, EMFILE, ENOENT, ENOMEM, ENOTTY, fail};
use super::files;
use super::heap::allocate;
use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use rpmsg::iface::apps_std;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("open", open, "`int open(const char *path, int flags, ...)`: a file of the AP; -1 and errno, EINVAL for what no C mode says"),
    import("creat", creat, "`int creat(const char *path, mode_t)`: an empty file of the AP, to be written; -1 and errno"),
    import("read", read, "`ssize_t read(int fd, void *to, size_t len)`: reads what comes; 0 at the end, -1 and errno"),
    import("write", write, "`ssize_t write(int fd, const void *from, size_t len)`: to the AP; 1 and 2 are the log; -1 and errno"),
    import("lseek", lseek, "`off_t lseek(int fd, off_t offset, int whence)`: moves the position and tells it; -1 and errno"),
    import("close", close, "`int close(int fd)`: closes it; -1 and errno"),
    import("fsync", fsync, "`int fsync(int fd)`: the AP writes it to its disk; -1 and errno"),
    import("ftruncate", ftruncate, "`int ftruncate(int fd, off_t len)`: cuts it; -1 and errno"),
    import("isatty", isatty, "`int isatty(int fd)`: 0 and ENOTTY, or EBADF"),
    import("access", access, "`int access(const char *path, int mode)`: is there such a file? Modes go by its owner's bits; -1 and errno"),
    import("stat", stat, "`int stat(const char *path, struct stat *)`: facts about a file of the AP; -1 and errno"),
    import("lstat", stat, "`int lstat(const char *path, struct stat *)`: as stat, the AP follows links"),
    import("fstat", fstat, "`int fstat(int fd, struct stat *)`: length and kind of an open file, other facts are 0; -1 and errno"),
    import("remove", remove, "`int remove(const char *path)`: removes a file of the AP; -1 and errno"),
    import("unlink", remove, "`int unlink(const char *path)`: removes a file of the AP; -1 and errno"),
    import("rename", rename, "`int rename(const char *old, const char *new)`: renames a file of the AP; -1 and errno"),
    import("mkdir", mkdir, "`int mkdir(const char *path, mode_t)`: makes a directory of the AP; -1 and errno"),
    import("rmdir", rmdir, "`int rmdir(const char *path)`: removes a directory of the AP; -1 and errno"),
    import("opendir", opendir, "`DIR *opendir(const char *path)`: a directory of the AP; NULL and errno"),
    import("readdir", readdir, "`struct dirent *readdir(DIR *)`: its next entry; NULL at the end"),
    import("closedir", closedir, "`int closedir(DIR *)`: closes it; -1 and errno"),
];

pub(super) const O_WRONLY: u32 = 1;
pub(super) const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
/// What changes nothing here: no terminal is anybody's, nothing is executed, lengths have 64 bits.
const HARMLESS: u32 = 0o400 | 0o2_000_000 | O_LARGEFILE;
const O_LARGEFILE: u32 = 0o400_000;
const O_TRUNC: u32 = 0o1000;
pub(super) const O_APPEND: u32 = 0o2000;
const S_IFREG: u32 = 0o100_000;
/// Bytes of a `struct stat`, and of a `struct dirent` in the `DIR` that it stands in.
const STAT: usize = 128;
const DIRENT: usize = 280;

/// The C mode that means these flags.
fn mode(flags: u32) -> Option<&'static str> {
    let created = O_CREAT | O_TRUNC;
    if flags & !(3 | created | O_APPEND | HARMLESS) != 0 {
        return None;
    }
    match (flags & 3, flags & (O_CREAT | O_TRUNC | O_APPEND)) {
        (0, 0) => Some("rb"),
        (O_WRONLY, f) if f == created => Some("wb"),
        (O_RDWR, f) if f == created => Some("w+b"),
        (O_WRONLY, f) if f == O_CREAT | O_APPEND => Some("ab"),
        (O_RDWR, f) if f == O_CREAT | O_APPEND => Some("a+b"),
        // A file that is there: "r+" neither makes nor cuts one.
        (O_WRONLY | O_RDWR, 0) => Some("r+b"),
        _ => None,
    }
}

/// Returns what was done, or -1.
pub(super) fn done(c: &mut Call<'_>, result: Result<u32, u32>) -> Done {
    match result {
        Ok(v) => c.ret(v),
        Err(error) => fail(c, error),
    }
}

pub(super) fn nothing_or(c: &mut Call<'_>, result: Result<(), u32>) -> Done {
    done(c, result.map(|()| 0))
}

fn open_as(c: &mut Call<'_>, mode: Option<&'static str>) -> Done {
    let path = c.cstr_max(c.arg(0)?, 4096)?;
    let Some(mode) = mode else {
        return fail(c, EINVAL);
    };
    let opened = |c: &mut Call<'_>, fd: Result<i32, u32>| done(c, fd.map(|fd| fd as u32));
    files::open(c, path, mode.into(), Box::new(opened))
}

/// Flags that make a file that is not there, and leave one that is as it is.
fn keeps_or_makes(flags: u32) -> bool {
    matches!(flags & 3, O_WRONLY | O_RDWR) && flags & !(3 | HARMLESS) == O_CREAT
}

/// Opens a file, and makes it if there is none: to append makes one and cuts none, and then it is one that is there.
fn open_or_make(c: &mut Call<'_>) -> Done {
    let path = c.cstr_max(c.arg(0)?, 4096)?;
    let again = path.clone();
    let closed = move |c: &mut Call<'_>, closed: Result<(), u32>| match closed {
        Ok(()) => files::open(
            c,
            again,
            b"r+b".to_vec(),
            Box::new(|c, fd| done(c, fd.map(|fd| fd as u32))),
        ),
        Err(error) => fail(c, error),
    };
    let made = move |c: &mut Call<'_>, fd: Result<i32, u32>| match fd {
        Ok(fd) => files::close(c, fd, Box::new(closed)),
        Err(error) => fail(c, error),
    };
    files::open(c, path, b"ab".to_vec(), Box::new(made))
}

fn open(c: &mut Call<'_>) -> Done {
    let flags = c.arg(1)?;
    if keeps_or_makes(flags) {
        return open_or_make(c);
    }
    let mode = mode(flags);
    if mode.is_none() {
        c.tell_once(
            "open with flags that the AP cannot be asked for",
            "is refused (EINVAL)",
        );
    }
    open_as(c, mode)
}

fn creat(c: &mut Call<'_>) -> Done {
    open_as(c, Some("wb"))
}

fn read(c: &mut Call<'_>) -> Done {
    let (fd, to, len) = (files::descriptor(c, 0)?, c.arg(1)?, c.arg(2)?);
    let bytes = files::take(c, fd, len as usize);
    if !bytes.is_empty() || len == 0 {
        c.store(to, &bytes)?;
        return c.ret(bytes.len() as u32);
    }
    // No more than is wanted, so that the AP's position stays the program's.
    let filled = move |c: &mut Call<'_>, filled: Result<(), u32>| {
        let bytes = files::take(c, fd, len as usize);
        c.store(to, &bytes)?;
        done(c, filled.map(|()| bytes.len() as u32))
    };
    files::fill(c, fd, len as usize, Box::new(filled))
}

fn write(c: &mut Call<'_>) -> Done {
    let (fd, from, len) = (files::descriptor(c, 0)?, c.arg(1)?, c.arg(2)?);
    let written = move |c: &mut Call<'_>, went: Result<u32, u32>| match went {
        // Not behind: who writes to a descriptor has written.
        Ok(went) => files::flush(c, fd, Box::new(move |c, flushed| done(c, flushed.map(|()| went)))),
        Err(error) => fail(c, error),
    };
    files::put_range(c, fd, from, len, 0, Box::new(written))
}

fn lseek(c: &mut Call<'_>) -> Done {
    let (fd, offset, whence) = (files::descriptor(c, 0)?, c.arg64(2) as i64, c.arg(4)?);
    let answer = |c: &mut Call<'_>, at: Result<u32, u32>| match at {
        Ok(at) => c.ret64(at.into()),
        Err(error) => {
            c.set_errno(error)?;
            c.ret64(u64::MAX)
        }
    };
    let moved = move |c: &mut Call<'_>, moved: Result<(), u32>| match moved {
        Ok(()) => files::tell_position(c, fd, Box::new(answer)),
        Err(error) => answer(c, Err(error)),
    };
    files::seek(c, fd, offset, whence, Box::new(moved))
}

fn close(c: &mut Call<'_>) -> Done {
    let fd = files::descriptor(c, 0)?;
    c.os.lib.files.streams.retain(|_, known| *known != fd);
    files::close(c, fd, Box::new(nothing_or))
}

fn fsync(c: &mut Call<'_>) -> Done {
    let fd = files::descriptor(c, 0)?;
    let flushed = move |c: &mut Call<'_>, flushed: Result<(), u32>| {
        let number = c.os.lib.files.get(fd).and_then(|file| file.ap());
        match (flushed, number) {
            (Ok(()), Some(file)) => files::ask(apps_std::Fsync { file }, Box::new(nothing_or)),
            (flushed, _) => nothing_or(c, flushed),
        }
    };
    files::flush(c, fd, Box::new(flushed))
}

fn ftruncate(c: &mut Call<'_>) -> Done {
    let (fd, len) = (files::descriptor(c, 0)?, c.arg64(2));
    let Ok(offset) = i32::try_from(len) else {
        return fail(c, EINVAL);
    };
    let cut = move |c: &mut Call<'_>, moved: Result<(), u32>| {
        let number = c.os.lib.files.get(fd).and_then(|file| file.ap());
        match (moved, number) {
            (Ok(()), Some(file)) => files::ask(apps_std::Ftrunc { file, offset }, Box::new(nothing_or)),
            (Ok(()), None) => fail(c, EINVAL),
            (Err(error), _) => fail(c, error),
        }
    };
    // What was read ahead may be cut off.
    let flushed = move |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
        Ok(()) => files::forget_unread(c, fd, Box::new(cut)),
        Err(error) => fail(c, error),
    };
    files::flush(c, fd, Box::new(flushed))
}

fn isatty(c: &mut Call<'_>) -> Done {
    let fd = files::descriptor(c, 0)?;
    let there = c.os.lib.files.get(fd).is_some();
    c.set_errno(if there { ENOTTY } else { EBADF })?;
    c.ret(0)
}

fn access(c: &mut Call<'_>) -> Done {
    let (name, wanted) = (files::path(c, c.arg(0)?)?, c.arg(1)?);
    let told = move |c: &mut Call<'_>, reply: Result<apps_std::StatReply, u32>| match reply {
        Ok(reply) if reply.mode >> 6 & wanted & 7 == wanted & 7 => c.ret(0),
        Ok(_) => fail(c, EACCES),
        Err(error) => fail(c, error),
    };
    files::ask(apps_std::Stat { name }, Box::new(told))
}

/// A `struct stat` of these facts.
fn record(facts: &apps_std::StatReply) -> [u8; STAT] {
    let mut out = [0; STAT];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    for (at, v) in [
        (0, facts.dev),
        (8, facts.ino),
        (32, facts.rdev),
        (48, facts.size),
        (64, facts.size.div_ceil(512)),
        (72, facts.atime as u64),
        (80, facts.atime_ns as u64),
        (88, facts.mtime as u64),
        (96, facts.mtime_ns as u64),
        (104, facts.ctime as u64),
        (112, facts.ctime_ns as u64),
    ] {
        put(at, &v.to_le_bytes());
    }
    for (at, v) in [(16, facts.mode), (20, facts.nlink), (56, 4096)] {
        put(at, &v.to_le_bytes());
    }
    out
}

fn stat(c: &mut Call<'_>) -> Done {
    let (name, to) = (files::path(c, c.arg(0)?)?, c.arg(1)?);
    let told = move |c: &mut Call<'_>, reply: Result<apps_std::StatReply, u32>| match reply {
        Ok(facts) => {
            c.store(to, &record(&facts))?;
            c.ret(0)
        }
        Err(error) => fail(c, error),
    };
    files::ask(apps_std::Stat { name }, Box::new(told))
}

fn fstat(c: &mut Call<'_>) -> Done {
    let (fd, to) = (files::descriptor(c, 0)?, c.arg(1)?);
    let flushed = move |c: &mut Call<'_>, flushed: Result<(), u32>| {
        let number = c.os.lib.files.get(fd).and_then(|file| file.ap());
        let file = match (flushed, number) {
            (Ok(()), Some(file)) => file,
            // The standard streams are character devices.
            (Ok(()), None) => return length(c, to, 0, 0o020_000),
            (Err(error), _) => return fail(c, error),
        };
        let told = move |c: &mut Call<'_>, reply: Result<apps_std::FlenReply, u32>| match reply {
            Ok(reply) => length(c, to, reply.len, S_IFREG),
            Err(error) => fail(c, error),
        };
        files::ask(apps_std::Flen { file }, Box::new(told))
    };
    files::flush(c, fd, Box::new(flushed))
}

/// Stores a `struct stat` with nothing but length and kind.
fn length(c: &mut Call<'_>, to: u32, size: u64, kind: u32) -> Done {
    let mut out = [0; STAT];
    out[16..20].copy_from_slice(&kind.to_le_bytes());
    out[48..56].copy_from_slice(&size.to_le_bytes());
    out[56..60].copy_from_slice(&4096u32.to_le_bytes());
    c.store(to, &out)?;
    c.ret(0)
}

fn remove(c: &mut Call<'_>) -> Done {
    let name = files::path(c, c.arg(0)?)?;
    files::ask(apps_std::Fremove { name }, Box::new(nothing_or))
}

fn rename(c: &mut Call<'_>) -> Done {
    let (old, new) = (files::path(c, c.arg(0)?)?, files::path(c, c.arg(1)?)?);
    files::ask(apps_std::Frename { old, new }, Box::new(nothing_or))
}

fn mkdir(c: &mut Call<'_>) -> Done {
    let (name, mode) = (files::path(c, c.arg(0)?)?, c.arg(1)?);
    files::ask(apps_std::Mkdir { name, mode }, Box::new(nothing_or))
}

fn rmdir(c: &mut Call<'_>) -> Done {
    let name = files::path(c, c.arg(0)?)?;
    files::ask(apps_std::Rmdir { name }, Box::new(nothing_or))
}

fn opendir(c: &mut Call<'_>) -> Done {
    let name = files::path(c, c.arg(0)?)?;
    if name.0.is_empty() || !c.os.lib.files.has_room_for_directory() {
        c.set_errno(if name.0.is_empty() { ENOENT } else { EMFILE })?;
        return c.ret(0);
    }
    let opened = |c: &mut Call<'_>, reply: Result<apps_std::OpendirReply, u32>| {
        let dir = match reply {
            Ok(reply) => reply.dir,
            Err(error) => {
                c.set_errno(error)?;
                return c.ret(0);
            }
        };
        let made = move |c: &mut Call<'_>, at: u32| {
            if at == 0 {
                let forget = apps_std::Closedir { dir };
                return files::ask(
                    forget,
                    Box::new(|c, _| {
                        c.set_errno(ENOMEM)?;
                        c.ret(0)
                    }),
                );
            }
            c.os.lib.files.directories.insert(at, dir);
            c.ret(at)
        };
        allocate(c, DIRENT as u32, 16, Box::new(made))
    };
    files::ask(apps_std::Opendir { name }, Box::new(opened))
}

fn readdir(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let Some(&dir) = c.os.lib.files.directories.get(&at) else {
        c.set_errno(EBADF)?;
        return c.ret(0);
    };
    let told = move |c: &mut Call<'_>, reply: Result<apps_std::ReaddirReply, u32>| {
        let entry = match reply {
            Ok(reply) if reply.eof == 0 => reply.entry,
            Ok(_) => return c.ret(0),
            Err(error) => {
                c.set_errno(error)?;
                return c.ret(0);
            }
        };
        // {u64 inode, s64 offset, u16 length, u8 kind, name}; the kind is unknown (0).
        let mut out = [0; DIRENT];
        out[..8].copy_from_slice(&u64::from(entry.ino as u32).to_le_bytes());
        out[16..18].copy_from_slice(&(DIRENT as u16).to_le_bytes());
        let name = entry.name.split(|&b| b == 0).next().unwrap_or_default();
        let name = &name[..name.len().min(255)];
        out[19..19 + name.len()].copy_from_slice(name);
        c.store(at, &out)?;
        c.ret(at)
    };
    files::ask(apps_std::Readdir { dir }, Box::new(told))
}

fn closedir(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    let Some(dir) = c.os.lib.files.directories.remove(&at) else {
        return fail(c, EBADF);
    };
    let _ = c.os.heap.free(at);
    files::ask(apps_std::Closedir { dir }, Box::new(nothing_or))
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
    fn flags_become_modes_or_are_refused() {
        for (flags, want) in [
            (0, Some("rb")),
            (O_RDWR, Some("r+b")),
            (O_WRONLY | O_CREAT | O_TRUNC, Some("wb")),
            (O_RDWR | O_CREAT | O_APPEND, Some("a+b")),
            (O_WRONLY | O_CREAT, None),
            // O_EXCL.
            (O_WRONLY | O_CREAT | O_TRUNC | 0o200, None),
            (HARMLESS, Some("rb")),
            // O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, and a bit that is none.
            (0o4000, None),
            (0o100_000, None),
            (0o40_000, None),
            (1 << 31, None),
            (3, None),
        ] {
            assert_eq!(mode(flags), want, "{flags:#o}");
        }
    }

    #[test]
    fn a_file_is_made_if_there_is_none_and_kept_as_it_is() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/old", b"0123");
        let (old, new, bytes) = (g.bytes(b"/old\0"), g.bytes(b"/new\0"), g.bytes(b"ab"));
        for (path, flags) in [(old, O_RDWR | O_CREAT), (new, O_WRONLY | O_CREAT | HARMLESS)] {
            let fd = ap.call(&mut g, "open", &[path, flags, 0o644]);
            assert_eq!(fd, 3);
            assert_eq!(ap.call(&mut g, "write", &[fd, bytes, 2]), 2);
            assert_eq!(ap.call(&mut g, "close", &[fd]), 0);
        }
        assert_eq!(
            (&ap.files["/old"][..], &ap.files["/new"][..]),
            (&b"ab23"[..], &b"ab"[..])
        );
        assert_eq!(ap.open(), 0);
        // To be read only, or only if there is none: nothing asks for that.
        for flags in [O_CREAT, O_RDWR | O_CREAT | 0o200] {
            assert_eq!((g.call("open", &[old, flags]), errno(&g)), (u32::MAX, EINVAL));
        }
    }

    #[test]
    fn descriptors_read_no_more_than_is_wanted() {
        let mut g = Guest::new();
        let mut ap = ApFiles::with("/f", b"0123456789");
        let (path, to) = (g.bytes(b"/f\0"), g.bytes(&[0; 128]));
        let fd = ap.call(&mut g, "open", &[path, O_RDWR]);
        assert_eq!(fd, 3);
        assert_eq!(ap.call(&mut g, "read", &[fd, to, 4]), 4);
        assert_eq!(g.read(to, 4), b"0123");
        assert_eq!(ap.call(&mut g, "write", &[fd, to, 2]), 2);
        assert_eq!(ap.files["/f"], b"0123016789");
        assert_eq!(ap.call64(&mut g, "lseek", &[fd, 0, -1i32 as u32, u32::MAX, 1]), 5);
        assert_eq!(ap.call(&mut g, "read", &[fd, to, 100]), 5);
        assert_eq!(ap.call(&mut g, "read", &[fd, to, 100]), 0);
        assert_eq!(ap.call(&mut g, "fstat", &[fd, to]), 0);
        assert_eq!((g.word(to + 16), g.word(to + 48)), (S_IFREG, 10));
        assert_eq!(ap.call64(&mut g, "lseek", &[fd, 0, 0, 1, 0]), u64::MAX);
        assert_eq!(ap.call(&mut g, "close", &[fd]), 0);
        assert_eq!((ap.call(&mut g, "close", &[fd]), errno(&g)), (u32::MAX, EBADF));
        assert_eq!(
            (ap.call(&mut g, "read", &[fd, to, 1]), errno(&g)),
            (u32::MAX, EBADF)
        );
        assert_eq!(ap.call(&mut g, "remove", &[path]), 0);
        assert_eq!(
            (ap.call(&mut g, "unlink", &[path]), errno(&g)),
            (u32::MAX, ENOENT)
        );
        assert_eq!(g.call("isatty", &[1]), 0);
        assert_eq!(errno(&g), ENOTTY);
    }

    #[test]
    fn directories_have_to_be_open() {
        let mut g = Guest::new();
        assert_eq!((g.call("readdir", &[0x1234]), errno(&g)), (0, EBADF));
        assert_eq!((g.call("closedir", &[0x1234]), errno(&g)), (u32::MAX, EBADF));
    }

    #[test]
    fn facts_have_their_places() {
        let facts = apps_std::StatReply {
            tsz: 0,
            dev: 1,
            ino: 2,
            mode: 0o100_644,
            nlink: 1,
            rdev: 0,
            size: 1000,
            atime: 5,
            atime_ns: 6,
            mtime: 7,
            mtime_ns: 8,
            ctime: 9,
            ctime_ns: 10,
        };
        let out = record(&facts);
        let word = |at: usize| u32::from_le_bytes(out[at..at + 4].try_into().unwrap());
        assert_eq!(
            (word(16), word(48), word(64), word(88), word(112)),
            (0o100_644, 1000, 2, 7, 10)
        );
    }
}
