//! Opening and closing, from both sides.

use super::{Command, Edge, EdgeError, Event, LocalChannel, Mode, Outcome};
use crate::glink::command::Intent;
use std::collections::{BTreeMap, VecDeque};

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

#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub name: String,
    pub cid: u16,
    pub wanted: bool,
    pub local: Local,
    /// The AP's ID.
    pub remote: Option<u16>,
    pub up: bool,
    /// The DSP's receive buffers: number to (size, filled).
    pub receive: BTreeMap<u32, (u32, bool)>,
    /// The AP's receive buffers: number to (size, filled).
    pub transmit: BTreeMap<u32, (u32, bool)>,
    pub partial: BTreeMap<u32, Partial>,
    /// Waiting for a buffer of the AP.
    pub queue: VecDeque<Vec<u8>>,
    pub requested: bool,
}

impl Channel {
    pub fn new(LocalChannel { name, cid }: LocalChannel) -> Self {
        Self {
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
        self.requested = false;
        self.up = false;
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
                let name = channel.name.clone().into_bytes();
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

    pub(super) fn by_remote(&mut self, command: &'static str, cid: u16) -> Result<&mut Channel, EdgeError> {
        self.channels
            .iter_mut()
            .find(|c| c.remote == Some(cid))
            .ok_or(EdgeError::UnknownChannel { command, cid })
    }

    pub(super) fn by_local(&mut self, command: &'static str, cid: u16) -> Result<&mut Channel, EdgeError> {
        self.channels
            .iter_mut()
            .find(|c| c.cid == cid)
            .ok_or(EdgeError::UnknownChannel { command, cid })
    }

    pub(super) fn opened(&mut self, cid: u16, name: &[u8], out: &mut Outcome) -> Result<(), EdgeError> {
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

    pub(super) fn open_ack(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
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

    pub(super) fn check_up(mode: Mode, channel: &mut Channel, out: &mut Outcome) {
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

    pub(super) fn closed(&mut self, cid: u16, out: &mut Outcome) -> Result<(), EdgeError> {
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
