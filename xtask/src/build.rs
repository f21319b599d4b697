//! Building the emulator.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use emu_setup::command::run;

use crate::firmware;

/// `cargo` in the workspace.
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(firmware::workspace());
    // Variables that cargo sets for `cargo run` would make the inner cargo rebuild what depends on them.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" || name == "CARGO_MANIFEST_PATH" {
            command.env_remove(name);
        }
    }
    command
}

/// Installs the program as a user with Rust does, below `target/`, and returns its file.
pub fn installed() -> Result<PathBuf> {
    let root = firmware::target_dir().join("cargo-install");
    let mut install = cargo(&[
        "install", "--quiet", "--locked", "--force", "--path", "emu/cli", "--root",
    ]);
    run(install.arg(&root))?;
    Ok(root.join("bin/vhost-hexagon"))
}

/// Builds the release `vhost-hexagon` and returns its file.
pub fn emulator() -> Result<PathBuf> {
    run(&mut cargo(&[
        "build",
        "--release",
        "--quiet",
        "--package",
        "vhost-hexagon",
        "--bin",
        "vhost-hexagon",
    ]))?;
    Ok(firmware::target_dir().join("release/vhost-hexagon"))
}
