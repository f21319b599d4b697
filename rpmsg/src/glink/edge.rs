//! One GLINK edge as the DSP sees it: version negotiation, channels, intents, messages.
//!
//! Source of truth: spec of the wire in the kernel's qcom_glink_native.c, whose peer this is. [`Edge::step`] is the whole interface:
//! one input, and out come commands to send (in order) and events. There is no clock: an AP that loads its driver late
//! acknowledges an OPEN late, and the edge waits for as long as that takes.
//!
//! The DSP stays silent until the AP's first VERSION, answers it, offers its own version, and opens its channels when that is
//! acknowledged. A channel closed by the AP (module unload) is opened again; one closed by the DSP stays closed until
//! [`Input::Open`]. A VERSION in the middle of a session means that the AP's driver started anew: all channels are gone.
//!
//! Any malformed command stops the edge for good, because nothing after it can be trusted. Deliberately not modelled:
//! priorities, migration, tracer packets; modem signals are ignored.

use super::command::{Command, FEATURE_INTENT_REUSE, Intent};
use std::collections::{BTreeMap, VecDeque};

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
        let name = super::FASTRPC_CHANNEL.to_owned();
        Self {
            mode: Mode::Intentless,
            channels: vec![LocalChannel { name, cid }],
            limits: Limits::default(),
        }
    }
}

/// What happens to the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The AP sent this.
    Command(Command),
    /// The DSP wants its channel `cid` open (again).
    Open(u16),
    /// The DSP closes its channel `cid`: to the AP's driver, the subsystem is gone.
    Close(u16),
    /// The DSP sends a message on its channel `cid`.
    Send(u16, Vec<u8>),
}

/// What the edge tells the DSP. Channels are named by the DSP's own ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Both sides agree on a version.
    Negotiated {
        /// Features in use.
        features: u32,
    },
    /// The AP's driver started anew. [`Event::Down`] of its channels came before.
    PeerRestarted,
    /// A channel is open in both directions.
    Up(u16),
    /// A channel is closed; messages that were not complete are gone.
    Down(u16),
    /// A complete message.
    Message(u16, Vec<u8>),
    /// The AP waits for space: ring its doorbell after draining.
    ReadNotif,
    /// The AP opened a channel that the DSP does not offer; it is left unanswered, as on real firmware without that service.
    Refused(String),
    /// A message could not be sent or delivered: its channel is not up, or the AP denied an intent.
    Dropped(u16),
}

/// Why the edge stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    /// It stopped before.
    #[error("the GLINK edge has stopped")]
    Stopped,
    /// A command for a channel that is not open.
    #[error("GLINK {command} for unknown channel {cid}")]
    UnknownChannel {
        /// The command.
        command: &'static str,
        /// The ID it carried.
        cid: u16,
    },
    /// An acknowledgement that nobody waits for.
    #[error("GLINK {command} for channel {cid}, but none is due")]
    Unexpected {
        /// The command.
        command: &'static str,
        /// The ID it carried.
        cid: u16,
    },
    /// A channel ID or name that is open already.
    #[error("GLINK channel {cid} ({name}) opened twice")]
    Duplicate {
        /// Its ID.
        cid: u16,
        /// Its name.
        name: String,
    },
    /// More channels than [`Limits::remote_channels`].
    #[error("too many GLINK channels")]
    TooManyChannels,
    /// More intents than [`Limits::intents`].
    #[error("too many intents on GLINK channel {0}")]
    TooManyIntents(u16),
    /// An intent number that is announced already.
    #[error("intent {intent} announced twice on GLINK channel {cid}")]
    DuplicateIntent {
        /// Channel.
        cid: u16,
        /// Intent.
        intent: u32,
    },
    /// A command names an intent that is not there, or in use, or too small.
    #[error("GLINK {command} on channel {cid} with unusable intent {intent}")]
    BadIntent {
        /// The command.
        command: &'static str,
        /// Channel.
        cid: u16,
        /// Intent.
        intent: u32,
    },
    /// Intent commands on an edge that has none.
    #[error("GLINK {0} on an intentless edge")]
    Intentless(&'static str),
    /// A message larger than [`Limits::message`].
    #[error("GLINK message of {size} bytes on channel {cid}")]
    MessageTooLarge {
        /// Channel.
        cid: u16,
        /// Announced size in bytes.
        size: u64,
    },
    /// Parts of a message do not fit together: a start inside another message, a part without start, or a wrong rest.
    #[error("GLINK message parts on channel {0} do not fit together")]
    BrokenMessage(u16),
    /// The AP accepted version 0 or features that were not offered.
    #[error("GLINK version {version} with features {features:#x} acknowledged, but never offered")]
    Negotiation {
        /// Version.
        version: u16,
        /// Features.
        features: u32,
    },
}

/// What came out of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// To send, in this order.
    pub commands: Vec<Command>,
    /// To act upon, in this order.
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Local {
    #[default]
    Closed,
    /// OPEN sent.
    Opening,
    /// OPEN acknowledged.
    Open,
    /// CLOSE sent.
    Closing,
}

/// A message of which parts are missing.
#[derive(Debug, Clone)]
struct Partial {
    data: Vec<u8>,
    left: u32,
}

#[derive(Debug, Clone)]
struct Channel {
    name: String,
    cid: u16,
    wanted: bool,
    local: Local,
    /// The AP's ID.
    remote: Option<u16>,
    up: bool,
    /// The DSP's receive buffers: number to (size, filled).
    receive: BTreeMap<u32, (u32, bool)>,
    /// The AP's receive buffers: number to (size, filled).
    transmit: BTreeMap<u32, (u32, bool)>,
    partial: BTreeMap<u32, Partial>,
    /// Waiting for a buffer of the AP.
    queue: VecDeque<Vec<u8>>,
    requested: bool,
}

impl Channel {
    fn forget_session(&mut self) {
        self.receive.clear();
        self.transmit.clear();
        self.partial.clear();
        self.queue.clear();
        self.requested = false;
        self.up = false;
    }
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Edge {
    mode: Mode,
    limits: Limits,
    channels: Vec<Channel>,
    /// The AP's channels that the DSP does not offer.
    refused: BTreeMap<u16, String>,
    /// VERSION sent since the AP's driver started.
    offered: bool,
    /// The DSP's VERSION was acknowledged.
    negotiated: bool,
    features: u32,
    /// Features with which the AP will send VERSION once more, because it was acknowledged with fewer than it offered.
    renegotiation: Option<u32>,
    stopped: bool,
}

const VERSION: u16 = 1;
const TX_CHUNK: usize = 8 * 1024;

impl Edge {
    /// An edge that has not heard of the AP yet.
    #[must_use]
    pub fn new(config: EdgeConfig) -> Self {
        let channels = config
            .channels
            .into_iter()
            .map(|LocalChannel { name, cid }| Channel {
                name,
                cid,
                wanted: true,
                local: Local::Closed,
                remote: None,
                up: false,
                receive: BTreeMap::new(),
                transmit: BTreeMap::new(),
                partial: BTreeMap::new(),
                queue: VecDeque::new(),
                requested: false,
            })
            .collect();
        Self {
            mode: config.mode,
            limits: config.limits,
            channels,
            refused: BTreeMap::new(),
            offered: false,
            negotiated: false,
            features: 0,
            renegotiation: None,
            stopped: false,
        }
    }

    /// Whether the channel is open in both directions.
    #[must_use]
    pub fn is_up(&self, cid: u16) -> bool {
        self.channels.iter().any(|c| c.cid == cid && c.up)
    }

    /// Whether an error has stopped the edge.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// One input.
    ///
    /// # Errors
    /// [`EdgeError`] for a malformed command; the edge is stopped then and forever.
    pub fn step(&mut self, input: Input) -> Result<Outcome, EdgeError> {
        if self.stopped {
            return Err(EdgeError::Stopped);
        }
        let mut out = Outcome::default();
        let result = match input {
            Input::Command(command) => self.command(command, &mut out),
            Input::Open(cid) => {
                self.set_wanted(cid, &mut out);
                Ok(())
            }
            Input::Close(cid) => {
                self.close(cid, &mut out);
                Ok(())
            }
            Input::Send(cid, data) => {
                self.send(cid, data, &mut out);
                Ok(())
            }
        };
        self.stopped = result.is_err();
        result.map(|()| out)
    }

    fn command(&mut self, command: Command, out: &mut Outcome) -> Result<(), EdgeError> {
        match command {
            Command::Version { version, features } => {
                self.version(version, features, out);
                Ok(())
            }
            Command::VersionAck { version, features } => self.version_ack(version, features, out),
            Command::Open { cid, name, .. } => self.opened(cid, &name, out),
            Command::OpenAck { cid } => self.open_ack(cid, out),
            Command::Close { cid } => self.closed(cid, out),
            Command::CloseAck { cid } => self.close_ack(cid, out),
            Command::TxData {
                cid,
                intent,
                left,
                data,
            } => self.data(cid, intent, left, data, true, out),
            Command::TxDataCont {
                cid,
                intent,
                left,
                data,
            } => self.data(cid, intent, left, data, false, out),
            Command::Intents { cid, intents } => self.intents(cid, &intents, out),
            Command::RxDone { cid, intent } => self.rx_done(cid, intent, false, out),
            Command::RxDoneReuse { cid, intent } => self.rx_done(cid, intent, true, out),
            Command::RxIntentReq { cid, size } => self.intent_request(cid, size, out),
            Command::RxIntentReqAck { cid, granted } => self.intent_request_ack(cid, granted, out),
            Command::ReadNotif => {
                out.events.push(Event::ReadNotif);
                Ok(())
            }
            Command::Signals { cid, .. } => {
                if self.refused.contains_key(&cid) {
                    return Ok(());
                }
                self.by_remote("SIGNALS", cid).map(drop)
            }
        }
    }

    // ---- negotiation ----

    fn version(&mut self, version: u16, features: u32, out: &mut Outcome) {
        if version == 0 {
            return;
        }
        let expected = self.renegotiation.take() == Some(features);
        if !expected {
            self.forget_peer(out);
        }
        let supported = match self.mode {
            Mode::Intentless => 0,
            Mode::Intents { .. } => FEATURE_INTENT_REUSE,
        };
        let accepted = features & supported;
        if accepted != features {
            self.renegotiation = Some(accepted);
        }
        out.commands.push(Command::VersionAck {
            version: VERSION,
            features: accepted,
        });
        if !self.offered {
            self.offered = true;
            self.features = supported;
            out.commands.push(Command::Version {
                version: VERSION,
                features: supported,
            });
        }
    }

    fn version_ack(&mut self, version: u16, features: u32, out: &mut Outcome) -> Result<(), EdgeError> {
        if !self.offered || version != VERSION || features & !self.features != 0 {
            return Err(EdgeError::Negotiation { version, features });
        }
        if features != self.features {
            // The AP takes fewer: offer exactly those, which it then acknowledges.
            self.features = features;
            out.commands.push(Command::Version {
                version: VERSION,
                features,
            });
            return Ok(());
        }
        if !self.negotiated {
            self.negotiated = true;
            out.events.push(Event::Negotiated { features });
        }
        self.open_wanted(out);
        Ok(())
    }

    /// The AP's driver started anew: nothing of the session before exists any more.
    fn forget_peer(&mut self, out: &mut Outcome) {
        let known = self.offered;
        for channel in &mut self.channels {
            if channel.up {
                out.events.push(Event::Down(channel.cid));
            }
            channel.forget_session();
            channel.local = Local::Closed;
            channel.remote = None;
        }
        self.refused.clear();
        self.offered = false;
        self.negotiated = false;
        if known {
            out.events.push(Event::PeerRestarted);
        }
    }

    // ---- channels ----

    fn open_wanted(&mut self, out: &mut Outcome) {
        if !self.negotiated {
            return;
        }
        for channel in &mut self.channels {
            if channel.wanted && channel.local == Local::Closed {
                channel.local = Local::Opening;
                let name = channel.name.clone().into_bytes();
                out.commands.push(Command::Open {
                    cid: channel.cid,
                    priority: 0,
                    name,
                });
            }
        }
    }

    fn set_wanted(&mut self, cid: u16, out: &mut Outcome) {
        for channel in self.channels.iter_mut().filter(|c| c.cid == cid) {
            channel.wanted = true;
        }
        self.open_wanted(out);
    }

    fn close(&mut self, cid: u16, out: &mut Outcome) {
        for channel in self.channels.iter_mut().filter(|c| c.cid == cid) {
            channel.wanted = false;
            if matches!(channel.local, Local::Opening | Local::Open) {
                channel.local = Local::Closing;
                out.commands.push(Command::Close { cid });
            }
            if channel.up {
                out.events.push(Event::Down(cid));
            }
            channel.forget_session();
        }
    }

    fn by_remote(&mut self, command: &'static str, cid: u16) -> Result<&mut Channel, EdgeError> {
        self.channels
            .iter_mut()
            .find(|c| c.remote == Some(cid))
            .ok_or(EdgeError::UnknownChannel { command, cid })
    }

    fn by_local(&mut self, command: &'static str, cid: u16) -> Result<&mut Channel, EdgeError> {
        self.channels
            .iter_mut()
            .find(|c| c.cid == cid)
            .ok_or(EdgeError::UnknownChannel { command, cid })
    }

    fn opened(&mut self, cid: u16, name: &[u8], out: &mut Outcome) -> Result<(), EdgeError> {
        let name = String::from_utf8_lossy(name).into_owned();
        let remote = self.channels.iter().filter(|c| c.remote.is_some()).count();
        if self.channels.iter().any(|c| c.remote == Some(cid)) || self.refused.contains_key(&cid) {
            return Err(EdgeError::Duplicate { cid, name });
        }
        if remote.saturating_add(self.refused.len()) >= self.limits.remote_channels {
            return Err(EdgeError::TooManyChannels);
        }
        let Some(channel) = self.channels.iter_mut().find(|c| c.name == name) else {
            self.refused.insert(cid, name.clone());
            out.events.push(Event::Refused(name));
            return Ok(());
        };
        if channel.remote.is_some() {
            return Err(EdgeError::Duplicate { cid, name });
        }
        channel.remote = Some(cid);
        out.commands.push(Command::OpenAck { cid });
        Self::check_up(self.mode, channel, out);
        Ok(())
    }

    fn open_ack(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
        let mode = self.mode;
        let channel = self.by_local("OPEN_ACK", cid)?;
        match channel.local {
            Local::Opening => channel.local = Local::Open,
            // It crossed a CLOSE of the DSP.
            Local::Closing => {}
            Local::Closed | Local::Open => {
                return Err(EdgeError::Unexpected {
                    command: "OPEN_ACK",
                    cid,
                });
            }
        }
        Self::check_up(mode, channel, out);
        Ok(())
    }

    fn check_up(mode: Mode, channel: &mut Channel, out: &mut Outcome) {
        if channel.up || channel.local != Local::Open || channel.remote.is_none() {
            return;
        }
        channel.up = true;
        if let Mode::Intents { count, size } = mode {
            for id in 1..=count {
                channel.receive.insert(id, (size, false));
                let intents = vec![Intent { size, id }];
                out.commands.push(Command::Intents {
                    cid: channel.cid,
                    intents,
                });
            }
        }
        out.events.push(Event::Up(channel.cid));
    }

    fn closed(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
        if self.refused.remove(&cid).is_some() {
            out.commands.push(Command::CloseAck { cid });
            return Ok(());
        }
        let channel = self.by_remote("CLOSE", cid)?;
        channel.remote = None;
        out.commands.push(Command::CloseAck { cid });
        if matches!(channel.local, Local::Opening | Local::Open) {
            channel.local = Local::Closing;
            out.commands.push(Command::Close { cid: channel.cid });
        }
        if channel.up {
            out.events.push(Event::Down(channel.cid));
        }
        channel.forget_session();
        Ok(())
    }

    fn close_ack(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
        let channel = self.by_local("CLOSE_ACK", cid)?;
        if channel.local != Local::Closing {
            return Err(EdgeError::Unexpected {
                command: "CLOSE_ACK",
                cid,
            });
        }
        channel.local = Local::Closed;
        self.open_wanted(out);
        Ok(())
    }

    // ---- data ----

    fn data(
        &mut self,
        cid: u16,
        intent: u32,
        left: u32,
        data: Vec<u8>,
        first: bool,
        out: &mut Outcome,
    ) -> Result<(), EdgeError> {
        let (mode, limit) = (self.mode, self.limits.message);
        let command = if first { "TX_DATA" } else { "TX_DATA_CONT" };
        let channel = self.by_remote(command, cid)?;
        if !channel.up {
            // The AP sent it before it saw the DSP's CLOSE, or before the DSP's own OPEN was acknowledged.
            out.events.push(Event::Dropped(channel.cid));
            return Ok(());
        }
        let chunk = data.len() as u64;
        let key = if mode == Mode::Intentless { 0 } else { intent };
        let mut partial = match (first, channel.partial.remove(&key)) {
            (true, None) => {
                let size = chunk.saturating_add(left.into());
                if size > limit.into() {
                    return Err(EdgeError::MessageTooLarge { cid, size });
                }
                if mode != Mode::Intentless {
                    match channel.receive.get_mut(&intent) {
                        Some((room, filled)) if !*filled && size <= u64::from(*room) => *filled = true,
                        _ => return Err(EdgeError::BadIntent { command, cid, intent }),
                    }
                }
                Partial {
                    data: Vec::new(),
                    left: u32::try_from(size).unwrap_or(u32::MAX),
                }
            }
            (false, Some(partial)) => partial,
            (true, Some(_)) | (false, None) => return Err(EdgeError::BrokenMessage(cid)),
        };
        let rest = u64::from(partial.left).checked_sub(chunk);
        if rest != Some(left.into()) || (chunk == 0 && left != 0) {
            return Err(EdgeError::BrokenMessage(cid));
        }
        partial.data.extend_from_slice(&data);
        partial.left = left;
        if left != 0 {
            channel.partial.insert(key, partial);
            return Ok(());
        }
        if mode != Mode::Intentless {
            if let Some((_, filled)) = channel.receive.get_mut(&intent) {
                *filled = false;
            }
            out.commands.push(Command::RxDoneReuse {
                cid: channel.cid,
                intent,
            });
        }
        out.events.push(Event::Message(channel.cid, partial.data));
        Ok(())
    }

    fn send(&mut self, cid: u16, data: Vec<u8>, out: &mut Outcome) {
        let (mode, limits) = (self.mode, self.limits);
        let Some(channel) = self.channels.iter_mut().find(|c| c.cid == cid && c.up) else {
            out.events.push(Event::Dropped(cid));
            return;
        };
        if mode == Mode::Intentless {
            transmit(cid, 0, &data, out);
        } else if channel.queue.len() < limits.queue {
            channel.queue.push_back(data);
            Self::flush(channel, out);
        } else {
            out.events.push(Event::Dropped(cid));
        }
    }

    /// Sends what waits and fits into the AP's buffers; asks for a buffer if none fits.
    fn flush(channel: &mut Channel, out: &mut Outcome) {
        while let Some(data) = channel.queue.front() {
            let len = data.len() as u64;
            let free = channel
                .transmit
                .iter_mut()
                .filter(|(_, (size, filled))| !*filled && u64::from(*size) >= len);
            let Some((&intent, (_, filled))) = free.min_by_key(|(_, (size, _))| *size) else {
                if !channel.requested {
                    channel.requested = true;
                    let size = crate::wire::wire_len(data.len());
                    out.commands.push(Command::RxIntentReq {
                        cid: channel.cid,
                        size,
                    });
                }
                return;
            };
            *filled = true;
            transmit(channel.cid, intent, data, out);
            channel.queue.pop_front();
        }
    }

    // ---- intents ----

    fn intents(&mut self, cid: u16, intents: &[Intent], out: &mut Outcome) -> Result<(), EdgeError> {
        let (mode, limits) = (self.mode, self.limits);
        if mode == Mode::Intentless {
            return Err(EdgeError::Intentless("INTENT"));
        }
        let channel = self.by_remote("INTENT", cid)?;
        for &Intent { size, id } in intents {
            if channel.transmit.len() >= limits.intents {
                return Err(EdgeError::TooManyIntents(cid));
            }
            if channel.transmit.insert(id, (size, false)).is_some() {
                return Err(EdgeError::DuplicateIntent { cid, intent: id });
            }
        }
        if channel.up {
            Self::flush(channel, out);
        }
        Ok(())
    }

    fn rx_done(&mut self, cid: u16, intent: u32, reuse: bool, out: &mut Outcome) -> Result<(), EdgeError> {
        let command = if reuse { "RX_DONE_W_REUSE" } else { "RX_DONE" };
        if self.mode == Mode::Intentless {
            return Err(EdgeError::Intentless(command));
        }
        let channel = self.by_remote(command, cid)?;
        match channel.transmit.get_mut(&intent) {
            Some((_, filled)) if *filled => *filled = false,
            _ => return Err(EdgeError::BadIntent { command, cid, intent }),
        }
        if !reuse {
            channel.transmit.remove(&intent);
        }
        if channel.up {
            Self::flush(channel, out);
        }
        Ok(())
    }

    fn intent_request(&mut self, cid: u16, size: u32, out: &mut Outcome) -> Result<(), EdgeError> {
        let (mode, limits) = (self.mode, self.limits);
        if mode == Mode::Intentless {
            return Err(EdgeError::Intentless("RX_INTENT_REQ"));
        }
        let channel = self.by_remote("RX_INTENT_REQ", cid)?;
        let granted = size <= limits.message && channel.receive.len() < limits.intents;
        if granted {
            let id = channel
                .receive
                .keys()
                .next_back()
                .map_or(1, |last| last.saturating_add(1));
            channel.receive.insert(id, (size, false));
            let intents = vec![Intent { size, id }];
            out.commands.push(Command::Intents {
                cid: channel.cid,
                intents,
            });
        }
        out.commands.push(Command::RxIntentReqAck {
            cid: channel.cid,
            granted,
        });
        Ok(())
    }

    fn intent_request_ack(&mut self, cid: u16, granted: bool, out: &mut Outcome) -> Result<(), EdgeError> {
        if self.mode == Mode::Intentless {
            return Err(EdgeError::Intentless("RX_INTENT_REQ_ACK"));
        }
        let channel = self.by_remote("RX_INTENT_REQ_ACK", cid)?;
        if !channel.requested {
            return Err(EdgeError::Unexpected {
                command: "RX_INTENT_REQ_ACK",
                cid,
            });
        }
        channel.requested = false;
        if !granted && channel.queue.pop_front().is_some() {
            out.events.push(Event::Dropped(channel.cid));
        }
        // The INTENT may come before or after its acknowledgement; ask again only when it came and something still waits.
        if granted && channel.transmit.values().all(|(_, filled)| *filled) {
            channel.requested = !channel.queue.is_empty();
            return Ok(());
        }
        Self::flush(channel, out);
        Ok(())
    }
}

fn transmit(cid: u16, intent: u32, data: &[u8], out: &mut Outcome) {
    let mut left = data.len();
    let mut first = true;
    let mut chunks = data.chunks(TX_CHUNK);
    loop {
        let chunk = chunks.next().unwrap_or(&[]);
        left = left.saturating_sub(chunk.len());
        let (rest, data) = (crate::wire::wire_len(left), chunk.to_vec());
        out.commands.push(if first {
            Command::TxData {
                cid,
                intent,
                left: rest,
                data,
            }
        } else {
            Command::TxDataCont {
                cid,
                intent,
                left: rest,
                data,
            }
        });
        first = false;
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
