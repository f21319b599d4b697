//! What is kept of a DSP process that crashed, and how it reads.

pub(crate) mod backtrace;

use std::fmt;

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
    /// The faulting packet in assembler syntax; empty if it cannot be read or decoded.
    pub packet: String,
    /// Where the thread was, innermost first.
    pub backtrace: Vec<Frame>,
}

/// The scalar registers of a DSP thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registers {
    /// R0..R31.
    pub r: [u32; 32],
    /// Program counter.
    pub pc: u32,
    /// Predicates P3..P0 as one word (P0 in the low byte).
    pub p: u32,
    /// User status register.
    pub usr: u32,
    /// Loop start addresses SA0, SA1.
    pub sa: [u32; 2],
    /// Loop counts LC0, LC1.
    pub lc: [u32; 2],
    /// Modifiers M0, M1.
    pub m: [u32; 2],
    /// Circular starts CS0, CS1.
    pub cs: [u32; 2],
    /// User general pointer (thread-local storage).
    pub ugp: u32,
    /// Global pointer.
    pub gp: u32,
}

/// One line of a backtrace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Code address: of the packet for the innermost frame, return addresses above.
    pub pc: u32,
    /// `library!symbol+0x1c`, as far as it is known.
    pub symbol: Option<String>,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x} {}", self.pc, self.symbol.as_deref().unwrap_or("?"))
    }
}

impl CrashReport {
    /// The report line by line, as it goes into logs (which like short records).
    pub fn lines(&self) -> Vec<String> {
        let r = &self.registers;
        let mut out = vec![format!(
            "process {} crashed in thread {} ({}): {}",
            self.process, self.thread, self.thread_name, self.cause
        )];
        for (i, four) in r.r.chunks(4).enumerate() {
            let cells: Vec<String> = four
                .iter()
                .enumerate()
                .map(|(k, v)| format!("r{:<2} {v:08x}", i * 4 + k))
                .collect();
            out.push(format!("  {}", cells.join("  ")));
        }
        out.push(format!(
            "  pc  {:08x}  p3:0 {:08x}  usr {:08x}  ugp {:08x}  gp {:08x}",
            r.pc, r.p, r.usr, r.ugp, r.gp
        ));
        out.push(format!(
            "  sa0 {:08x}  lc0 {:08x}  sa1 {:08x}  lc1 {:08x}  m0 {:08x}  m1 {:08x}  cs0 {:08x}  cs1 {:08x}",
            r.sa[0], r.lc[0], r.sa[1], r.lc[1], r.m[0], r.m[1], r.cs[0], r.cs[1]
        ));
        if !self.packet.is_empty() {
            out.push(format!("  packet: {}", self.packet.replace('\n', " ")));
        }
        out.extend(
            self.backtrace
                .iter()
                .enumerate()
                .map(|(i, frame)| format!("  #{i} {frame}")),
        );
        out
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}
