//! A packet: a header of 64 bits, buffer references, a message, each padded to 8 bytes.

use super::{MAX_BUFFERS, MAX_MESSAGE, packet_flag};
use crate::wire::{Reader, Truncated};

/// Bytes of a packet's header.
const HEAD: u32 = 8;

/// The header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHeader {
    /// Bytes of the packet, header included, without the padding at its end.
    pub len: u32,
    /// [`packet_flag`]s.
    pub flags: u16,
    /// Number of buffer references, if the flags say that there are any.
    pub count: u8,
    /// Counts the packets.
    pub sequence: u8,
}

/// Why a packet is corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPacket {
    /// Its length does not fit what it holds.
    #[error("a packet of {len} bytes with {buffers} buffers and flags {flags:#x}")]
    Length {
        /// The length that it says.
        len: u32,
        /// Its buffers.
        buffers: u32,
        /// Its flags.
        flags: u16,
    },
    /// It is longer than what the other side says that it has written.
    #[error("a packet of {len} bytes where {there} were written")]
    Missing {
        /// The length that it says.
        len: u32,
        /// Bytes that are there.
        there: u32,
    },
    /// It is not marked as complete.
    #[error("a packet that is not ready")]
    NotReady,
    /// It announces another one and has buffers, or a message that is no time.
    #[error("a wake-up packet with contents")]
    Wakeup,
}

impl PacketHeader {
    /// The header of a packet with these contents; `None`: more than a packet can hold.
    #[must_use]
    pub fn new(flags: u16, buffers: usize, message: usize, sequence: u8) -> Option<Self> {
        let count = u32::try_from(buffers).ok().filter(|&n| n <= MAX_BUFFERS)?;
        let message = u32::try_from(message).ok().filter(|&n| n <= MAX_MESSAGE)?;
        let mut flags = flags & !(packet_flag::BUFFERS | packet_flag::MESSAGE) | packet_flag::USER_READY;
        if count > 0 {
            flags |= packet_flag::BUFFERS;
        }
        if message > 0 {
            flags |= packet_flag::MESSAGE;
        }
        Some(Self {
            len: HEAD
                .checked_add(count.checked_mul(Buffer::LEN)?)?
                .checked_add(message)?,
            flags,
            count: u8::try_from(count).ok()?,
            sequence,
        })
    }

    /// As it stands in the ring.
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.len as u64)
            | (self.flags as u64) << 32
            | (self.count as u64) << 48
            | (self.sequence as u64) << 56
    }

    /// From the ring.
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self {
            len: word as u32,
            flags: (word >> 32) as u16,
            count: (word >> 48) as u8,
            sequence: (word >> 56) as u8,
        }
    }

    /// Number of buffer references.
    #[must_use]
    pub const fn buffers(self) -> u32 {
        if self.flags & packet_flag::BUFFERS != 0 {
            self.count as u32
        } else {
            0
        }
    }

    /// Bytes of the message.
    #[must_use]
    pub const fn message(self) -> u32 {
        let head = HEAD.saturating_add(self.buffers().saturating_mul(Buffer::LEN));
        if self.flags & packet_flag::MESSAGE != 0 {
            self.len.saturating_sub(head)
        } else {
            0
        }
    }

    /// It only announces another one.
    #[must_use]
    pub const fn is_wakeup(self) -> bool {
        self.flags & packet_flag::WAKEUP != 0
    }

    /// Bytes of the packet in the ring.
    #[must_use]
    pub const fn padded(self) -> u32 {
        self.len.saturating_add(7) & !7
    }

    /// Judges a header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self) -> Result<(), BadPacket> {
        let (buffers, message) = (self.buffers(), self.message());
        let head = HEAD.saturating_add(buffers.saturating_mul(Buffer::LEN));
        if buffers > MAX_BUFFERS || message > MAX_MESSAGE || self.len != head.saturating_add(message) {
            return Err(BadPacket::Length {
                len: self.len,
                buffers,
                flags: self.flags,
            });
        }
        if self.flags & packet_flag::USER_READY == 0 {
            return Err(BadPacket::NotReady);
        }
        if self.is_wakeup() && (buffers > 0 || !matches!(message, 0 | 4)) {
            return Err(BadPacket::Wakeup);
        }
        Ok(())
    }
}

/// A buffer reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// File descriptor of the AP under which the buffer was mapped.
    pub fd: i32,
    /// Bytes that are meant; 0: all.
    pub size: u32,
    /// Where they start in the buffer.
    pub offset: u32,
    /// [`buffer_flag`](super::buffer_flag)s.
    pub flags: u32,
    /// Address at whoever wrote or reads it.
    pub address: u64,
}

impl Buffer {
    /// Bytes of a reference.
    pub const LEN: u32 = 24;

    /// Reads one.
    ///
    /// # Errors
    /// Fewer than [`LEN`](Self::LEN) bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        Ok(Self {
            fd: r.u32()?.cast_signed(),
            size: r.u32()?,
            offset: r.u32()?,
            flags: r.u32()?,
            address: r.u64()?,
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN as usize] {
        let words = [self.fd.cast_unsigned(), self.size, self.offset, self.flags];
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        let mut out = [0; Self::LEN as usize];
        for (byte, value) in out.iter_mut().zip(words.chain(self.address.to_le_bytes())) {
            *byte = value;
        }
        out
    }
}

/// A packet that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// [`packet_flag`]s.
    pub flags: u16,
    /// Its buffer references.
    pub buffers: Vec<Buffer>,
    /// Its message.
    pub message: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// trace dspqueue-7.3.4: {len 16, flags 0x11}; {len 37, flags 0x13, 1 buffer, sequence 1}.
    #[test]
    fn recorded_headers() {
        let first = PacketHeader::new(0, 0, 8, 0).unwrap();
        assert_eq!(first.word(), 0x0000_0011_0000_0010);
        let second = PacketHeader::new(0, 1, 5, 1).unwrap();
        assert_eq!(second.word(), 0x0101_0013_0000_0025);
        for h in [first, second] {
            assert_eq!((PacketHeader::from_word(h.word()), h.check()), (h, Ok(())));
        }
        assert_eq!((second.buffers(), second.message(), second.padded()), (1, 5, 40));
        let buffer = Buffer {
            fd: 10,
            size: 1,
            offset: 2,
            flags: 0x94,
            address: 0x1_0000_0005,
        };
        assert_eq!(Buffer::parse(&buffer.encode()), Ok(buffer));
    }

    #[test]
    fn limits() {
        assert!(PacketHeader::new(0, 64, 65_536, 0).unwrap().check().is_ok());
        assert_eq!(PacketHeader::new(0, 65, 0, 0), None);
        assert_eq!(PacketHeader::new(0, 0, 65_537, 0), None);
    }

    #[test]
    fn corrupt_headers() {
        let header = |len, flags, count| PacketHeader {
            len,
            flags,
            count,
            sequence: 0,
        };
        for bad in [
            header(0, 0x10, 0),
            header(7, 0x11, 0),
            // Bytes that belong to nothing.
            header(16, 0x10, 0),
            header(31, 0x12, 1),
            header(8 + 65 * 24, 0x12, 65),
            header(8 + 65_537, 0x11, 0),
            header(u32::MAX, 0x13, 255),
        ] {
            assert!(matches!(bad.check(), Err(BadPacket::Length { .. })), "{bad:?}");
        }
        assert_eq!(header(16, 1, 0).check(), Err(BadPacket::NotReady));
        assert_eq!(header(12, 0x15, 0).check(), Ok(()));
        assert_eq!(header(8, 0x14, 0).check(), Ok(()));
        assert_eq!(header(13, 0x15, 0).check(), Err(BadPacket::Wakeup));
        assert_eq!(header(32, 0x16, 1).check(), Err(BadPacket::Wakeup));
    }
}
