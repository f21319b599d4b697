//! `vhost-hexagon profiles`: what there is, and what one says.

use super::messages::heading;
use super::output::say;
use emu_machine::profile::{DEFAULT, Profile, names, text};
use std::process::ExitCode;

/// Arguments of `profiles`.
#[derive(clap::Args)]
pub struct Args {
    /// Print this profile as it stands (TOML, with where its facts come from).
    name: Option<String>,
}

/// Lists or prints.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.name {
        let profile = Profile::load(name)?;
        match text(name) {
            Some(text) => say!("{}", text.trim_end()),
            None => say!(
                "{}",
                std::fs::read_to_string(name)
                    .unwrap_or(profile.description)
                    .trim_end()
            ),
        }
        return Ok(ExitCode::SUCCESS);
    }
    say!("{}", heading("SoC profiles"));
    for name in names() {
        let profile = Profile::load(name)?;
        let mark = if name == DEFAULT { " (default)" } else { "" };
        say!("  {name:<15} {}{mark}", profile.description);
        for dsp in &profile.dsps {
            let sessions: u32 = dsp.banks.iter().map(|bank| bank.sessions).sum();
            say!(
                "  {:<15}   {:<5} v{}, {} context banks, {sessions} sessions, {} threads, {} HVX contexts, {} KiB VTCM{}",
                "",
                dsp.label,
                dsp.arch.version(),
                dsp.banks.len(),
                dsp.hardware_threads,
                dsp.hvx_contexts,
                dsp.vtcm_kib,
                if dsp.sensors { ", sensors" } else { "" }
            );
        }
    }
    say!(
        "\nUse one with --soc NAME; print one with `vhost-hexagon profiles NAME`, change it, and use it with --soc FILE."
    );
    Ok(ExitCode::SUCCESS)
}
