//! `cargo xtask setup`: what `vhost-hexagon setup` does, for a machine that has the programs that building and testing need, too. Quick
//! and silent when all is there; needs the network only for what is missing.

use std::process::Command;

use anyhow::Result;
use emu_assets::cache::Cache;
use emu_setup::command::succeeds;
use emu_setup::{Options, ui};

use crate::{guest_packages, peers, tools};

/// Checks programs, kernels and user space, and completes them.
pub fn setup(options: &Options) -> Result<()> {
    if !options.assets_only {
        rust_components();
    }
    emu_setup::setup_with(options, tools::needs)?;
    let cache = Cache::open()?;
    if !options.check && peers::newer_qemu(&cache).is_none() {
        ui::step("newer qemu-user", || {
            // Only a second opinion: tests that want it say that they go without.
            match peers::fetch(&cache, options.mirror.as_deref()) {
                Ok(program) => ui::say(format!("   {}", program.display())),
                Err(error) => ui::say(format!("   doing without it: {error:#}")),
            }
            anyhow::Ok(())
        })?;
    }
    if !options.check && !guest_packages::missing(&cache).is_empty() {
        ui::step("programs for guests", || {
            // Only tests run them, and say that they go without.
            if let Err(error) = guest_packages::fetch(&cache, options.mirror.as_deref()) {
                ui::say(format!("   doing without: {error:#}"));
            }
            anyhow::Ok(())
        })?;
    }
    Ok(())
}

/// The formatter and the linter belong to the Rust toolchain, not to Debian.
fn rust_components() {
    for component in ["fmt", "clippy"] {
        if !succeeds(Command::new("cargo").args([component, "--version"])) {
            ui::say(format!(
                "   MISSING  cargo {component} (only `cargo xtask test` needs it)"
            ));
        }
    }
}
