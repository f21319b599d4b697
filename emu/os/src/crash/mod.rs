//! What is kept of a DSP process that crashed, and how it reads.

pub(crate) mod backtrace;

use std::collections::BTreeSet;
use std::fmt;

pub use emu_core::inspect::Registers;

/// How the cause of a crash begins that is not the program's fault but the emulator's.
pub const EMULATOR_FAILED: &str = "the emulator failed (please report this)";

/// A crashed process: why, where, and with which registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashReport {
    /// Name of the process.
    pub process: String,
    /// One sentence: the exception, abort, assertion or stack check.
    pub cause: String,
    /// DSP thread ID.
    pub thread: u32,
    /// DSP thread name.
    pub thread_name: String,
    /// Registers at the fault, nothing of the faulting packet committed.
    pub registers: Registers,
    /// The faulting packet in assembler syntax on one line; its words if it cannot be decoded, empty if it cannot be fetched.
    pub packet: String,
    /// Where the thread was, innermost first.
    pub backtrace: Vec<Frame>,
}

/// One line of a backtrace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Code address: of the packet for the innermost frame, return addresses above.
    pub pc: u32,
    /// `library!symbol+0x1c`, as far as it is known.
    pub symbol: Option<String>,
    /// The library that holds it, and the address at which that was loaded: what is left of `pc` without it is an address
    /// in the library's file, as `llvm-addr2line` takes it.
    pub library: Option<(String, u32)>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x} {}", self.pc, self.symbol.as_deref().unwrap_or("?"))
    }
}

impl CrashReport {
    /// The report line by line, with where libraries were loaded.
    pub fn lines(&self) -> Vec<String> {
        let mut out = self.lines_for_ap();
        let libraries: BTreeSet<_> = self.backtrace.iter().filter_map(|f| f.library.as_ref()).collect();
        let line = |(name, base): &(String, u32)| format!("  {name} is loaded at {base:#010x}");
        out.extend(libraries.into_iter().map(line));
        out
    }

    /// The report line by line, as it goes to the AP's log, which is small: all but where libraries were loaded.
    pub fn lines_for_ap(&self) -> Vec<String> {
        let mut out = vec![format!(
            "process {} crashed in thread {} ({}): {}",
            self.process, self.thread, self.thread_name, self.cause
        )];
        out.extend(self.registers.lines());
        if !self.packet.is_empty() {
            out.push(format!("  packet: {}", self.packet.replace('\n', " ")));
        }
        out.extend(self.frames());
        out
    }

    /// Where a thread is that did not crash, line by line: what it does or waits for, and its backtrace.
    pub fn whereabouts(&self) -> Vec<String> {
        let mut out = vec![format!(
            "process {}, thread {} ({}): {}",
            self.process, self.thread, self.thread_name, self.cause
        )];
        out.extend(self.frames());
        out
    }

    fn frames(&self) -> impl Iterator<Item = String> + '_ {
        let frames = self.backtrace.iter().enumerate();
        frames.map(|(i, frame)| format!("  #{i} {frame}"))
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}
