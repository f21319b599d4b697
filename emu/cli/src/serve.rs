//! `vhost-hexagon serve`: only the vhost-user device.

use super::account::NOT_CLEAN;
use super::devices::{Options, Places};
use super::messages::heading;
use super::output::say;
use super::signals::Ending;
use anyhow::Context as _;
use emu_machine::device::board::domain::Domain;
use emu_machine::device::layout::PlatformKind;
use emu_machine::device::tree::IrqPath;
use emu_machine::vm::qemu::{self, Machine, Qemu};
use host_files::socket::check_replaceable;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `serve`.
#[derive(clap::Args)]
pub struct Args {
    /// Where QEMU connects to the first DSP (the others listen on PATH-LABEL).
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// QEMU's qtest socket [default: PATH-qtest; with --irq gpio none, then SMMU faults are recorded but not signalled].
    #[arg(long, value_name = "PATH")]
    qtest_socket: Option<PathBuf>,
    /// Guest RAM; QEMU must be given the same.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = super::messages::size)]
    ram: u64,
    /// Guest processors.
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u32,
    /// Where the device tree and the platform image are written [default: the socket's directory]. Those of an earlier run with the
    /// same options are used as they are.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Serves until a signal.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let _ending = Ending::watch(move || {
        let _ = sender.send(());
    })?;
    let qemu = Qemu::find(args.options.qemu.as_deref())?;
    let beside = args
        .socket
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let directory = args.out.as_deref().unwrap_or(beside);
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    let directory = directory.canonicalize()?;
    let default_qtest = || {
        let mut path = args.socket.clone().into_os_string();
        path.push("-qtest");
        path.into()
    };
    let needed = (args.options.irq == IrqPath::Qtest).then(default_qtest);
    let qtest: Option<PathBuf> = args.qtest_socket.clone().or(needed);
    if let Some(qtest) = &qtest {
        // QEMU removes whatever is there.
        check_replaceable(qtest)?;
    }
    let machine = Machine {
        ram: args.ram,
        cpus: args.cpus,
    };
    let devices = args.options.start(
        &qemu,
        &Places {
            machine,
            directory: &directory,
            socket: &args.socket,
            qtest: qtest.as_deref(),
        },
    )?;
    let files = &devices.platform.files;

    say!("{}", heading("Device tree and initial memory"));
    say!("  {}", files.dtb.display());
    for (_, image) in &files.images {
        say!("  {}", image.display());
    }
    if args.options.platform == PlatformKind::Board {
        say!("{}", heading("Firmware the guest needs"));
        for domain in devices
            .profile
            .dsps
            .iter()
            .filter_map(|dsp| Domain::by_label(&dsp.label))
        {
            say!("  /lib/firmware/{:<12} {}", domain.firmware, domain.label);
        }
        say!("  all the same file: dsp/dsp.mbn, as `vhost-hexagon assets --extract DIR dsp` writes it");
    }
    say!(
        "{}",
        heading("QEMU's arguments (add -kernel, -initrd, -append, -serial and what else you like)")
    );
    say!("{} \\", qemu.program().display());
    let args = qemu::arguments(&machine, args.options.irq, files);
    say!("  {}", lines(&args).join(" \\\n  "));
    say!("{}", heading("Listening"));
    for device in &devices.devices {
        say!("  {:<6} {}", device.label(), device.socket().display());
    }
    say!("Guest after guest is served until Ctrl-C.");
    let _ = receiver.recv();
    Ok(if devices.close()? {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_CLEAN)
    })
}

/// An option and its value on one line.
fn lines(args: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for arg in args {
        let arg = qemu::quoted(arg);
        match out.last_mut() {
            Some(last) if !arg.starts_with('-') => *last = format!("{last} {arg}"),
            _ => out.push(arg),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn options_stand_with_their_values() {
        let args = ["-M", "virt", "-nodefaults", "-nic", "none"].map(String::from);
        assert_eq!(super::lines(&args), ["-M virt", "-nodefaults", "-nic none"]);
    }
}
