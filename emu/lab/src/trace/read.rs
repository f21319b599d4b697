//! Reading a trace back, packet by packet.

use super::packet::{Packet, PacketError};
use super::pcapng::{Blocks, Item, PcapngError};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened.
    #[error("cannot read the trace {path}: {source}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file.
    #[error("cannot read the trace {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: PcapngError,
    },
    /// A packet in it.
    #[error("{path}, packet {number}: {source}")]
    Packet {
        /// Which.
        path: PathBuf,
        /// Which packet of the file, from 1.
        number: u64,
        /// Why.
        source: PacketError,
    },
    /// A capture of something else.
    #[error("{0} is a pcapng file, but none of its interfaces is a DSP's")]
    NotOurs(PathBuf),
}

/// One packet of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number in the file, from 1.
    pub number: u64,
    /// Nanoseconds since the run began.
    pub time: u64,
    /// The packet.
    pub packet: Packet,
}

/// A trace being read.
pub struct Reader<R = File> {
    path: PathBuf,
    blocks: Blocks<BufReader<R>>,
    interfaces: Vec<(String, bool)>,
    number: u64,
    comment: String,
    dropped: u64,
}

impl Reader<File> {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::of(file, path))
    }

    /// All packets of a file.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn read_all(path: &Path) -> Result<Vec<Record>, ReadError> {
        let mut reader = Self::open(path)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next_record()? {
            records.push(record);
        }
        Ok(records)
    }
}

impl<R: Read> Reader<R> {
    /// Reads from this; `path` is its name in errors.
    #[must_use]
    pub fn of(source: R, path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            blocks: Blocks::new(BufReader::with_capacity(1 << 20, source)),
            interfaces: Vec::new(),
            number: 0,
            comment: String::new(),
            dropped: 0,
        }
    }

    /// The next packet that is a DSP's.
    ///
    /// # Errors
    /// [`ReadError`]
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            let item = self.blocks.next_item().map_err(|source| ReadError::File {
                path: self.path.clone(),
                source,
            })?;
            match item {
                None if !self.interfaces.iter().any(|(_, ours)| *ours) => {
                    return Err(ReadError::NotOurs(self.path.clone()));
                }
                None => return Ok(None),
                Some(Item::Section(comment)) => {
                    self.comment = comment;
                    self.interfaces.clear();
                }
                Some(Item::Interface { name, ours }) => self.interfaces.push((name, ours)),
                Some(Item::Statistics { dropped, .. }) => self.dropped = self.dropped.saturating_add(dropped),
                Some(Item::Packet {
                    interface,
                    time,
                    data,
                }) => {
                    self.number += 1;
                    if !self
                        .interfaces
                        .get(interface as usize)
                        .is_some_and(|(_, ours)| *ours)
                    {
                        continue;
                    }
                    let packet = Packet::parse(&data).map_err(|source| ReadError::Packet {
                        path: self.path.clone(),
                        number: self.number,
                        source,
                    })?;
                    return Ok(Some(Record {
                        number: self.number,
                        time,
                        packet,
                    }));
                }
            }
        }
    }

    /// Its name in errors.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of a DSP: its interface's.
    #[must_use]
    pub fn label(&self, dsp: u8) -> &str {
        self.interfaces
            .get(usize::from(dsp))
            .map_or("?", |(name, _)| name.as_str())
    }

    /// The line about the run.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether the file ended in the middle of a block.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.blocks.is_cut()
    }

    /// Packets that the file says are missing; complete at the end.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::super::pcapng;
    use super::*;

    #[test]
    fn files_of_others_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.pcapng");
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Reader::read_all(&path).unwrap_err().to_string()
        };
        assert!(error(b"text").contains("it is no pcapng file"));
        let mut foreign = pcapng::section("");
        let mut ethernet = pcapng::interface("eth0", "");
        ethernet[8] = 1;
        foreign.extend(ethernet);
        pcapng::packet(&mut foreign, 0, 0, &[0; 14]);
        assert!(error(&foreign).contains("none of its interfaces"));
        let mut odd = pcapng::section("");
        odd.extend(pcapng::interface("cdsp", ""));
        pcapng::packet(&mut odd, 0, 0, &[9; 16]);
        assert!(error(&odd).contains("packet 1: packet of version 9"));
        let missing = Reader::read_all(Path::new("/nonexistent/x"))
            .unwrap_err()
            .to_string();
        assert!(missing.contains("/nonexistent/x"));
    }
}
