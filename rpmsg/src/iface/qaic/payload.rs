//! The content of one call, and what an interface's methods and replies can do with it.

use crate::{
    aee::Aee,
    fastrpc::scalars::Scalars,
    wire::{Reader, Truncated},
};

/// The content of one call, whichever way it goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload {
    /// Method and argument counts.
    pub sc: Scalars,
    /// Bytes of each input buffer, in order.
    pub ins: Vec<Vec<u8>>,
    /// Capacity of each output buffer in bytes, in order.
    pub outs: Vec<u32>,
}

/// Which of the two kinds an interface is served as: it moves the method numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Methods start at 0.
    Plain,
    /// Methods start at 2, after `open` and `close`.
    Handle64,
}

impl Kind {
    pub(super) const fn first(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Handle64 => 2,
        }
    }
}

/// Why a payload is not the call it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The interface has no such method.
    #[error("no method {0}")]
    UnknownMethod(u32),
    /// Number of input or output buffers or handles differs from the method's, or from the scalars word.
    #[error("{what}: {found} instead of {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// Needed.
        expected: usize,
        /// Found.
        found: usize,
    },
    /// A buffer ends too early.
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// A length field is larger than the buffer that it describes.
    #[error("a length field says {claimed} bytes, the buffer has {found}")]
    Length {
        /// Claimed size in bytes.
        claimed: u64,
        /// Real size in bytes.
        found: u64,
    },
    /// A string is empty or does not end with NUL.
    #[error("a string without its terminating NUL")]
    NotTerminated,
    /// An output buffer is too small.
    #[error("an output buffer of {found} bytes is too small for {need}")]
    Capacity {
        /// Needed bytes.
        need: u64,
        /// Found bytes.
        found: u64,
    },
    /// A field has a value that the method does not know.
    #[error("{what} cannot be {value:#x}")]
    Value {
        /// Field.
        what: &'static str,
        /// Value found.
        value: u64,
    },
}

impl PayloadError {
    /// What a DSP answers to such a call.
    #[must_use]
    pub const fn aee(&self) -> Aee {
        match self {
            Self::UnknownMethod(_) => Aee::UNSUPPORTED,
            Self::Capacity { .. } => Aee::BUFFER_TOO_SMALL,
            _ => Aee::BAD_PARM,
        }
    }
}

impl Payload {
    /// Method number, looked up in the first input word when the scalars say 31.
    #[must_use]
    pub fn method(&self) -> u32 {
        match self.sc.method() {
            31 => self
                .ins
                .first()
                .and_then(|b| Reader::new(b).u32().ok())
                .unwrap_or(31),
            m => m.into(),
        }
    }

    /// Whether the scalars word agrees with the buffers and names no handles (no interface here takes any).
    ///
    /// # Errors
    /// [`PayloadError::Count`]
    pub fn check_counts(&self) -> Result<(), PayloadError> {
        let count = |what, expected, found| {
            if expected == found {
                Ok(())
            } else {
                Err(PayloadError::Count {
                    what,
                    expected,
                    found,
                })
            }
        };
        count("input buffers", self.sc.in_bufs(), self.ins.len())?;
        count("output buffers", self.sc.out_bufs(), self.outs.len())?;
        count(
            "handles",
            0,
            self.sc.in_handles().saturating_add(self.sc.out_handles()),
        )
    }
}

/// One method of an interface: its input parameters. Implemented by `interface!`.
pub trait Method: Sized {
    /// The method's output parameters; `()` if it has none.
    type Reply: Reply;
    /// Number in the interface, not counting `open` and `close`.
    const INDEX: u32;
    /// Name in the IDL.
    const NAME: &'static str;

    /// The call's payload.
    fn payload(&self, kind: Kind) -> Payload;

    /// Parses the payload of a call whose method number is already known to be this one's.
    ///
    /// # Errors
    /// [`PayloadError`] for anything that a skeleton would refuse.
    fn parse(payload: &Payload, kind: Kind) -> Result<Self, PayloadError>;
}

/// A method's output parameters. Implemented by `interface!`.
pub trait Reply: Sized {
    /// Size in bytes of the block of scalar outputs; 0 if there is none.
    fn block_size() -> u32;

    /// Contents of the output buffers for these capacities. Shorter than a capacity means: the rest is not written.
    ///
    /// # Errors
    /// [`PayloadError::Capacity`] if something does not fit.
    fn encode(&self, capacities: &[u32]) -> Result<Vec<Vec<u8>>, PayloadError>;

    /// Reads output buffers as the caller gets them back.
    ///
    /// # Errors
    /// [`PayloadError`]
    fn parse(outs: &[Vec<u8>]) -> Result<Self, PayloadError>;
}

impl Reply for () {
    fn block_size() -> u32 {
        0
    }
    fn encode(&self, _capacities: &[u32]) -> Result<Vec<Vec<u8>>, PayloadError> {
        Ok(Vec::new())
    }
    fn parse(_outs: &[Vec<u8>]) -> Result<Self, PayloadError> {
        Ok(())
    }
}
