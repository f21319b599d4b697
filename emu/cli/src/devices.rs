//! The DSPs of `serve` and `qemu`: started for a QEMU that somebody else's arguments start.

use super::hooks::Hooked;
use anyhow::Context as _;
use emu_machine::device::DspDevice;
use emu_machine::device::layout;
use emu_machine::device::tree::IrqPath;
use emu_machine::profile::{DEFAULT, Profile};
use emu_machine::vm::platform::{PreparedPlatform, Request, dsp_configs};
use emu_machine::vm::qemu::{Machine, Qemu};
use std::path::{Path, PathBuf};

/// Options that `serve` and `qemu` share.
#[derive(clap::Args)]
#[group(skip)]
pub struct Options {
    /// SoC profile: a name (see `profiles`) or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = DEFAULT)]
    soc: String,
    /// How the kernel meets the DSPs: rpm = they simply exist; board = its remoteproc driver loads and starts them.
    #[arg(long, value_enum, default_value_t)]
    pub platform: layout::PlatformKind,
    /// How interrupts reach the guest: qtest works with every kernel, gpio needs CONFIG_GPIO_VIRTIO.
    #[arg(long, value_enum, default_value = "qtest")]
    pub irq: IrqPath,
    /// Page size of the guest's kernel.
    #[arg(long, value_name = "SIZE", default_value = "4K", value_parser = super::messages::size)]
    page_size: u64,
    /// Compiled device tree overlay to apply (may be repeated).
    #[arg(long, value_name = "FILE")]
    dtb_overlay: Vec<PathBuf>,
    #[command(flatten)]
    core: super::core_options::CoreOptions,
    #[command(flatten)]
    hooks: super::hooks::Options,
    /// Release of the guest's kernel, for --suppress.
    #[arg(long, value_name = "RELEASE", default_value = "", requires = "suppress")]
    kernel_release: String,
    /// QEMU program [default: qemu-system-aarch64].
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
}

/// Where the files and sockets between QEMU and the DSPs are.
pub struct Places<'a> {
    /// The machine around the DSPs.
    pub machine: Machine,
    /// Device tree and platform image.
    pub directory: &'a Path,
    /// Socket of the first DSP.
    pub socket: &'a Path,
    /// QEMU's qtest socket.
    pub qtest: Option<&'a Path>,
}

/// DSPs that wait for QEMU, or have it.
pub struct Devices {
    /// The profile they are from.
    pub profile: Profile,
    /// What QEMU is to be told.
    pub platform: PreparedPlatform,
    /// One a DSP.
    pub devices: Vec<DspDevice>,
    hooked: Hooked,
    kernel: String,
}

impl Options {
    /// Reads and checks what the options name, makes the files that will be written and writes the platform's, starts the devices.
    pub fn start(&self, qemu: &Qemu, places: &Places<'_>) -> anyhow::Result<Devices> {
        let profile = Profile::load(&self.soc)?;
        let requested = self.hooks.load(&profile, self.platform)?;
        let page_size = u32::try_from(self.page_size)
            .ok()
            .filter(|n| [4096, 16384, 65536].contains(n))
            .context("--page-size must be 4K, 16K or 64K")?;
        let request = Request {
            profile: &profile,
            platform: self.platform,
            machine: places.machine,
            irq: self.irq,
            overlays: &self.dtb_overlay,
            directory: places.directory,
            socket: places.socket,
            qtest: places.qtest,
            existing: self.hooks.existing(),
        };
        let platform = PreparedPlatform::prepare(&request, qemu)?;
        let devices = DspDevice::start_all(
            &platform.attachment,
            self.core.set(dsp_configs(&profile, page_size)),
        )?;
        let hooked = requested.attach(&devices, String::new(), false, &[])?;
        Ok(Devices {
            profile,
            platform,
            devices,
            hooked,
            kernel: self.kernel_release.clone(),
        })
    }
}

impl Devices {
    /// The end: how often the scenario's rules fired, and the account. True if that is clean or was not asked for.
    pub fn close(mut self) -> anyhow::Result<bool> {
        Ok(self.hooked.close(&self.devices, &self.kernel)?.0)
    }
}
