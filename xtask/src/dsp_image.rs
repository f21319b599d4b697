//! The DSP's firmware: `firmware/dsp` linked, its boot header filled in, installed where `vhost-hexagon run` looks.
//!
//! The linker leaves a header with addresses; which segments there are, and the digests of their bytes, are known only
//! afterwards. [`seal`] puts them in. The format is in `firmware/dsp/image.h` and `README.md`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use sha2::{Digest, Sha256};

use crate::cache::Cache;
use crate::firmware::{self, ARCH};
use crate::{tools, ui};

/// File name of the image.
const NAME: &str = "dsp.mbn";
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

/// Builds `root/dsp/dsp.mbn` if a source is newer, and installs it into the cache.
pub fn build(llvm: &Path, root: &Path) -> Result<()> {
    let source = firmware::workspace().join("firmware/dsp");
    let to = root.join("dsp").join(NAME);
    std::fs::create_dir_all(root.join("dsp"))?;
    let mut changed = firmware::modified(&source.join("image.ld"))?;
    for file in units(&source)?.iter().chain(&firmware::files(&source, "h")?) {
        changed = changed.max(firmware::modified(file)?);
    }
    if !firmware::modified(&to).is_ok_and(|built| built >= changed) {
        make(llvm, &source, &to)?;
        ui::say(format!("   firmware/dsp/{NAME}"));
    }
    let installed = Cache::open()?.root().join("firmware").join(NAME);
    let image = std::fs::read(&to)?;
    if std::fs::read(&installed).is_ok_and(|there| there == image) {
        return Ok(());
    }
    write(&installed, &image)
}

/// `cargo xtask dsp-image`: an image from another folder.
#[derive(clap::Args)]
pub struct Args {
    /// A folder like firmware/dsp.
    folder: PathBuf,
    /// The image to write.
    file: PathBuf,
}

/// Builds an image from any folder of sources.
pub fn build_other(args: &Args) -> Result<()> {
    let llvm = tools::llvm().context("no clang with Hexagon found; `cargo xtask setup` installs one")?;
    let folder = args
        .folder
        .canonicalize()
        .with_context(|| format!("cannot open {}", args.folder.display()))?;
    make(&llvm, &folder, &args.file)
}

/// Everything that is linked: the folder's sources and the shell.
fn units(source: &Path) -> Result<Vec<PathBuf>> {
    let mut units = firmware::files(source, "S")?;
    units.extend(firmware::files(source, "c")?);
    units.push(firmware::workspace().join("firmware/shell/shell.c"));
    Ok(units)
}

fn make(llvm: &Path, source: &Path, to: &Path) -> Result<()> {
    let linked = to.with_extension("elf");
    link(llvm, source, &units(source)?, &linked)?;
    let mut image = std::fs::read(&linked)?;
    std::fs::remove_file(&linked)?;
    seal(&mut image).with_context(|| format!("cannot seal {}", linked.display()))?;
    write(to, &image)
}

/// Writes a file so that nobody ever sees half of it.
fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    let parent = to.parent().unwrap_or(Path::new("."));
    let half = to.with_extension(format!("{}.part", std::process::id()));
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(&half, bytes))
        .and_then(|()| std::fs::rename(&half, to))
        .with_context(|| format!("cannot write {}", to.display()))
}

fn link(llvm: &Path, source: &Path, units: &[PathBuf], to: &Path) -> Result<()> {
    let mut command = Command::new(llvm.join("clang"));
    command.args([
        "--target=hexagon-unknown-none-elf",
        ARCH,
        "-O2",
        "-G0",
        "-ffreestanding",
        "-fno-builtin",
        "-fno-pic",
        "-g",
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
    ]);
    // Debug information is for those who open a core dump; the same wherever it is built.
    command.arg(format!("-ffile-prefix-map={}=.", firmware::workspace().display()));
    command.arg(format!("-ffile-prefix-map={}=.", source.display()));
    command.arg(format!(
        "-DIMAGE_VERSION=\"VHOST.DSP.{}\"",
        env!("CARGO_PKG_VERSION")
    ));
    command
        .arg("-I")
        .arg(source)
        .arg("-T")
        .arg(source.join("image.ld"));
    ui::output(command.args(units).arg("-o").arg(to))
        .with_context(|| format!("cannot build {}", to.display()))?;
    Ok(())
}

/// Fills in segments and digests of the header in a linked image.
fn seal(image: &mut [u8]) -> Result<()> {
    let elf = Elf::parse(image)?;
    // qcom_register_dump_segments() of the AP's kernel takes the program headers right behind the ELF header.
    ensure!(
        elf.header.e_phoff == 52,
        "the program headers are not behind the ELF header"
    );
    let loads: Vec<_> = elf
        .program_headers
        .iter()
        .filter(|p| p.p_type == PT_LOAD && p.p_memsz != 0)
        .cloned()
        .collect();
    let first = loads.first().context("there is no segment to load")?;
    let boot = first.file_range();
    let at = boot.start + HEADER;
    if boot.len() < HEADER + HEADER_SIZE || image.get(at..at + MAGIC.len()) != Some(MAGIC) {
        bail!("there is no boot header {HEADER:#x} bytes into the first segment");
    }
    let word = |image: &[u8], offset: usize| {
        image[at + offset..][..4]
            .try_into()
            .map(u32::from_le_bytes)
            .unwrap_or_default() as usize
    };
    ensure!(
        word(image, SIZE) == HEADER_SIZE,
        "the boot header has {} bytes, not {HEADER_SIZE}",
        word(image, SIZE)
    );
    ensure!(loads.len() <= MAX_SEGMENTS, "more than {MAX_SEGMENTS} segments");
    image[at + SEGMENT_COUNT..][..4].copy_from_slice(&(loads.len() as u32).to_le_bytes());
    for (n, p) in loads.iter().enumerate() {
        let entry = at + SEGMENTS + n * SEGMENT;
        // The first segment holds the digests; its own is the header's last field.
        let digest: [u8; 32] = match n {
            0 => [0; 32],
            _ => Sha256::digest(image.get(p.file_range()).context("a segment is cut off")?).into(),
        };
        let words = [p.p_paddr, p.p_filesz, p.p_memsz, u64::from(p.p_flags & 7)];
        for (i, w) in words.into_iter().enumerate() {
            image[entry + 4 * i..][..4].copy_from_slice(&u32::try_from(w)?.to_le_bytes());
        }
        image[entry + 16..][..32].copy_from_slice(&digest);
    }
    image[at + SHA256..][..32].fill(0);
    let digest: [u8; 32] = Sha256::digest(&image[boot]).into();
    image[at + SHA256..][..32].copy_from_slice(&digest);
    Ok(())
}
