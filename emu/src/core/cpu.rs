//! Runs packets: looks blocks up, executes them, stops for what is not the core's business.

use super::exception::{Exception, Exit};
use super::memory::Memory;
use super::thread::Thread;

/// Executes threads of one DSP process; owns the decoded-block cache. Not shared between host threads.
#[derive(Debug)]
pub struct Cpu {}

impl Cpu {
    /// A core without decoded code.
    pub fn new() -> Self {
        Cpu {}
    }

    /// Runs at most about `budget` packets of `thread` (a block is always finished).
    pub fn run<M: Memory>(&mut self, thread: &mut Thread, mem: &M, _budget: u64) -> Exit {
        let pc = thread.regs.pc;
        if pc & 3 != 0 {
            return Exit::Exception(Exception::MisalignedPc { pc });
        }
        match mem.fetch32(pc) {
            Ok(_) => Exit::Exception(Exception::NoMeaning {
                pc,
                name: "(the interpreter is not connected yet)",
            }),
            Err(fault) => Exit::Exception(Exception::Memory { pc, fault }),
        }
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}
