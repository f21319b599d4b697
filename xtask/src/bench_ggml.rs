//! `cargo xtask bench --ggml`: operations of llama.cpp's Hexagon backend, by both engines. The work is done by the program
//! `ggml-bench` of the crate `tests`, which is built here with what it needs.

use std::process::Command;

use anyhow::{Result, ensure};

use emu_setup::{command, ui};

use crate::build::cargo;
use crate::firmware;

/// Measures and prints a table.
pub fn measure(rounds: u32) -> Result<()> {
    ensure!(rounds > 0, "--ggml needs at least one round");
    ui::step("build", || {
        let packages = [
            "--package",
            "vhost-hexagon",
            "--package",
            "emu-cdsprpc",
            "--package",
            "tests",
        ];
        let mut build = cargo(&["build", "--quiet", "--release", "--bins", "--lib"]);
        command::run(build.args(packages))
    })?;
    let program = firmware::target_dir().join("release/ggml_bench");
    command::run(Command::new(program).args(["--rounds", &rounds.to_string()]))?;
    Ok(())
}
