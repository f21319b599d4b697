//! The guest's kernel: its image, its configuration if that lies beside it, its modules.

use super::modules::{ModuleDir, ModulesError, Setting, config_setting};
use crate::device::layout::PlatformKind;
use crate::device::tree::IrqPath;
use emu_assets::cache::Cache;
use std::path::{Path, PathBuf};

/// What cannot be used as a kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No such file.
    #[error(
        "there is no kernel at {0}: name an arm64 Image with --kernel, or the beginning of the version of one in the cache ({cache})",
        cache = what_the_cache_has()
    )]
    Missing(PathBuf),
    /// Unreadable.
    #[error("cannot read the kernel {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something else.
    #[error("{path} is not an arm64 kernel image: {what}; use arch/arm64/boot/Image or Image.gz")]
    NotAnImage {
        /// Which.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// The modules directory is not usable.
    #[error(transparent)]
    Modules(#[from] ModulesError),
}

/// Options without which the kernel has no FastRPC behind GLINK, with the module each may be.
const NEEDED: &[(&str, &str)] = &[
    ("CONFIG_ARM_SMMU", "arm_smmu"),
    ("CONFIG_VIRTIO_MMIO", "virtio_mmio"),
    ("CONFIG_QCOM_APCS_IPC", "qcom_apcs_ipc_mailbox"),
];
/// What [`PlatformKind::Rpm`] needs besides.
const NEEDED_RPM: &[(&str, &str)] = &[("CONFIG_RPMSG_QCOM_GLINK_RPM", "qcom_glink_rpm")];
/// What [`PlatformKind::Board`] needs besides. (QRTR: without its sockets the remoteproc driver does not probe.)
const NEEDED_BOARD: &[(&str, &str)] = &[
    ("CONFIG_HWSPINLOCK_QCOM", "qcom_hwspinlock"),
    ("CONFIG_QCOM_SMEM", "smem"),
    ("CONFIG_QCOM_SMP2P", "smp2p"),
    ("CONFIG_RPMSG_QCOM_GLINK_SMEM", "qcom_glink_smem"),
    ("CONFIG_QRTR", "qrtr"),
    ("CONFIG_QRTR_SMD", "qrtr_smd"),
    ("CONFIG_QCOM_Q6V5_ADSP", "qcom_q6v5_adsp"),
    ("CONFIG_MFD_SYSCON", "syscon"),
    ("CONFIG_RESET_SIMPLE", "reset_simple"),
    ("CONFIG_MESON_EE_PM_DOMAINS", "meson_ee_pwrc"),
];
/// One of these is the driver.
const DRIVERS: &[(&str, &str)] = &[
    ("CONFIG_QCOM_FASTRPC", "fastrpc"),
    ("CONFIG_DRM_ACCEL_QDA", "qda"),
];

/// A kernel that can be booted.
#[derive(Debug)]
pub struct Kernel {
    /// The image.
    pub image: PathBuf,
    /// Its configuration, if it was found.
    pub config: Option<String>,
    /// Its modules (none if everything is built in).
    pub modules: ModuleDir,
}

impl Kernel {
    /// Takes an image, or the beginning of a version that the cache has (`7.3`), and the directory of its modules
    /// (default: `modules` beside the image).
    ///
    /// # Errors
    /// No kernel there, or unusable modules.
    pub fn open(image: &Path, modules: Option<&Path>) -> Result<Self, KernelError> {
        let image = if image.exists() {
            image.to_owned()
        } else {
            in_cache(image).ok_or_else(|| KernelError::Missing(image.to_owned()))?
        };
        check_image(&image)?;
        let beside = image.parent().unwrap_or(Path::new("."));
        let modules = match modules {
            Some(path) => ModuleDir::open(path)?,
            None if beside.join("modules").is_dir() => ModuleDir::open(&beside.join("modules"))?,
            None => ModuleDir::default(),
        };
        // Beside the image (packages), or at the top of the build tree it lies in.
        let config = ["config", ".config", "../../../.config"]
            .iter()
            .find_map(|name| std::fs::read_to_string(beside.join(name)).ok());
        Ok(Self {
            image,
            config,
            modules,
        })
    }

    /// The kernel's release, if the image says it in the usual place of an uncompressed Image's banner.
    pub fn release(&self) -> Option<String> {
        let bytes = std::fs::read(&self.image).ok()?;
        let marker = b"Linux version ";
        let at = bytes.windows(marker.len()).position(|w| w == marker)? + marker.len();
        let text: Vec<u8> = bytes[at..]
            .iter()
            .copied()
            .take(128)
            .take_while(|b| b.is_ascii_graphic())
            .collect();
        String::from_utf8(text)
            .ok()
            .filter(|text| !text.is_empty() && !text.starts_with('%'))
    }

    /// Whether the option is built in, or a module that is there.
    pub fn has(&self, option: &str, module: &str) -> bool {
        match self
            .config
            .as_deref()
            .map(|config| config_setting(config, option))
        {
            Some(Setting::BuiltIn) => true,
            Some(Setting::Module | Setting::Off) | None => self.modules.contains(module),
        }
    }

    /// The interrupt path this kernel supports best: virtio-gpio needs nothing but vhost-user, qtest works always.
    pub fn irq_path(&self) -> IrqPath {
        if self.has("CONFIG_GPIO_VIRTIO", "gpio_virtio") {
            IrqPath::Gpio
        } else {
            IrqPath::Qtest
        }
    }

    /// Whether the guest can mount a shared directory.
    pub fn has_9p(&self) -> bool {
        self.has("CONFIG_9P_FS", "9p") && self.has("CONFIG_NET_9P_VIRTIO", "9pnet_virtio")
    }

    /// Size of the kernel's pages in bytes, as far as its configuration says.
    pub fn page_size(&self) -> u32 {
        let on = |option| {
            self.config
                .as_deref()
                .is_some_and(|c| config_setting(c, option) == Setting::BuiltIn)
        };
        if on("CONFIG_ARM64_64K_PAGES") {
            65536
        } else if on("CONFIG_ARM64_16K_PAGES") {
            16384
        } else {
            4096
        }
    }

    /// What the configuration says is missing for a DSP to appear; empty if nothing is, or if it is not known.
    pub fn lacks(&self, platform: PlatformKind, irq: IrqPath, dsps: usize) -> Vec<&'static str> {
        if self.config.is_none() {
            return Vec::new();
        }
        let gpio = (irq == IrqPath::Gpio).then_some(("CONFIG_GPIO_VIRTIO", "gpio_virtio"));
        let others = (0..dsps).any(|dsp| !irq.is_gpio_slot(dsp));
        let input = others.then_some(("CONFIG_VIRTIO_INPUT", "virtio_input"));
        let missing =
            |(option, module): &(&'static str, &'static str)| (!self.has(option, module)).then_some(*option);
        let mut out: Vec<_> = NEEDED
            .iter()
            .chain(match platform {
                PlatformKind::Rpm => NEEDED_RPM,
                PlatformKind::Board => NEEDED_BOARD,
            })
            .chain(&gpio)
            .chain(&input)
            .filter_map(missing)
            .collect();
        if !DRIVERS.iter().any(|(option, module)| self.has(option, module)) {
            out.push(DRIVERS[0].0);
        }
        out
    }

    /// Names of the modules to load, in the order that works with every version.
    pub fn wanted(platform: PlatformKind, irq: IrqPath, share: bool) -> Vec<&'static str> {
        let mut names = vec!["virtio_mmio"];
        if irq == IrqPath::Gpio {
            names.push("gpio_virtio");
        }
        names.extend([
            "virtio_input",
            "rpmsg_core",
            "rpmsg_ns",
            "qcom_glink",
            "qcom_apcs_ipc_mailbox",
        ]);
        match platform {
            PlatformKind::Rpm => names.extend(["qcom_glink_rpm", "fastrpc", "qda"]),
            // The DSPs start as soon as the last one is there: what uses their channels comes before.
            PlatformKind::Board => names.extend([
                "qcom_hwspinlock",
                "smem",
                "smp2p",
                "qrtr",
                "qrtr_smd",
                "qmi_helpers",
                "qcom_smd",
                "mdt_loader",
                "qcom_common",
                "qcom_sysmon",
                "qcom_q6v5",
                "qcom_pil_info",
                "qcom_pd_mapper",
                "apr",
                "q6core",
                "fastrpc",
                "qda",
                "qcom_q6v5_adsp",
            ]),
        }
        if share {
            names.extend(["9pnet_virtio", "9p"]);
        }
        names
    }
}

/// The newest kernel of the cache whose version begins like this.
fn in_cache(version: &Path) -> Option<PathBuf> {
    let wanted = version
        .to_str()
        .filter(|v| v.starts_with(|c: char| c.is_ascii_digit()) && !v.contains('/'))?;
    Cache::locate().ok()?.image(wanted)
}

/// Stock kernels in the cache, oldest first: release and image. (Those that were built, or fetched by their whole version, are
/// not among them; they are taken only by name.)
pub fn kernels() -> Vec<(String, PathBuf)> {
    let Ok(cache) = Cache::locate() else {
        return Vec::new();
    };
    let with_image = |release: String| {
        let image = cache.kernel(&release).join("Image");
        (release, image)
    };
    cache.kernels().into_iter().map(with_image).collect()
}

/// The kernels of the cache for people, or how they come to be there.
pub fn what_the_cache_has() -> String {
    let cache = match Cache::locate() {
        Ok(cache) => cache,
        Err(error) => return error.to_string(),
    };
    let all = [cache.kernels(), cache.extra_kernels()].concat();
    if all.is_empty() {
        let dir = cache.root().display();
        format!("{dir} has none: `vhost-hexagon setup` fetches stock ones")
    } else {
        all.join(", ")
    }
}

fn check_image(path: &Path) -> Result<(), KernelError> {
    use std::io::Read as _;
    let read = |source| KernelError::Read {
        path: path.to_owned(),
        source,
    };
    let mut head = Vec::new();
    std::fs::File::open(path)
        .map_err(read)?
        .take(64)
        .read_to_end(&mut head)
        .map_err(read)?;
    let arm64 = head.get(56..60) == Some(b"ARM\x64");
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    let zboot = head.get(4..8) == Some(b"zimg");
    let what = match &head[..head.len().min(4)] {
        _ if arm64 || gzip || zboot => return Ok(()),
        b"\x7fELF" => "it is an ELF file (vmlinux?)",
        [b'M', b'Z', ..] => "it is an EFI image for another architecture",
        _ => "it has no arm64 Image header",
    };
    Err(KernelError::NotAnImage {
        path: path.to_owned(),
        what,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(dir: &Path) -> PathBuf {
        let mut bytes = vec![0; 64];
        bytes[56..60].copy_from_slice(b"ARM\x64");
        bytes.extend_from_slice(b"....Linux version 7.3.4+deb13-arm64 (debian)\n");
        std::fs::write(dir.join("Image"), bytes).unwrap();
        dir.join("Image")
    }

    #[test]
    fn configuration_and_modules_beside_the_image_decide_the_interrupt_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = image(dir.path());
        assert_eq!(Kernel::open(&path, None).unwrap().irq_path(), IrqPath::Qtest);
        std::fs::write(dir.path().join("config"), "CONFIG_GPIO_VIRTIO=m\n").unwrap();
        assert_eq!(Kernel::open(&path, None).unwrap().irq_path(), IrqPath::Qtest);
        std::fs::create_dir(dir.path().join("modules")).unwrap();
        std::fs::write(dir.path().join("modules/gpio-virtio.ko"), "").unwrap();
        let kernel = Kernel::open(&path, None).unwrap();
        assert_eq!((kernel.irq_path(), kernel.page_size()), (IrqPath::Gpio, 4096));
        std::fs::write(
            dir.path().join("config"),
            "CONFIG_GPIO_VIRTIO=y\nCONFIG_ARM64_64K_PAGES=y\n",
        )
        .unwrap();
        let kernel = Kernel::open(&path, None).unwrap();
        assert_eq!((kernel.irq_path(), kernel.page_size()), (IrqPath::Gpio, 65536));
        assert_eq!(kernel.release().as_deref(), Some("7.3.4+deb13-arm64"));
        assert!(
            kernel
                .lacks(PlatformKind::Rpm, IrqPath::Gpio, 2)
                .contains(&"CONFIG_QCOM_FASTRPC")
        );
        assert!(
            kernel
                .lacks(PlatformKind::Rpm, IrqPath::Gpio, 2)
                .contains(&"CONFIG_VIRTIO_INPUT")
        );
        assert!(
            !kernel
                .lacks(PlatformKind::Rpm, IrqPath::Gpio, 1)
                .contains(&"CONFIG_VIRTIO_INPUT")
        );
        assert!(
            !kernel
                .lacks(PlatformKind::Rpm, IrqPath::Gpio, 2)
                .contains(&"CONFIG_GPIO_VIRTIO")
        );
    }

    #[test]
    fn a_board_needs_other_drivers_and_starts_the_dsps_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = image(dir.path());
        std::fs::write(
            dir.path().join("config"),
            "CONFIG_QCOM_SMEM=y\nCONFIG_QCOM_SMP2P=m\n",
        )
        .unwrap();
        let lacks = Kernel::open(&path, None)
            .unwrap()
            .lacks(PlatformKind::Board, IrqPath::Qtest, 2);
        assert!(lacks.contains(&"CONFIG_QCOM_Q6V5_ADSP") && lacks.contains(&"CONFIG_QCOM_SMP2P"));
        assert!(!lacks.contains(&"CONFIG_QCOM_SMEM") && !lacks.contains(&"CONFIG_RPMSG_QCOM_GLINK_RPM"));
        let wanted = Kernel::wanted(PlatformKind::Board, IrqPath::Qtest, false);
        assert_eq!(wanted.last(), Some(&"qcom_q6v5_adsp"));
        let wanted = Kernel::wanted(PlatformKind::Rpm, IrqPath::Qtest, false);
        assert!(!wanted.contains(&"qcom_q6v5_adsp"));
    }

    #[test]
    fn what_is_not_a_kernel_is_said_in_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let error = Kernel::open(&dir.path().join("none"), None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("there is no kernel at") && error.contains("--kernel"),
            "{error}"
        );
        std::fs::write(dir.path().join("vmlinux"), b"\x7fELF and more").unwrap();
        let error = Kernel::open(&dir.path().join("vmlinux"), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("is an ELF file"), "{error}");
        let path = image(dir.path());
        let error = Kernel::open(&path, Some(Path::new("/nonexistent")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent"), "{error}");
    }
}
