//! What of the wire the account looks at: requests, answers as they go into the FIFO, and the channel's lives.

use emu_os::action::{Action, Channel, Inbound};
use rpmsg::fastrpc::Response;
use rpmsg::glink::{Command, FASTRPC_CHANNEL};

/// Something that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A new life of the channel: the driver can make calls.
    Up,
    /// Its end, and why. `last` if it is the end of the DSP's session, too: the guest has stopped.
    Down { why: String, last: bool },
    /// A request.
    Request(Vec<u8>),
    /// An answer on its way to the driver.
    Answer { ctx: u64, retval: u32 },
}

/// The channel as both sides see it.
#[derive(Debug, Default)]
pub(super) struct Wire {
    up: bool,
    /// The AP's ID of the FastRPC channel.
    ap: Option<u16>,
}

impl Wire {
    /// Something arrived.
    pub fn inbound(&mut self, event: &Inbound) -> Vec<Event> {
        match event {
            Inbound::Started => self.down("the DSP was started anew"),
            Inbound::Ended => {
                let mut events = self.down("the DSP's session ended");
                events.iter_mut().for_each(|event| {
                    if let Event::Down { last, .. } = event {
                        *last = true;
                    }
                });
                events
            }
            Inbound::Glink(bytes) => match Command::parse(bytes) {
                Ok(Command::Version { .. }) => {
                    self.ap = None;
                    self.down("the GLINK driver was loaded anew")
                }
                Ok(Command::Open { cid, name, .. }) if name == FASTRPC_CHANNEL.as_bytes() => {
                    self.ap = Some(cid);
                    Vec::new()
                }
                Ok(Command::Close { cid }) if self.ap == Some(cid) => {
                    self.ap = None;
                    self.down("the driver closed the channel")
                }
                _ => Vec::new(),
            },
            Inbound::Message(Channel::FastRpc, bytes) => {
                let mut events = Vec::new();
                if !self.up {
                    self.up = true;
                    events.push(Event::Up);
                }
                events.push(Event::Request(bytes.clone()));
                events
            }
            Inbound::Message(..) | Inbound::Smp2p(_) => Vec::new(),
        }
    }

    /// Something will be done.
    pub fn outbound(&mut self, action: &Action) -> Vec<Event> {
        match action {
            Action::Halt => self.down("the DSP stopped executing"),
            Action::RawGlink(bytes) => match Command::parse(bytes) {
                Ok(Command::Close { cid }) if cid == Channel::FastRpc.cid() => {
                    self.down("the DSP closed the channel")
                }
                Ok(Command::TxData { cid, data, .. }) if cid == Channel::FastRpc.cid() => {
                    match Response::parse(&data) {
                        Ok(response) => vec![Event::Answer {
                            ctx: response.ctx.0,
                            retval: response.retval,
                        }],
                        Err(_) => Vec::new(),
                    }
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn down(&mut self, why: &str) -> Vec<Event> {
        if std::mem::take(&mut self.up) {
            vec![Event::Down {
                why: why.to_owned(),
                last: false,
            }]
        } else {
            Vec::new()
        }
    }
}
