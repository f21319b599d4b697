//! What a guest needs of a kernel: the Image, the configuration, and the few modules that a DSP needs, taken from unpacked packages or
//! from a build folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Modules that are kept when a kernel has them (their dependencies come along). The first two lines are the simple
/// platform, the third shares folders with the guest, the last two are the remoteproc platform.
const WANTED: &[&str] = &[
    "virtio_mmio",
    "virtio_pci",
    "virtio_input",
    "gpio_virtio",
    "evdev",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "rpmsg_core",
    "rpmsg_ns",
    "rpmsg_char",
    "qcom_glink",
    "qcom_apcs_ipc_mailbox",
    "qcom_glink_rpm",
    "fastrpc",
    "qda",
    "9p",
    "9pnet_virtio",
    "virtiofs",
    "overlay",
    "qcom_hwspinlock",
    "qcom_smem",
    "qcom_glink_smem",
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
    "qcom_q6v5_adsp",
    "qcom_ipcc",
    "socinfo",
    "qcom_pd_mapper",
    "apr",
    "q6core",
];

/// Copies a kernel out of its build folder: Image, configuration, and all modules.
///
/// # Errors
/// Something of it is not there.
pub fn install_built(out: &Path, target: &Path) -> Result<()> {
    make_folder(target)?;
    install_image(&out.join("arch/arm64/boot/Image"), &target.join("Image"))?;
    copy(&out.join(".config"), &target.join("config"))?;
    let built = std::fs::read_to_string(out.join("modules.order")).unwrap_or_default();
    let mut deps = BTreeMap::new();
    for line in built.lines() {
        let object = out.join(line).with_extension("ko");
        let stem = object
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace('-', "_");
        let kept = target.join("modules").join(format!("{stem}.ko"));
        let bytes = read(&object)?;
        write(&kept, &bytes)?;
        deps.insert(stem, needed_modules(&bytes));
    }
    write_deps(&deps, target)
}

/// `modules.dep` of a flat folder of modules.
fn write_deps(deps: &BTreeMap<String, Vec<String>>, target: &Path) -> Result<()> {
    let mut text = String::new();
    for (module, needs) in deps {
        let present = needs.iter().filter(|n| deps.contains_key(*n));
        let present: String = present.map(|n| format!(" {n}.ko")).collect();
        text.push_str(&format!("{module}.ko:{present}\n"));
    }
    write(&target.join("modules/modules.dep"), text.as_bytes())
}

/// Moves what a guest needs of an unpacked kernel to `target`.
pub(crate) fn reduce(unpacked: &Path, release: &str, target: &Path) -> Result<()> {
    make_folder(target)?;
    let tree = unpacked.join("usr/lib/modules").join(release);
    let tree = if tree.is_dir() {
        tree
    } else {
        unpacked.join("lib/modules").join(release)
    };
    let first = |candidates: &[PathBuf]| candidates.iter().find(|p| p.is_file()).cloned();
    let image = first(&[
        tree.join("vmlinuz.unsigned"),
        tree.join("vmlinuz"),
        unpacked.join("boot").join(format!("vmlinuz-{release}")),
        unpacked.join("boot").join(format!("vmlinuz-{release}.unsigned")),
    ])
    .ok_or_else(|| Error::Layout(format!("kernel {release} has no image where one was expected")))?;
    install_image(&image, &target.join("Image"))?;
    if let Some(config) = first(&[
        tree.join("config"),
        unpacked.join("boot").join(format!("config-{release}")),
    ]) {
        copy(&config, &target.join("config"))?;
    }
    let all = module_files(&tree)?;
    let mut deps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: BTreeSet<String> = WANTED.iter().map(|m| (*m).to_owned()).collect();
    while let Some(module) = open.pop_first() {
        let Some(file) = all.get(&module) else { continue };
        let kept = target.join("modules").join(format!("{module}.ko"));
        let bytes = decompress(file)?;
        write(&kept, &bytes)?;
        let needs = needed_modules(&bytes);
        open.extend(needs.iter().filter(|n| !deps.contains_key(*n)).cloned());
        deps.insert(module, needs);
    }
    if !deps.contains_key("fastrpc") {
        return Err(Error::Layout(format!("kernel {release} has no fastrpc module")));
    }
    write_deps(&deps, target)
}

/// Puts a bootable Image in place; an EFI "zboot" wrapper (Linux drivers/firmware/efi/libstub/zboot-header.S) is taken off, because its
/// payload is the Image itself.
fn install_image(from: &Path, to: &Path) -> Result<()> {
    let bytes = read(from)?;
    let broken = |what: &str| Error::Unpack {
        path: from.to_owned(),
        what: what.to_owned(),
    };
    if bytes.get(4..8) != Some(b"zimg") {
        return write(to, &bytes);
    }
    let word = |at: usize| {
        let field = bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        field.map(|b| u32::from_le_bytes(b) as usize)
    };
    let payload = word(8)
        .zip(word(12))
        .and_then(|(offset, size)| bytes.get(offset..)?.get(..size))
        .ok_or_else(|| broken("its payload is not in the file"))?;
    let kind = bytes.get(24..56).unwrap_or_default();
    let format = match kind.split(|byte| *byte == 0).next().unwrap_or_default() {
        b"gzip" => Format::Gzip,
        b"zstd" | b"zstd22" => Format::Zstd,
        other => {
            let other = other.escape_ascii();
            return Err(broken(&format!(
                "it is packed as `{other}`, which is not known here"
            )));
        }
    };
    let image = format.unpack(payload).map_err(|what| broken(&what))?;
    write(to, &image)
}

/// All modules below a tree: name (with `_` for `-`) → file.
fn module_files(tree: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut open = vec![tree.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).map_err(Error::file(&dir))? {
            let entry = entry.map_err(Error::file(&dir))?;
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if let Some((stem, "" | ".xz" | ".zst" | ".gz")) =
                entry.file_name().to_string_lossy().split_once(".ko")
            {
                found.insert(stem.replace('-', "_"), path);
            }
        }
    }
    Ok(found)
}

fn decompress(from: &Path) -> Result<Vec<u8>> {
    let bytes = read(from)?;
    let format = match from.extension().and_then(|e| e.to_str()) {
        Some("xz") => Format::Xz,
        Some("zst") => Format::Zstd,
        Some("gz") => Format::Gzip,
        _ => return Ok(bytes),
    };
    format.unpack(&bytes).map_err(|what| Error::Unpack {
        path: from.to_owned(),
        what,
    })
}

/// How a file is packed.
#[derive(Debug, Clone, Copy)]
enum Format {
    Xz,
    Zstd,
    Gzip,
}

impl Format {
    fn unpack(self, mut packed: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let mut out = Vec::new();
        match self {
            Self::Xz => {
                lzma_rs::xz_decompress(&mut packed, &mut out).map_err(|error| format!("{error:?}"))?
            }
            Self::Gzip => {
                flate2::read::GzDecoder::new(packed)
                    .read_to_end(&mut out)
                    .map_err(|error| error.to_string())?;
            }
            Self::Zstd => {
                ruzstd::decoding::StreamingDecoder::new(packed)
                    .map_err(|error| error.to_string())?
                    .read_to_end(&mut out)
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(out)
    }
}

/// Makes an empty folder for a kernel.
fn make_folder(target: &Path) -> Result<()> {
    let modules = target.join("modules");
    let _ = std::fs::remove_dir_all(target);
    std::fs::create_dir_all(&modules).map_err(Error::file(modules))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::file(path))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::file(path))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    write(to, &read(from)?)
}

/// The modules that a module says it needs (its `.modinfo` string `depends=`).
fn needed_modules(ko: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(at) = ko.windows(key.len()).position(|w| w == key) else {
        return Vec::new();
    };
    let rest = &ko[at + key.len()..];
    let text = &rest[..rest.iter().position(|b| *b == 0).unwrap_or(rest.len())];
    String::from_utf8_lossy(text)
        .split(',')
        .filter(|m| !m.is_empty())
        .map(|m| m.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let ko = b"\x7fELF\0license=GPL\0depends=rpmsg_core,qcom-glink\0name=x\0";
        assert_eq!(needed_modules(ko), ["rpmsg_core", "qcom_glink"]);
        assert!(needed_modules(b"\0depends=\0").is_empty());
        assert!(needed_modules(b"depends").is_empty());
    }

    /// A zboot image around a packed payload.
    fn zboot(kind: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..8].copy_from_slice(b"MZ\0\0zimg");
        bytes[8..12].copy_from_slice(&64u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes[24..24 + kind.len()].copy_from_slice(kind);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn installed(bytes: &[u8]) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("vmlinuz"), folder.path().join("Image"));
        std::fs::write(&from, bytes).unwrap();
        install_image(&from, &to).map(|()| std::fs::read(to).unwrap())
    }

    /// A Zstandard frame (RFC 8878) of one uncompressed block, with the window that `zstd -22 --ultra` says for an input of unknown
    /// length: 128 MiB.
    fn zstd_22(data: &[u8]) -> Vec<u8> {
        let block = (data.len() as u32) << 3 | 1;
        let window = (27 - 10) << 3;
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        frame.extend_from_slice(&block.to_le_bytes()[..3]);
        frame.extend_from_slice(data);
        frame
    }

    #[test]
    fn an_image_is_taken_out_of_its_efi_wrapper() {
        let plain = b"not wrapped at all".as_slice();
        assert_eq!(installed(plain).unwrap(), plain);
        let image = b"an Image".as_slice();
        assert_eq!(installed(&zboot(b"zstd22", &zstd_22(image))).unwrap(), image);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, image).unwrap();
        assert_eq!(
            installed(&zboot(b"gzip", &gzip.finish().unwrap())).unwrap(),
            image
        );
    }

    #[test]
    fn a_wrapper_that_cannot_be_taken_off_is_an_error_that_says_why() {
        let said = |bytes: &[u8]| installed(bytes).unwrap_err().to_string();
        assert!(said(&zboot(b"lzo", b"x")).contains("`lzo`"));
        let whole = zboot(b"zstd22", &zstd_22(b"an Image"));
        assert!(said(&whole[..whole.len() - 1]).contains("not in the file"));
        assert!(said(b"MZ\0\0zimg").contains("not in the file"));
        assert!(said(&zboot(b"gzip", b"nonsense")).contains("cannot unpack"));
    }
}
