//! Files that the user named: results, traces, logs.
//!
//! A file that is there already was made by somebody else as far as anybody can tell, also if it was us yesterday: it is left as it is
//! unless the user says `--force`. Three things are no exception, because nothing is lost: an empty file (as `mktemp` makes it), a file
//! that has the very bytes that would be written, and what is no file but leads somewhere (a pipe, `/dev/stdout`, `/dev/null`).

use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// What becomes of a file that is there already and has contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stays, and there is an error.
    #[default]
    Keep,
    /// It is overwritten (`--force`).
    Overwrite,
}

impl Existing {
    /// What an option `--force` says.
    #[must_use]
    pub fn forced(force: bool) -> Self {
        if force { Self::Overwrite } else { Self::Keep }
    }
}

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is one.
    #[error("{0} is there already; it is overwritten only with --force")]
    Exists(PathBuf),
    /// The system refuses.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl OutputError {
    fn write(path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::Write {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// Whether [`create`] would take what is at `path`, which is not touched.
///
/// # Errors
/// It would not.
pub fn check(path: &Path, existing: Existing) -> Result<(), OutputError> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() && there.len() > 0 && existing == Existing::Keep => {
            Err(OutputError::Exists(path.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Makes the file `path`, open for reading and writing (what is no file: for writing).
///
/// # Errors
/// It is there already and not empty, or it cannot be made.
pub fn create(path: &Path, existing: Existing) -> Result<File, OutputError> {
    create_with(path, existing, |_| Ok(false)).map(|(file, _)| file)
}

/// Writes the whole file `path`.
///
/// # Errors
/// It is there already with other contents, or it cannot be written.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), OutputError> {
    let (mut file, is_same) = create_with(path, existing, |file| has_bytes(file, bytes))?;
    if is_same {
        return Ok(());
    }
    file.write_all(bytes)
        .map_err(|source| OutputError::write(path, source))
}

/// Writes other contents into a file that [`create`] made. What goes into a pipe comes after what went before.
///
/// # Errors
/// It cannot be written.
pub fn rewrite(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
        file.rewind()?;
    }
    file.write_all(bytes)
}

/// The file, and whether `is_same` said of its contents that they need not be written.
fn create_with(
    path: &Path,
    existing: Existing,
    is_same: impl FnOnce(&File) -> std::io::Result<bool>,
) -> Result<(File, bool), OutputError> {
    let failed = |source| OutputError::write(path, source);
    if existing == Existing::Overwrite {
        return Ok((File::create(path).map_err(failed)?, false));
    }
    let mut options = File::options();
    match options.read(true).write(true).create_new(true).open(path) {
        Ok(file) => return Ok((file, false)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    // What the name leads to decides, as `/dev/stdout` is a symbolic link; a link to nothing is something, too.
    let kind = match std::fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(OutputError::Exists(path.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    // A pipe must not be opened for reading, too: it would have a reader for ever. Looking at a file's contents needs it.
    let access = if kind.is_file() {
        OFlags::RDWR
    } else {
        OFlags::WRONLY
    };
    let file = match rustix::fs::open(path, access | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => File::from(file),
        // A file that may not be read, or not be written: it stays in any case.
        Err(rustix::io::Errno::ACCESS) if kind.is_file() => return Err(OutputError::Exists(path.to_owned())),
        Err(error) => return Err(failed(error.into())),
    };
    // Asked again of what was opened, which may be another.
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo | FileType::CharacterDevice => Ok((file, false)),
        FileType::RegularFile if stat.st_size == 0 => Ok((file, false)),
        FileType::RegularFile if is_same(&file).map_err(failed)? => Ok((file, true)),
        _ => Err(OutputError::Exists(path.to_owned())),
    }
}

/// Whether a file from its start on consists of exactly these bytes.
fn has_bytes(mut file: &File, bytes: &[u8]) -> std::io::Result<bool> {
    if file.metadata()?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut rest = bytes;
    let mut piece = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut piece)?;
        match rest.split_at_checked(n) {
            Some((head, tail)) if piece.starts_with(head) => rest = tail,
            _ => return Ok(false),
        }
        if n == 0 {
            return Ok(rest.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_file_with_contents_stays_unless_it_may_be_overwritten() {
        let folder = folder();
        let path = folder.path().join("a");
        std::fs::write(&path, "theirs").unwrap();
        for result in [
            check(&path, Existing::Keep),
            create(&path, Existing::Keep).map(drop),
            write(&path, b"ours, longer", Existing::Keep),
            write(&path, b"theirx", Existing::Keep),
        ] {
            assert!(result.unwrap_err().to_string().contains("--force"));
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        check(&path, Existing::Overwrite).unwrap();
        write(&path, b"ours", Existing::Overwrite).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ours");
    }

    #[test]
    fn a_new_an_empty_and_an_equal_file_lose_nothing() {
        let folder = folder();
        let path = folder.path().join("a");
        check(&path, Existing::Keep).unwrap();
        assert!(!path.exists());
        write(&path, b"ours", Existing::Keep).unwrap();
        write(&path, b"ours", Existing::Keep).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"ours");
        let large: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let empty = folder.path().join("b");
        File::create(&empty).unwrap();
        write(&empty, &large, Existing::Keep).unwrap();
        write(&empty, &large, Existing::Keep).unwrap();
        let mut other = large.clone();
        other[150_000] ^= 1;
        assert!(matches!(
            write(&empty, &other, Existing::Keep),
            Err(OutputError::Exists(_))
        ));
        assert_eq!(std::fs::read(&empty).unwrap(), large);
    }

    #[test]
    fn contents_can_be_replaced_by_shorter_ones() {
        let folder = folder();
        let path = folder.path().join("a");
        let mut file = create(&path, Existing::Keep).unwrap();
        rewrite(&mut file, b"a longer text").unwrap();
        rewrite(&mut file, b"short").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        rewrite(&mut create(Path::new("/dev/null"), Existing::Keep).unwrap(), b"x").unwrap();
    }

    #[test]
    fn links_are_what_they_lead_to() {
        let folder = folder();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        symlink(&target, &link).unwrap();
        assert!(matches!(
            create(&link, Existing::Keep),
            Err(OutputError::Exists(_))
        ));
        assert!(!target.exists(), "a link to nothing makes no file elsewhere");
        std::fs::write(&target, "theirs").unwrap();
        assert!(matches!(
            write(&link, b"ours", Existing::Keep),
            Err(OutputError::Exists(_))
        ));
        assert_eq!(std::fs::read(&target).unwrap(), b"theirs");
    }

    #[test]
    fn pipes_and_devices_are_written_to() {
        write(Path::new("/dev/null"), b"ours", Existing::Keep).unwrap();
        let folder = folder();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let reader = {
            let path = path.clone();
            std::thread::spawn(move || std::fs::read(path).unwrap())
        };
        write(&path, b"ours", Existing::Keep).unwrap();
        assert_eq!(reader.join().unwrap(), b"ours");
        assert!(matches!(
            create(folder.path(), Existing::Keep),
            Err(OutputError::Write { .. })
        ));
    }
}
