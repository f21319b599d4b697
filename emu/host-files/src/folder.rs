//! Folders that are ours alone.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the names of working folders begin with.
const PREFIX: &str = "vhost-hexagon-";
/// The file that says of a folder that it is a cache, which nobody needs to keep, and how it begins (bford.info/cachedir).
const TAG: &str = "CACHEDIR.TAG";
const TAG_BEGINS: &str = "Signature: 8a477f597d28d172789f06886806bc55";
/// What the tag says besides, by which a cache is known as ours.
const OWNER: &str = "made by vhost-hexagon";

/// Why a folder cannot be used as a cache.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It has contents of somebody else's.
    #[error(
        "{0} is not empty and was not made by vhost-hexagon; name a folder that is empty or not there yet"
    )]
    NotOurs(PathBuf),
    /// The system refuses.
    #[error("cannot use the folder {path}: {source}")]
    Use {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A working folder in the system's place for such (`TMPDIR`). Only its owner can look into it, whatever the umask is; it goes with
/// everything in it when it is dropped.
///
/// # Errors
/// It cannot be made.
pub fn working() -> std::io::Result<TempDir> {
    let private = std::fs::Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(private.clone())
        .tempdir()?;
    // A umask can only have taken away.
    std::fs::set_permissions(folder.path(), private)?;
    Ok(folder)
}

/// Makes the folder `path` a cache of ours, or finds that it is one: whatever is in it may be removed then. `is_ours` says of a folder
/// without a tag whether it is one that was made before there were tags.
///
/// # Errors
/// It has contents of somebody else's, or cannot be made.
pub fn cache(path: &Path, is_ours: impl FnOnce(&Path) -> bool) -> Result<(), FolderError> {
    let failed = |source| FolderError::Use {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir_all(path).map_err(failed)?;
    let tag = path.join(TAG);
    match std::fs::read_to_string(&tag) {
        Ok(text) if text.starts_with(TAG_BEGINS) && text.contains(OWNER) => return Ok(()),
        // Another program's cache.
        Ok(_) => return Err(FolderError::NotOurs(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let is_empty = std::fs::read_dir(path).map_err(failed)?.next().is_none();
    if !is_empty && !is_ours(path) {
        return Err(FolderError::NotOurs(path.to_owned()));
    }
    let text =
        format!("{TAG_BEGINS}\n# This folder was {OWNER}; what is in it can be fetched or built again.\n");
    std::fs::write(tag, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_new_empty_or_known_by_its_tag() {
        let folder = tempfile::tempdir().unwrap();
        let never = |_: &Path| -> bool { panic!("nobody has to ask") };
        for name in ["new/below", "empty"] {
            let path = folder.path().join(name);
            if name == "empty" {
                std::fs::create_dir(&path).unwrap();
            }
            cache(&path, never).unwrap();
            std::fs::write(path.join("contents"), "").unwrap();
            cache(&path, never).unwrap();
        }
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("theirs"), "").unwrap();
        assert!(matches!(cache(path, |_| false), Err(FolderError::NotOurs(_))));
        assert_eq!(std::fs::read_dir(path).unwrap().count(), 1);
        let tag = format!("{TAG_BEGINS}\n# of another program\n");
        std::fs::write(path.join(TAG), &tag).unwrap();
        assert!(matches!(cache(path, |_| true), Err(FolderError::NotOurs(_))));
        assert_eq!(std::fs::read_to_string(path.join(TAG)).unwrap(), tag);
    }

    #[test]
    fn a_folder_from_before_there_were_tags_gets_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("contents"), "").unwrap();
        cache(folder.path(), |_| true).unwrap();
        cache(folder.path(), |_| false).unwrap();
    }
}
