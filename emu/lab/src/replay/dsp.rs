//! The AP's half of a recorded run, played to this program's DSP without a guest.
//!
//! Memory is laid out as the recorded messages say, requests come in the recorded order, and where the recording has an answer the
//! DSP's own is waited for and compared: return value and every output that was kept. What the DSP chooses by itself is translated:
//! module handles, addresses of mappings, numbers of reverse calls, addresses of its own functions in what it prints. The first
//! difference ends it.
//!
//! Each call is played with a context of its own: of two that had the same at once, which the recorded driver had given out again,
//! this DSP's answers are told apart. The recorded ones are not, so for these it is enough that one of them is the same.

use super::printed::Addresses;
use super::recording::{Exchange, Recording, Step};
use crate::trace::Memory;
use emu_core::mem::{Bus, BusFault, NoFaultLine, PAGE};
use emu_local_ap::{Direction, KernelError, KernelIommu};
use emu_os::action::{Action, Outbox};
use emu_os::services::{Dsp, DspConfig, FarfTo};
use rpmsg::fastrpc::control::{self, Control};
use rpmsg::fastrpc::{Arg, Ctx, InvokeLayout, Page};
use rpmsg::iface::{Payload, handle};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Guest memory there is for everything that a recording maps.
const MEMORY: usize = 1 << 30;
/// How long the DSP may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why it cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The trace does not say what the DSP was.
    #[error("the trace does not say what its DSP is, or this program has no core like it")]
    NoAbout,
    /// Memory.
    #[error("the recorded memory cannot be laid out: {0}")]
    Memory(#[from] KernelError),
    /// Memory.
    #[error("the recorded memory cannot be laid out: {0}")]
    Bus(#[from] BusFault),
    /// An input was cut when it was recorded.
    #[error(
        "{name} (packet {packet}): the recording has only {kept} of {length} bytes of input {argument}; record with a larger --trace-bytes"
    )]
    Cut {
        /// The call.
        name: String,
        /// Its packet.
        packet: u32,
        /// Number of the argument.
        argument: u16,
        /// Bytes kept.
        kept: usize,
        /// Bytes there were.
        length: u32,
    },
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Requests played.
    pub requests: usize,
    /// Answers compared.
    pub answers: usize,
    /// Bytes of outputs compared.
    pub bytes: usize,
    /// The first difference, in one sentence.
    pub difference: Option<String>,
}

/// Answers by context.
#[derive(Default)]
struct Inbox {
    answers: Mutex<HashMap<u64, Vec<Action>>>,
    came: Condvar,
}

impl Outbox for Inbox {
    fn send(&self, batch: Vec<Action>) {
        let ctx = batch.iter().find_map(|action| match action {
            Action::Answer { ctx, .. } => Some(*ctx),
            _ => None,
        });
        if let Some(ctx) = ctx {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.insert(ctx, batch);
            self.came.notify_all();
        }
    }
}

impl Inbox {
    fn take(&self, ctx: u64) -> Option<Vec<Action>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut answers, _) = self
            .came
            .wait_timeout_while(answers, PATIENCE, |answers| !answers.contains_key(&ctx))
            .unwrap_or_else(PoisonError::into_inner);
        answers.remove(&ctx)
    }
}

/// What the DSP chose otherwise than the recorded one, for a file of the driver.
#[derive(Default)]
struct Names {
    handles: HashMap<u32, u32>,
    addresses: HashMap<u64, u64>,
    reverse: HashMap<u32, u32>,
}

struct Play<'a> {
    recording: &'a Recording,
    config: DspConfig,
    kernel: KernelIommu,
    bus: Arc<Bus>,
    mapped: BTreeSet<(u16, u64)>,
    inbox: Arc<Inbox>,
    dsp: Arc<Dsp>,
    /// By session ID and client, which of several files of a process differs.
    names: BTreeMap<(u32, i32), Names>,
    printed: Addresses,
    report: Report,
}

/// Plays a recording to a DSP of this program.
///
/// # Errors
/// [`ReplayError`]. A difference is no error, but in the report.
pub fn play(recording: &Recording) -> Result<Report, ReplayError> {
    let about = recording.about.as_ref().ok_or(ReplayError::NoAbout)?;
    let mut config = about.config().ok_or(ReplayError::NoAbout)?;
    config.farf = match config.farf {
        FarfTo::Both => FarfTo::Guest,
        other => other,
    };
    let kernel = KernelIommu::anonymous(MEMORY)?;
    // The SMMU here has few context banks: only sessions that are in the recording get one.
    let used: BTreeSet<u32> = recording.sessions.iter().map(|session| session.sid).collect();
    config.streams.retain(|sid, _| used.contains(sid));
    for &stream in config.streams.values() {
        kernel.attach(stream)?;
    }
    let bus = kernel.bus(Arc::new(NoFaultLine));
    let inbox = Arc::<Inbox>::default();
    let dsp = Dsp::new(config.clone(), Arc::clone(&bus), inbox.clone());
    let mut play = Play {
        recording,
        config,
        kernel,
        bus,
        mapped: BTreeSet::new(),
        inbox,
        dsp,
        names: BTreeMap::new(),
        printed: Addresses::default(),
        report: Report::default(),
    };
    for step in &recording.steps {
        match *step {
            Step::Ask(index) => {
                if let Some(exchange) = recording.exchanges.get(index) {
                    play.ask(index, exchange)?;
                }
            }
            Step::Answer(index) => {
                if let Some(exchange) = recording.exchanges.get(index)
                    && let Err(difference) = play.answer(index, exchange)?
                {
                    play.report.difference = Some(difference);
                    break;
                }
            }
            Step::Closed => {
                play.dsp.channel_closed();
                play.names.clear();
            }
        }
    }
    play.dsp.channel_closed();
    Ok(play.report)
}

impl Play<'_> {
    fn place(&self, exchange: &Exchange) -> (u32, u16, u64) {
        let (sid, invoke) = self.recording.addressing().split(exchange.message.addr);
        let stream = self.config.streams.get(&sid).copied().unwrap_or_default();
        (sid, stream, invoke)
    }

    /// Maps what is not mapped yet, and clears all of it.
    fn map(&mut self, stream: u16, iova: u64, len: u64) -> Result<(), ReplayError> {
        let first = iova & !(PAGE - 1);
        let end = iova.saturating_add(len);
        let zero = [0; PAGE as usize];
        for page in (first..end).step_by(PAGE as usize) {
            if self.mapped.insert((stream, page)) {
                let physical = self.kernel.allocate(PAGE)?;
                self.kernel.map(stream, page, physical, PAGE, Direction::Both)?;
            }
            self.bus.write(stream, page, &zero)?;
        }
        Ok(())
    }

    fn ask(&mut self, index: usize, exchange: &Exchange) -> Result<(), ReplayError> {
        let (sid, stream, invoke) = self.place(exchange);
        let message = exchange.message;
        self.map(stream, invoke, message.size)?;
        self.bus.write(stream, invoke, exchange.arguments.descriptors())?;
        for (argument, arg) in exchange.arguments.args().iter().enumerate() {
            match *arg {
                Arg::Buffer { iova, page, .. } => {
                    let inline = (invoke..invoke.saturating_add(message.size)).contains(&iova);
                    if !inline {
                        self.map(stream, page.addr, page.size)?;
                    }
                    if let Some(piece) = piece_of(&exchange.inputs, argument) {
                        self.bus.write(stream, iova, &piece.bytes)?;
                    } else if let (false, Some(answer)) = (inline, &exchange.answer)
                        && let Some(piece) = piece_of(&answer.outputs, argument)
                    {
                        // What was in the buffer before is not known. What the DSP leaves alone shows as the opposite of
                        // what it would have to be.
                        let opposite: Vec<u8> = piece.bytes.iter().map(|b| !b).collect();
                        self.bus.write(stream, iova, &opposite)?;
                    }
                }
                Arg::Handle { page: Some(page), .. } => self.map(stream, page.addr, page.size)?,
                Arg::Handle { .. } | Arg::Empty => {}
            }
        }
        let mut message = message;
        message.ctx = context(index, exchange);
        self.translate(exchange, sid, stream, &mut message.handle)?;
        self.report.requests += 1;
        self.dsp.message(&message.encode());
        Ok(())
    }

    /// An input, all of it.
    fn input(exchange: &Exchange, argument: u16) -> Result<Option<&Memory>, ReplayError> {
        match piece_of(&exchange.inputs, argument.into()) {
            Some(piece) if !piece.is_whole() => Err(ReplayError::Cut {
                name: exchange.name.clone(),
                packet: exchange.packet,
                argument,
                kept: piece.bytes.len(),
                length: piece.length,
            }),
            piece => Ok(piece),
        }
    }

    /// Puts what our DSP chose where the recording has what its own chose; maps what process control announces.
    fn translate(
        &mut self,
        exchange: &Exchange,
        sid: u32,
        stream: u16,
        called: &mut u32,
    ) -> Result<(), ReplayError> {
        let sc = exchange.message.sc;
        let method = sc.method();
        if exchange.message.handle == handle::PROCESS_CONTROL {
            return self.control(exchange, sid, stream);
        }
        for argument in 0..sc.in_bufs() {
            Self::input(exchange, argument as u16)?;
        }
        let names = self.names.entry((sid, client_of(exchange))).or_default();
        let first = Self::input(exchange, 0)?;
        let old = first
            .and_then(|piece| piece.bytes.first_chunk())
            .map(|b| u32::from_le_bytes(*b));
        let new = match (exchange.message.handle, method) {
            (handle::REMOTECTL, 1) | (handle::REMOTECTL1, 3) => old.and_then(|h| names.handles.get(&h)),
            (handle::LISTENER, 4 | 5) | (handle::LISTENER1, 6 | 7) => old.and_then(|r| names.reverse.get(&r)),
            (recorded, _) if recorded > handle::LAST_RESERVED => {
                *called = names.handles.get(&recorded).copied().unwrap_or(recorded);
                None
            }
            _ => None,
        };
        if let (Some(new), Some(piece)) = (new, first) {
            self.bus.write(stream, piece.iova, &new.to_le_bytes())?;
        }
        Ok(())
    }

    fn control(&mut self, exchange: &Exchange, sid: u32, stream: u16) -> Result<(), ReplayError> {
        let sc = exchange.message.sc;
        let creates = control::has_shell(sc.method());
        let mut payload = Payload {
            sc,
            ..Payload::default()
        };
        for argument in 0..sc.in_bufs() {
            // The shell's contents matter to nobody.
            let piece = match creates && argument == control::SHELL_BUFFER {
                true => None,
                false => Self::input(exchange, argument as u16)?,
            };
            payload
                .ins
                .push(piece.map(|p| p.bytes.clone()).unwrap_or_default());
        }
        let outs = exchange
            .arguments
            .args()
            .iter()
            .skip(sc.in_bufs())
            .take(sc.out_bufs());
        payload.outs.extend(outs.map(Arg::len));
        let shell = creates.then(|| {
            exchange
                .arguments
                .args()
                .get(control::SHELL_BUFFER)
                .map_or(0, Arg::len)
        });
        let Ok(control) = Control::parse(&payload, shell) else {
            return Ok(());
        };
        match control {
            Control::Create { memory: page, .. }
            | Control::Mmap { page, .. }
            | Control::MemMap { page, .. } => {
                let Page { addr, size } = page;
                let (of, iova) = self.recording.addressing().split(addr);
                if let Some(&stream) = self.config.streams.get(&of) {
                    self.map(stream, iova, size)?;
                }
            }
            Control::Munmap { vaddr, .. } | Control::MemUnmap { vaddr, .. } => {
                let names = self.names.entry((sid, client_of(exchange))).or_default();
                if let (Some(new), Some(piece)) = (names.addresses.get(&vaddr), piece_of(&exchange.inputs, 0))
                {
                    self.bus.write(stream, piece.iova + 8, &new.to_le_bytes())?;
                }
            }
            Control::Release { client } => {
                self.names.remove(&(sid, client));
            }
            _ => {}
        }
        Ok(())
    }

    /// Compares an answer; the difference, if there is one.
    fn answer(&mut self, index: usize, exchange: &Exchange) -> Result<Result<(), String>, ReplayError> {
        let Some(recorded) = &exchange.answer else {
            return Ok(Ok(()));
        };
        let (sid, stream, invoke) = self.place(exchange);
        let told = format!(
            "{} (packet {}, ctx {:#x})",
            exchange.name, exchange.packet, exchange.message.ctx.0
        );
        let Some(batch) = self.inbox.take(context(index, exchange).0) else {
            return Ok(Err(format!(
                "{told}: the recording has an answer {:#x}, this DSP gives none within {} s",
                recorded.retval,
                PATIENCE.as_secs()
            )));
        };
        let mut retval = 0;
        let mut writes = Vec::new();
        for action in batch {
            match action {
                Action::Write { stream, iova, bytes } => {
                    self.bus.write(stream, iova, &bytes)?;
                    writes.push((iova, bytes));
                }
                Action::Answer { retval: code, .. } => retval = code,
                _ => {}
            }
        }
        self.report.answers += 1;
        if let Some(group) = exchange.group {
            let all = self.recording.exchanges.iter().filter(|e| e.group == Some(group));
            let retvals: Vec<u32> = all.filter_map(|e| Some(e.answer.as_ref()?.retval)).collect();
            if !retvals.contains(&retval) {
                return Ok(Err(format!(
                    "{told}: the recording answers the calls of this context {retvals:#x?}, this DSP {retval:#x}"
                )));
            }
            return Ok(Ok(()));
        }
        if retval != recorded.retval {
            return Ok(Err(format!(
                "{told}: the recording answers {:#x}, this DSP {retval:#x}",
                recorded.retval
            )));
        }
        for piece in &recorded.outputs {
            let mut ours = vec![0; piece.bytes.len()];
            if !self.bus.look_at(stream, piece.iova, &mut ours) {
                continue;
            }
            let mut theirs = piece.bytes.clone();
            self.learn(exchange, sid, piece.argument, &ours, &mut theirs);
            let inline = (invoke..invoke.saturating_add(exchange.message.size)).contains(&piece.iova);
            let same = |(a, b): (&u8, &u8)| a == b || (!inline && *a == !b);
            if let Some(at) = ours.iter().zip(&theirs).position(|pair| !same(pair)) {
                return Ok(Err(format!(
                    "{told}: output {} differs from byte {at} on: {} in the recording, {} here",
                    piece.argument,
                    shown(&theirs, at),
                    shown(&ours, at)
                )));
            }
            self.report.bytes += ours.len();
        }
        let layout = InvokeLayout::new(exchange.message.sc.args());
        let place = |(iova, bytes): &(u64, Vec<u8>)| {
            let offset = iova.wrapping_sub(invoke);
            (layout.fdlist()..=layout.poll_word())
                .contains(&offset)
                .then(|| (offset, bytes.clone()))
        };
        let theirs: Vec<_> = recorded.writes.iter().filter_map(place).collect();
        let ours: Vec<_> = writes.iter().filter_map(place).collect();
        if ours != theirs {
            return Ok(Err(format!(
                "{told}: descriptors to drop and poll word are {theirs:x?} in the recording, {ours:x?} here"
            )));
        }
        Ok(Ok(()))
    }

    /// Learns what is the DSP's to choose, and makes both sides equal there.
    fn learn(&mut self, exchange: &Exchange, sid: u32, argument: u16, ours: &[u8], theirs: &mut [u8]) {
        let sc = exchange.message.sc;
        let output = usize::from(argument).wrapping_sub(sc.in_bufs());
        let names = self.names.entry((sid, client_of(exchange))).or_default();
        let key = (exchange.message.handle, sc.method(), output);
        match key {
            (handle::PROCESS_CONTROL, _, 0) => {
                if let (Some(a), Some(b)) = (theirs.first_chunk_mut::<8>(), ours.first_chunk::<8>()) {
                    names
                        .addresses
                        .insert(u64::from_le_bytes(*a), u64::from_le_bytes(*b));
                    *a = *b;
                }
            }
            (handle::REMOTECTL, 0, 0)
            | (handle::REMOTECTL1, 2, 0)
            | (handle::LISTENER, 4, 0)
            | (handle::LISTENER1, 6, 0) => {
                if let (Some(a), Some(b)) = (theirs.first_chunk_mut::<4>(), ours.first_chunk::<4>()) {
                    let (then, now) = (u32::from_le_bytes(*a), u32::from_le_bytes(*b));
                    let map = match key.0 {
                        handle::REMOTECTL | handle::REMOTECTL1 => &mut names.handles,
                        _ => &mut names.reverse,
                    };
                    // Success and failure stay what they are.
                    if (then == 0) == (now == 0) {
                        map.insert(then, now);
                        *a = *b;
                    }
                }
            }
            (handle::LISTENER, 4 | 5, _) | (handle::LISTENER1, 6 | 7, _) => self.printed.learn(theirs, ours),
            _ => {}
        }
    }
}

/// The context that a call is played with.
fn context(index: usize, exchange: &Exchange) -> Ctx {
    // As QDA numbers them, and the protection domain as it was.
    Ctx((index as u64 + 1) << 4 | exchange.message.ctx.0 & 0xf)
}

/// The file that a call is made for; process control names it in its first input.
fn client_of(exchange: &Exchange) -> i32 {
    let message = &exchange.message;
    if message.handle != handle::PROCESS_CONTROL || message.client_id != 0 {
        return message.client_id;
    }
    let named = piece_of(&exchange.inputs, 0).and_then(|piece| piece.bytes.first_chunk());
    named.map_or(0, |client| i32::from_le_bytes(*client))
}

fn piece_of(pieces: &[Memory], argument: usize) -> Option<&Memory> {
    pieces
        .iter()
        .find(|piece| usize::from(piece.argument) == argument)
}

/// A few bytes from a place on.
fn shown(bytes: &[u8], at: usize) -> String {
    let some = bytes.get(at..).unwrap_or_default();
    let hex: Vec<String> = some.iter().take(8).map(|b| format!("{b:02x}")).collect();
    hex.join(" ")
}
