//! What is recorded of a DSP: the observer of its wire, and the probe of its threads.

use super::about::About;
use super::packet::{Body, Change, Direction, Injected, Role, Run};
use super::sink::Recorder;
use crate::account::Account;
use emu_core::mem::Bus;
use emu_os::action::{Action, Channel, Inbound, Observer, Place};
use emu_os::probe::Probe;
use emu_os::services::DspConfig;
use rpmsg::fastrpc::{Arg, Message, Response, parse_args, snapshot_len};
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

/// A call that is not answered.
struct Open {
    stream: u16,
    /// Its output buffers: number of the argument, device address, length.
    outputs: Vec<(u16, u64, u32)>,
}

/// Watches one DSP for a trace.
pub(super) struct Watch {
    dsp: u8,
    about: About,
    config: DspConfig,
    recorder: Recorder,
    bounds: Bounds,
    /// The account whose findings are recorded, and how many have been.
    account: Option<(Account, usize)>,
    /// The packet of the GLINK command that a message came with.
    command: u32,
    calls: HashMap<u64, Open>,
}

impl Watch {
    pub fn new(
        dsp: u8,
        config: DspConfig,
        platform: &str,
        recorder: Recorder,
        bounds: Bounds,
        account: Option<Account>,
    ) -> Self {
        Self {
            dsp,
            about: About::new(&config, platform),
            config,
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

    /// A piece of memory that belongs to a packet.
    fn memory(&self, bus: &Bus, of: u32, piece: Piece, room: &mut usize) {
        let wanted = (piece.length as usize).min(*room);
        let mut bytes = vec![0; wanted];
        if !bus.look_at(piece.stream, piece.iova, &mut bytes) {
            // It is not mapped (any more); that there is nothing is worth knowing.
            bytes.clear();
        }
        *room -= bytes.len();
        let direction = if piece.role == Role::Output {
            Direction::ToAp
        } else {
            Direction::ToDsp
        };
        let body = Body::Memory {
            role: piece.role,
            argument: piece.argument,
            stream: piece.stream,
            iova: piece.iova,
            length: piece.length,
            bytes,
        };
        self.recorder.put(self.dsp, direction, of, body);
    }

    /// A request came: what its invoke buffer says.
    fn request(&mut self, bytes: &[u8], bus: &Bus) {
        let addressing = &self.config.addressing;
        let Ok(message) = Message::parse(bytes) else {
            return;
        };
        let (sid, invoke) = addressing.split(message.addr);
        let Some(&stream) = self.config.streams.get(&sid) else {
            return;
        };
        let mut open = Open {
            stream,
            outputs: Vec::new(),
        };
        let length = u32::try_from(snapshot_len(message.sc)).unwrap_or(u32::MAX);
        if message.check(addressing).is_ok() && length != 0 {
            let descriptors = Piece {
                role: Role::Descriptors,
                argument: 0,
                stream,
                iova: invoke,
                length,
            };
            // What they say is read a second time: recorded is what stood there, parsed is what can be.
            let mut snapshot = vec![0; length as usize];
            let readable = bus.look_at(stream, invoke, &mut snapshot);
            self.memory(bus, self.command, descriptors, &mut usize::MAX.clone());
            if readable && let Ok(args) = parse_args(&message, &snapshot, addressing) {
                open.outputs = self.arguments(&message, stream, &args, bus);
            }
        }
        if self.calls.len() < MAX_CALLS {
            self.calls.insert(message.ctx.0, open);
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
    fn answer(&mut self, of: u32, bytes: &[u8], bus: &Bus) {
        let Ok(response) = Response::parse(bytes) else {
            return;
        };
        let Some(open) = self.calls.remove(&response.ctx.0) else {
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
    fn inbound(&mut self, event: &Inbound, bus: &Bus) {
        match event {
            Inbound::Started => {
                self.calls.clear();
                if let Ok(json) = serde_json::to_string(&self.about) {
                    self.put(Direction::None, Body::About(json));
                }
                self.put(Direction::ToDsp, Body::State(Change::Started));
            }
            Inbound::Ended => {
                self.put(Direction::ToDsp, Body::State(Change::Ended));
                self.calls.clear();
            }
            Inbound::Glink(bytes) => {
                self.command = self.put(Direction::ToDsp, Body::Glink(bytes.clone()));
            }
            Inbound::Message(Channel::FastRpc, bytes) => self.request(bytes, bus),
            // What it consists of was recorded as GLINK commands.
            Inbound::Message(..) => {}
            Inbound::Smp2p(word) => {
                self.put(Direction::ToDsp, Body::Smp2p(*word));
            }
        }
        self.findings();
    }

    fn outbound(&mut self, action: &Action, bus: &Bus) {
        let body = match action {
            Action::RawGlink(bytes) => {
                let of = self.put(Direction::ToAp, Body::Glink(bytes.clone()));
                if let Ok(Command::TxData {
                    cid, left: 0, data, ..
                }) = Command::parse(bytes)
                    && cid == Channel::FastRpc.cid()
                {
                    self.answer(of, &data, bus);
                }
                return self.findings();
            }
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
                Inbound::Glink(bytes) => Body::Injected(Injected::Glink, bytes.clone()),
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
            // They come again as the commands that they become.
            Action::Answer { .. } | Action::Send(..) | Action::OpenChannel(_) | Action::CloseChannel(_) => {
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
