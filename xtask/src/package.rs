//! `cargo xtask package`: a Debian package with the program, its manual pages and its shell completions.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use emu_setup::command::{output, run, succeeds};
use emu_setup::ui;

use crate::build::{self, cargo};
use crate::firmware::{target_dir, workspace};

/// Where `[package.metadata.deb]` in emu/cli/Cargo.toml has manual pages and completions from, in the workspace.
const STAGE: &str = "target/package";

/// Builds it and returns its file.
pub fn package() -> Result<PathBuf> {
    if !succeeds(&mut cargo(&["deb", "--version"])) {
        bail!(
            "cargo-deb is not installed, and it makes the package: `cargo install cargo-deb --locked`, then start again"
        );
    }
    let program = ui::step("build", build::emulator)?;
    stage(&program, &workspace().join(STAGE))?;
    let deb = target_dir().join("debian/vhost-hexagon.deb");
    ui::step("package", || {
        let mut deb_command = cargo(&[
            "deb",
            "--package",
            "vhost-hexagon",
            "--no-build",
            "--quiet",
            "--output",
        ]);
        run(deb_command.arg(&deb))
    })?;
    ui::say(output(Command::new("dpkg-deb").arg("--info").arg(&deb))?);
    Ok(deb)
}

/// Writes manual pages and completions.
fn stage(program: &Path, to: &Path) -> Result<()> {
    match std::fs::remove_dir_all(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot empty {}", to.display()));
        }
        _ => std::fs::create_dir_all(to)?,
    }
    output(Command::new(program).args(["man", "--out"]).arg(to.join("man")))?;
    for (shell, file) in [
        ("bash", "vhost-hexagon.bash"),
        ("zsh", "_vhost-hexagon"),
        ("fish", "vhost-hexagon.fish"),
    ] {
        let text = output(Command::new(program).args(["completions", shell]))?;
        let path = to.join(file);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
