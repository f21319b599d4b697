//! `vhost-hexagon qemu`: a QEMU command line that somebody else made (syz-manager, LAVA, a script), with DSPs added.
//!
//! It behaves as QEMU would: the same standard streams, the same exit code, and it ends when QEMU does. What it takes over
//! from the command line is what the DSPs depend on: size of RAM and number of processors.

use super::account::NOT_CLEAN;
use super::devices::{Options, Places};
use super::signals::{Ending, unblock_in};
use anyhow::{Context as _, bail, ensure};
use emu_machine::vm::qemu::{self, Machine, Qemu};
use std::process::{Child, Command, ExitCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Arguments of `qemu`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// QEMU's arguments: kernel, disks, console, network; -m and -smp tell the size of the machine. What makes the machine (-M,
    /// -cpu, -accel, -dtb) is added.
    #[arg(last = true, value_name = "QEMU-ARG")]
    arguments: Vec<String>,
}

/// Options of QEMU's that would make another machine than the DSPs' device tree describes.
const OURS: [&str; 9] = [
    "-M",
    "-machine",
    "-cpu",
    "-accel",
    "-enable-kvm",
    "-dtb",
    "-qtest",
    "-mem-path",
    "-numa",
];

/// Starts the DSPs, then QEMU; waits for its end.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (machine, rest) = split(args.arguments)?;
    let child: Arc<Mutex<Option<Child>>> = Arc::default();
    let to_end = child.clone();
    let ending = Ending::watch(move || terminate(&to_end))?;
    let qemu = Qemu::find(args.options.qemu.as_deref())?;
    let directory = host_files::folder::working()?;
    let qtest = directory.path().join("qtest.sock");
    let devices = args.options.start(
        &qemu,
        &Places {
            machine,
            directory: directory.path(),
            socket: &directory.path().join("dsp.sock"),
            qtest: Some(&qtest),
        },
    )?;
    let mut command = Command::new(qemu.program());
    command
        .args(qemu::arguments(
            &machine,
            args.options.irq,
            &devices.platform.files,
        ))
        .args(rest);
    emu_machine::vm::end_with_this_thread(&mut command);
    unblock_in(&mut command);
    let running = command
        .spawn()
        .with_context(|| format!("cannot start {}", qemu.program().display()))?;
    *lock(&child) = Some(running);
    // A signal that came before there was anything to end.
    if ending.came() {
        terminate(&child);
    }
    let status = loop {
        let mut running = lock(&child);
        if let Some(status) = running.as_mut().map(Child::try_wait).transpose()?.flatten() {
            *running = None;
            break status;
        }
        drop(running);
        std::thread::sleep(Duration::from_millis(20));
    };
    let clean = devices.close()?;
    let code = status.code();
    Ok(match code {
        Some(0) if !clean => ExitCode::from(NOT_CLEAN),
        Some(code) => ExitCode::from(u8::try_from(code & 0xff).unwrap_or(1)),
        None if ending.came() => ExitCode::from(130),
        None => bail!("QEMU ended ({status})"),
    })
}

fn lock(child: &Mutex<Option<Child>>) -> MutexGuard<'_, Option<Child>> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks QEMU to end, if it runs.
fn terminate(child: &Mutex<Option<Child>>) {
    let running = lock(child);
    let pid = running
        .as_ref()
        .and_then(|child| libc::pid_t::try_from(child.id()).ok());
    if let Some(pid) = pid {
        // SAFETY: kill takes numbers only. The child is waited for under the lock that is held here, and not there any more when
        // it was: the number is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}

/// The machine's size, and the arguments without what says it.
fn split(arguments: Vec<String>) -> anyhow::Result<(Machine, Vec<String>)> {
    let mut machine = Machine {
        ram: 1 << 30,
        cpus: 2,
    };
    let mut rest = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        // QEMU takes two dashes for one.
        let name = argument.strip_prefix('-').filter(|a| a.starts_with('-'));
        let name = name.unwrap_or(&argument).to_owned();
        if OURS.contains(&name.as_str()) {
            bail!(
                "leave out {name}: the machine is made by vhost-hexagon (see `vhost-hexagon serve` for all it gives QEMU)"
            );
        }
        let mut value = || {
            let value = arguments.next();
            value.with_context(|| format!("{name} has no value"))
        };
        match name.as_str() {
            "-m" => machine.ram = ram(&value()?)?,
            "-smp" => machine.cpus = cpus(&value()?)?,
            _ => rest.push(argument),
        }
    }
    Ok((machine, rest))
}

/// `2048` (MiB), `2G`, `size=2G,…`
fn ram(text: &str) -> anyhow::Result<u64> {
    let first = text.split(',').next().unwrap_or_default();
    let first = first.strip_prefix("size=").unwrap_or(first);
    let size = if first.bytes().all(|b| b.is_ascii_digit()) {
        super::messages::size(&format!("{first}M"))
    } else {
        super::messages::size(first)
    };
    size.map_err(|_| anyhow::anyhow!("-m {text:?} is not a size"))
}

/// `2`, `cpus=2,…`
fn cpus(text: &str) -> anyhow::Result<u32> {
    let first = text.split(',').next().unwrap_or_default();
    let first = first.strip_prefix("cpus=").unwrap_or(first);
    let cpus = first.parse().ok().filter(|n| (1..=512).contains(n));
    let cpus = cpus.with_context(|| format!("-smp {text:?} does not begin with a number of processors"))?;
    ensure!(
        !text.contains("max"),
        "-smp {text:?}: processors that come later are not possible"
    );
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_machines_size_is_taken_out() {
        let line = "-m 2048 -smp 4 -display none --m size=3G,slots=1 -kernel Image -append a=b";
        let (machine, rest) = split(words(line)).unwrap();
        assert_eq!((machine.ram, machine.cpus), (3 << 30, 4));
        assert_eq!(rest, words("-display none -kernel Image -append a=b"));
        let (machine, _) = split(words("-smp cpus=3,sockets=1 -m 512M")).unwrap();
        assert_eq!((machine.ram, machine.cpus), (512 << 20, 3));
        assert_eq!(split(Vec::new()).unwrap().0.ram, 1 << 30);
    }

    #[test]
    fn another_machine_is_refused_by_name() {
        for line in ["-M virt", "--machine q35", "-enable-kvm", "-dtb x"] {
            let error = split(words(line)).unwrap_err().to_string();
            let name = line.split(' ').next().unwrap().trim_start_matches('-');
            assert!(error.contains(&format!("leave out -{name}:")), "{error}");
        }
        for line in ["-m", "-m lots", "-smp 0", "-smp sockets=2", "-smp 2,maxcpus=4"] {
            assert!(split(words(line)).is_err(), "{line}");
        }
    }
}
