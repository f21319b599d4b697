//! `cargo xtask firmware`: writes what runs inside (built by `firmware-builder`, carried by `emu-assets`) into `target/firmware/`:
//!
//! ```text
//! skel/lib*_skel.so          Hexagon skeletons
//! shell/fastrpc_shell_*      the open placeholder for the FastRPC shell
//! dsp/dsp.mbn                the DSP's firmware for the kernel's remoteproc driver
//! guest/bin/vh-*             arm64 programs
//! guest/init                 the guest's first program
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use firmware_builder::prebuilt::Prebuilt;
use firmware_builder::{Tools, sources};
use host_files::output::Existing;

use emu_setup::ui;

/// Options of `firmware`.
#[derive(Args, Clone)]
pub struct FirmwareArgs {
    /// Also replace the build that the repository keeps for machines without compilers (emu/assets/prebuilt).
    #[arg(long)]
    update_prebuilt: bool,
}

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

/// Runs the task.
pub fn firmware(args: &FirmwareArgs) -> Result<()> {
    let built = ui::step("firmware", build)?;
    ui::say(format!("{}: {}", built.root().display(), emu_assets::origin()));
    if args.update_prebuilt {
        ui::step("prebuilt", update_prebuilt)?;
    }
    Ok(())
}

/// Writes everything that is not up to date.
pub fn build() -> Result<Firmware> {
    let root = target_dir().join("firmware");
    let inside = |path: &str| {
        ["skel/", "shell/", "dsp/", "guest/"]
            .iter()
            .any(|dir| path.starts_with(dir))
    };
    let wanted = emu_assets::assets().iter().filter(|asset| inside(asset.path));
    for asset in emu_assets::extract(wanted, &root, Existing::Overwrite)? {
        ui::say(format!("   firmware/{}", asset.path));
    }
    Ok(Firmware { root })
}

/// Builds afresh, and keeps that in the repository.
fn update_prebuilt() -> Result<()> {
    let firmware = workspace().join("firmware");
    let tools = Tools::find().context("nothing can be built (`cargo xtask setup` installs the compilers)")?;
    let scratch = target_dir().join("firmware/.scratch");
    std::fs::create_dir_all(&scratch)?;
    let prebuilt = Prebuilt {
        sources: sources::digest(&firmware)?,
        tools: tools.versions(),
        files: firmware_builder::build(&tools, &firmware, &scratch)?,
    };
    let dir = workspace().join("emu/assets/prebuilt");
    prebuilt.store(&dir)?;
    let bytes: usize = prebuilt.files.iter().map(|file| file.data.len()).sum();
    ui::say(format!(
        "   {}: {} files, {}",
        dir.display(),
        prebuilt.files.len(),
        ui::bytes(bytes as u64)
    ));
    Ok(())
}
