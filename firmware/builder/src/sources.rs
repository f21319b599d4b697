//! Which sources there are, and one number for all of them.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::recipe::jobs;
use crate::tools::hex;

/// Folders below `firmware/` that are compiled.
const FOLDERS: &[&str] = &["dsp", "guest", "include", "shell", "skel"];

/// The files of a folder whose names end so, in order.
///
/// # Errors
/// The folder cannot be read.
pub fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = entries(dir)?;
    found.retain(|p| p.is_file() && p.extension().is_some_and(|e| e == extension));
    Ok(found)
}

/// What is in a folder, in order.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::file(dir))? {
        found.push(entry.map_err(Error::file(dir))?.path());
    }
    found.sort();
    Ok(found)
}

/// SHA-256 over names and contents of everything that is compiled and the compilers' options (among them the version that the image
/// says): with the same digest and the same [`versions`](crate::Tools::versions) a build gives the same bytes.
///
/// # Errors
/// A file cannot be read.
pub fn digest(firmware: &Path) -> Result<String, Error> {
    let mut sum = Sha256::new();
    let mut add = |name: &str, bytes: &[u8]| {
        sum.update(name.len().to_le_bytes());
        sum.update(name);
        sum.update(bytes.len().to_le_bytes());
        sum.update(bytes);
    };
    for job in jobs(firmware)? {
        add(&job.path, job.words.join("\0").as_bytes());
    }
    let mut open: Vec<PathBuf> = FOLDERS.iter().rev().map(|f| firmware.join(f)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(entries(&path)?.into_iter().rev());
        } else if path
            .extension()
            .is_some_and(|e| ["c", "h", "S", "ld"].iter().any(|x| e == *x))
        {
            let name = path
                .strip_prefix(firmware)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            add(&name, &std::fs::read(&path).map_err(Error::file(&path))?);
        }
    }
    Ok(hex(&sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_of_a_source_shows_in_the_digest_and_none_of_a_text_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        for folder in FOLDERS {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for file in ["guest/z.c", "skel/z.c"] {
            std::fs::write(dir.path().join(file), "int z;").unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("guest/a.c", "int a;");
        let first = digest(dir.path()).unwrap();
        write("guest/README.md", "words");
        assert_eq!(digest(dir.path()).unwrap(), first);
        write("guest/a.c", "int b;");
        let second = digest(dir.path()).unwrap();
        assert_ne!(second, first);
        std::fs::rename(dir.path().join("guest/a.c"), dir.path().join("guest/b.c")).unwrap();
        assert_ne!(digest(dir.path()).unwrap(), second);
    }
}
