//! Events as rules see them: what passes the seam, decoded into fields with names.

use super::file::{Direction, Kind};
use emu_os::action::{Action, Channel, Inbound};
use rpmsg::fastrpc::{Addressing, InvokeLayout, Message, Response};
use rpmsg::glink::Command;
use std::collections::{BTreeMap, VecDeque};
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

/// A FastRPC call that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The request.
    pub message: Message,
    /// Its session ID.
    pub sid: u32,
    /// Address of the invoke buffer, session ID stripped.
    pub iova: u64,
}

/// Most calls that are remembered; a driver has at most 255 open.
const MAX_CALLS: usize = 1024;
/// Most channel IDs of the AP that are remembered.
const MAX_CHANNELS: usize = 64;

/// What has to be remembered to decode: open calls, the AP's channel IDs, SMP2P words.
#[derive(Debug, Default)]
pub struct Decoder {
    addressing: Addressing,
    calls: BTreeMap<u64, Call>,
    order: VecDeque<u64>,
    remote: BTreeMap<u16, Channel>,
    ap_word: u32,
    dsp_word: u32,
}

impl Decoder {
    /// For a DSP with such addresses.
    #[must_use]
    pub fn new(addressing: Addressing) -> Self {
        Self {
            addressing,
            ..Self::default()
        }
    }

    /// The call with this context.
    #[must_use]
    pub fn call(&self, ctx: u64) -> Option<&Call> {
        self.calls.get(&ctx)
    }

    /// The DSP's SMP2P word as the AP sees it.
    #[must_use]
    pub const fn dsp_word(&self) -> u32 {
        self.dsp_word
    }

    /// Where session ID and address stand in a device address.
    #[must_use]
    pub const fn addressing(&self) -> &Addressing {
        &self.addressing
    }

    /// The AP's ID of a channel.
    #[must_use]
    pub fn remote_cid(&self, channel: Channel) -> Option<u16> {
        self.remote
            .iter()
            .find(|(_, known)| **known == channel)
            .map(|(cid, _)| *cid)
    }

    /// Decodes what arrived.
    #[must_use]
    pub fn inbound(&self, inbound: &Inbound) -> Event {
        let new = |kind| Event::new(kind, Some(Direction::In));
        match inbound {
            Inbound::Started => new(Kind::Start),
            Inbound::Ended => new(Kind::End),
            Inbound::Glink(bytes) => self.glink(bytes, Direction::In),
            Inbound::Message(channel, bytes) => {
                let call = (*channel == Channel::FastRpc)
                    .then(|| Message::parse(bytes).ok())
                    .flatten();
                let mut event = new(if call.is_some() {
                    Kind::Request
                } else {
                    Kind::Message
                });
                event.channel = Some(*channel);
                event.fields.set(Field::Length, length(bytes));
                if let Some(message) = call {
                    event.fields.call(&self.seen(message));
                }
                event
            }
            Inbound::Smp2p(value) => {
                let mut event = new(Kind::Smp2p);
                event.fields.set(Field::Value, *value);
                event.fields.set(Field::Previous, self.ap_word);
                event
            }
        }
    }

    /// Decodes what the DSP does; `answer` is the context of the answer that it is part of. None: rules do not see such.
    #[must_use]
    pub fn outbound(&self, action: &Action, answer: Option<u64>) -> Option<Event> {
        let new = |kind| Event::new(kind, Some(Direction::Out));
        let call = answer.and_then(|ctx| self.calls.get(&ctx));
        Some(match action {
            Action::Answer { ctx, retval } => {
                let mut event = new(Kind::Answer);
                if let Some(call) = self.calls.get(ctx) {
                    event.fields.call(call);
                }
                event.fields.set(Field::Ctx, ctx.cast_signed());
                event.fields.set(Field::Retval, *retval);
                event.channel = Some(Channel::FastRpc);
                event
            }
            Action::Write { iova, bytes, .. } => {
                let mut event = new(Kind::Write);
                event.fields.set(Field::Length, length(bytes));
                if let Some(call) = call {
                    event.fields.call(call);
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
                let response = (*channel == Channel::FastRpc)
                    .then(|| Response::parse(bytes).ok())
                    .flatten();
                let mut event = new(Kind::Message);
                event.channel = Some(*channel);
                event.fields.set(Field::Length, length(bytes));
                if let Some(response) = response {
                    event.fields.set(Field::Ctx, response.ctx.0.cast_signed());
                }
                event
            }
            Action::RawGlink(bytes) => self.glink(bytes, Direction::Out),
            Action::Smp2p(value) => {
                let mut event = new(Kind::Smp2p);
                event.fields.set(Field::Value, *value);
                event.fields.set(Field::Previous, self.dsp_word);
                event
            }
            Action::CrashReason(_) => new(Kind::Crash),
            Action::Watchdog => new(Kind::Watchdog),
            _ => return None,
        })
    }

    fn glink(&self, bytes: &[u8], direction: Direction) -> Event {
        let mut event = Event::new(Kind::Glink, Some(direction));
        event.fields.set(Field::Length, length(bytes));
        let Ok(command) = Command::parse(bytes) else {
            return event;
        };
        let number = bytes.first().copied().unwrap_or_default();
        event.fields.set(Field::Command, number);
        let mut cid = |cid: u16| {
            event.fields.set(Field::Cid, cid);
            // OPEN_ACK and CLOSE_ACK carry the receiver's ID, all others the sender's.
            let acknowledges = matches!(command, Command::OpenAck { .. } | Command::CloseAck { .. });
            let of_the_dsp = (direction == Direction::Out) != acknowledges;
            event.channel = if of_the_dsp {
                Channel::of(cid)
            } else {
                self.remote.get(&cid).copied()
            };
        };
        match &command {
            Command::Open { cid: id, name, .. } => {
                cid(*id);
                event.channel = named(name);
            }
            Command::Close { cid: id }
            | Command::OpenAck { cid: id }
            | Command::CloseAck { cid: id }
            | Command::RxIntentReqAck { cid: id, .. }
            | Command::Signals { cid: id, .. } => cid(*id),
            Command::Intents { cid: id, intents } => {
                cid(*id);
                if let Some(intent) = intents.first() {
                    event.fields.set(Field::Intent, intent.id);
                    event.fields.set(Field::Size, intent.size);
                }
            }
            Command::RxDone { cid: id, intent }
            | Command::RxDoneReuse { cid: id, intent }
            | Command::TxData { cid: id, intent, .. }
            | Command::TxDataCont { cid: id, intent, .. } => {
                cid(*id);
                event.fields.set(Field::Intent, *intent);
            }
            Command::RxIntentReq { cid: id, size } => {
                cid(*id);
                event.fields.set(Field::Size, *size);
            }
            Command::Version { .. } | Command::VersionAck { .. } | Command::ReadNotif => {}
        }
        event
    }

    fn seen(&self, message: Message) -> Call {
        let (sid, iova) = self.addressing.split(message.addr);
        Call { message, sid, iova }
    }

    /// Remembers what really arrived.
    pub fn arrived(&mut self, inbound: &Inbound) {
        match inbound {
            Inbound::Started | Inbound::Ended => {
                *self = Self::new(self.addressing);
            }
            Inbound::Smp2p(value) => self.ap_word = *value,
            Inbound::Glink(bytes) => match Command::parse(bytes) {
                Ok(Command::Version { .. }) => self.remote.clear(),
                Ok(Command::Open { cid, name, .. }) => {
                    if let Some(channel) = named(&name)
                        && self.remote.len() < MAX_CHANNELS
                    {
                        self.remote.retain(|_, known| *known != channel);
                        self.remote.insert(cid, channel);
                    }
                }
                _ => {}
            },
            Inbound::Message(Channel::FastRpc, bytes) => {
                let Ok(message) = Message::parse(bytes) else {
                    return;
                };
                let ctx = message.ctx.0;
                if self.calls.insert(ctx, self.seen(message)).is_none() {
                    self.order.push_back(ctx);
                }
                if self.order.len() > MAX_CALLS
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.calls.remove(&oldest);
                }
            }
            Inbound::Message(..) => {}
        }
    }

    /// Remembers what the DSP really did.
    pub fn left(&mut self, action: &Action) {
        if let Action::Smp2p(value) = action {
            self.dsp_word = *value;
        }
    }
}

fn named(name: &[u8]) -> Option<Channel> {
    Channel::ALL
        .into_iter()
        .find(|channel| channel.name().as_bytes() == name)
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

    #[test]
    fn channels_of_commands_are_known_by_whose_id_they_carry() {
        let mut decoder = Decoder::new(Addressing::default());
        let name = Channel::FastRpc.name().as_bytes().to_vec();
        let open = Command::Open {
            cid: 3,
            priority: 0,
            name,
        };
        decoder.arrived(&Inbound::Glink(open.encode()));
        let seen = |command: Command| decoder.inbound(&Inbound::Glink(command.encode())).channel;
        assert_eq!(seen(open.clone()), Some(Channel::FastRpc));
        assert_eq!(seen(Command::Close { cid: 3 }), Some(Channel::FastRpc));
        assert_eq!(seen(Command::Close { cid: 7 }), None);
        assert_eq!(seen(Command::CloseAck { cid: 7 }), Some(Channel::FastRpc));
        let said = |command: Command| {
            let action = Action::RawGlink(command.encode());
            decoder.outbound(&action, None).unwrap().channel
        };
        assert_eq!(said(Command::Close { cid: 7 }), Some(Channel::FastRpc));
        assert_eq!(said(Command::OpenAck { cid: 3 }), Some(Channel::FastRpc));
        assert_eq!(said(Command::Close { cid: 8 }), Some(Channel::Router));
    }

    proptest! {
        #[test]
        fn any_bytes_are_events(bytes in vec(any::<u8>(), 0..80)) {
            let mut decoder = Decoder::new(Addressing::default());
            for inbound in [Inbound::Glink(bytes.clone()), Inbound::Message(Channel::FastRpc, bytes.clone())] {
                let _ = decoder.inbound(&inbound).to_string();
                decoder.arrived(&inbound);
            }
            for action in [Action::RawGlink(bytes.clone()), Action::Send(Channel::FastRpc, bytes)] {
                prop_assert!(decoder.outbound(&action, None).is_some());
            }
        }
    }
}
