//! `vhost-hexagon coredump`: a DSP's core dump, readable.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use emu_machine::device::board::firmware::dump::Dump;

/// Largest file that is read.
const MAX_FILE: u64 = 128 << 20;
/// Where an ELF header names the machine, and Hexagon's number.
const E_MACHINE: usize = 18;
const EM_QDSP6: u16 = 164;

/// Options of `vhost-hexagon coredump`.
#[derive(clap::Args)]
pub struct Args {
    /// The dump: a copy of /sys/class/devcoredump/devcd*/data.
    file: PathBuf,
    /// Also write a copy for lldb, which does not open a dump that names no machine (the kernel's does not).
    #[arg(long, value_name = "FILE")]
    lldb: Option<PathBuf>,
    #[command(flatten)]
    force: super::force::Force,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let size = std::fs::metadata(&args.file)
        .with_context(|| format!("cannot read {name}"))?
        .len();
    if size > MAX_FILE {
        bail!("{name} has {size} bytes, too many for a DSP's core dump");
    }
    let mut file = std::fs::read(&args.file).with_context(|| format!("cannot read {name}"))?;
    let dump = Dump::parse(&file).with_context(|| name.to_string())?;
    for line in dump.lines() {
        super::output::say!("{line}");
    }
    if let Some(to) = &args.lldb {
        file[E_MACHINE..E_MACHINE + 2].copy_from_slice(&EM_QDSP6.to_le_bytes());
        host_files::output::write(to, &file, args.force.existing())?;
    }
    Ok(ExitCode::SUCCESS)
}
