//! The DSP's firmware: `firmware/dsp` linked, its boot header filled in.
//!
//! The linker leaves a header with addresses; which segments there are, and the digests of their bytes, are known only
//! afterwards. [`seal`] puts them in. The format is in `firmware/dsp/image.h` and `README.md`.

use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use sha2::{Digest, Sha256};

use crate::recipe::{Compiler, Job, relative, run};
use crate::sources::files;
use crate::{ARCH, Error, Tools};

/// Where the image belongs below the result's top.
pub const PATH: &str = "dsp/dsp.mbn";
/// Offset of the header in the first segment.
const HEADER: usize = 0x100;
const MAGIC: &[u8] = b"VHDSPIMG";
/// Offsets in the header, as in `image.h`.
const SIZE: usize = 12;
const SEGMENT_COUNT: usize = 88;
const SEGMENTS: usize = 92;
const SEGMENT: usize = 48;
const MAX_SEGMENTS: usize = 16;
const SHA256: usize = SEGMENTS + MAX_SEGMENTS * SEGMENT;
const HEADER_SIZE: usize = SHA256 + 32;

/// Builds an image from any folder of sources like `firmware/dsp`; `firmware` has the shell, which is linked into it.
///
/// # Errors
/// A source that cannot be read, a compiler that refuses, a result without boot header.
pub fn build(llvm: &Path, firmware: &Path, source: &Path, scratch: &Path) -> Result<Vec<u8>, Error> {
    let firmware = firmware.canonicalize().map_err(Error::file(firmware))?;
    let source = source.canonicalize().map_err(Error::file(source))?;
    let job = Job {
        path: PATH.to_owned(),
        compiler: Compiler::Clang,
        words: link(&firmware, &source)?,
    };
    let tools = Tools {
        llvm: llvm.to_owned(),
        cross: PathBuf::new(),
    };
    let built = run(&[job], &tools, &firmware, scratch)?;
    let mut image = built
        .into_iter()
        .next()
        .map(|built| built.data)
        .unwrap_or_default();
    seal(&mut image, &source)?;
    Ok(image)
}

/// clang's words for an image: everything in the folder, and the shell.
pub(crate) fn link(firmware: &Path, source: &Path) -> Result<Vec<String>, Error> {
    let folder = relative(firmware, source);
    let mut words: Vec<String> = [
        "--target=hexagon-unknown-none-elf",
        ARCH,
        "-O2",
        "-G0",
        "-ffreestanding",
        "-fno-builtin",
        "-fno-pic",
        "-std=c17",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-static",
        "-nostdlib",
        "-nostartfiles",
        "-fuse-ld=lld",
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=0x1000",
        // Debug information is for those who open a core dump; the same wherever it is built.
        "-g",
        "-fdebug-compilation-dir=.",
    ]
    .map(str::to_owned)
    .into();
    if Path::new(&folder).is_absolute() {
        words.push(format!("-ffile-prefix-map={folder}=."));
    }
    words.extend([
        format!("-DIMAGE_VERSION=\"VHOST.DSP.{}\"", env!("CARGO_PKG_VERSION")),
        "-I".to_owned(),
        folder.clone(),
        "-T".to_owned(),
        format!("{folder}/image.ld"),
    ]);
    for extension in ["S", "c"] {
        let found = files(source, extension)?;
        words.extend(found.iter().map(|path| relative(firmware, path)));
    }
    words.push("shell/shell.c".to_owned());
    Ok(words)
}

/// Fills in segments and digests of the header in a linked image; `path` names it in errors.
///
/// # Errors
/// It has no boot header, or segments that do not fit it.
pub fn seal(image: &mut [u8], path: &Path) -> Result<(), Error> {
    fill_in(image).map_err(|what| Error::Seal {
        path: path.to_owned(),
        what,
    })
}

fn fill_in(image: &mut [u8]) -> Result<(), String> {
    let elf = Elf::parse(image).map_err(|error| error.to_string())?;
    // qcom_register_dump_segments() of the AP's kernel takes the program headers right behind the ELF header.
    if elf.header.e_phoff != 52 {
        return Err("the program headers are not behind the ELF header".to_owned());
    }
    let loads: Vec<_> = elf
        .program_headers
        .iter()
        .filter(|p| p.p_type == PT_LOAD && p.p_memsz != 0)
        .cloned()
        .collect();
    let first = loads.first().ok_or("there is no segment to load")?;
    if loads.len() > MAX_SEGMENTS {
        return Err(format!("it has more than {MAX_SEGMENTS} segments"));
    }
    let mut digests = Vec::new();
    for p in &loads {
        let bytes = image.get(p.file_range()).ok_or("a segment is cut off")?;
        digests.push(<[u8; 32]>::from(Sha256::digest(bytes)));
    }
    let boot = image.get_mut(first.file_range()).ok_or("a segment is cut off")?;
    let header = boot
        .get_mut(HEADER..HEADER + HEADER_SIZE)
        .filter(|header| header.starts_with(MAGIC))
        .ok_or_else(|| format!("there is no boot header {HEADER:#x} bytes into the first segment"))?;
    let size = header
        .get(SIZE..SIZE + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes);
    if size as usize != HEADER_SIZE {
        return Err(format!("the boot header has {size} bytes, not {HEADER_SIZE}"));
    }
    header[SEGMENT_COUNT..][..4].copy_from_slice(&(loads.len() as u32).to_le_bytes());
    for (n, p) in loads.iter().enumerate() {
        let entry = &mut header[SEGMENTS + n * SEGMENT..][..SEGMENT];
        let words = [p.p_paddr, p.p_filesz, p.p_memsz, u64::from(p.p_flags & 7)];
        for (i, word) in words.into_iter().enumerate() {
            // The file is ELF32, so its words fit.
            entry[4 * i..][..4].copy_from_slice(&(word as u32).to_le_bytes());
        }
        // The first segment holds the digests; its own is the header's last field.
        let digest = if n == 0 { [0; 32] } else { digests[n] };
        entry[16..].copy_from_slice(&digest);
    }
    header[SHA256..].fill(0);
    let digest: [u8; 32] = Sha256::digest(&*boot).into();
    boot[HEADER + SHA256..][..32].copy_from_slice(&digest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_refused_with_the_reason() {
        for (mut bytes, reason) in [
            (Vec::new(), "cannot seal x"),
            (b"\x7fELF".to_vec(), "cannot seal x"),
            (elf(64), "there is no segment to load"),
            (elf(52), "there is no segment to load"),
        ] {
            let error = seal(&mut bytes, Path::new("x")).unwrap_err().to_string();
            assert!(error.contains(reason) || error.contains("behind"), "{error}");
        }
    }

    /// An ELF header alone, whose program headers stand at `phoff`.
    fn elf(phoff: u32) -> Vec<u8> {
        let mut bytes = vec![0; 52];
        bytes[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
        bytes[16] = 2;
        bytes[18] = 164;
        bytes[20] = 1;
        bytes[28..32].copy_from_slice(&phoff.to_le_bytes());
        bytes[40] = 52;
        bytes[42] = 32;
        bytes
    }
}
