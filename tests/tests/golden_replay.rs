//! Our DSP against recorded sessions: the recorded AP (kernel and library) speaks, our DSP answers, and its answers have the
//! recorded bytes: return values, outputs, fdlist, reverse calls, GLINK commands.
//!
//! The recorded memory is rebuilt behind an SMMU: invoke buffers and arguments stand at their recorded device addresses. Where the
//! recorder cut a file read, the real file (shared/testdata/qualcomm-fastrpc) fills the gap. Calls of the calculator are computed
//! by our core.
//!
//! What may differ, and why:
//! * ours to choose, so translated both ways: module handles, DSP addresses of maps, numbers of reverse calls;
//! * the intent ID in the DSP's TX_DATA: the recorder put 1, we put 0; on an intentless edge nobody reads it;
//! * the error text beside a failed open, which is for people;
//! * a library that is open already is not read again by us: the recorder did;
//! * the calls in [`BETTER`], which the recorder answered wrongly;
//! * calls of hap_example and multithreading are left out: the recorder answered them with zeros without running them, and
//!   run for real they make reverse calls (heap growth) that the record does not have;
//! * the order of answers to different calls, which come from different threads in both.
//!
//! Sessions in which the recorder misbehaved on purpose or ran services of its own are not replayed: see [`NOT_REPLAYED`].

use anyhow::{Context, Result, bail, ensure};
use emu_os::action::{Action, Outbox};
use emu_os::services::{Dsp, DspConfig, FarfTo, LibraryRead};
use rpmsg::{
    fastrpc::{ArgKind, Message, Page, attributes::attribute, control::Control},
    glink::{Command, Edge, EdgeConfig, Event as EdgeEvent, Input},
    iface::{Payload, handle, tunnel},
};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tests::machine::Machine;
use tests::trace::{self, Event, Trace, hex, number};

/// Why a session is not replayed: its name (or the start of it), and the reason.
const NOT_REPLAYED: [(&str, &str); 13] = [
    ("dspqueue", "packets over dspqueue are a later capability"),
    (
        "variants/dspqueue",
        "packets over dspqueue are a later capability",
    ),
    (
        "handle3-handle0",
        "the recorder refused handles 7 and 8 on purpose",
    ),
    ("reverse-calls", "the recorder made 35 reverse calls of its own"),
    ("variants/big-packs", "the recorder made reverse calls of its own"),
    ("variants/attrfail", "the recorder refused to give attributes"),
    ("variants/i414", "the recorder refused init2"),
    ("variants/openrv", "the recorder failed open1 by return value"),
    ("variants/n2f", "the recorder failed next2"),
    (
        "variants/crash",
        "the recorder claimed a crash that did not happen",
    ),
    (
        "variants/exit4",
        "the recorder answered the parked next2 with other codes",
    ),
    (
        "variants/exithold",
        "the recorder never answered the parked next2",
    ),
    (
        "variants/poll-timing",
        "the recorder delayed answers of a module of its own",
    ),
];

/// Calls that the recorder answered wrongly: session, event of the answer, the right return value, and why it is right.
const BETTER: [(&str, u64, u32, &str); 3] = [
    (
        "poll-qos-7.3.4",
        159,
        0x8000_0414,
        "the real calculator has no method 30",
    ),
    (
        "variants/pollnc",
        145,
        0x8000_0414,
        "the real calculator has no method 30",
    ),
    (
        "variants/two-sessions-6.12.107",
        190,
        0,
        "two sessions of one client are two processes (docs/protocol.md#sessions)",
    ),
];

/// Sessions that are replayed up to an event only, because of what the recorder did there.
const UNTIL: [(&str, u64); 1] = [
    // It took the two sessions for one and failed the listener of the wrong one.
    ("variants/two-sessions-6.12.107", 193),
];

/// Bytes of data that the recorder keeps.
const CUT: usize = 4096;
/// The DSP's channel ID in the record.
const CID: u16 = 7;
/// Only so that a broken DSP fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(600);

#[test]
fn our_dsp_answers_as_recorded() -> Result<()> {
    let only = std::env::var("REPLAY").ok();
    let mut failures = Vec::new();
    let (mut replayed, mut left_out) = (0, 0);
    let Some(traces) = trace::all_or_skip()? else {
        return Ok(());
    };
    let all = traces.len();
    for trace in traces {
        if let Some((_, why)) = NOT_REPLAYED.iter().find(|(name, _)| trace.name.starts_with(name)) {
            println!("{}: not replayed, {why}", trace.name);
            left_out += 1;
            continue;
        }
        if only.as_ref().is_some_and(|only| *only != trace.name) {
            left_out += 1;
            continue;
        }
        match replay(&trace) {
            Ok(count) => {
                replayed += 1;
                println!("{}: {count}", trace.name);
            }
            Err(why) => failures.push(format!("{}: {why:#}", trace.name)),
        }
    }
    println!("{replayed} sessions replayed");
    assert_eq!(replayed + left_out + failures.len(), all);
    assert!(replayed + failures.len() > 0, "nothing was replayed");
    assert!(
        failures.is_empty(),
        "{} sessions differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

/// Answers that our DSP gave, by context.
#[derive(Default)]
struct Inbox {
    answers: Mutex<BTreeMap<u64, Vec<Action>>>,
    came: Condvar,
}

impl Outbox for Inbox {
    fn send(&self, batch: Vec<Action>) {
        let mut answers = self.answers.lock().unwrap();
        // A batch without an answer is filed under a context that no driver uses, and shows as left over at the end.
        let ctx = batch.iter().find_map(|a| {
            if let Action::Answer { ctx, .. } = a {
                Some(*ctx)
            } else {
                None
            }
        });
        answers.entry(ctx.unwrap_or(u64::MAX)).or_default().extend(batch);
        self.came.notify_all();
    }
}

impl Inbox {
    /// Waits until one of these calls is answered; the first of them in this order that is.
    fn wait_for(&self, contexts: &[u64]) -> Result<(u64, Vec<Action>)> {
        let answers = self.answers.lock().unwrap();
        let first = |answers: &BTreeMap<u64, Vec<Action>>| {
            contexts.iter().copied().find(|ctx| answers.contains_key(ctx))
        };
        let (mut answers, _) = self
            .came
            .wait_timeout_while(answers, PATIENCE, |a| first(a).is_none())
            .unwrap();
        let ctx = first(&answers).context("our DSP does not answer")?;
        Ok((ctx, answers.remove(&ctx).unwrap_or_default()))
    }
}

/// One argument as it lies in memory.
#[derive(Debug, Clone)]
struct Placed {
    kind: ArgKind,
    iova: u64,
    len: usize,
    /// Its bytes when the call was made.
    before: Vec<u8>,
}

/// A call under way.
struct Call {
    message: Message,
    /// Stream ID.
    stream: u16,
    args: Vec<Placed>,
    /// What the library opens with it.
    uri: Option<String>,
    /// What it maps.
    maps: bool,
}

/// What differs between the record and our DSP by right, for one session of the AP.
#[derive(Default)]
struct Names {
    /// Recorded module handle to ours, and the library behind it.
    handles: BTreeMap<u32, (u32, String)>,
    /// Recorded DSP address of a map to ours.
    addresses: BTreeMap<u64, u64>,
    /// Recorded number of a reverse call to ours.
    reverse: BTreeMap<u32, u32>,
    /// The file that is being read: its content and the position.
    file: Option<(Vec<u8>, usize)>,
}

/// How much was compared.
#[derive(Debug, Default)]
struct Count {
    messages: usize,
    answers: usize,
    compared_bytes: usize,
    commands: usize,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} messages, {} answers with {} bytes of output, {} GLINK commands",
            self.messages, self.answers, self.compared_bytes, self.commands
        )
    }
}

struct Replay<'a> {
    trace: &'a Trace,
    machine: Machine,
    inbox: Arc<Inbox>,
    dsp: Arc<Dsp>,
    edge: Edge,
    /// Commands of our edge that the record has not shown yet.
    commands: VecDeque<Command>,
    calls: BTreeMap<u64, Call>,
    sessions: BTreeMap<(u32, i32), Names>,
    skipping: Option<Skipping>,
    count: Count,
}

/// The recorder reads a library again that our DSP has loaded.
struct Skipping {
    session: (u32, i32),
    /// The open call for which it does.
    open: u64,
    /// Our listener's call, still waiting.
    parked: Call,
    /// The recorded listener's latest call.
    latest: u64,
}

fn replay(trace: &Trace) -> Result<Count> {
    let machine = Machine::new(192 << 20, &[0x1001, 0x1002, 0x1003, 0x1004])?;
    let inbox = Arc::new(Inbox::default());
    let streams = (1..=4).map(|sid| (sid, 0x1000 + sid as u16)).collect();
    let mut config = DspConfig::new("cdsp", hexagon_isa::Arch::V68, 0x68, streams);
    let arch = if trace.options().contains(&"arch=0") {
        0
    } else {
        0x68
    };
    config.attributes = [
        (attribute::UNSIGNED_PD, 1),
        (attribute::HVX_128B, 4),
        (attribute::ARCH_VER, arch),
    ]
    .into();
    config.farf = FarfTo::Nobody;
    let chunk = trace
        .options()
        .iter()
        .find_map(|o| o.strip_prefix("chunk=")?.parse().ok());
    config.library_read = LibraryRead {
        chunk: chunk.unwrap_or(4000),
        seek_for_size: true,
    };
    let outbox: Arc<dyn Outbox> = Arc::<Inbox>::clone(&inbox);
    let dsp = Dsp::new(config, Arc::clone(machine.bus()), outbox);
    let mut replay = Replay {
        trace,
        machine,
        inbox,
        dsp,
        edge: Edge::new(EdgeConfig::fastrpc(CID)),
        commands: VecDeque::new(),
        calls: BTreeMap::new(),
        sessions: BTreeMap::new(),
        skipping: None,
        count: Count::default(),
    };
    let until = UNTIL
        .iter()
        .find(|(name, _)| *name == trace.name)
        .map(|&(_, n)| n);
    for (index, event) in trace.events.iter().enumerate() {
        if until.is_some_and(|n| event.n > n) {
            break;
        }
        replay.event(index, event).with_context(|| {
            let crash = replay
                .dsp
                .last_crash()
                .map(|report| format!(" (a process crashed: {report})"));
            format!("event {}{}", event.n, crash.unwrap_or_default())
        })?;
    }
    replay.dsp.channel_closed();
    let left: Vec<String> = replay
        .inbox
        .answers
        .lock()
        .unwrap()
        .iter()
        .map(|(ctx, batch)| format!("{ctx:#x}: {batch:x?}"))
        .collect();
    ensure!(
        left.is_empty(),
        "answers that the record does not have: {}",
        left.join("; ")
    );
    ensure!(
        replay.commands.is_empty(),
        "commands that the record does not have: {:?}",
        replay.commands
    );
    Ok(replay.count)
}

impl Replay<'_> {
    fn event(&mut self, index: usize, event: &Event) -> Result<()> {
        match (event.layer.as_str(), event.dir.as_str()) {
            ("glink", "ap>dsp") => self.glink_in(&event.hex("bytes")?),
            ("glink", "dsp>ap") => self.glink_out(&event.hex("bytes")?),
            ("fastrpc", "ap>dsp") if self.is_foreign(event)? || self.is_skipped(event)? => Ok(()),
            ("fastrpc", "ap>dsp") => self.call(index, event),
            ("fastrpc", "dsp>ap") => match self.calls.remove(&event.number("ctx")?) {
                Some(call) => self.answer(event, call),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    // ---- GLINK ----

    fn glink_in(&mut self, bytes: &[u8]) -> Result<()> {
        let out = self.edge.step(Input::Command(Command::parse(bytes)?))?;
        self.commands.extend(out.commands);
        for event in out.events {
            match event {
                // The recorder shows the same message, with its memory, as its next event.
                EdgeEvent::Message(CID, _) | EdgeEvent::Up(CID) | EdgeEvent::Negotiated { .. } => {}
                EdgeEvent::Down(CID) => self.dsp.channel_closed(),
                other => bail!("unexpected {other:?}"),
            }
        }
        self.count.commands += 1;
        Ok(())
    }

    fn glink_out(&mut self, bytes: &[u8]) -> Result<()> {
        let recorded = Command::parse(bytes)?;
        if let Command::TxData { cid, left, data, .. } = recorded {
            let out = self.edge.step(Input::Send(CID, data.clone()))?;
            ensure!(
                out.commands
                    == [Command::TxData {
                        cid,
                        intent: 0,
                        left,
                        data
                    }]
            );
        } else {
            if recorded == (Command::Close { cid: CID }) && self.commands.is_empty() {
                self.subsystem_restart()?;
            }
            let ours = self.commands.pop_front().context("our edge does not send this")?;
            ensure!(ours.encode() == bytes, "our edge sends {ours:?}");
        }
        self.count.commands += 1;
        Ok(())
    }

    /// The recorder played a crash of the whole DSP here: the channel is closed with calls unanswered, and opened again.
    fn subsystem_restart(&mut self) -> Result<()> {
        self.dsp.channel_closed();
        self.inbox.answers.lock().unwrap().clear();
        self.calls.clear();
        self.sessions.clear();
        for input in [Input::Close(CID), Input::Open(CID)] {
            self.commands.extend(self.edge.step(input)?.commands);
        }
        Ok(())
    }

    // ---- a library that the recorder reads again ----

    /// While the recorder reads a library that our DSP has loaded already, its listener's calls are left out: our DSP keeps
    /// the one that it has.
    fn is_skipped(&mut self, event: &Event) -> Result<bool> {
        let (session, handle) = (
            (event.number("sid")? as u32, event.number("client")? as i32),
            event.number("handle")?,
        );
        let listener = [handle::LISTENER, handle::LISTENER1].contains(&(handle as u32));
        match &mut self.skipping {
            Some(skip) if listener && skip.session == session => {
                if event.text("mname") == "next2" {
                    skip.latest = event.number("ctx")?;
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The open call of the same session that our DSP may answer before the recorder's next reverse call for it.
    fn open_beside(&self, call: &Call) -> Option<u64> {
        let next2 = matches!(
            (call.message.handle, call.message.sc.method()),
            (handle::LISTENER, 4) | (handle::LISTENER1, 6)
        );
        let names = self.sessions.get(&session_of(&call.message))?;
        let known = |uri: &String| names.handles.values().any(|(_, open)| open == uri);
        self.calls
            .values()
            .find(|c| {
                session_of(&c.message) == session_of(&call.message) && c.uri.as_ref().is_some_and(known)
            })
            .filter(|_| next2)
            .map(|c| c.message.ctx.0)
    }

    // ---- calls ----

    /// Calls that the recorder answered without having what they are for: of its own test modules, which exist nowhere else,
    /// and of two skeletons that it did not run.
    fn is_foreign(&self, event: &Event) -> Result<bool> {
        let number = event.number("handle")? as u32;
        let session = (event.number("sid")? as u32, event.number("client")? as i32);
        let uri = self
            .sessions
            .get(&session)
            .and_then(|names| Some(&names.handles.get(&number)?.1));
        let not_run = |uri: &String| uri.contains("hap_example") || uri.contains("multithreading");
        Ok(number > handle::LAST_RESERVED && (self.trace.name.contains("ioctl") || uri.is_some_and(not_run)))
    }

    fn session(&mut self, message: &Message) -> &mut Names {
        self.sessions.entry(session_of(message)).or_default()
    }

    fn call(&mut self, index: usize, event: &Event) -> Result<()> {
        let mut message = event.message()?;
        let stream = 0x1000 + (message.addr >> 32) as u16;
        let iova = message.addr & 0xFFFF_FFFF;
        let mut image = event.hex("invoke_buffer")?;
        image.resize(image.len().max(message.size as usize), 0);
        self.machine.write(stream, iova, &image)?;
        let mut inputs = Vec::new();
        for fields in event.list("args") {
            inputs.push(match fields["data"].as_str() {
                Some(_) => hex(&fields["data"])?,
                None => Vec::new(),
            });
        }
        let (uri, maps) = self.translate(index, event, &mut message, &mut inputs)?;
        let mut args = Vec::new();
        for (index, (fields, input)) in event.list("args").iter().zip(&inputs).enumerate() {
            let kind = message.sc.kind(index).context("too many arguments")?;
            args.push(self.place(stream, kind, fields, input)?);
        }
        let call = Call {
            message,
            stream,
            args,
            uri,
            maps,
        };
        let bytes = call.message.encode();
        ensure!(
            self.calls.insert(call.message.ctx.0, call).is_none(),
            "context used twice"
        );
        self.count.messages += 1;
        self.dsp.message(&bytes);
        Ok(())
    }

    /// Puts an argument into memory, behind its page.
    fn place(&self, stream: u16, kind: ArgKind, fields: &Value, input: &[u8]) -> Result<Placed> {
        let len = number(&fields["len"])? as usize;
        let page = number(&fields["page_addr"])? & 0xFFFF_FFFF;
        let pv = if fields["pv"].is_null() {
            0
        } else {
            number(&fields["pv"])?
        };
        let iova = page + (pv & 0xFFF);
        let mut before = Vec::new();
        if number(&fields["num"])? != 0 {
            self.machine.map(stream, page, number(&fields["page_size"])?)?;
            if kind == ArgKind::In {
                self.machine.write(stream, iova, input)?;
            }
            before = self.machine.read(stream, iova, len)?;
        }
        Ok(Placed {
            kind,
            iova,
            len,
            before,
        })
    }

    /// Replaces what is ours to choose in a call, maps the memory that it announces, and fills in what the recorder cut.
    fn translate(
        &mut self,
        index: usize,
        event: &Event,
        message: &mut Message,
        inputs: &mut [Vec<u8>],
    ) -> Result<(Option<String>, bool)> {
        let lens: Vec<u32> = event
            .list("args")
            .iter()
            .map(|f| Ok(number(&f["len"])? as u32))
            .collect::<Result<_>>()?;
        let session = (message.addr >> 32) as u32;
        let set = |bytes: &mut [u8], at: usize, new: &[u8]| {
            bytes[at..at + new.len()].copy_from_slice(new);
        };
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let method = message.sc.method();
        match (message.handle, method) {
            (handle::PROCESS_CONTROL, _) => {
                let (ins, outs) = (message.sc.in_bufs(), message.sc.out_bufs());
                let payload = Payload {
                    sc: message.sc,
                    ins: inputs[..ins].to_vec(),
                    outs: lens[ins..ins + outs].to_vec(),
                };
                let shell = lens.get(2).copied().unwrap_or(0);
                let control = Control::parse(&payload, Some(shell))?;
                let names = self.sessions.entry((session, control.client())).or_default();
                let ours = |theirs: u64| names.addresses.get(&theirs).copied().unwrap_or(theirs);
                let memory = match control {
                    Control::Munmap { vaddr, .. } => {
                        set(&mut inputs[0], 8, &ours(vaddr).to_le_bytes());
                        None
                    }
                    Control::MemUnmap { vaddr, .. } => {
                        set(&mut inputs[0], 8, &ours(vaddr).to_le_bytes());
                        None
                    }
                    Control::Create { memory, .. } => Some(memory),
                    Control::Mmap { page, .. } | Control::MemMap { page, .. } => Some(page),
                    Control::Release { client } => {
                        self.sessions.remove(&(session, client));
                        None
                    }
                    _ => None,
                };
                if let Some(Page { addr, size }) = memory
                    && addr >> 32 != 0
                {
                    self.machine
                        .map(0x1000 + (addr >> 32) as u16, addr & 0xFFFF_FFFF, size)?;
                }
                return Ok((None, message.sc.out_bufs() != 0));
            }
            (handle::REMOTECTL, 0) | (handle::REMOTECTL1, 2) => {
                let uri = String::from_utf8_lossy(&inputs[1])
                    .trim_end_matches('\0')
                    .to_owned();
                return Ok((Some(uri), false));
            }
            (handle::REMOTECTL, 1) | (handle::REMOTECTL1, 3) => {
                let recorded = word(&inputs[0], 0);
                if let Some((ours, _)) = self.session(message).handles.get(&recorded) {
                    set(&mut inputs[0], 0, &ours.to_le_bytes());
                }
            }
            (handle::LISTENER, 4) | (handle::LISTENER1, 6) => {
                let recorded = word(&inputs[0], 0);
                if let Some(&ours) = self.session(message).reverse.get(&recorded) {
                    set(&mut inputs[0], 0, &ours.to_le_bytes());
                }
                let next = self
                    .trace
                    .events
                    .get(index + 1)
                    .filter(|e| e.is("reverse", "ap>dsp"))
                    .cloned();
                if let Some(reply) = next
                    && inputs[1].len() < lens[1] as usize
                {
                    inputs[1] = self.whole_reply(message, index, &reply, lens[1] as usize)?;
                } else if let Some(reply) = self
                    .trace
                    .events
                    .get(index + 1)
                    .filter(|e| e.is("reverse", "ap>dsp"))
                    .cloned()
                {
                    self.follow_file(message, index, &reply)?;
                }
            }
            (handle::LISTENER, 5) | (handle::LISTENER1, 7) => {
                let recorded = word(&inputs[0], 0);
                if let Some(&ours) = self.session(message).reverse.get(&recorded) {
                    set(&mut inputs[0], 0, &ours.to_le_bytes());
                }
            }
            (recorded, _) if recorded > handle::LAST_RESERVED => {
                if let Some((ours, _)) = self.session(message).handles.get(&recorded) {
                    message.handle = *ours;
                }
            }
            _ => {}
        }
        Ok((None, false))
    }

    // ---- files that the library reads for the DSP ----

    /// The reverse call that this reply belongs to.
    fn request_of(&self, index: usize, reply: &Event) -> Result<&Event> {
        let same = |e: &&Event| {
            e.is("reverse", "dsp>ap")
                && e.fields["rctx"] == reply.fields["rctx"]
                && e.fields["client"] == reply.fields["client"]
        };
        self.trace.events[..index]
            .iter()
            .rev()
            .find(same)
            .context("a reply without a call")
    }

    /// Keeps track of which file is read, and where.
    fn follow_file(&mut self, message: &Message, index: usize, reply: &Event) -> Result<()> {
        let name = reply.text("name").to_owned();
        let outs = reply.list("outs").iter().map(hex).collect::<Result<Vec<_>>>()?;
        if let Some(file) = name.strip_prefix("apps_std.fopen_with_env(") {
            let path = test_needs::testdata()
                .context("test data")?
                .join("qualcomm-fastrpc")
                .join(file.trim_end_matches(')'));
            let content = std::fs::read(path).unwrap_or_default();
            self.session(message).file = Some((content, 0));
        } else if name.starts_with("apps_std.fread") {
            let read = u32::from_le_bytes(outs[0][..4].try_into()?) as usize;
            if let Some((_, at)) = &mut self.session(message).file {
                *at += read;
            }
        }
        let _ = index;
        Ok(())
    }

    /// A reply of which the recorder kept only the beginning, put together again.
    fn whole_reply(&mut self, message: &Message, index: usize, reply: &Event, len: usize) -> Result<Vec<u8>> {
        let request = self.request_of(index, reply)?;
        let capacities: Vec<usize> = request
            .list("out_caps")
            .iter()
            .map(|c| Ok(number(c)? as usize))
            .collect::<Result<_>>()?;
        let mut outs = reply.list("outs").iter().map(hex).collect::<Result<Vec<_>>>()?;
        if reply.text("name").starts_with("apps_std.fread")
            && let Some((content, at)) = &self.session(message).file
        {
            let read = u32::from_le_bytes(outs[0][..4].try_into()?) as usize;
            let data = content
                .get(*at..at + read)
                .context("the file is shorter than recorded")?;
            ensure!(
                data.starts_with(&outs[1][..read.min(CUT)]),
                "the file is not the recorded one"
            );
            outs[1] = data.to_vec();
        }
        for (out, capacity) in outs.iter_mut().zip(capacities) {
            out.resize(capacity, 0);
        }
        self.follow_file(message, index, reply)?;
        let mut pack = tunnel::pack_out(&outs);
        ensure!(pack.len() <= len);
        pack.resize(len, 0);
        Ok(pack)
    }

    // ---- answers ----

    fn answer(&mut self, event: &Event, call: Call) -> Result<()> {
        let recorded = event.number("retval")? as u32;
        let ctx = call.message.ctx.0;
        let beside = self.open_beside(&call);
        let (answered, batch) = self
            .inbox
            .wait_for(&[Some(ctx), beside].into_iter().flatten().collect::<Vec<_>>())?;
        if answered != ctx {
            self.inbox.answers.lock().unwrap().insert(answered, batch);
            let (session, latest) = (session_of(&call.message), event.number("ctx")?);
            self.skipping = Some(Skipping {
                session,
                open: answered,
                parked: call,
                latest,
            });
            return Ok(());
        }
        if self.skipping.as_ref().is_some_and(|skip| skip.open == ctx)
            && let Some(skip) = self.skipping.take()
        {
            // From here on the record's listener and ours wait in the same state, under different contexts.
            self.calls.insert(skip.latest, skip.parked);
        }
        let call = &call;
        let mut retval = None;
        for action in batch {
            match action {
                Action::Write { stream, iova, bytes } => self.machine.bus().write(stream, iova, &bytes)?,
                Action::Answer { retval: code, .. } => {
                    ensure!(retval.replace(code).is_none(), "answered twice");
                }
                other => bail!("unexpected {other:?}"),
            }
        }
        let retval = retval.context("no answer in the batch")?;
        self.count.answers += 1;
        let better = BETTER
            .iter()
            .find(|(name, n, ..)| *name == self.trace.name && *n == event.n);
        if let Some((_, _, right, why)) = better {
            ensure!(retval == *right, "we answer {retval:#x}, but {why}");
            return Ok(());
        }
        ensure!(
            retval == recorded,
            "we answer {retval:#x}, recorded is {recorded:#x}"
        );
        let mut expected: Vec<Vec<u8>> = call.args.iter().map(|a| a.before.clone()).collect();
        for write in event.list("writes") {
            if let Some(fds) = write["fdlist"].as_array() {
                let at = 40 * call.message.sc.args() as u64 + (call.message.addr & 0xFFFF_FFFF);
                let ours = self.machine.read(call.stream, at, 8 * fds.len())?;
                let fds: Vec<u8> = fds
                    .iter()
                    .map(|f| Ok(number(f)?.to_le_bytes()))
                    .collect::<Result<Vec<_>>>()?
                    .concat();
                ensure!(ours == fds, "fdlist {ours:x?}");
            } else if write["poll_word"].is_null() {
                let index = number(&write["arg"])? as usize;
                let data = hex(&write["data"])?;
                expected[index][..data.len()].copy_from_slice(&data);
                if number(&write["len"])? as usize > data.len() {
                    // The recorder cut it: only the beginning is known.
                    expected[index].truncate(data.len());
                }
            } else {
                let at = number(&write["off"])? + (call.message.addr & 0xFFFF_FFFF);
                let ours = self.machine.read(call.stream, at, 4)?;
                ensure!(
                    ours == rpmsg::fastrpc::POLL_RESPONSE.to_le_bytes(),
                    "poll word {ours:x?}"
                );
            }
        }
        for (index, (arg, mut expected)) in call.args.iter().zip(expected).enumerate() {
            if arg.kind != ArgKind::Out || arg.len == 0 {
                continue;
            }
            let mut ours = self.machine.read(call.stream, arg.iova, expected.len())?;
            self.mask(call, index - call.message.sc.in_bufs(), &mut ours, &mut expected)?;
            ensure!(
                ours == expected,
                "output {index}: we write\n{}\nrecorded is\n{}",
                shown(&ours),
                shown(&expected)
            );
            self.count.compared_bytes += expected.len();
        }
        Ok(())
    }

    /// Learns what is ours to choose from an output, and makes both sides equal there.
    fn mask(&mut self, call: &Call, output: usize, ours: &mut [u8], theirs: &mut [u8]) -> Result<()> {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap());
        let method = call.message.sc.method();
        match (call.message.handle, method, output) {
            (handle::PROCESS_CONTROL, _, 0) if call.maps => {
                let client = i32::from_le_bytes(call.args[0].before[..4].try_into()?);
                let (a, b) = (
                    u64::from_le_bytes(theirs.try_into()?),
                    u64::from_le_bytes(ours.try_into()?),
                );
                ensure!(b != 0, "a map at address 0");
                let sid = (call.message.addr >> 32) as u32;
                self.sessions
                    .entry((sid, client))
                    .or_default()
                    .addresses
                    .insert(a, b);
                theirs.copy_from_slice(ours);
            }
            (handle::REMOTECTL, 0, 0) | (handle::REMOTECTL1, 2, 0) => {
                let (a, b) = (word(theirs), word(ours));
                let text = call
                    .args
                    .get(3)
                    .map(|a| self.machine.read(call.stream, a.iova, a.len))
                    .transpose()?;
                ensure!(
                    (a == 0) == (b == 0),
                    "we open as {b:#x}, recorded is {a:#x}: {}",
                    shown(
                        text.as_deref()
                            .unwrap_or_default()
                            .split(|&b| b == 0)
                            .next()
                            .unwrap_or_default()
                    )
                );
                if a != 0 {
                    ensure!(b > handle::LAST_RESERVED);
                    let library = call.uri.clone().unwrap_or_default();
                    self.session(&call.message).handles.insert(a, (b, library));
                    theirs[..4].copy_from_slice(&ours[..4]);
                }
            }
            (handle::REMOTECTL, 0, 1) | (handle::REMOTECTL1, 2, 1) if theirs[0] != 0 => {
                ensure!(
                    ours[0] != 0 && ours.contains(&0),
                    "a failed open without an error text"
                );
                theirs.copy_from_slice(ours);
            }
            (handle::LISTENER, 4, 0) | (handle::LISTENER1, 6, 0) => {
                let (a, b) = (word(theirs), word(ours));
                if a != 0 {
                    ensure!(b != 0, "a reverse call with number 0");
                    self.session(&call.message).reverse.insert(a, b);
                    theirs[..4].copy_from_slice(&ours[..4]);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What tells the AP's sessions apart: stream ID and client.
fn session_of(message: &Message) -> (u32, i32) {
    ((message.addr >> 32) as u32, message.client_id)
}

fn shown(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .map(|&b| {
            if b == b' ' || b.is_ascii_graphic() {
                b as char
            } else {
                '.'
            }
        })
        .collect();
    format!("{bytes:02x?} {text}")
}
