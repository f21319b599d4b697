//! What is recorded of a DSP: the observer of its wire, and the probe of its threads.

use super::about::About;
use super::packet::{Body, Change, Direction, Injected, Memory, Role, Run};
use super::sink::Recorder;
use crate::account::Account;
use emu_core::mem::Bus;
use emu_os::action::{Action, Inbound, Place};
use emu_os::conversation::{Arrival, Arrived, CallId, Departure, Request};
use emu_os::probe::Probe;
use emu_os::seam::Observer;
use emu_os::services::DspConfig;
use rpmsg::fastrpc::{Arg, InvokeLayout, Message};
use rpmsg::glink::Command;
use rpmsg::wire::Writer;
use std::collections::HashMap;

/// Calls whose answers are awaited; a driver has 255 contexts.
const MAX_CALLS: usize = 1024;

/// How much memory is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one argument.
    pub argument: usize,
    /// Bytes of all arguments of a message.
    pub message: usize,
}

impl Default for Bounds {
    /// 64 KiB of an argument, 256 KiB of a message.
    fn default() -> Self {
        Self {
            argument: 64 << 10,
            message: 256 << 10,
        }
    }
}

/// A call that was not answered yet.
struct Open {
    stream: u16,
    /// Its output buffers: number of the argument, device address, length.
    outputs: Vec<(u16, u64, u32)>,
}

/// Watches one DSP for a trace.
pub(super) struct Watch {
    dsp: u8,
    about: About,
    recorder: Recorder,
    bounds: Bounds,
    /// The account whose findings are recorded, and how many have been.
    account: Option<(Account, usize)>,
    /// The packet of the GLINK command that a message came with.
    command: u32,
    calls: HashMap<CallId, Open>,
}

impl Watch {
    pub fn new(
        dsp: u8,
        config: &DspConfig,
        platform: &str,
        recorder: Recorder,
        bounds: Bounds,
        account: Option<Account>,
    ) -> Self {
        Self {
            dsp,
            about: About::new(config, platform),
            recorder,
            bounds,
            account: account.map(|account| (account, 0)),
            command: 0,
            calls: HashMap::new(),
        }
    }

    fn put(&self, direction: Direction, body: Body) -> u32 {
        self.recorder.put(self.dsp, direction, 0, body)
    }

    /// The account's findings since the last look.
    fn findings(&mut self) {
        let Some((account, seen)) = &mut self.account else {
            return;
        };
        for finding in account.findings_from(*seen) {
            *seen += 1;
            if let Ok(json) = serde_json::to_string(&finding) {
                let text = format!(
                    "{}\0{}\0{json}",
                    finding.kind.name(),
                    finding.text.replace('\0', " ")
                );
                self.recorder
                    .put(self.dsp, Direction::None, 0, Body::Finding(text));
            }
        }
    }

    /// A piece of memory that belongs to a packet, as it is now.
    fn memory(&self, bus: &Bus, of: u32, piece: Piece, room: &mut usize) {
        let wanted = (piece.length as usize).min(*room);
        let mut bytes = vec![0; wanted];
        if !bus.look_at(piece.stream, piece.iova, &mut bytes) {
            // It is not mapped (any more); that there is nothing is worth knowing.
            bytes.clear();
        }
        *room -= bytes.len();
        self.put_memory(of, piece, bytes);
    }

    fn put_memory(&self, of: u32, piece: Piece, bytes: Vec<u8>) {
        let direction = if piece.role == Role::Output {
            Direction::ToAp
        } else {
            Direction::ToDsp
        };
        let body = Body::Memory(Memory {
            role: piece.role,
            argument: piece.argument,
            stream: piece.stream,
            iova: piece.iova,
            length: piece.length,
            bytes,
        });
        self.recorder.put(self.dsp, direction, of, body);
    }

    /// A request came: what its invoke buffer says.
    fn request(&mut self, request: &Request, bus: &Bus) {
        let call = &request.call;
        let Some(stream) = call.stream else { return };
        let mut open = Open {
            stream,
            outputs: Vec::new(),
        };
        let length = InvokeLayout::new(call.message.sc.args()).descriptors();
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if request.check.is_ok() && length != 0 {
            let piece = Piece {
                role: Role::Descriptors,
                argument: 0,
                stream,
                iova: call.iova,
                length,
            };
            let arguments = request.arguments(bus);
            self.put_memory(self.command, piece, arguments.descriptors().to_vec());
            open.outputs = self.arguments(&call.message, stream, arguments.args(), bus);
        }
        if self.calls.len() < MAX_CALLS {
            self.calls.insert(request.id, open);
        }
    }

    /// Records the inputs; returns the outputs.
    fn arguments(&self, message: &Message, stream: u16, args: &[Arg], bus: &Bus) -> Vec<(u16, u64, u32)> {
        let ins = message.sc.in_bufs();
        let mut outputs = Vec::new();
        let mut room = self.bounds.message;
        for (index, arg) in args.iter().take(ins + message.sc.out_bufs()).enumerate() {
            let Arg::Buffer { iova, len, .. } = *arg else {
                continue;
            };
            let argument = index as u16;
            if index >= ins {
                outputs.push((argument, iova, len));
                continue;
            }
            let piece = Piece {
                role: Role::Input,
                argument,
                stream,
                iova,
                length: len,
            };
            let mut part = room.min(self.bounds.argument);
            let before = part;
            self.memory(bus, self.command, piece, &mut part);
            room -= before - part;
        }
        outputs
    }

    /// An answer goes out: what the outputs are now.
    fn answer(&mut self, of: u32, call: CallId, bus: &Bus) {
        let Some(open) = self.calls.remove(&call) else {
            return;
        };
        let mut room = self.bounds.message;
        for (argument, iova, length) in open.outputs {
            let piece = Piece {
                role: Role::Output,
                argument,
                stream: open.stream,
                iova,
                length,
            };
            let mut part = room.min(self.bounds.argument);
            let before = part;
            self.memory(bus, of, piece, &mut part);
            room -= before - part;
        }
    }
}

/// Memory to be recorded.
struct Piece {
    role: Role,
    argument: u16,
    stream: u16,
    iova: u64,
    length: u32,
}

impl Observer for Watch {
    fn inbound(&mut self, event: &Arrival<'_>, bus: &Bus) {
        match &event.what {
            Arrived::Started => {
                self.calls.clear();
                if let Ok(json) = serde_json::to_string(&self.about) {
                    self.put(Direction::None, Body::About(json));
                }
                self.put(Direction::ToDsp, Body::State(Change::Started));
            }
            Arrived::Ended => {
                self.put(Direction::ToDsp, Body::State(Change::Ended));
                self.calls.clear();
            }
            Arrived::Glink { frame, .. } => {
                self.command = self.put(Direction::ToDsp, Body::Glink(frame.bytes().to_vec()));
            }
            Arrived::Request(request) => self.request(request, bus),
            // What they consist of was recorded as GLINK commands.
            Arrived::NoRequest { .. } | Arrived::Message { .. } => {}
            Arrived::Smp2p { word, .. } => {
                self.put(Direction::ToDsp, Body::Smp2p(*word));
            }
        }
        self.findings();
    }

    fn outbound(&mut self, event: &Departure<'_>, bus: &Bus) {
        let action = match event {
            Departure::Glink { frame, answer, .. } => {
                let of = self.put(Direction::ToAp, Body::Glink(frame.bytes().to_vec()));
                let whole = matches!(frame.command(), Ok(Command::TxData { left: 0, .. }));
                if let (true, Some((call, _))) = (whole, answer.and_then(|answer| answer.call)) {
                    self.answer(of, call, bus);
                }
                return self.findings();
            }
            Departure::Action(action) => action,
        };
        let body = match action {
            Action::Write { stream, iova, bytes } => Body::Write {
                stream: *stream,
                iova: *iova,
                length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                bytes: bytes.get(..self.bounds.argument).unwrap_or(bytes).to_vec(),
            },
            Action::Interrupt => Body::Interrupt,
            Action::Halt => {
                self.calls.clear();
                Body::State(Change::Halted)
            }
            Action::Smp2p(word) => Body::Smp2p(*word),
            Action::CrashReason(text) => Body::Crash(text.clone()),
            Action::Watchdog => Body::State(Change::Watchdog),
            Action::Poke(place, value) => Body::Poke {
                place: match place {
                    Place::ToApHead => 0,
                    Place::FromApTail => 1,
                    Place::ToApTail => 2,
                    Place::FromApHead => 3,
                    Place::BootStatus => 4,
                },
                value: *value,
            },
            Action::Receive(inbound) => match inbound {
                Inbound::Glink(frame) => Body::Injected(Injected::Glink, frame.bytes().to_vec()),
                Inbound::Message(channel, bytes) => {
                    Body::Injected(Injected::Message(channel.cid()), bytes.clone())
                }
                Inbound::Smp2p(word) => {
                    let mut w = Writer::new();
                    w.u32(*word);
                    Body::Injected(Injected::Smp2p, w.finish())
                }
                Inbound::Started | Inbound::Ended => return,
            },
            // These come as the commands that they are or become.
            Action::RawGlink(_)
            | Action::Answer { .. }
            | Action::Send(..)
            | Action::OpenChannel(_)
            | Action::CloseChannel(_) => {
                return;
            }
        };
        let direction = match action {
            Action::Receive(_) => Direction::ToDsp,
            _ => Direction::ToAp,
        };
        self.put(direction, body);
        self.findings();
    }

    fn interrupted(&mut self, _: &Bus) {
        // How many commands share an interrupt is a matter of chance.
        if !self.recorder.is_counted() {
            self.put(Direction::ToAp, Body::Interrupt);
        }
    }
}

/// Records when DSP threads run calls.
#[derive(Debug)]
pub(super) struct Threads {
    pub dsp: u8,
    pub recorder: Recorder,
}

impl Probe for Threads {
    fn begins(&self, ctx: u64, thread: u32) {
        self.put(Run::Begins, ctx, thread);
    }

    fn ends(&self, ctx: u64, thread: u32) {
        self.put(Run::Ends, ctx, thread);
    }
}

impl Threads {
    fn put(&self, run: Run, ctx: u64, thread: u32) {
        let body = Body::Thread { run, thread, ctx };
        self.recorder.put(self.dsp, Direction::None, 0, body);
    }
}
