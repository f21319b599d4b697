//! Writing the files out.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::Asset;
use host_files::output::Existing;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Something else is there.
    #[error("{0} is there already and has other contents")]
    Exists(PathBuf),
    /// The host refuses.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Writes assets below `dir`, each under its path; returns those that were not there yet. Nobody ever sees half a file.
///
/// # Errors
/// A file cannot be written, or is there and may not be replaced. With [`Existing::Keep`], all are looked at before the first
/// is written.
pub fn extract<'a>(
    assets: impl Iterator<Item = &'a Asset>,
    dir: &Path,
    existing: Existing,
) -> Result<Vec<&'a Asset>, ExtractError> {
    let mut missing = Vec::new();
    for asset in assets {
        let path = dir.join(asset.path);
        let bytes = asset.bytes();
        match std::fs::symlink_metadata(&path) {
            Err(_) => {}
            Ok(meta) if meta.is_file() && std::fs::read(&path).is_ok_and(|there| there == *bytes) => continue,
            Ok(_) if existing == Existing::Keep => return Err(ExtractError::Exists(path)),
            Ok(_) => {}
        }
        missing.push((asset, path, bytes));
    }
    for (asset, path, bytes) in &missing {
        write(path, asset.mode, bytes)?;
    }
    Ok(missing.into_iter().map(|(asset, ..)| asset).collect())
}

/// Writes one file, in one step; a link that stands there is replaced, not followed.
///
/// # Errors
/// The host refuses.
pub fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), ExtractError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(parent)?;
        let mut half = tempfile::Builder::new().prefix(".part-").tempfile_in(parent)?;
        half.write_all(bytes)?;
        half.as_file()
            .set_permissions(std::fs::Permissions::from_mode(mode))?;
        half.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| ExtractError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assets, find, folder};

    #[test]
    fn files_are_written_once_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let skeletons = || folder("skel").map(|(_, asset)| asset);
        let written = extract(skeletons(), dir.path(), Existing::Keep).unwrap();
        assert_eq!(written.len(), skeletons().count());
        assert!(
            extract(skeletons(), dir.path(), Existing::Keep)
                .unwrap()
                .is_empty()
        );
        let path = dir.path().join("skel/libcalculator_skel.so");
        std::fs::write(&path, "theirs").unwrap();
        std::fs::remove_file(dir.path().join("skel/libbench_skel.so")).unwrap();
        let error = extract(skeletons(), dir.path(), Existing::Keep).unwrap_err();
        assert!(matches!(error, ExtractError::Exists(there) if there == path));
        assert!(
            !dir.path().join("skel/libbench_skel.so").exists(),
            "something was written"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        let written = extract(skeletons(), dir.path(), Existing::Overwrite).unwrap();
        assert_eq!(written.len(), 2);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            *find("skel/libcalculator_skel.so").unwrap().bytes()
        );
    }

    #[test]
    fn a_link_is_replaced_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("theirs");
        std::fs::write(&theirs, "theirs").unwrap();
        std::fs::create_dir_all(dir.path().join("out/guest")).unwrap();
        std::os::unix::fs::symlink(&theirs, dir.path().join("out/guest/init")).unwrap();
        let init = || assets().iter().filter(|asset| asset.path == "guest/init");
        assert!(extract(init(), &dir.path().join("out"), Existing::Keep).is_err());
        extract(init(), &dir.path().join("out"), Existing::Overwrite).unwrap();
        assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
        let mode = std::fs::symlink_metadata(dir.path().join("out/guest/init"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
    }
}
