//! One packet of a trace: 16 bytes that say what it is, then its content. `docs/tracing.md` has the layout for other readers.
//!
//! | offset | size | |
//! |---|---|---|
//! | 0 | 1 | version, [`VERSION`] |
//! | 1 | 1 | kind: the number of the [`Body`] variant |
//! | 2 | 1 | direction: 0 none, 1 to the DSP, 2 to the application processor |
//! | 3 | 1 | number of the DSP |
//! | 4 | 4 | sequence number among the packets of this DSP, from 1 |
//! | 8 | 4 | sequence number of the packet that this one explains, or 0 |
//! | 12 | 2 | flags: bit 0 = content was left out because it is long |
//! | 14 | 2 | 0 |
//!
//! Numbers are little-endian. Parsing is total: a trace may come from anywhere.

use rpmsg::wire::{Reader, Truncated, Writer};

/// Version of the layout.
pub const VERSION: u8 = 1;
/// Flag: there was more than the packet keeps.
const CUT: u16 = 1;

/// Which way something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// No way.
    #[default]
    None,
    /// To the DSP.
    ToDsp,
    /// To the application processor.
    ToAp,
}

impl Direction {
    /// Its name; `None` for none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::ToDsp => Some("to-dsp"),
            Self::ToAp => Some("to-ap"),
        }
    }
}

/// What a piece of memory is to the message that refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The descriptors at the start of the invoke buffer.
    Descriptors,
    /// An argument when the request came: inputs.
    Input,
    /// An argument when the answer went out: outputs.
    Output,
}

impl Role {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptors => "descriptors",
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// How a DSP's state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// A session begins: the AP started the DSP.
    Started,
    /// The session ends: reset, stop, or the machine is gone.
    Ended,
    /// The DSP stops executing.
    Halted,
    /// Its watchdog bites.
    Watchdog,
}

impl Change {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ended => "ended",
            Self::Halted => "halted",
            Self::Watchdog => "watchdog",
        }
    }
}

/// What a scenario let the DSP receive although it did not arrive now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Injected {
    /// A GLINK command.
    Glink,
    /// A message on the DSP's channel of this ID.
    Message(u16),
    /// An SMP2P word.
    Smp2p,
}

impl Injected {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glink => "glink",
            Self::Message(_) => "message",
            Self::Smp2p => "smp2p",
        }
    }
}

/// What a DSP thread does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Run {
    /// It begins to run it.
    Begins,
    /// It has run it.
    Ends,
}

impl Run {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begins => "begins",
            Self::Ends => "ends",
        }
    }
}

/// A piece of memory that a message refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// What it is.
    pub role: Role,
    /// Number of the argument, in the order of the wire.
    pub argument: u16,
    /// Stream ID.
    pub stream: u16,
    /// Device address.
    pub iova: u64,
    /// How long it is.
    pub length: u32,
    /// What is kept of it.
    pub bytes: Vec<u8>,
}

impl Memory {
    /// Whether all of it was kept.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bytes.len() == self.length as usize
    }
}

/// What a packet holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// 0: what the DSP is, as JSON ([`About`](super::About)). Before each session's start.
    About(String),
    /// 1: one GLINK command without padding.
    Glink(Vec<u8>),
    /// 2: memory that the packet it belongs to refers to.
    /// {u8 role, u8 0, u16 argument, u16 stream, u16 0, u64 address, u32 length, u32 0} and as many bytes as are kept.
    Memory(Memory),
    /// 3: an SMP2P word. {u32}
    Smp2p(u32),
    /// 4: the DSP's state changes. {u32 change}
    State(Change),
    /// 5: the text of a fatal error.
    Crash(String),
    /// 6: the DSP interrupts the AP (GLINK).
    Interrupt,
    /// 7: the DSP writes to a device address. {u16 stream, u16 0, u32 length, u64 address} and what is kept of it.
    Write {
        /// Stream ID.
        stream: u16,
        /// Device address.
        iova: u64,
        /// How long it is.
        length: u32,
        /// What is kept of it.
        bytes: Vec<u8>,
    },
    /// 8: a scenario writes a word of the platform. {u32 place, u32 value}
    Poke {
        /// Which: 0 to-ap-head, 1 from-ap-tail, 2 to-ap-tail, 3 from-ap-head, 4 boot-status.
        place: u32,
        /// What.
        value: u32,
    },
    /// 9: a scenario has the DSP receive something. {u16 what, u16 channel} and the bytes.
    Injected(Injected, Vec<u8>),
    /// 10: a finding of the account: its kind, a NUL, its sentence, a NUL, and all of it as JSON.
    Finding(String),
    /// 11: packets of this DSP are missing here. {u64 how many}
    Lost(u64),
    /// 12: a DSP thread and a call. {u32 run, u32 thread, u64 context}
    Thread {
        /// What it does.
        run: Run,
        /// The DSP thread's number in its process.
        thread: u32,
        /// Context of the call.
        ctx: u64,
    },
}

impl Body {
    /// Its number.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::About(_) => 0,
            Self::Glink(_) => 1,
            Self::Memory(_) => 2,
            Self::Smp2p(_) => 3,
            Self::State(_) => 4,
            Self::Crash(_) => 5,
            Self::Interrupt => 6,
            Self::Write { .. } => 7,
            Self::Poke { .. } => 8,
            Self::Injected(..) => 9,
            Self::Finding(_) => 10,
            Self::Lost(_) => 11,
            Self::Thread { .. } => 12,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::About(_) => "about",
            Self::Glink(_) => "glink",
            Self::Memory(_) => "memory",
            Self::Smp2p(_) => "smp2p",
            Self::State(_) => "state",
            Self::Crash(_) => "crash",
            Self::Interrupt => "interrupt",
            Self::Write { .. } => "write",
            Self::Poke { .. } => "poke",
            Self::Injected(..) => "injected",
            Self::Finding(_) => "finding",
            Self::Lost(_) => "lost",
            Self::Thread { .. } => "thread",
        }
    }
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Which way.
    pub direction: Direction,
    /// Number of the DSP.
    pub dsp: u8,
    /// Number among the packets of this DSP, from 1.
    pub sequence: u32,
    /// Number of the packet that this one explains, or 0.
    pub related: u32,
    /// What it holds.
    pub body: Body,
}

/// Why bytes are no packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Too short.
    #[error("packet: {0}")]
    Truncated(#[from] Truncated),
    /// Written by a later version of this program.
    #[error("packet of version {0}, this program knows version {VERSION}")]
    Version(u8),
    /// Unknown number.
    #[error("packet with unknown {0} {1}")]
    Unknown(&'static str, u32),
}

impl Packet {
    /// Whether there was more than it keeps.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        match &self.body {
            Body::Memory(Memory { length, bytes, .. }) | Body::Write { length, bytes, .. } => {
                bytes.len() < *length as usize
            }
            _ => false,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let direction = match self.direction {
            Direction::None => 0,
            Direction::ToDsp => 1,
            Direction::ToAp => 2,
        };
        w.u8(VERSION).u8(self.body.kind()).u8(direction).u8(self.dsp);
        w.u32(self.sequence).u32(self.related);
        w.u16(if self.is_cut() { CUT } else { 0 }).u16(0);
        match &self.body {
            Body::About(text) | Body::Crash(text) | Body::Finding(text) => {
                w.bytes(text.as_bytes());
            }
            Body::Glink(bytes) => {
                w.bytes(bytes);
            }
            Body::Memory(Memory {
                role,
                argument,
                stream,
                iova,
                length,
                bytes,
            }) => {
                let role = match role {
                    Role::Descriptors => 0,
                    Role::Input => 1,
                    Role::Output => 2,
                };
                w.u8(role).u8(0).u16(*argument).u16(*stream).u16(0);
                w.u64(*iova).u32(*length).u32(0).bytes(bytes);
            }
            Body::Smp2p(word) => {
                w.u32(*word);
            }
            Body::State(change) => {
                w.u32(match change {
                    Change::Started => 1,
                    Change::Ended => 2,
                    Change::Halted => 3,
                    Change::Watchdog => 4,
                });
            }
            Body::Interrupt => {}
            Body::Write {
                stream,
                iova,
                length,
                bytes,
            } => {
                w.u16(*stream).u16(0).u32(*length).u64(*iova).bytes(bytes);
            }
            Body::Poke { place, value } => {
                w.u32(*place).u32(*value);
            }
            Body::Injected(what, bytes) => {
                let (what, channel) = match what {
                    Injected::Glink => (1, 0),
                    Injected::Message(channel) => (2, *channel),
                    Injected::Smp2p => (3, 0),
                };
                w.u16(what).u16(channel).bytes(bytes);
            }
            Body::Lost(count) => {
                w.u64(*count);
            }
            Body::Thread { run, thread, ctx } => {
                w.u32(match run {
                    Run::Begins => 1,
                    Run::Ends => 2,
                });
                w.u32(*thread).u64(*ctx);
            }
        }
        w.finish()
    }

    /// Reads a packet.
    ///
    /// # Errors
    /// [`PacketError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let mut r = Reader::new(bytes);
        let (version, kind, direction, dsp) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
        if version != VERSION {
            return Err(PacketError::Version(version));
        }
        let direction = match direction {
            0 => Direction::None,
            1 => Direction::ToDsp,
            2 => Direction::ToAp,
            other => return Err(PacketError::Unknown("direction", other.into())),
        };
        let (sequence, related) = (r.u32()?, r.u32()?);
        r.u32()?;
        let text = |r: &Reader<'_>| {
            String::from_utf8_lossy(bytes.get(r.position()..).unwrap_or_default()).into_owned()
        };
        let rest = |r: &Reader<'_>| bytes.get(r.position()..).unwrap_or_default().to_vec();
        let body = match kind {
            0 => Body::About(text(&r)),
            1 => Body::Glink(rest(&r)),
            2 => {
                let role = match r.u8()? {
                    0 => Role::Descriptors,
                    1 => Role::Input,
                    2 => Role::Output,
                    other => return Err(PacketError::Unknown("role", other.into())),
                };
                r.u8()?;
                let (argument, stream) = (r.u16()?, r.u16()?);
                r.u16()?;
                let (iova, length) = (r.u64()?, r.u32()?);
                r.u32()?;
                Body::Memory(Memory {
                    role,
                    argument,
                    stream,
                    iova,
                    length,
                    bytes: rest(&r),
                })
            }
            3 => Body::Smp2p(r.u32()?),
            4 => Body::State(match r.u32()? {
                1 => Change::Started,
                2 => Change::Ended,
                3 => Change::Halted,
                4 => Change::Watchdog,
                other => return Err(PacketError::Unknown("state", other)),
            }),
            5 => Body::Crash(text(&r)),
            6 => Body::Interrupt,
            7 => {
                let stream = r.u16()?;
                r.u16()?;
                let (length, iova) = (r.u32()?, r.u64()?);
                Body::Write {
                    stream,
                    iova,
                    length,
                    bytes: rest(&r),
                }
            }
            8 => Body::Poke {
                place: r.u32()?,
                value: r.u32()?,
            },
            9 => {
                let (what, channel) = (r.u16()?, r.u16()?);
                let what = match what {
                    1 => Injected::Glink,
                    2 => Injected::Message(channel),
                    3 => Injected::Smp2p,
                    other => return Err(PacketError::Unknown("injection", other.into())),
                };
                Body::Injected(what, rest(&r))
            }
            10 => Body::Finding(text(&r)),
            11 => Body::Lost(r.u64()?),
            12 => {
                let run = match r.u32()? {
                    1 => Run::Begins,
                    2 => Run::Ends,
                    other => return Err(PacketError::Unknown("run", other)),
                };
                Body::Thread {
                    run,
                    thread: r.u32()?,
                    ctx: r.u64()?,
                }
            }
            other => return Err(PacketError::Unknown("kind", other.into())),
        };
        Ok(Self {
            direction,
            dsp,
            sequence,
            related,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(body: Body) -> Packet {
        Packet {
            direction: Direction::ToAp,
            dsp: 1,
            sequence: 7,
            related: 6,
            body,
        }
    }

    #[test]
    fn vector() {
        let bytes = packet(Body::Smp2p(6)).encode();
        assert_eq!(
            bytes,
            [1, 3, 2, 1, 7, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0]
        );
    }

    #[test]
    fn every_kind_round_trips_and_none_survives_being_cut_inside_its_head() {
        let memory = Body::Memory(Memory {
            role: Role::Output,
            argument: 2,
            stream: 0x1001,
            iova: 0xffff_e000,
            length: 9,
            bytes: vec![1, 2],
        });
        let write = Body::Write {
            stream: 0x1001,
            iova: 0xffff_e000,
            length: 2,
            bytes: vec![1, 2],
        };
        let thread = Body::Thread {
            run: Run::Ends,
            thread: 3,
            ctx: 0x10101,
        };
        let bodies = [
            (Body::About("{}".into()), 16),
            (Body::Glink(vec![1, 2, 3]), 16),
            (memory, 40),
            (Body::Smp2p(5), 20),
            (Body::State(Change::Watchdog), 20),
            (Body::Crash("why".into()), 16),
            (Body::Interrupt, 16),
            (write, 32),
            (Body::Poke { place: 4, value: 1 }, 24),
            (Body::Injected(Injected::Message(7), vec![1]), 20),
            (Body::Finding("{}".into()), 16),
            (Body::Lost(5), 24),
            (thread, 32),
        ];
        for (kind, (body, head)) in bodies.into_iter().enumerate() {
            let packet = packet(body);
            assert_eq!(usize::from(packet.body.kind()), kind);
            let bytes = packet.encode();
            assert_eq!(
                Packet::parse(&bytes),
                Ok(packet.clone()),
                "{}",
                packet.body.name()
            );
            assert!(
                matches!(Packet::parse(&bytes[..head - 1]), Err(PacketError::Truncated(_))),
                "{}",
                packet.body.name()
            );
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        let write = |length| {
            packet(Body::Write {
                stream: 0,
                iova: 0,
                length,
                bytes: vec![0; 4],
            })
        };
        assert!(!write(4).is_cut() && write(5).is_cut());
        assert_eq!((write(4).encode()[12], write(5).encode()[12]), (0, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0u8..16) {
            let _ = Packet::parse(&bytes);
            if bytes.len() >= 3 {
                (bytes[0], bytes[1], bytes[2]) = (VERSION, kind, kind % 4);
                let _ = Packet::parse(&bytes);
            }
        }
    }
}
