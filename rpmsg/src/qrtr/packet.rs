//! QRTR packets: both versions of the header, their padding, and addresses.
//!
//! Source: `struct qrtr_hdr_v1`, `struct qrtr_hdr_v2` and `qrtr_endpoint_post` in `net/qrtr/af_qrtr.c`. A packet on GLINK is
//! one channel message whose length is a multiple of 4: the header, then the payload with up to 3 bytes of padding.

use super::PORT_CONTROL;
use crate::wire::{Reader, Truncated, Writer, wire_len};

/// A port on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// Number of the processor.
    pub node: u32,
    /// Number of the socket on it.
    pub port: u32,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            PORT_CONTROL => write!(f, "{}:ctrl", self.node),
            port => write!(f, "{}:{port:#x}", self.node),
        }
    }
}

/// Version of the packet header. The kernel sends version 1 and understands both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// 32 bytes; version field 1.
    #[default]
    V1,
    /// 16 bytes plus optional data; version field 3, node and port numbers of 16 bits.
    V2,
}

impl Version {
    /// Smallest header in bytes.
    #[must_use]
    pub const fn header(self) -> usize {
        match self {
            Self::V1 => 32,
            Self::V2 => 16,
        }
    }
}

/// Type of a packet (`enum qrtr_pkt_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A message to a socket.
    Data = 1,
    /// A name service introduces itself.
    Hello = 2,
    /// A node goes away.
    Bye = 3,
    /// A server appeared.
    NewServer = 4,
    /// A server is gone.
    DelServer = 5,
    /// A socket is gone.
    DelClient = 6,
    /// The receiver took a packet with [`Packet::confirm_rx`].
    ResumeTx = 7,
    /// The name service ends.
    Exit = 8,
    /// Liveness check.
    Ping = 9,
    /// A socket asks its own name service for servers.
    NewLookup = 10,
    /// It does not want to know any more.
    DelLookup = 11,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Data,
        Self::Hello,
        Self::Bye,
        Self::NewServer,
        Self::DelServer,
        Self::DelClient,
        Self::ResumeTx,
        Self::Exit,
        Self::Ping,
        Self::NewLookup,
        Self::DelLookup,
    ];

    /// The type with this number.
    #[must_use]
    pub fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// Why a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The header is not complete.
    #[error("QRTR header: {0}")]
    Truncated(#[from] Truncated),
    /// Packets on this transport are padded to 4 bytes.
    #[error("QRTR packet of {0} bytes, not a multiple of 4")]
    Unaligned(usize),
    /// Neither 1 nor 3.
    #[error("QRTR header version {0}")]
    Version(u8),
    /// A number that `enum qrtr_pkt_type` does not have.
    #[error("QRTR packet type {0}")]
    Kind(u32),
    /// The size field does not fit to the message's length.
    #[error("QRTR payload of {size} bytes in a packet of {length} with {header} bytes of header")]
    Size {
        /// Size field.
        size: u32,
        /// Bytes of the whole packet.
        length: usize,
        /// Bytes of the header with its options.
        header: usize,
    },
    /// A node or port number does not fit into the 16 bits of a version 2 header.
    #[error("QRTR address {0} does not fit into a version 2 header")]
    Wide(Address),
}

/// A packet. Optional data of a version 2 header is skipped, as the kernel does; none is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its header's version.
    pub version: Version,
    /// What it is.
    pub kind: Kind,
    /// Sender.
    pub source: Address,
    /// Receiver.
    pub destination: Address,
    /// The sender waits for a [`Kind::ResumeTx`].
    pub confirm_rx: bool,
    /// What follows the header, without padding; never empty.
    pub payload: Vec<u8>,
}

/// The name service's port in 16 bits.
const CONTROL_SHORT: u16 = 0xFFFE;
/// The name service's port as older routers write it (`QRTR_PORT_CTRL_LEGACY`).
const CONTROL_LEGACY: u32 = 0xFFFF;
/// Bit 0 of a version 2 header's flags (`QRTR_FLAGS_CONFIRM_RX`).
const FLAG_CONFIRM_RX: u8 = 1;

impl Packet {
    /// Parses one channel message under the rules of the kernel's receiver.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        if !bytes.len().is_multiple_of(4) {
            return Err(PacketError::Unaligned(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        let first = Reader::new(bytes).u8()?;
        let (version, kind, mut source, mut destination, confirm_rx, size);
        match first {
            1 => {
                version = Version::V1;
                let _version = r.u32()?;
                kind = r.u32()?;
                source = read_address(&mut r)?;
                confirm_rx = r.u32()? != 0;
                size = r.u32()?;
                destination = read_address(&mut r)?;
            }
            3 => {
                version = Version::V2;
                let _version = r.u8()?;
                kind = u32::from(r.u8()?);
                confirm_rx = r.u8()? & FLAG_CONFIRM_RX != 0;
                let options = r.u8()?;
                size = r.u32()?;
                source = read_short_address(&mut r)?;
                destination = read_short_address(&mut r)?;
                r.take(usize::from(options))?;
            }
            other => return Err(PacketError::Version(other)),
        }
        for address in [&mut source, &mut destination] {
            if address.port == CONTROL_LEGACY {
                address.port = PORT_CONTROL;
            }
        }
        let header = r.position();
        let wrong = PacketError::Size {
            size,
            length: bytes.len(),
            header,
        };
        let length = usize::try_from(size).map_err(|_| wrong)?;
        if length == 0 || length.checked_next_multiple_of(4) != Some(r.remaining()) {
            return Err(wrong);
        }
        Ok(Self {
            version,
            kind: Kind::of(kind).ok_or(PacketError::Kind(kind))?,
            source,
            destination,
            confirm_rx,
            payload: r.take(length)?.to_vec(),
        })
    }

    /// The packet's bytes, padded.
    ///
    /// # Errors
    /// [`PacketError::Wide`] if an address does not fit into the header's version; [`PacketError::Size`] for an empty payload.
    pub fn encode(&self) -> Result<Vec<u8>, PacketError> {
        let size = wire_len(self.payload.len());
        if size == 0 {
            return Err(PacketError::Size {
                size,
                length: self.version.header(),
                header: self.version.header(),
            });
        }
        let mut w = Writer::new();
        match self.version {
            Version::V1 => {
                w.u32(1).u32(self.kind.number());
                w.u32(self.source.node).u32(self.source.port);
                w.u32(u32::from(self.confirm_rx)).u32(size);
                w.u32(self.destination.node).u32(self.destination.port);
            }
            Version::V2 => {
                w.u8(3).u8(self.kind as u8);
                w.u8(if self.confirm_rx { FLAG_CONFIRM_RX } else { 0 })
                    .u8(0)
                    .u32(size);
                for address in [self.source, self.destination] {
                    let (node, port) = shorten(address).ok_or(PacketError::Wide(address))?;
                    w.u16(node).u16(port);
                }
            }
        }
        w.bytes(&self.payload).align(4);
        Ok(w.finish())
    }
}

fn read_address(r: &mut Reader<'_>) -> Result<Address, Truncated> {
    Ok(Address {
        node: r.u32()?,
        port: r.u32()?,
    })
}

fn read_short_address(r: &mut Reader<'_>) -> Result<Address, Truncated> {
    let node = u32::from(r.u16()?);
    let port = match r.u16()? {
        CONTROL_SHORT => PORT_CONTROL,
        port => u32::from(port),
    };
    Ok(Address { node, port })
}

fn shorten(address: Address) -> Option<(u16, u16)> {
    let port = match address.port {
        PORT_CONTROL => CONTROL_SHORT,
        port => u16::try_from(port).ok().filter(|p| *p < CONTROL_SHORT)?,
    };
    Some((u16::try_from(address.node).ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*, sample::select};

    /// The HELLO of a 7.3 kernel's `qrtr_hello_work` before it knows the peer's number.
    const HELLO: [u8; 52] = [
        1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 20, 0, 0, 0, 0xff, 0xff,
        0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn hello_of_the_kernel() {
        let packet = Packet::parse(&HELLO).unwrap();
        assert_eq!((packet.version, packet.kind), (Version::V1, Kind::Hello));
        assert_eq!(
            packet.source,
            Address {
                node: 1,
                port: PORT_CONTROL
            }
        );
        assert_eq!(
            packet.destination,
            Address {
                node: crate::qrtr::NODE_ANY,
                port: PORT_CONTROL
            }
        );
        assert_eq!(packet.payload.len(), 20);
        assert_eq!(packet.encode().unwrap(), HELLO);
    }

    #[test]
    fn version_2_with_options_and_short_control_port() {
        let mut bytes = vec![3, 2, 1, 4, 5, 0, 0, 0, 7, 0, 0xfe, 0xff, 1, 0, 0xff, 0xff];
        bytes.extend([9; 4]);
        bytes.extend([1, 2, 3, 4, 5, 0, 0, 0]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.source.port, PORT_CONTROL);
        assert_eq!(packet.destination.port, PORT_CONTROL);
        assert!(packet.confirm_rx);
        assert_eq!(packet.payload, [1, 2, 3, 4, 5]);
        let again = packet.encode().unwrap();
        assert_eq!(again[..4], [3, 2, 1, 0]);
        assert_eq!(again[16..], [1, 2, 3, 4, 5, 0, 0, 0]);
        assert_eq!(Packet::parse(&again).unwrap(), packet);
    }

    #[test]
    fn malformed_packets_are_refused() {
        assert!(matches!(Packet::parse(&[]), Err(PacketError::Truncated(_))));
        assert_eq!(Packet::parse(&HELLO[..51]), Err(PacketError::Unaligned(51)));
        assert!(matches!(
            Packet::parse(&HELLO[..28]),
            Err(PacketError::Truncated(_))
        ));
        assert!(matches!(
            Packet::parse(&HELLO[..48]),
            Err(PacketError::Size { size: 20, .. })
        ));
        let with = |at: usize, value: u8| {
            let mut bytes = HELLO;
            bytes[at] = value;
            Packet::parse(&bytes)
        };
        assert_eq!(with(0, 2), Err(PacketError::Version(2)));
        assert_eq!(with(4, 12), Err(PacketError::Kind(12)));
        assert_eq!(with(5, 1), Err(PacketError::Kind(0x102)));
        assert!(matches!(with(20, 0), Err(PacketError::Size { size: 0, .. })));
        assert!(matches!(with(20, 16), Err(PacketError::Size { size: 16, .. })));
        assert!(matches!(with(23, 0xff), Err(PacketError::Size { .. })));
        assert_eq!(with(20, 18).unwrap().payload.len(), 18);
        // header of options past the end
        let short = [3, 1, 0, 255, 4, 0, 0, 0, 7, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 4];
        assert!(matches!(Packet::parse(&short), Err(PacketError::Truncated(_))));
    }

    #[test]
    fn wide_addresses_need_version_1() {
        let mut packet = Packet::parse(&HELLO).unwrap();
        packet.version = Version::V2;
        assert_eq!(packet.encode(), Err(PacketError::Wide(packet.destination)));
        packet.destination.node = 5;
        assert_eq!(packet.encode().unwrap().len(), 36);
        packet.payload.clear();
        assert!(matches!(packet.encode(), Err(PacketError::Size { size: 0, .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in vec(any::<u8>(), 0..80), version in select(vec![1u8, 3])) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            if let Ok(packet) = Packet::parse(&bytes)
                && let Ok(again) = packet.encode() {
                prop_assert_eq!(Packet::parse(&again), Ok(packet));
            }
        }

        #[test]
        fn packets_come_back(
            v2 in any::<bool>(),
            kind in select(Kind::ALL.to_vec()),
            addresses in any::<[u16; 4]>(),
            confirm_rx in any::<bool>(),
            payload in vec(any::<u8>(), 1..70),
        ) {
            let address = |node: u16, port: u16| Address {
                node: node.into(),
                port: if port >= CONTROL_SHORT { PORT_CONTROL } else { port.into() },
            };
            let packet = Packet {
                version: if v2 { Version::V2 } else { Version::V1 },
                kind,
                source: address(addresses[0], addresses[1]),
                destination: address(addresses[2], addresses[3]),
                confirm_rx,
                payload,
            };
            let bytes = packet.encode().unwrap();
            prop_assert_eq!(bytes.len() % 4, 0);
            prop_assert_eq!(Packet::parse(&bytes), Ok(packet));
        }
    }
}
