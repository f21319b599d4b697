//! The core dump that the AP's kernel makes of a DSP (`rproc_coredump`): an ELF file with one segment for each loadable
//! one of the firmware, at the image's link addresses. It has no notes; what is known of the DSP is in its memory.

use std::fmt::Write as _;

use goblin::elf::Elf;
use goblin::elf::header::ET_CORE;
use goblin::elf::program_header::PT_LOAD;
use zerocopy::FromBytes;

use super::crash::CrashRecord;
use super::header::{self, MAX_SEGMENTS, OFFSET, RawHeader};
use super::{Image, LOG_HEAD, LOG_MAGIC, MAX_TEXT, Segment, digest, prot, without_marker};
use emu_core::mem::Prot;

/// Most bytes of segments that are looked at.
const MAX_MEMORY: usize = 64 << 20;

/// Why a file is not a DSP's core dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// It is no ELF file.
    #[error("not an ELF file: {0}")]
    Elf(String),
    /// An ELF file of another kind.
    #[error("an ELF file, but not a core dump (type {0})")]
    NotCore(u16),
    /// Segments that are not in the file, overlap or have no bytes.
    #[error("segment {0} is not in the file as it should be")]
    Segment(usize),
    /// It has no segments, or too many.
    #[error("{0} segments, not 1 to {MAX_SEGMENTS}")]
    Count(usize),
    /// The first segment has no boot header.
    #[error("no boot header {OFFSET:#x} bytes into the first segment: a dump of another firmware")]
    NoHeader,
}

/// Whether a segment's bytes are those that were loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intact {
    /// Yes.
    Yes,
    /// No. That is what writable segments are for, and a fault of the others.
    No,
    /// The boot header says nothing of such a segment.
    Unknown,
}

/// A core dump, read.
#[derive(Debug, Clone)]
pub struct Dump {
    /// Version of the firmware.
    pub version: Option<String>,
    /// Its segments, and whether they changed since they were loaded.
    pub segments: Vec<(Segment, Intact)>,
    /// What the DSP logged last.
    pub log: Option<String>,
    /// What the DSP left of itself.
    pub crash: Option<CrashRecord>,
    /// The crash with its backtrace and symbols, as text that the DSP wrote.
    pub report: Option<String>,
}

impl Dump {
    /// Reads a dump. Whatever the bytes are, this ends, and takes at most twice their size of memory.
    ///
    /// # Errors
    /// It is not the dump of a DSP with a firmware of this format.
    pub fn parse(file: &[u8]) -> Result<Self, DumpError> {
        let elf = Elf::parse(file).map_err(|why| DumpError::Elf(why.to_string()))?;
        if elf.header.e_type != ET_CORE {
            return Err(DumpError::NotCore(elf.header.e_type));
        }
        let loads: Vec<_> = elf
            .program_headers
            .iter()
            .filter(|p| p.p_type == PT_LOAD)
            .collect();
        if loads.is_empty() || loads.len() > MAX_SEGMENTS {
            return Err(DumpError::Count(loads.len()));
        }
        let mut image = Image { segments: Vec::new() };
        let (mut end, mut total) = (0, 0);
        for (n, p) in loads.iter().enumerate() {
            let broken = || DumpError::Segment(n);
            let last = p.p_offset.checked_add(p.p_filesz).ok_or_else(broken)?;
            let range = usize::try_from(p.p_offset).unwrap_or(usize::MAX)
                ..usize::try_from(last).unwrap_or(usize::MAX);
            let bytes = file.get(range).ok_or_else(broken)?;
            let address = u32::try_from(p.p_vaddr).map_err(|_| broken())?;
            let size = u32::try_from(bytes.len()).map_err(|_| broken())?;
            total += bytes.len();
            if p.p_vaddr < end || size == 0 || total > MAX_MEMORY {
                return Err(broken());
            }
            end = u64::from(address) + u64::from(size);
            if end > u64::from(u32::MAX) {
                return Err(broken());
            }
            let segment = Segment {
                address,
                file_size: size,
                memory_size: size,
                prot: Prot::NONE,
            };
            image.segments.push((segment, bytes.to_vec()));
        }
        let head = image
            .segments
            .first()
            .and_then(|(_, bytes)| RawHeader::read_from_prefix(bytes.get(OFFSET as usize..)?).ok())
            .map(|(head, _)| head)
            .filter(|head| head.magic == header::MAGIC && head.format.get() == header::FORMAT)
            .ok_or(DumpError::NoHeader)?;
        let crash = image
            .bytes(&header::range(head.crash))
            .filter(|_| !header::range(head.crash).is_empty());
        Ok(Self {
            version: image
                .string(head.version.get(), MAX_TEXT)
                .map(|v| without_marker(&v).to_owned()),
            log: log(&image, &head),
            crash: crash.and_then(CrashRecord::parse),
            report: crash.and_then(CrashRecord::text),
            segments: image
                .segments
                .iter()
                .enumerate()
                .map(|(n, (segment, bytes))| known(n, segment, bytes, &head))
                .collect(),
        })
    }

    /// The dump for people.
    pub fn lines(&self) -> Vec<String> {
        let mut out = vec![format!(
            "firmware {}",
            self.version.as_deref().unwrap_or("without a version")
        )];
        for (segment, intact) in &self.segments {
            let state = match intact {
                Intact::Yes => "as it was loaded",
                Intact::No if segment.prot.contains(Prot::WRITE) => "written to since",
                Intact::No => "DAMAGED",
                Intact::Unknown => "not in the boot header",
            };
            let flag = |prot, letter| if segment.prot.contains(prot) { letter } else { '-' };
            let mut line = String::new();
            let _ = write!(
                line,
                "  {:#010x}..{:#010x} {}{}{} {state}",
                segment.address,
                u64::from(segment.address) + u64::from(segment.memory_size),
                flag(Prot::READ, 'r'),
                flag(Prot::WRITE, 'w'),
                flag(Prot::EXECUTE, 'x'),
            );
            out.push(line);
        }
        match (&self.report, &self.crash) {
            (Some(report), _) if !report.is_empty() => out.extend(report.lines().map(str::to_owned)),
            (_, Some(crash)) => out.extend(crash.lines()),
            _ => out.push("no crash record: the DSP did not declare a fatal error".into()),
        }
        if let Some(log) = &self.log {
            out.push("log:".into());
            out.extend(log.lines().map(|line| format!("  {line}")));
        }
        out
    }
}

/// A segment as the boot header knows it.
fn known(n: usize, segment: &Segment, bytes: &[u8], head: &RawHeader) -> (Segment, Intact) {
    let listed = head
        .segments
        .iter()
        .take(head.segment_count.get() as usize)
        .position(|raw| raw.address.get() == segment.address && raw.memory_size.get() == segment.memory_size);
    let Some((index, raw)) = listed.map(|index| (index, &head.segments[index])) else {
        return (segment.clone(), Intact::Unknown);
    };
    let size = raw.file_size.get() as usize;
    let expected = if index == 0 { head.sha256 } else { raw.sha256 };
    let intact = n == index
        && bytes
            .get(..size)
            .is_some_and(|file| digest(index, file) == expected)
        && bytes[size..].iter().all(|b| *b == 0);
    let segment = Segment {
        file_size: raw.file_size.get(),
        prot: prot(raw.flags.get()),
        ..segment.clone()
    };
    (segment, if intact { Intact::Yes } else { Intact::No })
}

/// The text in the log's ring, oldest first.
fn log(image: &Image, head: &RawHeader) -> Option<String> {
    let range = header::range(head.log);
    let bytes = image.bytes(&range)?;
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    };
    let ring = bytes.get(LOG_HEAD as usize..).filter(|ring| !ring.is_empty())?;
    if word(0)? != LOG_MAGIC || word(4)? as usize != ring.len() {
        return None;
    }
    let written = word(8)? as usize;
    let text = if written <= ring.len() {
        ring[..written].to_vec()
    } else {
        let (new, old) = ring.split_at(written % ring.len());
        [old, new].concat()
    };
    Some(
        String::from_utf8_lossy(&text)
            .chars()
            .map(|c| {
                if c.is_control() && c != '\n' {
                    char::REPLACEMENT_CHARACTER
                } else {
                    c
                }
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hexagon_isa::Arch;
    use proptest::prelude::*;

    use super::super::Firmware;
    use super::super::tests::{TestImage, bus, load, real};
    use super::*;
    use emu_core::mem::GuestRam;

    /// The dump that the kernel makes: `rproc_coredump()` of remoteproc_coredump.c with the segments that
    /// `qcom_register_dump_segments()` registered.
    fn core(firmware: &Firmware, ram: &GuestRam) -> Vec<u8> {
        let segments = firmware.segments();
        let words = |list: &[u32]| list.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        let mut out = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        // ET_CORE, EM_NONE
        out.extend(words(&[4, 1, 0x0100_1000, 52, 0, 0]));
        out.extend(words(&[52 | 32 << 16, segments.len() as u32, 0]));
        let mut offset = 52 + 32 * segments.len() as u32;
        for s in segments {
            let (at, size) = (s.address, s.memory_size);
            out.extend(words(&[1, offset, at, at, size, size, 7, 0]));
            offset += size;
        }
        for s in segments {
            let mut bytes = vec![0; s.memory_size as usize];
            ram.read(firmware.physical(s.address), &mut bytes).unwrap();
            out.extend(bytes);
        }
        out
    }

    fn record() -> CrashRecord {
        CrashRecord {
            reason: "the dog bit".into(),
            time: Duration::from_secs(3),
            ..CrashRecord::default()
        }
    }

    #[test]
    fn the_dump_of_a_fatal_error_says_what_happened() {
        let (ram, _) = real();
        let firmware = load(&ram).unwrap();
        firmware.boot(&bus(&ram), Arch::V68).unwrap();
        firmware.log(&ram, "about to fail\n").unwrap();
        firmware.write_crash(&ram, &record()).unwrap();
        let file = core(&firmware, &ram);
        // For trying debuggers by hand.
        if let Some(to) = std::env::var_os("VH_WRITE_CORE") {
            std::fs::write(to, &file).unwrap();
        }
        let dump = Dump::parse(&file).unwrap();
        assert_eq!(dump.version.as_deref(), Some(firmware.version()));
        assert_eq!(dump.crash, Some(record()));
        let log = dump.log.as_deref().unwrap();
        assert!(
            log.starts_with("boot: VHOST.DSP.") && log.ends_with("\nabout to fail\n"),
            "{log}"
        );
        let changed: Vec<bool> = dump.segments.iter().map(|(_, i)| *i == Intact::No).collect();
        let writable: Vec<bool> = dump.segments.iter().map(|(s, _)| s.prot == Prot::RW).collect();
        // Boot data, log and crash record were written to; the process data is only a template.
        assert_eq!(changed.iter().filter(|c| **c).count(), 3);
        assert!(changed.iter().zip(&writable).all(|(c, w)| !c || *w));
        let text = dump.lines().join("\n");
        assert!(
            text.contains("fatal error: the dog bit") && text.contains("about to fail"),
            "{text}"
        );
    }

    #[test]
    fn code_that_was_overwritten_is_damaged() {
        let image = TestImage::new(&[], &["memcpy"]);
        let ram = image.place();
        let firmware = load(&ram).unwrap();
        let at = firmware.physical(firmware.shell().text.start);
        ram.write(at, &[0xff]).unwrap();
        let dump = Dump::parse(&core(&firmware, &ram)).unwrap();
        let text = dump.lines().join("\n");
        assert_eq!(text.matches("DAMAGED").count(), 1, "{text}");
        assert!(text.contains("no crash record"), "{text}");
    }

    #[test]
    fn other_files_are_refused_with_a_reason() {
        assert!(matches!(Dump::parse(b"hello"), Err(DumpError::Elf(_))));
        let (ram, mut file) = real();
        assert_eq!(Dump::parse(&file).unwrap_err(), DumpError::NotCore(2));
        file[16] = 4;
        assert!(Dump::parse(&file).is_err());
        let firmware = load(&ram).unwrap();
        let mut other = core(&firmware, &ram);
        other[52 + 32 * firmware.segments().len() + OFFSET as usize] = b'X';
        assert_eq!(Dump::parse(&other).unwrap_err(), DumpError::NoHeader);
    }

    proptest! {
        #[test]
        fn any_file_is_a_dump_or_an_error(
            changes in prop::collection::vec((0usize..0x600, any::<u8>()), 0..24),
            words in prop::collection::vec((0usize..0x600 / 4, prop_oneof![
                any::<u32>(), Just(u32::MAX), 0x200_0000u32..0x200_9000
            ]), 0..8),
            cut in 0usize..0xa000,
        ) {
            let image = TestImage::new(&[], &["memcpy"]);
            let ram = image.place();
            let firmware = load(&ram).unwrap();
            firmware.write_crash(&ram, &record()).unwrap();
            let mut file = core(&firmware, &ram);
            for (at, byte) in changes {
                file[at] = byte;
            }
            for (at, word) in words {
                file[4 * at..][..4].copy_from_slice(&word.to_le_bytes());
            }
            file.truncate(file.len() - cut.min(file.len()) / 8);
            if let Ok(dump) = Dump::parse(&file) {
                prop_assert!(dump.lines().len() < 100_000);
            }
        }
    }
}
