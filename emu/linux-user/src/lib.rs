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

mod console;
mod error;
mod files;
mod linux;
mod load;
mod memory;
mod numbers;
mod process;
mod semihosting;
mod setup;
mod signals;
mod stack;
mod stat;
mod watch;

#[cfg(test)]
mod tests;

use std::io::Write;

use hexagon_isa::Arch;

use console::Collect;
pub use console::Console;
use emu_core::inspect;
use emu_core::mem::AddressSpace;
use emu_core::{Cpu, Engine, Exit, Statistics, Thread, Translator, VectorUnit};
pub use error::{End, ExecError};
use memory::ProgramMemory;
use process::Process;
pub use setup::Setup;

/// A program that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: i32,
    /// The thread as it ended, with its statistics.
    pub thread: Thread,
}

/// A loaded program.
#[derive(Debug)]
pub struct Program {
    cpu: Cpu<AddressSpace>,
    process: Process,
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
            cpu: Cpu::new(arch).with_translator(Translator::or_interpreter(setup.engine)),
            process: Process::new(thread, ProgramMemory::new(space, image.end, setup.memory), setup),
        })
    }

    /// Runs the program to its end, at most about `budget` packets. What it writes to file descriptors 1 and 2 goes to `out`.
    pub fn run(mut self, out: &mut dyn Write, budget: u64) -> Result<Ended, ExecError> {
        match self.run_on(&mut Collect(out), budget)? {
            End::Status(status) => Ok(Ended {
                status,
                thread: self.process.thread,
            }),
            End::Signal(signal) => {
                let what = format!("the program ended itself with signal {signal}");
                self.process.unsupported(what)
            }
        }
    }

    /// Runs the program on a console for at most `budget` packets. Afterwards its state can still be looked at.
    pub fn run_on(&mut self, console: &mut dyn Console, budget: u64) -> Result<End, ExecError> {
        while self.process.thread.packets < budget {
            let slice = (budget - self.process.thread.packets).min(1 << 20);
            let exit = self
                .cpu
                .run(&mut self.process.thread, &self.process.memory.space, slice);
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
        while self.process.thread.packets < budget {
            let pc = self.process.thread.regs.pc;
            let packet = inspect::packet_at(&self.process.memory.space, self.cpu.arch(), pc);
            let exit = self
                .cpu
                .run(&mut self.process.thread, &self.process.memory.space, 1);
            if !matches!(exit, Exit::Exception(_))
                && let Some(packet) = packet
            {
                writeln!(trace, "{}", watch::line(pc, &packet, &self.process.thread.regs))?;
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
            Exit::Trap0 { imm: 1 } => self.process.system_call(console),
            Exit::Trap0 { imm: 0 } => self.process.semihosting_call(console),
            Exit::Trap0 { imm } => self.process.unsupported(format!("trap0(#{imm})")),
            Exit::Trap1 { imm } => self.process.unsupported(format!("trap1(#{imm})")),
            Exit::Exception(e) => Err(ExecError::Crash(e)),
        }
    }

    /// Uses only a part of the host's vector unit from here on.
    #[must_use]
    pub fn on_vectors(mut self, vectors: VectorUnit) -> Program {
        self.cpu = Cpu::with_vectors(self.cpu.arch(), vectors);
        self
    }

    /// Uses another engine from here on.
    #[must_use]
    pub fn on_engine(mut self, engine: Engine) -> Program {
        self.cpu = Cpu::new(self.cpu.arch()).with_translator(Translator::or_interpreter(engine));
        self
    }

    /// What was translated of it; `None`: all is interpreted.
    pub fn translated(&self) -> Option<&Statistics> {
        self.cpu.translator().map(|translator| &translator.statistics)
    }

    /// The program's memory, for tests that look into it.
    pub fn memory(&self) -> &AddressSpace {
        &self.process.memory.space
    }

    /// The program's thread.
    pub fn thread(&self) -> &Thread {
        &self.process.thread
    }

    /// The core it runs on.
    pub fn arch(&self) -> Arch {
        self.cpu.arch()
    }

    /// The packet at the program counter and the registers, as a crash shows them.
    pub fn report(&self) -> String {
        watch::report(
            &self.process.memory.space,
            self.cpu.arch(),
            &self.process.thread.regs,
        )
    }
}
