//! What an edge is made of.

/// Whether this edge uses receive intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// RPM FIFO: no intents in either direction.
    Intentless,
    /// SMEM FIFO: each side announces receive buffers, and the other sends only what fits into a free one.
    Intents,
}

/// Receive buffers of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntentGroup {
    /// Number of buffers, at most 256.
    pub count: u32,
    /// Size of each in bytes.
    pub size: u32,
}

/// A channel that the DSP offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalChannel {
    /// Name, at most 31 bytes.
    pub name: String,
    /// The DSP's ID for it, not 0.
    pub cid: u16,
    /// Receive buffers that the DSP announces when the channel is open; nothing on an intentless edge. The AP asks for more when
    /// none is free that fits.
    pub intents: Vec<IntentGroup>,
}

impl LocalChannel {
    /// A channel without receive buffers of its own accord.
    #[must_use]
    pub fn new(name: &str, cid: u16) -> Self {
        Self {
            name: name.to_owned(),
            cid,
            intents: Vec::new(),
        }
    }

    fn with(mut self, intents: &[(u32, u32)]) -> Self {
        self.intents = intents
            .iter()
            .map(|&(count, size)| IntentGroup { count, size })
            .collect();
        self
    }

    /// FastRPC. An invoke message has 40 bytes; 64 of them may be under way before the AP has to ask.
    ///
    /// What firmware announces is not public; device trees of vendor kernels announce 64 buffers of 64 bytes in the other
    /// direction.
    #[must_use]
    pub fn fastrpc(cid: u16) -> Self {
        Self::new(crate::glink::FASTRPC_CHANNEL, cid).with(&[(64, 64)])
    }

    /// QRTR. Small packets mostly, and room for a message of 16 KiB with its headers; the sizes that device trees of vendor
    /// kernels announce in the other direction.
    #[must_use]
    pub fn ipc_router(cid: u16) -> Self {
        Self::new(crate::qrtr::CHANNEL, cid).with(&[(5, 0x800), (3, 0x2000), (2, 0x4400)])
    }

    /// Restart notifications: 48 bytes, one at a time, because the AP waits for the answer.
    #[must_use]
    pub fn glink_ssr(cid: u16) -> Self {
        Self::new(crate::glink_ssr::CHANNEL, cid).with(&[(4, 64)])
    }

    /// Audio packets, in the buffers that device trees announce in the other direction.
    #[must_use]
    pub fn apr(cid: u16) -> Self {
        Self::new(crate::apr::CHANNEL, cid).with(&[(20, 512)])
    }
}

/// Largest packet of QRTR: 65535 bytes (`qrtr_sendmsg`) and a header, aligned.
const QRTR_PACKET: u32 = 0x1_0020;

/// Bounds on what the AP can make the edge remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Channels of the AP that the DSP does not offer; the oldest are forgotten.
    pub remote_channels: usize,
    /// Intents on a channel, each direction.
    pub intents: usize,
    /// Bytes of one message.
    pub message: u32,
    /// Messages that wait for an intent of the AP.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            remote_channels: 16,
            intents: 256,
            message: 64 * 1024,
            queue: 512,
        }
    }
}

/// What an edge is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeConfig {
    /// Intents or not.
    pub mode: Mode,
    /// Channels to open, in this order.
    pub channels: Vec<LocalChannel>,
    /// Bounds.
    pub limits: Limits,
}

impl EdgeConfig {
    /// An edge over an RPM FIFO with the FastRPC channel alone, as channel `cid` of the DSP.
    #[must_use]
    pub fn fastrpc(cid: u16) -> Self {
        Self {
            mode: Mode::Intentless,
            channels: vec![LocalChannel::fastrpc(cid)],
            limits: Limits::default(),
        }
    }

    /// An edge over SMEM FIFOs with these channels.
    #[must_use]
    pub fn smem(channels: Vec<LocalChannel>) -> Self {
        Self {
            mode: Mode::Intents,
            channels,
            limits: Limits {
                message: QRTR_PACKET,
                ..Limits::default()
            },
        }
    }
}
