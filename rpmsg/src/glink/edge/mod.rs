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
//! A command that no driver sends stops the edge for good, because nothing after it can be trusted. Deliberately not modelled:
//! priorities, migration, tracer packets; modem signals are ignored.

mod channels;
mod config;
mod data;
mod error;
mod intents;

#[cfg(test)]
mod linux_tests;
#[cfg(test)]
mod tests;

pub use config::{EdgeConfig, IntentGroup, Limits, LocalChannel, Mode};
pub use error::EdgeError;

use super::command::{Command, FEATURE_INTENT_REUSE};
use channels::Channel;
use std::collections::VecDeque;

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
    /// The AP has closed this channel again and again without using it; the DSP does not open it any more until the AP's driver
    /// starts anew, or [`Input::Open`].
    Rejected(u16),
    /// A command of the AP for a channel that is closed, from work that was under way there; it means nothing any more.
    Stray {
        /// The command.
        command: &'static str,
        /// The ID it carried.
        cid: u16,
    },
    /// A message could not be sent or delivered: its channel is not up, or the AP denied an intent.
    Dropped(u16),
}

/// What came out of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// To send, in this order.
    pub commands: Vec<Command>,
    /// To act upon, in this order.
    pub events: Vec<Event>,
}

/// The state machine.
#[derive(Debug, Clone)]
pub struct Edge {
    mode: Mode,
    limits: Limits,
    channels: Vec<Channel>,
    /// IDs of the AP that the DSP does not answer: of channels that it does not offer, and of some that the AP has given up.
    refused: VecDeque<(u16, String)>,
    /// IDs of the AP that are closed.
    gone: VecDeque<u16>,
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

impl Edge {
    /// An edge that has not heard of the AP yet.
    #[must_use]
    pub fn new(config: EdgeConfig) -> Self {
        let channels = config.channels.into_iter().map(Channel::new).collect();
        Self {
            mode: config.mode,
            limits: config.limits,
            channels,
            refused: VecDeque::new(),
            gone: VecDeque::new(),
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
            Command::Signals { cid, .. } => self.by_remote("SIGNALS", cid, out).map(drop),
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
            Mode::Intents => FEATURE_INTENT_REUSE,
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
            channel.close_both();
            // Another driver gets another chance.
            channel.wanted |= channel.rejections >= channels::MAX_REJECTIONS;
            channel.rejections = 0;
        }
        self.refused.clear();
        self.gone.clear();
        self.offered = false;
        self.negotiated = false;
        if known {
            out.events.push(Event::PeerRestarted);
        }
    }
}
