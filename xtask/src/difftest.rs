//! `cargo xtask difftest`: the core against `qemu-hexagon` on random packets. The work is done by the program `difftest` of
//! the crate `tests`, which is built here; words behind `difftest` go to it.

use std::process::Stdio;

use anyhow::{Result, bail};
use clap::Args;

use emu_assets::cache::Cache;
use emu_setup::{command, ui};

use crate::build::cargo;
use crate::{firmware, peers};

/// Options of `difftest`.
#[derive(Args, Clone)]
pub struct DifftestArgs {
    /// Build without optimisation beyond the usual; for short runs.
    #[arg(long)]
    pub dev: bool,
    /// Only the encodings: this many random operand values for each row against LLVM's assembler and disassembler.
    #[arg(long, value_name = "VALUES")]
    pub encodings: Option<u32>,
    /// Options of the program; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// Values of a row that one run of the tests tries: what fits well into one object file.
const AT_ONCE: u32 = 100;

/// Runs the tests of `hexagon-isa` against LLVM with one seed after the other.
fn encodings(values: u32) -> Result<()> {
    let runs = values.div_ceil(AT_ONCE);
    for seed in 1..=runs {
        ui::step(&format!("encodings, seed {seed} of {runs}"), || {
            command::run(
                cargo(&[
                    "test",
                    "--quiet",
                    "--package",
                    "hexagon-isa",
                    "--test",
                    "llvm_rows",
                    "--test",
                    "llvm_mc",
                    "--test",
                    "llvm_packets",
                ])
                .env("VHOST_HEXAGON_ROUNDS", AT_ONCE.min(values).to_string())
                .env("VHOST_HEXAGON_SEED", seed.to_string()),
            )
        })?;
    }
    Ok(())
}

/// Fetches the newer QEMU if it is not there, builds the program and runs it.
pub fn difftest(args: &DifftestArgs) -> Result<()> {
    if let Some(values) = args.encodings {
        return encodings(values);
    }
    let cache = Cache::open()?;
    if peers::newer_qemu(&cache).is_none()
        && let Err(error) = peers::fetch(&cache, None)
    {
        ui::say(format!("   doing without a newer qemu-hexagon: {error:#}"));
    }
    let profile = if args.dev { "dev" } else { "release" };
    command::run(&mut cargo(&[
        "build",
        "--quiet",
        "--package",
        "tests",
        "--bin",
        "difftest",
        "--profile",
        profile,
    ]))?;
    let folder = if args.dev { "debug" } else { "release" };
    let mut command = std::process::Command::new(firmware::target_dir().join(folder).join("difftest"));
    command.args(&args.words).stdin(Stdio::null());
    if !command.status()?.success() {
        bail!("`difftest` found differences (see above)");
    }
    Ok(())
}
