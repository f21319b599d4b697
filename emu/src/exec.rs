//! Runs a static Hexagon Linux program directly on the core, without kernel, DSP OS or QEMU: for benchmarks, for
//! comparing the core with `qemu-hexagon`, and to try code out.
//!
//! Models a handful of Linux system calls (`trap0(#1)`: number in R6, arguments in R0-R5, result in R0), numbers and
//! errors as in Linux's generic table. Not modelled: files, signals, threads, mmap; they answer -ENOSYS, with one warning
//! for each number.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;
use hexagon_isa::Arch;

use crate::core::memory::{MemFault, Memory};
use crate::core::{Cpu, Exception, Exit, Thread};
use crate::mem::{AddressSpace, Bus, GuestRam, MapError, NoFaultLine, PAGE_SIZE, Prot};

/// Top of the program's stack.
const STACK_TOP: u32 = 0xf000_0000;
/// Bytes of stack.
const STACK_BYTES: u32 = 8 << 20;
/// Most bytes the program break may be moved up.
const HEAP_LIMIT: u32 = 1 << 30;
/// Largest `write` that is carried out in one go; longer ones are cut, as Linux may.
const WRITE_LIMIT: u32 = 1 << 20;
const ENOSYS: i32 = -38;
const EFAULT: i32 = -14;
const EBADF: i32 = -9;

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
    /// A segment could not be filled.
    #[error("cannot fill a segment: {0}")]
    Fill(#[from] MemFault),
    /// No memory for the emulator.
    #[error("no memory: {0}")]
    Memory(#[from] std::io::Error),
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
    space: AddressSpace,
    cpu: Cpu,
    thread: Thread,
    heap: u32,
    brk: u32,
    warned: BTreeSet<u32>,
}

fn map_error(what: &'static str) -> impl Fn(MapError) -> ExecError {
    move |source| ExecError::Map { what, source }
}

impl Program {
    /// Loads a static ELF file.
    pub fn load(file: &[u8], arch: Arch) -> Result<Program, ExecError> {
        let elf = Elf::parse(file).map_err(|e| ExecError::Elf(e.to_string()))?;
        if elf.is_64 || !elf.little_endian || elf.header.e_machine != goblin::elf::header::EM_QDSP6 {
            return Err(ExecError::Elf("another machine".to_string()));
        }
        // The address space wants a bus; nothing of this program goes there.
        let ram = GuestRam::anonymous(PAGE_SIZE as usize, 0)?;
        let bus = Bus::new(ram, 0, iommu::Geometry::SMALL, Arc::new(NoFaultLine));
        let space = AddressSpace::new(Arc::new(bus), 0);
        let page = PAGE_SIZE;
        let mut end = 0u32;
        let mut mapped = BTreeSet::new();
        for ph in elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD) {
            let (Ok(va), Ok(size)) = (u32::try_from(ph.p_vaddr), u32::try_from(ph.p_memsz)) else {
                return Err(ExecError::Elf("segment outside 32 bits".to_string()));
            };
            let Some(top) = va
                .checked_add(size)
                .and_then(|t| t.checked_next_multiple_of(page))
            else {
                return Err(ExecError::Elf("segment outside 32 bits".to_string()));
            };
            let mut at = va & !(page - 1);
            while at < top {
                // Segments may share a page.
                if mapped.insert(at) {
                    space
                        .map_anonymous(Some(at), page, Prot::RWX)
                        .map_err(map_error("a segment"))?;
                }
                at += page;
            }
            let bytes = usize::try_from(ph.p_offset)
                .ok()
                .zip(usize::try_from(ph.p_filesz).ok())
                .and_then(|(o, n)| file.get(o..o.checked_add(n)?))
                .ok_or_else(|| ExecError::Elf("truncated segment".to_string()))?;
            space.store(va, bytes)?;
            end = end.max(top);
        }
        space
            .map_anonymous(Some(STACK_TOP - STACK_BYTES), STACK_BYTES, Prot::RW)
            .map_err(map_error("the stack"))?;
        let mut thread = Thread::new(elf.entry as u32);
        thread.regs.r[29] = STACK_TOP - 256;
        Ok(Program {
            space,
            cpu: Cpu::new(arch),
            thread,
            heap: end,
            brk: end,
            warned: BTreeSet::new(),
        })
    }

    /// Runs the program to its end, at most about `budget` packets. What it writes to file descriptors 1 and 2 goes to `out`.
    pub fn run(mut self, out: &mut dyn Write, budget: u64) -> Result<Ended, ExecError> {
        while self.thread.packets < budget {
            match self.cpu.run(&mut self.thread, &self.space, 1 << 20) {
                Exit::Budget | Exit::Yield => {}
                Exit::Trap0 { imm: 1 } => {
                    if let Some(status) = self.syscall(out)? {
                        return Ok(Ended {
                            status,
                            thread: self.thread,
                        });
                    }
                }
                Exit::Trap0 { imm } => return self.unsupported(format!("trap0(#{imm})")),
                Exit::Trap1 { imm } => return self.unsupported(format!("trap1(#{imm})")),
                Exit::Exception(e) => return Err(ExecError::Crash(e)),
            }
        }
        Err(ExecError::Budget(budget))
    }

    /// The program's memory, for tests that look into it.
    pub fn memory(&self) -> &AddressSpace {
        &self.space
    }

    fn unsupported<T>(&self, what: String) -> Result<T, ExecError> {
        Err(ExecError::Unsupported {
            pc: self.thread.regs.pc,
            what,
        })
    }

    /// Carries out one system call; the exit status if it was the last.
    fn syscall(&mut self, out: &mut dyn Write) -> Result<Option<i32>, ExecError> {
        let r = |n: usize| self.thread.regs.r[n];
        let (number, a, b, c) = (r(6), r(0), r(1), r(2));
        let result = match number {
            64 => self.write(out, a, b, c),
            93 | 94 => return Ok(Some(a as i32)),
            113 => self.clock(b, false),
            403 => self.clock(b, true),
            178 => 1,
            214 => self.set_brk(a) as i32,
            n => {
                if self.warned.insert(n) {
                    tracing::warn!(target: "emu::exec", number = n, "system call is not modelled");
                }
                ENOSYS
            }
        };
        self.thread.regs.r[0] = result as u32;
        Ok(None)
    }

    fn write(&self, out: &mut dyn Write, fd: u32, va: u32, len: u32) -> i32 {
        if fd != 1 && fd != 2 {
            return EBADF;
        }
        let mut bytes = vec![0; len.min(WRITE_LIMIT) as usize];
        if self.space.load(va, &mut bytes).is_err() || out.write_all(&bytes).is_err() {
            return EFAULT;
        }
        bytes.len() as i32
    }

    /// `clock_gettime` with 32-bit or 64-bit fields; every clock is the thread's time.
    fn clock(&self, va: u32, wide: bool) -> i32 {
        let ns = self.thread.time.nanos(self.thread.packets);
        let (s, ns) = (ns / 1_000_000_000, ns % 1_000_000_000);
        let stored = if wide {
            self.space
                .store(va, &[s.to_le_bytes(), ns.to_le_bytes()].concat())
        } else {
            self.space.store(
                va,
                &[(s as u32).to_le_bytes(), (ns as u32).to_le_bytes()].concat(),
            )
        };
        if stored.is_ok() { 0 } else { EFAULT }
    }

    /// Moves the program break if it can; answers where it is.
    fn set_brk(&mut self, to: u32) -> u32 {
        let page = PAGE_SIZE;
        if to < self.heap || to - self.heap > HEAP_LIMIT {
            return self.brk;
        }
        let (old, new) = (self.brk.next_multiple_of(page), to.next_multiple_of(page));
        if new > old && self.space.map_anonymous(Some(old), new - old, Prot::RW).is_err() {
            return self.brk;
        }
        self.brk = self.brk.max(to);
        to
    }
}
