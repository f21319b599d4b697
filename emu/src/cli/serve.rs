//! `vhost-hexagon serve`: only the vhost-user device.

use super::account::NOT_CLEAN;
use super::heading;
use super::output::say;
use super::signals::Ending;
use anyhow::Context as _;
use emu::control::Control;
use emu::device::DspDevice;
use emu::device::board::domain::Domain;
use emu::device::layout::Platform;
use emu::device::tree::IrqPath;
use emu::profile::{DEFAULT, Profile};
use emu::vm::default_firmware;
use emu::vm::platform::{self, Request, dsp_configs};
use emu::vm::qemu::{self, Machine, Qemu};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `serve`.
#[derive(clap::Args)]
pub struct Args {
    /// Where QEMU connects to the first DSP (the others listen on PATH-LABEL).
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// SoC profile: a name (see `profiles`) or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    soc: String,
    /// How the kernel meets the DSPs: rpm = they simply exist; board = its remoteproc driver loads and starts them.
    #[arg(long, value_enum, default_value_t)]
    platform: Platform,
    /// How interrupts reach the guest: qtest works with every kernel, gpio needs CONFIG_GPIO_VIRTIO but no qtest socket.
    #[arg(long, value_enum, default_value = "qtest")]
    irq: IrqPath,
    /// QEMU's qtest socket [default: PATH-qtest; with --irq gpio none, then SMMU faults are recorded but not signalled].
    #[arg(long, value_name = "PATH")]
    qtest_socket: Option<PathBuf>,
    /// Guest RAM; QEMU must be given the same.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = super::size)]
    ram: u64,
    /// Guest processors.
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u32,
    /// Page size of the guest's kernel.
    #[arg(long, value_name = "SIZE", default_value = "4K", value_parser = super::size)]
    page_size: u64,
    /// Where the device tree and the platform image are written [default: the socket's directory].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compiled device tree overlay to apply (may be repeated).
    #[arg(long, value_name = "FILE")]
    dtb_overlay: Vec<PathBuf>,
    #[command(flatten)]
    scenario: super::scenario::Options,
    /// Socket to make at which `ctl` reaches the DSPs.
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    #[command(flatten)]
    account: super::account::Options,
    /// Release of the guest's kernel, for --suppress.
    #[arg(long, value_name = "RELEASE", default_value = "", requires = "suppress")]
    kernel_release: String,
    /// QEMU program [default: qemu-system-aarch64].
    #[arg(long, value_name = "PATH")]
    qemu: Option<PathBuf>,
}

/// Serves until a signal.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let _ending = Ending::watch(move || {
        let _ = sender.send(());
    })?;
    let profile = Profile::load(&args.soc)?;
    let mut scenario = args.scenario.prepare(&profile, args.platform)?;
    let mut accounts = args.account.prepare()?;
    let qemu = Qemu::find(args.qemu.as_deref())?;
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
    let needed = (args.irq == IrqPath::Qtest).then(default_qtest);
    let qtest: Option<PathBuf> = args.qtest_socket.clone().or(needed);
    let machine = Machine {
        ram: args.ram,
        cpus: args.cpus,
    };
    let request = Request {
        profile: &profile,
        platform: args.platform,
        machine,
        irq: args.irq,
        overlays: &args.dtb_overlay,
        directory: &directory,
        socket: &args.socket,
        qtest: qtest.as_deref(),
    };
    let platform = platform::Platform::prepare(&request, &qemu)?;
    let page_size = u32::try_from(args.page_size)
        .ok()
        .filter(|n| [4096, 16384, 65536].contains(n));
    let page_size = page_size.context("--page-size must be 4K, 16K or 64K")?;
    let devices = DspDevice::start_all(&platform.attachment, dsp_configs(&profile, page_size))?;
    if let Some(scenario) = &mut scenario {
        scenario.play(&devices);
    }
    if let Some(accounts) = &mut accounts {
        accounts.watch(&devices);
    }
    let control = args.control.as_ref();
    let _control = control.map(|path| Control::listen(path, &devices)).transpose()?;

    say!("{}", heading("Device tree and initial memory"));
    say!("  {}", platform.files.dtb.display());
    for (_, image) in &platform.files.images {
        say!("  {}", image.display());
    }
    if args.platform == Platform::Board {
        say!("{}", heading("Firmware the guest needs"));
        for domain in profile.dsps.iter().filter_map(|dsp| Domain::by_label(&dsp.label)) {
            say!("  /lib/firmware/{:<12} {}", domain.firmware, domain.label);
        }
        say!("  all the same file: {}", default_firmware().display());
    }
    say!(
        "{}",
        heading("QEMU's arguments (add -kernel, -initrd, -append, -serial and what else you like)")
    );
    say!("{} \\", qemu.program().display());
    let kernel = &args.kernel_release;
    let args = qemu::arguments(&machine, platform.attachment.irq, &platform.files);
    say!("  {}", lines(&args).join(" \\\n  "));
    say!("{}", heading("Listening"));
    for device in &devices {
        say!("  {:<6} {}", device.label(), device.socket().display());
    }
    say!("Guest after guest is served until Ctrl-C.");
    let _ = receiver.recv();
    if let Some(scenario) = &scenario {
        scenario.report()?;
    }
    match accounts {
        Some(accounts) if !accounts.close(&devices, kernel)?.0 => Ok(ExitCode::from(NOT_CLEAN)),
        _ => Ok(ExitCode::SUCCESS),
    }
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
