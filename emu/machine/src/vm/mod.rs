//! Starting stock QEMU with a stock kernel in front of our DSPs.
//!
//! [`Builder`] collects what the guest is made of; [`Builder::prepare`] prepares the platform in a directory of its own
//! and starts the devices, [`Prepared::boot`] starts QEMU. A [`Vm`] is the running guest: its console, its end, the DSPs'
//! counters. Dropping it ends QEMU and removes the directory.

pub mod console;
pub mod cpio;
pub mod initramfs;
pub mod kernel;
pub mod modules;
mod pin;
pub mod platform;
mod prepared;
pub mod qemu;
mod running;
pub mod unpinned;

pub use prepared::Prepared;
pub use running::{Outcome, Vm};

use crate::device::board::domain::Domain;
use crate::device::layout;
use crate::device::tree::IrqPath;
use crate::device::{DeviceError, DspDevice};
use crate::profile::{DspProfile, Profile};
use emu_assets::cache::{Cache, CacheError};
use emu_core::Engine;
use host_files::output::{Existing, OutputError};
use initramfs::{Contents, FirmwareFiles, GuestFile};
use kernel::{Kernel, KernelError};
use platform::{PlatformError, PreparedPlatform, Request};
use qemu::{Machine, Qemu, QemuError};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What init prints when user space is up and the DSP's devices are there (or did not come).
pub const READY: &str = "VH-READY";
/// What init prints when the user's program ended, before its exit code.
pub const EXIT: &str = "VH-EXIT ";
/// What a kernel says before it stops for good.
const PANIC: &str = "Kernel panic - not syncing";
/// The program that runs the user's where runs are to be the same.
const PIN: &str = "/vh/pin";
/// Seconds that a guest stays up for [`Builder::settle`]: twice the account's time of grace, for a host that is busy.
const SETTLE: &str = "1";
/// Where a shared directory appears in the guest.
pub const SHARE: &str = "/share";
/// Where programs of the guest look for skeletons (`DSP_LIBRARY_PATH` of firmware/guest/init).
pub const SKELETONS: &str = "/vh/skel;/share;";

/// Why there is no guest.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// QEMU.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// The kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The platform's files.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The devices.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// What was to stand between DSPs and guest cannot be put in.
    #[error(transparent)]
    Hook(Box<dyn std::error::Error + Send + Sync>),
    /// The initramfs.
    #[error(transparent)]
    Initramfs(#[from] initramfs::ReadError),
    /// There is no user space.
    #[error(
        "there is no guest user space at {0}: run `vhost-hexagon setup`, or name a directory with --root"
    )]
    NoRoot(PathBuf),
    /// Nothing says where there could be one.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The kernel's driver closes the DSP's channel as often as the DSP opens it.
    #[error(
        "the kernel's fastrpc driver is too old to know a DSP with the label {0:?}: take a newer kernel, or another profile with --soc"
    )]
    UnknownLabel(String),
    /// The kernel's driver does not match the DSP's node.
    #[error(
        "the kernel's fastrpc driver is too old for a DSP that is {0:?}, as that of the profile: take a newer kernel (7.3), or another profile with --soc"
    )]
    UnknownCompatible(&'static str),
    /// A file or directory of the user's.
    #[error("cannot use {path}: {source}")]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file for the user.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// QEMU ended by itself, badly.
    #[error("QEMU ended ({status}): {message}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// The kernel gave up.
    #[error("the guest's kernel panicked: {0}")]
    Panicked(String),
    /// Nothing came in time.
    #[error("the guest's console did not show {what} within {seconds} s; its last line: {last:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// Last console line.
        last: String,
    },
    /// The guest ended before what was waited for.
    #[error("the guest ended before its console showed {what}; its last line: {last:?}")]
    Gone {
        /// What was waited for.
        what: String,
        /// Last console line.
        last: String,
    },
    /// The host.
    #[error("cannot run the guest: {0}")]
    Host(#[from] std::io::Error),
}

/// What happens when the program in the guest has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum After {
    /// The guest powers off.
    #[default]
    PowerOff,
    /// The guest reboots (and runs its program again).
    Reboot,
    /// The guest stays as it is.
    Halt,
}

/// Folders of the assets that every guest has, and where.
const EVERY_GUEST: [(&str, &str); 3] = [
    ("guest/bin", "/vh/bin"),
    ("guest/lib", "/vh/lib"),
    ("skel", "/vh/skel"),
];

/// A guest under construction.
#[derive(Debug)]
pub struct Builder {
    kernel: PathBuf,
    modules: Option<PathBuf>,
    without: Option<&'static str>,
    root: Option<PathBuf>,
    profile: Profile,
    platform: layout::PlatformKind,
    firmware: Option<PathBuf>,
    irq: Option<IrqPath>,
    machine: Machine,
    overlays: Vec<PathBuf>,
    share: Option<PathBuf>,
    files: Vec<GuestFile>,
    command: Option<Vec<u8>>,
    append: Vec<String>,
    qemu: Option<PathBuf>,
    qemu_args: Vec<OsString>,
    console_log: Option<(PathBuf, Existing)>,
    interactive: bool,
    after: After,
    deterministic: bool,
    settle: bool,
    dsp_threads: Option<NonZeroUsize>,
    engine: Engine,
    strict_silicon: bool,
}

impl Builder {
    /// A guest with that kernel (a path, or the beginning of a version in the cache) and those DSPs.
    pub fn new(kernel: impl Into<PathBuf>, profile: Profile) -> Self {
        Self {
            kernel: kernel.into(),
            modules: None,
            without: None,
            root: None,
            profile,
            platform: layout::PlatformKind::default(),
            firmware: None,
            irq: None,
            machine: Machine {
                ram: 1 << 30,
                cpus: 2,
            },
            overlays: Vec::new(),
            share: None,
            files: Vec::new(),
            command: None,
            append: Vec::new(),
            qemu: None,
            qemu_args: Vec::new(),
            console_log: None,
            interactive: false,
            after: After::default(),
            deterministic: false,
            settle: false,
            dsp_threads: None,
            engine: Engine::default(),
            strict_silicon: false,
        }
    }

    /// A module that is not to be loaded, by its name.
    #[must_use]
    pub fn without(mut self, module: Option<&'static str>) -> Self {
        self.without = module;
        self
    }

    /// Directory of the kernel's modules (default: `modules` beside the image).
    #[must_use]
    pub fn modules(mut self, path: Option<PathBuf>) -> Self {
        self.modules = path;
        self
    }

    /// Directory of the guest's user space (default: the cache's).
    #[must_use]
    pub fn root(mut self, path: Option<PathBuf>) -> Self {
        self.root = path;
        self
    }

    /// How the kernel meets the DSPs.
    #[must_use]
    pub fn platform(mut self, platform: layout::PlatformKind) -> Self {
        self.platform = platform;
        self
    }

    /// The firmware that the kernel loads into every DSP of a board (default: the program's own).
    #[must_use]
    pub fn firmware(mut self, path: Option<PathBuf>) -> Self {
        self.firmware = path;
        self
    }

    /// How interrupts get in (default: what the kernel supports best).
    #[must_use]
    pub fn irq(mut self, irq: Option<IrqPath>) -> Self {
        self.irq = irq;
        self
    }

    /// RAM and processors.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Compiled device tree overlays.
    #[must_use]
    pub fn overlays(mut self, paths: Vec<PathBuf>) -> Self {
        self.overlays = paths;
        self
    }

    /// A host directory that appears as [`SHARE`].
    #[must_use]
    pub fn share(mut self, path: Option<PathBuf>) -> Self {
        self.share = path;
        self
    }

    /// A file in the guest.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, mode: u32, data: impl Into<Vec<u8>>) -> Self {
        self.files.push(GuestFile {
            path: path.into(),
            mode,
            data: data.into(),
        });
        self
    }

    /// The program to run instead of a shell, with its arguments.
    #[must_use]
    pub fn command(mut self, words: &[String]) -> Self {
        self.command = (!words.is_empty()).then(|| initramfs::command_script(words));
        self
    }

    /// A shell script to run instead of a shell.
    #[must_use]
    pub fn script(mut self, text: &str) -> Self {
        self.command = Some(format!("#!/bin/sh\n{text}\n").into_bytes());
        self
    }

    /// More words for the kernel's command line.
    #[must_use]
    pub fn append(mut self, words: Vec<String>) -> Self {
        self.append = words;
        self
    }

    /// Another QEMU than the one on the path.
    #[must_use]
    pub fn qemu(mut self, program: Option<PathBuf>) -> Self {
        self.qemu = program;
        self
    }

    /// More arguments for QEMU.
    #[must_use]
    pub fn qemu_args(mut self, args: Vec<OsString>) -> Self {
        self.qemu_args = args;
        self
    }

    /// File that gets every byte of the console, and what becomes of one that is there already.
    #[must_use]
    pub fn console_log(mut self, path: Option<PathBuf>, existing: Existing) -> Self {
        self.console_log = path.map(|path| (path, existing));
        self
    }

    /// The console is this process's terminal (there are no console lines then).
    #[must_use]
    pub fn interactive(mut self, on: bool) -> Self {
        self.interactive = on;
        self
    }

    /// What follows the program.
    #[must_use]
    pub fn after(mut self, after: After) -> Self {
        self.after = after;
        self
    }

    /// A guest that does the same each time, as far as it can be had: one processor, fixed seeds, addresses, clock and process
    /// numbers, and a program whose threads run until they wait. Its DSPs have to be made
    /// emu_lab's `Deterministic`, too.
    #[must_use]
    pub fn deterministic(mut self, on: bool) -> Self {
        self.deterministic = on;
        if on {
            self.machine.cpus = 1;
            self.dsp_threads = Some(NonZeroUsize::MIN);
        }
        self
    }

    /// Host threads that run the DSP threads of each process; see `emu_os`'s `ProcessConfig::dsp_threads`. A
    /// [deterministic](Self::deterministic) guest's DSPs have one, whatever is asked for before.
    #[must_use]
    pub fn dsp_threads(mut self, threads: Option<NonZeroUsize>) -> Self {
        self.dsp_threads = threads;
        self
    }

    /// What executes the code of DSP processes.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Vector instructions on floats that the profile's part lacks are an exception.
    #[must_use]
    pub fn strict_silicon(mut self, on: bool) -> Self {
        self.strict_silicon = on;
        self
    }

    /// Leaves the guest up for a second after the program's end. Drivers free what a program leaves from work queues, which a
    /// guest that powers off at once never runs: whoever wants to judge what is left behind needs this.
    #[must_use]
    pub fn settle(mut self, on: bool) -> Self {
        self.settle = on;
        self
    }

    /// Starts devices and QEMU: [`Builder::prepare`] and [`Prepared::boot`].
    ///
    /// # Errors
    /// Theirs.
    pub fn spawn(self) -> Result<Vm, VmError> {
        self.prepare()?.boot()
    }

    /// Starts the devices, and makes everything that QEMU needs. Whoever is to stand between DSPs and guest, or to watch them,
    /// gets in now, before there is anybody to ring.
    ///
    /// # Errors
    /// Anything that is missing or does not fit, in one sentence.
    pub fn prepare(self) -> Result<Prepared, VmError> {
        let qemu = Qemu::find(self.qemu.as_deref())?;
        let kernel = Kernel::open(&self.kernel, self.modules.as_deref())?;
        let irq = self.irq.unwrap_or_else(|| kernel.irq_path());
        for option in kernel.lacks(self.platform, irq, self.profile.dsps.len()) {
            tracing::warn!(target: "emu::vm", "the kernel has no {option} (neither built in nor among the modules): no DSP will appear");
        }
        let directory = host_files::folder::working()?;
        let request = Request {
            profile: &self.profile,
            platform: self.platform,
            machine: self.machine,
            irq,
            overlays: &self.overlays,
            directory: directory.path(),
            socket: &directory.path().join("dsp.sock"),
            qtest: Some(&directory.path().join("qtest.sock")),
            existing: Existing::Keep,
        };
        let platform = PreparedPlatform::prepare(&request, &qemu)?;
        let initrd = directory.path().join("initramfs.cpio");
        std::fs::write(&initrd, self.initramfs(&kernel, irq)?.archive()?).map_err(|source| {
            VmError::Path {
                path: initrd.clone(),
                source,
            }
        })?;
        let mut configs = platform::dsp_configs(&self.profile, kernel.page_size());
        for config in &mut configs {
            config.dsp_threads = self.dsp_threads;
            config.floats.strict = self.strict_silicon;
            config.engine = self.engine;
            config.library_read.searched =
                format!("along DSP_LIBRARY_PATH ({SKELETONS:?} unless the program sets it)");
        }
        let devices = DspDevice::start_all(&platform.attachment, configs)?;

        Ok(Prepared {
            builder: self,
            qemu,
            kernel,
            irq,
            directory,
            initrd,
            platform,
            devices,
        })
    }

    fn initramfs(&self, kernel: &Kernel, irq: IrqPath) -> Result<Contents, VmError> {
        let root = match &self.root {
            Some(root) => root.clone(),
            None => Cache::locate()?.guest_root(),
        };
        if !["bin/busybox", "usr/bin/busybox"]
            .iter()
            .any(|name| root.join(name).exists())
        {
            return Err(VmError::NoRoot(root));
        }
        let after = match self.after {
            After::PowerOff => "poweroff",
            After::Reboot => "reboot",
            After::Halt => "halt",
        };
        let mut options = vec![("after", after.to_owned())];
        let mut files = self.files.clone();
        if self.settle {
            options.push(("settle", SETTLE.to_owned()));
        }
        if self.deterministic {
            options.push(("pin", PIN.to_owned()));
            files.push(GuestFile {
                path: PIN.to_owned(),
                mode: 0o755,
                data: pin::program(),
            });
        }
        // After the user's files, which may be others of the same name.
        for (folder, to) in EVERY_GUEST {
            files.extend(emu_assets::folder(folder).map(|(name, asset)| GuestFile {
                path: format!("{to}/{name}"),
                mode: asset.mode,
                data: asset.bytes().into_owned(),
            }));
        }
        let firmware = match self.platform {
            layout::PlatformKind::Rpm => None,
            layout::PlatformKind::Board => {
                options.push(("boot", self.started_by_init()?));
                Some(self.firmware_files()?)
            }
        };
        let mut copies = Vec::new();
        let mut share_9p = false;
        if let Some(share) = &self.share {
            let share = share.canonicalize().map_err(|source| VmError::Path {
                path: share.clone(),
                source,
            })?;
            if kernel.has_9p() {
                share_9p = true;
                options.push(("shares", format!("share:{SHARE}")));
            } else {
                tracing::warn!(
                    target: "emu::vm",
                    "the kernel has no 9p (CONFIG_9P_FS, CONFIG_NET_9P_VIRTIO): {SHARE} in the guest is a copy of {}",
                    share.display()
                );
                copies.push((share, SHARE.to_owned()));
            }
        }
        let mut wanted = Kernel::wanted(self.platform, irq, share_9p);
        wanted.retain(|name| Some(*name) != self.without);
        let modules = kernel.modules.load_order(&wanted).map_err(KernelError::from)?;
        let labels: Vec<&str> = self.profile.dsps.iter().map(|dsp| dsp.label.as_str()).collect();
        let refused = |label: &&&str| modules.iter().any(|module| module.refuses_label(label));
        if let Some(label) = labels.iter().find(refused) {
            return Err(VmError::UnknownLabel((*label).to_owned()));
        }
        let mut compatibles = self.profile.dsps.iter().map(DspProfile::compatible);
        let unmatched = |compatible: &&str| modules.iter().any(|module| module.does_not_match(compatible));
        if let Some(compatible) = compatibles.find(unmatched) {
            return Err(VmError::UnknownCompatible(compatible));
        }
        options.push(("dsps", labels.join(" ")));
        Ok(Contents {
            root,
            modules,
            options,
            run: self.command.clone(),
            files,
            firmware,
            copies,
        })
    }

    fn firmware_files(&self) -> Result<FirmwareFiles, VmError> {
        let data = match &self.firmware {
            None => emu_assets::dsp_firmware().into_owned(),
            Some(path) => std::fs::read(path).map_err(|source| VmError::Path {
                path: path.clone(),
                source,
            })?,
        };
        let domains = self
            .profile
            .dsps
            .iter()
            .filter_map(|dsp| Domain::by_label(&dsp.label));
        Ok(FirmwareFiles {
            data,
            names: domains.map(|domain| domain.firmware).collect(),
        })
    }

    /// Names of the remote processors that their driver does not start by itself.
    fn started_by_init(&self) -> Result<String, VmError> {
        let layout = layout::Layout::new(&self.profile, self.platform, self.machine.ram)
            .map_err(PlatformError::from)?;
        let dsps = self.profile.dsps.iter().enumerate();
        let names: Vec<_> = dsps
            .filter(|(_, dsp)| {
                Domain::by_label(&dsp.label).is_some_and(|domain| !domain.remoteproc.auto_boot)
            })
            .map(|(index, _)| format!("{:x}.remoteproc", layout.qdsp6ss(index)))
            .collect();
        Ok(names.join(" "))
    }

    fn command_line(&self) -> String {
        let mut words = vec!["console=ttyAMA0", "loglevel=4", "rdinit=/init"];
        if self.platform == layout::PlatformKind::Board {
            // Built-in drivers wait for suppliers that are modules (SMEM for its lock): longer than the usual 10 s, which a
            // busy host needs to get to init, and which would end in a warning for each.
            words.push("deferred_probe_timeout=120");
        }
        if self.deterministic {
            // Device addresses are free when they are unmapped, not when a timer says so.
            words.extend(["nokaslr", "norandmaps", "iommu.strict=1"]);
        }
        words.extend(self.append.iter().map(String::as_str));
        words.join(" ")
    }

    fn console_args(&self, command: &mut Command) {
        if self.interactive {
            let mut console = OsString::from("stdio,id=console,mux=on,signal=off");
            if let Some((log, _)) = &self.console_log {
                console.push(",logfile=");
                console.push(log.display().to_string().replace(',', ",,"));
            }
            command.arg("-chardev").arg(console).args([
                "-serial",
                "chardev:console",
                "-mon",
                "chardev=console",
            ]);
        } else {
            // Shared (mux) because only such a device can be told to send a break: see `Vm::sysrq`.
            command
                .args(["-chardev", "stdio,id=console,mux=on,signal=off"])
                .args(["-serial", "chardev:console"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
        }
    }
}

fn share_args(share: &Path) -> Result<Vec<OsString>, VmError> {
    let path = share.canonicalize().map_err(|source| VmError::Path {
        path: share.to_owned(),
        source,
    })?;
    let path = path.display().to_string().replace(',', ",,");
    let slot = crate::device::layout::FIRST_FREE_SLOT;
    Ok(vec![
        "-fsdev".into(),
        format!("local,id=share,path={path},security_model=none,multidevs=remap").into(),
        "-device".into(),
        format!("virtio-9p-device,fsdev=share,mount_tag=share,bus=virtio-mmio-bus.{slot}").into(),
    ])
}

/// Has the kernel end QEMU when the thread that started it ends, however this process dies.
pub fn end_with_this_thread(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    // SAFETY: the closure runs in the child between fork and exec and makes one system call, which is async-signal-safe;
    // it touches no memory of the parent's.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_kernel_and_a_missing_user_space_are_one_sentence_each() {
        if Qemu::find(None).is_err() {
            return test_needs::skip(test_needs::Need::Tools, "qemu-system-aarch64 is not installed");
        }
        let profile = || Profile::load("qcs6490").unwrap();
        let error = Builder::new("/nonexistent/Image", profile())
            .spawn()
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("there is no kernel at /nonexistent/Image"),
            "{error}"
        );
        let dir = tempfile::tempdir().unwrap();
        let mut image = vec![0; 64];
        image[56..60].copy_from_slice(b"ARM\x64");
        std::fs::write(dir.path().join("Image"), image).unwrap();
        let builder = Builder::new(dir.path().join("Image"), profile()).root(Some(dir.path().to_owned()));
        let error = builder.spawn().err().unwrap().to_string();
        assert!(error.contains("there is no guest user space at"), "{error}");
    }
}
