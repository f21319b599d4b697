//! The head of a queue's buffer: where its rings and their states lie.

use crate::wire::{Reader, Truncated};

/// The version that a DSP must not know: the AP's library asks with it whether the DSP looks at the version at all.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;
const FLAG_WAIT_COUNTS: u32 = 1;
/// What the library aligns everything to.
const LINE: u32 = 256;
/// Bytes of a ring's state: position, packet count, wait count.
const STATE: u32 = 12;

/// A ring: offsets from the start of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingAt {
    /// Its first byte.
    pub start: u32,
    /// Its bytes.
    pub len: u32,
    /// What its reader says.
    pub read_state: u32,
    /// What its writer says.
    pub write_state: u32,
}

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 1, or 2 if the flags count.
    pub version: u32,
    /// Not used by the library.
    pub error: i32,
    /// What the AP's side can do.
    pub flags: u32,
    /// AP to DSP.
    pub requests: RingAt,
    /// DSP to AP.
    pub responses: RingAt,
    /// Counts the queues of the AP's process.
    pub count: u32,
}

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// A version that nobody knows.
    #[error("version {0:#x} of the queue is not known")]
    Version(u32),
    /// Something is asked for that this DSP has not.
    #[error("flags {0:#x} of the queue are not supported")]
    Flags(u32),
    /// A ring's length.
    #[error("a ring of {0} bytes: it must be a multiple of 8 from 16 to 16 MiB")]
    Length(u32),
    /// Something lies at an odd place.
    #[error("offset {0:#x} is not a multiple of 8")]
    Unaligned(u32),
    /// Something lies outside of the buffer.
    #[error("{len} bytes at {at:#x} lie outside of the buffer")]
    Outside {
        /// Where.
        at: u32,
        /// How long.
        len: u32,
    },
    /// Two things share bytes.
    #[error("what lies at {0:#x} and at {1:#x} overlaps")]
    Overlap(u32, u32),
}

impl BadHeader {
    /// Whether another DSP might take it.
    #[must_use]
    pub const fn is_unsupported(self) -> bool {
        matches!(self, Self::Version(_) | Self::Flags(_))
    }
}

impl Header {
    /// Bytes of the header.
    pub const LEN: usize = 48;
    /// Offset of the word that the library does not use: either side may write it.
    pub const ERROR_AT: usize = 4;

    /// Reads a header; whether it makes sense is asked with [`check`](Self::check).
    ///
    /// # Errors
    /// Fewer than [`LEN`](Self::LEN) bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        let (version, error, flags) = (r.u32()?, r.u32()?.cast_signed(), r.u32()?);
        let mut ring = || {
            Ok(RingAt {
                start: r.u32()?,
                len: r.u32()?,
                read_state: r.u32()?,
                write_state: r.u32()?,
            })
        };
        let (requests, responses) = (ring()?, ring()?);
        Ok(Self {
            version,
            error,
            flags,
            requests,
            responses,
            count: r.u32()?,
        })
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let ring = |r: &RingAt| [r.start, r.len, r.read_state, r.write_state];
        let head = [self.version, self.error.cast_unsigned(), self.flags];
        let (requests, responses) = (ring(&self.requests), ring(&self.responses));
        let words = head.iter().chain(&requests).chain(&responses);
        words
            .chain([&self.count])
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    /// The header of a queue with rings of these lengths, laid out as the library does it, and the bytes of its buffer.
    /// `None`: they are too long.
    #[must_use]
    pub fn layout(requests: u32, responses: u32, count: u32) -> Option<(Self, u32)> {
        let mut end = LINE;
        let mut take = |len: u32| {
            let at = end;
            end = end.checked_add(len.checked_next_multiple_of(LINE)?)?;
            Some(at)
        };
        let mut ring = |len: u32| {
            Some(RingAt {
                start: take(len)?,
                len,
                read_state: take(STATE)?,
                write_state: take(STATE)?,
            })
        };
        let header = Self {
            version: *VERSIONS.end(),
            error: 0,
            flags: FLAG_WAIT_COUNTS,
            requests: ring(requests)?,
            responses: ring(responses)?,
            count,
        };
        Some((header, end))
    }

    /// Whether both sides say in their states that they wait, and need no signal otherwise.
    #[must_use]
    pub const fn has_wait_counts(&self) -> bool {
        self.version >= 2 && self.flags & FLAG_WAIT_COUNTS != 0
    }

    /// Judges a header of a buffer of `len` bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, len: u32) -> Result<(), BadHeader> {
        if !VERSIONS.contains(&self.version) {
            return Err(BadHeader::Version(self.version));
        }
        if self.version >= 2 && self.flags & !FLAG_WAIT_COUNTS != 0 {
            return Err(BadHeader::Flags(self.flags));
        }
        let mut parts = vec![(0, Self::LEN as u32)];
        for ring in [&self.requests, &self.responses] {
            if ring.len < 16 || ring.len > super::MAX_RING || !ring.len.is_multiple_of(8) {
                return Err(BadHeader::Length(ring.len));
            }
            parts.extend([
                (ring.start, ring.len),
                (ring.read_state, STATE),
                (ring.write_state, STATE),
            ]);
        }
        for &(at, size) in &parts {
            if !at.is_multiple_of(8) {
                return Err(BadHeader::Unaligned(at));
            }
            if at.checked_add(size).is_none_or(|end| end > len) {
                return Err(BadHeader::Outside { at, len: size });
            }
        }
        parts.sort_unstable();
        for pair in parts.windows(2) {
            if let [(first, size), (second, _)] = *pair
                && first.saturating_add(size) > second
            {
                return Err(BadHeader::Overlap(first, second));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `dspqueue_create` of the library lays a queue with rings of 4096 bytes out (trace dspqueue-7.3.4).
    fn header() -> (Header, u32) {
        Header::layout(4096, 4096, 0).unwrap()
    }

    #[test]
    fn the_librarys_layout() {
        let (h, len) = header();
        assert_eq!(len, 256 + 2 * (4096 + 512));
        let requests = [0x100, 4096, 0x1100, 0x1200];
        let responses = [0x1300, 4096, 0x2300, 0x2400];
        for (ring, want) in [(h.requests, requests), (h.responses, responses)] {
            assert_eq!([ring.start, ring.len, ring.read_state, ring.write_state], want);
        }
        assert_eq!(Header::parse(&h.encode()), Ok(h));
        assert_eq!(h.encode().len(), Header::LEN);
        assert_eq!((h.check(len), h.has_wait_counts()), (Ok(()), true));
        assert_eq!(
            h.check(len - 512),
            Err(BadHeader::Outside { at: 0x2300, len: 12 })
        );
        assert!(Header::parse(&h.encode()[1..]).is_err());
        assert_eq!(Header::layout(u32::MAX, 16, 0), None);
    }

    #[test]
    fn what_is_not_a_queue_is_refused() {
        let (good, len) = header();
        let check = |change: fn(&mut Header)| {
            let mut h = good;
            change(&mut h);
            h.check(len)
        };
        assert_eq!(check(|h| h.version = u32::MAX), Err(BadHeader::Version(u32::MAX)));
        assert_eq!(check(|h| h.version = 0), Err(BadHeader::Version(0)));
        assert_eq!(check(|h| h.flags = 3), Err(BadHeader::Flags(3)));
        // A queue of the first version has no flags.
        let first = |h: &mut Header| (h.version, h.flags) = (1, 3);
        assert_eq!(check(first), Ok(()));
        for ring in [0, 8, 4097, 4100, super::super::MAX_RING + 8, u32::MAX] {
            let h = Header {
                requests: RingAt {
                    len: ring,
                    ..good.requests
                },
                ..good
            };
            assert_eq!(h.check(u32::MAX), Err(BadHeader::Length(ring)));
        }
        assert_eq!(
            check(|h| h.requests.start = 0x104),
            Err(BadHeader::Unaligned(0x104))
        );
        assert_eq!(check(|h| h.requests.start = 0), Err(BadHeader::Overlap(0, 0)));
        assert_eq!(
            check(|h| h.responses.read_state = 0x200),
            Err(BadHeader::Overlap(0x100, 0x200))
        );
        let wraps = |h: &mut Header| h.responses.write_state = u32::MAX - 7;
        let outside = BadHeader::Outside {
            at: u32::MAX - 7,
            len: 12,
        };
        assert_eq!(check(wraps), Err(outside));
    }
}
