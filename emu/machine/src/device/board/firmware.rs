//! The firmware that the AP's kernel loaded into a DSP's carveout: what it is made of, and whether it is whole.
//!
//! The remoteproc driver copies the segments of an ELF file and points the event vector base register at the first. What
//! the DSP finds there is not the file but the loaded image, so the image describes itself: a boot header at a fixed
//! place lists segments with digests and says where version, symbols, shell, log and crash record are. `firmware/dsp`
//! has the format and our own image; any other of that format does as well.
//!
//! [`Firmware::load`] believes nothing: all is bounded by the carveout, every segment is read once, and what is parsed is
//! the copy whose digest was right.

pub mod boot;
pub mod crash;
pub mod dump;
pub mod header;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zerocopy::{FromBytes, IntoBytes};

use emu_core::mem::{GuestRam, PAGE_SIZE, Prot, RamError};
use emu_os::imports::{self, Builtins, Code, ProcessImage, WINDOW};
use header::{MAX_SEGMENTS, OFFSET, RawHeader};

/// Longest version string or shell description, in bytes.
const MAX_TEXT: usize = 256;
/// Longest symbol name, in bytes.
const MAX_NAME: usize = 256;
/// Most symbols.
const MAX_SYMBOLS: usize = 16_384;
/// Most bytes of data that each process gets a copy of.
const MAX_PROCESS_DATA: usize = 1 << 20;
/// Bytes of a log ring's head: magic, size of the ring, bytes written, reserved.
const LOG_HEAD: u32 = 16;
/// "DLOG".
const LOG_MAGIC: u32 = 0x474f_4c44;

/// Why an image cannot be started. The text says what is damaged; it becomes the DSP's reason for not getting ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirmwareError {
    /// The event vector base is not a place where an image can be.
    #[error("the boot address {entry:#x} is not in the carveout {:#x}..{:#x}, or not a multiple of {PAGE_SIZE}", carveout.start, carveout.end)]
    Entry {
        /// Event vector base.
        entry: u64,
        /// The carveout.
        carveout: Range<u64>,
    },
    /// The carveout is not RAM.
    #[error("the carveout is not memory: {0}")]
    Ram(#[from] RamError),
    /// There is no boot header.
    #[error("there is no boot header at {at:#x} (found {found:02x?}): not a firmware image for this DSP")]
    NoHeader {
        /// Physical address.
        at: u64,
        /// What is there.
        found: [u8; 8],
    },
    /// A header of another format.
    #[error(
        "boot header of format {format} with {size} bytes; format {} with {} bytes is understood",
        header::FORMAT,
        header::SIZE
    )]
    Format {
        /// Its format.
        format: u32,
        /// Its size.
        size: u32,
    },
    /// The list of segments is not one.
    #[error("segment {index} ({start:#x} + {size:#x}) {why}")]
    Segment {
        /// Which.
        index: usize,
        /// Link address.
        start: u32,
        /// Bytes in memory.
        size: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// There are no segments, or more than fit.
    #[error("the boot header lists {0} segments, not 1 to {MAX_SEGMENTS}")]
    SegmentCount(u32),
    /// The AP wrote to the image while it was read.
    #[error("the boot header changed while it was read")]
    Changed,
    /// Bytes of a segment are not what they should be.
    #[error(
        "segment {index} ({start:#x}..{end:#x}) is damaged: its SHA-256 starts with {}, not {}",
        Hex(found),
        Hex(expected)
    )]
    Digest {
        /// Which.
        index: usize,
        /// First link address.
        start: u32,
        /// Link address behind the file's bytes.
        end: u32,
        /// What the header says.
        expected: [u8; 32],
        /// What it is.
        found: [u8; 32],
    },
    /// Memory behind a segment's file bytes must be zero and is not.
    #[error("segment {index} is damaged: the byte at {at:#x} is not zero, though the file has nothing there")]
    NotZero {
        /// Which segment.
        index: usize,
        /// Link address.
        at: u32,
    },
    /// An address in the header is outside of what it should be in.
    #[error("the {what} ({start:#x}..{end:#x}) {why}")]
    Place {
        /// Of what.
        what: &'static str,
        /// First address.
        start: u32,
        /// Address behind it.
        end: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// A text is none.
    #[error("the {what} at {at:#x} is not a text of 1 to {max} bytes")]
    Text {
        /// Which.
        what: &'static str,
        /// Link address.
        at: u32,
        /// Most bytes.
        max: usize,
    },
    /// A symbol points out of what processes have.
    #[error("symbol {name} is at {at:#x}, outside of the process text and data")]
    SymbolPlace {
        /// Its name.
        name: String,
        /// Its address.
        at: u32,
    },
    /// A symbol is there twice.
    #[error("symbol {0} is there twice")]
    SymbolTwice(String),
}

struct Hex<'a>(&'a [u8; 32]);

impl fmt::Display for Hex<'_> {
    /// The first eight bytes: enough to tell two digests apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A segment of a loaded image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First link address, a multiple of the page size.
    pub address: u32,
    /// Bytes that came from the file.
    pub file_size: u32,
    /// Bytes in memory.
    pub memory_size: u32,
    /// What may be done with it.
    pub prot: Prot,
}

impl Segment {
    fn range(&self) -> Range<u32> {
        self.address..self.address + self.memory_size
    }

    fn holds(&self, range: &Range<u32>) -> bool {
        self.address <= range.start && range.start <= range.end && range.end <= self.range().end
    }
}

/// The process shell of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// What it says of itself.
    pub description: String,
    /// Code that every process has, shell and built-in library: link addresses.
    pub text: Range<u32>,
    /// Data that every process has a copy of: link addresses.
    pub data: Range<u32>,
    /// Where functions of a process return to that the OS called.
    pub process_return: u32,
}

/// A firmware that was loaded and found whole.
#[derive(Debug, Clone)]
pub struct Firmware {
    version: String,
    arch: u32,
    entry: u64,
    base: u32,
    reset: u32,
    ready: u32,
    fatal: u32,
    segments: Vec<Segment>,
    shell: Shell,
    data: Vec<u8>,
    symbols: BTreeMap<String, u32>,
    log: Range<u32>,
    crash: Range<u32>,
}

impl Firmware {
    /// Checks and reads the image in `carveout` whose first byte (the event vectors) is at `entry`: physical addresses.
    ///
    /// # Errors
    /// Anything that keeps a DSP from starting with it.
    pub fn load(ram: &GuestRam, carveout: Range<u64>, entry: u64) -> Result<Self, FirmwareError> {
        let (head, room) = read_header(ram, &carveout, entry)?;
        let image = Image::read(ram, entry, room, &head)?;
        let text = |what, at: u32| image.text(what, at);
        let whole = |what, addresses, why| image.whole(what, addresses, why);
        let shell = Shell {
            description: text("description of the process shell", head.shell.get())?,
            text: whole("process text", head.process_text, Prot::RX)?,
            data: whole("process data", head.process_data, Prot::RW)?,
            process_return: image.code(
                "process return",
                head.process_return.get(),
                Some(&header::range(head.process_text)),
            )?,
        };
        for (what, range) in [("process text", &shell.text), ("process data", &shell.data)] {
            if range.start < WINDOW.start || range.end > WINDOW.end {
                return Err(place(what, range, "is where a process has its own memory"));
            }
        }
        if shell.data.len() > MAX_PROCESS_DATA {
            return Err(place("process data", &shell.data, "is too large"));
        }
        let log = whole("log", head.log, Prot::RW)?;
        if log.len() <= LOG_HEAD as usize {
            return Err(place("log", &log, "is too small"));
        }
        let crash = whole("crash record", head.crash, Prot::RW)?;
        Ok(Self {
            version: text("version string", head.version.get())?,
            arch: head.arch.get(),
            entry,
            base: head.base.get(),
            reset: image.code("reset", head.reset.get(), None)?,
            ready: image.code("ready trap", head.ready.get(), None)?,
            fatal: image.code("fatal trap", head.fatal.get(), None)?,
            symbols: image.symbols(&header::range(head.symbols), &shell)?,
            data: image
                .bytes(&shell.data)
                .ok_or(place("process data", &shell.data, "has no bytes in the file"))?
                .to_vec(),
            segments: image.segments.into_iter().map(|s| s.0).collect(),
            shell,
            log,
            crash,
        })
    }

    /// The image's version, without the marker `QC_IMAGE_VERSION_STRING=`.
    pub fn version(&self) -> &str {
        without_marker(&self.version)
    }

    /// The process shell.
    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    /// What processes may import: name → link address, which is the address in every process.
    pub fn symbols(&self) -> &BTreeMap<String, u32> {
        &self.symbols
    }

    /// The loaded segments, in the image's order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Physical address of a link address of the image.
    pub fn physical(&self, address: u32) -> u64 {
        // `address` is one of ours, at or above `base`.
        self.entry + u64::from(address.wrapping_sub(self.base))
    }

    /// What processes have from this image: to be put into the DSP's configuration.
    pub fn builtins(&self) -> Arc<Builtins> {
        Arc::new(imports::from_image(ProcessImage {
            origin: format!("the firmware {}", self.version()),
            symbols: &self.symbols,
            text: self.shell.text.clone(),
            code: Code::Physical(self.physical(self.shell.text.start)),
            data_at: self.shell.data.start,
            data: self.data.clone(),
            process_return: self.shell.process_return,
        }))
    }

    /// Where the crash record goes: physical address and size in bytes.
    pub fn crash_area(&self) -> (u64, u32) {
        (self.physical(self.crash.start), self.crash.end - self.crash.start)
    }

    /// Appends text to the log in the carveout, where a core dump has it. What the AP did to the ring's head meanwhile is
    /// repaired.
    ///
    /// # Errors
    /// The carveout is no longer memory.
    pub fn log(&self, ram: &GuestRam, text: &str) -> Result<(), RamError> {
        let size = self.log.end - self.log.start - LOG_HEAD;
        let head = self.physical(self.log.start);
        let ring = head + u64::from(LOG_HEAD);
        let written = ram.read_u32(head + 8)?;
        // Only the end of a text that is longer than the ring would be seen.
        let skip = text.len().saturating_sub(size as usize);
        let mut at = written;
        for piece in text.as_bytes()[skip..].chunks(64) {
            for (n, byte) in piece.iter().enumerate() {
                let to = at.wrapping_add(n as u32) % size;
                ram.write(ring + u64::from(to), std::slice::from_ref(byte))?;
            }
            at = at.wrapping_add(piece.len() as u32);
        }
        ram.write_u32(head, LOG_MAGIC)?;
        ram.write_u32(head + 4, size)?;
        ram.write_u32(head + 8, at)
    }
}

fn without_marker(version: &str) -> &str {
    version
        .strip_prefix("QC_IMAGE_VERSION_STRING=")
        .unwrap_or(version)
}

fn place(what: &'static str, range: &Range<u32>, why: &'static str) -> FirmwareError {
    FirmwareError::Place {
        what,
        start: range.start,
        end: range.end,
        why,
    }
}

/// The header and how many bytes there are from the image's start to the carveout's end.
fn read_header(
    ram: &GuestRam,
    carveout: &Range<u64>,
    entry: u64,
) -> Result<(Box<RawHeader>, u64), FirmwareError> {
    let room = carveout.end.checked_sub(entry).filter(|room| {
        carveout.start <= entry
            && entry.is_multiple_of(PAGE_SIZE.into())
            && *room >= u64::from(OFFSET) + header::SIZE as u64
    });
    let Some(room) = room else {
        return Err(FirmwareError::Entry {
            entry,
            carveout: carveout.clone(),
        });
    };
    let mut bytes = vec![0; header::SIZE];
    let at = entry + u64::from(OFFSET);
    ram.read(at, &mut bytes)?;
    let Ok(head) = RawHeader::read_from_bytes(&bytes) else {
        return Err(FirmwareError::Changed);
    };
    if head.magic != header::MAGIC {
        return Err(FirmwareError::NoHeader {
            at,
            found: head.magic,
        });
    }
    let (format, size) = (head.format.get(), head.size.get());
    if format != header::FORMAT || size as usize != header::SIZE {
        return Err(FirmwareError::Format { format, size });
    }
    Ok((Box::new(head), room))
}

/// Copies of the segments, found whole.
struct Image {
    segments: Vec<(Segment, Vec<u8>)>,
}

impl Image {
    fn read(ram: &GuestRam, entry: u64, room: u64, head: &RawHeader) -> Result<Self, FirmwareError> {
        let count = head.segment_count.get();
        let listed = head
            .segments
            .get(..count as usize)
            .filter(|listed| !listed.is_empty())
            .ok_or(FirmwareError::SegmentCount(count))?;
        let base = head.base.get();
        let mut image = Self { segments: Vec::new() };
        let mut end = u64::from(base);
        for (index, raw) in listed.iter().enumerate() {
            let segment = Segment {
                address: raw.address.get(),
                file_size: raw.file_size.get(),
                memory_size: raw.memory_size.get(),
                prot: prot(raw.flags.get()),
            };
            let fail = |why| FirmwareError::Segment {
                index,
                start: segment.address,
                size: segment.memory_size,
                why,
            };
            let start = u64::from(segment.address);
            if index == 0 && segment.address != base {
                return Err(fail("is the first and not at the image's start"));
            }
            if !segment.address.is_multiple_of(PAGE_SIZE) {
                return Err(fail("does not start at a page"));
            }
            if segment.memory_size == 0 || segment.file_size > segment.memory_size {
                return Err(fail("has a size that cannot be"));
            }
            // Whole pages of its own: they may get into processes.
            if start < end.next_multiple_of(PAGE_SIZE.into()) {
                return Err(fail("overlaps the one before it"));
            }
            end = start + u64::from(segment.memory_size);
            if end - u64::from(base) > room || end > u64::from(u32::MAX) {
                return Err(fail("does not fit into the carveout"));
            }
            let mut bytes = vec![0; segment.memory_size as usize];
            ram.read(entry + (start - u64::from(base)), &mut bytes)?;
            check(index, &segment, &bytes, raw.sha256, head)?;
            image.segments.push((segment, bytes));
        }
        Ok(image)
    }

    /// The copied bytes of a range in one segment.
    fn bytes(&self, range: &Range<u32>) -> Option<&[u8]> {
        let (segment, bytes) = self.segments.iter().find(|(s, _)| s.holds(range))?;
        let at = |address: u32| (address - segment.address) as usize;
        bytes.get(at(range.start)..at(range.end))
    }

    /// From an address to the end of its segment, at most `max` bytes.
    fn from(&self, address: u32, max: usize) -> &[u8] {
        let found = self
            .segments
            .iter()
            .find(|(s, _)| s.range().contains(&address))
            .and_then(|(s, bytes)| bytes.get((address - s.address) as usize..));
        found.map_or(&[], |bytes| &bytes[..max.min(bytes.len())])
    }

    /// The text at an address, if there is one: printable, ended by NUL, at most `max` bytes.
    fn string(&self, at: u32, max: usize) -> Option<String> {
        let bytes = self.from(at, max + 1);
        let end = bytes.iter().position(|b| *b == 0).filter(|end| *end > 0)?;
        let text = str::from_utf8(&bytes[..end]).ok()?;
        text.chars().all(|c| !c.is_control()).then(|| text.to_owned())
    }

    fn text(&self, what: &'static str, at: u32) -> Result<String, FirmwareError> {
        self.string(at, MAX_TEXT).ok_or(FirmwareError::Text {
            what,
            at,
            max: MAX_TEXT,
        })
    }

    /// A range that starts a segment with these permissions and has it for itself.
    fn whole(
        &self,
        what: &'static str,
        addresses: header::Addresses,
        prot: Prot,
    ) -> Result<Range<u32>, FirmwareError> {
        let range = header::range(addresses);
        let segment = self
            .segments
            .iter()
            .map(|(s, _)| s)
            .find(|s| s.address == range.start && s.holds(&range) && !range.is_empty())
            .ok_or_else(|| place(what, &range, "is not a segment of its own"))?;
        if segment.prot != prot {
            return Err(place(what, &range, "has the wrong permissions"));
        }
        Ok(range)
    }

    /// An instruction's address in an executable segment.
    fn code(&self, what: &'static str, at: u32, within: Option<&Range<u32>>) -> Result<u32, FirmwareError> {
        let range = at..at.saturating_add(4);
        let there = self
            .segments
            .iter()
            .any(|(s, _)| s.prot.contains(Prot::EXECUTE) && s.holds(&range) && range.len() == 4);
        if !there || within.is_some_and(|w| !w.contains(&at)) || !at.is_multiple_of(4) {
            return Err(place(what, &range, "is not in code"));
        }
        Ok(at)
    }

    fn symbols(&self, table: &Range<u32>, shell: &Shell) -> Result<BTreeMap<String, u32>, FirmwareError> {
        let bytes = self
            .bytes(table)
            .filter(|bytes| table.start <= table.end && bytes.len() % 8 == 0)
            .ok_or_else(|| place("symbol table", table, "is not a table in one segment"))?;
        if bytes.len() / 8 > MAX_SYMBOLS {
            return Err(place("symbol table", table, "has too many symbols"));
        }
        let mut symbols = BTreeMap::new();
        for entry in bytes.chunks_exact(8) {
            let word = |n: usize| u32::from_le_bytes([entry[n], entry[n + 1], entry[n + 2], entry[n + 3]]);
            let (name_at, at) = (word(0), word(4));
            let name = self.string(name_at, MAX_NAME).ok_or(FirmwareError::Text {
                what: "name of a symbol",
                at: name_at,
                max: MAX_NAME,
            })?;
            let code = shell.text.contains(&at) && at.is_multiple_of(4);
            if !code && !shell.data.contains(&at) {
                return Err(FirmwareError::SymbolPlace { name, at });
            }
            if symbols.insert(name.clone(), at).is_some() {
                return Err(FirmwareError::SymbolTwice(name));
            }
        }
        Ok(symbols)
    }
}

fn prot(flags: u32) -> Prot {
    let bit = |mask, prot| if flags & mask != 0 { prot } else { Prot::NONE };
    bit(4, Prot::READ) | bit(2, Prot::WRITE) | bit(1, Prot::EXECUTE)
}

/// The digest of a segment's file bytes. The first segment has it inside of itself.
fn digest(index: usize, file: &[u8]) -> [u8; 32] {
    let end = OFFSET as usize + header::SIZE;
    if index != 0 || file.len() < end {
        return Sha256::digest(file).into();
    }
    let mut sha = Sha256::new();
    sha.update(&file[..end - 32]);
    sha.update([0; 32]);
    sha.update(&file[end..]);
    sha.finalize().into()
}

/// Are the bytes of a segment what the header says?
fn check(
    index: usize,
    segment: &Segment,
    bytes: &[u8],
    expected: [u8; 32],
    head: &RawHeader,
) -> Result<(), FirmwareError> {
    let (file, rest) = bytes.split_at(segment.file_size as usize);
    let expected = if index == 0 {
        let at = OFFSET as usize;
        if file.get(at..at + header::SIZE) != Some(head.as_bytes()) {
            return Err(match file.len() < at + header::SIZE {
                true => FirmwareError::Segment {
                    index,
                    start: segment.address,
                    size: segment.memory_size,
                    why: "does not hold the boot header",
                },
                false => FirmwareError::Changed,
            });
        }
        head.sha256
    } else {
        expected
    };
    let found = digest(index, file);
    if expected != found {
        return Err(FirmwareError::Digest {
            index,
            start: segment.address,
            end: segment.address + segment.file_size,
            expected,
            found,
        });
    }
    match rest.iter().position(|b| *b != 0) {
        Some(at) => Err(FirmwareError::NotZero {
            index,
            at: segment.address + segment.file_size + at as u32,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
