//! A build kept as files in the repository, for machines without the compilers.
//!
//! A `MANIFEST` beside the files says what they were made from:
//!
//! ```text
//! sources DIGEST                 of the sources, see `sources::digest`
//! tool VERSION                   one line a tool, see `Tools::versions`
//! file SHA256 PATH               one line a file
//! ```

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::tools::hex;
use crate::{Built, Error};

/// The manifest's file name.
const MANIFEST: &str = "MANIFEST";

/// A kept build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prebuilt {
    /// Digest of the sources.
    pub sources: String,
    /// The tools that made it.
    pub tools: Vec<String>,
    /// The files.
    pub files: Vec<Built>,
}

impl Prebuilt {
    /// Reads a kept build and checks that its files are the ones that the manifest lists.
    ///
    /// # Errors
    /// Something is missing or damaged.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let read = |path: PathBuf| std::fs::read(&path).map_err(Error::file(&path));
        let path = dir.join(MANIFEST);
        let text = String::from_utf8_lossy(&read(path.clone())?).into_owned();
        let damaged = |path: &Path, what: &str| Error::File {
            path: path.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned()),
        };
        let mut kept = Self {
            sources: String::new(),
            tools: Vec::new(),
            files: Vec::new(),
        };
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("sources", digest)) => kept.sources = digest.to_owned(),
                Some(("tool", version)) => kept.tools.push(version.to_owned()),
                Some(("file", rest)) => {
                    let (digest, name) = rest
                        .split_once(' ')
                        .ok_or_else(|| damaged(&path, "a line is cut off"))?;
                    let data = read(dir.join(name))?;
                    if hex(&Sha256::digest(&data)) != digest {
                        return Err(damaged(&dir.join(name), "it is not the file that MANIFEST lists"));
                    }
                    kept.files.push(Built {
                        path: name.to_owned(),
                        data,
                    });
                }
                _ => return Err(damaged(&path, "it has a line of another kind")),
            }
        }
        if kept.sources.is_empty() || kept.files.is_empty() {
            return Err(damaged(&path, "it is incomplete"));
        }
        Ok(kept)
    }

    /// Replaces the kept build below `dir`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn store(&self, dir: &Path) -> Result<(), Error> {
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(Error::file(dir))?;
        }
        let mut text = format!("sources {}\n", self.sources);
        for tool in &self.tools {
            text.push_str(&format!("tool {tool}\n"));
        }
        for file in &self.files {
            text.push_str(&format!(
                "file {} {}\n",
                hex(&Sha256::digest(&file.data)),
                file.path
            ));
            let path = dir.join(&file.path);
            let parent = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(parent).map_err(Error::file(parent))?;
            std::fs::write(&path, &file.data).map_err(Error::file(&path))?;
        }
        let path = dir.join(MANIFEST);
        std::fs::write(&path, text).map_err(Error::file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Prebuilt {
        let file = |path: &str, data: &[u8]| Built {
            path: path.to_owned(),
            data: data.to_vec(),
        };
        Prebuilt {
            sources: "abc".to_owned(),
            tools: vec!["clang version 1 (x)".to_owned()],
            files: vec![file("a/b", b"one"), file("c", b"two\n")],
        }
    }

    #[test]
    fn what_was_stored_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("prebuilt");
        kept().store(&dir).unwrap();
        assert_eq!(Prebuilt::load(&dir).unwrap(), kept());
        // A file that is no longer built does not stay.
        let mut fewer = kept();
        fewer.files.pop();
        fewer.store(&dir).unwrap();
        assert!(!dir.join("c").exists());
    }

    #[test]
    fn damage_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("prebuilt");
        assert!(Prebuilt::load(&dir).unwrap_err().to_string().contains("MANIFEST"));
        kept().store(&dir).unwrap();
        std::fs::write(dir.join("c"), "two\r\n").unwrap();
        let error = Prebuilt::load(&dir).unwrap_err().to_string();
        assert!(error.contains("/c: it is not the file"), "{error}");
        std::fs::write(dir.join(MANIFEST), "sources x\nnonsense\n").unwrap();
        assert!(Prebuilt::load(&dir).is_err());
        std::fs::write(dir.join(MANIFEST), "sources x\n").unwrap();
        assert!(Prebuilt::load(&dir).is_err());
    }
}
