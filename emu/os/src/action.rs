//! What passes between a DSP and the outside, as data: what it does ([`Action`]) and what arrives ([`Inbound`]).
//!
//! The honest DSP fills a batch of [`Action`]s; the device thread carries them out, in order. The seam where others may look at
//! both, and change them, is [`seam`](crate::seam).

use crate::frame::Frame;
use std::sync::Arc;

/// A GLINK channel of the DSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// `fastrpcglink-apps-dsp`.
    FastRpc,
    /// `IPCRTR`: QRTR packets, and QMI in them (board mode).
    Router,
    /// `glink_ssr`: restarts of other subsystems (board mode).
    Restart,
    /// `apr_audio_svc`: APR, the audio services of an ADSP (board mode). Without audio it is there for the protection domain's sake:
    /// the AP has devices of these services while the domain is up.
    Audio,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FastRpc, Self::Router, Self::Restart, Self::Audio];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FastRpc => rpmsg::glink::FASTRPC_CHANNEL,
            Self::Router => "IPCRTR",
            Self::Restart => "glink_ssr",
            Self::Audio => rpmsg::apr::CHANNEL,
        }
    }

    /// The DSP's own ID for it.
    #[must_use]
    pub const fn cid(self) -> u16 {
        match self {
            Self::FastRpc => 7,
            Self::Router => 8,
            Self::Restart => 9,
            Self::Audio => 10,
        }
    }

    /// The channel of that name on the wire.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.name().as_bytes() == name)
    }

    /// The channel of that ID.
    #[must_use]
    pub fn of(cid: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.cid() == cid)
    }
}

/// A word of the platform that only scenarios write: what a DSP that went wrong would leave there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The DSP's write index of the FIFO to the AP.
    ToApHead,
    /// The DSP's read index of the FIFO from the AP.
    FromApTail,
    /// The AP's read index of the FIFO to the AP.
    ToApTail,
    /// The AP's write index of the FIFO from the AP.
    FromApHead,
    /// QDSP6SS BOOT_STATUS: 0 is a core that does not come out of reset (board mode).
    BootStatus,
}

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
    /// Send a message on a channel, as it is.
    Send(Channel, Vec<u8>),
    /// Open a channel from the DSP's side.
    OpenChannel(Channel),
    /// Close a channel from the DSP's side (FastRPC: what a subsystem crash looks like to the driver).
    CloseChannel(Channel),
    /// Put these bytes, one complete GLINK command, into the DSP → AP FIFO. What GLINK commands have become when they left
    /// the interposer.
    RawGlink(Frame),
    /// Raise the GLINK interrupt although nothing was written.
    Interrupt,
    /// The DSP stops executing: every process dies, nothing is read, answered or acknowledged any more, until the AP
    /// starts it again (rpm platform: until the driver is loaded anew or the machine is reset).
    Halt,
    /// The DSP's SMP2P word ("slave-kernel": bit 0 fatal, 1 ready, 2 handover, 3 stop-ack) takes this value, and the AP is
    /// interrupted (board platform).
    Smp2p(u32),
    /// The text that the AP's driver prints when it learns of a fatal error (board platform).
    CrashReason(String),
    /// The watchdog bites: its interrupt (board platform).
    Watchdog,
    /// Write a word of the platform (scenarios only).
    Poke(Place, u32),
    /// The DSP gets a message, a GLINK command or an SMP2P word as if it had arrived now (scenarios only: what was
    /// swallowed earlier, a second copy, or a changed one). It does not pass the interposer again; the message that a GLINK
    /// command completes does.
    Receive(Inbound),
}

/// What arrived from the application processor, for interposers and accounts to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// The session began: the AP started the DSP (rpm platform: the guest's driver started the device).
    Started,
    /// The session ended: reset, stop, or the machine is gone.
    Ended,
    /// One complete GLINK command as it stood in the FIFO, without padding.
    Glink(Frame),
    /// One complete message on a channel.
    Message(Channel, Vec<u8>),
    /// The AP's SMP2P word ("master-kernel": bit 0 asks for a stop) changed (board platform).
    Smp2p(u32),
}

/// Where the DSP puts its batches. The device implements it with a queue and an eventfd; tests with a `Vec`.
/// A batch is carried out as one unit and in order. Callable from any thread; never blocks for long.
pub trait Outbox: Send + Sync {
    /// Hands over one batch.
    fn send(&self, batch: Vec<Action>);
}

/// Shared handle of an [`Outbox`].
pub type SharedOutbox = Arc<dyn Outbox>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_names_and_ids_of_their_own() {
        for channel in Channel::ALL {
            assert_eq!(Channel::of(channel.cid()), Some(channel));
            assert_eq!(Channel::named(channel.name().as_bytes()), Some(channel));
            assert!(!channel.name().is_empty() && channel.name().len() < 32);
        }
        assert_eq!(Channel::of(1), None);
    }
}
