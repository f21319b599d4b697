//! Paths of the DSP's programs on the host: only what lies in the folders that the user named can be seen, and nothing can be
//! changed.

use std::fs::{File, Metadata, ReadDir};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rpmsg::iface::apps_std::{DirEntry, StatReply};

/// errno of a missing file.
pub const ENOENT: i32 = 2;
/// errno of a failed read.
pub const EIO: i32 = 5;
/// errno of what the user did not name.
const EACCES: i32 = 13;
/// errno of a directory where a file is wanted.
const EISDIR: i32 = 21;
/// errno of everything that would change something.
pub const EROFS: i32 = 30;

/// The errno of a failure.
fn errno(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(EIO)
}

/// What an absolute path means, if it is in one of the folders; links are followed before that is judged.
fn resolve(folders: &[PathBuf], path: &str) -> Result<PathBuf, i32> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(ENOENT);
    }
    let real = path.canonicalize().map_err(|error| errno(&error))?;
    let inside = folders
        .iter()
        .filter_map(|folder| folder.canonicalize().ok())
        .any(|folder| real.starts_with(folder));
    if inside { Ok(real) } else { Err(EACCES) }
}

fn metadata(path: &Path) -> Result<Metadata, i32> {
    path.metadata().map_err(|error| errno(&error))
}

/// Opens a file to be read.
pub fn open(folders: &[PathBuf], path: &str, mode: &str) -> Result<File, i32> {
    if !mode.starts_with('r') || mode.contains('+') {
        return Err(EROFS);
    }
    let path = resolve(folders, path)?;
    let about = metadata(&path)?;
    if about.is_dir() {
        return Err(EISDIR);
    }
    // A pipe would wait for its other end.
    if !about.is_file() {
        return Err(EACCES);
    }
    File::open(path).map_err(|error| errno(&error))
}

/// Facts about a file.
pub fn stat(folders: &[PathBuf], path: &str) -> Result<StatReply, i32> {
    let about = metadata(&resolve(folders, path)?)?;
    Ok(StatReply {
        tsz: 0,
        dev: about.dev(),
        ino: about.ino(),
        mode: about.mode(),
        nlink: u32::try_from(about.nlink()).unwrap_or(u32::MAX),
        rdev: about.rdev(),
        size: about.size(),
        atime: about.atime(),
        atime_ns: about.atime_nsec(),
        mtime: about.mtime(),
        mtime_ns: about.mtime_nsec(),
        ctime: about.ctime(),
        ctime_ns: about.ctime_nsec(),
    })
}

/// Opens a directory.
pub fn list(folders: &[PathBuf], path: &str) -> Result<ReadDir, i32> {
    resolve(folders, path)?.read_dir().map_err(|error| errno(&error))
}

/// The next entry of a directory.
pub fn next(list: &mut ReadDir) -> Result<Option<DirEntry>, i32> {
    let Some(entry) = list.next() else { return Ok(None) };
    let entry = entry.map_err(|error| errno(&error))?;
    Ok(Some(DirEntry {
        ino: entry.ino() as i32,
        name: entry.file_name().into_encoded_bytes(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_named_folders_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        for folder in [&inside, &outside] {
            std::fs::create_dir(folder).unwrap();
            std::fs::write(folder.join("f"), "text").unwrap();
        }
        std::os::unix::fs::symlink(outside.join("f"), inside.join("link")).unwrap();
        let folders = [inside.clone()];
        let at = |path: &Path| path.to_str().unwrap().to_owned();
        assert!(open(&folders, &at(&inside.join("f")), "rb").is_ok());
        for (path, mode, want) in [
            (inside.join("f"), "r+", EROFS),
            (inside.join("new"), "w", EROFS),
            (inside.join("none"), "r", ENOENT),
            (inside.clone(), "r", EISDIR),
            (inside.join("link"), "r", EACCES),
            (inside.join("../out/f"), "r", EACCES),
            (PathBuf::from("f"), "r", ENOENT),
        ] {
            assert_eq!(open(&folders, &at(&path), mode).err(), Some(want), "{path:?}");
        }
        assert_eq!(stat(&folders, &at(&inside.join("f"))).unwrap().size, 4);
        assert_eq!(stat(&folders, &at(&outside.join("f"))).err(), Some(EACCES));
        let mut entries = list(&folders, &at(&inside)).unwrap();
        let mut names = Vec::new();
        while let Some(entry) = next(&mut entries).unwrap() {
            names.push(entry.name);
        }
        names.sort();
        assert_eq!(names, [b"f".to_vec(), b"link".to_vec()]);
    }
}
