//! `vhost-hexagon demo`: a stock kernel, the unmodified library, a sum that a DSP computed.

use anyhow::Context as _;
use std::process::ExitCode;

pub const HELP: &str = "\
What is missing is fetched first (see `vhost-hexagon setup`). Then this program starts itself as

  vhost-hexagon run --kernel 7.3 -- vh-calc

and shows what the guest's program printed (`Sum = 499500`), and what took part in it.

Exit code: 0 if the guest printed what it should, else 1.";

/// Sets up, boots, shows.
pub fn run(options: &emu_setup::demo::Options) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe().context("cannot find this program's own file to start it")?;
    emu_setup::demo::demo(&program, options)?;
    Ok(ExitCode::SUCCESS)
}
