//! `cargo xtask firmware`: builds what runs inside, from `firmware/` into `target/firmware/`:
//!
//! ```text
//! skel/lib*_skel.so          Hexagon skeletons (clang)
//! shell/fastrpc_shell_*      the open placeholder for the FastRPC shell (clang)
//! dsp/dsp.mbn                the DSP's firmware for the kernel's remoteproc driver (clang); also put into the cache
//! guest/bin/vh-*             arm64 programs (cross gcc): one of each file, and one of each folder (statically linked)
//! guest/init                 the guest's first program
//! ```
//!
//! A file is built again only when a source of its kind is newer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::{dsp_image, tools, ui};

/// Version of the instruction set our skeletons are built for: the oldest of our profiles, so that they run on all.
pub const ARCH: &str = "-mv68";

/// Folders of a finished build.
pub struct Firmware {
    root: PathBuf,
}

impl Firmware {
    /// The top of the build.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// The workspace's top.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Cargo's target folder.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) if !dir.is_empty() => workspace().join(dir),
        _ => workspace().join("target"),
    }
}

/// Builds everything that is not up to date.
pub fn build() -> Result<Firmware> {
    let source = workspace().join("firmware");
    let root = target_dir().join("firmware");
    for dir in ["skel", "shell", "guest/bin"] {
        std::fs::create_dir_all(root.join(dir))?;
    }
    let llvm = tools::llvm().context("no clang with Hexagon found; `cargo xtask setup` installs one")?;
    let headers = newest(&source.join("include"))?.max(newest(&source.join("guest"))?);

    for file in c_files(&source.join("skel"))? {
        let name = stem(&file);
        let to = root.join(format!("skel/lib{name}_skel.so"));
        build_file(&file, &to, headers, || {
            let mut command = hexagon(&llvm);
            command
                .arg(format!("-Wl,-soname=lib{name}_skel.so"))
                .arg("-fstack-protector-strong");
            command
        })?;
    }
    for name in ["fastrpc_shell_3", "fastrpc_shell_unsigned_3"] {
        build_file(
            &source.join("shell/shell.c"),
            &root.join("shell").join(name),
            headers,
            || hexagon(&llvm),
        )?;
    }
    dsp_image::build(&llvm, &root)?;
    for file in c_files(&source.join("guest"))? {
        let to = root.join("guest/bin").join(stem(&file).replace('_', "-"));
        build_file(&file, &to, headers, || {
            let mut command = Command::new("aarch64-linux-gnu-gcc");
            // The library that the programs bind at run time may call back into them (vh-invoke's ioctl).
            command.args(["-O2", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-rdynamic"]);
            command
        })?;
    }
    for folder in folders(&source.join("guest"))? {
        let to = root.join("guest/bin").join(stem(&folder).replace('_', "-"));
        build_folder(&folder, &to)?;
    }
    std::fs::copy(source.join("guest/init"), root.join("guest/init"))?;
    install(&root)?;
    Ok(Firmware { root })
}

/// Puts the guest's programs and skeletons into the cache, where `vhost-hexagon ci` finds them wherever it is installed.
fn install(root: &Path) -> Result<()> {
    let cache = Cache::open()?.root().join("firmware");
    for folder in ["guest/bin", "skel"] {
        std::fs::create_dir_all(cache.join(folder))?;
        for entry in std::fs::read_dir(root.join(folder))? {
            let from = entry?.path();
            let Some(name) = from.file_name() else { continue };
            let to = cache.join(folder).join(name);
            let same = modified(&to).is_ok_and(|there| modified(&from).is_ok_and(|built| there >= built));
            if same || !from.is_file() {
                continue;
            }
            // Another set-up may be doing the same: a guest must never see half a file.
            let part = to.with_extension(format!("part{}", std::process::id()));
            std::fs::copy(&from, &part)?;
            std::fs::rename(&part, &to)?;
        }
    }
    Ok(())
}

/// clang for a shared object that a DSP process loads.
pub fn hexagon(llvm: &Path) -> Command {
    let mut command = Command::new(llvm.join("clang"));
    command.args([
        "--target=hexagon-unknown-none-elf",
        ARCH,
        "-mhvx",
        "-mhvx-length=128b",
        "-O2",
        "-G0",
        "-fPIC",
    ]);
    command.args([
        "-ffreestanding",
        "-fno-builtin",
        "-fvisibility=hidden",
        "-std=c17",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    command.args([
        "-shared",
        "-nostdlib",
        "-nostartfiles",
        "-fuse-ld=lld",
        "-Wl,--hash-style=sysv",
    ]);
    command.args(["-Wl,-z,max-page-size=0x1000", "-Wl,--build-id=none"]);
    command.arg("-I").arg(workspace().join("firmware/include"));
    command
}

/// Compiles one file with the command that `tool` makes, if it is out of date.
fn build_file(from: &Path, to: &Path, headers: SystemTime, tool: impl FnOnce() -> Command) -> Result<()> {
    let changed = modified(from)?.max(headers);
    if modified(to).is_ok_and(|built| built >= changed) {
        return Ok(());
    }
    ui::output(tool().arg(from).arg("-o").arg(to))
        .with_context(|| format!("cannot build {}", to.display()))?;
    ui::say(format!(
        "   {}",
        to.strip_prefix(target_dir()).unwrap_or(to).display()
    ));
    Ok(())
}

/// Compiles all sources of a folder into one program that needs nothing of the guest but its kernel.
fn build_folder(folder: &Path, to: &Path) -> Result<()> {
    let sources = c_files(folder)?;
    let mut changed = newest(folder)?;
    for file in &sources {
        changed = changed.max(modified(file)?);
    }
    if modified(to).is_ok_and(|built| built >= changed) {
        return Ok(());
    }
    let mut command = Command::new("aarch64-linux-gnu-gcc");
    command.args([
        "-O2",
        "-static",
        "-pthread",
        "-std=gnu17",
        "-Wall",
        "-Wextra",
        "-Werror",
    ]);
    ui::output(command.args(&sources).arg("-o").arg(to))
        .with_context(|| format!("cannot build {}", to.display()))?;
    ui::say(format!(
        "   {}",
        to.strip_prefix(target_dir()).unwrap_or(to).display()
    ));
    Ok(())
}

/// The folders in a folder, in order.
fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    Ok(found)
}

/// When a file was changed last.
pub fn modified(path: &Path) -> Result<SystemTime> {
    path.metadata()
        .and_then(|m| m.modified())
        .with_context(|| format!("cannot read {}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The files of a folder whose names end so, in order.
pub fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    Ok(found)
}

fn c_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let found = files(dir, "c")?;
    if found.is_empty() {
        bail!("no sources in {}", dir.display());
    }
    Ok(found)
}

/// When the newest header of a folder was changed.
fn newest(dir: &Path) -> Result<SystemTime> {
    files(dir, "h")?
        .iter()
        .map(|f| modified(f))
        .try_fold(SystemTime::UNIX_EPOCH, |last, time| Ok(last.max(time?)))
}
