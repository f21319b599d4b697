//! The guest's root file system: user space from the cache, the kernel's modules, the user's files, and our init.
//!
//! What init finds in it: `/vh/modules` (file names in load order, below `/vh/lib`), `/vh/options` (shell assignments)
//! and, unless the guest is interactive, `/vh/run`, the program to run. Not compressed: an emulated processor takes
//! longer to unpack than QEMU to load.

use super::cpio::Archive;
use super::modules::Module;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file of the user's that the guest gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Path in the guest.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Contents.
    pub data: Vec<u8>,
}

/// One firmware image under the names that drivers ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareFiles {
    /// The image.
    pub data: Vec<u8>,
    /// File names below /lib/firmware.
    pub names: Vec<&'static str>,
}

/// What goes into an initramfs.
#[derive(Debug, Default)]
pub struct Contents {
    /// Directory that becomes `/`.
    pub root: PathBuf,
    /// Kernel modules, in load order.
    pub modules: Vec<Module>,
    /// Shell assignments for init.
    pub options: Vec<(&'static str, String)>,
    /// The program to run (a script or an ELF), if any.
    pub run: Option<Vec<u8>>,
    /// More files.
    pub files: Vec<GuestFile>,
    /// Firmware for the DSPs.
    pub firmware: Option<FirmwareFiles>,
    /// Directories to copy: host path, path in the guest.
    pub copies: Vec<(PathBuf, String)>,
}

/// A file or directory that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path} for the guest: {source}")]
pub struct ReadError {
    path: PathBuf,
    source: std::io::Error,
}

impl Contents {
    /// Writes the archive.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn archive(&self) -> Result<Vec<u8>, ReadError> {
        let mut archive = Archive::new();
        // A merged-/usr user space may come without the links that make it one.
        for directory in ["bin", "sbin", "lib"] {
            if !self.root.join(directory).exists() && self.root.join("usr").join(directory).is_dir() {
                archive.symlink(directory, &format!("usr/{directory}"));
            }
        }
        for directory in ["dev", "proc", "sys", "tmp", "run", "root", "vh/lib"] {
            archive.directory(directory);
        }
        archive.device("dev/console", 0o600, 5, 1);
        archive.device("dev/null", 0o666, 1, 3);
        archive.file("init", 0o755, &emu_assets::guest_init());
        let mut list = String::new();
        for module in &self.modules {
            list.push_str(&format!("{}.ko\n", module.name));
            archive.file(&format!("vh/lib/{}.ko", module.name), 0o644, &module.object);
        }
        archive.file("vh/modules", 0o644, list.as_bytes());
        let options: String = self
            .options
            .iter()
            .map(|(name, value)| format!("{name}={}\n", super::qemu::quoted(value)))
            .collect();
        archive.file("vh/options", 0o644, options.as_bytes());
        if let Some(run) = &self.run {
            archive.file("vh/run", 0o755, run);
        }
        for file in &self.files {
            archive.file(&self.place(&file.path), file.mode, &file.data);
        }
        if let Some(firmware) = &self.firmware {
            // After the user's files: one of these names may be among them.
            let directory = self.place(FIRMWARE);
            archive.file(&format!("{directory}/{FIRMWARE_IMAGE}"), 0o644, &firmware.data);
            for name in &firmware.names {
                archive.symlink(&format!("{directory}/{name}"), FIRMWARE_IMAGE);
            }
        }
        for (from, to) in &self.copies {
            copy(&mut archive, from, to)?;
        }
        if self.root.as_os_str().is_empty() {
            return Ok(archive.finish());
        }
        copy(&mut archive, &self.root, "")?;
        Ok(archive.finish())
    }

    /// Where a path really is: behind the links of a merged /usr, which the archive's own entries must not go through.
    fn place(&self, path: &str) -> String {
        let path = path.trim_start_matches('/');
        let top = path.split('/').next().unwrap_or_default();
        let merged = ["bin", "sbin", "lib"].contains(&top)
            && !self
                .root
                .join(top)
                .symlink_metadata()
                .is_ok_and(|meta| meta.is_dir())
            && self.root.join("usr").join(top).is_dir();
        if merged {
            format!("usr/{path}")
        } else {
            path.to_owned()
        }
    }
}

/// Where the kernel looks for firmware.
const FIRMWARE: &str = "lib/firmware";
/// The image there that the drivers' names are links to.
const FIRMWARE_IMAGE: &str = "dsp.mbn";

/// Copies a directory with all below it; links stay links, sockets and devices are left out.
fn copy(archive: &mut Archive, from: &Path, to: &str) -> Result<(), ReadError> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |source| ReadError { path, source }
    };
    archive.directory(to);
    let mut entries: Vec<_> = std::fs::read_dir(from)
        .map_err(error(from))?
        .collect::<Result<_, _>>()
        .map_err(error(from))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let guest = format!("{to}/{}", entry.file_name().to_string_lossy());
        let meta = path.symlink_metadata().map_err(error(&path))?;
        if meta.is_dir() {
            copy(archive, &path, &guest)?;
        } else if meta.is_symlink() {
            let target = std::fs::read_link(&path).map_err(error(&path))?;
            archive.symlink(&guest, &target.to_string_lossy());
        } else if meta.is_file() {
            let data = std::fs::read(&path).map_err(error(&path))?;
            archive.file(&guest, meta.permissions().mode(), &data);
        } else {
            tracing::debug!(target: "emu::vm", path = %path.display(), mode = meta.mode(), "left out of the guest");
        }
    }
    Ok(())
}

/// A script that runs a command line as it stands.
pub fn command_script(command: &[String]) -> Vec<u8> {
    let words: Vec<String> = command.iter().map(|word| super::qemu::quoted(word)).collect();
    format!("#!/bin/sh\nexec {}\n", words.join(" ")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(archive: &[u8]) -> String {
        String::from_utf8_lossy(archive).replace('\0', "\n")
    }

    #[test]
    fn the_guest_gets_user_space_modules_options_and_the_command() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        std::fs::write(root.path().join("usr/bin/busybox"), "busy").unwrap();
        let contents = Contents {
            root: root.path().to_owned(),
            modules: vec![Module {
                name: "fastrpc".into(),
                object: b"ko".to_vec(),
            }],
            options: vec![("after", "poweroff".into()), ("x", "a b".into())],
            run: Some(command_script(&["echo".into(), "a b".into()])),
            files: vec![GuestFile {
                path: "/etc/x".into(),
                mode: 0o600,
                data: b"y".to_vec(),
            }],
            firmware: None,
            copies: vec![(root.path().to_owned(), "share".into())],
        };
        let text = listing(&contents.archive().unwrap());
        for expect in [
            "fastrpc.ko\n",
            "after=poweroff\nx='a b'\n",
            "exec echo 'a b'\n",
            "etc/x",
            "usr/bin/busybox",
            "share/usr/bin/busybox",
        ] {
            assert!(text.contains(expect), "{expect}");
        }
    }

    #[test]
    fn firmware_lies_behind_the_links_of_a_merged_usr_and_gives_way_to_the_user_s() {
        let root = tempfile::tempdir().unwrap();
        let contents = Contents {
            root: root.path().to_owned(),
            firmware: Some(FirmwareFiles {
                data: b"image".to_vec(),
                names: vec!["adsp.mbn", "cdsp.mbn"],
            }),
            files: vec![GuestFile {
                path: "/lib/firmware/cdsp.mbn".into(),
                mode: 0o644,
                data: b"theirs".to_vec(),
            }],
            ..Contents::default()
        };
        let text = listing(&contents.archive().unwrap());
        assert!(text.contains("lib/firmware/adsp.mbn\n"));
        assert!(!text.contains("usr/lib/firmware"));
        std::fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        std::os::unix::fs::symlink("usr/lib", root.path().join("lib")).unwrap();
        let text = listing(&contents.archive().unwrap());
        for name in ["dsp.mbn", "adsp.mbn", "cdsp.mbn"] {
            assert_eq!(
                text.matches(&format!("usr/lib/firmware/{name}\n")).count(),
                1,
                "{name}"
            );
        }
        assert_eq!(text.matches("theirs").count(), 1);
    }

    #[test]
    fn a_missing_root_is_named() {
        let contents = Contents {
            root: "/nonexistent/root".into(),
            ..Contents::default()
        };
        let error = contents.archive().unwrap_err().to_string();
        assert!(error.contains("/nonexistent/root"), "{error}");
    }
}
