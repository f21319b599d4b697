//! Devices that wait for their guest, and the start of QEMU.

use super::console;
use super::kernel::Kernel;
use super::platform::PreparedPlatform;
use super::qemu::{self, Qemu, QemuError};
use super::running::Vm;
use super::{Builder, VmError, end_with_this_thread, share_args};
use crate::device::DspDevice;
use crate::device::tree::IrqPath;
use host_files::output;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Devices that wait for their guest, and all that it is started with.
pub struct Prepared {
    pub(super) builder: Builder,
    pub(super) qemu: Qemu,
    pub(super) kernel: Kernel,
    pub(super) irq: IrqPath,
    pub(super) directory: tempfile::TempDir,
    pub(super) initrd: PathBuf,
    pub(super) platform: PreparedPlatform,
    pub(super) devices: Vec<DspDevice>,
}

impl Prepared {
    /// The DSPs.
    #[must_use]
    pub fn devices(&self) -> &[DspDevice] {
        &self.devices
    }

    /// The kernel that will boot.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Starts QEMU. It is killed when the calling *thread* ends, so keep the thread as long as the `Vm`.
    ///
    /// # Errors
    /// QEMU cannot be started, or the console's log not be made.
    pub fn boot(self) -> Result<Vm, VmError> {
        let Self {
            builder,
            qemu,
            kernel,
            irq,
            directory,
            initrd,
            platform,
            devices,
        } = self;
        let mut command = Command::new(qemu.program());
        command.args(qemu::arguments(&builder.machine, irq, &platform.files));
        command
            .arg("-kernel")
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(&initrd)
            .arg("-append")
            .arg(builder.command_line());
        if let (Some(share), true) = (&builder.share, kernel.has_9p()) {
            command.args(share_args(share)?);
        }
        if builder.deterministic {
            // The seed is also where the random number instructions and the device tree's rng-seed come from.
            command.args(["-seed", "1", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]);
            // While the guest computes, its clock counts instructions, 8 ns each: how fast the host is does not decide where in the
            // kernel's work a tick falls, and so not what is freed before what.
            command.args(["-icount", "shift=3"]);
        }
        command.args(&builder.qemu_args);
        builder.console_args(&mut command);
        command.stderr(std::fs::File::create(directory.path().join("qemu.log"))?);
        end_with_this_thread(&mut command);

        let log = match &builder.console_log {
            Some((path, existing)) => Some(output::create(path, *existing)?),
            None => None,
        };
        // In an interactive guest it is QEMU that writes it.
        let log = log.filter(|_| !builder.interactive);
        tracing::debug!(target: "emu::vm", ?command, "QEMU");
        let started = Instant::now();
        let mut child = command.spawn().map_err(|source| QemuError::Start {
            program: qemu.program().display().to_string(),
            source,
        })?;
        let lines = child
            .stdout
            .take()
            .map(|stdout| console::follow(stdout, log, started))
            .transpose()?;
        let stdin = child.stdin.take();
        Ok(Vm {
            child,
            stdin,
            lines,
            started,
            last: String::new(),
            exit: None,
            devices,
            directory,
            kernel,
            platform: platform.attachment.layout.platform,
            irq,
            qemu_version: qemu.version().to_owned(),
        })
    }
}
