//! What an edge is made of.

/// Whether this edge uses receive intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// RPM FIFO: no intents in either direction.
    Intentless,
    /// SMEM FIFO: the DSP announces `count` receive buffers of `size` bytes on each channel.
    Intents {
        /// Number of buffers.
        count: u32,
        /// Size of each in bytes.
        size: u32,
    },
}

/// A channel that the DSP offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalChannel {
    /// Name, at most 31 bytes.
    pub name: String,
    /// The DSP's ID for it, not 0.
    pub cid: u16,
}

/// Bounds on what the AP can make the edge remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Channels that the AP may have open.
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
    /// Channels to open.
    pub channels: Vec<LocalChannel>,
    /// Bounds.
    pub limits: Limits,
}

impl EdgeConfig {
    /// An edge over an RPM FIFO with the FastRPC channel alone, as channel `cid` of the DSP.
    #[must_use]
    pub fn fastrpc(cid: u16) -> Self {
        let name = crate::glink::FASTRPC_CHANNEL.to_owned();
        Self {
            mode: Mode::Intentless,
            channels: vec![LocalChannel { name, cid }],
            limits: Limits::default(),
        }
    }
}
