//! Programs and skeletons that a run's guests have instead of the ones that every guest has.

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
    #[error("there are no programs for the guest at {0}: it has no folder guest/bin")]
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
    /// Reads those of a folder laid out as `vhost-hexagon assets --extract` does.
    ///
    /// # Errors
    /// There are none, or a file cannot be read.
    pub fn load(top: &Path) -> Result<Self, ToolsError> {
        if !top.join(PROGRAMS).is_dir() {
            return Err(ToolsError::Missing(top.to_owned()));
        }
        let mut tools = Self::default();
        tools.folder(&top.join(PROGRAMS), "/vh/bin", 0o755)?;
        if top.join("skel").is_dir() {
            tools.folder(&top.join("skel"), "/vh/skel", 0o644)?;
        }
        tools.firmware = Some(top.join("dsp/dsp.mbn")).filter(|path| path.is_file());
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_skeletons_have_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let error = Tools::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("there are no programs"), "{error}");
        for (path, text) in [
            ("guest/bin/vh-x", "x"),
            ("skel/liby_skel.so", "y"),
            ("dsp/dsp.mbn", "z"),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let tools = Tools::load(dir.path()).unwrap();
        let paths: Vec<_> = tools.files.iter().map(|f| (f.path.as_str(), f.mode)).collect();
        assert_eq!(paths, [("/vh/bin/vh-x", 0o755), ("/vh/skel/liby_skel.so", 0o644)]);
        assert_eq!(tools.firmware, Some(dir.path().join("dsp/dsp.mbn")));
    }
}
