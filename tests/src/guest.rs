//! A guest for tests: `vhost-hexagon run` as a user would start it, its console line by line, every wait bounded.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use emu_machine::control::{Request, ask};
use emu_machine::device::layout::PlatformKind;
use emu_machine::profile::Profile;
use emu_machine::vm::Builder;

use crate::assets::{self, Kernel};

/// A guest or program that has not ended, or come to the next thing that is waited for, after this long hangs. Nothing is
/// judged by how fast it is: a machine with ten others at work on it is slow.
pub const HANG: Duration = Duration::from_secs(30 * 60);

/// A running guest; it is killed when dropped.
pub struct Guest {
    child: Child,
    lines: Receiver<String>,
    /// Everything the console said so far.
    pub console: String,
    /// Where the emulator's own messages go.
    pub log: PathBuf,
    scratch: tempfile::TempDir,
}

/// What a DSP is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DspStatus {
    /// Domain label.
    pub label: String,
    /// Processes alive.
    pub processes: u64,
    /// Calls that are not answered.
    pub open_calls: u64,
}

/// What a guest is started with.
pub struct Boot<'a> {
    /// Name of the boot, for the log's file name.
    pub name: &'a str,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// A shell script that becomes the guest's `/vh/run`.
    pub script: &'a str,
    /// More arguments for `vhost-hexagon run`.
    pub arguments: &'a [&'a str],
}

/// A C program of `tests/guest` built for a guest, with these options; a test is skipped without a compiler for it.
///
/// # Panics
/// It does not compile. See [`test_needs::skip`] for the other case.
#[track_caller]
pub fn program_or_skip(name: &str, options: &[&str], into: &Path) -> Option<PathBuf> {
    let program = into.join(name);
    let compiled = Command::new("aarch64-linux-gnu-gcc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg("-I")
        .arg(assets::workspace().join("firmware/guest"))
        .arg("-o")
        .arg(&program)
        .arg(assets::workspace().join(format!("tests/guest/{}.c", name.replace('-', "_"))))
        .output();
    let Ok(compiled) = compiled else {
        assets::skip_without_tool("there is no aarch64-linux-gnu-gcc");
        return None;
    };
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}");
    Some(program)
}

/// The files a guest test needs, or why it cannot run.
pub fn requirements(series: &str) -> Result<(Kernel, PathBuf), String> {
    let kernel = assets::kernel(series).ok_or_else(|| {
        format!("no stock kernel {series} is in the cache (`cargo xtask setup` fetches one)")
    })?;
    let firmware = assets::firmware();
    let program = assets::programs().join("vhost-hexagon");
    if !program.is_file() {
        return Err(format!("{} is not built", program.display()));
    }
    if std::env::var_os("VH_SKIP_E2E").is_some() {
        return Err("VH_SKIP_E2E is set".into());
    }
    Ok((kernel, firmware))
}

/// A guest in this process, for tests that reach for its devices: a board with the tests' programs and skeletons, and a script that
/// becomes the guest's program. The kernel's release with it; a test is skipped where guests cannot run.
///
/// # Panics
/// When the firmware's files cannot be read.
pub fn board(series: &str, script: &str) -> Option<(Builder, Kernel)> {
    let (kernel, firmware) = assets::or_skip(requirements(series))?;
    let profile = Profile::load("qcs6490").expect("the default profile");
    let mut builder = Builder::new(kernel.dir.join("Image"), profile)
        .platform(PlatformKind::Board)
        .firmware(Some(firmware.join("dsp/dsp.mbn")))
        .script(script);
    for (folder, to) in [("guest/bin", "/vh/bin"), ("skel", "/vh/skel")] {
        let folder = std::fs::read_dir(firmware.join(folder)).expect("the firmware's folders");
        for entry in folder.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let data = std::fs::read(entry.path()).expect("the firmware's files");
            builder = builder.file(format!("{to}/{name}"), 0o755, data);
        }
    }
    Some((builder, kernel))
}

impl Guest {
    /// Starts the guest.
    ///
    /// # Panics
    /// When the program cannot be started or a file cannot be written: a test cannot go on then.
    pub fn start(boot: &Boot<'_>, firmware: &Path) -> Guest {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let script = scratch.path().join("run");
        std::fs::write(&script, boot.script).expect("the guest's script");
        let logs = assets::programs().join("../e2e-logs");
        std::fs::create_dir_all(&logs).expect("a folder for logs");
        let log = logs.join(format!("{}-{}.log", boot.name, boot.kernel.release));
        let messages = std::fs::File::create(&log).expect("a log file");
        let mut command = Command::new(assets::programs().join("vhost-hexagon"));
        command
            .arg("run")
            .arg("--kernel")
            .arg(boot.kernel.dir.join("Image"));
        command.arg("--modules").arg(boot.kernel.dir.join("modules"));
        let mut add = |from: &Path, to: &str| {
            command.arg("--file").arg(format!("{}:{to}", from.display()));
        };
        let real = test_needs::testdata().map(|data| data.join("qualcomm-fastrpc"));
        let folders = [
            (Some(firmware.join("guest/bin")), "/vh/bin"),
            (Some(firmware.join("skel")), "/vh/skel"),
            (real, "/vh/real"),
        ];
        for (folder, to) in folders {
            for entry in folder
                .and_then(|dir| std::fs::read_dir(dir).ok())
                .into_iter()
                .flatten()
                .flatten()
            {
                add(
                    &entry.path(),
                    &format!("{to}/{}", entry.file_name().to_string_lossy()),
                );
            }
        }
        add(&script, "/vh/script");
        let dsp = firmware.join("dsp/dsp.mbn");
        if dsp.is_file() {
            command.arg("--firmware").arg(dsp);
        }
        command.arg("--control").arg(scratch.path().join("control"));
        command.args(boot.arguments).args(["--", "/bin/sh", "/vh/script"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(messages);
        let mut child = command.spawn().expect("vhost-hexagon starts");
        let output = child.stdout.take().expect("its output");
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Guest {
            child,
            lines,
            console: String::new(),
            log,
            scratch,
        }
    }

    /// Reads console lines, each given to `each`, until that returns true or the guest ends. False when neither happens
    /// before it hangs.
    pub fn read_until(&mut self, mut each: impl FnMut(&Guest, &str) -> bool) -> bool {
        let end = Instant::now() + HANG;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.console.push_str(&line);
                    self.console.push('\n');
                    if each(self, &line) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Does what the guest's script asks for in a line "@ctl …", with the words of `vhost-hexagon ctl`: `crash DSP REASON` or
    /// `watchdog DSP`. Repeated until the DSP can do it: the kernel may call it up a moment before.
    ///
    /// # Panics
    /// When the line asks for something else, or the DSP never can do it.
    pub fn obey(&self, line: &str) {
        let Some(text) = line.strip_prefix("@ctl ") else {
            return;
        };
        let words: Vec<&str> = text.splitn(3, ' ').collect();
        let request = match words[..] {
            ["crash", dsp, reason] => Request::Crash {
                dsp: dsp.to_owned(),
                reason: reason.to_owned(),
            },
            ["watchdog", dsp] => Request::Watchdog { dsp: dsp.to_owned() },
            _ => panic!("the guest's script asks for {text:?}"),
        };
        let end = Instant::now() + HANG;
        while let Err(error) = ask(&self.scratch.path().join("control"), &request) {
            assert!(Instant::now() < end, "{line}: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Memory of its own (not the guest's RAM, which is shared) that the emulator's process uses, in KiB.
    pub fn emulator_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("RssAnon:"))
            .unwrap_or("0");
        line.split_whitespace()
            .next()
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    }

    /// What the DSPs are doing.
    ///
    /// # Panics
    /// When the emulator does not tell.
    pub fn status(&self) -> Vec<DspStatus> {
        let answer = ask(&self.scratch.path().join("control"), &Request::Status).expect("the DSPs' status");
        let dsps = answer["dsps"].as_array().expect("a list of DSPs");
        let status = |dsp: &serde_json::Value| {
            let number = |name: &str| dsp[name].as_u64().expect("a number");
            DspStatus {
                label: dsp["label"].as_str().expect("a label").to_owned(),
                processes: number("processes"),
                open_calls: number("messages_in").abs_diff(number("messages_out")),
            }
        };
        dsps.iter().map(status).collect()
    }

    /// Waits for the end and gives the exit code; `None` when a signal ended it, or nothing did.
    pub fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + HANG;
        while Instant::now() < end {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(status)) => return status.code(),
                Err(_) => return None,
            }
        }
        None
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // SIGTERM first: the emulator has a QEMU to take down with it.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
