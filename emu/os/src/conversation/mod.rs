//! What passes between the AP and one DSP, decoded once into typed events that interposers and observers share.
//!
//! [`Arrival`] is what came, [`Departure`] what is done next. A [`Conversation`] makes them and keeps what later ones need: the AP's
//! IDs of channels, calls, the AP's SMP2P word. Any bytes are an event; what is kept is bounded.

mod calls;

pub use calls::{Answered, Arguments, Call, CallId, Calls, Request};

use crate::action::{Action, Channel, Inbound};
use crate::frame::Frame;
use rpmsg::fastrpc::{Addressing, MessageError};
use rpmsg::glink::Command;
use std::collections::BTreeMap;

/// Something that arrived.
#[derive(Debug)]
pub struct Arrival<'a> {
    /// As it came.
    pub inbound: &'a Inbound,
    /// What it is.
    pub what: Arrived<'a>,
}

/// What something is that arrived.
#[derive(Debug)]
pub enum Arrived<'a> {
    /// The session begins.
    Started,
    /// The session ends.
    Ended,
    /// A GLINK command. What a data command completes comes as a message besides.
    Glink {
        /// The command.
        frame: &'a Frame,
        /// The channel that it is about, if that is one of the DSP's.
        channel: Option<Channel>,
    },
    /// A message on FastRPC's channel: a call.
    Request(Request),
    /// A message on FastRPC's channel that is no request.
    NoRequest {
        /// The message.
        bytes: &'a [u8],
        /// Why not.
        why: MessageError,
    },
    /// A message on another channel.
    Message {
        /// Which.
        channel: Channel,
        /// The message.
        bytes: &'a [u8],
    },
    /// The AP's SMP2P word.
    Smp2p {
        /// What it is now.
        word: u32,
        /// What it was.
        previous: u32,
    },
}

/// Something that is done next, and that nothing changes any more.
#[derive(Debug)]
pub enum Departure<'a> {
    /// A GLINK command goes into the FIFO.
    Glink {
        /// The command.
        frame: &'a Frame,
        /// The channel that it is about, if that is one of the DSP's.
        channel: Option<Channel>,
        /// The answer that it carries, or begins to.
        answer: Option<Answered>,
    },
    /// Everything else.
    Action(&'a Action),
}

/// What AP and DSP have said to each other, as far as it matters later.
#[derive(Debug, Default)]
pub struct Conversation {
    calls: Calls,
    /// The AP's IDs of channels.
    ap_channels: BTreeMap<u16, Channel>,
    ap_word: u32,
}

impl Conversation {
    /// With a DSP with such device addresses and sessions, to which nothing was said yet.
    #[must_use]
    pub fn new(addressing: Addressing, streams: BTreeMap<u32, u16>) -> Self {
        Self {
            calls: Calls::new(addressing, streams),
            ..Self::default()
        }
    }

    /// Something arrives.
    pub fn arrives<'a>(&mut self, inbound: &'a Inbound) -> Arrival<'a> {
        let what = match inbound {
            Inbound::Started => Arrived::Started,
            Inbound::Ended => Arrived::Ended,
            Inbound::Glink(frame) => Arrived::Glink {
                frame,
                channel: self.channel_of_aps(frame),
            },
            Inbound::Message(Channel::FastRpc, bytes) => match self.calls.request(bytes) {
                Ok(request) => Arrived::Request(request),
                Err(why) => Arrived::NoRequest { bytes, why },
            },
            Inbound::Message(channel, bytes) => Arrived::Message {
                channel: *channel,
                bytes,
            },
            Inbound::Smp2p(word) => Arrived::Smp2p {
                word: *word,
                previous: self.ap_word,
            },
        };
        self.remember(inbound);
        Arrival { inbound, what }
    }

    fn remember(&mut self, inbound: &Inbound) {
        match inbound {
            Inbound::Started | Inbound::Ended => {
                self.calls.clear();
                self.ap_channels.clear();
                self.ap_word = 0;
            }
            Inbound::Smp2p(word) => self.ap_word = *word,
            Inbound::Glink(frame) => match frame.command() {
                Ok(Command::Version { .. }) => {
                    self.ap_channels.clear();
                    self.calls.clear();
                }
                // No call of before is answered any more.
                Ok(Command::Close { .. }) if self.channel_of_aps(frame) == Some(Channel::FastRpc) => {
                    self.calls.clear();
                }
                Ok(Command::Open { cid, name, .. }) => {
                    // One ID a channel: there are as many as channels at most.
                    if let Some(channel) = Channel::named(name) {
                        self.ap_channels.retain(|_, known| *known != channel);
                        self.ap_channels.insert(*cid, channel);
                    }
                }
                _ => {}
            },
            Inbound::Message(..) => {}
        }
    }

    /// Something is done.
    pub fn departs<'a>(&mut self, action: &'a Action) -> Departure<'a> {
        let Action::RawGlink(frame) = action else {
            return Departure::Action(action);
        };
        let answer = match frame.command() {
            Ok(Command::TxData { cid, data, .. }) if *cid == Channel::FastRpc.cid() => {
                self.calls.answer(data)
            }
            Ok(Command::Close { cid }) if *cid == Channel::FastRpc.cid() => {
                self.calls.clear();
                None
            }
            _ => None,
        };
        Departure::Glink {
            frame,
            channel: self.channel_of_dsps(frame),
            answer,
        }
    }

    /// The calls.
    #[must_use]
    pub const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The AP's ID of a channel.
    #[must_use]
    pub fn ap_cid(&self, channel: Channel) -> Option<u16> {
        let mut known = self.ap_channels.iter();
        known.find(|(_, known)| **known == channel).map(|(cid, _)| *cid)
    }

    /// The channel of a command that the AP sends.
    #[must_use]
    pub fn channel_of_aps(&self, frame: &Frame) -> Option<Channel> {
        let command = frame.command().ok()?;
        self.channel(command, !acknowledges(command))
    }

    /// The channel of a command that the DSP sends.
    #[must_use]
    pub fn channel_of_dsps(&self, frame: &Frame) -> Option<Channel> {
        let command = frame.command().ok()?;
        self.channel(command, acknowledges(command))
    }

    fn channel(&self, command: &Command, has_aps_id: bool) -> Option<Channel> {
        match command {
            Command::Open { name, .. } => Channel::named(name),
            _ if has_aps_id => self.ap_channels.get(&command.cid()?).copied(),
            _ => Channel::of(command.cid()?),
        }
    }
}

/// OPEN_ACK and CLOSE_ACK carry the receiver's ID, all others the sender's.
const fn acknowledges(command: &Command) -> bool {
    matches!(command, Command::OpenAck { .. } | Command::CloseAck { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn channels_of_commands_are_known_by_whose_id_they_carry() {
        let mut conversation = Conversation::default();
        let open = Command::Open {
            cid: 3,
            priority: 0,
            name: Channel::FastRpc.name().as_bytes().to_vec(),
        };
        let mut arrives = |command: Command| {
            let inbound = Inbound::Glink(command.into());
            match conversation.arrives(&inbound).what {
                Arrived::Glink { channel, .. } => channel,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(arrives(open), Some(Channel::FastRpc));
        assert_eq!(arrives(Command::Close { cid: 3 }), Some(Channel::FastRpc));
        assert_eq!(arrives(Command::Close { cid: 7 }), None);
        assert_eq!(arrives(Command::CloseAck { cid: 7 }), Some(Channel::FastRpc));
        let mut departs = |command: Command| {
            let action = Action::RawGlink(command.into());
            match conversation.departs(&action) {
                Departure::Glink { channel, .. } => channel,
                other @ Departure::Action(_) => panic!("{other:?}"),
            }
        };
        assert_eq!(departs(Command::Close { cid: 7 }), Some(Channel::FastRpc));
        assert_eq!(departs(Command::OpenAck { cid: 3 }), Some(Channel::FastRpc));
        assert_eq!(departs(Command::Close { cid: 8 }), Some(Channel::Router));
    }

    #[test]
    fn a_word_of_the_aps_comes_with_what_it_was() {
        let mut conversation = Conversation::default();
        let mut previous = |inbound: Inbound| match conversation.arrives(&inbound).what {
            Arrived::Smp2p { previous, .. } => Some(previous),
            _ => None,
        };
        assert_eq!(previous(Inbound::Smp2p(5)), Some(0));
        assert_eq!(previous(Inbound::Smp2p(6)), Some(5));
        assert_eq!(previous(Inbound::Started), None);
        assert_eq!(previous(Inbound::Smp2p(1)), Some(0), "a session of its own");
    }

    proptest! {
        #[test]
        fn any_bytes_are_events(steps in vec((0u8..4, vec(any::<u8>(), 0..80)), 0..20)) {
            let mut conversation = Conversation::default();
            for (kind, bytes) in steps {
                match kind {
                    0 => drop(conversation.arrives(&Inbound::Glink(bytes.into()))),
                    1 => drop(conversation.arrives(&Inbound::Message(Channel::FastRpc, bytes))),
                    2 => drop(conversation.arrives(&Inbound::Message(Channel::Router, bytes))),
                    _ => drop(conversation.departs(&Action::RawGlink(bytes.into()))),
                }
                prop_assert!(conversation.ap_channels.len() <= Channel::ALL.len());
            }
        }
    }
}
