//! A one-way byte ring in shared memory that carries GLINK commands.
//!
//! Source: `qcom_glink_rpm.c` and `qcom_glink_smem.c` of the kernel. Indices are byte offsets below the capacity; the ring is
//! empty when they are equal; commands start 8-byte aligned and may wrap anywhere. The reader owns the tail, the writer the
//! head, and each publishes its own after the data. This DSP keeps its own two indices in private memory and never believes
//! what stands in shared memory about them; the other two are checked each time they are read.
//!
//! Where the four indices and the bytes are is a matter of [`RingMemory`]: behind the data for the RPM layout ([`rpm`]), in a
//! descriptor item for SMEM ([`smem`]). Ordering (acquire the other's index before data, release the own one after) is its matter too.

pub mod rpm;
pub mod smem;

use crate::glink::command::{Command, CommandError, Extent, extent};

/// Shared memory of one ring. All words are little-endian on the wire and host values here.
pub trait RingMemory {
    /// Bytes of ring data.
    fn capacity(&self) -> u32;
    /// The reader's index. Acquire.
    fn tail(&self) -> u32;
    /// The writer's index. Acquire: data written before it was published is visible afterwards.
    fn head(&self) -> u32;
    /// Publishes the reader's index. Release: data was read before.
    fn publish_tail(&self, tail: u32);
    /// Publishes the writer's index. Release: data was written before.
    fn publish_head(&self, head: u32);
    /// Reads the ring's word at a byte offset, a multiple of 4 below the capacity.
    fn read_word(&self, offset: u32) -> u32;
    /// Writes the ring's word at a byte offset, a multiple of 4 below the capacity.
    fn write_word(&self, offset: u32, word: u32);
}

/// Why a ring cannot be used (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FifoError {
    /// Capacities are multiples of 8, at least 64 and at most 16 MiB.
    #[error("FIFO of {0} bytes")]
    Capacity(u32),
    /// The other side's index is outside the ring or not a multiple of 8.
    #[error("FIFO index {index:#x} in a ring of {capacity:#x} bytes")]
    Index {
        /// The index.
        index: u32,
        /// The ring's size.
        capacity: u32,
    },
    /// A command that does not end before the writer's index. Writers publish complete commands only.
    #[error("GLINK command of {need} bytes, but the FIFO holds {have}")]
    Truncated {
        /// Bytes of the command with padding.
        need: u32,
        /// Bytes in the ring.
        have: u32,
    },
    /// The bytes are no command.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Why a command was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Not now: the reader has to make space first.
    #[error("FIFO full: {need} bytes needed, {free} free")]
    Full {
        /// Bytes with padding.
        need: u32,
        /// Bytes that may be used.
        free: u32,
    },
    /// Never: it is larger than the ring.
    #[error("GLINK command of {0} bytes does not fit into the FIFO")]
    TooLong(usize),
    /// The reader's index is impossible.
    #[error(transparent)]
    Fifo(#[from] FifoError),
}

/// Bytes that the DSP never fills, so that a full ring differs from an empty one.
pub const RESERVE: u32 = 8;
const STEP: u32 = 8;

fn check_capacity(capacity: u32) -> Result<u32, FifoError> {
    if capacity.is_multiple_of(STEP) && (64..=16 << 20).contains(&capacity) {
        Ok(capacity)
    } else {
        Err(FifoError::Capacity(capacity))
    }
}

fn check_index(index: u32, capacity: u32) -> Result<u32, FifoError> {
    if index < capacity && index.is_multiple_of(STEP) {
        Ok(index)
    } else {
        Err(FifoError::Index { index, capacity })
    }
}

/// `index + step` in a ring; both below or at the capacity, which is below 2²⁵.
fn advance(index: u32, step: u32, capacity: u32) -> u32 {
    let sum = index.saturating_add(step);
    sum.checked_sub(capacity).unwrap_or(sum)
}

/// Bytes from `from` up to `to`.
fn distance(from: u32, to: u32, capacity: u32) -> u32 {
    to.checked_sub(from)
        .unwrap_or_else(|| to.saturating_add(capacity).saturating_sub(from))
}

fn padded(len: usize) -> Option<u32> {
    u32::try_from(len).ok()?.checked_next_multiple_of(STEP)
}

/// Copies `len` bytes from ring offset `at` out of the ring; `len` at most the capacity.
fn copy_out<M: RingMemory>(mem: &M, at: u32, len: usize, capacity: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len.next_multiple_of(4));
    let mut offset = at;
    while bytes.len() < len {
        bytes.extend_from_slice(&mem.read_word(offset).to_le_bytes());
        offset = advance(offset, 4, capacity);
    }
    bytes.truncate(len);
    bytes
}

/// A command that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its bytes as they stood in the ring, without padding.
    pub bytes: Vec<u8>,
    /// The command that they are.
    pub command: Command,
}

/// The DSP as reader of a ring.
#[derive(Debug, Clone)]
pub struct Consumer {
    capacity: u32,
    tail: u32,
}

impl Consumer {
    /// A reader that starts at offset 0.
    ///
    /// # Errors
    /// [`FifoError::Capacity`]
    pub fn new(capacity: u32) -> Result<Self, FifoError> {
        Ok(Self {
            capacity: check_capacity(capacity)?,
            tail: 0,
        })
    }

    /// The next byte to read.
    #[must_use]
    pub const fn tail(&self) -> u32 {
        self.tail
    }

    /// Starts over at offset 0 and says so.
    pub fn restart<M: RingMemory>(&mut self, mem: &M) {
        self.tail = 0;
        mem.publish_tail(0);
    }

    /// Reads one command, or `None` if the ring is empty. The command is copied before it is parsed.
    ///
    /// # Errors
    /// [`FifoError`]; the ring stays as it is.
    pub fn next<M: RingMemory>(&mut self, mem: &M) -> Result<Option<Received>, FifoError> {
        let head = check_index(mem.head(), self.capacity)?;
        self.next_before(mem, head)
    }

    /// Reads all commands that are in the ring now. What the writer adds meanwhile is left, so this ends.
    ///
    /// # Errors
    /// The first [`FifoError`]; commands before it are in `into`.
    pub fn drain<M: RingMemory>(&mut self, mem: &M, into: &mut Vec<Received>) -> Result<(), FifoError> {
        let head = check_index(mem.head(), self.capacity)?;
        while let Some(received) = self.next_before(mem, head)? {
            into.push(received);
        }
        Ok(())
    }

    fn next_before<M: RingMemory>(&mut self, mem: &M, head: u32) -> Result<Option<Received>, FifoError> {
        let Some((bytes, next)) = self.copy_command(mem, self.tail, head)? else {
            return Ok(None);
        };
        let command = Command::parse(&bytes)?;
        self.tail = next;
        mem.publish_tail(next);
        Ok(Some(Received { bytes, command }))
    }

    /// The bytes of the command at `tail` and where the next one starts.
    fn copy_command<M: RingMemory>(
        &self,
        mem: &M,
        tail: u32,
        head: u32,
    ) -> Result<Option<(Vec<u8>, u32)>, FifoError> {
        let have = distance(tail, head, self.capacity);
        if have == 0 {
            return Ok(None);
        }
        let mut bytes = copy_out(mem, tail, 8, self.capacity);
        loop {
            let len = match extent(&bytes)? {
                Extent::Need(len) | Extent::Complete(len) => len,
            };
            let need = padded(len).unwrap_or(u32::MAX);
            if need > have {
                return Err(FifoError::Truncated { need, have });
            }
            if len <= bytes.len() {
                bytes.truncate(len);
                return Ok(Some((bytes, advance(tail, need, self.capacity))));
            }
            // At most twice: a header announces how much is needed to know the whole length.
            let rest = len.saturating_sub(bytes.len());
            let at = advance(tail, u32::try_from(bytes.len()).unwrap_or(0), self.capacity);
            bytes.extend(copy_out(mem, at, rest, self.capacity));
        }
    }

    /// Whether the bytes from the tail to the head are a sequence of commands that ends exactly at the head.
    fn is_consistent<M: RingMemory>(&self, mem: &M) -> bool {
        let Ok(head) = check_index(mem.head(), self.capacity) else {
            return false;
        };
        let mut tail = self.tail;
        loop {
            match self.copy_command(mem, tail, head) {
                Ok(None) => return true,
                Ok(Some((bytes, next))) if Command::parse(&bytes).is_ok() => tail = next,
                _ => return false,
            }
        }
    }
}

/// The DSP as writer of a ring.
#[derive(Debug, Clone)]
pub struct Producer {
    capacity: u32,
    head: u32,
    /// The reader's index when it was last looked at.
    seen_tail: u32,
}

impl Producer {
    /// A writer that starts at offset 0.
    ///
    /// # Errors
    /// [`FifoError::Capacity`]
    pub fn new(capacity: u32) -> Result<Self, FifoError> {
        Ok(Self {
            capacity: check_capacity(capacity)?,
            head: 0,
            seen_tail: 0,
        })
    }

    /// Where the next command goes.
    #[must_use]
    pub const fn head(&self) -> u32 {
        self.head
    }

    /// Starts over at offset 0 and says so.
    pub fn restart<M: RingMemory>(&mut self, mem: &M) {
        self.head = 0;
        self.seen_tail = 0;
        mem.publish_head(0);
    }

    /// Bytes that may be written now.
    ///
    /// # Errors
    /// [`FifoError::Index`]
    pub fn free<M: RingMemory>(&mut self, mem: &M) -> Result<u32, FifoError> {
        self.seen_tail = check_index(mem.tail(), self.capacity)?;
        let used = distance(self.seen_tail, self.head, self.capacity);
        Ok(self.capacity.saturating_sub(used).saturating_sub(RESERVE))
    }

    /// Writes one command, padded, and publishes it.
    ///
    /// # Errors
    /// [`PushError`]; nothing was written then.
    pub fn push<M: RingMemory>(&mut self, mem: &M, command: &[u8]) -> Result<(), PushError> {
        let need = padded(command.len())
            .filter(|&n| n <= self.capacity.saturating_sub(RESERVE))
            .ok_or(PushError::TooLong(command.len()))?;
        let free = self.free(mem)?;
        if need > free {
            return Err(PushError::Full { need, free });
        }
        let mut offset = self.head;
        for index in 0..need / 4 {
            let at = usize::try_from(index).unwrap_or(0).saturating_mul(4);
            let mut word = [0; 4];
            for (to, from) in word.iter_mut().zip(command.get(at..).unwrap_or(&[])) {
                *to = *from;
            }
            mem.write_word(offset, u32::from_le_bytes(word));
            offset = advance(offset, 4, self.capacity);
        }
        self.head = offset;
        mem.publish_head(offset);
        Ok(())
    }

    /// Whether the reader's index went back to 0 without passing there in reading order.
    fn reader_jumped_back<M: RingMemory>(&self, mem: &M) -> bool {
        // Reading on from `seen_tail` passes 0 only if what is unread wraps around.
        mem.tail() == 0 && self.seen_tail != 0 && self.seen_tail <= self.head
    }
}

/// Both rings of an edge.
#[derive(Debug, Clone)]
pub struct Link {
    /// From the AP.
    pub consumer: Consumer,
    /// To the AP.
    pub producer: Producer,
}

impl Link {
    /// Both at offset 0. Call [`Link::restart`] before the AP's driver starts and at every machine reset.
    ///
    /// # Errors
    /// [`FifoError::Capacity`]
    pub fn new(from_ap: u32, to_ap: u32) -> Result<Self, FifoError> {
        Ok(Self {
            consumer: Consumer::new(from_ap)?,
            producer: Producer::new(to_ap)?,
        })
    }

    /// Starts both over at offset 0 and publishes the DSP's two indices. The AP's two are the AP's to reset.
    pub fn restart<M: RingMemory>(&mut self, from_ap: &M, to_ap: &M) {
        self.consumer.restart(from_ap);
        self.producer.restart(to_ap);
    }

    /// Whether the AP's driver was loaded anew since the last look, without any reset signal: it sets its two indices to 0 and
    /// puts a VERSION at offset 0, while the DSP's indices still point into the old session. Then [`Link::restart`] is due
    /// before reading.
    ///
    /// A natural wrap can look similar (the last 8 bytes of a message can have a VERSION's bytes), so the AP's read index must
    /// have jumped back against the reading order, or what stands in the ring must make no sense when read on from the DSP's
    /// own index.
    #[must_use]
    pub fn driver_reloaded<M: RingMemory>(&self, from_ap: &M, to_ap: &M) -> bool {
        let version_at_0 = from_ap.head() == 8 && from_ap.read_word(0) == 0x0001_0000;
        if !version_at_0 || to_ap.tail() != 0 || (self.consumer.tail == 0 && self.producer.head == 0) {
            return false;
        }
        self.producer.reader_jumped_back(to_ap) || !self.consumer.is_consistent(from_ap)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::{cell::Cell, collections::VecDeque};

    /// A ring in plain memory.
    pub(crate) struct TestRing {
        pub(crate) words: Vec<Cell<u32>>,
        pub(crate) tail: Cell<u32>,
        pub(crate) head: Cell<u32>,
    }

    impl TestRing {
        pub(crate) fn new(capacity: u32) -> Self {
            Self {
                words: (0..capacity / 4).map(|_| Cell::new(0xAAAA_AAAA)).collect(),
                tail: Cell::new(0),
                head: Cell::new(0),
            }
        }
    }

    impl RingMemory for TestRing {
        fn capacity(&self) -> u32 {
            self.words.len() as u32 * 4
        }
        fn tail(&self) -> u32 {
            self.tail.get()
        }
        fn head(&self) -> u32 {
            self.head.get()
        }
        fn publish_tail(&self, tail: u32) {
            self.tail.set(tail);
        }
        fn publish_head(&self, head: u32) {
            self.head.set(head);
        }
        fn read_word(&self, offset: u32) -> u32 {
            self.words[offset as usize / 4].get()
        }
        fn write_word(&self, offset: u32, word: u32) {
            self.words[offset as usize / 4].set(word);
        }
    }

    const VERSION: Command = Command::Version {
        version: 1,
        features: 0,
    };

    fn data(len: usize) -> Command {
        Command::TxData {
            cid: 1,
            intent: 0,
            left: 0,
            data: vec![0x5A; len],
        }
    }

    #[test]
    fn capacities_are_checked() {
        for bad in [0, 56, 68, 100, u32::MAX, 32 << 20] {
            assert!(matches!(Consumer::new(bad), Err(FifoError::Capacity(_))), "{bad}");
        }
        assert!(Link::new(0x4000, 64).is_ok());
    }

    #[test]
    fn the_writer_keeps_eight_bytes_free() {
        let ring = TestRing::new(64);
        let mut p = Producer::new(64).unwrap();
        assert_eq!(p.push(&ring, &data(40).encode()), Ok(()));
        assert_eq!(
            p.push(&ring, &VERSION.encode()),
            Err(PushError::Full { need: 8, free: 0 })
        );
        assert_eq!(p.push(&ring, &data(48).encode()), Err(PushError::TooLong(64)));
        let mut c = Consumer::new(64).unwrap();
        assert_eq!(c.next(&ring).unwrap().unwrap().command, data(40));
        assert_eq!(p.push(&ring, &data(30).encode()), Ok(()));
        let got = c.next(&ring).unwrap().unwrap();
        assert_eq!((got.command, got.bytes), (data(30), data(30).encode()));
        assert_eq!(c.next(&ring), Ok(None));
    }

    #[test]
    fn impossible_indices_are_errors() {
        let ring = TestRing::new(64);
        let mut c = Consumer::new(64).unwrap();
        let mut p = Producer::new(64).unwrap();
        for index in [64, 4, 12, u32::MAX] {
            ring.head.set(index);
            ring.tail.set(index);
            assert_eq!(c.next(&ring), Err(FifoError::Index { index, capacity: 64 }));
            assert!(matches!(
                p.push(&ring, &VERSION.encode()),
                Err(PushError::Fifo(FifoError::Index { .. }))
            ));
        }
    }

    #[test]
    fn half_a_command_is_an_error_and_stays() {
        let ring = TestRing::new(64);
        let mut p = Producer::new(64).unwrap();
        p.push(&ring, &data(24).encode()).unwrap();
        let mut c = Consumer::new(64).unwrap();
        for (head, have) in [(8, 8), (16, 16), (32, 32)] {
            ring.head.set(head);
            assert!(matches!(c.next(&ring), Err(FifoError::Truncated { have: h, .. }) if h == have));
            assert_eq!(ring.tail.get(), 0);
        }
    }

    #[test]
    fn a_reloaded_driver_is_noticed() {
        let (rx, tx) = (TestRing::new(256), TestRing::new(256));
        let mut link = Link::new(256, 256).unwrap();
        let mut ap = Producer::new(256).unwrap();
        let mut ap_rx = Consumer::new(256).unwrap();
        assert!(!link.driver_reloaded(&rx, &tx));
        for _ in 0..5 {
            ap.push(&rx, &data(40).encode()).unwrap();
            assert!(!link.driver_reloaded(&rx, &tx));
            link.consumer.next(&rx).unwrap().unwrap();
            link.producer.push(&tx, &data(16).encode()).unwrap();
            link.producer.free(&tx).unwrap();
            ap_rx.next(&tx).unwrap().unwrap();
        }
        link.producer.free(&tx).unwrap();
        ap = Producer::new(256).unwrap();
        rx.head.set(0);
        tx.tail.set(0);
        // The stale tail of the DSP must not keep the driver from writing; Linux compares with an empty ring.
        rx.write_word(0, 0x0001_0000);
        rx.write_word(4, 0);
        rx.head.set(8);
        assert!(link.driver_reloaded(&rx, &tx));
        link.restart(&rx, &tx);
        assert_eq!(link.consumer.next(&rx).unwrap().unwrap().command, VERSION);
        assert!(!link.driver_reloaded(&rx, &tx));
        let _ = ap.head();
    }

    #[test]
    fn a_message_that_wraps_and_ends_like_a_version_is_no_reload() {
        // 32-byte ring positions: the message's last 8 bytes land at offset 0.
        let (rx, tx) = (TestRing::new(64), TestRing::new(64));
        let mut link = Link::new(64, 64).unwrap();
        let mut ap = Producer::new(64).unwrap();
        let mut ap_rx = Consumer::new(64).unwrap();
        ap.push(&rx, &data(32).encode()).unwrap();
        link.consumer.next(&rx).unwrap().unwrap();
        for _ in 0..2 {
            link.producer.push(&tx, &data(16).encode()).unwrap();
            ap_rx.next(&tx).unwrap().unwrap();
        }
        let message = Command::TxData {
            cid: 1,
            intent: 0,
            left: 0,
            data: VERSION.encode(),
        };
        ap.push(&rx, &message.encode()).unwrap();
        assert_eq!((rx.head.get(), tx.tail.get()), (8, 0));
        assert_eq!(rx.read_word(0), 0x0001_0000);
        assert!(!link.driver_reloaded(&rx, &tx));
        assert_eq!(link.consumer.next(&rx).unwrap().unwrap().command, message);
    }

    proptest! {
        /// The ring delivers what a queue would, in order, whatever the sizes and the interleaving.
        #[test]
        fn a_ring_is_a_queue(ops in vec((any::<bool>(), 0usize..60), 1..200)) {
            let ring = TestRing::new(128);
            let mut p = Producer::new(128).unwrap();
            let mut c = Consumer::new(128).unwrap();
            let mut model = VecDeque::new();
            for (push, len) in ops {
                if push {
                    let command = data(len);
                    let used: u32 = model.iter().map(|c: &Command| padded(c.encode().len()).unwrap()).sum();
                    let need = padded(command.encode().len()).unwrap();
                    let result = p.push(&ring, &command.encode());
                    prop_assert_eq!(result.is_ok(), used + need + RESERVE <= 128);
                    if result.is_ok() {
                        model.push_back(command);
                    }
                } else {
                    prop_assert_eq!(c.next(&ring).unwrap().map(|r| r.command), model.pop_front());
                }
            }
            let mut rest = Vec::new();
            c.drain(&ring, &mut rest).unwrap();
            prop_assert_eq!(rest.into_iter().map(|r| r.command).collect::<Vec<_>>(), Vec::from(model));
        }

        /// Whatever a hostile AP writes, each call ends and stays inside the ring (the test ring panics outside).
        #[test]
        fn hostile_memory_is_survived(
            words in vec(prop_oneof![any::<u32>(), 0u32..16], 32),
            heads in vec(prop_oneof![any::<u32>(), (0u32..16).prop_map(|n| n * 8)], 1..20),
        ) {
            let ring = TestRing::new(128);
            for (cell, word) in ring.words.iter().zip(words) {
                cell.set(word);
            }
            let tx = TestRing::new(128);
            let mut link = Link::new(128, 128).unwrap();
            for head in heads {
                ring.head.set(head);
                tx.tail.set(head);
                let _ = link.driver_reloaded(&ring, &tx);
                let mut out = Vec::new();
                let _ = link.consumer.drain(&ring, &mut out);
                prop_assert!(out.len() <= 128 / 8);
                let _ = link.producer.push(&tx, &[1; 24]);
            }
        }
    }
}
