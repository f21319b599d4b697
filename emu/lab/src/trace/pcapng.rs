//! As much of the pcapng format (draft-ietf-opsawg-pcapng) as a trace needs: one section, an interface a DSP, packets, and at
//! the end how many were lost. Read back with bounds; blocks and options that are not ours are passed over.
//!
//! Our own, because the one crate that writes pcapng has no release that is maintained, and because a file that a full disk or a
//! killed run cut off must be readable up to there.

use std::io::{self, Read};

/// Link type USER0: what it means is a matter of this program and of the dissector in `docs/wireshark`.
pub const LINK_TYPE: u16 = 147;
/// Largest block that is read.
const MAX_BLOCK: u32 = 64 << 20;
/// Most interfaces of a file.
const MAX_INTERFACES: usize = 256;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const MAGIC: u32 = 0x1A2B_3C4D;

const COMMENT: u16 = 1;
const NAME: u16 = 2;
const DESCRIPTION: u16 = 3;
const APPLICATION: u16 = 4;
const RECEIVED: u16 = 4;
const DROPPED: u16 = 5;
const RESOLUTION: u16 = 9;

/// A block under construction: type, length, content, options.
struct Block(Vec<u8>);

impl Block {
    fn new(kind: u32) -> Self {
        let mut block = Self(Vec::new());
        block.u32(kind).u32(0);
        block
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.u16(code).u16(value.len() as u16).padded(value)
    }

    fn end_of_options(&mut self) -> &mut Self {
        self.u32(0)
    }

    fn finish(mut self) -> Vec<u8> {
        let len = self.0.len() as u32 + 4;
        self.u32(len);
        self.0[4..8].copy_from_slice(&len.to_le_bytes());
        self.0
    }
}

/// The start of a file: who wrote it, and a line about the run.
#[must_use]
pub fn section(comment: &str) -> Vec<u8> {
    let mut block = Block::new(SECTION);
    block.u32(MAGIC).u16(1).u16(0).u32(u32::MAX).u32(u32::MAX);
    let application = concat!("vhost-hexagon ", env!("CARGO_PKG_VERSION"));
    block.option(APPLICATION, application.as_bytes());
    if !comment.is_empty() {
        block.option(COMMENT, comment.as_bytes());
    }
    block.end_of_options();
    block.finish()
}

/// An interface with time stamps in nanoseconds.
#[must_use]
pub fn interface(name: &str, description: &str) -> Vec<u8> {
    let mut block = Block::new(INTERFACE);
    block.u16(LINK_TYPE).u16(0).u32(0);
    block.option(NAME, name.as_bytes());
    block.option(DESCRIPTION, description.as_bytes());
    block.option(RESOLUTION, &[9]);
    block.end_of_options();
    block.finish()
}

/// Adds a packet to `out`.
pub fn packet(out: &mut Vec<u8>, interface: u32, nanoseconds: u64, data: &[u8]) {
    let padding = data.len().next_multiple_of(4) - data.len();
    let len = (32 + data.len() + padding) as u32;
    out.reserve(len as usize);
    let words = [
        PACKET,
        len,
        interface,
        (nanoseconds >> 32) as u32,
        nanoseconds as u32,
        data.len() as u32,
        data.len() as u32,
    ];
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(data);
    out.extend_from_slice(&[0; 3][..padding]);
    out.extend_from_slice(&len.to_le_bytes());
}

/// How many packets an interface had, and how many of them are not in the file.
#[must_use]
pub fn statistics(interface: u32, nanoseconds: u64, received: u64, dropped: u64) -> Vec<u8> {
    let mut block = Block::new(STATISTICS);
    block
        .u32(interface)
        .u32((nanoseconds >> 32) as u32)
        .u32(nanoseconds as u32);
    block.option(RECEIVED, &received.to_le_bytes());
    block.option(DROPPED, &dropped.to_le_bytes());
    block.end_of_options();
    block.finish()
}

/// Why a file cannot be read as a trace.
#[derive(Debug, thiserror::Error)]
pub enum PcapngError {
    /// The file system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not this format.
    #[error("it is no pcapng file")]
    NotPcapng,
    /// Written on a machine of the other byte order, which this program never does.
    #[error("it is a big-endian pcapng file, not a trace of vhost-hexagon")]
    BigEndian,
    /// A block that contradicts itself.
    #[error("the block at byte {0} is damaged")]
    Damaged(u64),
    /// A packet of an interface that was not declared.
    #[error("the packet at byte {0} belongs to an interface that the file does not have")]
    NoInterface(u64),
    /// More interfaces than DSPs can be.
    #[error("the file has more than {MAX_INTERFACES} interfaces")]
    Interfaces,
}

/// What a file consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The section's comment.
    Section(String),
    /// An interface: its name and whether its packets are ours.
    Interface {
        /// Name, a DSP's label.
        name: String,
        /// Whether its link type is ours.
        ours: bool,
    },
    /// A packet.
    Packet {
        /// Number of the interface.
        interface: u32,
        /// Nanoseconds since the run began.
        time: u64,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// Counters of an interface.
    Statistics {
        /// Number of the interface.
        interface: u32,
        /// Packets that are not in the file.
        dropped: u64,
    },
}

/// Reads a file block by block.
pub struct Blocks<R> {
    input: R,
    at: u64,
    interfaces: usize,
    begun: bool,
    /// The file ends inside of a block.
    cut: bool,
}

impl<R: Read> Blocks<R> {
    /// Reads from here.
    pub fn new(input: R) -> Self {
        Self {
            input,
            at: 0,
            interfaces: 0,
            begun: false,
            cut: false,
        }
    }

    /// Whether the file turned out to end in the middle of a block: a killed run, or a full disk.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Fills as much of `buffer` as there is.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.input.read(&mut buffer[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// [`PcapngError`]
    pub fn next_item(&mut self) -> Result<Option<Item>, PcapngError> {
        loop {
            let start = self.at;
            let mut head = [0; 8];
            match self.fill(&mut head)? {
                8 => {}
                _ if !self.begun => return Err(PcapngError::NotPcapng),
                0 => return Ok(None),
                _ => return Ok(self.ends_here()),
            }
            let (kind, len) = (word(&head, 0), word(&head, 4));
            if !self.begun && kind != SECTION {
                return Err(PcapngError::NotPcapng);
            }
            if kind == SECTION && len.swap_bytes() < MAX_BLOCK && len > MAX_BLOCK {
                return Err(PcapngError::BigEndian);
            }
            if !(12..=MAX_BLOCK).contains(&len) || len % 4 != 0 {
                return Err(PcapngError::Damaged(start));
            }
            // Grows with what is really there, so a length alone allocates nothing.
            let mut body = Vec::new();
            let wanted = u64::from(len) - 8;
            (&mut self.input).take(wanted).read_to_end(&mut body)?;
            if (body.len() as u64) < wanted {
                return Ok(self.ends_here());
            }
            self.at += u64::from(len);
            if word(&body, body.len() - 4) != len {
                return Err(PcapngError::Damaged(start));
            }
            body.truncate(body.len() - 4);
            self.begun = true;
            if let Some(item) = self.item(kind, &body, start)? {
                return Ok(Some(item));
            }
        }
    }

    fn ends_here<T>(&mut self) -> Option<T> {
        self.cut = true;
        None
    }

    fn item(&mut self, kind: u32, body: &[u8], start: u64) -> Result<Option<Item>, PcapngError> {
        let damaged = PcapngError::Damaged(start);
        Ok(match kind {
            SECTION => {
                if word(body, 0) != MAGIC || body.len() < 16 {
                    return Err(damaged);
                }
                // Interfaces are numbered from 0 again in each section.
                self.interfaces = 0;
                let comment = options(&body[16..]).find(|(code, _)| *code == COMMENT);
                Some(Item::Section(comment.map(|(_, v)| text(v)).unwrap_or_default()))
            }
            INTERFACE => {
                if body.len() < 8 {
                    return Err(damaged);
                }
                self.interfaces += 1;
                if self.interfaces > MAX_INTERFACES {
                    return Err(PcapngError::Interfaces);
                }
                let name = options(&body[8..]).find(|(code, _)| *code == NAME);
                Some(Item::Interface {
                    name: name.map(|(_, v)| text(v)).unwrap_or_default(),
                    ours: word(body, 0) as u16 == LINK_TYPE,
                })
            }
            PACKET => {
                if body.len() < 20 {
                    return Err(damaged);
                }
                let interface = word(body, 0);
                if interface as usize >= self.interfaces {
                    return Err(PcapngError::NoInterface(start));
                }
                let kept = word(body, 12) as usize;
                let data = body.get(20..).and_then(|d| d.get(..kept)).ok_or(damaged)?;
                Some(Item::Packet {
                    interface,
                    time: u64::from(word(body, 4)) << 32 | u64::from(word(body, 8)),
                    data: data.to_vec(),
                })
            }
            STATISTICS => {
                let all = body.get(12..).ok_or(damaged)?;
                let dropped = options(all).find(|(code, v)| *code == DROPPED && v.len() == 8);
                dropped.map(|(_, v)| Item::Statistics {
                    interface: word(body, 0),
                    dropped: u64::from(word(v, 0)) | u64::from(word(v, 4)) << 32,
                })
            }
            _ => None,
        })
    }
}

/// The word at a byte offset; 0 behind the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..)
        .and_then(|b| b.first_chunk())
        .map_or(0, |b| u32::from_le_bytes(*b))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn options(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<4>()?;
        let (code, len) = (
            u16::from_le_bytes([head[0], head[1]]),
            usize::from(u16::from_le_bytes([head[2], head[3]])),
        );
        let value = after.get(..len)?;
        rest = after.get(len.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file() -> Vec<u8> {
        let mut file = section("a run");
        file.extend(interface("cdsp", "the first"));
        file.extend(interface("adsp", ""));
        packet(&mut file, 1, 5_000_000_001, &[1, 2, 3]);
        packet(&mut file, 0, 5_000_000_002, &[]);
        file.extend(statistics(1, 6, 10, 4));
        file
    }

    fn items(bytes: &[u8]) -> Result<(Vec<Item>, bool), PcapngError> {
        let mut blocks = Blocks::new(bytes);
        let mut items = Vec::new();
        while let Some(item) = blocks.next_item()? {
            items.push(item);
        }
        Ok((items, blocks.is_cut()))
    }

    #[test]
    fn what_is_written_is_read() {
        let (items, cut) = items(&file()).unwrap();
        assert!(!cut);
        let interface = |name: &str| Item::Interface {
            name: name.into(),
            ours: true,
        };
        let packet = |interface, time, data: &[u8]| Item::Packet {
            interface,
            time,
            data: data.to_vec(),
        };
        let expected = [
            Item::Section("a run".into()),
            interface("cdsp"),
            interface("adsp"),
            packet(1, 5_000_000_001, &[1, 2, 3]),
            packet(0, 5_000_000_002, &[]),
            Item::Statistics {
                interface: 1,
                dropped: 4,
            },
        ];
        assert_eq!(items, expected);
    }

    #[test]
    fn a_file_that_was_cut_off_is_read_up_to_there() {
        let file = file();
        let whole = items(&file).unwrap().0.len();
        let mut seen = 0;
        for len in 12..file.len() {
            match items(&file[..len]) {
                Ok((items, cut)) => {
                    assert!(items.len() < whole && items.len() >= seen);
                    seen = items.len();
                    let boundary = !items.is_empty() && !cut;
                    assert!(boundary || cut, "{len}");
                }
                Err(error) => panic!("{len}: {error}"),
            }
        }
        assert_eq!(seen, whole - 1);
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let error = |bytes: &[u8]| items(bytes).unwrap_err().to_string();
        assert_eq!(error(b""), "it is no pcapng file");
        assert_eq!(error(b"{\"a\": 1, \"b\": 2}"), "it is no pcapng file");
        let mut big = file();
        big[..28].chunks_exact_mut(4).for_each(|word| word.reverse());
        assert!(error(&big).contains("big-endian"));
        let mut stray = section("");
        packet(&mut stray, 0, 0, &[]);
        assert!(error(&stray).contains("interface"));
        let mut damaged = file();
        let last = damaged.len() - 1;
        damaged[last] ^= 0xff;
        assert!(error(&damaged).contains("damaged"));
    }

    proptest! {
        #[test]
        fn damage_is_no_panic(at in 0usize..300, value in any::<u8>(), cut in 0usize..300) {
            let mut file = file();
            let at = at % file.len();
            file[at] = value;
            file.truncate(file.len() - cut.min(file.len()));
            let _ = items(&file);
        }
    }
}
