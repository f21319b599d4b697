//! The seam through which everything the DSP does to the outside passes ("Behaviour is data").
//!
//! The honest DSP fills a batch of [`Action`]s; the device thread hands each batch to an [`Interposer`] and then carries
//! out what comes back, in order. A scenario interposer may hold, repeat, drop, reorder or falsify entries; an account
//! only watches. Neither is known to the services or to the core, and they are not known to it.

use std::sync::Arc;

/// One thing the DSP does to the outside world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write `bytes` at a device address of a stream (outputs of built-in services, fdlist, poll word), through the SMMU.
    /// Skeletons write their mapped buffers in place; those writes are not actions.
    Write {
        /// Stream ID of the session's context bank.
        stream: u16,
        /// I/O virtual address, session bits stripped.
        iova: u64,
        /// What to write.
        bytes: Vec<u8>,
    },
    /// Answer a FastRPC call: the 16-byte response message on the FastRPC channel.
    Answer {
        /// Context of the request, echoed bit for bit.
        ctx: u64,
        /// The DSP's return value (0 or an AEE code).
        retval: u32,
    },
    /// Open the FastRPC channel from the DSP's side.
    OpenChannel,
    /// Close the FastRPC channel from the DSP's side (what a subsystem crash looks like to the driver).
    CloseChannel,
    /// Put these bytes, one complete GLINK command, into the DSP → AP FIFO (scenarios only; the honest DSP never uses it).
    RawGlink(Vec<u8>),
    /// Raise the GLINK interrupt although nothing was written.
    Interrupt,
}

/// What arrived from the application processor, for interposers and accounts to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// One complete GLINK command as it stood in the FIFO, without padding.
    Glink(Vec<u8>),
    /// One complete message on the FastRPC channel.
    Message(Vec<u8>),
}

/// Sits between the DSP and the wire.
pub trait Interposer: Send {
    /// Sees everything that arrives, before the DSP does.
    fn inbound(&mut self, _event: &Inbound) {}
    /// Takes a batch the DSP produced; returns what is to be carried out now.
    fn outbound(&mut self, batch: Vec<Action>) -> Vec<Action>;
}

/// The honest interposer: everything passes.
#[derive(Debug, Default)]
pub struct PassThrough;

impl Interposer for PassThrough {
    fn outbound(&mut self, batch: Vec<Action>) -> Vec<Action> {
        batch
    }
}

/// Where the DSP puts its batches. The device implements it with a queue and an eventfd; tests with a `Vec`.
/// A batch is carried out as one unit and in order. Callable from any thread; never blocks for long.
pub trait Outbox: Send + Sync {
    /// Hands over one batch.
    fn send(&self, batch: Vec<Action>);
}

/// Shared handle of an [`Outbox`].
pub type SharedOutbox = Arc<dyn Outbox>;
