//! `vhost-hexagon run`: a kernel in QEMU with DSPs behind it.

use super::account::NOT_CLEAN;
use super::hooks::Hooked;
use super::signals::Ending;
use crate::output::tell;
use anyhow::Context as _;
use emu_lab::account::Census;
use emu_lab::replay::{Player, Recording};
use emu_machine::device::layout::PlatformKind;
use emu_machine::device::tree::IrqPath;
use emu_machine::profile::{DEFAULT, Profile};
use emu_machine::vm::qemu::Machine;
use emu_machine::vm::{Builder, READY, Vm, VmError, unpinned};
use emu_os::services::DspStats;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A console line with this and a name behind it asks for a census of what is live and mapped (in `--json`).
const CENSUS: &str = "VH-CENSUS ";

/// Arguments of `run`.
#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// arm64 kernel Image, or the beginning of a version in the cache (7.3).
    #[arg(long, value_name = "IMAGE|VERSION", required = true)]
    pub(super) kernel: Option<PathBuf>,
    /// Directory of the kernel's modules: flat, or a lib/modules tree [default: `modules` beside the Image].
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
    /// Directory that becomes the guest's root file system [default: from the cache].
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// SoC profile: a name (see `profiles`) or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    soc: String,
    /// How the kernel meets the DSPs: rpm = they simply exist; board = its remoteproc driver loads and starts them.
    #[arg(long, value_enum, default_value_t)]
    platform: PlatformKind,
    /// How interrupts reach the guest; auto = gpio if the kernel has CONFIG_GPIO_VIRTIO, else qtest.
    #[arg(long, value_enum, default_value = "auto")]
    irq: Irq,
    /// Guest RAM.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = super::messages::size)]
    ram: u64,
    /// Guest processors.
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u32,
    /// Compiled device tree overlay to apply (may be repeated); labels such as &fastrpc_cdsp are there to refer to.
    #[arg(long, value_name = "FILE")]
    dtb_overlay: Vec<PathBuf>,
    /// Host directory that the guest sees as /share.
    #[arg(long, value_name = "DIR")]
    share: Option<PathBuf>,
    /// Copy a host file into the guest (may be repeated); GUEST is /vh/bin/NAME if left out.
    #[arg(long, value_name = "HOST[:GUEST]")]
    file: Vec<String>,
    /// More words for the kernel's command line (may be repeated).
    #[arg(long, value_name = "WORDS")]
    append: Vec<String>,
    /// Firmware for the DSPs of a board, as /lib/firmware has it [default: the program's own].
    #[arg(long, value_name = "FILE")]
    firmware: Option<PathBuf>,
    /// File that gets the guest's console.
    #[arg(long, value_name = "FILE")]
    console_log: Option<PathBuf>,
    /// Do not show the guest's console (with a program to run).
    #[arg(long)]
    quiet: bool,
    /// End the guest after this many seconds (with a program to run).
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    timeout: u64,
    /// Print one JSON object at the end: exit code, times, counters of every DSP.
    #[arg(long)]
    json: bool,
    /// Print at the end what of the DSPs' code was translated, and which packets were left to the interpreter most.
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    hooks: super::hooks::Options,
    #[command(flatten)]
    core: super::core_options::CoreOptions,
    /// Run so that the same program makes the same trace each time (docs/tracing.md): one processor, fixed seeds, a DSP that
    /// waits for the guest.
    #[arg(long)]
    deterministic: bool,
    /// QEMU program [default: qemu-system-aarch64].
    #[arg(long, value_name = "PATH")]
    qemu: Option<PathBuf>,
    /// More arguments for QEMU (may be repeated).
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    qemu_arg: Vec<OsString>,
    /// Program to run in the guest, with its arguments; without it you get a shell.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Irq {
    Auto,
    Qtest,
    Gpio,
}

/// Boots, shows the console, tells how it went.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    run_with(args, &[], |_| ())
}

/// Runs with recorded DSPs in front of the machine's own; `played` is told at the end how they fared.
pub fn run_with(
    args: Args,
    recordings: &[(String, Recording)],
    played: impl FnOnce(&[(String, Player)]),
) -> anyhow::Result<ExitCode> {
    let kernel = args.kernel.context("--kernel says which")?;
    let interactive = args.command.is_empty();
    // In a shell the terminal's keys belong to the guest (QEMU's Ctrl-A x ends it).
    let ending = if interactive {
        None
    } else {
        Some(Ending::watch(|| {})?)
    };
    let record = args.stats.then(|| emu_core::record(None));
    let profile = Profile::load(&args.soc)?;
    let requested = args.hooks.load(&profile, args.platform)?;
    let mut builder = Builder::new(kernel, profile)
        .modules(args.modules)
        .root(args.root)
        .platform(args.platform)
        .firmware(args.firmware)
        .irq(match args.irq {
            Irq::Auto => None,
            Irq::Qtest => Some(IrqPath::Qtest),
            Irq::Gpio => Some(IrqPath::Gpio),
        })
        .machine(Machine {
            ram: args.ram,
            cpus: args.cpus,
        })
        .overlays(args.dtb_overlay)
        .share(args.share)
        .command(&args.command)
        .append(args.append)
        .qemu(args.qemu)
        .qemu_args(args.qemu_arg)
        .console_log(args.console_log.clone(), args.hooks.existing())
        .interactive(interactive)
        .dsp_threads(args.core.dsp_threads)
        .strict_silicon(args.core.strict_silicon)
        .engine(args.core.engine.engine.unwrap_or_default())
        .deterministic(args.deterministic)
        .settle(args.hooks.has_accounts());
    for spec in &args.file {
        let (host, guest) = file(spec);
        let data = std::fs::read(&host).with_context(|| format!("cannot read {host} for the guest"))?;
        builder = builder.file(guest, 0o755, data);
    }
    let prepared = builder.prepare()?;
    let mut unpinned = Unpinned::default();
    if args.deterministic {
        let config = prepared.kernel().config.as_deref().unwrap_or_default();
        let known = (!config.is_empty()).then(|| unpinned::by_config(config));
        known.into_iter().flatten().for_each(|pin| unpinned.tell(&pin));
    }
    let comment = format!("kernel {}", prepared.kernel().release().unwrap_or_default());
    let mut hooked = requested.attach(prepared.devices(), comment, args.deterministic, recordings)?;
    let mut vm = prepared.boot()?;
    hooked.guest_started(vm.pid());
    let mut report = Report::default();
    let exit = if interactive {
        tell!("A shell follows when the guest is up; `exit` or Ctrl-A x ends it.");
        vm.wait_forever()?.exit.or(Some(0))
    } else {
        follow(
            &mut vm,
            (&mut report, &hooked, &mut unpinned),
            args.quiet,
            Duration::from_secs(args.timeout),
            ending.as_ref(),
        )?
    };
    let release = vm.kernel().release().unwrap_or_default();
    let (clean, accounts) = hooked.close(vm.devices(), &release)?;
    report.accounts = accounts;
    played(hooked.players());
    if let Some(record) = record {
        super::output::tell_text(&super::translated::statistics(&record));
    }
    if args.json {
        super::output::say!("{}", report.json(&vm, exit));
    }
    match exit {
        Some(0) if !clean => Ok(ExitCode::from(NOT_CLEAN)),
        Some(code) => Ok(ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1))),
        None if ending.is_some_and(|ending| ending.came()) => Ok(ExitCode::from(130)),
        None => anyhow::bail!(
            "the guest ended before the program did{}",
            args.console_log
                .map(|path| format!("; see {}", path.display()))
                .unwrap_or_default()
        ),
    }
}

/// `HOST[:GUEST]`
fn file(spec: &str) -> (String, String) {
    match spec.rsplit_once(':') {
        Some((host, guest)) if guest.starts_with('/') => (host.to_owned(), guest.to_owned()),
        _ => (
            spec.to_owned(),
            format!("/vh/bin/{}", spec.rsplit('/').next().unwrap_or(spec)),
        ),
    }
}

/// What `--deterministic` could not hold still, told once each.
#[derive(Default)]
struct Unpinned(Vec<String>);

impl Unpinned {
    fn tell(&mut self, pin: &unpinned::Unpinned) {
        if !self.0.contains(&pin.name) {
            self.0.push(pin.name.clone());
            tell!("warning: --deterministic does not hold still {pin}");
        }
    }
}

/// Console lines until the guest ends.
fn follow(
    vm: &mut Vm,
    (report, hooked, unpinned): (&mut Report, &Hooked, &mut Unpinned),
    quiet: bool,
    limit: Duration,
    ending: Option<&Ending>,
) -> anyhow::Result<Option<i32>> {
    let deadline = Instant::now() + limit;
    loop {
        if ending.is_some_and(Ending::came) {
            vm.kill();
            return Ok(None);
        }
        match vm.next_line(Duration::from_millis(200)) {
            Ok(Some(line)) => {
                if line.text.contains(READY) && report.ready.is_none() {
                    report.ready = Some(line.at);
                }
                if let Some(pin) = unpinned::by_guest(&line.text) {
                    unpinned.tell(&pin);
                }
                if let (true, Some((_, name))) = (hooked.has_accounts(), line.text.split_once(CENSUS)) {
                    let census = hooked.census(vm.devices());
                    report.census.push((name.trim().to_owned(), line.at, census));
                }
                if !quiet && !line.text.contains("VH-") {
                    let mut out = std::io::stdout().lock();
                    // A closed pipe ends the output, not the guest.
                    let _ = writeln!(out, "{}", line.text).and_then(|()| out.flush());
                }
            }
            Ok(None) => return Ok(vm.wait(Duration::from_secs(30))?.exit),
            Err(VmError::Timeout { .. }) if Instant::now() < deadline => {}
            Err(VmError::Timeout { .. }) => {
                vm.kill();
                anyhow::bail!("the guest did not end within {} s (--timeout)", limit.as_secs());
            }
            Err(error) => {
                // What the kernel says after this is worth having in the log.
                std::thread::sleep(Duration::from_secs(1));
                vm.kill();
                return Err(error.into());
            }
        }
    }
}

/// What `--json` tells.
#[derive(Default)]
struct Report {
    ready: Option<Duration>,
    /// What was live when the guest asked: name, time, DSPs.
    census: Vec<(String, Duration, Vec<Census>)>,
    accounts: Option<Vec<emu_lab::account::Report>>,
}

impl Report {
    fn json(&self, vm: &Vm, exit: Option<i32>) -> serde_json::Value {
        let dsps: serde_json::Map<_, _> = vm
            .stats()
            .into_iter()
            .map(|(label, stats)| (label, counters(&stats)))
            .collect();
        let mut json = serde_json::json!({
            "exit": exit,
            "kernel": vm.kernel().release(),
            "qemu": vm.qemu_version(),
            "platform": vm.platform().to_string(),
            "irq": format!("{:?}", vm.irq()).to_lowercase(),
            "seconds_to_ready": self.ready.map(|d| d.as_secs_f64()),
            "seconds": vm.started().elapsed().as_secs_f64(),
            "dsps": dsps,
        });
        if let (Some(accounts), Some(object)) = (&self.accounts, json.as_object_mut()) {
            object.insert("account".into(), serde_json::json!(accounts));
            let census = |(name, at, dsps): &(String, Duration, Vec<Census>)| serde_json::json!({ "name": name, "seconds": at.as_secs_f64(), "dsps": dsps });
            object.insert("census".into(), self.census.iter().map(census).collect());
        }
        json
    }
}

/// The counters of one DSP by name.
pub fn counters(stats: &DspStats) -> serde_json::Value {
    serde_json::json!({
        "messages_in": stats.messages_in,
        "messages_out": stats.messages_out,
        "dropped": stats.dropped,
        "errors": stats.errors,
        "module_calls": stats.module_calls,
        "opens": stats.opens,
        "reverse_calls": stats.reverse_calls,
        "bytes_read": stats.bytes_read,
        "bytes_mapped": stats.bytes_mapped,
        "packets": stats.packets,
        "processes": stats.processes,
        "processes_now": stats.processes_now,
        "crashes": stats.crashes,
        "farf": stats.farf,
        "farf_dropped": stats.farf_dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_where_they_are_told() {
        assert_eq!(file("a/b"), ("a/b".into(), "/vh/bin/b".into()));
        assert_eq!(file("a/b:/etc/c"), ("a/b".into(), "/etc/c".into()));
        assert_eq!(file("C:x"), ("C:x".into(), "/vh/bin/C:x".into()));
    }
}
