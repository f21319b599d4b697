//! How a program ends, of itself or not.

use std::io;

use emu_core::Exception;
use emu_core::mem::MapError;
use emu_core::memory::{FaultWord, MemFault};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// No ELF file that can be run.
    #[error("not a static Hexagon program: {0}")]
    Elf(String),
    /// A segment could not be mapped.
    #[error("cannot map {what}: {source}")]
    Map {
        /// What.
        what: &'static str,
        /// Why.
        source: MapError,
    },
    /// The program wants more memory than it may have.
    #[error("{what} need more memory than the limit of {limit:#x} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A segment could not be filled.
    #[error("cannot fill memory: {0}")]
    Fill(#[from] MemFault),
    /// No memory for the emulator, or the trace cannot be written.
    #[error("{0}")]
    Host(#[from] io::Error),
    /// The program crashed.
    #[error("{0}")]
    Crash(Exception),
    /// The program did something a user program has no answer for.
    #[error("at {pc:#010x}: {what}")]
    Unsupported {
        /// Address behind the packet.
        pc: u32,
        /// What.
        what: String,
    },
    /// The packet budget was used up.
    #[error("still running after {0} packets")]
    Budget(u64),
}

impl From<FaultWord> for ExecError {
    fn from(fault: FaultWord) -> Self {
        MemFault::from(fault).into()
    }
}

impl ExecError {
    /// The signal that Linux would send for it.
    pub fn signal(&self) -> Option<u8> {
        use emu_core::memory::FaultKind::Misaligned;
        let signal = match self {
            ExecError::Crash(Exception::Memory { fault, .. }) if fault.kind == Misaligned => libc::SIGBUS,
            ExecError::Crash(Exception::MisalignedPc { .. }) => libc::SIGBUS,
            ExecError::Crash(Exception::Memory { .. } | Exception::FrameLimit { .. }) => libc::SIGSEGV,
            ExecError::Crash(_) | ExecError::Unsupported { .. } => libc::SIGILL,
            _ => return None,
        };
        u8::try_from(signal).ok()
    }
}

/// How a program came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It ended itself with this status.
    Status(i32),
    /// It sent itself this signal, or wrote where nobody reads any more.
    Signal(u8),
}

impl End {
    /// What a shell shows: the status' low byte, or 128 and the signal.
    pub fn code(self) -> u8 {
        match self {
            End::Status(status) => status as u8,
            End::Signal(signal) => signal.wrapping_add(128),
        }
    }
}
