//! Opening and closing, from both sides.
//!
//! The AP's IDs are only as reliable as its driver: it gives up an OPEN after 5 s without a word
//! (`qcom_glink_create_local`), a thread that was waiting for room may still send on a channel that another has closed
//! meanwhile, and work that was queued before the channel lost its ID sends with ID 0 (`qcom_glink_rx_done_work`). What comes for
//! a channel that is gone is therefore no error; what comes for one that never was is.

use super::intents::Request;
use super::{Command, Edge, EdgeError, Event, LocalChannel, Mode, Outcome};
use crate::glink::command::{Intent, MAX_INTENTS};
use std::collections::{BTreeMap, VecDeque};

/// How often the AP may close a channel without having sent anything on it before the DSP stops opening it again. A driver that
/// refuses the DSP (6.12 with a FastRPC label that it does not know) would otherwise be asked forever, in a loop that leaves the
/// AP no time for anything else; one that is loaded and unloaded by hand is not.
pub(super) const MAX_REJECTIONS: u32 = 32;
/// IDs of closed channels that are remembered.
const MAX_GONE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Local {
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
pub(super) struct Partial {
    pub data: Vec<u8>,
    pub left: u32,
}

/// A message that waits for a buffer of the AP.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// Which one it is, for [`Request::message`].
    pub number: u64,
    pub data: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub config: LocalChannel,
    /// The DSP's ID.
    pub cid: u16,
    pub wanted: bool,
    /// How often the AP closed it since it last sent something on it.
    pub rejections: u32,
    pub local: Local,
    /// The AP's ID.
    pub remote: Option<u16>,
    pub up: bool,
    /// The DSP's receive buffers: number to (size, filled).
    pub receive: BTreeMap<u32, (u32, bool)>,
    /// Number of the receive buffer announced last.
    pub last_receive: u32,
    /// The AP's receive buffers: number to (size, filled).
    pub transmit: BTreeMap<u32, (u32, bool)>,
    pub partial: BTreeMap<u32, Partial>,
    pub queue: VecDeque<Waiting>,
    pub next_message: u64,
    /// The request for a buffer of the AP that is not answered yet.
    pub request: Option<Request>,
}

impl Channel {
    pub fn new(config: LocalChannel) -> Self {
        Self {
            cid: config.cid,
            config,
            wanted: true,
            rejections: 0,
            local: Local::Closed,
            remote: None,
            up: false,
            receive: BTreeMap::new(),
            last_receive: 0,
            transmit: BTreeMap::new(),
            partial: BTreeMap::new(),
            queue: VecDeque::new(),
            next_message: 0,
            request: None,
        }
    }

    pub fn close_both(&mut self) {
        self.local = Local::Closed;
        self.remote = None;
    }

    pub fn forget_session(&mut self) {
        self.receive.clear();
        self.transmit.clear();
        self.partial.clear();
        self.queue.clear();
        self.request = None;
        self.up = false;
    }

    /// Whether the DSP is about to be rid of it.
    pub fn is_closing(&self) -> bool {
        !self.wanted || self.local == Local::Closing
    }
}

impl Edge {
    pub(super) fn open_wanted(&mut self, out: &mut Outcome) {
        if !self.negotiated {
            return;
        }
        for channel in &mut self.channels {
            if channel.wanted && channel.local == Local::Closed {
                channel.local = Local::Opening;
                let name = channel.config.name.clone().into_bytes();
                out.commands.push(Command::Open {
                    cid: channel.cid,
                    priority: 0,
                    name,
                });
            }
        }
    }

    pub(super) fn set_wanted(&mut self, cid: u16, out: &mut Outcome) {
        for channel in self.channels.iter_mut().filter(|c| c.cid == cid) {
            channel.wanted = true;
            channel.rejections = 0;
        }
        self.open_wanted(out);
    }

    pub(super) fn close(&mut self, cid: u16, out: &mut Outcome) {
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

    /// The channel with this ID of the AP; `None` if it is one that is gone or was never taken.
    pub(super) fn by_remote(
        &mut self,
        command: &'static str,
        cid: u16,
        out: &mut Outcome,
    ) -> Result<Option<&mut Channel>, EdgeError> {
        let found = self.channels.iter_mut().find(|c| c.remote == Some(cid));
        if found.is_some() {
            return Ok(found);
        }
        let refused = self.refused.iter().any(|(id, _)| *id == cid);
        let gone = self.gone.contains(&cid) || (cid == 0 && !self.gone.is_empty());
        if refused || gone {
            out.events.push(Event::Stray { command, cid });
            return Ok(None);
        }
        Err(EdgeError::UnknownChannel { command, cid })
    }

    pub(super) fn by_local(&mut self, command: &'static str, cid: u16) -> Result<&mut Channel, EdgeError> {
        self.channels
            .iter_mut()
            .find(|c| c.cid == cid)
            .ok_or(EdgeError::UnknownChannel { command, cid })
    }

    pub(super) fn opened(&mut self, cid: u16, name: &[u8], out: &mut Outcome) -> Result<(), EdgeError> {
        let name = String::from_utf8_lossy(name).into_owned();
        if self.channels.iter().any(|c| c.remote == Some(cid)) {
            return Err(EdgeError::Duplicate { cid, name });
        }
        // The AP gave up what it had under this ID, or closed it.
        self.refused.retain(|(id, _)| *id != cid);
        self.gone.retain(|id| *id != cid);
        let mode = self.mode;
        let offered = self.channels.iter_mut();
        let Some(channel) = offered.into_iter().find(|c| c.config.name == name && c.wanted) else {
            self.refuse(cid, name.clone());
            out.events.push(Event::Refused(name));
            return Ok(());
        };
        let before = channel.remote.replace(cid);
        if before.is_some() {
            // The AP gave its older ID up without a word: it was not answered in time, or a second user took the channel over.
            if channel.up {
                out.events.push(Event::Down(channel.cid));
            }
            channel.forget_session();
        }
        out.commands.push(Command::OpenAck { cid });
        Self::check_up(mode, channel, out);
        if let Some(before) = before {
            self.refuse(before, name);
        }
        Ok(())
    }

    /// Remembers an ID of the AP that will be closed at most.
    fn refuse(&mut self, cid: u16, name: String) {
        self.refused.push_back((cid, name));
        while self.refused.len() > self.limits.remote_channels {
            if let Some((cid, _)) = self.refused.pop_front() {
                self.forget(cid);
            }
        }
    }

    /// Remembers an ID of the AP that is closed.
    fn forget(&mut self, cid: u16) {
        self.gone.push_back(cid);
        while self.gone.len() > MAX_GONE {
            self.gone.pop_front();
        }
    }

    pub(super) fn open_ack(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
        let mode = self.mode;
        let channel = self.by_local("OPEN_ACK", cid)?;
        match channel.local {
            Local::Opening => channel.local = Local::Open,
            // It crossed a CLOSE of the DSP.
            Local::Closing => {}
            // A second user of the channel on the AP acknowledges it once more (`qcom_glink_create_remote`).
            Local::Open => out.events.push(Event::Stray {
                command: "OPEN_ACK",
                cid,
            }),
            Local::Closed => {
                return Err(EdgeError::Unexpected {
                    command: "OPEN_ACK",
                    cid,
                });
            }
        }
        Self::check_up(mode, channel, out);
        Ok(())
    }

    pub(super) fn check_up(mode: Mode, channel: &mut Channel, out: &mut Outcome) {
        if channel.up || channel.local != Local::Open || channel.remote.is_none() {
            return;
        }
        channel.up = true;
        if mode == Mode::Intents {
            for group in channel.config.intents.clone() {
                let intents: Vec<Intent> = (0..group.count.min(MAX_INTENTS))
                    .map(|_| channel.new_receive(group.size))
                    .collect();
                if !intents.is_empty() {
                    out.commands.push(Command::Intents {
                        cid: channel.cid,
                        intents,
                    });
                }
            }
        }
        out.events.push(Event::Up(channel.cid));
    }

    pub(super) fn closed(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
        if self.refused.iter().any(|(id, _)| *id == cid) {
            self.refused.retain(|(id, _)| *id != cid);
            self.forget(cid);
            out.commands.push(Command::CloseAck { cid });
            return Ok(());
        }
        let Some(channel) = self.by_remote("CLOSE", cid, out)? else {
            return Ok(());
        };
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
        channel.rejections = channel.rejections.saturating_add(1);
        if channel.rejections >= MAX_REJECTIONS && channel.wanted {
            channel.wanted = false;
            out.events.push(Event::Rejected(channel.cid));
        }
        self.forget(cid);
        Ok(())
    }

    pub(super) fn close_ack(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
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
}
