//! A ring of packets: how its reader and its writer move on in it.
//!
//! Positions are multiples of 8; the ring is empty when they are equal, so its writer keeps 8 bytes free. A packet never goes
//! round the end: one that does not fit before it leaves its header there and starts again at 0.

use std::sync::atomic::{Ordering, fence};

use super::header::RingAt;
use super::packet::{BadPacket, Buffer, Packet, PacketHeader};
use super::{MAX_BUFFERS, MAX_MESSAGE, SharedMemory};

/// Offsets in a state block.
const POSITION: u32 = 0;
const PACKETS: u32 = 4;
const WAITING: u32 = 8;

/// Why a ring cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueueError<F> {
    /// The other side is where nobody can be.
    #[error("position {0:#x} is none of the ring")]
    Position(u32),
    /// The next packet is corrupt.
    #[error(transparent)]
    Packet(BadPacket),
    /// The memory is not there.
    #[error("the queue's memory is not accessible")]
    Fault(F),
}

impl<F> From<F> for QueueError<F> {
    fn from(fault: F) -> Self {
        Self::Fault(fault)
    }
}

/// One side's own half of a ring.
#[derive(Debug, Clone)]
struct Half {
    ring: RingAt,
    /// Offsets of its own state and of the other side's.
    mine: u32,
    other: u32,
    position: u32,
    packets: u32,
    waiting: u32,
}

/// An offset within a buffer whose header was checked: never wraps.
const fn at(base: u32, offset: u32) -> u32 {
    base.wrapping_add(offset)
}

impl Half {
    fn new<M: SharedMemory>(
        ring: RingAt,
        mine: u32,
        other: u32,
        memory: &M,
    ) -> Result<Self, QueueError<M::Fault>> {
        let position = memory.load_word(at(mine, POSITION))?;
        let packets = memory.load_word(at(mine, PACKETS))?;
        let half = Self {
            ring,
            mine,
            other,
            position: 0,
            packets,
            waiting: 0,
        };
        let position = half.checked(position)?;
        Ok(Self { position, ..half })
    }

    fn checked<F>(&self, position: u32) -> Result<u32, QueueError<F>> {
        if position < self.ring.len && position.is_multiple_of(8) {
            Ok(position)
        } else {
            Err(QueueError::Position(position))
        }
    }

    fn other_position<M: SharedMemory>(&self, memory: &M) -> Result<u32, QueueError<M::Fault>> {
        let position = memory.load_word(at(self.other, POSITION))?;
        fence(Ordering::Acquire);
        self.checked(position)
    }

    /// Bytes from one position on to the other.
    fn distance(&self, from: u32, to: u32) -> u32 {
        match to.checked_sub(from) {
            Some(ahead) => ahead,
            None => self.ring.len.saturating_sub(from).saturating_add(to),
        }
    }

    /// Bytes from the position to the end of the ring.
    fn to_end(&self) -> u32 {
        self.ring.len.saturating_sub(self.position)
    }

    /// Says how far this side is, after all that it did before.
    fn publish<M: SharedMemory>(&mut self, end: u32, memory: &M) -> Result<(), M::Fault> {
        self.position = if end >= self.ring.len { 0 } else { end };
        self.packets = self.packets.wrapping_add(1);
        fence(Ordering::Release);
        memory.store_word(at(self.mine, POSITION), self.position)?;
        memory.store_word(at(self.mine, PACKETS), self.packets)
    }

    fn set_waiting<M: SharedMemory>(&mut self, waiting: u32, memory: &M) -> Result<(), M::Fault> {
        self.waiting = waiting;
        memory.store_word(at(self.mine, WAITING), waiting)?;
        // Whoever looks at the ring again now and finds nothing is signalled by who writes after that.
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn other_waits<M: SharedMemory>(&self, memory: &M) -> Result<bool, M::Fault> {
        fence(Ordering::SeqCst);
        Ok(memory.load_word(at(self.other, WAITING))? != 0)
    }
}

/// The next packet of a ring: its header, read once, and where the rest lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Its header.
    pub header: PacketHeader,
    body: u32,
    end: u32,
}

/// The side that reads a ring.
#[derive(Debug, Clone)]
pub struct Reader(Half);

impl Reader {
    /// Goes on where the reader's state says.
    ///
    /// # Errors
    /// That is none of the ring, or the memory is not there.
    pub fn new<M: SharedMemory>(ring: RingAt, memory: &M) -> Result<Self, QueueError<M::Fault>> {
        Half::new(ring, ring.read_state, ring.write_state, memory).map(Self)
    }

    /// Bytes of packets that are there.
    ///
    /// # Errors
    /// The writer's position is none of the ring.
    pub fn bytes<M: SharedMemory>(&self, memory: &M) -> Result<u32, QueueError<M::Fault>> {
        let written = self.0.other_position(memory)?;
        Ok(self.0.distance(self.0.position, written))
    }

    /// More packets than the ring holds at once.
    #[must_use]
    pub const fn most_packets(&self) -> u32 {
        self.0.ring.len / 8
    }

    /// How many packets the writer says it has written.
    ///
    /// # Errors
    /// The memory is not there.
    pub fn written<M: SharedMemory>(&self, memory: &M) -> Result<u32, M::Fault> {
        memory.load_word(at(self.0.other, PACKETS))
    }

    /// How many packets were read.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.0.packets
    }

    /// The next packet, if there is one.
    ///
    /// # Errors
    /// It is corrupt, or the ring is.
    pub fn peek<M: SharedMemory>(&self, memory: &M) -> Result<Option<Next>, QueueError<M::Fault>> {
        let half = &self.0;
        let there = self.bytes(memory)?;
        if there < 8 {
            return Ok(None);
        }
        let mut word = [0; 8];
        memory.load(at(half.ring.start, half.position), &mut word)?;
        let header = PacketHeader::from_word(u64::from_le_bytes(word));
        header.check().map_err(QueueError::Packet)?;
        let padded = header.padded();
        // The writer decides by the padded length, which is the same: what is left is a multiple of 8.
        let (start, there) = if half.to_end() < padded {
            (0, there.saturating_sub(half.to_end()))
        } else {
            (half.position, there)
        };
        if padded > there {
            return Err(QueueError::Packet(BadPacket::Missing {
                len: header.len,
                there,
            }));
        }
        Ok(Some(Next {
            header,
            body: at(start, 8),
            end: at(start, padded),
        }))
    }

    /// Takes the packet that [`peek`](Self::peek) gave out of the ring.
    ///
    /// # Errors
    /// The memory is not there.
    pub fn take<M: SharedMemory>(&mut self, next: Next, memory: &M) -> Result<Packet, QueueError<M::Fault>> {
        let (count, len) = (
            next.header.buffers().min(MAX_BUFFERS),
            next.header.message().min(MAX_MESSAGE),
        );
        let references = count.saturating_mul(Buffer::LEN);
        let body = at(self.0.ring.start, next.body);
        let mut bytes = vec![0; references as usize];
        memory.load(body, &mut bytes)?;
        let mut message = vec![0; len as usize];
        if len > 0 {
            memory.load(at(body, references), &mut message)?;
        }
        self.0.publish(next.end, memory)?;
        let buffers = bytes.chunks_exact(Buffer::LEN as usize);
        Ok(Packet {
            flags: next.header.flags,
            // A chunk of this length is never too short.
            buffers: buffers.filter_map(|b| Buffer::parse(b).ok()).collect(),
            message,
        })
    }

    /// Says how many wait for packets.
    ///
    /// # Errors
    /// The memory is not there.
    pub fn set_waiting<M: SharedMemory>(&mut self, waiting: u32, memory: &M) -> Result<(), M::Fault> {
        self.0.set_waiting(waiting, memory)
    }

    /// How many wait for packets.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.0.waiting
    }

    /// Does the writer say that it waits for room?
    ///
    /// # Errors
    /// The memory is not there.
    pub fn writer_waits<M: SharedMemory>(&self, memory: &M) -> Result<bool, M::Fault> {
        self.0.other_waits(memory)
    }
}

/// The side that writes a ring.
#[derive(Debug, Clone)]
pub struct Writer(Half, u8);

impl Writer {
    /// Goes on where the writer's state says.
    ///
    /// # Errors
    /// That is none of the ring, or the memory is not there.
    pub fn new<M: SharedMemory>(ring: RingAt, memory: &M) -> Result<Self, QueueError<M::Fault>> {
        Ok(Self(
            Half::new(ring, ring.write_state, ring.read_state, memory)?,
            0,
        ))
    }

    /// Bytes that are free, or `None` if the ring is as short as no packet is.
    fn room<M: SharedMemory>(&self, memory: &M) -> Result<u32, QueueError<M::Fault>> {
        let read = self.0.other_position(memory)?;
        let used = self.0.distance(read, self.0.position);
        Ok(self.0.ring.len.saturating_sub(8).saturating_sub(used))
    }

    /// Bytes of packets that are not read yet.
    ///
    /// # Errors
    /// The reader's position is none of the ring.
    pub fn bytes<M: SharedMemory>(&self, memory: &M) -> Result<u32, QueueError<M::Fault>> {
        let read = self.0.other_position(memory)?;
        Ok(self.0.distance(read, self.0.position))
    }

    /// How many packets the reader says it has read.
    ///
    /// # Errors
    /// The memory is not there.
    pub fn read<M: SharedMemory>(&self, memory: &M) -> Result<u32, M::Fault> {
        memory.load_word(at(self.0.other, PACKETS))
    }

    /// How many packets were written.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.0.packets
    }

    /// The header of a packet with these contents; `None` if the ring can never hold it.
    #[must_use]
    pub fn header(&self, flags: u16, buffers: usize, message: usize) -> Option<PacketHeader> {
        let header = PacketHeader::new(flags, buffers, message, self.1)?;
        (header.padded() <= self.0.ring.len.saturating_sub(8)).then_some(header)
    }

    /// Is there room for the packet now?
    ///
    /// # Errors
    /// The reader's position is none of the ring.
    pub fn fits<M: SharedMemory>(
        &self,
        header: PacketHeader,
        memory: &M,
    ) -> Result<bool, QueueError<M::Fault>> {
        let room = self.room(memory)?;
        let lost = if self.0.to_end() < header.padded() {
            self.0.to_end()
        } else {
            0
        };
        Ok(room.saturating_sub(lost) >= header.padded())
    }

    /// Writes a packet for which there is [room](Self::fits).
    ///
    /// # Errors
    /// The memory is not there.
    pub fn put<M: SharedMemory>(
        &mut self,
        header: PacketHeader,
        buffers: &[Buffer],
        message: &[u8],
        memory: &M,
    ) -> Result<(), QueueError<M::Fault>> {
        let (ring, word) = (self.0.ring, header.word().to_le_bytes());
        let mut start = self.0.position;
        if self.0.to_end() < header.padded() {
            memory.store(at(ring.start, start), &word)?;
            start = 0;
        }
        let mut bytes = Vec::with_capacity(header.len as usize);
        bytes.extend(word);
        for buffer in buffers {
            bytes.extend(buffer.encode());
        }
        bytes.extend(message);
        memory.store(at(ring.start, start), &bytes)?;
        self.0.publish(at(start, header.padded()), memory)?;
        self.1 = self.1.wrapping_add(1);
        Ok(())
    }

    /// Says how many wait for room.
    ///
    /// # Errors
    /// The memory is not there.
    pub fn set_waiting<M: SharedMemory>(&mut self, waiting: u32, memory: &M) -> Result<(), M::Fault> {
        self.0.set_waiting(waiting, memory)
    }

    /// How many wait for room.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.0.waiting
    }

    /// Does the reader say that it waits for packets?
    ///
    /// # Errors
    /// The memory is not there.
    pub fn reader_waits<M: SharedMemory>(&self, memory: &M) -> Result<bool, M::Fault> {
        self.0.other_waits(memory)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::super::Header;
    use super::*;

    /// Memory that faults outside of its bounds.
    struct Bytes(RefCell<Vec<u8>>);

    #[derive(Debug, PartialEq)]
    struct Outside;

    impl SharedMemory for Bytes {
        type Fault = Outside;
        fn load(&self, at: u32, out: &mut [u8]) -> Result<(), Outside> {
            let bytes = self.0.borrow();
            let from = bytes.get(at as usize..at as usize + out.len()).ok_or(Outside)?;
            out.copy_from_slice(from);
            Ok(())
        }
        fn store(&self, at: u32, bytes: &[u8]) -> Result<(), Outside> {
            let mut all = self.0.borrow_mut();
            let to = all
                .get_mut(at as usize..at as usize + bytes.len())
                .ok_or(Outside)?;
            to.copy_from_slice(bytes);
            Ok(())
        }
        fn load_word(&self, at: u32) -> Result<u32, Outside> {
            let mut word = [0; 4];
            self.load(at, &mut word)?;
            Ok(u32::from_le_bytes(word))
        }
        fn store_word(&self, at: u32, word: u32) -> Result<(), Outside> {
            self.store(at, &word.to_le_bytes())
        }
    }

    fn ring(len: u32) -> (Bytes, RingAt, Reader, Writer) {
        let (header, bytes) = Header::layout(len, 16, 0).unwrap();
        header.check(bytes).unwrap();
        let memory = Bytes(RefCell::new(vec![0; bytes as usize]));
        let at = header.requests;
        let reader = Reader::new(at, &memory).unwrap();
        let writer = Writer::new(at, &memory).unwrap();
        (memory, at, reader, writer)
    }

    fn buffers(n: u8) -> Vec<Buffer> {
        let one = |i: u8| Buffer {
            fd: i.into(),
            size: 1,
            offset: 2,
            flags: 0x94,
            address: 3,
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn a_packet_that_does_not_fit_before_the_end_leaves_its_header_there() {
        let (memory, at, mut reader, mut writer) = ring(64);
        let mut send = |message: &[u8]| {
            let header = writer.header(0, 0, message.len()).unwrap();
            let fits = writer.fits(header, &memory).unwrap();
            if fits {
                writer.put(header, &[], message, &memory).unwrap();
            }
            fits
        };
        assert!(send(&[1; 24]));
        assert!(send(&[2; 8]));
        // 16 bytes to the end, 8 of which stay free: neither here nor at the beginning.
        assert!(!send(&[3; 16]));
        let mut receive = || {
            let next = reader.peek(&memory).unwrap()?;
            Some(reader.take(next, &memory).unwrap().message)
        };
        assert_eq!(receive(), Some(vec![1; 24]));
        assert!(send(&[3; 13]));
        let word = |offset| {
            let mut word = [0; 8];
            memory.load(at.start + offset, &mut word).unwrap();
            u64::from_le_bytes(word)
        };
        assert_eq!((word(48), word(0)), (word(0), 0x0200_0011_0000_0015));
        assert_eq!(receive(), Some(vec![2; 8]));
        assert_eq!(receive(), Some(vec![3; 13]));
        assert_eq!(receive(), None);
        assert_eq!(memory.load_word(at.read_state), Ok(24));
        assert_eq!(memory.load_word(at.read_state + 4), Ok(3));
        assert_eq!((writer.packets(), writer.read(&memory)), (3, Ok(3)));
    }

    #[test]
    fn what_a_ring_can_never_hold() {
        let (_, _, _, writer) = ring(64);
        assert!(writer.header(0, 0, 48).is_some());
        assert_eq!(writer.header(0, 0, 49), None);
        assert_eq!(writer.header(0, 3, 0), None);
    }

    #[test]
    fn each_side_says_that_it_waits() {
        let (memory, at, mut reader, mut writer) = ring(64);
        assert!(!writer.reader_waits(&memory).unwrap() && !reader.writer_waits(&memory).unwrap());
        reader.set_waiting(2, &memory).unwrap();
        writer.set_waiting(1, &memory).unwrap();
        assert!(writer.reader_waits(&memory).unwrap() && reader.writer_waits(&memory).unwrap());
        assert_eq!(memory.load_word(at.read_state + 8), Ok(2));
        assert_eq!(memory.load_word(at.write_state + 8), Ok(1));
    }

    #[test]
    fn positions_of_the_other_side_are_judged_and_ones_own_are_not_read_back() {
        let (memory, at, mut reader, mut writer) = ring(64);
        let header = writer.header(0, 0, 8).unwrap();
        writer.put(header, &[], &[7; 8], &memory).unwrap();
        for bad in [1, 4, 64, u32::MAX, 0x8000_0000] {
            memory.store_word(at.write_state, bad).unwrap();
            assert_eq!(reader.peek(&memory), Err(QueueError::Position(bad)));
            memory.store_word(at.read_state, bad).unwrap();
            assert_eq!(writer.fits(header, &memory), Err(QueueError::Position(bad)));
            assert!(Reader::new(at, &memory).is_err());
        }
        // The reader's own place is still where it was.
        memory.store_word(at.write_state, 16).unwrap();
        let next = reader.peek(&memory).unwrap().unwrap();
        assert_eq!(reader.take(next, &memory).unwrap().message, [7; 8]);
        // A packet that says to be longer than what was written.
        memory.store_word(at.write_state, 24).unwrap();
        let word = PacketHeader::new(0, 0, 20, 0).unwrap().word();
        memory.store(at.start + 16, &word.to_le_bytes()).unwrap();
        let missing = BadPacket::Missing { len: 28, there: 8 };
        assert_eq!(reader.peek(&memory), Err(QueueError::Packet(missing)));
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in(
            len in 2u32..80,
            steps in prop::collection::vec((any::<bool>(), 0u8..4, 0usize..200), 1..200),
        ) {
            let (memory, _, mut reader, mut writer) = ring(len * 8);
            let mut there = VecDeque::new();
            for (write, count, size) in steps {
                if write {
                    let message: Vec<u8> = (0..size).map(|i| (i + there.len()) as u8).collect();
                    let list = buffers(count);
                    let Some(header) = writer.header(0, list.len(), size) else { continue };
                    if writer.fits(header, &memory).unwrap() {
                        writer.put(header, &list, &message, &memory).unwrap();
                        there.push_back((list, message));
                    } else {
                        // An empty ring holds what it ever can, unless its end is in the way.
                        prop_assert!(!there.is_empty() || header.padded() * 2 > len * 8 - 16);
                    }
                } else {
                    let got = reader.peek(&memory).unwrap().map(|next| reader.take(next, &memory).unwrap());
                    prop_assert_eq!(got.map(|p| (p.buffers, p.message)), there.pop_front());
                }
                prop_assert_eq!(reader.bytes(&memory).unwrap(), writer.bytes(&memory).unwrap());
            }
        }

        #[test]
        fn whatever_the_other_side_writes_ends_in_an_error_or_a_bounded_packet(
            pokes in prop::collection::vec((0u32..0x600, any::<u32>(), any::<bool>()), 1..100),
        ) {
            let (memory, _, mut reader, mut writer) = ring(512);
            let header = writer.header(0, 1, 20).unwrap();
            for (offset, value, small) in pokes {
                let value = if small { value & 0x1f8 } else { value };
                let _ = memory.store_word(offset & !3, value);
                if let Ok(Some(next)) = reader.peek(&memory) {
                    let packet = reader.take(next, &memory).unwrap();
                    prop_assert!(packet.message.len() <= 512 && packet.buffers.len() <= 21);
                }
                if writer.fits(header, &memory) == Ok(true) {
                    writer.put(header, &buffers(1), &[0; 20], &memory).unwrap();
                }
            }
        }
    }
}
