//! What of the wire the account looks at: requests, answers as they go into the FIFO, and the channel's lives.

use emu_os::action::{Action, Channel};
use emu_os::conversation::{Answered, Arrival, Arrived, Departure, Request};
use rpmsg::fastrpc::MessageError;
use rpmsg::glink::Command;

/// Something that matters.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A new life of the channel: the driver can make calls.
    Up,
    /// Its end, and why. `last` if it is the end of the DSP's session, too: the guest has stopped.
    Down { why: &'static str, last: bool },
    /// A request.
    Request(&'a Request),
    /// So many bytes that should be a request and are none.
    NoRequest(usize, MessageError),
    /// An answer on its way to the driver.
    Answer(Answered),
}

/// The channel as both sides see it.
#[derive(Debug, Default)]
pub(super) struct Wire {
    up: bool,
}

impl Wire {
    /// Something arrived.
    pub fn inbound<'a>(&mut self, event: &'a Arrival<'_>) -> Vec<Event<'a>> {
        match &event.what {
            Arrived::Started => self.down("the DSP was started anew", false),
            Arrived::Ended => self.down("the DSP's session ended", true),
            Arrived::Glink { frame, channel } => match frame.command() {
                Ok(Command::Version { .. }) => self.down("the GLINK driver was loaded anew", false),
                Ok(Command::Close { .. }) if *channel == Some(Channel::FastRpc) => {
                    self.down("the driver closed the channel", false)
                }
                _ => Vec::new(),
            },
            Arrived::Request(request) => self.message(Event::Request(request)),
            Arrived::NoRequest { bytes, why } => self.message(Event::NoRequest(bytes.len(), *why)),
            Arrived::Message { .. } | Arrived::Smp2p { .. } => Vec::new(),
        }
    }

    /// Something will be done.
    pub fn outbound(&mut self, event: &Departure<'_>) -> Vec<Event<'static>> {
        match event {
            Departure::Action(Action::Halt) => self.down("the DSP stopped executing", false),
            Departure::Glink {
                answer: Some(answer), ..
            } => vec![Event::Answer(*answer)],
            Departure::Glink {
                frame,
                channel: Some(Channel::FastRpc),
                ..
            } if matches!(frame.command(), Ok(Command::Close { .. })) => {
                self.down("the DSP closed the channel", false)
            }
            Departure::Glink { .. } | Departure::Action(_) => Vec::new(),
        }
    }

    fn message<'a>(&mut self, message: Event<'a>) -> Vec<Event<'a>> {
        let began = !std::mem::replace(&mut self.up, true);
        let up = began.then_some(Event::Up);
        up.into_iter().chain([message]).collect()
    }

    fn down(&mut self, why: &'static str, last: bool) -> Vec<Event<'static>> {
        let was_up = std::mem::take(&mut self.up);
        was_up.then_some(Event::Down { why, last }).into_iter().collect()
    }
}
