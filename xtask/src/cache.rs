//! Where fetched things live. The layout is what `vhost-hexagon`, the tests and the demo read:
//!
//! ```text
//! $VHOST_HEXAGON_CACHE (default ~/.cache/vhost-hexagon)
//!   kernels/<release>/Image, config, modules/*.ko, modules/modules.dep, SOURCES
//!   more-kernels/<name>/…      the same of kernels that were built, or fetched for the zoo: only by their whole name
//!   sources/linux-<version>/   kernel sources of Debian packages; safe to delete
//!   guest-root/…      arm64 user space, SOURCES
//!   peers/qemu-user/  a newer qemu-hexagon, SOURCES
//!   firmware/dsp.mbn                                              the DSP's firmware
//!   apt/…             private apt roots (lists, sources); safe to delete
//! ```
//!
//! All of it is ours, and removed or replaced as needed: a folder that somebody else filled is not taken (`CACHEDIR.TAG` tells).
//!
//! A `SOURCES` file is written last and lists the packages a folder was made from; a folder without it is incomplete
//! and is made again.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache folder.
pub struct Cache {
    root: PathBuf,
}

/// Name of the file that marks a complete folder.
pub const SOURCES: &str = "SOURCES";

impl Cache {
    /// The folder named by `VHOST_HEXAGON_CACHE`, else `~/.cache/vhost-hexagon`; it is created.
    pub fn open() -> Result<Cache> {
        let (root, named) = match std::env::var_os("VHOST_HEXAGON_CACHE") {
            Some(dir) if !dir.is_empty() => (PathBuf::from(dir), true),
            _ => {
                let home = std::env::var_os("HOME").context(
                    "neither VHOST_HEXAGON_CACHE nor HOME is set, so there is no place for fetched files; set one",
                )?;
                (Path::new(&home).join(".cache/vhost-hexagon"), false)
            }
        };
        // The usual place has our name; another one must look like a cache.
        host_files::folder::cache(&root, |root| !named || is_cache(root))
            .context("the cache folder (VHOST_HEXAGON_CACHE)")?;
        let root = root
            .canonicalize()
            .with_context(|| format!("cannot open the cache folder {}", root.display()))?;
        Ok(Cache { root })
    }

    /// The cache's top.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of one kernel release.
    pub fn kernel(&self, release: &str) -> PathBuf {
        self.root.join("kernels").join(release)
    }

    /// Folder of a kernel that no test takes unless it is named.
    pub fn extra_kernel(&self, name: &str) -> PathBuf {
        self.root.join("more-kernels").join(name)
    }

    /// Releases of all complete kernels, oldest first.
    pub fn kernels(&self) -> Vec<String> {
        self.complete("kernels")
    }

    /// Names of all complete kernels that are only taken when they are named, oldest first.
    pub fn extra_kernels(&self) -> Vec<String> {
        self.complete("more-kernels")
    }

    fn complete(&self, folder: &str) -> Vec<String> {
        let mut found: Vec<String> = std::fs::read_dir(self.root.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.path().join(SOURCES).is_file())
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        found.sort_by_key(|release| version_key(release));
        found
    }

    /// The newest complete kernel of a series ("7.3": 7.3.4, 7.3.11, …).
    pub fn newest(&self, series: &str) -> Option<String> {
        self.kernels()
            .into_iter()
            .rfind(|release| in_series(release, series))
    }

    /// The arm64 user space.
    pub fn guest_root(&self) -> PathBuf {
        self.root.join("guest-root")
    }

    /// A private apt root.
    pub fn apt(&self, name: &str) -> PathBuf {
        self.root.join("apt").join(name)
    }
}

/// Does a folder hold something complete that set-up or a build put there?
fn is_cache(root: &Path) -> bool {
    let has = |folder: &str| {
        let below = std::fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        below
            .map(|entry| entry.path())
            .any(|path| path.join(SOURCES).is_file())
    };
    root.join("guest-root").join(SOURCES).is_file() || has("kernels") || has("more-kernels")
}

/// Does a kernel release belong to a series ("6.12" has 6.12.107+deb13-arm64, but not 6.120)?
pub fn in_series(release: &str, series: &str) -> bool {
    release
        .strip_prefix(series)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A key that orders releases by their numbers.
pub fn version_key(release: &str) -> Vec<u32> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_does_not_swallow_a_longer_number() {
        assert!(in_series("6.12.107+deb13-arm64", "6.12"));
        assert!(!in_series("6.120.1", "6.12"));
        assert!(!in_series("6.1.0-50-arm64", "6.12"));
        assert!(in_series("6.1.0-50-arm64", "6.1"));
    }

    #[test]
    fn a_cache_is_known_by_what_is_complete_in_it() {
        let folder = host_files::folder::working().unwrap();
        let kernel = folder.path().join("kernels/7.3");
        std::fs::create_dir_all(&kernel).unwrap();
        std::fs::write(kernel.join("Image"), "").unwrap();
        assert!(!is_cache(folder.path()));
        std::fs::write(kernel.join(SOURCES), "").unwrap();
        assert!(is_cache(folder.path()));
    }

    #[test]
    fn releases_are_ordered_by_number_not_by_letter() {
        assert!(version_key("7.3.11+deb13") > version_key("7.3.4+deb13"));
        assert!(version_key("6.12.107") > version_key("6.12.94"));
    }
}
