//! Where fetched kernels, built firmware and test data are, and what to do when they are not there.

use emu_assets::cache::{Cache, in_series};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use test_needs::Need;

/// The workspace's top.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The cache that `cargo xtask setup` fills, if it is there.
pub fn cache() -> Option<Cache> {
    Cache::locate().ok().filter(|cache| cache.root().is_dir())
}

/// A complete stock kernel in the cache.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What `uname -r` says in it.
    pub release: String,
    /// Its folder: `Image`, `modules/`.
    pub dir: PathBuf,
}

/// All kernels in the cache, oldest first.
pub fn kernels() -> Vec<Kernel> {
    let Some(cache) = cache() else { return Vec::new() };
    let kernel = |release: String| Kernel {
        dir: cache.kernel(&release),
        release,
    };
    cache.kernels().into_iter().map(kernel).collect()
}

/// The kernel the tests of a series use: the newest of it; for "newest" the newest of all; one that is only taken by name if
/// that is its whole name.
pub fn kernel(series: &str) -> Option<Kernel> {
    let fits = |k: &Kernel| series == "newest" || in_series(&k.release, series);
    let named = || {
        let dir = cache()?.extra_kernel(series);
        let release = series.to_owned();
        dir.join("Image").is_file().then_some(Kernel { release, dir })
    };
    kernels().into_iter().rfind(fits).or_else(named)
}

/// Names of the cache's kernels with the QDA driver, for a test, which is skipped without: no distribution has one, a user
/// builds it from a tree with the series (`cargo xtask kernel --config configs/kernel/qda.config`).
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn qda_kernels_or_skip() -> Vec<String> {
    let mut names = cache().map_or_else(Vec::new, |cache| cache.extra_kernels());
    names.retain(|name| name.contains("qda"));
    if names.is_empty() {
        test_needs::skip(
            Need::QdaKernel,
            "no kernel with `qda` in its name is in the cache (docs/kernels.md)",
        );
    }
    names
}

/// The folder that holds this build's programs (`target/debug`).
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let dir = test.parent().unwrap_or(Path::new("."));
    if dir.ends_with("deps") {
        dir.parent().unwrap_or(dir).to_owned()
    } else {
        dir.to_owned()
    }
}

/// The folder with what runs inside the DSP and the guest, as files: `guest/bin`, `skel`, `dsp/dsp.mbn`.
///
/// # Panics
/// When it cannot be written.
pub fn firmware() -> PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    let write = || {
        let dir = programs().join("../firmware");
        let wanted = emu_assets::assets().iter().filter(|asset| {
            ["guest/", "skel/", "dsp/"]
                .iter()
                .any(|top| asset.path.starts_with(top))
        });
        emu_assets::extract(wanted, &dir, host_files::output::Existing::Overwrite)
            .expect("the firmware's files");
        dir
    };
    WRITTEN.get_or_init(write).clone()
}

/// A test that boots guests cannot run here.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn skip(reason: &str) {
    test_needs::skip(Need::Guests, reason);
}

/// A test goes without a tool.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn skip_without_tool(reason: &str) {
    test_needs::skip(Need::Tools, reason);
}

/// What it needs, for a test, which is skipped without.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn or_skip<T>(found: Result<T, String>) -> Option<T> {
    found.map_err(|reason| skip(&reason)).ok()
}

/// What several tests judge, made by the first of them; each of them is skipped where it cannot be made.
pub struct Shared<T>(OnceLock<Result<T, String>>);

impl<T> Shared<T> {
    /// Not made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// It, made now if it has not been.
    ///
    /// # Panics
    /// See [`test_needs::skip`].
    #[track_caller]
    pub fn or_skip(&self, make: impl FnOnce() -> Result<T, String>) -> Option<&T> {
        or_skip(self.0.get_or_init(make).as_ref().map_err(Clone::clone))
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self::new()
    }
}
