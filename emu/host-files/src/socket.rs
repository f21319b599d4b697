//! Unix sockets that listen.
//!
//! The name is taken over only from a socket that nobody listens on, which is what a program that was killed leaves behind; one that is
//! listened on, and whatever is no socket, stays. Only its owner can connect (mode 0600), whatever the umask is.
//!
//! Others may do the same at the same time. So a socket gets its name only when it listens already: it is made under another name and
//! linked, which never replaces anything. Of our own programs one at a time replaces sockets in a folder (they lock it). What other
//! programs do meanwhile is met by moving what is replaced aside first and looking at it again: what goes is what was found dead.

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The owner may connect.
const MODE: Mode = Mode::from_raw_mode(0o600);
/// Connections that may wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;
/// How often something else may come in between before this is given up.
const ATTEMPTS: u32 = 64;
/// How long another program of ours may take to replace a socket. Somebody else may hold the lock for ever: then it is done without.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// There is something else.
    #[error("{0} is there already and is no socket: it is not ours to remove")]
    NoSocket(PathBuf),
    /// It is in use.
    #[error("somebody listens on the socket {0} already")]
    InUse(PathBuf),
    /// The system refuses.
    #[error("cannot make the socket {path}: {source}")]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl SocketError {
    fn make(path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::Make {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// A socket that listens. Its name is gone when this is dropped.
#[derive(Debug)]
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
    /// What the name leads to as long as it is ours: device and inode. The inode is not given to another file before the socket is
    /// closed.
    id: (u64, u64),
}

impl Listening {
    /// Listens at `path`.
    ///
    /// # Errors
    /// Something else is there, or the socket cannot be made.
    pub fn at(path: &Path) -> Result<Self, SocketError> {
        let failed = |errno: Errno| SocketError::make(path, errno);
        // Only this name has to fit into an address; the one before is no longer.
        SocketAddrUnix::new(path).map_err(failed)?;
        let name = path
            .file_name()
            .ok_or_else(|| SocketError::make(path, ErrorKind::InvalidInput))?;
        let (listener, scratch) = beside(path, name.len(), listen).map_err(failed)?;
        let scratch = RemovedFile(scratch);
        let id = identity(&stat(&scratch.0).map_err(failed)?);
        let mut lock = None;
        for _ in 0..ATTEMPTS {
            match rustix::fs::link(&scratch.0, path) {
                Ok(()) => {
                    return Ok(Self {
                        listener,
                        path: path.to_owned(),
                        id,
                    });
                }
                Err(Errno::EXIST) => {
                    lock = lock.or_else(|| lock_folder_of(path));
                    remove_dead(path)?;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(SocketError::InUse(path.to_owned()))
    }

    /// The socket, to be handed to something that accepts.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn listener(&self) -> std::io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// Its name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if stat(&self.path).is_ok_and(|stat| identity(&stat) == self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// For a socket that another program will make at `path`, and that removes what is there: whether that is harmless.
///
/// # Errors
/// What is there is no socket.
pub fn check_replaceable(path: &Path) -> Result<(), SocketError> {
    match stat(path) {
        Ok(stat) if is_socket(&stat) => Ok(()),
        Ok(_) => Err(SocketError::NoSocket(path.to_owned())),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(SocketError::make(path, error)),
    }
}

/// Makes a socket that another program made accessible to its owner only. Does nothing if `path` is no socket.
///
/// # Errors
/// It is gone, or is not ours to change.
pub fn restrict(path: &Path) -> std::io::Result<()> {
    let found = rustix::fs::open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    if is_socket(&rustix::fs::fstat(&found)?) {
        use std::os::fd::AsRawFd as _;
        // What was looked at, even if the name leads elsewhere by now.
        rustix::fs::chmod(format!("/proc/self/fd/{}", found.as_raw_fd()), MODE)?;
    }
    Ok(())
}

/// A name that goes when this is dropped.
struct RemovedFile(PathBuf);

impl Drop for RemovedFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder that goes when this is dropped, if it is empty.
struct RemovedFolder(PathBuf);

impl Drop for RemovedFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Makes something under a free name in the folder of `path`. The name has at most `length` bytes, if that is enough for one.
fn beside<T>(
    path: &Path,
    length: usize,
    mut make: impl FnMut(&Path) -> rustix::io::Result<T>,
) -> rustix::io::Result<(T, PathBuf)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let digits = length.saturating_sub(1).clamp(2, 8);
    for _ in 0..ATTEMPTS {
        let number = std::process::id()
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x85eb_ca6b));
        let text = format!("{number:08x}");
        let scratch = path.with_file_name(format!(".{}", &text[..digits]));
        match make(&scratch) {
            Ok(made) => return Ok((made, scratch)),
            Err(Errno::ADDRINUSE | Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EXIST)
}

fn listen(path: &Path) -> rustix::io::Result<UnixListener> {
    let socket = stream(SocketFlags::CLOEXEC)?;
    // Linux takes what the name may be used for from the socket, less the umask: at no time is it more.
    rustix::fs::fchmod(&socket, MODE)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let finish = || {
        rustix::fs::chmod(path, MODE)?;
        rustix::net::listen(&socket, BACKLOG)
    };
    match finish() {
        Ok(()) => Ok(UnixListener::from(socket)),
        Err(error) => {
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

fn stream(flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Locks the folder of `path` against other programs of ours until the result is dropped.
fn lock_folder_of(path: &Path) -> Option<OwnedFd> {
    let folder = path.with_file_name(".");
    let folder = rustix::fs::open(
        folder,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let folder = folder.ok()?;
    for _ in 0..LOCK_PATIENCE.as_millis() / LOCK_INTERVAL.as_millis() {
        match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_INTERVAL),
            Err(_) => return None,
        }
    }
    None
}

/// Removes what is at `path` if that is a socket that nobody listens on.
fn remove_dead(path: &Path) -> Result<(), SocketError> {
    let failed = |errno: Errno| SocketError::make(path, errno);
    // Held open, so that its inode stays its own.
    let found = match rustix::fs::open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let found_stat = rustix::fs::fstat(&found).map_err(failed)?;
    if !is_socket(&found_stat) {
        return Err(SocketError::NoSocket(path.to_owned()));
    }
    if !is_dead(path).map_err(failed)? {
        return Err(SocketError::InUse(path.to_owned()));
    }
    let make_folder = |path: &Path| rustix::fs::mkdir(path, Mode::RWXU);
    let ((), aside) = beside(path, 8, make_folder).map_err(failed)?;
    let aside = RemovedFolder(aside);
    let moved = aside.0.join("socket");
    match rustix::fs::rename(path, &moved) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    let moved_stat = stat(&moved).map_err(failed)?;
    if identity(&moved_stat) != identity(&found_stat) {
        // Somebody was faster: it gets its name back, unless that has one by now as well.
        return match rustix::fs::link(&moved, path).and_then(|()| rustix::fs::unlink(&moved)) {
            Ok(()) => Ok(()),
            Err(error) => Err(SocketError::make(
                path,
                std::io::Error::other(format!("what was there is now {} ({error})", moved.display())),
            )),
        };
    }
    rustix::fs::unlink(&moved).map_err(failed)
}

/// Whether nobody listens on the socket at `path`. What cannot be said is not dead.
fn is_dead(path: &Path) -> rustix::io::Result<bool> {
    let address = SocketAddrUnix::new(path)?;
    // Not waiting: a server with a full queue lives, too.
    let client = stream(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    Ok(matches!(
        rustix::net::connect(&client, &address),
        Err(Errno::CONNREFUSED | Errno::NOENT)
    ))
}

/// Of the name itself, not of what a symbolic link leads to.
fn stat(path: &Path) -> rustix::io::Result<Stat> {
    rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
}

fn is_socket(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Socket
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;
    use std::sync::Barrier;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn it_listens_for_its_owner_and_takes_its_name_along() {
        let folder = folder();
        let path = folder.path().join("s");
        let socket = Listening::at(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(names(folder.path()), ["s"]);
        let _client = UnixStream::connect(&path).unwrap();
        socket.listener().unwrap().accept().unwrap();
        drop(socket);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_dead_socket_is_replaced_a_live_one_is_not() {
        let folder = folder();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let ours = Listening::at(&path).unwrap();
        let error = Listening::at(&path).unwrap_err();
        assert!(matches!(error, SocketError::InUse(_)), "{error}");
        UnixStream::connect(&path).unwrap();
        drop(ours);
        // One whose queue is full is alive, too.
        let busy = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&busy, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&busy, 0).unwrap();
        let _first = UnixStream::connect(&path).unwrap();
        let error = Listening::at(&path).unwrap_err();
        assert!(matches!(error, SocketError::InUse(_)), "{error}");
        assert_eq!(names(folder.path()), ["s"]);
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = folder();
        let path = folder.path().join("s");
        let dead = folder.path().join("dead");
        drop(UnixListener::bind(&dead).unwrap());
        type Make = fn(&Path, &Path);
        let kinds: [(&str, Make); 5] = [
            ("file", |path, _| std::fs::write(path, "theirs").unwrap()),
            ("empty file", |path, _| std::fs::write(path, "").unwrap()),
            ("folder", |path, _| std::fs::create_dir(path).unwrap()),
            ("link to a dead socket", |path, dead| {
                std::os::unix::fs::symlink(dead, path).unwrap();
            }),
            ("link to nothing", |path, _| {
                std::os::unix::fs::symlink("nothing", path).unwrap();
            }),
        ];
        for (kind, make) in kinds {
            make(&path, &dead);
            let before = stat(&path).unwrap();
            for error in [
                Listening::at(&path).map(drop).unwrap_err(),
                check_replaceable(&path).unwrap_err(),
            ] {
                assert!(matches!(error, SocketError::NoSocket(_)), "{kind}: {error}");
            }
            assert_eq!(identity(&stat(&path).unwrap()), identity(&before), "{kind}");
            assert_eq!(names(folder.path()), ["dead", "s"], "{kind}");
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
        }
        check_replaceable(&path).unwrap();
        check_replaceable(&dead).unwrap();
    }

    #[test]
    fn a_name_that_was_given_to_another_stays() {
        let folder = folder();
        let path = folder.path().join("s");
        let ours = Listening::at(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        drop(ours);
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
    }

    /// Many at once over a dead socket: one has the name, and whoever has it can be reached.
    #[test]
    fn of_many_at_once_one_wins_and_can_be_reached() {
        const RIVALS: usize = 8;
        let folder = folder();
        for round in 0..40 {
            let path = folder.path().join("s");
            drop(UnixListener::bind(&path).unwrap());
            let barrier = Barrier::new(RIVALS);
            let rival = || {
                barrier.wait();
                let result = Listening::at(&path);
                barrier.wait();
                result
            };
            let results: Vec<_> = std::thread::scope(|scope| {
                let rivals: Vec<_> = (0..RIVALS).map(|_| scope.spawn(rival)).collect();
                rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
            });
            let mut winners = 0;
            for result in results {
                match result {
                    Ok(socket) => {
                        winners += 1;
                        let _client = UnixStream::connect(&path).unwrap();
                        socket.listener().unwrap().set_nonblocking(true).unwrap();
                        socket
                            .listener()
                            .unwrap()
                            .accept()
                            .expect("the winner is reached");
                    }
                    Err(error) => assert!(matches!(error, SocketError::InUse(_)), "{round}: {error}"),
                }
            }
            assert_eq!(winners, 1, "{round}");
            assert!(names(folder.path()).is_empty(), "{round}");
        }
    }

    #[test]
    fn a_name_as_long_as_an_address_can_be_is_possible() {
        let folder = folder();
        let base = folder.path().as_os_str().len() + 1;
        let path = |length: usize| folder.path().join("x".repeat(length - base));
        let socket = Listening::at(&path(107)).unwrap();
        UnixStream::connect(socket.path()).unwrap();
        assert!(matches!(Listening::at(&path(120)), Err(SocketError::Make { .. })));
    }

    #[test]
    fn a_socket_of_another_program_is_restricted_and_nothing_else_is() {
        let folder = folder();
        let (socket, file) = (folder.path().join("s"), folder.path().join("f"));
        let _listener = UnixListener::bind(&socket).unwrap();
        std::fs::write(&file, "").unwrap();
        let all = std::fs::Permissions::from_mode(0o777);
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        for path in [&socket, &file] {
            std::fs::set_permissions(path, all.clone()).unwrap();
            restrict(path).unwrap();
        }
        assert_eq!((mode(&socket), mode(&file)), (0o600, 0o777));
        let link = folder.path().join("l");
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        std::fs::set_permissions(&socket, all).unwrap();
        restrict(&link).unwrap();
        assert_eq!(mode(&socket), 0o777);
    }
}
