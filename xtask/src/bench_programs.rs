//! Benchmarks whose work is done by programs of the crate `tests`, which are built here with what they need: `cargo xtask bench
//! --ggml` (operations of llama.cpp's Hexagon backend, by both engines) and `--programs` (well-known C programs, by both engines
//! and `qemu-hexagon`).

use std::process::Command;

use anyhow::{Result, ensure};

use emu_setup::{command, ui};

use crate::build::cargo;
use crate::firmware;

/// Runs the benchmark that this program of `tests` is, in so many rounds; it prints a table.
pub fn measure(program: &str, rounds: u32) -> Result<()> {
    ensure!(rounds > 0, "a benchmark needs at least one round");
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
    let program = firmware::target_dir().join("release").join(program);
    command::run(Command::new(program).args(["--rounds", &rounds.to_string()]))?;
    Ok(())
}
