//! A running guest: its console, its end, the DSPs' counters.

use super::console::ConsoleLine;
use super::kernel::Kernel;
use super::{EXIT, PANIC, VmError};
use crate::device::DspDevice;
use crate::device::layout::PlatformKind;
use crate::device::tree::IrqPath;
use emu_os::services::DspStats;
use std::io::Write as _;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A running guest.
pub struct Vm {
    pub(super) child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) lines: Option<Receiver<ConsoleLine>>,
    pub(super) started: Instant,
    pub(super) last: String,
    pub(super) exit: Option<i32>,
    pub(super) devices: Vec<DspDevice>,
    pub(super) directory: tempfile::TempDir,
    pub(super) kernel: Kernel,
    pub(super) platform: PlatformKind,
    pub(super) irq: IrqPath,
    pub(super) qemu_version: String,
}

/// How a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code of the program that ran, if it ended before the guest did.
    pub exit: Option<i32>,
    /// From power-on to the end.
    pub time: Duration,
}

impl Vm {
    /// The next line of the console; `None` when the guest has ended. Never `Some` for an interactive guest.
    ///
    /// # Errors
    /// Nothing came in time, or the kernel panicked.
    pub fn next_line(&mut self, timeout: Duration) -> Result<Option<ConsoleLine>, VmError> {
        let Some(lines) = &self.lines else { return Ok(None) };
        match lines.recv_timeout(timeout) {
            Ok(line) => {
                if let Some((_, code)) = line.text.split_once(EXIT) {
                    self.exit = code.split_whitespace().next().and_then(|word| word.parse().ok());
                }
                self.last.clone_from(&line.text);
                if line.text.contains(PANIC) {
                    return Err(VmError::Panicked(line.text));
                }
                Ok(Some(line))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(VmError::Timeout {
                what: "anything".to_owned(),
                seconds: timeout.as_secs(),
                last: self.last.clone(),
            }),
        }
    }

    /// Reads the console until a line contains `text`; returns that line.
    ///
    /// # Errors
    /// It did not come in time, or the guest ended.
    pub fn wait_for(&mut self, text: &str, timeout: Duration) -> Result<ConsoleLine, VmError> {
        let deadline = Instant::now() + timeout;
        let what = format!("{text:?}");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next_line(left) {
                Ok(Some(line)) if line.text.contains(text) => return Ok(line),
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Err(VmError::Gone {
                        what,
                        last: self.last.clone(),
                    });
                }
                Err(VmError::Timeout { .. }) => {
                    return Err(VmError::Timeout {
                        what,
                        seconds: timeout.as_secs(),
                        last: self.last.clone(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Types a line on the console.
    ///
    /// # Errors
    /// The guest is gone, or its console is a terminal.
    pub fn type_line(&mut self, text: &str) -> Result<(), VmError> {
        let stdin = self
            .stdin
            .as_mut()
            .ok_or_else(|| std::io::Error::other("the console is not ours to type on"))?;
        stdin.write_all(format!("{text}\n").as_bytes())?;
        Ok(stdin.flush()?)
    }

    /// Presses a magic SysRq key on the serial console: a break, then the key. (Ctrl-A b is how a shared character device of
    /// QEMU's is told to send one.)
    ///
    /// # Errors
    /// The guest is gone, or its console is a terminal.
    pub fn sysrq(&mut self, key: char) -> Result<(), VmError> {
        let stdin = self
            .stdin
            .as_mut()
            .ok_or_else(|| std::io::Error::other("the console is not ours to type on"))?;
        stdin.write_all(b"\x01b")?;
        stdin.write_all(key.encode_utf8(&mut [0; 4]).as_bytes())?;
        Ok(stdin.flush()?)
    }

    /// Waits for the guest's end, throwing console lines away.
    ///
    /// # Errors
    /// It did not end in time, or QEMU failed.
    pub fn wait(&mut self, timeout: Duration) -> Result<Outcome, VmError> {
        let deadline = Instant::now() + timeout;
        let late = |last: &str| VmError::Timeout {
            what: "the guest's end".to_owned(),
            seconds: timeout.as_secs(),
            last: last.to_owned(),
        };
        loop {
            match self.next_line(deadline.saturating_duration_since(Instant::now())) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(VmError::Timeout { .. }) => return Err(late(&self.last)),
                Err(error) => return Err(error),
            }
        }
        loop {
            if let Some(status) = self.child.try_wait()? {
                return self.outcome(status);
            }
            if Instant::now() > deadline {
                return Err(late(&self.last));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the guest's end without limit (an interactive guest).
    ///
    /// # Errors
    /// QEMU failed.
    pub fn wait_forever(&mut self) -> Result<Outcome, VmError> {
        let status = self.child.wait()?;
        self.outcome(status)
    }

    fn outcome(&self, status: ExitStatus) -> Result<Outcome, VmError> {
        if !status.success() {
            let message = std::fs::read_to_string(self.directory.path().join("qemu.log")).unwrap_or_default();
            return Err(VmError::Ended {
                status,
                message: message.trim().to_owned(),
            });
        }
        Ok(Outcome {
            exit: self.exit,
            time: self.started.elapsed(),
        })
    }

    /// Ends QEMU at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// QEMU's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The DSPs.
    pub fn devices(&self) -> &[DspDevice] {
        &self.devices
    }

    /// Counters of all DSPs: label, counters.
    pub fn stats(&self) -> Vec<(String, DspStats)> {
        self.devices
            .iter()
            .map(|device| (device.label().to_owned(), device.stats()))
            .collect()
    }

    /// The kernel that runs.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// How the kernel meets the DSPs.
    pub fn platform(&self) -> PlatformKind {
        self.platform
    }

    /// The interrupt path in use.
    pub fn irq(&self) -> IrqPath {
        self.irq
    }

    /// QEMU's version.
    pub fn qemu_version(&self) -> &str {
        &self.qemu_version
    }

    /// When QEMU was started.
    pub fn started(&self) -> Instant {
        self.started
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}
