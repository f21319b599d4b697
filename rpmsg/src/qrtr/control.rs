//! Control messages between name services: the payload of every packet that is not data.
//!
//! Source: `struct qrtr_ctrl_pkt` in `include/uapi/linux/qrtr.h`, its handlers in `net/qrtr/ns.c`, and `qrtr_tx_resume` in
//! `net/qrtr/af_qrtr.c`. On the wire each is 20 bytes; shorter ones are taken as long as they hold the fields of their type.

use super::packet::{Address, Kind};
use crate::wire::{Reader, Truncated, Writer};

/// A server: a service at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Server {
    /// Number of the service.
    pub service: u32,
    /// Which one of its kind: QMI puts the version into the lowest byte (`qmi_recv_new_server`).
    pub instance: u32,
    /// Where it is.
    pub address: Address,
}

impl Server {
    /// A server of QMI service `service`, `version`, `instance`.
    #[must_use]
    pub const fn qmi(service: u32, version: u8, instance: u32, address: Address) -> Self {
        Self {
            service,
            instance: instance << 8 | version as u32,
            address,
        }
    }
}

/// A control message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The sender's name service is there.
    Hello,
    /// All servers and clients of this node are gone. The field is 0 where the kernel tells its own name service.
    Bye {
        /// The node.
        node: u32,
    },
    /// A server appeared. An empty one (all 0) ends a listing.
    NewServer(Server),
    /// A server is gone.
    DelServer(Server),
    /// A socket is gone, and the servers on it.
    DelClient(Address),
    /// The socket took a packet that asked for confirmation.
    ResumeTx(Address),
    /// The name service ends.
    Exit,
    /// Liveness check.
    Ping,
    /// A local socket wants to know about servers; zero matches all.
    NewLookup {
        /// Service to look for.
        service: u32,
        /// Instance to look for.
        instance: u32,
    },
    /// It does not want to know any more.
    DelLookup {
        /// Service of the lookup.
        service: u32,
        /// Instance of the lookup.
        instance: u32,
    },
}

/// Why a control message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A field of it is missing.
    #[error("QRTR control message: {0}")]
    Truncated(#[from] Truncated),
    /// A number that is no control message.
    #[error("QRTR control command {0}")]
    Command(u32),
}

impl Control {
    /// Bytes on the wire.
    pub const SIZE: usize = 20;

    /// Parses a payload; what follows the fields is ignored.
    ///
    /// # Errors
    /// [`ControlError`]
    pub fn parse(payload: &[u8]) -> Result<Self, ControlError> {
        let mut r = Reader::new(payload);
        let command = r.u32()?;
        let client = |r: &mut Reader<'_>| -> Result<Address, Truncated> {
            Ok(Address {
                node: r.u32()?,
                port: r.u32()?,
            })
        };
        let server = |r: &mut Reader<'_>| -> Result<Server, Truncated> {
            Ok(Server {
                service: r.u32()?,
                instance: r.u32()?,
                address: client(r)?,
            })
        };
        Ok(match Kind::of(command) {
            Some(Kind::Hello) => Self::Hello,
            Some(Kind::Bye) => Self::Bye { node: r.u32()? },
            Some(Kind::NewServer) => Self::NewServer(server(&mut r)?),
            Some(Kind::DelServer) => Self::DelServer(server(&mut r)?),
            Some(Kind::DelClient) => Self::DelClient(client(&mut r)?),
            Some(Kind::ResumeTx) => Self::ResumeTx(client(&mut r)?),
            Some(Kind::Exit) => Self::Exit,
            Some(Kind::Ping) => Self::Ping,
            Some(Kind::NewLookup) => Self::NewLookup {
                service: r.u32()?,
                instance: r.u32()?,
            },
            Some(Kind::DelLookup) => Self::DelLookup {
                service: r.u32()?,
                instance: r.u32()?,
            },
            Some(Kind::Data) | None => return Err(ControlError::Command(command)),
        })
    }

    /// Type of the packet that carries it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Hello => Kind::Hello,
            Self::Bye { .. } => Kind::Bye,
            Self::NewServer(_) => Kind::NewServer,
            Self::DelServer(_) => Kind::DelServer,
            Self::DelClient(_) => Kind::DelClient,
            Self::ResumeTx(_) => Kind::ResumeTx,
            Self::Exit => Kind::Exit,
            Self::Ping => Kind::Ping,
            Self::NewLookup { .. } => Kind::NewLookup,
            Self::DelLookup { .. } => Kind::DelLookup,
        }
    }

    /// The payload, always [`Self::SIZE`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(self.kind().number());
        match *self {
            Self::Hello | Self::Exit | Self::Ping => {}
            Self::Bye { node } => {
                w.u32(node);
            }
            Self::NewServer(s) | Self::DelServer(s) => {
                w.u32(s.service).u32(s.instance);
                w.u32(s.address.node).u32(s.address.port);
            }
            Self::DelClient(a) | Self::ResumeTx(a) => {
                w.u32(a.node).u32(a.port);
            }
            Self::NewLookup { service, instance } | Self::DelLookup { service, instance } => {
                w.u32(service).u32(instance);
            }
        }
        w.align(Self::SIZE);
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn a_server_as_qmi_numbers_it() {
        let address = Address { node: 5, port: 3 };
        let ssctl = Server::qmi(43, 2, 0x14, address);
        let bytes = Control::NewServer(ssctl).encode();
        let expected = [4, 0, 0, 0, 43, 0, 0, 0, 2, 0x14, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0];
        assert_eq!(bytes, expected);
        assert_eq!(Control::parse(&bytes), Ok(Control::NewServer(ssctl)));
    }

    #[test]
    fn short_ones_need_only_their_fields() {
        assert_eq!(Control::parse(&[2, 0, 0, 0]), Ok(Control::Hello));
        assert_eq!(
            Control::parse(&[3, 0, 0, 0, 9, 0, 0, 0]),
            Ok(Control::Bye { node: 9 })
        );
        assert!(matches!(
            Control::parse(&[3, 0, 0, 0]),
            Err(ControlError::Truncated(_))
        ));
        assert!(matches!(Control::parse(&[]), Err(ControlError::Truncated(_))));
        assert_eq!(Control::parse(&[1, 0, 0, 0]), Err(ControlError::Command(1)));
        assert_eq!(Control::parse(&[0, 1, 0, 0]), Err(ControlError::Command(256)));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(command in 0u32..14, rest in vec(any::<u8>(), 0..24)) {
            let mut bytes = command.to_le_bytes().to_vec();
            bytes.extend(rest);
            if let Ok(control) = Control::parse(&bytes) {
                let again = control.encode();
                prop_assert_eq!(again.len(), Control::SIZE);
                prop_assert_eq!(Control::parse(&again), Ok(control));
            }
        }
    }
}
