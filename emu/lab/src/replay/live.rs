//! The DSP's half of a recorded run, played to a live guest.
//!
//! A [`Player`] stands between the wire and the DSP, which learns of no call. Each request of the guest is matched with the next
//! recorded one of its session that calls the same (handle and scalars); an answer goes out when everything that was asked before it in
//! the recorded session has been asked. What differs by right is translated: contexts, device addresses (outputs are written where
//! the live request has its arguments), descriptors of DMA buffers, handles that the AP gave for its own modules.
//!
//! Not played: memory outside of a call's arguments (DMA handles, MEM_MAP), what a recorded scenario did besides answering.

use super::recording::{Answer, Exchange, Recording, Step, is_release};
use emu_core::mem::Bus;
use emu_os::action::Action;
use emu_os::conversation::{Arrival, Arrived, Call, Conversation, Request};
use emu_os::seam::{Interposer, Reaction};
use emu_os::services::DspConfig;
use rpmsg::Aee;
use rpmsg::fastrpc::{Arg, InvokeLayout, Message};
use rpmsg::iface::handle;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Divergences that are kept.
const MAX_TOLD: usize = 64;

/// How the playing went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests of the guest that the recording has.
    pub matched: usize,
    /// Answers given from it.
    pub answered: usize,
    /// Recorded requests that the guest did not make.
    pub left: usize,
    /// What differs, one sentence each, the first first.
    pub differences: Vec<String>,
    /// More of them.
    pub more: usize,
}

/// A live request that waits for its recorded answer.
struct Live {
    message: Message,
    stream: u16,
    invoke: u64,
    args: Vec<Arg>,
}

struct State {
    config: DspConfig,
    recording: Recording,
    bus: Option<Arc<Bus>>,
    /// Which recorded session a live session ID is.
    sessions: BTreeMap<u32, usize>,
    /// Recorded sessions that a live one has taken.
    taken: BTreeSet<usize>,
    /// Place of each recorded session in its order.
    at: Vec<usize>,
    /// Recorded requests that were asked, with the live ones.
    asked: HashMap<usize, Live>,
    done: BTreeSet<usize>,
    /// Recorded descriptors and AP handles to live ones, by recorded session.
    fds: BTreeMap<(usize, i32), i32>,
    ap_handles: BTreeMap<(usize, u32), u32>,
    outcome: Outcome,
}

/// Plays to one DSP's guest. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Player(Arc<Mutex<State>>);

impl Player {
    /// A player for a DSP.
    #[must_use]
    pub fn new(recording: Recording, config: DspConfig) -> Self {
        let at = vec![0; recording.sessions.len()];
        Self(Arc::new(Mutex::new(State {
            config,
            recording,
            bus: None,
            sessions: BTreeMap::new(),
            taken: BTreeSet::new(),
            at,
            asked: HashMap::new(),
            done: BTreeSet::new(),
            fds: BTreeMap::new(),
            ap_handles: BTreeMap::new(),
            outcome: Outcome::default(),
        })))
    }

    /// What to give to the DSP's unit.
    #[must_use]
    pub fn interposer(&self) -> Box<dyn Interposer> {
        Box::new(self.clone())
    }

    /// How it went so far.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let state = self.lock();
        let mut outcome = state.outcome.clone();
        let total = state.recording.exchanges.len();
        outcome.left = total.saturating_sub(outcome.matched);
        if outcome.left != 0 && outcome.differences.is_empty() {
            let missing = state
                .recording
                .exchanges
                .iter()
                .enumerate()
                .find(|(index, _)| !state.done.contains(index) && !state.asked.contains_key(index));
            if let Some((_, exchange)) = missing {
                outcome.differences.push(format!(
                    "the guest ended without what the recording has next: {}",
                    recorded(exchange)
                ));
            }
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interposer for Player {
    fn begins(&mut self, bus: &Arc<Bus>) {
        let mut state = self.lock();
        state.bus = Some(Arc::clone(bus));
        state.sessions.clear();
    }

    fn inbound(&mut self, event: &Arrival<'_>, _: &Conversation) -> Reaction {
        let actions = match &event.what {
            Arrived::Request(request) => self.lock().request(request),
            Arrived::NoRequest { why, .. } => {
                let mut state = self.lock();
                if state.bus.is_some() {
                    state.differ(format!("the guest sends what is no request: {why}"));
                }
                Vec::new()
            }
            _ => return Reaction::default(),
        };
        Reaction {
            swallow: true,
            actions,
        }
    }
}

impl State {
    fn differ(&mut self, text: String) {
        tracing::warn!(target: "emu::replay", dsp = self.config.label, "{text}");
        if self.outcome.differences.len() < MAX_TOLD {
            self.outcome.differences.push(text);
        } else {
            self.outcome.more += 1;
        }
    }

    fn request(&mut self, request: &Request) -> Vec<Action> {
        let Some(bus) = self.bus.clone() else {
            return Vec::new();
        };
        // The DSP, which would look, never learns of the message.
        bus.check_invalidations();
        let Call {
            message,
            sid,
            stream,
            iova: invoke,
        } = request.call;
        let refuse = vec![Action::Answer {
            ctx: message.ctx.0,
            retval: Aee::FAILED.0,
        }];
        let Some(stream) = stream else {
            self.differ(format!(
                "the guest asks {}, of a session that the DSP does not have",
                asked(&message, sid)
            ));
            return refuse;
        };
        let Some((session, index)) = self.find(&message, sid) else {
            let next = self
                .next_of(sid)
                .map_or_else(|| "nothing more".to_owned(), recorded);
            self.differ(format!(
                "the guest asks {}; the recording has next in this session: {next}",
                asked(&message, sid)
            ));
            return refuse;
        };
        let args = request.arguments(&bus).args().to_vec();
        self.outcome.matched += 1;
        let live = Live {
            message,
            stream,
            invoke,
            args,
        };
        self.learn(session, index, &live, &bus);
        self.asked.insert(index, live);
        self.go_on(session, sid)
    }

    /// The recorded request that a live one is.
    fn find(&mut self, message: &Message, sid: u32) -> Option<(usize, usize)> {
        let same = |e: &Exchange| e.message.handle == message.handle && e.message.sc == message.sc;
        let open = |index: &usize| !self.asked.contains_key(index) && !self.done.contains(index);
        let asks = |session: usize| {
            self.recording
                .sessions
                .get(session)
                .into_iter()
                .flat_map(|s| &s.steps)
                .filter_map(|step| match step {
                    Step::Ask(index) => Some(*index),
                    _ => None,
                })
        };
        let exchange = |index: &usize| self.recording.exchanges.get(*index);
        if let Some(&session) = self.sessions.get(&sid) {
            // Calls of one thread keep their order; those of different threads may overtake each other.
            let found = asks(session)
                .filter(open)
                .find(|index| exchange(index).is_some_and(same));
            return found.map(|index| (session, index));
        }
        let session = (0..self.recording.sessions.len())
            .filter(|session| !self.taken.contains(session))
            .find(|&session| {
                asks(session)
                    .next()
                    .is_some_and(|first| exchange(&first).is_some_and(same))
            })?;
        let first = asks(session).next()?;
        self.taken.insert(session);
        self.sessions.insert(sid, session);
        Some((session, first))
    }

    /// What the recording has next for a session.
    fn next_of(&self, sid: u32) -> Option<&Exchange> {
        let session = self.sessions.get(&sid);
        let steps = match session {
            Some(&session) => self.recording.sessions.get(session).map(|s| s.steps.as_slice()),
            None => Some(self.recording.steps.as_slice()),
        };
        steps?.iter().find_map(|step| match step {
            Step::Ask(index) if !self.asked.contains_key(index) && !self.done.contains(index) => {
                self.recording.exchanges.get(*index)
            }
            _ => None,
        })
    }

    /// Learns what the live guest calls otherwise: descriptors, and handles of its own modules.
    fn learn(&mut self, session: usize, index: usize, live: &Live, bus: &Bus) {
        let Some(then) = self.recording.exchanges.get(index) else {
            return;
        };
        for (then, now) in then.arguments.args().iter().zip(&live.args) {
            if let (Arg::Handle { fd: then, .. }, Arg::Handle { fd: now, .. }) = (then, now) {
                self.fds.insert((session, *then), *now);
            }
        }
        if !is_next2(&live.message) {
            return;
        }
        // The reply to apps_remotectl.open: {length, padding, handle, error}.
        let (Some(piece), Some(&Arg::Buffer { iova, len: 16.., .. })) = (
            then.inputs.iter().find(|piece| piece.argument == 1),
            live.args.get(1),
        ) else {
            return;
        };
        let mut reply = [0; 16];
        let word = |bytes: &[u8], at: usize| {
            bytes
                .get(at..at + 4)
                .and_then(|b| b.first_chunk())
                .map(|b| u32::from_le_bytes(*b))
        };
        if bus.look_at(live.stream, iova, &mut reply)
            && word(&reply, 0) == Some(8)
            && word(&piece.bytes, 0) == Some(8)
            && let (Some(then), Some(now)) = (word(&piece.bytes, 8), word(&reply, 8))
            && then != now
            && then > handle::LAST_RESERVED
        {
            self.ap_handles.insert((session, then), now);
        }
    }

    /// Gives the answers whose time has come.
    fn go_on(&mut self, session: usize, sid: u32) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(at) = self.at.get_mut(session) {
            let Some(step) = self
                .recording
                .sessions
                .get(session)
                .and_then(|s| s.steps.get(*at))
            else {
                break;
            };
            match *step {
                Step::Ask(index) if self.asked.contains_key(&index) || self.done.contains(&index) => *at += 1,
                Step::Answer(index) => {
                    *at += 1;
                    let Some(live) = self.asked.remove(&index) else {
                        continue;
                    };
                    self.done.insert(index);
                    let exchange = self.recording.exchanges.get(index).cloned();
                    if let Some(exchange) = exchange
                        && let Some(answer) = &exchange.answer
                    {
                        self.answer(session, &exchange, answer, &live, &mut actions);
                    }
                    let m = &live.message;
                    if is_release(m.handle, m.client_id, m.sc) {
                        self.sessions.remove(&sid);
                    }
                }
                _ => break,
            }
        }
        actions
    }

    fn answer(
        &mut self,
        session: usize,
        then: &Exchange,
        answer: &Answer,
        live: &Live,
        actions: &mut Vec<Action>,
    ) {
        for piece in &answer.outputs {
            let Some(&Arg::Buffer { iova, len, .. }) = live.args.get(usize::from(piece.argument)) else {
                self.differ(format!(
                    "the guest has no output {} for {}",
                    piece.argument,
                    recorded(then)
                ));
                continue;
            };
            if len != piece.length {
                self.differ(format!(
                    "the guest has {len} bytes for output {} of {}, which had {}",
                    piece.argument, then.name, piece.length
                ));
            }
            if !piece.is_whole() {
                self.differ(format!(
                    "the recording has only {} of {} bytes of output {} of {} (record with a larger --trace-bytes)",
                    piece.bytes.len(),
                    piece.length,
                    piece.argument,
                    recorded(then)
                ));
            }
            let mut bytes = piece.bytes.clone();
            bytes.truncate(len as usize);
            if is_next2(&live.message) && piece.argument == 2 {
                self.translate_handle(session, &mut bytes);
            }
            actions.push(Action::Write {
                stream: live.stream,
                iova,
                bytes,
            });
        }
        let (_, before) = self.recording.addressing().split(then.message.addr);
        let layout = InvokeLayout::new(then.message.sc.args());
        for (iova, bytes) in &answer.writes {
            // Outputs are among the memory already; what is left is the fdlist and the poll word.
            let offset = iova.wrapping_sub(before);
            if offset < layout.fdlist() || offset > layout.poll_word() || offset >= live.message.size {
                continue;
            }
            let mut bytes = bytes.clone();
            if offset < layout.crc() {
                self.translate_fds(session, &mut bytes);
            }
            actions.push(Action::Write {
                stream: live.stream,
                iova: live.invoke.wrapping_add(offset),
                bytes,
            });
        }
        actions.push(Action::Answer {
            ctx: live.message.ctx.0,
            retval: answer.retval,
        });
        self.outcome.answered += 1;
    }

    /// The handle on the AP that a reverse call is for.
    fn translate_handle(&self, session: usize, bytes: &mut [u8]) {
        let Some(word) = bytes.get_mut(4..8).and_then(|b| b.first_chunk_mut::<4>()) else {
            return;
        };
        if let Some(now) = self.ap_handles.get(&(session, u32::from_le_bytes(*word))) {
            *word = now.to_le_bytes();
        }
    }

    fn translate_fds(&self, session: usize, bytes: &mut [u8]) {
        let (words, _) = bytes.as_chunks_mut::<8>();
        for word in words {
            let fd = u64::from_le_bytes(*word) as i32;
            if let Some(now) = self.fds.get(&(session, fd)) {
                *word = u64::from(now.cast_unsigned()).to_le_bytes();
            }
        }
    }
}

fn is_next2(message: &Message) -> bool {
    matches!(
        (message.handle, message.sc.method()),
        (handle::LISTENER, 4) | (handle::LISTENER1, 6)
    )
}

fn asked(message: &Message, sid: u32) -> String {
    let number = u32::from(message.sc.method());
    let name = crate::trace::names::interface(message.handle)
        .map_or_else(|| format!("{:#x}", message.handle), str::to_owned);
    let method = crate::trace::names::method(Some(message.handle), "", number)
        .map_or_else(|| number.to_string(), str::to_owned);
    format!(
        "{name}.{method} (ctx {:#x}, client {}, session {sid}, scalars {:#010x})",
        message.ctx.0, message.client_id, message.sc.0
    )
}

fn recorded(exchange: &Exchange) -> String {
    let m = &exchange.message;
    format!(
        "{} (packet {}, ctx {:#x}, client {}, scalars {:#010x})",
        exchange.name, exchange.packet, m.ctx.0, m.client_id, m.sc.0
    )
}
