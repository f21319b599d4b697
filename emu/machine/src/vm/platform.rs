//! What stands between a profile and a running device: the files QEMU is given, and how the devices are attached.

use super::qemu::{Files, Machine, Qemu, QemuError};
use crate::device::layout::{self, Layout, LayoutError};
use crate::device::tree::{IrqPath, TreeError};
use crate::device::{Attachment, image, tree};
use crate::profile::{DspProfile, Profile};
use emu_os::services::DspConfig;
use host_files::output::{self, Existing, OutputError};
use std::path::{Path, PathBuf};

/// Why the platform cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// The RAM size.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// QEMU's tree could not be had.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// The device tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// SMEM.
    #[error("SMEM of this machine cannot be made: {0}")]
    Smem(#[from] rpmsg::smem::ImageError),
    /// An overlay.
    #[error("cannot read the overlay {path}: {source}")]
    Overlay {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file for QEMU cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A place for files that are needed for a moment cannot be had.
    #[error("cannot make a working folder: {0}")]
    Folder(#[source] std::io::Error),
}

/// A prepared platform.
#[derive(Debug)]
pub struct PreparedPlatform {
    /// Files and sockets for QEMU.
    pub files: Files,
    /// How the devices attach.
    pub attachment: Attachment,
}

/// What a platform is made from.
#[derive(Debug)]
pub struct Request<'a> {
    /// The machine's DSPs.
    pub profile: &'a Profile,
    /// How the kernel meets them.
    pub platform: layout::PlatformKind,
    /// The machine around them.
    pub machine: Machine,
    /// How interrupts get in.
    pub irq: IrqPath,
    /// Compiled device tree overlays of the user's.
    pub overlays: &'a [PathBuf],
    /// Where device tree and image are written.
    pub directory: &'a Path,
    /// The socket of the first DSP; the others' have `-LABEL` appended.
    pub socket: &'a Path,
    /// QEMU's qtest socket, if it is to have one.
    pub qtest: Option<&'a Path>,
    /// What becomes of other files under the names of those that are written.
    pub existing: Existing,
}

impl PreparedPlatform {
    /// Writes device tree and platform image.
    ///
    /// # Errors
    /// An impossible RAM size, a QEMU that does not give its tree, a bad overlay, a file that cannot be written or is there already.
    pub fn prepare(request: &Request<'_>, qemu: &Qemu) -> Result<Self, PlatformError> {
        let layout = Layout::new(request.profile, request.platform, request.machine.ram)?;
        let mut overlays = Vec::new();
        for path in request.overlays {
            overlays.push(std::fs::read(path).map_err(|source| PlatformError::Overlay {
                path: path.clone(),
                source,
            })?);
        }
        let scratch = host_files::folder::working().map_err(PlatformError::Folder)?;
        let base = qemu.device_tree(&request.machine, scratch.path())?;
        let dtb = tree::build(&base, request.profile, &layout, request.irq, &overlays)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = request.directory.join(name);
            output::write(&path, bytes, request.existing)?;
            Ok::<_, OutputError>(path)
        };
        let mut images = Vec::new();
        for part in image::build(request.profile, &layout)? {
            let path = write(&format!("{}.bin", part.name), &part.bytes)?;
            images.push((part.address, path));
        }
        let files = Files {
            dtb: write("platform.dtb", &dtb)?,
            images,
            sockets: sockets(request.profile, request.socket),
            qtest: request.qtest.map(Path::to_owned),
        };
        let attachment = Attachment {
            layout,
            irq: request.irq,
            qtest: request.qtest.map(Path::to_owned),
            sockets: files.sockets.clone(),
        };
        Ok(Self { files, attachment })
    }
}

fn sockets(profile: &Profile, first: &Path) -> Vec<PathBuf> {
    let named = |(i, dsp): (usize, &DspProfile)| {
        if i == 0 {
            return first.to_owned();
        }
        let mut name = first.as_os_str().to_owned();
        name.push(format!("-{}", dsp.label));
        PathBuf::from(name)
    };
    profile.dsps.iter().enumerate().map(named).collect()
}

/// How each DSP of a profile behaves with a guest kernel of that page size.
pub fn dsp_configs(profile: &Profile, page_size: u32) -> Vec<DspConfig> {
    profile
        .dsps
        .iter()
        .map(|dsp| dsp_config(dsp, page_size))
        .collect()
}

fn dsp_config(dsp: &DspProfile, page_size: u32) -> DspConfig {
    let streams = dsp.banks.iter().map(|bank| (bank.reg, bank.stream)).collect();
    let mut config = DspConfig::new(dsp.label.clone(), dsp.arch, dsp.arch_word(), streams);
    config.vtcm = dsp.vtcm_kib << 10;
    config.hvx_units = dsp.hvx_contexts;
    config.floats.has = dsp.vector_float;
    config.hardware_threads = dsp.hardware_threads;
    config.attributes = DspConfig::standard_attributes(dsp.arch_word(), dsp.hvx_contexts, config.vtcm);
    config.addressing.sid_position = dsp.sid();
    config.addressing.page_size = page_size;
    config.sensors = dsp.sensors;
    let shared = dsp.banks.iter().filter(|bank| bank.sessions > 1);
    config.shared_banks = shared.map(|bank| (bank.reg, bank.sessions)).collect();
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dsp_has_its_own_socket_and_streams() {
        let profile = Profile::load("qcs6490").unwrap();
        let sockets = sockets(&profile, Path::new("/x/dsp.sock"));
        assert_eq!(sockets, [Path::new("/x/dsp.sock"), Path::new("/x/dsp.sock-adsp")]);
        let configs = dsp_configs(&profile, 4096);
        assert_eq!(configs[1].streams.get(&5), Some(&0x1805));
        assert_eq!((configs[0].vtcm, configs[0].hvx_units), (2 << 20, 4));
        let sessions: u32 = profile.dsps[1].banks.iter().map(|bank| bank.sessions).sum();
        assert!(
            !configs[1].shared_banks.is_empty(),
            "the ADSP's last bank has several"
        );
        assert_eq!(configs[1].sessions(), sessions as usize);
        // what the kernel asks for: unsigned, 128-byte HVX, VTCM, version, matrix unit
        let of =
            |dsp: usize| [1, 3, 4, 5, 6, 7, 8].map(|n| configs[dsp].attributes.get(&n).copied().unwrap_or(0));
        assert_eq!(of(0), [1, 4, 2 << 20, 1, 0x68, 32, 64]);
        assert_eq!(of(1), [1, 0, 0, 0, 0x68, 0, 0]);
    }
}
