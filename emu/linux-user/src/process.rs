//! The process that a program runs in: its thread, memory and descriptors. System calls and semihosting change it.

use std::collections::BTreeSet;

use emu_core::Thread;

use super::console::Console;
use super::error::ExecError;
use super::files::Files;
use super::memory::{IO_LIMIT, ProgramMemory};
use super::setup::Setup;
use super::signals::Signals;

/// A process of one thread.
#[derive(Debug)]
pub(super) struct Process {
    pub thread: Thread,
    pub memory: ProgramMemory,
    pub files: Files,
    pub signals: Signals,
    /// Its arguments in one line, for semihosting.
    pub command: Vec<u8>,
    /// Semihosting's error number.
    pub errno: i32,
    warned: BTreeSet<(&'static str, u32)>,
}

impl Process {
    pub(super) fn new(thread: Thread, memory: ProgramMemory, setup: &Setup) -> Self {
        Self {
            thread,
            memory,
            files: Files::new(setup.files),
            signals: Signals::default(),
            command: setup.args.join(&b' '),
            errno: 0,
            warned: BTreeSet::new(),
        }
    }

    /// Reads from a descriptor into the program's memory.
    pub(super) fn read(&self, fd: u32, va: u32, len: u32, console: &mut dyn Console) -> Result<u32, i32> {
        let len = len.min(IO_LIMIT);
        self.files.get(fd)?;
        let space = &self.memory.space;
        space.check_writable(va, len as usize).map_err(|_| libc::EFAULT)?;
        let mut bytes = vec![0; len as usize];
        let n = self.files.read(fd, console, &mut bytes)?;
        bytes.truncate(n);
        self.memory.store(va, &bytes)?;
        Ok(n as u32)
    }

    /// Writes from the program's memory to a descriptor.
    pub(super) fn write(&self, fd: u32, va: u32, len: u32, console: &mut dyn Console) -> Result<u32, i32> {
        self.files.get(fd)?;
        let bytes = self.memory.bytes(va, len)?;
        Ok(self.files.write(fd, console, &bytes)? as u32)
    }

    /// The program trapped for something that a user program has no answer for; it stands at the trap again, for the report.
    pub(super) fn unsupported<T>(&mut self, what: String) -> Result<T, ExecError> {
        // A trap is alone in its packet, of one word, and has been executed.
        let pc = self.thread.regs.pc.wrapping_sub(4);
        self.thread.regs.pc = pc;
        Err(ExecError::Unsupported { pc, what })
    }

    /// Warns once of each call that is not modelled.
    pub(super) fn not_modelled(&mut self, kind: &'static str, number: u32) {
        if self.warned.insert((kind, number)) {
            tracing::warn!(target: "emu::exec", "{kind} {number} is not modelled");
        }
    }
}
