//! dspqueue: packets in shared memory between a program on the AP and a skeleton.
//!
//! A queue is one buffer of the AP with a [`Header`] and two rings: requests from the AP to the DSP and responses back. Each
//! ring has two blocks of state, one that only its reader writes and one that only its writer writes. Beside the queues a
//! process has one block of [`Counter`]s, by which either side sees which queue changed when it is signalled
//! ([`iface::dspqueue`](crate::iface::dspqueue) has the calls). Source: `inc/dspqueue.h`, `inc/dspqueue_shared.h` and
//! `src/dspqueue/dspqueue_cpu.c` of qualcomm/fastrpc.
//!
//! The other side may write anywhere at any time. So what is one's own (a position, a count) is kept apart and only stored in
//! the shared memory, never read back; what is the other's is read once and judged before it is used.

mod header;
mod packet;
mod ring;

pub use header::{BadHeader, Header, RingAt};
pub use packet::{BadPacket, Buffer, Packet, PacketHeader};
pub use ring::{Next, QueueError, Reader, Writer};

/// Most queues of a process.
pub const MAX_QUEUES: u32 = 64;
/// Most buffer references in a packet.
pub const MAX_BUFFERS: u32 = 64;
/// Longest message.
pub const MAX_MESSAGE: u32 = 65_536;
/// Longest ring.
pub const MAX_RING: u32 = 16 << 20;
/// Bytes of the process's counters.
pub const COUNTERS: u32 = 1024;

/// Flags of a packet.
pub mod packet_flag {
    /// It has a message.
    pub const MESSAGE: u16 = 1;
    /// It has buffer references.
    pub const BUFFERS: u16 = 2;
    /// It only announces that one will come soon.
    pub const WAKEUP: u16 = 4;
    /// It is complete.
    pub const USER_READY: u16 = 0x10;
}

/// Flags of a buffer reference. Those that are about caches (0x10 to 0x80) mean nothing where memory is coherent.
pub mod buffer_flag {
    /// The buffer gets one more reference.
    pub const REF: u32 = 4;
    /// It has one reference less.
    pub const DEREF: u32 = 8;
}

/// Memory that both sides see, by offset.
pub trait SharedMemory {
    /// Why it is not there.
    type Fault;
    /// Copies bytes out.
    ///
    /// # Errors
    /// They cannot be read.
    fn load(&self, at: u32, out: &mut [u8]) -> Result<(), Self::Fault>;
    /// Copies bytes in.
    ///
    /// # Errors
    /// They cannot be written.
    fn store(&self, at: u32, bytes: &[u8]) -> Result<(), Self::Fault>;
    /// Reads an aligned word at once.
    ///
    /// # Errors
    /// It cannot be read.
    fn load_word(&self, at: u32) -> Result<u32, Self::Fault>;
    /// Writes an aligned word at once.
    ///
    /// # Errors
    /// It cannot be written.
    fn store_word(&self, at: u32, word: u32) -> Result<(), Self::Fault>;
}

/// What is counted for each queue in the process's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Requests written; the AP counts.
    RequestPackets,
    /// Requests read; the DSP counts.
    RequestSpace,
    /// Responses written; the DSP counts.
    ResponsePackets,
    /// Responses read; the AP counts.
    ResponseSpace,
}

impl Counter {
    /// Where the queue in this slot has it.
    #[must_use]
    pub const fn offset(self, slot: u32) -> u32 {
        let array: u32 = match self {
            Self::RequestPackets => 0,
            Self::RequestSpace => 0x100,
            Self::ResponsePackets => 0x200,
            Self::ResponseSpace => 0x300,
        };
        array.wrapping_add((slot & 63).wrapping_mul(4))
    }
}
