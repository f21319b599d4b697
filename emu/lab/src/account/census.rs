//! How much is live at this moment: what a test compares before and after to see that nothing grows.

use super::look::mapped;
use emu_core::mem::Bus;
use emu_os::services::DspConfig;
use serde::Serialize;

/// One DSP now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Domain label.
    pub dsp: String,
    /// Sessions that spoke and were not released.
    pub processes: usize,
    /// Calls that are not answered.
    pub contexts: usize,
    /// Whether they are counted: not if there was too much in this life of the channel.
    pub counting: bool,
    /// Lives of the channel so far.
    pub life: u32,
    /// Its streams, by session ID; empty while there is no session.
    pub streams: Vec<StreamCensus>,
}

/// One stream now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct StreamCensus {
    /// Stream ID.
    pub stream: u16,
    /// Session ID.
    pub session: u32,
    /// Its context bank, if it has one.
    pub bank: Option<u8>,
    /// Mapped ranges.
    pub ranges: usize,
    /// Mapped bytes.
    pub bytes: u64,
    /// Whether all tables could be walked within the bound.
    pub complete: bool,
}

impl Census {
    /// Mapped bytes of all streams.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.streams.iter().map(|s| s.bytes).sum()
    }

    /// Mapped ranges of all streams.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.streams.iter().map(|s| s.ranges).sum()
    }
}

/// What each of a DSP's streams maps now. Streams that are not translated are left out.
#[must_use]
pub fn streams_now(bus: &Bus, dsp: &DspConfig) -> Vec<StreamCensus> {
    dsp.streams
        .iter()
        .filter_map(|(&session, &stream)| {
            let (bank, mapped) = mapped(bus, stream)?;
            Some(StreamCensus {
                stream,
                session,
                bank,
                ranges: mapped.ranges.len(),
                bytes: mapped.bytes(),
                complete: mapped.complete,
            })
        })
        .collect()
}
