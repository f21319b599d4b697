//! The DSP's side of SMP2P.

use super::item::{ENTRY_SIZE, Entry, HEADER_SIZE, Item, NAME_SIZE};
use super::{AP_ENTRY, DSP_ENTRY, FEATURE_SSR_ACK, FLAG_RESTART_ACK, FLAG_RESTART_DONE, MAX_VERSION, ap};
use crate::wire::wire_len;
use crate::words::{Outside, Words};

/// Offset of the word with version and features.
const VERSION_WORD: u32 = 4;
const FLAGS_WORD: u32 = 16;

/// What the DSP brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointConfig {
    /// The DSP's number.
    pub pid: u16,
    /// Highest version that it knows, 1 or 2.
    pub version: u8,
    /// Whether it knows [`FEATURE_SSR_ACK`].
    pub ssr_ack: bool,
    /// Its entries; "slave-kernel" is the one that the remoteproc driver listens to.
    pub entries: Vec<String>,
}

impl EndpointConfig {
    /// Current firmware: version 2, restarts acknowledged, entry "slave-kernel".
    #[must_use]
    pub fn new(pid: u16) -> Self {
        Self {
            pid,
            version: MAX_VERSION,
            ssr_ack: true,
            entries: vec![DSP_ENTRY.to_owned()],
        }
    }
}

/// A word for the DSP's item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write {
    /// Offset in the item, a multiple of 4.
    pub offset: u32,
    /// The word.
    pub word: u32,
}

/// What the AP's item says that it did not say before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Both items have the same version now.
    Negotiated {
        /// The version.
        version: u8,
        /// Features of both.
        features: u32,
    },
    /// The AP's item is gone or new: its driver was loaded again.
    PeerReset,
    /// A new entry of the AP; its value follows if it is not 0.
    Entry(String),
    /// An entry's value has changed.
    Value {
        /// The entry.
        entry: String,
        /// Before.
        was: u32,
        /// Now.
        now: u32,
    },
    /// The AP has seen the DSP's restart.
    RestartAcknowledged,
    /// The AP has announced a restart of its own; it is acknowledged.
    PeerRestarted,
}

impl Event {
    /// Whether this is the AP's request to stop the DSP.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Value { entry, was, now } if entry == AP_ENTRY && now & !was & ap::STOP != 0)
    }
}

/// What came out of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// To write into the DSP's item, in this order.
    pub writes: Vec<Write>,
    /// Raise the AP's SMP2P interrupt after the writes.
    pub ring: bool,
    /// To act upon.
    pub events: Vec<Event>,
}

impl Outcome {
    /// Performs the writes.
    ///
    /// # Errors
    /// [`Outside`] if the item's memory is too short.
    pub fn apply<W: Words>(&self, item: &W) -> Result<(), Outside> {
        for write in &self.writes {
            item.store(write.offset, write.word)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, word: u32) {
        self.writes.push(Write { offset, word });
        self.ring = true;
    }
}

/// The DSP's item, and what it knows of the AP's.
#[derive(Debug, Clone)]
pub struct Endpoint {
    config: EndpointConfig,
    own: Item,
    /// Whether [`Self::start`] wrote the item.
    started: bool,
    negotiated: bool,
    /// The AP's item when it was last looked at.
    peer: Option<Item>,
    /// A restart was announced and not acknowledged yet.
    restart_pending: bool,
}

impl Endpoint {
    /// Before the first [`Self::start`].
    #[must_use]
    pub fn new(config: EndpointConfig) -> Self {
        Self {
            own: Item {
                local_pid: config.pid,
                remote_pid: 0,
                ..Item::default()
            },
            config,
            started: false,
            negotiated: false,
            peer: None,
            restart_pending: false,
        }
    }

    /// The DSP's item as it should stand in memory.
    #[must_use]
    pub const fn item(&self) -> &Item {
        &self.own
    }

    /// Whether both sides have agreed on a version.
    #[must_use]
    pub const fn is_negotiated(&self) -> bool {
        self.negotiated
    }

    /// Whether the AP still has to acknowledge a restart.
    #[must_use]
    pub const fn is_restart_pending(&self) -> bool {
        self.restart_pending
    }

    /// Value of one of the DSP's entries; 0 if there is none of that name.
    #[must_use]
    pub fn value(&self, entry: &str) -> u32 {
        let found = self.own.entries.iter().find(|e| e.name == entry);
        found.map_or(0, |e| e.value)
    }

    /// The DSP starts or starts anew: writes the whole item with all values 0, `peer` being the AP's item as it stands now. The
    /// version comes last, because it makes the item valid.
    ///
    /// The interrupt lets the AP see that all bits are 0 before they are set again: it compares with the values that it saw
    /// last, so a bit that stays 1 over a restart would not be news.
    pub fn start(&mut self, peer: Option<&Item>) -> Outcome {
        let again = self.started && self.negotiated;
        self.started = true;
        self.negotiated = false;
        self.restart_pending = false;
        self.peer = None;
        self.own.version = self.config.version.clamp(1, MAX_VERSION);
        self.own.features = if self.config.ssr_ack { FEATURE_SSR_ACK } else { 0 };
        let acked = peer.is_some_and(|p| p.flags & FLAG_RESTART_ACK != 0);
        self.own.flags &= !FLAG_RESTART_DONE;
        // Not the first start: the bit differs from the AP's acknowledgement until the AP has seen it.
        if again != acked && self.config.ssr_ack {
            self.own.flags |= FLAG_RESTART_DONE;
        }
        self.restart_pending = again && self.config.ssr_ack;
        self.own.entries = self
            .config
            .entries
            .iter()
            .map(|name| Entry {
                name: name.clone(),
                value: 0,
            })
            .collect();
        if let Some(peer) = peer {
            self.own.version = self.own.version.min(peer.version.max(1));
        }
        let mut out = Outcome::default();
        let bytes = self.own.encode();
        for (index, chunk) in bytes.chunks_exact(4).enumerate() {
            let offset = wire_len(index.saturating_mul(4));
            if offset != VERSION_WORD {
                let word = chunk.first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
                out.write(offset, word);
            }
        }
        out.write(VERSION_WORD, self.own.version_word());
        if peer.is_some() {
            self.read_peer(peer, &mut out);
        }
        out
    }

    /// Clears and sets bits of one of the DSP's entries and rings if the value changed. Unknown entries have no bits.
    pub fn set(&mut self, entry: &str, clear: u32, set: u32) -> Outcome {
        let mut out = Outcome::default();
        let found = self.own.entries.iter_mut().enumerate();
        if let Some((index, entry)) = found.into_iter().find(|(_, e)| e.name == entry) {
            let value = entry.value & !clear | set;
            if value != entry.value {
                entry.value = value;
                let offset = wire_len(index)
                    .saturating_mul(ENTRY_SIZE)
                    .saturating_add(HEADER_SIZE)
                    .saturating_add(wire_len(NAME_SIZE));
                out.write(offset, value);
            }
        }
        out
    }

    /// Raises bits of "slave-kernel" ([`super::dsp`]).
    pub fn raise(&mut self, bits: u32) -> Outcome {
        self.set(DSP_ENTRY, 0, bits)
    }

    /// Lowers bits of "slave-kernel".
    pub fn lower(&mut self, bits: u32) -> Outcome {
        self.set(DSP_ENTRY, bits, 0)
    }

    /// The AP rang: what its item says now. Nothing happens before [`Self::start`].
    pub fn rang(&mut self, peer: Option<&Item>) -> Outcome {
        let mut out = Outcome::default();
        if self.started {
            self.read_peer(peer, &mut out);
        }
        out
    }

    fn read_peer(&mut self, peer: Option<&Item>, out: &mut Outcome) {
        let Some(peer) = peer else {
            if self.peer.take().is_some() {
                self.negotiated = false;
                out.events.push(Event::PeerReset);
            }
            return;
        };
        let known = self.peer.take();
        let reset = known.as_ref().is_some_and(|known| is_reset(known, peer));
        if reset {
            self.negotiated = false;
            out.events.push(Event::PeerReset);
        }
        let known = known.filter(|_| !reset);
        self.negotiate(peer, out);
        self.restarts(peer, out);
        entries(known.as_ref(), peer, out);
        self.peer = Some(peer.clone());
    }

    fn negotiate(&mut self, peer: &Item, out: &mut Outcome) {
        if self.negotiated && peer.version == self.own.version {
            return;
        }
        if peer.version < self.own.version {
            self.own.version = peer.version;
            out.write(VERSION_WORD, self.own.version_word());
        }
        if peer.version > self.own.version {
            // The AP comes down to the DSP's version and rings then.
            return;
        }
        let features = self.own.features & peer.features;
        if features != self.own.features {
            self.own.features = features;
            out.write(VERSION_WORD, self.own.version_word());
        }
        self.negotiated = true;
        // The AP settles on the version when it is rung, not when it rings.
        out.ring = true;
        self.restart_pending &= features & FEATURE_SSR_ACK != 0;
        out.events.push(Event::Negotiated {
            version: self.own.version,
            features,
        });
    }

    fn restarts(&mut self, peer: &Item, out: &mut Outcome) {
        if !self.negotiated || self.own.features & FEATURE_SSR_ACK == 0 {
            return;
        }
        let bit = |flags: u32, mask| flags & mask != 0;
        if self.restart_pending && bit(self.own.flags, FLAG_RESTART_DONE) == bit(peer.flags, FLAG_RESTART_ACK)
        {
            self.restart_pending = false;
            out.events.push(Event::RestartAcknowledged);
        }
        if bit(peer.flags, FLAG_RESTART_DONE) != bit(self.own.flags, FLAG_RESTART_ACK) {
            self.own.flags ^= FLAG_RESTART_ACK;
            out.write(FLAGS_WORD, self.own.flags);
            out.events.push(Event::PeerRestarted);
        }
    }
}

/// Whether the AP's driver has written its item anew: entries are gone or renamed, or its version has gone up. A driver that was
/// loaded again with the same entries before the DSP looked cannot be told from one that was not, and need not be.
fn is_reset(known: &Item, peer: &Item) -> bool {
    peer.version > known.version
        || known.entries.len() > peer.entries.len()
        || known
            .entries
            .iter()
            .zip(&peer.entries)
            .any(|(a, b)| a.name != b.name)
}

fn entries(known: Option<&Item>, peer: &Item, out: &mut Outcome) {
    let mut before = known.map(|k| k.entries.as_slice()).unwrap_or_default().iter();
    for Entry { name, value } in &peer.entries {
        let was = match before.next() {
            Some(known) => known.value,
            None => {
                out.events.push(Event::Entry(name.clone()));
                0
            }
        };
        if was != *value {
            out.events.push(Event::Value {
                entry: name.clone(),
                was,
                now: *value,
            });
        }
    }
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
