//! Where fetched things are. `setup` fills it; the launcher and the tests read it.
//!
//! ```text
//! $VHOST_HEXAGON_CACHE (default ~/.cache/vhost-hexagon)
//!   kernels/<release>/Image, config, modules/*.ko, modules/modules.dep, SOURCES
//!   more-kernels/<name>/…      the same of kernels that were built, or fetched by their version: only by their name
//!   sources/linux-<version>/   kernel sources of Debian packages; safe to delete
//!   guest-root/…      arm64 user space, SOURCES
//!   peers/qemu-user/  a newer qemu-hexagon, SOURCES
//!   guest-packages/<name>-<version>/   Debian's arm64 programs that tests run in guests, SOURCES
//!   wheels/<name>-<version>/   packages of PyPI that tests use, and what was built of them; safe to delete
//!   logs/             the console of the last demo
//!   apt/…             private apt roots (lists, sources); safe to delete
//! ```
//!
//! All of it is ours, and removed or replaced as needed: a folder that somebody else filled is not taken (`CACHEDIR.TAG` tells).
//!
//! A `SOURCES` file is written last and lists the packages a folder was made from; a folder without it is incomplete
//! and is made again.

use host_files::folder::FolderError;
use std::path::{Path, PathBuf};

/// The variable that names the folder.
const VARIABLE: &str = "VHOST_HEXAGON_CACHE";
/// Name of the file that marks a complete folder.
pub const SOURCES: &str = "SOURCES";

/// Debian's programs that tests run in guests, with what they need beside the guest's user space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestPackages(&'static str);

/// The daemon that serves files to the sensors' DSP, from Debian 13.
pub const HEXAGONRPCD: GuestPackages = GuestPackages("hexagonrpcd-0.3.2");
/// The library of sensor clients with its command `ssccli`, from Debian 14.
pub const LIBSSC: GuestPackages = GuestPackages("libssc-0.4.4");

impl GuestPackages {
    /// Name and version.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// There is no place for fetched files.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Nothing says where.
    #[error("neither {VARIABLE} nor HOME is set, so there is no place for fetched files; set one")]
    Nowhere,
    /// The folder is not ours, or the host refuses.
    #[error("no place for fetched files: {0} (another can be named with {VARIABLE})")]
    Unusable(#[from] FolderError),
}

impl Cache {
    /// The folder named by `VHOST_HEXAGON_CACHE`, else `~/.cache/vhost-hexagon`; it may not be there.
    ///
    /// # Errors
    /// Neither variable is set.
    pub fn locate() -> Result<Self, CacheError> {
        let root = match variable(VARIABLE) {
            Some(dir) => PathBuf::from(dir),
            None => Path::new(&variable("HOME").ok_or(CacheError::Nowhere)?).join(".cache/vhost-hexagon"),
        };
        Ok(Self { root })
    }

    /// [`Cache::locate`], and it is made if it is not there. What is in it may be removed and replaced from then on.
    ///
    /// # Errors
    /// Neither variable is set, the folder has contents of somebody else's, or it cannot be made.
    pub fn open() -> Result<Self, CacheError> {
        let cache = Self::locate()?;
        // The usual place has our name; another one must look like a cache.
        let is_usual = variable(VARIABLE).is_none();
        host_files::folder::cache(&cache.root, |_| is_usual || cache.has_something_complete())?;
        let path = cache.root;
        match path.canonicalize() {
            Ok(root) => Ok(Self { root }),
            Err(source) => Err(FolderError::Use { path, source }.into()),
        }
    }

    /// Does it hold something complete that a set-up or a build put there?
    fn has_something_complete(&self) -> bool {
        self.guest_root().join(SOURCES).is_file()
            || !self.kernels().is_empty()
            || !self.extra_kernels().is_empty()
    }

    /// A cache in that folder.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The cache's top.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of one kernel release.
    #[must_use]
    pub fn kernel(&self, release: &str) -> PathBuf {
        self.root.join("kernels").join(release)
    }

    /// Folder of a kernel that nothing takes unless it is named.
    #[must_use]
    pub fn extra_kernel(&self, name: &str) -> PathBuf {
        self.root.join("more-kernels").join(name)
    }

    /// Releases of all complete kernels, oldest first.
    #[must_use]
    pub fn kernels(&self) -> Vec<String> {
        self.complete("kernels")
    }

    /// Names of all complete kernels that are only taken when they are named, oldest first.
    #[must_use]
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
    #[must_use]
    pub fn newest(&self, series: &str) -> Option<String> {
        self.kernels()
            .into_iter()
            .rfind(|release| in_series(release, series))
    }

    /// The image of the kernel that a version or its beginning means: the newest stock one, else one that is only taken by name.
    #[must_use]
    pub fn image(&self, version: &str) -> Option<PathBuf> {
        let stock = self.newest(version).map(|release| self.kernel(&release));
        let named = || {
            let names = self.extra_kernels();
            let name = names.into_iter().rfind(|name| in_series(name, version))?;
            Some(self.extra_kernel(&name))
        };
        stock.or_else(named).map(|folder| folder.join("Image"))
    }

    /// The arm64 user space.
    #[must_use]
    pub fn guest_root(&self) -> PathBuf {
        self.root.join("guest-root")
    }

    /// Folder of a newer QEMU user mode than the system's.
    #[must_use]
    pub fn newer_qemu_user(&self) -> PathBuf {
        self.root.join("peers/qemu-user")
    }

    /// Folder of Debian's programs for guests, laid out as their file system.
    #[must_use]
    pub fn guest_packages(&self, which: GuestPackages) -> PathBuf {
        self.root.join("guest-packages").join(which.name())
    }

    /// Are they there?
    #[must_use]
    pub fn has_guest_packages(&self, which: GuestPackages) -> bool {
        self.guest_packages(which).join(SOURCES).is_file()
    }

    /// A private apt root.
    #[must_use]
    pub fn apt(&self, name: &str) -> PathBuf {
        self.root.join("apt").join(name)
    }
}

/// An environment variable that says something.
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Does a kernel release belong to a series ("6.12" has 6.12.107+deb13-arm64, but not 6.120)?
#[must_use]
pub fn in_series(release: &str, series: &str) -> bool {
    release
        .strip_prefix(series)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A key that orders releases by their numbers.
#[must_use]
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
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned());
        std::fs::create_dir_all(cache.kernel("7.3.4")).unwrap();
        std::fs::write(cache.kernel("7.3.4").join("Image"), "").unwrap();
        assert!(!cache.has_something_complete());
        std::fs::write(cache.kernel("7.3.4").join(SOURCES), "").unwrap();
        assert!(cache.has_something_complete());
    }

    #[test]
    fn releases_are_ordered_by_number_not_by_letter() {
        assert!(version_key("7.3.11+deb13") > version_key("7.3.4+deb13"));
        assert!(version_key("6.12.107") > version_key("6.12.94"));
    }

    #[test]
    fn only_complete_kernels_count_and_stock_ones_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().to_owned());
        let add = |folder: PathBuf, complete: bool| {
            std::fs::create_dir_all(&folder).unwrap();
            if complete {
                std::fs::write(folder.join(SOURCES), "x").unwrap();
            }
        };
        assert_eq!(cache.image("7.3"), None);
        add(cache.kernel("7.3.9"), false);
        assert_eq!((cache.image("7.3"), cache.kernels().len()), (None, 0));
        add(cache.extra_kernel("7.3.4-kasan"), true);
        assert_eq!(
            cache.image("7.3"),
            Some(cache.extra_kernel("7.3.4-kasan").join("Image"))
        );
        add(cache.kernel("7.3.4"), true);
        add(cache.kernel("7.3.11"), true);
        assert_eq!(cache.image("7.3"), Some(cache.kernel("7.3.11").join("Image")));
        assert_eq!(
            cache.image("7.3.4-kasan"),
            Some(cache.extra_kernel("7.3.4-kasan").join("Image"))
        );
        assert_eq!(cache.image("7"), cache.image("7.3"));
        assert_eq!(cache.image("6.12"), None);
    }
}
