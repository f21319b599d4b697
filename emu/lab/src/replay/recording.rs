//! A recorded run as the two halves of a conversation: sessions of the driver with their requests and answers, in order.

use crate::trace::decode::{Call, Decoder, Line, Meaning};
use crate::trace::read::{ReadError, Reader};
use crate::trace::{About, Body, Change, Memory, Role};
use emu_os::conversation::{Arguments, CallId};
use rpmsg::fastrpc::control::method;
use rpmsg::fastrpc::{Addressing, Message, Scalars};
use rpmsg::iface::handle;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Why a trace cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has no such DSP.
    #[error("the trace {path} has no DSP {label:?}; it has {known}")]
    NoDsp {
        /// Which file.
        path: PathBuf,
        /// Which DSP.
        label: String,
        /// Those that it has.
        known: String,
    },
    /// Nothing was said.
    #[error("the trace {0} has no FastRPC request")]
    Empty(PathBuf),
    /// Packets are missing.
    #[error("the trace {0} is not complete (packets were lost, or the file ends early): it cannot be played")]
    Incomplete(PathBuf),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Return value.
    pub retval: u32,
    /// The outputs as they were when it went out.
    pub outputs: Vec<Memory>,
    /// What the DSP wrote by itself just before: device address and bytes.
    pub writes: Vec<(u64, Vec<u8>)>,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request.
    pub message: Message,
    /// What it calls, for people.
    pub name: String,
    /// Number of its packet.
    pub packet: u32,
    /// What its invoke buffer said of the arguments.
    pub arguments: Arguments,
    /// The inputs.
    pub inputs: Vec<Memory>,
    /// The answer, if there was one.
    pub answer: Option<Answer>,
    /// The same for calls whose answers cannot be told apart: they were open at once with the same context.
    pub group: Option<usize>,
}

/// Something in a session's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The request of the exchange with this number.
    Ask(usize),
    /// Its answer.
    Answer(usize),
    /// The channel was closed, or the DSP stopped: nothing of before is answered any more.
    Closed,
}

/// A session of the driver, from its first request to the answer of its release.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Session ID.
    pub sid: u32,
    /// Its calls, by number in [`Recording::exchanges`], and answers, in order.
    pub steps: Vec<Step>,
}

/// The FastRPC conversation of one DSP.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    /// The DSP.
    pub about: Option<About>,
    /// All calls, in the order of their requests.
    pub exchanges: Vec<Exchange>,
    /// Everything in order.
    pub steps: Vec<Step>,
    /// The steps of each session.
    pub sessions: Vec<Session>,
}

#[derive(Default)]
struct Builder {
    out: Recording,
    addressing: Addressing,
    /// Exchanges without answer.
    open: HashMap<CallId, usize>,
    /// The session that a session ID is now.
    now: BTreeMap<u32, usize>,
    /// Sessions whose release is not answered.
    leaving: HashMap<usize, u32>,
    writes: Vec<(u16, u64, Vec<u8>)>,
    /// The exchange that memory packets belong to.
    current: Option<(CallId, usize)>,
}

impl Recording {
    /// Reads what a trace has of a DSP; of the first that was called if none is named.
    ///
    /// # Errors
    /// [`RecordingError`]
    pub fn read(path: &Path, label: Option<&str>) -> Result<Self, RecordingError> {
        Self::of(Reader::open(path)?, label)
    }

    /// What a trace that is being read has of a DSP, as [`Recording::read`].
    ///
    /// # Errors
    /// [`RecordingError`]
    pub fn of<R: Read>(mut reader: Reader<R>, label: Option<&str>) -> Result<Self, RecordingError> {
        let path = reader.path().to_owned();
        let mut decoder = Decoder::default();
        let mut builders: BTreeMap<u8, Builder> = BTreeMap::new();
        let mut labels: BTreeMap<u8, String> = BTreeMap::new();
        let mut lost = false;
        while let Some(record) = reader.next_record()? {
            let line = decoder.next_line(record);
            let dsp = line.packet.dsp;
            labels.entry(dsp).or_insert_with(|| reader.label(dsp).to_owned());
            lost |= matches!(line.packet.body, Body::Lost(_));
            builders.entry(dsp).or_default().line(&line);
        }
        if lost || reader.is_cut() || reader.dropped() != 0 {
            return Err(RecordingError::Incomplete(path));
        }
        let chosen = match label {
            Some(label) => labels
                .iter()
                .find(|(_, name)| *name == label)
                .map(|(dsp, _)| *dsp),
            None => builders
                .iter()
                .find(|(_, b)| !b.out.exchanges.is_empty())
                .map(|(dsp, _)| *dsp),
        };
        let builder = chosen.and_then(|dsp| builders.remove(&dsp));
        match (builder, label) {
            (Some(builder), _) if !builder.out.exchanges.is_empty() => Ok(builder.out),
            (None, Some(label)) => Err(RecordingError::NoDsp {
                path,
                label: label.to_owned(),
                known: labels.into_values().collect::<Vec<_>>().join(", "),
            }),
            _ => Err(RecordingError::Empty(path)),
        }
    }

    /// Labels of the DSPs that were called in a trace.
    ///
    /// # Errors
    /// [`RecordingError`]
    pub fn labels(path: &Path) -> Result<Vec<String>, RecordingError> {
        let mut reader = Reader::open(path)?;
        let mut decoder = Decoder::default();
        let mut labels = Vec::new();
        while let Some(record) = reader.next_record()? {
            let line = decoder.next_line(record);
            let label = reader.label(line.packet.dsp);
            if matches!(line.meaning, Meaning::Request(_)) && !labels.iter().any(|l| l == label) {
                labels.push(label.to_owned());
            }
        }
        Ok(labels)
    }

    /// Whether the conversation was ended and begun again.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        let mut after = self.steps.iter().skip_while(|step| **step != Step::Closed);
        after.any(|step| matches!(step, Step::Ask(_)))
    }

    /// How device addresses are made up.
    #[must_use]
    pub fn addressing(&self) -> Addressing {
        self.about
            .as_ref()
            .map_or_else(Addressing::default, About::addressing)
    }
}

impl Builder {
    fn line(&mut self, line: &Line) {
        match &line.meaning {
            Meaning::Request(call) => self.request(call),
            Meaning::Answer {
                retval, call, older, ..
            } => self.answer(call.as_ref(), older.as_ref(), *retval),
            Meaning::Closed => self.closed(),
            _ => match &line.packet.body {
                Body::About(json) => {
                    if let Ok(about) = serde_json::from_str::<About>(json) {
                        self.addressing = about.addressing();
                        self.out.about = Some(about);
                    }
                }
                Body::Memory(memory) => self.memory(line.call, memory),
                Body::Write {
                    stream, iova, bytes, ..
                } => self.writes.push((*stream, *iova, bytes.clone())),
                Body::State(Change::Ended | Change::Halted) => self.closed(),
                _ => {}
            },
        }
    }

    fn session(&mut self, sid: u32) -> usize {
        *self.now.entry(sid).or_insert_with(|| {
            self.out.sessions.push(Session {
                sid,
                steps: Vec::new(),
            });
            self.out.sessions.len() - 1
        })
    }

    fn step(&mut self, session: usize, step: Step) {
        self.out.steps.push(step);
        if let Some(session) = self.out.sessions.get_mut(session) {
            session.steps.push(step);
        }
    }

    fn request(&mut self, call: &Call) {
        let index = self.out.exchanges.len();
        let session = self.session(call.sid);
        let (message, sc) = (call.message, call.message.sc);
        self.out.exchanges.push(Exchange {
            message,
            name: call.name(),
            packet: call.sequence,
            arguments: Arguments::NotMapped,
            inputs: Vec::new(),
            answer: None,
            group: None,
        });
        self.step(session, Step::Ask(index));
        self.open.insert(call.id, index);
        self.current = Some((call.id, index));
        if is_release(message.handle, message.client_id, sc) {
            self.leaving.insert(index, call.sid);
        }
    }

    fn answer(&mut self, call: Option<&Call>, older: Option<&Call>, retval: u32) {
        let writes = std::mem::take(&mut self.writes);
        let Some((id, index)) = call.and_then(|call| self.open.remove_entry(&call.id)) else {
            return;
        };
        if let Some(&older) = older.and_then(|older| self.open.get(&older.id)) {
            let group = [older, index].map(|i| self.out.exchanges.get(i).and_then(|e| e.group));
            let group = group.into_iter().flatten().next().unwrap_or(older);
            for index in [older, index] {
                if let Some(exchange) = self.out.exchanges.get_mut(index) {
                    exchange.group = Some(group);
                }
            }
        }
        let sid = self
            .out
            .exchanges
            .get(index)
            .map_or(0, |e| self.addressing.split(e.message.addr).0);
        let session = self.session(sid);
        self.step(session, Step::Answer(index));
        if let Some(exchange) = self.out.exchanges.get_mut(index) {
            exchange.answer = Some(Answer {
                retval,
                outputs: Vec::new(),
                writes: writes.into_iter().map(|(_, iova, bytes)| (iova, bytes)).collect(),
            });
        }
        self.current = Some((id, index));
        if let Some(sid) = self.leaving.remove(&index) {
            self.now.remove(&sid);
        }
    }

    fn memory(&mut self, of: Option<CallId>, memory: &Memory) {
        let current = self.current.filter(|(id, _)| Some(*id) == of);
        let Some(exchange) = current.and_then(|(_, index)| self.out.exchanges.get_mut(index)) else {
            return;
        };
        match memory.role {
            Role::Descriptors => {
                let bytes = memory.bytes.clone();
                exchange.arguments = Arguments::decode(&exchange.message, bytes, &self.addressing);
            }
            Role::Input => exchange.inputs.push(memory.clone()),
            Role::Output => {
                if let Some(answer) = &mut exchange.answer {
                    answer.outputs.push(memory.clone());
                }
            }
        }
    }

    fn closed(&mut self) {
        if self.open.is_empty() && self.now.is_empty() {
            return;
        }
        self.open.clear();
        self.leaving.clear();
        self.out.steps.push(Step::Closed);
        for (_, session) in std::mem::take(&mut self.now) {
            if let Some(session) = self.out.sessions.get_mut(session) {
                session.steps.push(Step::Closed);
            }
        }
    }
}

/// Whether a call ends its session.
pub(super) fn is_release(called: u32, client: i32, sc: Scalars) -> bool {
    called == handle::PROCESS_CONTROL && client == 0 && sc.method() == method::RELEASE
}
