//! GLINK commands: an 8-byte header {u16 command, u16 param 1, u32 param 2}, some with a payload.
//!
//! Source: `GLINK_CMD_*` and `qcom_glink_native_rx` in the kernel's qcom_glink_native.c. In the FIFO every command is padded so
//! that the next one starts 8-byte aligned; the bytes here are without that padding.
//!
//! Which side's channel ID a command carries: OPEN_ACK and CLOSE_ACK carry the receiver's, every other command the sender's own.
//!
//! Deliberately not modelled: command 10 and everything above 15, which Linux does not know either; there is no way to find the
//! next command after one of them.

use crate::wire::{Reader, Truncated, Writer, wire_len};

/// Bytes of a command's header.
pub const HEADER: usize = 8;
/// Commands start at multiples of this in the FIFO.
pub const ALIGN: usize = 8;
/// Longest channel name in bytes, NUL included.
pub const MAX_NAME: usize = 32;
/// Most intents that one INTENT command may announce here.
pub const MAX_INTENTS: u32 = 256;
/// Largest chunk of a data command. Linux cuts messages into 8 KiB where it can sleep; nothing larger than a FIFO can arrive.
pub const MAX_CHUNK: u32 = 64 * 1024;

/// A receive buffer that the other side may fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Size in bytes.
    pub size: u32,
    /// Its number.
    pub id: u32,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// 0: offers a protocol version and features. `00 00 01 00 00 00 00 00` offers version 1 without features.
    Version {
        /// Version, 1.
        version: u16,
        /// [`FEATURE_INTENT_REUSE`] or nothing.
        features: u32,
    },
    /// 1: accepts a version with a subset of the features. `01 00 01 00 00 00 00 00`
    VersionAck {
        /// Version.
        version: u16,
        /// Features.
        features: u32,
    },
    /// 2: opens a channel; name with NUL in the payload, its length in the low half of param 2.
    /// `02 00 01 00 04 00 00 00 61 62 63 00` opens "abc" as channel 1.
    Open {
        /// Sender's channel ID.
        cid: u16,
        /// "Priority", the upper half of param 2.
        priority: u16,
        /// Name without NUL.
        name: Vec<u8>,
    },
    /// 3: closes a channel. `03 00 01 00 00 00 00 00`
    Close {
        /// Sender's channel ID.
        cid: u16,
    },
    /// 4: acknowledges an open. `04 00 01 00 00 00 00 00`
    OpenAck {
        /// Receiver's channel ID, the one from the OPEN.
        cid: u16,
    },
    /// 5: announces receive buffers. `05 00 01 00 01 00 00 00 00 04 00 00 01 00 00 00` announces one of 1024 bytes as number 1.
    Intents {
        /// Sender's channel ID.
        cid: u16,
        /// The buffers.
        intents: Vec<Intent>,
    },
    /// 6: a receive buffer was consumed and is gone. `06 00 01 00 01 00 00 00`
    RxDone {
        /// Sender's channel ID.
        cid: u16,
        /// Number of the buffer.
        intent: u32,
    },
    /// 7: asks for a receive buffer. `07 00 01 00 00 04 00 00`
    RxIntentReq {
        /// Sender's channel ID.
        cid: u16,
        /// Wanted size in bytes.
        size: u32,
    },
    /// 8: grants or denies one. `08 00 01 00 01 00 00 00`
    RxIntentReqAck {
        /// Sender's channel ID.
        cid: u16,
        /// Whether an INTENT came or comes with it.
        granted: bool,
    },
    /// 9: the first or only part of a message: {u32 chunk size, u32 bytes left} and the chunk.
    /// `09 00 01 00 00 00 00 00 02 00 00 00 00 00 00 00 61 62` carries "ab".
    TxData {
        /// Sender's channel ID.
        cid: u16,
        /// Receive buffer to use; 0 on an intentless edge.
        intent: u32,
        /// Bytes that follow in further commands.
        left: u32,
        /// This part.
        data: Vec<u8>,
    },
    /// 11: acknowledges a close. `0b 00 01 00 00 00 00 00`
    CloseAck {
        /// Receiver's channel ID, the one from the CLOSE.
        cid: u16,
    },
    /// 12: a further part of a message, laid out as 9.
    TxDataCont {
        /// Sender's channel ID.
        cid: u16,
        /// Receive buffer to use.
        intent: u32,
        /// Bytes that follow in further commands.
        left: u32,
        /// This part.
        data: Vec<u8>,
    },
    /// 13: the sender has no space left and wants a doorbell when there is. `0d 00 00 00 00 00 00 00`
    ReadNotif,
    /// 14: a receive buffer was consumed and may be filled again. `0e 00 01 00 01 00 00 00`
    RxDoneReuse {
        /// Sender's channel ID.
        cid: u16,
        /// Number of the buffer.
        intent: u32,
    },
    /// 15: modem signals: bit 31 DTR/DSR, bit 30 RTS/CTS. `0f 00 01 00 00 00 00 80`
    Signals {
        /// Sender's channel ID.
        cid: u16,
        /// The bits.
        signals: u32,
    },
}

/// Feature bit 0: receive buffers are used again.
pub const FEATURE_INTENT_REUSE: u32 = 1;

/// Why bytes are not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nobody knows where the next command starts after this one.
    #[error("unknown GLINK command {0}")]
    Unknown(u16),
    /// Fewer bytes than the command says.
    #[error("GLINK command: {0}")]
    Truncated(#[from] Truncated),
    /// A channel name of 0 or more than 32 bytes.
    #[error("GLINK channel name of {0} bytes")]
    NameLength(u16),
    /// A channel name without its NUL.
    #[error("GLINK channel name without NUL")]
    NameNotTerminated,
    /// More intents at once than are accepted.
    #[error("{0} GLINK intents in one command")]
    TooManyIntents(u32),
    /// A chunk that no FIFO can hold.
    #[error("GLINK chunk of {0} bytes")]
    ChunkTooLarge(u32),
}

/// What is known about a command's length from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So many bytes from the start are needed to know more.
    Need(usize),
    /// So many bytes in all, without padding.
    Complete(usize),
}

/// How long the command is that starts with these bytes.
///
/// # Errors
/// [`CommandError`] if no command starts so, or one that exceeds the limits.
pub fn extent(start: &[u8]) -> Result<Extent, CommandError> {
    let mut r = Reader::new(start);
    let (Ok(command), Ok(_), Ok(param2)) = (r.u16(), r.u16(), r.u32()) else {
        return Ok(Extent::Need(HEADER));
    };
    let after_header = |count: u32| {
        Ok(Extent::Complete(
            HEADER.saturating_add(usize::try_from(count).unwrap_or(usize::MAX)),
        ))
    };
    match command {
        2 => match param2 as u16 {
            len if len == 0 || usize::from(len) > MAX_NAME => Err(CommandError::NameLength(len)),
            len => after_header(len.into()),
        },
        5 if param2 > MAX_INTENTS => Err(CommandError::TooManyIntents(param2)),
        5 => after_header(param2.saturating_mul(8)),
        9 | 12 => match r.u32() {
            Ok(chunk) if chunk > MAX_CHUNK => Err(CommandError::ChunkTooLarge(chunk)),
            Ok(chunk) => after_header(chunk.saturating_add(8)),
            Err(_) => Ok(Extent::Need(16)),
        },
        0 | 1 | 3 | 4 | 6 | 7 | 8 | 11 | 13 | 14 | 15 => Ok(Extent::Complete(HEADER)),
        unknown => Err(CommandError::Unknown(unknown)),
    }
}

impl Command {
    /// Parses one command. Bytes behind it are ignored.
    ///
    /// # Errors
    /// [`CommandError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, CommandError> {
        let have = bytes.len();
        match extent(bytes)? {
            Extent::Complete(need) if need <= have => {}
            Extent::Complete(need) | Extent::Need(need) => {
                return Err(Truncated { at: 0, need, have }.into());
            }
        }
        let mut r = Reader::new(bytes);
        let (command, cid, param2) = (r.u16()?, r.u16()?, r.u32()?);
        Ok(match command {
            0 => Self::Version {
                version: cid,
                features: param2,
            },
            1 => Self::VersionAck {
                version: cid,
                features: param2,
            },
            2 => {
                let name = r.take(usize::from(param2 as u16))?;
                let Some((0, name)) = name.split_last() else {
                    return Err(CommandError::NameNotTerminated);
                };
                Self::Open {
                    cid,
                    priority: (param2 >> 16) as u16,
                    name: name.to_vec(),
                }
            }
            3 => Self::Close { cid },
            4 => Self::OpenAck { cid },
            5 => {
                let mut intents = Vec::new();
                for _ in 0..param2 {
                    intents.push(Intent {
                        size: r.u32()?,
                        id: r.u32()?,
                    });
                }
                Self::Intents { cid, intents }
            }
            6 => Self::RxDone { cid, intent: param2 },
            7 => Self::RxIntentReq { cid, size: param2 },
            8 => Self::RxIntentReqAck {
                cid,
                granted: param2 != 0,
            },
            9 | 12 => {
                let (chunk, left) = (r.u32()?, r.u32()?);
                let data = r.take(usize::try_from(chunk).unwrap_or(usize::MAX))?.to_vec();
                if command == 9 {
                    Self::TxData {
                        cid,
                        intent: param2,
                        left,
                        data,
                    }
                } else {
                    Self::TxDataCont {
                        cid,
                        intent: param2,
                        left,
                        data,
                    }
                }
            }
            11 => Self::CloseAck { cid },
            13 => Self::ReadNotif,
            14 => Self::RxDoneReuse { cid, intent: param2 },
            15 => Self::Signals { cid, signals: param2 },
            unknown => return Err(CommandError::Unknown(unknown)),
        })
    }

    /// The channel ID that it carries, if it is about a channel.
    #[must_use]
    pub const fn cid(&self) -> Option<u16> {
        match self {
            Self::Open { cid, .. }
            | Self::Close { cid }
            | Self::OpenAck { cid }
            | Self::Intents { cid, .. }
            | Self::RxDone { cid, .. }
            | Self::RxIntentReq { cid, .. }
            | Self::RxIntentReqAck { cid, .. }
            | Self::TxData { cid, .. }
            | Self::CloseAck { cid }
            | Self::TxDataCont { cid, .. }
            | Self::RxDoneReuse { cid, .. }
            | Self::Signals { cid, .. } => Some(*cid),
            Self::Version { .. } | Self::VersionAck { .. } | Self::ReadNotif => None,
        }
    }

    /// The command's bytes, without padding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        let mut header = |command: u16, param1: u16, param2: u32| {
            w.u16(command).u16(param1).u32(param2);
        };
        match self {
            Self::Version { version, features } => header(0, *version, *features),
            Self::VersionAck { version, features } => header(1, *version, *features),
            Self::Open { cid, priority, name } => {
                let len = wire_len(name.len()).saturating_add(1) & 0xFFFF;
                header(2, *cid, u32::from(*priority) << 16 | len);
                w.bytes(name).u8(0);
            }
            Self::Close { cid } => header(3, *cid, 0),
            Self::OpenAck { cid } => header(4, *cid, 0),
            Self::Intents { cid, intents } => {
                header(5, *cid, wire_len(intents.len()));
                for intent in intents {
                    w.u32(intent.size).u32(intent.id);
                }
            }
            Self::RxDone { cid, intent } => header(6, *cid, *intent),
            Self::RxIntentReq { cid, size } => header(7, *cid, *size),
            Self::RxIntentReqAck { cid, granted } => header(8, *cid, (*granted).into()),
            Self::TxData {
                cid,
                intent,
                left,
                data,
            } => {
                header(9, *cid, *intent);
                w.u32(wire_len(data.len())).u32(*left).bytes(data);
            }
            Self::CloseAck { cid } => header(11, *cid, 0),
            Self::TxDataCont {
                cid,
                intent,
                left,
                data,
            } => {
                header(12, *cid, *intent);
                w.u32(wire_len(data.len())).u32(*left).bytes(data);
            }
            Self::ReadNotif => header(13, 0, 0),
            Self::RxDoneReuse { cid, intent } => header(14, *cid, *intent),
            Self::Signals { cid, signals } => header(15, *cid, *signals),
        }
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace()
            .map(|b| u8::from_str_radix(b, 16).unwrap())
            .collect()
    }

    /// One vector for each command: those of docs/protocol.md#worked-bytes and those in the documentation above.
    #[test]
    fn vectors() {
        let fastrpc = b"fastrpcglink-apps-dsp".to_vec();
        let message = hex("01 05 07 00 00 00 00 00 00 00 00 00 00 00 00 00");
        let cases = [
            (
                Command::Version {
                    version: 1,
                    features: 0,
                },
                "00 00 01 00 00 00 00 00",
            ),
            (
                Command::VersionAck {
                    version: 1,
                    features: 0,
                },
                "01 00 01 00 00 00 00 00",
            ),
            (
                Command::Open {
                    cid: 1,
                    priority: 0,
                    name: fastrpc,
                },
                "02 00 01 00 16 00 00 00 66 61 73 74 72 70 63 67 6c 69 6e 6b 2d 61 70 70 73 2d 64 73 70 00",
            ),
            (
                Command::Open {
                    cid: 1,
                    priority: 0,
                    name: b"abc".to_vec(),
                },
                "02 00 01 00 04 00 00 00 61 62 63 00",
            ),
            (Command::Close { cid: 1 }, "03 00 01 00 00 00 00 00"),
            (Command::OpenAck { cid: 1 }, "04 00 01 00 00 00 00 00"),
            (
                Command::Intents {
                    cid: 1,
                    intents: vec![Intent { size: 1024, id: 1 }],
                },
                "05 00 01 00 01 00 00 00 00 04 00 00 01 00 00 00",
            ),
            (Command::RxDone { cid: 1, intent: 1 }, "06 00 01 00 01 00 00 00"),
            (
                Command::RxIntentReq { cid: 1, size: 1024 },
                "07 00 01 00 00 04 00 00",
            ),
            (
                Command::RxIntentReqAck {
                    cid: 1,
                    granted: true,
                },
                "08 00 01 00 01 00 00 00",
            ),
            (
                Command::TxData {
                    cid: 1,
                    intent: 0,
                    left: 0,
                    data: b"ab".to_vec(),
                },
                "09 00 01 00 00 00 00 00 02 00 00 00 00 00 00 00 61 62",
            ),
            (
                Command::TxData {
                    cid: 1,
                    intent: 0,
                    left: 0,
                    data: message,
                },
                "09 00 01 00 00 00 00 00 10 00 00 00 00 00 00 00 \
                 01 05 07 00 00 00 00 00 00 00 00 00 00 00 00 00",
            ),
            (Command::CloseAck { cid: 1 }, "0b 00 01 00 00 00 00 00"),
            (
                Command::TxDataCont {
                    cid: 1,
                    intent: 5,
                    left: 3,
                    data: vec![1],
                },
                "0c 00 01 00 05 00 00 00 01 00 00 00 03 00 00 00 01",
            ),
            (Command::ReadNotif, "0d 00 00 00 00 00 00 00"),
            (
                Command::RxDoneReuse { cid: 1, intent: 1 },
                "0e 00 01 00 01 00 00 00",
            ),
            (
                Command::Signals {
                    cid: 1,
                    signals: 1 << 31,
                },
                "0f 00 01 00 00 00 00 80",
            ),
        ];
        for (command, bytes) in cases {
            let bytes = hex(bytes);
            assert_eq!(command.encode(), bytes);
            assert_eq!(Command::parse(&bytes), Ok(command));
            assert_eq!(extent(&bytes), Ok(Extent::Complete(bytes.len())));
        }
    }

    #[test]
    fn malformed_commands_have_their_error() {
        let parse = |text: &str| Command::parse(&hex(text));
        assert_eq!(parse("0a 00 00 00 00 00 00 00"), Err(CommandError::Unknown(10)));
        assert_eq!(parse("10 00 00 00 00 00 00 00"), Err(CommandError::Unknown(16)));
        assert_eq!(parse("02 00 01 00 00 00 00 00"), Err(CommandError::NameLength(0)));
        assert_eq!(
            parse("02 00 01 00 21 00 00 00"),
            Err(CommandError::NameLength(33))
        );
        assert_eq!(
            parse("02 00 01 00 02 00 00 00 61 62"),
            Err(CommandError::NameNotTerminated)
        );
        assert!(matches!(
            parse("02 00 01 00 02 00 00 00 61"),
            Err(CommandError::Truncated(_))
        ));
        assert_eq!(
            parse("05 00 01 00 ff ff ff ff"),
            Err(CommandError::TooManyIntents(u32::MAX))
        );
        assert!(matches!(
            parse("05 00 01 00 01 00 00 00 00 00 00 00"),
            Err(CommandError::Truncated(_))
        ));
        assert_eq!(
            parse("09 00 01 00 00 00 00 00 ff ff ff ff ff ff ff ff"),
            Err(CommandError::ChunkTooLarge(u32::MAX))
        );
        assert_eq!(extent(&[]), Ok(Extent::Need(8)));
        assert_eq!(extent(&hex("09 00 01 00 00 00 00 00")), Ok(Extent::Need(16)));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in vec(any::<u8>(), 0..300)) {
            if let Ok(command) = Command::parse(&bytes) {
                let again = command.encode();
                prop_assert_eq!(Command::parse(&again), Ok(command));
                prop_assert_eq!(extent(&bytes), Ok(Extent::Complete(again.len())));
            }
        }

        #[test]
        fn known_commands_with_random_payload(command in 0u16..17, rest in vec(any::<u8>(), 0..100)) {
            let mut bytes = command.to_le_bytes().to_vec();
            bytes.extend(rest);
            let _ = Command::parse(&bytes);
        }
    }
}
