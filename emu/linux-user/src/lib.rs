//! Runs a static Hexagon Linux program directly on the core, without kernel, DSP OS or QEMU: to try code out, for
//! benchmarks, and for comparing the core with `qemu-hexagon`, on which the same file runs.
//!
//! Modelled: one thread; the initial stack of Linux (`stack`); the Linux system calls that small programs need, behind
//! `trap0(#1)` with the number in R6, arguments in R0-R5 and the result in R0 (`linux`, numbers and structures of Linux's
//! generic 32-bit table); Angel semihosting behind `trap0(#0)` (`semihosting`). A call that is not modelled answers
//! -ENOSYS, with one warning for each number.
//!
//! What the program reaches of the host: with [`Setup::files`] whatever the user who runs the emulator may reach, by the
//! names it gives, as with `qemu-hexagon`; nothing is kept from it. Without, no file can be opened, made, renamed or
//! removed. Descriptors 0 to 2 lead to a [`Console`]. There are no processes, sockets or devices to be had.
//!
//! Not modelled: threads, signal handlers, shared writable file mappings, code that changes itself (decoded code is kept
//! until a mapping with code changes).

mod files;
mod linux;
mod load;
mod memory;
mod numbers;
mod semihosting;
mod stack;
mod stat;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Write};

use hexagon_isa::Arch;

use emu_core::inspect;
use emu_core::mem::{AddressSpace, MapError};
use emu_core::memory::{FaultWord, MemFault};
use emu_core::{Cpu, Exception, Exit, Thread, VectorUnit};
use files::Files;

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

/// A program that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: i32,
    /// The thread as it ended, with its statistics.
    pub thread: Thread,
}

/// Where descriptors 0, 1 and 2 lead.
pub trait Console {
    /// Reads for descriptor 0; nothing at its end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize>;
    /// Writes for descriptor 1, or with `error` for descriptor 2.
    fn write(&mut self, error: bool, bytes: &[u8]) -> io::Result<usize>;
    /// What the host knows of this descriptor, if it is one of its own.
    fn metadata(&self, fd: u32) -> Option<std::fs::Metadata> {
        let _ = fd;
        None
    }
    /// Whether this descriptor is a terminal.
    fn is_terminal(&self, fd: u32) -> bool {
        let _ = fd;
        false
    }
}

/// No input; both outputs into one writer.
struct Collect<'a>(&'a mut dyn Write);

impl Console for Collect<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
    fn write(&mut self, _: bool, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        Ok(bytes.len())
    }
}

/// How a program is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The core; else the one the file was built for, else V73.
    pub arch: Option<Arch>,
    /// The program's arguments, from its own name on.
    pub args: Vec<Vec<u8>>,
    /// Its environment, each `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// It may open and change the host's files, as its user may.
    pub files: bool,
    /// Most bytes it may have mapped.
    pub memory: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            arch: None,
            args: vec![b"program".to_vec()],
            env: Vec::new(),
            files: false,
            memory: 3 << 30,
        }
    }
}

/// A loaded program.
#[derive(Debug)]
pub struct Program {
    space: AddressSpace,
    cpu: Cpu<AddressSpace>,
    thread: Thread,
    files: Files,
    heap: memory::Heap,
    /// Most bytes mapped.
    limit: u64,
    /// Its arguments in one line, for semihosting.
    command: Vec<u8>,
    /// Semihosting's error number.
    errno: i32,
    warned: BTreeSet<(&'static str, u32)>,
}

impl Program {
    /// Loads a static ELF file, to run without arguments, input and files.
    pub fn load(file: &[u8], arch: Arch) -> Result<Program, ExecError> {
        let setup = Setup {
            arch: Some(arch),
            ..Setup::default()
        };
        Program::new(file, &setup)
    }

    /// Loads a static ELF file.
    pub fn new(file: &[u8], setup: &Setup) -> Result<Program, ExecError> {
        let (space, image) = load::load(file, setup.memory)?;
        let sp = stack::build(&space, &image, setup)?;
        let arch = setup.arch.or(image.arch).unwrap_or(Arch::V73);
        let mut thread = Thread::new(arch, image.entry);
        thread.regs.r[29] = sp;
        Ok(Program {
            space,
            cpu: Cpu::new(arch),
            thread,
            files: Files::new(setup.files),
            heap: memory::Heap::new(image.end),
            limit: setup.memory,
            command: setup.args.join(&b' '),
            errno: 0,
            warned: BTreeSet::new(),
        })
    }

    /// Runs the program to its end, at most about `budget` packets. What it writes to file descriptors 1 and 2 goes to `out`.
    pub fn run(mut self, out: &mut dyn Write, budget: u64) -> Result<Ended, ExecError> {
        match self.run_on(&mut Collect(out), budget)? {
            End::Status(status) => Ok(Ended {
                status,
                thread: self.thread,
            }),
            End::Signal(signal) => self.unsupported(format!("the program ended itself with signal {signal}")),
        }
    }

    /// Runs the program on a console for at most `budget` packets. Afterwards its state can still be looked at.
    pub fn run_on(&mut self, console: &mut dyn Console, budget: u64) -> Result<End, ExecError> {
        while self.thread.packets < budget {
            let slice = (budget - self.thread.packets).min(1 << 20);
            let exit = self.cpu.run(&mut self.thread, &self.space, slice);
            if let Some(end) = self.answer(exit, console)? {
                return Ok(end);
            }
        }
        Err(ExecError::Budget(budget))
    }

    /// Runs the program packet by packet; each is written to `trace` with the registers that it wrote.
    pub fn run_traced(
        &mut self,
        console: &mut dyn Console,
        budget: u64,
        trace: &mut dyn Write,
    ) -> Result<End, ExecError> {
        self.cpu = Cpu::stepping(self.cpu.arch());
        while self.thread.packets < budget {
            let pc = self.thread.regs.pc;
            let packet = inspect::packet_at(&self.space, self.cpu.arch(), pc);
            let exit = self.cpu.run(&mut self.thread, &self.space, 1);
            if !matches!(exit, Exit::Exception(_))
                && let Some(packet) = packet
            {
                writeln!(trace, "{}", watch::line(pc, &packet, &self.thread.regs))?;
            }
            if let Some(end) = self.answer(exit, console)? {
                return Ok(end);
            }
        }
        Err(ExecError::Budget(budget))
    }

    /// Deals with what stopped the core; how the program ended, if it did.
    fn answer(&mut self, exit: Exit, console: &mut dyn Console) -> Result<Option<End>, ExecError> {
        match exit {
            Exit::Budget => Ok(None),
            Exit::Yield => {
                std::thread::yield_now();
                Ok(None)
            }
            Exit::Trap0 { imm: 1 } => self.system_call(console),
            Exit::Trap0 { imm: 0 } => self.semihosting_call(console),
            Exit::Trap0 { imm } => self.unsupported(format!("trap0(#{imm})")),
            Exit::Trap1 { imm } => self.unsupported(format!("trap1(#{imm})")),
            Exit::Exception(e) => Err(ExecError::Crash(e)),
        }
    }

    /// Uses only a part of the host's vector unit from here on.
    #[must_use]
    pub fn on_vectors(mut self, vectors: VectorUnit) -> Program {
        self.cpu = Cpu::with_vectors(self.cpu.arch(), vectors);
        self
    }

    /// The program's memory, for tests that look into it.
    pub fn memory(&self) -> &AddressSpace {
        &self.space
    }

    /// The program's thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The core it runs on.
    pub fn arch(&self) -> Arch {
        self.cpu.arch()
    }

    /// The packet at the program counter and the registers, as a crash shows them.
    pub fn report(&self) -> String {
        watch::report(&self.space, self.cpu.arch(), &self.thread.regs)
    }

    fn unsupported<T>(&self, what: String) -> Result<T, ExecError> {
        Err(ExecError::Unsupported {
            pc: self.thread.regs.pc,
            what,
        })
    }

    /// Warns once of each call that is not modelled.
    fn not_modelled(&mut self, kind: &'static str, number: u32) {
        if self.warned.insert((kind, number)) {
            tracing::warn!(target: "emu::exec", "{kind} {number} is not modelled");
        }
    }
}
