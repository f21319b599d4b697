//! What rules do: changes of the event, and everything else.

use super::engine::{Engine, Passing};
use super::event::{Field, Fields};
use super::expr::Expr;
use super::file::Order;
use super::parcel::{Item, Job};
use super::random::Random;
use super::rule::{Bits, Content, Edit, Effect, Glink, Target, Write};
use super::values::{MAX_BYTES, Time};
use emu_os::action::{Action, Channel, Inbound};
use emu_os::conversation::Conversation;
use emu_os::frame::Frame;
use rpmsg::fastrpc::args::{Descriptors, RawArg};
use rpmsg::fastrpc::{Ctx, InvokeLayout, Response};
use rpmsg::glink::{Command, Intent};

/// SMP2P bit of a fatal error.
const FATAL: u32 = 1;

impl Engine {
    /// The value of an expression of a rule.
    pub(super) fn eval(&mut self, expr: &Expr, fields: &Fields, rule: usize) -> i64 {
        if let Expr::Int(n) = expr {
            return *n;
        }
        let mut random = self.random(rule).cloned().unwrap_or(Random::new(0, "", 0));
        let value = |name: &str| {
            if let Some(field) = Field::of(name) {
                return fields.get(field);
            }
            let index = self.names.iter().position(|var| var == name)?;
            self.vars.get(index).copied()
        };
        let result = expr.eval(&value, &mut random);
        if let Some(own) = self.random(rule) {
            *own = random;
        }
        result
    }

    fn bits(&mut self, bits: &Bits, word: u32, fields: &Fields, rule: usize) -> u32 {
        let word = match &bits.value {
            Some(expr) => self.eval(expr, fields, rule) as u32,
            None => word,
        };
        ((word | bits.set) & !bits.clear) ^ bits.toggle
    }

    /// Changes an event on its way.
    pub(super) fn edit(
        &mut self,
        edit: &Edit,
        fields: &Fields,
        rule: usize,
        passing: &mut Passing,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        match edit {
            Edit::Duplicate(copies) => passing.copies = passing.copies.saturating_add(*copies).min(1000),
            Edit::Retval(expr) => {
                let new = self.eval(expr, fields, rule);
                if let Item::Out(Action::Answer { retval, .. }) = &mut passing.item {
                    *retval = new as u32;
                    passing.changed = true;
                }
            }
            Edit::Ctx(expr) => {
                let new = self.eval(expr, fields, rule);
                if let Item::Out(Action::Answer { ctx, .. }) = &mut passing.item {
                    *ctx = new.cast_unsigned();
                    passing.changed = true;
                }
            }
            Edit::Patch { at, bytes } => {
                change_bytes(passing, |own| {
                    for (to, from) in own.iter_mut().skip(*at).zip(bytes) {
                        *to = *from;
                    }
                });
            }
            Edit::Resize(length) => change_bytes(passing, |own| own.resize(*length, 0)),
            Edit::Bits(bits) => {
                let word = fields.get(Field::Value).unwrap_or(0) as u32;
                let word = self.bits(bits, word, fields, rule);
                match &mut passing.item {
                    Item::Out(Action::Smp2p(value)) | Item::In(Inbound::Smp2p(value)) => *value = word,
                    _ => return,
                }
                passing.changed = true;
            }
            Edit::Attribute { number, value } => {
                let value = self.eval(value, fields, rule) as u32;
                for action in &mut passing.before {
                    let Action::Write { bytes, .. } = action else {
                        continue;
                    };
                    if let Some(word) = bytes.chunks_exact_mut(4).nth(number - 1) {
                        word.copy_from_slice(&value.to_le_bytes());
                        passing.changed = true;
                    }
                }
            }
            Edit::Refuse => {
                let Item::In(Inbound::Glink(frame)) = &passing.item else {
                    return;
                };
                let Ok(Command::RxIntentReq { .. }) = frame.command() else {
                    return;
                };
                let cid = known.channel_of_aps(frame).unwrap_or(Channel::FastRpc).cid();
                let denied = Command::RxIntentReqAck { cid, granted: false };
                self.act(Action::RawGlink(denied.into()), out);
                passing.drop_by(rule);
            }
        }
    }

    fn act(&mut self, action: Action, out: &mut Vec<Action>) {
        self.leaves(&action);
        self.note(&|| describe(&action));
        out.push(action);
    }

    /// Does something that is not about the event itself.
    pub(super) fn effect(
        &mut self,
        effect: &Effect,
        fields: &Fields,
        rule: usize,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        match effect {
            Effect::Answer { ctx, retval } => {
                let retval = self.eval(retval, fields, rule) as u32;
                let ctx = match ctx {
                    Some(expr) => self.eval(expr, fields, rule),
                    None => fields.get(Field::Ctx).unwrap_or(0),
                };
                let ctx = ctx.cast_unsigned();
                self.act(Action::Answer { ctx, retval }, out);
            }
            Effect::Send(channel, bytes) => self.act(Action::Send(*channel, bytes.clone()), out),
            Effect::Glink(glink) => {
                let bytes = self.glink(glink, fields, rule, known).encode();
                self.act(Action::RawGlink(Frame::from(bytes)), out);
            }
            Effect::Raw(bytes) => self.act(Action::RawGlink(Frame::from(bytes.clone())), out),
            Effect::Write(write) => self.write(write, fields, rule, known, out),
            Effect::Interrupt => self.act(Action::Interrupt, out),
            Effect::Halt => self.act(Action::Halt, out),
            Effect::Crash { reason, down } => self.crash(reason, *down, rule, out),
            Effect::Watchdog => {
                self.act(Action::Halt, out);
                self.act(Action::Watchdog, out);
            }
            Effect::Smp2p(bits) => {
                let word = self.bits(bits, self.dsp_word, fields, rule);
                self.act(Action::Smp2p(word), out);
            }
            Effect::Poke(place, expr) => {
                let value = self.eval(expr, fields, rule) as u32;
                self.act(Action::Poke(*place, value), out);
            }
            Effect::Close(channel) => self.act(Action::CloseChannel(*channel), out),
            Effect::Open(channel) => self.act(Action::OpenChannel(*channel), out),
            Effect::Release { name, order, count } => {
                self.release(name, (*order, *count), rule, known, out);
            }
            Effect::Set(assignments) => {
                for (index, expr) in assignments {
                    let value = self.eval(expr, fields, rule);
                    if let Some(var) = self.vars.get_mut(*index) {
                        *var = value;
                    }
                    let name = self.names.get(*index).cloned().unwrap_or_default();
                    self.note(&|| format!("{name} = {value}"));
                }
            }
            Effect::Phase(phase) => {
                self.note(&|| format!("phase {phase}"));
                self.phase.clone_from(phase);
            }
            Effect::Emit(signal) => {
                self.note(&|| format!("signal {signal}"));
                self.signals.push_back((signal.clone(), *fields));
            }
            Effect::Log(text) => {
                self.note(&|| format!("log: {text}"));
                tracing::info!(target: "emu::scenario", dsp = self.label, "{text}");
            }
        }
    }

    fn crash(&mut self, reason: &str, down: Option<Time>, rule: usize, out: &mut Vec<Action>) {
        tracing::info!(target: "emu::scenario", dsp = self.label, reason, "the DSP crashes");
        if self.board {
            let fatal = self.dsp_word | FATAL;
            self.act(Action::Halt, out);
            self.act(Action::CrashReason(reason.to_owned()), out);
            self.act(Action::Smp2p(fatal), out);
            return;
        }
        self.act(Action::CloseChannel(Channel::FastRpc), out);
        match down {
            None => self.act(Action::OpenChannel(Channel::FastRpc), out),
            Some(down) => {
                let wait = self.time(down, rule);
                let job = Job::Effect {
                    rule,
                    effect: Box::new(Effect::Open(Channel::FastRpc)),
                    fields: Fields::default(),
                };
                self.later(wait, job);
            }
        }
    }

    fn release(
        &mut self,
        name: &str,
        (order, count): (Order, usize),
        rule: usize,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        let count = count.min(self.waiting.count(name));
        self.note(&|| format!("{count} released of {name}"));
        for _ in 0..count {
            let last = self.waiting.count(name).saturating_sub(1);
            let position = match order {
                Order::First => 0,
                Order::Last => last,
                Order::Random => {
                    let high = i64::try_from(last).unwrap_or(0);
                    let drawn = self.random(rule).map_or(0, |random| random.between(0, high));
                    usize::try_from(drawn).unwrap_or(0)
                }
            };
            if let Some(parcel) = self.waiting.take(name, position) {
                self.forward_late(parcel, known, out);
            }
        }
    }

    fn glink(&mut self, glink: &Glink, fields: &Fields, rule: usize, known: &Conversation) -> Command {
        let mut number = |expr: &Expr| self.eval(expr, fields, rule) as u32;
        let (intent, size, left) = (number(&glink.intent), number(&glink.size), number(&glink.left));
        let (version, value) = (number(&glink.version) as u16, number(&glink.value));
        let priority = number(&glink.priority) as u16;
        let given = glink.cid.as_ref().map(|expr| number(expr) as u16);
        let acknowledges = matches!(glink.command, 4 | 11);
        let of_channel = glink.channel.map(|channel| {
            let aps = acknowledges.then(|| known.ap_cid(channel)).flatten();
            aps.unwrap_or(channel.cid())
        });
        let cid = given.or(of_channel).unwrap_or(0);
        let data = glink.data.clone();
        match glink.command {
            0 => Command::Version {
                version,
                features: value,
            },
            1 => Command::VersionAck {
                version,
                features: value,
            },
            2 => Command::Open {
                cid,
                priority,
                name: glink.name.clone(),
            },
            3 => Command::Close { cid },
            4 => Command::OpenAck { cid },
            5 => Command::Intents {
                cid,
                intents: vec![Intent { size, id: intent }],
            },
            6 => Command::RxDone { cid, intent },
            7 => Command::RxIntentReq { cid, size },
            8 => Command::RxIntentReqAck {
                cid,
                granted: glink.granted,
            },
            9 => Command::TxData {
                cid,
                intent,
                left,
                data,
            },
            11 => Command::CloseAck { cid },
            12 => Command::TxDataCont {
                cid,
                intent,
                left,
                data,
            },
            14 => Command::RxDoneReuse { cid, intent },
            15 => Command::Signals { cid, signals: value },
            _ => Command::ReadNotif,
        }
    }

    fn write(
        &mut self,
        write: &Write,
        fields: &Fields,
        rule: usize,
        known: &Conversation,
        out: &mut Vec<Action>,
    ) {
        let mut bytes = match &write.content {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Number { value, width } => {
                let value = self.eval(value, fields, rule).to_le_bytes();
                value.into_iter().take(*width).collect()
            }
        };
        bytes = bytes.repeat(write.repeat);
        bytes.truncate(MAX_BYTES);
        let Some((stream, iova)) = self.address(write, fields, rule, known) else {
            let why = format!("{:?} of this event is not known", write.to);
            tracing::warn!(target: "emu::scenario", dsp = self.label, "nothing is written: {why}");
            self.note(&|| format!("nothing written: {why}"));
            return;
        };
        self.act(Action::Write { stream, iova, bytes }, out);
    }

    /// Where a write goes: stream and I/O virtual address.
    fn address(
        &mut self,
        write: &Write,
        fields: &Fields,
        rule: usize,
        known: &Conversation,
    ) -> Option<(u16, u64)> {
        let offset = self.eval(&write.offset, fields, rule).cast_unsigned();
        let index = u64::from(write.index);
        if let Some(iova) = &write.iova {
            let iova = self.eval(iova, fields, rule).cast_unsigned();
            let sid = match &write.sid {
                Some(sid) => self.eval(sid, fields, rule),
                None => fields.get(Field::Sid)?,
            };
            let stream = *self.streams.get(&u32::try_from(sid).ok()?)?;
            return Some((stream, iova.wrapping_add(offset)));
        }
        let ctx = fields.get(Field::Ctx)?.cast_unsigned();
        let (_, call) = known.calls().of_context(ctx)?;
        let stream = call.stream?;
        let sc = call.message.sc;
        let layout = InvokeLayout::new(sc.args());
        let at = match write.to {
            Target::Metadata => index * 16,
            Target::List => layout.list() + index * 8,
            Target::Pages => layout.pages() + index * 16,
            Target::Fdlist => layout.fdlist() + index * 8,
            Target::Crc => layout.crc() + index * 4,
            Target::Poll => layout.poll_word(),
            Target::Iova => 0,
            Target::Argument => {
                let bus = self.bus.clone()?;
                let mut snapshot = vec![0; usize::try_from(layout.descriptors()).ok()?];
                if !bus.look_at(stream, call.iova, &mut snapshot) {
                    return None;
                }
                let descriptors = Descriptors::parse(sc, &snapshot).ok()?;
                let (arg, entry) = descriptors.entries.get(usize::try_from(index).ok()?)?;
                let page = descriptors.pages.get(usize::try_from(entry.pgidx).ok()?)?;
                let addressing = &self.addressing;
                let within = match arg {
                    RawArg::Buffer { pv, .. } => pv & addressing.page_mask(),
                    RawArg::Handle { .. } => 0,
                };
                let (sid, iova) = addressing.split(page.addr);
                let stream = *self.streams.get(&sid)?;
                return Some((stream, iova.wrapping_add(within).wrapping_add(offset)));
            }
        };
        Some((stream, call.iova.wrapping_add(at).wrapping_add(offset)))
    }
}

/// Changes the bytes of an event; an answer becomes the message it is.
fn change_bytes(passing: &mut Passing, change: impl FnOnce(&mut Vec<u8>)) {
    if let Item::Out(Action::Answer { ctx, retval }) = passing.item {
        let response = Response {
            ctx: Ctx(ctx),
            retval,
        };
        passing.item = Item::Out(Action::Send(Channel::FastRpc, response.encode()));
    }
    passing.changed = true;
    passing.item.change(change);
}

/// An action in a line of the history.
pub(super) fn describe(action: &Action) -> String {
    const SHOWN: usize = 16;
    let hex = |bytes: &[u8]| {
        let shown: Vec<String> = bytes.iter().take(SHOWN).map(|b| format!("{b:02x}")).collect();
        let more = if bytes.len() > SHOWN { " …" } else { "" };
        format!("{} bytes: {}{more}", bytes.len(), shown.join(" "))
    };
    match action {
        Action::Write { stream, iova, bytes } => {
            format!("write {iova:#x} of stream {stream:#x}, {}", hex(bytes))
        }
        Action::Answer { ctx, retval } => format!("answer ctx={ctx:#x} retval={retval}"),
        Action::Send(channel, bytes) => format!("send on {}, {}", channel.name(), hex(bytes)),
        Action::RawGlink(frame) => format!("glink, {}", hex(frame.bytes())),
        other => format!("{other:?}"),
    }
}
