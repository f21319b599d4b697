//! What is in a trace: GLINK commands, FastRPC requests and answers with names, matched; reverse calls inside of listener calls.
//!
//! A [`Decoder`] is fed the packets in order and keeps what later ones need: which channel has which ID, which call a context
//! is, what was opened as which handle. Its [`Line`]s have named fields, the same that the Wireshark dissector in
//! `docs/wireshark` gives its fields (there with `vhx.` in front); a test compares the two. Total, and bounded: a
//! trace may come from anywhere.

use super::names;
use super::packet::{Body, Direction, Injected, Memory, Packet, Role, Run};
use super::read::Record;
use super::reverse::{Listener, Reverse};
use crate::driver::{self, Sighting};
use crate::trace::About;
use emu_os::conversation::{Answered, CallId, Calls, Request};
use rpmsg::fastrpc::Message;
use rpmsg::glink::Command;
use rpmsg::iface::handle;
use rpmsg::smp2p;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most calls, names and channels that are remembered of a DSP.
const MAX_REMEMBERED: usize = 1 << 16;
/// The channel of FastRPC.
const FASTRPC: &str = rpmsg::glink::FASTRPC_CHANNEL;

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// A number that reads better in hexadecimal.
    Hex(u64),
    /// Text.
    Text(String),
}

impl Value {
    /// As JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Number(n) | Self::Hex(n) => (*n).into(),
            Self::Text(text) => text.as_str().into(),
        }
    }
}

/// Fields by name, in the order in which they were found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(pub Vec<(&'static str, Value)>);

impl Fields {
    pub(super) fn number(&mut self, name: &'static str, value: impl Into<u64>) -> &mut Self {
        self.0.push((name, Value::Number(value.into())));
        self
    }

    pub(super) fn hex(&mut self, name: &'static str, value: impl Into<u64>) -> &mut Self {
        self.0.push((name, Value::Hex(value.into())));
        self
    }

    pub(super) fn text(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.0.push((name, Value::Text(value.into())));
        self
    }

    /// A field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

/// A FastRPC call, as its request told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub id: CallId,
    /// The newest call of the same context that is not answered.
    pub reuses: Option<CallId>,
    /// The request.
    pub message: Message,
    /// Session ID.
    pub sid: u32,
    /// Name of what is behind the handle.
    pub interface: Option<String>,
    /// Name of the method.
    pub method: Option<&'static str>,
    /// The request's packet.
    pub sequence: u32,
    /// When it came.
    pub time: u64,
}

impl Call {
    /// `calculator.sum` or `0x35f08490.2`.
    #[must_use]
    pub fn name(&self) -> String {
        let handle = match &self.interface {
            Some(name) => name.clone(),
            None => format!("{:#x}", self.message.handle),
        };
        match self.method {
            Some(method) => format!("{handle}.{method}"),
            None => format!("{handle}.{}", self.message.sc.method()),
        }
    }
}

/// What a packet means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A request.
    Request(Call),
    /// An answer.
    Answer {
        /// Context.
        ctx: u64,
        /// Return value.
        retval: u32,
        /// The call, if it is known.
        call: Option<Call>,
        /// An older call of the same context that is not answered: the answer may be its.
        older: Option<Call>,
    },
    /// A DSP thread begins a call, or has ended it.
    Runs(CallId),
    /// The DSP calls the AP, inside of an answer to a listener's call.
    Reverse(Call, Reverse),
    /// The AP answers a reverse call, inside of a listener's call.
    ReverseDone(Call, Reverse),
    /// One side closes FastRPC's channel.
    Closed,
    /// Anything else.
    Other,
}

/// A packet with what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Number in the file.
    pub number: u64,
    /// Nanoseconds since the run began.
    pub time: u64,
    /// The packet.
    pub packet: Packet,
    /// What it says.
    pub fields: Fields,
    /// What it means.
    pub meaning: Meaning,
    /// The call that a request, an answer or a piece of memory belongs to, if it is known.
    pub call: Option<CallId>,
}

/// What is known of one DSP.
#[derive(Debug, Default)]
struct Dsp {
    seen: Calls,
    /// Channel names by the AP's and by the DSP's ID.
    ap_channels: HashMap<u32, String>,
    dsp_channels: HashMap<u32, String>,
    driver: Sighting,
    /// Calls without answer.
    calls: HashMap<CallId, Call>,
    /// Calls that a DSP thread has begun, and what each thread runs.
    begun: HashSet<CallId>,
    running: HashMap<u32, CallId>,
    /// Names of opened handles by session and handle.
    handles: HashMap<(u32, i32, u32), String>,
    /// The latest request, or answer to a known one, which memory packets belong to: its packet, its call, the answer's return
    /// value. Other commands may stand between (an edge with intents acknowledges a request before its memory is recorded).
    current: Option<(u32, Call, Option<u32>)>,
    /// The libraries that calls open which are not answered.
    opening: HashMap<CallId, String>,
    listeners: HashMap<(u32, i32), Listener>,
}

/// Makes lines of packets.
#[derive(Debug, Default)]
pub struct Decoder {
    dsps: BTreeMap<u8, Dsp>,
}

impl Decoder {
    /// The next packet.
    pub fn next_line(&mut self, record: Record) -> Line {
        let Record { number, time, packet } = record;
        let mut fields = Fields::default();
        let dsp = self.dsps.entry(packet.dsp).or_default();
        fields.text("kind", packet.body.name());
        fields.number("seq", packet.sequence);
        if packet.related != 0 {
            fields.number("related", packet.related);
        }
        if let Some(direction) = packet.direction.name() {
            fields.text("direction", direction);
        }
        let meaning = dsp.body(&packet, time, &mut fields);
        let of = match packet.body {
            Body::Memory(_) => packet.related,
            _ => packet.sequence,
        };
        let current = dsp.current.as_ref().filter(|(message, ..)| *message == of);
        let call = current.map(|(_, call, _)| call.id);
        Line {
            number,
            time,
            call,
            packet,
            fields,
            meaning,
        }
    }
}

impl Dsp {
    fn body(&mut self, packet: &Packet, time: u64, f: &mut Fields) -> Meaning {
        match &packet.body {
            Body::About(json) => {
                if let Ok(about) = serde_json::from_str::<About>(json) {
                    let mut seen = std::mem::take(&mut self.seen);
                    seen.restart(about.addressing(), about.streams);
                    *self = Self {
                        seen,
                        ..Self::default()
                    };
                }
                f.text("about", json.as_str());
            }
            Body::Glink(bytes) => return self.glink(packet, bytes, time, f),
            Body::Memory(memory) => return self.memory(packet.related, memory, f),
            Body::Smp2p(word) => {
                f.hex("smp2p.word", *word);
                f.text("smp2p.bits", bits(packet.direction, *word));
            }
            Body::State(change) => {
                f.text("state", change.name());
            }
            Body::Crash(text) => {
                f.text("crash", text.as_str());
            }
            Body::Interrupt => {}
            Body::Write {
                stream,
                iova,
                length,
                bytes,
            } => {
                f.hex("write.stream", *stream).hex("write.address", *iova);
                f.number("write.length", *length)
                    .number("write.kept", bytes.len() as u64);
            }
            Body::Poke { place, value } => {
                f.text("poke.place", place_name(*place)).hex("poke.value", *value);
            }
            Body::Injected(what, bytes) => {
                f.text("injected.what", what.name());
                if let Injected::Message(channel) = what {
                    f.number("injected.channel", *channel);
                }
                f.number("injected.length", bytes.len() as u64);
            }
            Body::Finding(text) => {
                let mut parts = text.splitn(3, '\0');
                f.text("finding.kind", parts.next().unwrap_or_default());
                f.text("finding.text", parts.next().unwrap_or_default());
            }
            Body::Lost(count) => {
                f.number("lost", *count);
                self.current = None;
            }
            Body::Thread { run, thread, ctx } => {
                f.text("thread.run", run.name()).number("thread.id", *thread);
                f.hex("thread.ctx", *ctx);
                return self.thread(*run, *thread, *ctx, f);
            }
        }
        Meaning::Other
    }

    fn glink(&mut self, packet: &Packet, bytes: &[u8], time: u64, f: &mut Fields) -> Meaning {
        let command = match Command::parse(bytes) {
            Ok(command) => command,
            Err(error) => {
                f.text("glink.command", "?")
                    .text("glink.error", error.to_string());
                return Meaning::Other;
            }
        };
        f.text("glink.command", names::command(&command));
        // An acknowledgement carries the ID of the side that it goes to.
        let (own, other) = match packet.direction {
            Direction::ToDsp => (&mut self.ap_channels, &mut self.dsp_channels),
            _ => (&mut self.dsp_channels, &mut self.ap_channels),
        };
        let channel = |cid: u16, f: &mut Fields, names: &HashMap<u32, String>| {
            f.number("glink.cid", cid);
            if let Some(name) = names.get(&u32::from(cid)) {
                f.text("glink.channel", name.as_str());
            }
        };
        match command {
            Command::Version { version, features } | Command::VersionAck { version, features } => {
                f.number("glink.version", version).hex("glink.features", features);
            }
            Command::Open { cid, priority, name } => {
                let name = String::from_utf8_lossy(&name).into_owned();
                if own.len() < MAX_REMEMBERED {
                    own.insert(cid.into(), name);
                }
                channel(cid, f, own);
                f.number("glink.priority", priority);
            }
            Command::Close { cid } => {
                channel(cid, f, own);
                if own.get(&u32::from(cid)).is_some_and(|name| name == FASTRPC) {
                    self.closed();
                    return Meaning::Closed;
                }
            }
            Command::OpenAck { cid } | Command::CloseAck { cid } => channel(cid, f, other),
            Command::Intents { cid, intents } => {
                channel(cid, f, own);
                f.number("glink.count", intents.len() as u64);
            }
            Command::RxDone { cid, intent } | Command::RxDoneReuse { cid, intent } => {
                channel(cid, f, own);
                f.number("glink.intent", intent);
            }
            Command::RxIntentReq { cid, size } => {
                channel(cid, f, own);
                f.number("glink.size", size);
            }
            Command::RxIntentReqAck { cid, granted } => {
                channel(cid, f, own);
                f.number("glink.granted", granted);
            }
            Command::TxData {
                cid,
                intent,
                left,
                ref data,
            }
            | Command::TxDataCont {
                cid,
                intent,
                left,
                ref data,
            } => {
                channel(cid, f, own);
                f.number("glink.intent", intent);
                f.number("glink.length", data.len() as u64)
                    .number("glink.left", left);
                let fastrpc = own.get(&u32::from(cid)).is_some_and(|name| name == FASTRPC);
                let first = matches!(command, Command::TxData { .. });
                if fastrpc && first && left == 0 {
                    return self.fastrpc(packet, data, time, f);
                }
            }
            Command::ReadNotif => {}
            Command::Signals { cid, signals } => {
                channel(cid, f, own);
                f.hex("glink.signals", signals);
            }
        }
        Meaning::Other
    }

    /// FastRPC's channel is closed: no call of before is answered any more.
    fn closed(&mut self) {
        self.seen.clear();
        self.driver.closed();
        self.calls.clear();
        self.begun.clear();
        self.running.clear();
        self.opening.clear();
    }

    /// Which call of a context a DSP thread runs: the newest that no thread has begun.
    fn thread(&mut self, run: Run, thread: u32, ctx: u64, f: &mut Fields) -> Meaning {
        let call = match run {
            Run::Begins => {
                let call = self.seen.open_of(ctx).find(|id| !self.begun.contains(id));
                if let Some(id) = call {
                    if self.begun.len() >= MAX_REMEMBERED || self.running.len() >= MAX_REMEMBERED {
                        self.begun.clear();
                        self.running.clear();
                    }
                    self.begun.insert(id);
                    self.running.insert(thread, id);
                }
                call
            }
            Run::Ends => self.running.remove(&thread),
        };
        let Some(id) = call else { return Meaning::Other };
        if let Some(call) = self.calls.get(&id) {
            f.number("thread.request", call.sequence);
        }
        Meaning::Runs(id)
    }

    fn fastrpc(&mut self, packet: &Packet, data: &[u8], time: u64, f: &mut Fields) -> Meaning {
        if packet.direction == Direction::ToDsp {
            let Ok(request) = self.seen.request(data) else {
                f.text("fastrpc.type", "?");
                return Meaning::Other;
            };
            return Meaning::Request(self.request(packet, &request, time, f));
        }
        let Some(answered) = self.seen.answer(data) else {
            f.text("fastrpc.type", "?");
            return Meaning::Other;
        };
        let Answered { ctx, retval, .. } = answered;
        f.text("fastrpc.type", "answer");
        f.hex("fastrpc.ctx", ctx).hex("fastrpc.retval", retval);
        let older = answered.older.and_then(|id| self.calls.get(&id)).cloned();
        let call = answered.call.and_then(|(id, _)| self.calls.remove(&id));
        if let Some(call) = &call {
            self.begun.remove(&call.id);
            f.number("fastrpc.request", call.sequence);
            f.number("fastrpc.time", time.saturating_sub(call.time));
            called(call, f);
            if let Some(older) = &older {
                f.number("fastrpc.older", older.sequence);
            }
            self.current = Some((packet.sequence, call.clone(), Some(retval)));
        }
        Meaning::Answer {
            ctx,
            retval,
            call,
            older,
        }
    }

    fn request(&mut self, packet: &Packet, request: &Request, time: u64, f: &mut Fields) -> Call {
        self.driver.request(&request.call.message);
        let seen = &request.call;
        let (message, sid) = (seen.message, seen.sid);
        let number = u32::from(message.sc.method());
        let opened = self.handles.get(&(sid, message.client_id, message.handle));
        let interface =
            names::interface(message.handle).map_or_else(|| opened.cloned(), |n| Some(n.to_owned()));
        let method = names::method(
            Some(message.handle),
            interface.as_deref().unwrap_or_default(),
            number,
        );
        let call = Call {
            id: request.id,
            reuses: request.reuses,
            message,
            sid,
            interface,
            method,
            sequence: packet.sequence,
            time,
        };
        f.text("fastrpc.type", "request")
            .hex("fastrpc.ctx", message.ctx.0);
        f.number("fastrpc.client", message.client_id.cast_unsigned());
        f.number("fastrpc.tid", message.tid.cast_unsigned());
        called(&call, f);
        if let Some(older) = request.reuses.and_then(|id| self.calls.get(&id)) {
            f.number("fastrpc.older", older.sequence);
        }
        if self.driver.is_qda() {
            f.text("fastrpc.driver", "qda");
            if message.handle == handle::PROCESS_CONTROL
                && let Some(name) = driver::qda_request(message.sc.method())
            {
                f.text("fastrpc.qda_request", name);
            }
        }
        let sc = message.sc;
        f.hex("fastrpc.sc", sc.0);
        f.number("fastrpc.ins", sc.in_bufs() as u64)
            .number("fastrpc.outs", sc.out_bufs() as u64);
        f.number("fastrpc.in_handles", sc.in_handles() as u64);
        f.number("fastrpc.out_handles", sc.out_handles() as u64);
        f.number("fastrpc.sid", sid).hex("fastrpc.address", seen.iova);
        f.number("fastrpc.size", message.size);
        if self.calls.len() >= MAX_REMEMBERED {
            self.calls.clear();
        }
        self.calls.insert(call.id, call.clone());
        self.current = Some((packet.sequence, call.clone(), None));
        call
    }

    fn memory(&mut self, related: u32, memory: &Memory, f: &mut Fields) -> Meaning {
        let Memory {
            role,
            argument,
            stream,
            iova,
            length,
            bytes,
        } = memory;
        f.text("memory.role", role.name());
        f.number("memory.argument", *argument)
            .hex("memory.stream", *stream);
        f.hex("memory.address", *iova).number("memory.length", *length);
        f.number("memory.kept", bytes.len() as u64);
        let Some((of, call, retval)) = self.current.clone() else {
            return Meaning::Other;
        };
        if of != related {
            return Meaning::Other;
        }
        if (*role, *argument) == (Role::Input, 0)
            && let Some(client) = bytes.first_chunk()
        {
            self.driver.control(&call.message, i32::from_le_bytes(*client));
        }
        let key = (call.sid, call.message.client_id);
        let kind = (
            call.interface.as_deref().unwrap_or_default(),
            call.method.unwrap_or_default(),
        );
        match kind {
            ("remotectl" | "remotectl1", "open") => match (role, argument, retval) {
                (Role::Input, 1, None) => {
                    let name = names::module(bytes);
                    f.text("memory.opens", name.as_str());
                    if self.opening.len() >= MAX_REMEMBERED {
                        self.opening.clear();
                    }
                    self.opening.insert(call.id, name);
                }
                (Role::Output, 2, Some(0)) => {
                    let name = self.opening.remove(&call.id);
                    if let (Some(name), Some(&[handle, 0])) =
                        (name, super::words(bytes).get(..2).and_then(|w| w.first_chunk()))
                    {
                        f.hex("memory.opened", handle);
                        if self.handles.len() >= MAX_REMEMBERED {
                            self.handles.clear();
                        }
                        self.handles.insert((key.0, key.1, handle), name);
                    }
                }
                _ => {}
            },
            ("process_control", "create" | "create_attr" | "create_static")
                if (*role, *argument) == (Role::Input, 1) =>
            {
                f.text("memory.process", names::text(bytes));
            }
            ("adsp_listener" | "adsp_listener1", "get_in_bufs2") => {
                if let Some(listener) = self.listeners.get_mut(&key) {
                    match (role, argument) {
                        (Role::Input, 0) => listener.fetches(bytes),
                        (Role::Output, 2) if retval == Some(0) => listener.fetched(bytes),
                        _ => {}
                    }
                }
            }
            ("adsp_listener" | "adsp_listener1", "next2") => {
                if self.listeners.len() >= MAX_REMEMBERED {
                    self.listeners.clear();
                }
                let listener = self.listeners.entry(key).or_default();
                match (role, argument) {
                    (Role::Input, 0) => {
                        if let Some(reverse) = listener.reply(bytes, f) {
                            return Meaning::ReverseDone(call, reverse);
                        }
                    }
                    (Role::Input, 1) => listener.reply_pack(bytes),
                    (Role::Output, 2) if retval == Some(0) => {
                        if let Some(reverse) = listener.call(bytes, f) {
                            return Meaning::Reverse(call, reverse);
                        }
                    }
                    (Role::Output, 3) if retval == Some(0) => listener.call_pack(bytes),
                    _ => {}
                }
            }
            _ => {}
        }
        Meaning::Other
    }
}

fn called(call: &Call, f: &mut Fields) {
    f.hex("fastrpc.handle", call.message.handle);
    if let Some(name) = &call.interface {
        f.text("fastrpc.interface", name.as_str());
    }
    f.number("fastrpc.method", call.message.sc.method());
    if let Some(name) = call.method {
        f.text("fastrpc.method_name", name);
    }
}

/// The bits of an SMP2P word by name.
fn bits(direction: Direction, word: u32) -> String {
    let names: &[(u32, &str)] = match direction {
        Direction::ToDsp => &[(smp2p::ap::STOP, "stop")],
        _ => &[
            (smp2p::dsp::FATAL, "fatal"),
            (smp2p::dsp::READY, "ready"),
            (smp2p::dsp::HANDOVER, "handover"),
            (smp2p::dsp::STOP_ACK, "stop-ack"),
        ],
    };
    let set = names.iter().filter(|(bit, _)| word & bit != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn place_name(place: u32) -> &'static str {
    match place {
        0 => "to-ap-head",
        1 => "from-ap-tail",
        2 => "to-ap-tail",
        3 => "from-ap-head",
        4 => "boot-status",
        _ => "?",
    }
}
