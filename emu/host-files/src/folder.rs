//! Folders that are ours alone.

use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

/// What the names of working folders begin with.
const PREFIX: &str = "vhost-hexagon-";

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
