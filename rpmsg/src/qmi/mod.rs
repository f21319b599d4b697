//! QMI, the messages inside QRTR's data packets: a header, then type-length-value elements.
//!
//! Source: `include/linux/soc/qcom/qmi.h`, `drivers/soc/qcom/qmi_encdec.c` and `qmi_interface.c` of the kernel. A client sends a
//! request with a transaction number, the service answers with a response of the same number; indications come from the
//! service on their own. Each service is a module here, with its messages as structures ([`Body`]) that both sides can
//! build and parse.

pub mod body;
pub mod service;
pub mod servreg;
pub mod ssc;
pub mod ssctl;

pub use body::{Body, BodyError, Elements};
pub use service::{Effect, Service};

use crate::wire::{Reader, Truncated, Writer};

/// What a message is (`QMI_REQUEST` and its neighbours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// From a client.
    Request = 0,
    /// To a request.
    Response = 2,
    /// From a service, unasked.
    Indication = 4,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Request),
            2 => Some(Self::Response),
            4 => Some(Self::Indication),
            _ => None,
        }
    }
}

/// Why a message is refused before its elements are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The header is not complete.
    #[error("QMI header: {0}")]
    Truncated(#[from] Truncated),
    /// Not 0, 2 or 4.
    #[error("QMI message type {0}")]
    Kind(u8),
    /// The length field is not the number of bytes that follow.
    #[error("QMI length field says {claimed} bytes, {found} are there")]
    Length {
        /// Length field.
        claimed: u16,
        /// Bytes after the header.
        found: usize,
    },
}

/// A message (`struct qmi_header` and what follows it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Number that a response takes from its request.
    pub transaction: u16,
    /// Which message of the service; requests, responses and indications are numbered apart.
    pub id: u16,
    /// Its elements, undecoded.
    pub body: Vec<u8>,
}

impl Message {
    /// Bytes of the header.
    pub const HEADER: usize = 7;

    /// Parses a data packet's payload.
    ///
    /// # Errors
    /// [`MessageError`]
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut r = Reader::new(bytes);
        let kind = r.u8()?;
        let transaction = r.u16()?;
        let id = r.u16()?;
        let claimed = r.u16()?;
        let kind = Kind::of(kind).ok_or(MessageError::Kind(kind))?;
        let found = r.remaining();
        if usize::from(claimed) != found {
            return Err(MessageError::Length { claimed, found });
        }
        Ok(Self {
            kind,
            transaction,
            id,
            body: r.take(found)?.to_vec(),
        })
    }

    /// The message's bytes. A body of more than 64 KiB is cut off there: no message of any service comes near it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = self.body.get(..usize::from(u16::MAX)).unwrap_or(&self.body);
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX);
        let mut w = Writer::new();
        w.u8(self.kind as u8)
            .u16(self.transaction)
            .u16(self.id)
            .u16(length);
        w.bytes(body);
        w.finish()
    }

    /// A request.
    #[must_use]
    pub fn request<B: Body>(transaction: u16, body: &B) -> Self {
        Self::of(Kind::Request, transaction, body)
    }

    /// An indication.
    #[must_use]
    pub fn indication<B: Body>(transaction: u16, body: &B) -> Self {
        Self::of(Kind::Indication, transaction, body)
    }

    /// The response to this message.
    #[must_use]
    pub fn response<B: Body>(&self, body: &B) -> Self {
        Self {
            id: self.id,
            ..Self::of(Kind::Response, self.transaction, body)
        }
    }

    /// The response to this message that carries nothing but a result.
    #[must_use]
    pub fn status(&self, status: Status) -> Self {
        self.response(&Plain(status))
    }

    fn of<B: Body>(kind: Kind, transaction: u16, body: &B) -> Self {
        Self {
            kind,
            transaction,
            id: B::ID,
            body: body.encode(),
        }
    }
}

/// A response that is nothing but its [`Status`]; takes the request's number.
struct Plain(Status);

impl Body for Plain {
    const ID: u16 = 0;
    fn write(&self, e: &mut Elements) {
        self.0.write(e);
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Status::read(e).map(Self)
    }
}

/// Error number of a failed response (`QMI_ERR_*_V01`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// No error.
    pub const NONE: Self = Self(0);
    /// The request could not be decoded.
    pub const MALFORMED_MESSAGE: Self = Self(1);
    /// No memory.
    pub const NO_MEMORY: Self = Self(2);
    /// Something else.
    pub const INTERNAL: Self = Self(3);
    /// No more clients.
    pub const CLIENT_IDS_EXHAUSTED: Self = Self(5);
    /// An argument is longer than it may be (`QMI_PROTOCOL_ERROR_ARGUMENT_TOO_LONG` of libqmi).
    pub const ARGUMENT_TOO_LONG: Self = Self(19);
    /// An argument names nothing that exists.
    pub const INVALID_ID: Self = Self(41);
    /// An element is encoded wrongly.
    pub const ENCODING: Self = Self(58);
    /// Switched off: the restart of a protection domain that may not be restarted.
    pub const DISABLED: Self = Self(69);
    /// Not now.
    pub const INCOMPATIBLE_STATE: Self = Self(90);
    /// The service does not have this message.
    pub const NOT_SUPPORTED: Self = Self(94);

    /// Its name in the kernel or libqmi, without prefix and version.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NONE => "NONE",
            Self::MALFORMED_MESSAGE => "MALFORMED_MSG",
            Self::NO_MEMORY => "NO_MEMORY",
            Self::INTERNAL => "INTERNAL",
            Self::CLIENT_IDS_EXHAUSTED => "CLIENT_IDS_EXHAUSTED",
            Self::ARGUMENT_TOO_LONG => "ARGUMENT_TOO_LONG",
            Self::INVALID_ID => "INVALID_ID",
            Self::ENCODING => "ENCODING",
            Self::DISABLED => "DISABLED",
            Self::INCOMPATIBLE_STATE => "INCOMPATIBLE_STATE",
            Self::NOT_SUPPORTED => "NOT_SUPPORTED",
            _ => return None,
        })
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error {}", self.0),
        }
    }
}

/// Result of a response (`struct qmi_response_type_v01`, element 2 of every response).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    /// 0 for success, 1 for failure.
    pub result: u16,
    /// What failed.
    pub error: ErrorCode,
}

impl Status {
    /// Success.
    pub const SUCCESS: Self = Self {
        result: 0,
        error: ErrorCode::NONE,
    };
    /// Type of its element.
    pub const ELEMENT: u8 = 2;

    /// Failure with `error`.
    #[must_use]
    pub const fn failure(error: ErrorCode) -> Self {
        Self { result: 1, error }
    }

    /// Whether the request succeeded.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.result == 0
    }

    pub(crate) fn write(self, e: &mut Elements) {
        e.put(Self::ELEMENT, |w| {
            w.u16(self.result).u16(self.error.0);
        });
    }

    pub(crate) fn read(e: &Elements) -> Result<Self, BodyError> {
        e.need(Self::ELEMENT, |r| {
            Ok(Self {
                result: r.u16()?,
                error: ErrorCode(r.u16()?),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn status_response_vector() {
        let request = Message {
            kind: Kind::Request,
            transaction: 3,
            id: 0x21,
            body: Vec::new(),
        };
        assert_eq!(request.encode(), [0, 3, 0, 0x21, 0, 0, 0]);
        let response = request.status(Status::failure(ErrorCode::DISABLED));
        assert_eq!(response.encode(), [2, 3, 0, 0x21, 0, 7, 0, 2, 4, 0, 1, 0, 69, 0]);
        assert_eq!(Message::parse(&response.encode()), Ok(response.clone()));
        let status = Plain::decode(&response.body).unwrap().0;
        assert!(!status.is_success());
        assert_eq!(status.error.to_string(), "DISABLED");
        assert_eq!(ErrorCode(1000).to_string(), "error 1000");
    }

    #[test]
    fn malformed_headers_are_refused() {
        assert!(matches!(
            Message::parse(&[0, 1, 0, 0x21, 0, 0]),
            Err(MessageError::Truncated(_))
        ));
        assert_eq!(
            Message::parse(&[1, 1, 0, 0x21, 0, 0, 0]),
            Err(MessageError::Kind(1))
        );
        assert_eq!(
            Message::parse(&[0, 1, 0, 0x21, 0, 1, 0]),
            Err(MessageError::Length { claimed: 1, found: 0 })
        );
        assert_eq!(
            Message::parse(&[0, 1, 0, 0x21, 0, 0, 0, 9]),
            Err(MessageError::Length { claimed: 0, found: 1 })
        );
    }

    #[test]
    fn an_oversized_body_is_cut_where_the_length_field_ends() {
        let message = Message {
            kind: Kind::Indication,
            transaction: 0,
            id: 0,
            body: vec![0; 70_000],
        };
        assert_eq!(Message::parse(&message.encode()).unwrap().body.len(), 65_535);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in vec(any::<u8>(), 0..40)) {
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }

        #[test]
        fn headers_with_right_length(kind in 0u8..6, transaction: u16, id: u16, body in vec(any::<u8>(), 0..40)) {
            let mut bytes = vec![kind];
            bytes.extend(transaction.to_le_bytes());
            bytes.extend(id.to_le_bytes());
            bytes.extend((body.len() as u16).to_le_bytes());
            bytes.extend(&body);
            match Message::parse(&bytes) {
                Ok(message) => {
                    prop_assert_eq!(message.encode(), bytes);
                    let _ = Elements::parse(&message.body);
                }
                Err(error) => prop_assert_eq!(error, MessageError::Kind(kind)),
            }
        }
    }
}
