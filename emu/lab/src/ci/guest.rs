//! One case in one guest: boots it, plays the scenario, watches until it ends or hangs, and tells what was seen.
//!
//! The guest's part is `wrapper.sh`: it says "kernel", "start", "done" and "end" on the console, through the kernel's log.

use super::complaint::Complaint;
use super::console::{Line, Scanner};
use super::dump;
use super::known::Known;
use super::suite;
use super::tools::Tools;
use crate::account::{self, Account, Suppressions};
use crate::hooks::{Hooks, TraceRequest};
use crate::scenario::{Case, Driver, Entry, Program};
use crate::trace;
use emu_machine::device::layout::PlatformKind;
use emu_machine::profile::Profile;
use emu_machine::vm::qemu::Machine;
use emu_machine::vm::{Builder, Prepared, Vm, VmError};
use host_files::output::Existing;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// From the program's end to the guest's.
const ENDING: Duration = Duration::from_secs(30);
/// More of it if kmemleak scans.
const SCANNING: Duration = Duration::from_secs(90);
/// What a kernel that panicked may still say.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long a program may go on after the kernel's exception: what held a lock then keeps it.
const AFTER_OOPS: Duration = Duration::from_secs(15);
/// Longest time for a task dump.
const DUMP: Duration = Duration::from_secs(60);
/// Most lines of it.
const MAX_DUMP: usize = 20_000;

/// What every guest of a run has in common.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The kernel's image, or the beginning of a version in the cache.
    pub kernel: PathBuf,
    /// Its modules.
    pub modules: Option<PathBuf>,
    /// Its release, if the image says it.
    pub release: Option<String>,
    /// User space.
    pub root: Option<PathBuf>,
    /// The only one of the two drivers that is to be used.
    pub driver: Option<Driver>,
    /// The SoC.
    pub profile: Profile,
    /// The platform of cases that do not name one.
    pub platform: PlatformKind,
    /// Programs and skeletons.
    pub tools: Tools,
    /// QEMU, and more arguments for it.
    pub qemu: Option<PathBuf>,
    /// More arguments for QEMU.
    pub qemu_args: Vec<OsString>,
    /// More words for the kernel's command line.
    pub append: Vec<String>,
    /// The longest time from power-on to the program's start.
    pub boot: Duration,
    /// Instead of the cases' own time limits.
    pub timeout: Option<Duration>,
    /// Instead of the cases' own seeds.
    pub seed: Option<u64>,
    /// What the account finds and is known.
    pub suppress: Suppressions,
    /// Defects of kernels that are known.
    pub known: Known,
    /// Where consoles are kept.
    pub logs: Option<PathBuf>,
    /// Where traces of the DSPs' wires are made.
    pub traces: Option<PathBuf>,
}

#[cfg(test)]
impl Setup {
    /// A machine for cases that are not played.
    pub(super) fn of_tests() -> Self {
        Self {
            kernel: "Image".into(),
            modules: None,
            release: None,
            root: None,
            driver: None,
            profile: Profile::load(emu_machine::profile::DEFAULT).unwrap(),
            platform: PlatformKind::Rpm,
            tools: Tools::default(),
            qemu: None,
            qemu_args: Vec::new(),
            append: Vec::new(),
            boot: Duration::from_secs(180),
            timeout: None,
            seed: None,
            suppress: Suppressions::default(),
            known: Known::default(),
            logs: None,
            traces: None,
        }
    }
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, in order.
    Done,
    /// It was ended because it took too long; what it was to do.
    Hang(&'static str),
    /// The kernel stopped.
    Dead,
    /// It did not get to the program.
    NoBoot(String),
    /// QEMU or the host failed.
    Broken(String),
    /// The user ended the run.
    Stopped,
}

/// The trace of a guest's DSPs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// Why not everything is in it, if so.
    pub incomplete: Option<String>,
}

/// What was seen of a case.
#[derive(Debug)]
pub struct Observed {
    /// How it ended.
    pub end: End,
    /// The kernel's release as the guest says it.
    pub release: Option<String>,
    /// The drivers that it has, as the guest says.
    pub drivers: Option<Vec<Driver>>,
    /// Device nodes when the program started.
    pub nodes: Option<String>,
    /// The program was started.
    pub started: bool,
    /// Its exit status.
    pub exit: Option<i64>,
    /// What it printed.
    pub output: Vec<String>,
    /// Complaints of the kernel's.
    pub complaints: Vec<Complaint>,
    /// How many more there were.
    pub complaints_not_kept: usize,
    /// The console's last lines.
    pub tail: Vec<String>,
    /// The kernel's task dump after a hang; `None` if there was none to be had.
    pub dump: Option<Vec<String>>,
    /// Why there was none, if it was asked for.
    pub no_dump: Option<String>,
    /// Rule, and how often it fired on all DSPs together.
    pub fired: Vec<(String, u64)>,
    /// The newest events of each DSP.
    pub history: Vec<(String, Vec<Entry>)>,
    /// The account of each DSP.
    pub accounts: Vec<account::Report>,
    /// The trace, if there was to be one.
    pub trace: Option<Recorded>,
    /// Crashes of DSP processes.
    pub dsp_crashes: u64,
    /// The times at which the program started and the guest ended, since power-on.
    pub times: (Option<Duration>, Duration),
}

#[cfg(test)]
impl Observed {
    /// A guest that ran a program to its end, and of which there is nothing to tell.
    pub(super) fn quiet() -> Self {
        Self {
            end: End::Done,
            release: Some("7.3.4".into()),
            drivers: None,
            nodes: None,
            started: true,
            exit: Some(0),
            output: Vec::new(),
            complaints: Vec::new(),
            complaints_not_kept: 0,
            tail: Vec::new(),
            dump: None,
            no_dump: None,
            fired: vec![("late".into(), 3)],
            history: Vec::new(),
            accounts: Vec::new(),
            trace: None,
            dsp_crashes: 0,
            times: (None, Duration::ZERO),
        }
    }
}

/// Where a guest is on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Boot,
    Run,
    Ending,
}

impl Setup {
    /// The platform on which a case is played.
    #[must_use]
    pub fn platform_of(&self, case: &Case) -> PlatformKind {
        match case.scenario.platform() {
            Some(crate::scenario::Needs::Board) => PlatformKind::Board,
            Some(crate::scenario::Needs::Rpm) => PlatformKind::Rpm,
            None => self.platform,
        }
    }

    /// The seed with which a case is played.
    #[must_use]
    pub fn seed_of(&self, case: &Case) -> u64 {
        self.seed.unwrap_or(case.scenario.seed())
    }

    fn timeout_of(&self, case: &Case) -> Duration {
        self.timeout.unwrap_or(case.timeout)
    }

    /// The file that is to have the guest's console of a case. It must not be there, or be empty.
    #[must_use]
    pub fn console_of(&self, entry: &suite::Entry) -> Option<PathBuf> {
        let name = format!("{}-{}.console", entry.suite, entry.name());
        self.logs.as_ref().map(|folder| folder.join(name))
    }

    /// The trace of a case, if there is to be one.
    fn trace_of(&self, entry: &suite::Entry) -> Option<TraceRequest> {
        let name = format!("{}-{}.pcapng", entry.suite, entry.name());
        Some(TraceRequest {
            path: self.traces.as_ref()?.join(name),
            options: trace::Options::default(),
        })
    }

    /// Prepares a guest for a case.
    fn prepare(&self, case: &Case, console: Option<PathBuf>) -> Result<Prepared, VmError> {
        let hung = (self.timeout_of(case).as_secs() / 3).clamp(5, 10);
        let (program, text) = match &case.program {
            Program::Drive(text) => ("/vh/bin/vh-drive", text),
            Program::Shell(text) => ("/bin/sh", text),
        };
        let script = format!("exec /bin/sh /vh/case/wrapper {hung} {program} /vh/case/program");
        let mut append: Vec<String> = [
            // Warnings are to be seen, with time stamps to know them by, and the program's lines all of them.
            "loglevel=5",
            "printk.time=1",
            "printk.devkmsg=on",
            "sysrq_always_enabled",
        ]
        .map(String::from)
        .into();
        append.extend(self.append.iter().cloned());
        append.extend(case.needs.append.iter().cloned());
        let mut builder = Builder::new(&self.kernel, self.profile.clone())
            .modules(self.modules.clone())
            .without(self.driver.map(|driver| driver.other().name()))
            .root(self.root.clone())
            .platform(self.platform_of(case))
            .firmware(self.tools.firmware.clone())
            .machine(Machine {
                ram: case.needs.ram.unwrap_or(1 << 30),
                cpus: case.needs.cpus.unwrap_or(2),
            })
            .script(&script)
            .append(append)
            .qemu(self.qemu.clone())
            .qemu_args(self.qemu_args.clone())
            .console_log(console, Existing::Keep)
            .file("/vh/case/wrapper", 0o755, include_str!("wrapper.sh"))
            .file("/vh/case/program", 0o644, text.as_str());
        for file in &self.tools.files {
            builder = builder.file(&file.path, file.mode, file.data.clone());
        }
        builder.prepare()
    }

    /// Plays a case until it ends, hangs, or `stop` is set. To be called in the thread that waits for its end.
    ///
    /// # Errors
    /// There is no guest.
    pub fn play(&self, entry: &suite::Entry, stop: &AtomicBool) -> Result<Observed, VmError> {
        let case = &entry.case;
        let prepared = self.prepare(case, self.console_of(entry))?;
        let hooks = Hooks {
            scenario: Some((&case.scenario, self.seed)),
            account: true,
            trace: self.trace_of(entry),
            ..Hooks::default()
        };
        let mut attached = hooks
            .attach(prepared.devices(), self.platform_of(case))
            .map_err(|error| VmError::Hook(Box::new(error)))?;
        let mut vm = prepared.boot()?;
        let mut watching = Watching {
            scanner: Scanner::new(),
            phase: Phase::Boot,
            deadline: vm.started() + self.boot,
            timeout: self.timeout_of(case),
            release: None,
            drivers: None,
            nodes: None,
            exit: None,
            started: None,
            kmemleak: false,
            fatal: false,
            trigger: None,
            asked: false,
            dump: None,
        };
        let end = watching.until_end(&mut vm, stop);
        vm.kill();
        watching.scanner.finish();
        let ended = vm.started().elapsed();
        let dsp_crashes = vm.stats().iter().map(|(_, stats)| stats.crashes).sum();
        for device in vm.devices() {
            device.subsystem().reset("the account is closed");
        }
        let trace = attached.trace.take().map(recorded);
        let release = watching.release.or_else(|| self.release.clone());
        let mut reports: Vec<account::Report> = attached.accounts.iter().map(Account::report).collect();
        for report in &mut reports {
            report.suppress(&self.suppress, release.as_deref().unwrap_or_default());
        }
        let mut fired: Vec<(String, u64)> = Vec::new();
        for watch in &attached.watches {
            for (n, (rule, times)) in watch.fired().into_iter().enumerate() {
                match fired.get_mut(n) {
                    Some(sum) => sum.1 += times,
                    None => fired.push((rule, times)),
                }
            }
        }
        let no_dump = (watching.asked && watching.dump.is_none())
            .then(|| dump::why_none(vm.kernel().config.as_deref(), watching.trigger));
        let scanner = watching.scanner;
        Ok(Observed {
            end,
            release,
            drivers: watching.drivers,
            nodes: watching.nodes,
            started: watching.started.is_some(),
            exit: watching.exit,
            output: scanner.output().to_vec(),
            complaints: scanner.complaints().to_vec(),
            complaints_not_kept: scanner.not_kept(),
            tail: scanner.tail().map(str::to_owned).collect(),
            dump: watching.dump,
            no_dump,
            fired,
            history: attached
                .watches
                .iter()
                .map(|watch| (watch.label().to_owned(), watch.history()))
                .collect(),
            accounts: reports,
            trace,
            dsp_crashes,
            times: (watching.started, ended),
        })
    }
}

/// The end of a trace. The DSPs have been reset.
fn recorded(mut trace: trace::Trace) -> Recorded {
    let summary = trace.close();
    let lost = (summary.lost != 0).then(|| format!("the disk did not keep up with {} packets", summary.lost));
    Recorded {
        path: trace.path().to_owned(),
        incomplete: summary.failed.or(lost),
    }
}

/// A guest that is watched.
struct Watching {
    scanner: Scanner,
    phase: Phase,
    deadline: Instant,
    timeout: Duration,
    release: Option<String>,
    drivers: Option<Vec<Driver>>,
    nodes: Option<String>,
    exit: Option<i64>,
    started: Option<Duration>,
    kmemleak: bool,
    fatal: bool,
    /// Whether the guest has `/proc/sysrq-trigger`.
    trigger: Option<bool>,
    /// A dump was asked for.
    asked: bool,
    dump: Option<Vec<String>>,
}

impl Watching {
    fn until_end(&mut self, vm: &mut Vm, stop: &AtomicBool) -> End {
        loop {
            if stop.load(Ordering::Relaxed) {
                return End::Stopped;
            }
            match vm.next_line(Duration::from_millis(100)) {
                Ok(Some(line)) => self.line(line.at, &line.text),
                Err(VmError::Panicked(text)) => {
                    self.line(vm.started().elapsed(), &text);
                    self.deadline = self.deadline.min(Instant::now() + LAST_WORDS);
                    self.fatal = true;
                }
                Err(VmError::Timeout { .. }) => {}
                Err(error) => return End::Broken(error.to_string()),
                Ok(None) => return self.ended(vm),
            }
            if !self.fatal && self.scanner.complaints().iter().any(|c| c.class.is_fatal()) {
                self.fatal = true;
                self.deadline = self.deadline.min(Instant::now() + AFTER_OOPS);
            }
            if Instant::now() >= self.deadline {
                return self.late(vm, stop);
            }
        }
    }

    fn line(&mut self, at: Duration, text: &str) {
        let Line::Wrapper(words) = self.scanner.line(at, text) else {
            return;
        };
        let (word, rest) = words.split_once(' ').unwrap_or((words, ""));
        match word {
            "kernel" => self.release = Some(rest.to_owned()),
            "drivers" => self.drivers = Some(Driver::named(rest)),
            "sysrq" => self.trigger = Some(rest.trim() == "yes"),
            "nodes" => self.nodes = Some(rest.trim().to_owned()),
            "kmemleak" => {
                self.kmemleak = true;
                self.deadline += SCANNING;
            }
            "start" if self.phase == Phase::Boot => {
                self.phase = Phase::Run;
                self.started = Some(at);
                self.deadline = Instant::now() + self.timeout;
            }
            "done" if self.phase == Phase::Run => {
                self.phase = Phase::Ending;
                self.exit = rest.trim().parse().ok();
                self.deadline = Instant::now() + if self.kmemleak { ENDING + SCANNING } else { ENDING };
            }
            _ => {}
        }
    }

    /// The console has ended.
    fn ended(&mut self, vm: &mut Vm) -> End {
        match vm.wait(Duration::from_secs(10)) {
            Ok(_) if self.phase == Phase::Ending => End::Done,
            Ok(_) if self.fatal => End::Dead,
            Ok(_) if self.phase == Phase::Boot => {
                End::NoBoot("the guest ended before its program started".into())
            }
            Ok(_) => End::Broken("the guest powered off in the middle of its program".into()),
            Err(error) => End::Broken(error.to_string()),
        }
    }

    /// The limit is reached.
    fn late(&mut self, vm: &mut Vm, stop: &AtomicBool) -> End {
        let last = self.scanner.tail().next_back().unwrap_or_default().to_owned();
        let panicked = self
            .scanner
            .complaints()
            .iter()
            .any(|c| c.class == crate::scenario::Class::Panic);
        if panicked || (self.scanner.is_open() && self.fatal) {
            return End::Dead;
        }
        self.take_dump(vm, stop);
        if self.fatal {
            return End::Dead;
        }
        match self.phase {
            Phase::Boot => End::NoBoot(format!(
                "the guest did not get to its program within the time limit; the console's last line: {last:?}"
            )),
            Phase::Run => End::Hang("the program did not end"),
            Phase::Ending => End::Hang("the guest did not power off after the program's end"),
        }
    }

    /// Has the kernel tell what its tasks are doing: first those that are blocked, then all, then what the processors do.
    fn take_dump(&mut self, vm: &mut Vm, stop: &AtomicBool) {
        self.asked = true;
        let mut lines = Vec::new();
        let until = Instant::now() + DUMP;
        // 7: everything is shown from now on.
        for key in ['7', 'w', 't', 'l'] {
            if vm.sysrq(key).is_err() {
                break;
            }
            let mut quiet = 0;
            while quiet < 20
                && Instant::now() < until
                && !stop.load(Ordering::Relaxed)
                && lines.len() < MAX_DUMP
            {
                match vm.next_line(Duration::from_millis(100)) {
                    Ok(Some(line)) => {
                        quiet = 0;
                        if let Line::Kernel(_, text) = super::console::origin(&line.text) {
                            lines.push(text.to_owned());
                        }
                    }
                    Err(VmError::Timeout { .. }) => quiet += 1,
                    _ => break,
                }
            }
        }
        self.dump = lines
            .iter()
            .any(|line| line.starts_with("task:"))
            .then_some(lines);
    }
}
