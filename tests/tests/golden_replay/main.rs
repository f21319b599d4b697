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

mod answers;
mod files;
mod translate;

use anyhow::{Context, Result, bail, ensure};
use emu_os::action::{Action, Outbox};
use emu_os::services::{Dsp, DspConfig, FarfTo, LibraryRead};
use rpmsg::{
    fastrpc::{ArgKind, Message, attributes::attribute},
    glink::{Command, Edge, EdgeConfig, Event as EdgeEvent, Input},
    iface::handle,
};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tests::machine::Machine;
use tests::trace::{self, Event, Trace, hex, number};

/// Why a session is not replayed: its name (or the start of it), and the reason.
const NOT_REPLAYED: [(&str, &str); 13] = [
    ("dspqueue", "the recorder answered packets in place of a skeleton"),
    (
        "variants/dspqueue",
        "the recorder answered packets in place of a skeleton",
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
    // The recorder's DSP had the sensors, too.
    config.sensors = true;
    config.farf = FarfTo::Nobody;
    let chunk = trace
        .options()
        .iter()
        .find_map(|o| o.strip_prefix("chunk=")?.parse().ok());
    config.library_read = LibraryRead {
        chunk: chunk.unwrap_or(4000),
        seek_for_size: true,
        ..LibraryRead::default()
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
