//! The program's file descriptors and the host's files behind them.
//!
//! Descriptors 0 to 2 lead to the [`Console`]; others are files of the host, opened with the rights of the user who runs
//! the emulator, if [`Setup::files`](super::setup::Setup::files) allows it at all. Flag and error numbers are those of Linux's
//! generic table, which x86 and Arm hosts have too.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::Console;

/// `openat`'s folder: the current one.
pub(super) const AT_FDCWD: i32 = -100;
/// Most open descriptors.
const MAX_OPEN: u32 = 1024;

/// Flags that are handed on to the host. Access mode apart; the host always adds O_CLOEXEC.
const HANDED_ON: i32 = libc::O_CREAT
    | libc::O_EXCL
    | libc::O_NOCTTY
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_DSYNC
    | libc::O_SYNC
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW;

/// What a descriptor is.
#[derive(Debug, Clone)]
pub(super) enum Open {
    /// 0, 1 or 2 of the console.
    Console(u32),
    /// A file of the host, and the flags that it was opened with.
    File(Arc<File>, i32),
}

/// Flags that F_GETFL tells.
const TOLD: i32 = libc::O_ACCMODE | libc::O_APPEND | libc::O_NONBLOCK | libc::O_DSYNC | libc::O_SYNC;

impl Open {
    /// How it was opened, as far as F_GETFL tells it.
    pub(super) fn flags(&self) -> i32 {
        match self {
            Open::Console(0) => libc::O_RDONLY,
            Open::Console(_) => libc::O_WRONLY,
            Open::File(_, flags) => flags & TOLD,
        }
    }
}

/// The descriptors.
#[derive(Debug)]
pub(super) struct Files {
    open: BTreeMap<u32, Open>,
    allowed: bool,
}

/// A host error as a number.
pub(super) fn errno(e: &std::io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

impl Files {
    /// Whether the host's files can be reached at all.
    pub(super) fn allowed(&self) -> bool {
        self.allowed
    }

    /// The three standard ones; `allowed` says whether more can be opened.
    pub(super) fn new(allowed: bool) -> Self {
        Files {
            open: (0..3).map(|n| (n, Open::Console(n))).collect(),
            allowed,
        }
    }

    /// What descriptor `fd` is.
    pub(super) fn get(&self, fd: u32) -> Result<&Open, i32> {
        self.open.get(&fd).ok_or(libc::EBADF)
    }

    /// The file to map for a descriptor.
    pub(super) fn to_map(&self, fd: u32) -> Result<Arc<File>, i32> {
        match self.get(fd)? {
            Open::File(file, _) => Ok(file.clone()),
            Open::Console(_) => Err(libc::ENODEV),
        }
    }

    fn file(&self, fd: u32) -> Result<&File, i32> {
        match self.get(fd)? {
            Open::File(file, _) => Ok(file),
            Open::Console(_) => Err(libc::ESPIPE),
        }
    }

    /// The lowest free number from `from` on.
    fn free(&self, from: u32) -> Result<u32, i32> {
        (from..MAX_OPEN)
            .find(|n| !self.open.contains_key(n))
            .ok_or(libc::EMFILE)
    }

    /// The host's path for a path of the program, if it may have any.
    pub(super) fn path(&self, dir: i32, path: &[u8]) -> Result<PathBuf, i32> {
        if !self.allowed {
            return Err(libc::EACCES);
        }
        let path = Path::new(OsStr::from_bytes(path));
        if path.as_os_str().is_empty() {
            return Err(libc::ENOENT);
        }
        if path.is_absolute() || dir == AT_FDCWD {
            return Ok(path.to_owned());
        }
        match self.get(dir as u32)? {
            Open::File(file, _) => Ok(Path::new("/proc/self/fd")
                .join(file.as_raw_fd().to_string())
                .join(path)),
            Open::Console(_) => Err(libc::ENOTDIR),
        }
    }

    /// Opens a file.
    pub(super) fn open(&mut self, dir: i32, path: &[u8], flags: i32, mode: u32) -> Result<u32, i32> {
        let path = self.path(dir, path)?;
        let fd = self.free(0)?;
        let access = flags & libc::O_ACCMODE;
        let file = OpenOptions::new()
            .read(access != libc::O_WRONLY)
            .write(access != libc::O_RDONLY)
            .custom_flags(flags & HANDED_ON)
            .mode(mode & 0o7777)
            .open(path)
            .map_err(|e| errno(&e))?;
        self.open.insert(fd, Open::File(Arc::new(file), flags));
        Ok(fd)
    }

    /// Closes a descriptor.
    pub(super) fn close(&mut self, fd: u32) -> Result<(), i32> {
        self.open.remove(&fd).map(drop).ok_or(libc::EBADF)
    }

    /// A second descriptor for the same file, the lowest free one from `from` on.
    pub(super) fn duplicate(&mut self, fd: u32, from: u32) -> Result<u32, i32> {
        let open = self.get(fd)?.clone();
        let to = self.free(from)?;
        self.open.insert(to, open);
        Ok(to)
    }

    /// Makes descriptor `to` lead where `fd` does; what was open there is closed.
    pub(super) fn duplicate_to(&mut self, fd: u32, to: u32) -> Result<u32, i32> {
        let open = self.get(fd)?.clone();
        if to >= MAX_OPEN {
            return Err(libc::EBADF);
        }
        self.open.insert(to, open);
        Ok(to)
    }

    /// Reads; fewer bytes than asked for at the end.
    pub(super) fn read(&self, fd: u32, console: &mut dyn Console, out: &mut [u8]) -> Result<usize, i32> {
        match self.get(fd)? {
            Open::Console(0) => console.read(out).map_err(|e| errno(&e)),
            Open::Console(_) => Err(libc::EBADF),
            Open::File(file, _) => (&**file).read(out).map_err(|e| errno(&e)),
        }
    }

    /// Writes.
    pub(super) fn write(&self, fd: u32, console: &mut dyn Console, bytes: &[u8]) -> Result<usize, i32> {
        match self.get(fd)? {
            Open::Console(0) => Err(libc::EBADF),
            Open::Console(n) => console.write(*n == 2, bytes).map_err(|e| errno(&e)),
            Open::File(file, _) => (&**file).write(bytes).map_err(|e| errno(&e)),
        }
    }

    /// Reads at a place.
    pub(super) fn read_at(&self, fd: u32, out: &mut [u8], at: u64) -> Result<usize, i32> {
        self.file(fd)?.read_at(out, at).map_err(|e| errno(&e))
    }

    /// Writes at a place.
    pub(super) fn write_at(&self, fd: u32, bytes: &[u8], at: u64) -> Result<usize, i32> {
        self.file(fd)?.write_at(bytes, at).map_err(|e| errno(&e))
    }

    /// Moves the place of the next access.
    pub(super) fn seek(&self, fd: u32, offset: i64, whence: u32) -> Result<u64, i32> {
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| libc::EINVAL)?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(libc::EINVAL),
        };
        self.file(fd)?.seek(to).map_err(|e| errno(&e))
    }

    /// Changes a file's length.
    pub(super) fn truncate(&self, fd: u32, len: u64) -> Result<(), i32> {
        let Open::File(file, _) = self.get(fd)? else {
            return Err(libc::EINVAL);
        };
        file.set_len(len).map_err(|e| errno(&e))
    }

    /// What is known of an open file; `None` if it is a console that is not the host's.
    pub(super) fn metadata(&self, fd: u32, console: &dyn Console) -> Result<Option<std::fs::Metadata>, i32> {
        match self.get(fd)? {
            Open::Console(n) => Ok(console.metadata(*n)),
            Open::File(file, _) => file.metadata().map(Some).map_err(|e| errno(&e)),
        }
    }

    /// Whether a descriptor is a terminal.
    pub(super) fn is_terminal(&self, fd: u32, console: &dyn Console) -> Result<bool, i32> {
        use std::io::IsTerminal;
        Ok(match self.get(fd)? {
            Open::Console(n) => console.is_terminal(*n),
            Open::File(file, _) => file.is_terminal(),
        })
    }

    /// Whether the program may use a file in this way (R_OK 4, W_OK 2, X_OK 1, F_OK 0).
    pub(super) fn access(&self, dir: i32, path: &[u8], mode: u32, flags: u32) -> Result<(), i32> {
        let known = (libc::AT_EACCESS | libc::AT_SYMLINK_NOFOLLOW) as u32;
        if mode & !7 != 0 || flags & !known != 0 {
            return Err(libc::EINVAL);
        }
        let path = self.path(dir, path)?;
        let path =
            std::ffi::CString::new(path.into_os_string().into_encoded_bytes()).map_err(|_| libc::ENOENT)?;
        // SAFETY: `path` is a NUL-terminated string that lives over the call
        let failed =
            unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode as i32, flags as i32) } != 0;
        if failed {
            return Err(errno(&std::io::Error::last_os_error()));
        }
        Ok(())
    }
}
