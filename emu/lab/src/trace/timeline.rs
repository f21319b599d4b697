//! A timeline of a trace in the trace-event format that Perfetto and Chrome open.
//!
//! One invoke is one slice, on the row of the AP's thread that makes it, from its request's arrival to its answer; in it stand its
//! phases (until a DSP thread takes it, while that runs it, until the answer is out) and the reverse calls that fall into it.
//! The DSP thread's row has the same run once more, tied to it by an arrow. Processes of the picture are the DSP's sessions.
//!
//! The guest's own way from the ioctl to the doorbell cannot be seen from outside: a slice begins when the request is in the FIFO and
//! the doorbell rang.

use super::decode::{Call, Line, Meaning, Value};
use super::packet::{Body, Change, Run};
use super::reverse::Reverse;
use emu_os::conversation::CallId;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};

/// Most slices and marks; what comes later is left out, and said so.
const MAX_EVENTS: usize = 4_000_000;

/// A stretch of time on a row.
#[derive(Debug, Clone)]
struct Slice {
    name: String,
    kind: &'static str,
    start: u64,
    end: u64,
    args: Json,
}

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    /// A DSP as a whole.
    Dsp,
    /// A thread of the AP; calls that overlap (interrupted and made again) get a row more each.
    Ap(i32, usize),
    /// A DSP thread.
    Thread(u32),
}

/// Where a slice is drawn: DSP, session ID (0: the DSP itself), row.
type Row = (u8, u32, Lane);

struct Open {
    call: Call,
    begun: Option<(u64, u32)>,
    ended: Option<u64>,
}

/// What a DSP is doing.
#[derive(Default)]
struct Dsp {
    open: HashMap<CallId, Open>,
    /// The reverse call that the AP works on, by session and client, with its start.
    reverse: HashMap<(u32, i32), (Reverse, u64, i32)>,
    /// Session of the latest request, whose memory follows.
    session: u32,
}

/// Builds the picture.
#[derive(Default)]
pub struct Timeline {
    labels: BTreeMap<u8, String>,
    sessions: BTreeMap<(u8, u32), String>,
    dsps: BTreeMap<u8, Dsp>,
    /// Invokes with their phases, and what else is drawn.
    calls: BTreeMap<Row, Vec<Vec<Slice>>>,
    slices: BTreeMap<Row, Vec<Slice>>,
    reverses: BTreeMap<(u8, u32), Vec<Slice>>,
    marks: Vec<(Row, String, u64)>,
    /// From the invoke's row to the DSP thread's: times of both ends.
    arrows: Vec<(Row, u64, Row, u64)>,
    last: u64,
    events: usize,
}

impl Timeline {
    /// The next packet.
    pub fn add(&mut self, line: &Line, label: &str) {
        let (dsp, time) = (line.packet.dsp, line.time);
        self.last = self.last.max(time);
        self.labels.entry(dsp).or_insert_with(|| label.to_owned());
        if self.events >= MAX_EVENTS {
            return;
        }
        match &line.meaning {
            Meaning::Request(call) => {
                let state = self.dsps.entry(dsp).or_default();
                state.session = call.sid;
                let open = Open {
                    call: call.clone(),
                    begun: None,
                    ended: None,
                };
                state.open.insert(call.id, open);
            }
            Meaning::Answer {
                ctx, retval, call, ..
            } => {
                let open = &mut self.dsps.entry(dsp).or_default().open;
                match call.as_ref().and_then(|call| open.remove(&call.id)) {
                    Some(open) => self.call_over(dsp, open, time, Some(*retval)),
                    None => self.mark(dsp, format!("answer to nothing: ctx {ctx:#x}"), time),
                }
            }
            Meaning::Reverse(call, reverse) => {
                let key = (call.sid, call.message.client_id);
                let value = (reverse.clone(), time, call.message.tid);
                self.dsps.entry(dsp).or_default().reverse.insert(key, value);
            }
            Meaning::ReverseDone(call, reverse) => {
                let key = (call.sid, call.message.client_id);
                let started = self.dsps.entry(dsp).or_default().reverse.remove(&key);
                if let Some((told, start, tid)) = started.filter(|(told, ..)| told.ctx == reverse.ctx) {
                    self.events += 1;
                    let slice = Slice {
                        name: told.name(),
                        kind: "reverse",
                        start,
                        end: call.time,
                        args: json!({ "reverse call": told.ctx, "result": reverse.result }),
                    };
                    self.slices
                        .entry((dsp, call.sid, Lane::Ap(tid, 0)))
                        .or_default()
                        .push(slice.clone());
                    self.reverses.entry((dsp, call.sid)).or_default().push(slice);
                }
            }
            Meaning::Runs(id) => self.runs(*id, line, dsp, time),
            Meaning::Closed | Meaning::Other => self.other(line, dsp, time),
        }
    }

    fn runs(&mut self, id: CallId, line: &Line, dsp: u8, time: u64) {
        let Body::Thread { run, thread, .. } = line.packet.body else {
            return;
        };
        if let Some(open) = self.dsps.entry(dsp).or_default().open.get_mut(&id) {
            match run {
                Run::Begins => open.begun = Some((time, thread)),
                Run::Ends => open.ended = Some(time),
            }
        }
    }

    fn other(&mut self, line: &Line, dsp: u8, time: u64) {
        match &line.packet.body {
            Body::Memory(_) => {
                if let Some(Value::Text(name)) = line.fields.get("memory.process") {
                    let session = self.dsps.entry(dsp).or_default().session;
                    let names = self.sessions.entry((dsp, session)).or_default();
                    if !names.split(", ").any(|n| n == name) && names.len() < 200 {
                        if !names.is_empty() {
                            names.push_str(", ");
                        }
                        names.push_str(name);
                    }
                }
            }
            Body::State(change) => {
                if matches!(change, Change::Ended | Change::Halted) {
                    let open = std::mem::take(&mut self.dsps.entry(dsp).or_default().open);
                    for (_, call) in open {
                        self.call_over(dsp, call, time, None);
                    }
                }
                self.mark(dsp, format!("DSP {}", change.name()), time);
            }
            Body::Crash(text) => self.mark(dsp, format!("crash: {text}"), time),
            Body::Smp2p(word) => self.mark(dsp, format!("SMP2P {word:#x}"), time),
            Body::Finding(text) => {
                let sentence = text.split('\0').nth(1).unwrap_or_default();
                self.mark(dsp, format!("account: {sentence}"), time);
            }
            Body::Lost(n) => self.mark(dsp, format!("{n} packets are missing"), time),
            _ => {}
        }
    }

    fn mark(&mut self, dsp: u8, text: String, time: u64) {
        self.events += 1;
        self.marks.push(((dsp, 0, Lane::Dsp), text, time));
    }

    fn call_over(&mut self, dsp: u8, open: Open, end: u64, retval: Option<u32>) {
        self.events += 4;
        let (call, m) = (&open.call, &open.call.message);
        let row = (dsp, call.sid, Lane::Ap(m.tid, 0));
        let phase = |name: String, start: u64, end: u64| Slice {
            name,
            kind: "phase",
            start,
            end,
            args: json!({}),
        };
        let mut slices = vec![Slice {
            name: call.name(),
            kind: "invoke",
            start: call.time,
            end,
            args: json!({
                "ctx": format!("{:#x}", m.ctx.0), "client": m.client_id, "thread": m.tid,
                "handle": format!("{:#x}", m.handle), "sc": format!("{:#010x}", m.sc.0),
                "retval": retval.map(|r| format!("{r:#x}")), "answered": retval.is_some(), "packet": call.sequence,
            }),
        }];
        if let Some((begun, thread)) = open.begun {
            let ended = open.ended.unwrap_or(end).clamp(begun, end.max(begun));
            let end = end.max(ended);
            let begun = begun.max(call.time);
            slices.push(phase("waits for a DSP thread".into(), call.time, begun));
            slices.push(phase(format!("runs on DSP thread {thread}"), begun, ended));
            slices.push(phase("answer".into(), ended, end));
            slices[0].end = end;
            let there = (dsp, call.sid, Lane::Thread(thread));
            self.slices.entry(there).or_default().push(Slice {
                name: call.name(),
                kind: "run",
                start: begun,
                end: ended,
                args: json!({ "ctx": format!("{:#x}", m.ctx.0) }),
            });
            self.arrows.push((row, begun, there, begun));
            self.arrows.push((there, ended, row, ended));
        }
        self.calls.entry(row).or_default().push(slices);
    }

    /// The file's content.
    #[must_use]
    pub fn finish(mut self) -> Json {
        let open: Vec<(u8, Open)> = self
            .dsps
            .iter_mut()
            .flat_map(|(&dsp, state)| {
                std::mem::take(&mut state.open)
                    .into_values()
                    .map(move |o| (dsp, o))
            })
            .collect();
        for (dsp, call) in open {
            let last = self.last;
            self.call_over(dsp, call, last, None);
        }
        self.nest();
        let mut out = Output::default();
        for (&dsp, label) in &self.labels {
            out.name((dsp, 0, Lane::Dsp), label, "the DSP");
        }
        let mut rows: Vec<Row> = self.calls.keys().chain(self.slices.keys()).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        for row in rows {
            let label = self.labels.get(&row.0).map_or("?", String::as_str);
            let process = match self.sessions.get(&(row.0, row.1)) {
                Some(name) => format!("{label} session {}: {name}", row.1),
                None => format!("{label} session {}", row.1),
            };
            let thread = match row.2 {
                Lane::Dsp => "the DSP".to_owned(),
                Lane::Ap(tid, 0) => format!("AP thread {tid}"),
                Lane::Ap(tid, _) => format!("AP thread {tid} (again)"),
                Lane::Thread(thread) => format!("DSP thread {thread}"),
            };
            out.name(row, &process, &thread);
            let calls = self.calls.remove(&row).into_iter().flatten().flatten();
            for slice in calls.chain(self.slices.remove(&row).unwrap_or_default()) {
                out.slice(row, &slice);
            }
        }
        for (row, text, time) in &self.marks {
            let (pid, tid) = out.place(*row);
            out.events.push(json!({
                "ph": "i", "s": "t", "name": text, "cat": "state", "pid": pid, "tid": tid, "ts": us(*time),
            }));
        }
        for (number, (from, at, to, then)) in self.arrows.iter().enumerate() {
            for (ph, row, time) in [("s", *from, *at), ("f", *to, *then)] {
                let (pid, tid) = out.place(row);
                out.events.push(json!({
                    "ph": ph, "bp": "e", "id": number, "name": "call", "cat": "flow", "pid": pid, "tid": tid, "ts": us(time),
                }));
            }
        }
        json!({
            "displayTimeUnit": "ns",
            "otherData": { "source": "vhost-hexagon", "complete": self.events < MAX_EVENTS },
            "traceEvents": out.events,
        })
    }

    /// Calls that overlap on a row get rows of their own; reverse calls are put into the call that they fall into.
    fn nest(&mut self) {
        for (row, mut calls) in std::mem::take(&mut self.calls) {
            calls.sort_by_key(|slices| (slices[0].start, slices[0].end));
            let mut lanes: Vec<u64> = Vec::new();
            for slices in calls {
                let (start, end) = (slices[0].start, slices[0].end);
                let lane = match lanes.iter().position(|&until| until <= start) {
                    Some(lane) => lane,
                    None => {
                        lanes.push(0);
                        lanes.len() - 1
                    }
                };
                lanes[lane] = end;
                let place = match row.2 {
                    Lane::Ap(tid, _) => (row.0, row.1, Lane::Ap(tid, lane)),
                    _ => row,
                };
                self.calls.entry(place).or_default().push(slices);
            }
        }
        for ((dsp, session), reverses) in std::mem::take(&mut self.reverses) {
            let rows = self
                .calls
                .range_mut((dsp, session, Lane::Dsp)..=(dsp, session, Lane::Thread(u32::MAX)));
            let mut candidates: Vec<&mut Vec<Slice>> = rows.flat_map(|(_, calls)| calls).collect();
            candidates.sort_by_key(|slices| slices[0].start);
            for reverse in reverses {
                let until = candidates.partition_point(|slices| slices[0].start <= reverse.start);
                // The call that began last of those around it: the one that needed it, as a rule.
                let around = candidates[..until].iter_mut().rev().take(256).find(|slices| {
                    slices[0].end >= reverse.end && slices.iter().skip(1).all(|s| fits(s, &reverse))
                });
                if let Some(slices) = around {
                    slices.push(reverse);
                }
            }
        }
    }
}

/// Whether one of two slices contains the other, or they do not touch.
fn fits(a: &Slice, b: &Slice) -> bool {
    a.end <= b.start
        || b.end <= a.start
        || (a.start <= b.start && b.end <= a.end)
        || (b.start <= a.start && a.end <= b.end)
}

fn us(nanoseconds: u64) -> Json {
    json!(nanoseconds as f64 / 1000.0)
}

/// Viewers want numbers of processes and threads in 32 bits.
#[derive(Default)]
struct Output {
    events: Vec<Json>,
    processes: BTreeMap<(u8, u32), usize>,
    rows: BTreeMap<Row, usize>,
}

impl Output {
    /// Numbers of a row's process and of the row.
    fn place(&mut self, row: Row) -> (usize, usize) {
        let (processes, rows) = (self.processes.len() + 1, self.rows.len() + 1);
        let pid = *self.processes.entry((row.0, row.1)).or_insert(processes);
        (pid, *self.rows.entry(row).or_insert(rows))
    }

    fn name(&mut self, row: Row, process: &str, thread: &str) {
        let known = self.processes.contains_key(&(row.0, row.1));
        let (pid, tid) = self.place(row);
        let mut meta = |name: &str, args: Json| {
            self.events
                .push(json!({ "ph": "M", "name": name, "pid": pid, "tid": tid, "args": args }));
        };
        if !known {
            meta("process_name", json!({ "name": process }));
            meta("process_sort_index", json!({ "sort_index": pid }));
        }
        meta("thread_name", json!({ "name": thread }));
        meta("thread_sort_index", json!({ "sort_index": tid }));
    }

    fn slice(&mut self, row: Row, slice: &Slice) {
        let (pid, tid) = self.place(row);
        self.events.push(json!({
            "ph": "X", "name": slice.name, "cat": slice.kind, "pid": pid, "tid": tid,
            "ts": us(slice.start), "dur": us(slice.end.saturating_sub(slice.start)), "args": slice.args,
        }));
    }
}
