//! Events as rules see them: what passes the seam, decoded into fields with names.

use super::file::{Direction, Kind};
use emu_os::action::{Action, Channel, Inbound};
use emu_os::conversation::{Arrived, Call, Conversation};
use emu_os::frame::Frame;
use rpmsg::fastrpc::{InvokeLayout, Message};
use rpmsg::glink::Command;
use std::fmt;

/// A field of an event. The name in files is [`Field::name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // The reference is docs/scenarios.md and [`super::file::Rule`].
pub enum Field {
    Handle,
    Method,
    Sc,
    Client,
    Tid,
    Sid,
    Ctx,
    Retval,
    Cid,
    Intent,
    Size,
    Length,
    Value,
    Previous,
    Command,
    N,
}

impl Field {
    /// All of them, in the order in which the history prints them.
    pub const ALL: [Self; 16] = [
        Self::Ctx,
        Self::Handle,
        Self::Method,
        Self::Sc,
        Self::Client,
        Self::Tid,
        Self::Sid,
        Self::Retval,
        Self::Command,
        Self::Cid,
        Self::Intent,
        Self::Size,
        Self::Length,
        Self::Value,
        Self::Previous,
        Self::N,
    ];

    /// Its name in files and expressions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handle => "handle",
            Self::Method => "method",
            Self::Sc => "sc",
            Self::Client => "client",
            Self::Tid => "tid",
            Self::Sid => "sid",
            Self::Ctx => "ctx",
            Self::Retval => "retval",
            Self::Cid => "cid",
            Self::Intent => "intent",
            Self::Size => "size",
            Self::Length => "length",
            Self::Value => "value",
            Self::Previous => "previous",
            Self::Command => "command",
            Self::N => "n",
        }
    }

    /// The field of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether events of a kind can have it.
    #[must_use]
    pub const fn fits(self, kind: Kind) -> bool {
        let call = matches!(kind, Kind::Request | Kind::Answer | Kind::Write);
        match (self, kind) {
            // Signals carry the fields of whatever raised them.
            (_, Kind::Signal) | (Self::N, _) => true,
            (
                Self::Handle | Self::Method | Self::Sc | Self::Client | Self::Tid | Self::Sid | Self::Ctx,
                _,
            ) => call,
            (Self::Retval, _) => matches!(kind, Kind::Answer),
            (Self::Cid | Self::Intent | Self::Command, _) => matches!(kind, Kind::Glink),
            (Self::Size, _) => call || matches!(kind, Kind::Glink),
            (Self::Length, _) => matches!(kind, Kind::Glink | Kind::Message | Kind::Write | Kind::Request),
            (Self::Value | Self::Previous, _) => matches!(kind, Kind::Smp2p),
        }
    }
}

/// The numeric fields of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields([Option<i64>; Field::ALL.len()]);

impl Fields {
    /// A field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<i64> {
        self.0.get(field as usize).copied().flatten()
    }

    /// Sets a field.
    pub fn set(&mut self, field: Field, value: impl Into<i64>) {
        if let Some(slot) = self.0.get_mut(field as usize) {
            *slot = Some(value.into());
        }
    }

    fn call(&mut self, call: &Call) {
        let sc = call.message.sc;
        self.set(Field::Handle, call.message.handle);
        self.set(Field::Method, sc.method());
        self.set(Field::Sc, sc.0);
        self.set(Field::Client, call.message.client_id);
        self.set(Field::Tid, call.message.tid);
        self.set(Field::Sid, call.sid);
        self.set(Field::Ctx, call.message.ctx.0.cast_signed());
        self.set(Field::Size, call.message.size.cast_signed());
    }
}

/// Where a write of an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The list of file descriptors to drop.
    Fdlist,
    /// The poll word.
    Poll,
    /// Everywhere else.
    Argument,
}

impl Part {
    /// All of them with their names in files.
    pub const ALL: [(&'static str, Self); 3] = [
        ("fdlist", Self::Fdlist),
        ("poll", Self::Poll),
        ("argument", Self::Argument),
    ];
}

/// A decoded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind.
    pub kind: Kind,
    /// Which way.
    pub direction: Option<Direction>,
    /// Its channel, if it has one that is known.
    pub channel: Option<Channel>,
    /// Its numbers.
    pub fields: Fields,
    /// Where a write goes.
    pub part: Option<Part>,
    /// Name of a signal.
    pub signal: Option<String>,
}

impl Event {
    /// An event of that kind without anything.
    #[must_use]
    pub fn new(kind: Kind, direction: Option<Direction>) -> Self {
        Self {
            kind,
            direction,
            channel: None,
            fields: Fields::default(),
            part: None,
            signal: None,
        }
    }

    /// Something that arrived.
    #[must_use]
    pub fn of_arrival(what: &Arrived<'_>) -> Self {
        let new = |kind| Self::new(kind, Some(Direction::In));
        match what {
            Arrived::Started => new(Kind::Start),
            Arrived::Ended => new(Kind::End),
            Arrived::Glink { frame, channel } => Self::glink(frame, *channel, Direction::In),
            Arrived::Request(request) => Self::request(&request.call),
            Arrived::NoRequest { bytes, .. } => Self::message(Direction::In, Channel::FastRpc, bytes),
            Arrived::Message { channel, bytes } => Self::message(Direction::In, *channel, bytes),
            Arrived::Smp2p { word, previous } => Self::smp2p(Direction::In, *word, *previous),
        }
    }

    /// What has become of this event when a rule has changed what arrived.
    #[must_use]
    pub fn of_changed(&self, inbound: &Inbound, known: &Conversation) -> Self {
        match inbound {
            Inbound::Started | Inbound::Ended => Self::new(self.kind, self.direction),
            Inbound::Glink(frame) => Self::glink(frame, known.channel_of_aps(frame), Direction::In),
            Inbound::Message(Channel::FastRpc, bytes) => match known.calls().decode(bytes) {
                Ok(call) => Self::request(&call),
                Err(_) => Self::message(Direction::In, Channel::FastRpc, bytes),
            },
            Inbound::Message(channel, bytes) => Self::message(Direction::In, *channel, bytes),
            Inbound::Smp2p(word) => {
                let previous = self.fields.get(Field::Previous).unwrap_or_default() as u32;
                Self::smp2p(Direction::In, *word, previous)
            }
        }
    }

    /// Something that the DSP does; `answer` is the context of the answer that it is part of, `dsp_word` its SMP2P word before.
    /// None: rules do not see such.
    #[must_use]
    pub fn of_action(
        action: &Action,
        answer: Option<u64>,
        known: &Conversation,
        dsp_word: u32,
    ) -> Option<Self> {
        let new = |kind| Self::new(kind, Some(Direction::Out));
        Some(match action {
            Action::Answer { ctx, retval } => {
                let mut event = new(Kind::Answer);
                if let Some((_, call)) = known.calls().of_context(*ctx) {
                    event.fields.call(&call);
                }
                event.fields.set(Field::Ctx, ctx.cast_signed());
                event.fields.set(Field::Retval, *retval);
                event.channel = Some(Channel::FastRpc);
                event
            }
            Action::Write { iova, bytes, .. } => {
                let mut event = new(Kind::Write);
                event.fields.set(Field::Length, length(bytes));
                if let Some((_, call)) = answer.and_then(|ctx| known.calls().of_context(ctx)) {
                    event.fields.call(&call);
                    let layout = InvokeLayout::new(call.message.sc.args());
                    let offset = iova.checked_sub(call.iova);
                    event.part = Some(match offset {
                        Some(at) if at == layout.poll_word() && bytes.len() == 4 => Part::Poll,
                        Some(at) if (layout.fdlist()..layout.crc()).contains(&at) => Part::Fdlist,
                        _ => Part::Argument,
                    });
                }
                event
            }
            Action::Send(channel, bytes) => {
                let mut event = Self::message(Direction::Out, *channel, bytes);
                if *channel == Channel::FastRpc
                    && let Some(answer) = known.calls().decode_answer(bytes)
                {
                    event.fields.set(Field::Ctx, answer.ctx.cast_signed());
                }
                event
            }
            Action::RawGlink(frame) => Self::glink(frame, known.channel_of_dsps(frame), Direction::Out),
            Action::Smp2p(word) => Self::smp2p(Direction::Out, *word, dsp_word),
            Action::CrashReason(_) => new(Kind::Crash),
            Action::Watchdog => new(Kind::Watchdog),
            _ => return None,
        })
    }

    fn request(call: &Call) -> Self {
        let mut event = Self::new(Kind::Request, Some(Direction::In));
        event.channel = Some(Channel::FastRpc);
        event.fields.set(Field::Length, Message::SIZE as i64);
        event.fields.call(call);
        event
    }

    fn message(direction: Direction, channel: Channel, bytes: &[u8]) -> Self {
        let mut event = Self::new(Kind::Message, Some(direction));
        event.channel = Some(channel);
        event.fields.set(Field::Length, length(bytes));
        event
    }

    fn smp2p(direction: Direction, word: u32, previous: u32) -> Self {
        let mut event = Self::new(Kind::Smp2p, Some(direction));
        event.fields.set(Field::Value, word);
        event.fields.set(Field::Previous, previous);
        event
    }

    fn glink(frame: &Frame, channel: Option<Channel>, direction: Direction) -> Self {
        let mut event = Self::new(Kind::Glink, Some(direction));
        event.channel = channel;
        event.fields.set(Field::Length, length(frame.bytes()));
        let Ok(command) = frame.command() else {
            return event;
        };
        let number = frame.bytes().first().copied().unwrap_or_default();
        event.fields.set(Field::Command, number);
        if let Some(cid) = command.cid() {
            event.fields.set(Field::Cid, cid);
        }
        match command {
            Command::Intents { intents, .. } => {
                if let Some(intent) = intents.first() {
                    event.fields.set(Field::Intent, intent.id);
                    event.fields.set(Field::Size, intent.size);
                }
            }
            Command::RxDone { intent, .. }
            | Command::RxDoneReuse { intent, .. }
            | Command::TxData { intent, .. }
            | Command::TxDataCont { intent, .. } => event.fields.set(Field::Intent, *intent),
            Command::RxIntentReq { size, .. } => event.fields.set(Field::Size, *size),
            _ => {}
        }
        event
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = match self.direction {
            Some(Direction::In) => "ap>dsp ",
            Some(Direction::Out) => "dsp>ap ",
            None => "",
        };
        write!(f, "{arrow}{}", kind_name(self.kind))?;
        if let Some(signal) = &self.signal {
            write!(f, " {signal}")?;
        }
        if let Some(command) = self.fields.get(Field::Command).and_then(command_name) {
            write!(f, " {command}")?;
        }
        if let Some(channel) = self.channel {
            write!(f, " on {}", channel_name(channel))?;
        }
        if let Some((name, _)) = Part::ALL.iter().find(|(_, part)| Some(*part) == self.part) {
            write!(f, " of {name}")?;
        }
        for field in Field::ALL {
            match (field, self.fields.get(field)) {
                (_, None) | (Field::Command, _) => {}
                (Field::Ctx | Field::Handle | Field::Sc | Field::Value | Field::Previous, Some(n)) => {
                    write!(f, " {}={n:#x}", field.name())?;
                }
                (_, Some(n)) => write!(f, " {}={n}", field.name())?,
            }
        }
        Ok(())
    }
}

/// A kind's name in files.
#[must_use]
pub const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Start => "start",
        Kind::End => "end",
        Kind::Request => "request",
        Kind::Answer => "answer",
        Kind::Write => "write",
        Kind::Message => "message",
        Kind::Glink => "glink",
        Kind::Smp2p => "smp2p",
        Kind::Crash => "crash",
        Kind::Watchdog => "watchdog",
        Kind::Signal => "signal",
    }
}

/// GLINK commands by name.
pub const COMMANDS: [(&str, u16); 15] = [
    ("version", 0),
    ("version-ack", 1),
    ("open", 2),
    ("close", 3),
    ("open-ack", 4),
    ("intents", 5),
    ("rx-done", 6),
    ("rx-intent-req", 7),
    ("rx-intent-req-ack", 8),
    ("tx-data", 9),
    ("close-ack", 11),
    ("tx-data-cont", 12),
    ("read-notif", 13),
    ("rx-done-reuse", 14),
    ("signals", 15),
];

fn command_name(number: i64) -> Option<&'static str> {
    COMMANDS
        .iter()
        .find(|(_, n)| i64::from(*n) == number)
        .map(|(name, _)| *name)
}

/// A channel's name in files.
#[must_use]
pub const fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::FastRpc => "fastrpc",
        Channel::Router => "router",
        Channel::Restart => "restart",
        Channel::Audio => "audio",
    }
}

fn length(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn fields_have_names_of_their_own() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(Field::of(field.name()), Some(field));
            let mut fields = Fields::default();
            fields.set(field, i64::try_from(index).unwrap());
            let set: Vec<Field> = Field::ALL
                .into_iter()
                .filter(|f| fields.get(*f).is_some())
                .collect();
            assert_eq!(set, [field]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_events(bytes in vec(any::<u8>(), 0..80)) {
            let mut known = Conversation::default();
            for inbound in [Inbound::Glink(bytes.clone().into()), Inbound::Message(Channel::FastRpc, bytes.clone())] {
                let event = Event::of_arrival(&known.arrives(&inbound).what);
                prop_assert_eq!(event.of_changed(&inbound, &known).to_string(), event.to_string());
            }
            for action in [Action::RawGlink(bytes.clone().into()), Action::Send(Channel::FastRpc, bytes)] {
                prop_assert!(Event::of_action(&action, None, &known, 0).is_some());
            }
        }
    }
}
