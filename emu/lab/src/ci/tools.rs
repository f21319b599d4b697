//! What runs in a guest: the programs and skeletons that `cargo xtask firmware` builds.

use emu_machine::vm::initramfs::GuestFile;
use std::path::{Path, PathBuf};

/// Programs, skeletons, and the DSP's firmware.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// Files of the guest.
    pub files: Vec<GuestFile>,
    /// What a board's kernel loads into its DSPs, if it is among them.
    pub firmware: Option<PathBuf>,
}

/// There are no programs for guests.
#[derive(Debug, thiserror::Error)]
pub enum ToolsError {
    /// None found.
    #[error(
        "there are no programs for the guest at {0}: run `cargo xtask firmware`, or name a folder with --guest-files"
    )]
    Missing(PathBuf),
    /// A file cannot be read.
    #[error("cannot read {path} for the guest: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Folder with the guest's programs, below a build's top.
const PROGRAMS: &str = "guest/bin";

impl Tools {
    /// Finds and reads them: in `named`, or in the first of these that has some: `$VH_FIRMWARE`, the build that this program
    /// is part of, the build below the current folder, the cache.
    ///
    /// # Errors
    /// There are none, or a file cannot be read.
    pub fn load(named: Option<&Path>) -> Result<Self, ToolsError> {
        let top = match named {
            Some(path) => path.to_owned(),
            None => find().ok_or_else(|| ToolsError::Missing(emu_machine::vm::cache().join("firmware")))?,
        };
        if !top.join(PROGRAMS).is_dir() {
            return Err(ToolsError::Missing(top));
        }
        let mut tools = Self::default();
        tools.folder(&top.join(PROGRAMS), "/vh/bin", 0o755)?;
        if top.join("skel").is_dir() {
            tools.folder(&top.join("skel"), "/vh/skel", 0o644)?;
        }
        tools.firmware = ["dsp/dsp.mbn", "dsp.mbn"]
            .map(|name| top.join(name))
            .into_iter()
            .find(|path| path.is_file());
        Ok(tools)
    }

    fn folder(&mut self, from: &Path, to: &str, mode: u32) -> Result<(), ToolsError> {
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| ToolsError::Read { path, source }
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(from).map_err(error(from))? {
            paths.push(entry.map_err(error(from))?.path());
        }
        paths.sort();
        for path in paths.iter().filter(|path| path.is_file()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            self.files.push(GuestFile {
                path: format!("{to}/{name}"),
                mode,
                data: std::fs::read(path).map_err(error(path))?,
            });
        }
        Ok(())
    }

    /// Whether the guest has that program.
    #[must_use]
    pub fn has(&self, program: &str) -> bool {
        self.files
            .iter()
            .any(|file| file.path.strip_prefix("/vh/bin/") == Some(program))
    }
}

fn find() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok();
    let build = exe.as_deref().and_then(Path::parent).map(|dir| {
        // Tests are in a folder below.
        let dir = if dir.ends_with("deps") {
            dir.parent().unwrap_or(dir)
        } else {
            dir
        };
        dir.join("../firmware")
    });
    let named = std::env::var_os("VH_FIRMWARE")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    let places = [
        named,
        build,
        Some("target/firmware".into()),
        Some(emu_machine::vm::cache().join("firmware")),
    ];
    places
        .into_iter()
        .flatten()
        .find(|top| top.join(PROGRAMS).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_skeletons_have_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tools::load(Some(dir.path())).unwrap_err().to_string();
        assert!(
            error.contains("there are no programs") && error.contains("--guest-files"),
            "{error}"
        );
        for (path, text) in [
            ("guest/bin/vh-x", "x"),
            ("skel/liby_skel.so", "y"),
            ("dsp/dsp.mbn", "z"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tools = Tools::load(Some(dir.path())).unwrap();
        let paths: Vec<_> = tools.files.iter().map(|f| (f.path.as_str(), f.mode)).collect();
        assert_eq!(paths, [("/vh/bin/vh-x", 0o755), ("/vh/skel/liby_skel.so", 0o644)]);
        assert!(tools.has("vh-x") && !tools.has("vh-y"));
        assert_eq!(tools.firmware, Some(dir.path().join("dsp/dsp.mbn")));
    }
}
