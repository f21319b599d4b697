//! The two messages on the FastRPC channel: a 40-byte request from the AP and a 16-byte response from the DSP.
//!
//! Source: `struct fastrpc_msg` and `struct fastrpc_invoke_rsp` in the kernel's fastrpc.c; QDA uses the same two.

use super::{address::Addressing, layout::InvokeLayout, scalars::Scalars};
use crate::wire::{Reader, Writer};

/// Context of a call: an opaque cookie of the driver, to be echoed bit for bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ctx(pub u64);

/// Kind of protection domain that a context claims. A hint only: QDA leaves the bits 0, and kernels forward calls of
/// sessions that created nothing with root's bits (docs/protocol.md#sessions), so privilege must never be derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PdHint {
    /// Guest OS (daemons).
    Root,
    /// User process.
    User,
    /// Sensors.
    Sensors,
}

impl Ctx {
    /// The protection domain in the low four bits, which hold it in every kernel version; `None` for values above 2.
    #[must_use]
    pub const fn pd(self) -> Option<PdHint> {
        match self.0 & 0xF {
            0 => Some(PdHint::Root),
            1 => Some(PdHint::User),
            2 => Some(PdHint::Sensors),
            _ => None,
        }
    }
}

/// A request: one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Session of a user call (7.3: slot + 1; older: process ID); 0 for calls that the kernel makes itself.
    pub client_id: i32,
    /// Kernel thread ID of the caller.
    pub tid: i32,
    /// Context to echo.
    pub ctx: Ctx,
    /// Module handle.
    pub handle: u32,
    /// Method and argument counts.
    pub sc: Scalars,
    /// Device address of the invoke buffer, stream ID in its upper bits.
    pub addr: u64,
    /// Size of the invoke buffer in bytes, rounded up to the kernel's page size.
    pub size: u64,
}

/// Why a request is refused before its invoke buffer is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Requests have exactly 40 bytes.
    #[error("FastRPC message of {0} bytes instead of 40")]
    Length(usize),
    /// Responses have at least 16 bytes.
    #[error("FastRPC response of {0} bytes instead of 16")]
    ResponseLength(usize),
    /// The invoke buffer is too small for the descriptors that the scalars announce.
    #[error("invoke buffer of {size} bytes, but its {args} arguments need {need} bytes of metadata")]
    TooSmall {
        /// Announced size.
        size: u64,
        /// Number of arguments.
        args: usize,
        /// Smallest possible size.
        need: u64,
    },
    /// The invoke buffer is larger than a DSP can map.
    #[error("invoke buffer of {0:#x} bytes is too large")]
    TooLarge(u64),
    /// The invoke buffer's size is not a multiple of the guest's page size.
    #[error("invoke buffer size {0:#x} is not a multiple of the page size")]
    Unaligned(u64),
    /// Address plus size runs into the stream ID.
    #[error("invoke buffer {addr:#x}+{size:#x} does not fit into the device address space")]
    Wraps {
        /// Address with stream ID.
        addr: u64,
        /// Size in bytes.
        size: u64,
    },
}

/// Largest invoke buffer that is accepted. The kernel allocates them contiguously, so real ones are far smaller.
pub const MAX_INVOKE_SIZE: u64 = 1 << 30;

impl Message {
    /// Bytes on the wire.
    pub const SIZE: usize = 40;

    /// Parses a channel message.
    ///
    /// # Errors
    /// [`MessageError::Length`] unless it has exactly 40 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let short = |_| MessageError::Length(bytes.len());
        if bytes.len() != Self::SIZE {
            return Err(MessageError::Length(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        Ok(Self {
            client_id: r.i32().map_err(short)?,
            tid: r.i32().map_err(short)?,
            ctx: Ctx(r.u64().map_err(short)?),
            handle: r.u32().map_err(short)?,
            sc: Scalars(r.u32().map_err(short)?),
            addr: r.u64().map_err(short)?,
            size: r.u64().map_err(short)?,
        })
    }

    /// The message's 40 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.i32(self.client_id)
            .i32(self.tid)
            .u64(self.ctx.0)
            .u32(self.handle)
            .u32(self.sc.0);
        w.u64(self.addr).u64(self.size);
        w.finish()
    }

    /// Checks everything that can be checked without the invoke buffer.
    ///
    /// # Errors
    /// The first thing that is wrong with size or address.
    pub fn check(&self, addressing: &Addressing) -> Result<(), MessageError> {
        let args = self.sc.args();
        let need = InvokeLayout::new(args).poll_word();
        if self.size < need {
            return Err(MessageError::TooSmall {
                size: self.size,
                args,
                need,
            });
        }
        if self.size > MAX_INVOKE_SIZE {
            return Err(MessageError::TooLarge(self.size));
        }
        if !addressing.is_page_multiple(self.size) {
            return Err(MessageError::Unaligned(self.size));
        }
        let (_, iova) = addressing.split(self.addr);
        if !addressing.fits(iova, self.size) {
            return Err(MessageError::Wraps {
                addr: self.addr,
                size: self.size,
            });
        }
        Ok(())
    }
}

/// A response: the return value of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response {
    /// Context of the request.
    pub ctx: Ctx,
    /// Return value: 0 or an AEE code.
    pub retval: u32,
}

impl Response {
    /// Bytes on the wire; shorter ones are dropped by every driver.
    pub const SIZE: usize = 16;

    /// The response's 16 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u64(self.ctx.0).u32(self.retval).u32(0);
        w.finish()
    }

    /// Parses a response as a driver does: anything after 16 bytes is ignored.
    ///
    /// # Errors
    /// [`MessageError::ResponseLength`] below 16 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let short = |_| MessageError::ResponseLength(bytes.len());
        if bytes.len() < Self::SIZE {
            return Err(MessageError::ResponseLength(bytes.len()));
        }
        let mut r = Reader::new(bytes);
        Ok(Self {
            ctx: Ctx(r.u64().map_err(short)?),
            retval: r.u32().map_err(short)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The request of docs/protocol.md#worked-bytes.
    const VECTOR: [u8; 40] = [
        0x01, 0, 0, 0, 0xd2, 0x04, 0, 0, 0x01, 0x05, 0x07, 0, 0, 0, 0, 0, 0x90, 0x84, 0xf0, 0x35, 0x00, 0x01,
        0x02, 0x02, 0, 0, 0, 0x8f, 0x03, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
    ];

    fn vector() -> Message {
        Message {
            client_id: 1,
            tid: 1234,
            ctx: Ctx(0x70501),
            handle: 0x35f0_8490,
            sc: Scalars(0x0202_0100),
            addr: 0x3_8f00_0000,
            size: 0x1000,
        }
    }

    #[test]
    fn request_vector() {
        assert_eq!(Message::parse(&VECTOR), Ok(vector()));
        assert_eq!(vector().encode(), VECTOR);
        assert_eq!(vector().ctx.pd(), Some(PdHint::User));
        assert_eq!(vector().check(&Addressing::default()), Ok(()));
    }

    #[test]
    fn response_vector() {
        let bytes = [1, 5, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let response = Response {
            ctx: Ctx(0x70501),
            retval: 0,
        };
        assert_eq!(response.encode(), bytes);
        assert_eq!(Response::parse(&bytes), Ok(response));
        assert_eq!(
            Response::parse(&bytes[..12]),
            Err(MessageError::ResponseLength(12))
        );
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let a = Addressing::default();
        let with = |size, addr| {
            Message {
                size,
                addr,
                ..vector()
            }
            .check(&a)
        };
        assert!(matches!(
            with(0, 0),
            Err(MessageError::TooSmall { need: 504, .. })
        ));
        assert!(matches!(with(0x1001, 0), Err(MessageError::Unaligned(0x1001))));
        assert!(matches!(with(1 << 40, 0), Err(MessageError::TooLarge(_))));
        assert!(matches!(
            with(0x2000, 0x3_ffff_f000),
            Err(MessageError::Wraps { .. })
        ));
        assert!(matches!(
            Message::parse(&VECTOR[..39]),
            Err(MessageError::Length(39))
        ));
    }

    proptest! {
        #[test]
        fn requests_round_trip(bytes in any::<[u8; 40]>()) {
            let message = Message::parse(&bytes).unwrap();
            let _ = message.check(&Addressing::default());
            prop_assert_eq!(message.encode(), bytes);
        }

        #[test]
        fn any_bytes_parse_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Message::parse(&bytes);
            if let Ok(response) = Response::parse(&bytes) {
                prop_assert_eq!(&response.encode()[..12], &bytes[..12]);
            }
        }
    }
}
