//! APR, the router of audio packets, as far as a DSP without audio needs it: the GLINK channel exists, so that the AP's
//! audio services appear and vanish with their protection domain, and every command is answered as unsupported.
//!
//! Source: `struct apr_hdr` in `include/linux/soc/qcom/apr.h` and `apr_do_rx_callback` in `drivers/soc/qcom/apr.c` of the kernel; error
//! numbers in `sound/soc/qcom/qdsp6/q6dsp-errno.h`. The kernel's driver (`apr`, device tree `qcom,apr-v2`) makes a device of each
//! of its node's children when the domain in their `qcom,protection-domain` comes up, and takes it away when that goes down.

use crate::wire::{Reader, Truncated, Writer};

/// Name of the channel.
pub const CHANNEL: &str = "apr_audio_svc";
/// Opcode of a plain result (`APR_BASIC_RSP_RESULT`).
pub const BASIC_RESULT: u32 = 0x0001_10E8;
/// The DSP does not have this command (`ADSP_EUNSUPPORTED`).
pub const UNSUPPORTED: u32 = 3;
/// Bytes of the header without options.
pub const HEADER: usize = 20;

/// What a packet is (`APR_MSG_TYPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// News.
    Event = 0,
    /// Answers a command.
    Response = 1,
    /// A command whose order matters.
    Command = 2,
    /// A command whose order does not matter.
    UnorderedCommand = 3,
}

impl Kind {
    const fn of(field: u16) -> Self {
        match field >> 8 & 3 {
            0 => Self::Event,
            1 => Self::Response,
            2 => Self::Command,
            _ => Self::UnorderedCommand,
        }
    }
}

/// A service of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Number of the service.
    pub service: u8,
    /// Number of the processor.
    pub domain: u8,
    /// What the service tells apart by it.
    pub port: u16,
}

/// Why a packet is refused. It is not answered then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AprError {
    /// The header is not complete.
    #[error("APR header: {0}")]
    Truncated(#[from] Truncated),
    /// Neither 0 nor 1.
    #[error("APR version {0}")]
    Version(u16),
    /// The sizes in the header do not fit to the message's length.
    #[error("APR packet of {length} bytes that says {size}, {header} of them header")]
    Size {
        /// Bytes of the message.
        length: usize,
        /// Size of the packet as its header has it.
        size: u16,
        /// Size of the header in bytes as it has it.
        header: u16,
    },
}

/// A packet (`struct apr_pkt`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Version, 0 or 1.
    pub version: u16,
    /// What it is.
    pub kind: Kind,
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// Echoed by the answer.
    pub token: u32,
    /// What it asks or answers.
    pub opcode: u32,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Parses a channel message. Options of the header are skipped.
    ///
    /// # Errors
    /// [`AprError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, AprError> {
        let mut r = Reader::new(bytes);
        let field = r.u16()?;
        let size = r.u16()?;
        let source = read_address(&mut r)?;
        let destination = read_address(&mut r)?;
        let (token, opcode) = (r.u32()?, r.u32()?);
        let (version, header) = (field & 0xF, (field >> 4 & 0xF) << 2);
        if version > 1 {
            return Err(AprError::Version(version));
        }
        let wrong = AprError::Size {
            length: bytes.len(),
            size,
            header,
        };
        if usize::from(size) != bytes.len() {
            return Err(wrong);
        }
        r.take(usize::from(header).checked_sub(HEADER).ok_or(wrong)?)?;
        Ok(Self {
            version,
            kind: Kind::of(field),
            source,
            destination,
            token,
            opcode,
            payload: r.take(r.remaining())?.to_vec(),
        })
    }

    /// The packet's bytes. A payload is cut where the size field of 16 bits ends.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let most = usize::from(u16::MAX).saturating_sub(HEADER);
        let payload = self.payload.get(..most).unwrap_or(&self.payload);
        let size = u16::try_from(payload.len().saturating_add(HEADER)).unwrap_or(u16::MAX);
        let mut w = Writer::new();
        w.u16((self.kind as u16) << 8 | (HEADER as u16 / 4) << 4 | self.version & 0xF);
        w.u16(size);
        for address in [self.source, self.destination] {
            w.u8(address.service).u8(address.domain).u16(address.port);
        }
        w.u32(self.token).u32(self.opcode).bytes(payload);
        w.finish()
    }

    /// Whether it is a command, which wants an answer.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self.kind, Kind::Command | Kind::UnorderedCommand)
    }

    /// The answer of a DSP that does not have the command.
    #[must_use]
    pub fn unsupported(&self) -> Self {
        let mut w = Writer::new();
        w.u32(self.opcode).u32(UNSUPPORTED);
        Self {
            version: self.version,
            kind: Kind::Response,
            source: self.destination,
            destination: self.source,
            token: self.token,
            opcode: BASIC_RESULT,
            payload: w.finish(),
        }
    }
}

fn read_address(r: &mut Reader<'_>) -> Result<Address, Truncated> {
    Ok(Address {
        service: r.u8()?,
        domain: r.u8()?,
        port: r.u16()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Command 0x12905 from service 3 (core) of the AP (domain 5) to that of the ADSP (domain 4).
    const COMMAND: [u8; 20] = [
        0x50, 2, 20, 0, 3, 5, 1, 0, 3, 4, 0, 0, 9, 0, 0, 0, 0x05, 0x29, 1, 0,
    ];

    #[test]
    fn a_command_and_its_refusal() {
        let command = Packet::parse(&COMMAND).unwrap();
        let at = |domain, port| Address {
            service: 3,
            domain,
            port,
        };
        assert_eq!((command.source, command.destination), (at(5, 1), at(4, 0)));
        assert_eq!((command.token, command.opcode), (9, 0x12905));
        assert!(command.is_command());
        assert_eq!(command.encode(), COMMAND);
        let expected = [
            0x50, 1, 28, 0, 3, 4, 0, 0, 3, 5, 1, 0, 9, 0, 0, 0, 0xE8, 0x10, 1, 0, 0x05, 0x29, 1, 0, 3, 0, 0,
            0,
        ];
        assert_eq!(command.unsupported().encode(), expected);
        assert!(!command.unsupported().is_command());
    }

    #[test]
    fn malformed_packets_are_refused() {
        let with = |at: usize, value: u8| {
            let mut bytes = COMMAND;
            bytes[at] = value;
            Packet::parse(&bytes)
        };
        assert_eq!(with(0, 0x52), Err(AprError::Version(2)));
        assert!(matches!(with(0, 0x40), Err(AprError::Size { header: 16, .. })));
        assert!(matches!(with(0, 0x60), Err(AprError::Truncated(_))));
        assert!(matches!(with(2, 19), Err(AprError::Size { size: 19, .. })));
        assert!(matches!(with(3, 1), Err(AprError::Size { .. })));
        assert!(matches!(
            Packet::parse(&COMMAND[..19]),
            Err(AprError::Truncated(_))
        ));
    }

    #[test]
    fn options_are_skipped() {
        let mut bytes = COMMAND.to_vec();
        bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        bytes[0] = 0x61;
        bytes[2] = 28;
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.version, packet.payload), (1, vec![5, 6, 7, 8]));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(head in 0u8..0x72, tail in vec(any::<u8>(), 17..60)) {
            let mut bytes = vec![head, 2, 0, 0];
            bytes.extend(tail);
            bytes[2] = bytes.len() as u8;
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert_eq!(Packet::parse(&packet.encode()), Ok(packet.clone()));
                prop_assert_eq!(packet.unsupported().destination, packet.source);
            }
        }
    }
}
