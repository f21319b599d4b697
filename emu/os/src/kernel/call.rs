//! The calling convention between guest code and the functions that skeletons import.
//!
//! Bare-metal Hexagon ABI: named arguments in r0..r5, 64-bit ones in even pairs, further ones and *all* variadic ones on
//! the stack (4-byte slots, 64-bit values aligned to 8); `va_list` is a plain pointer to them; results in r0 or r1:0.

use super::asking::Question;
use super::continuation::{Answered, Retry, Then};
use super::state::Kernel;
use crate::clock::Time;
use crate::objects::TooMany;
use crate::sched::{DspThread, Wait};
use emu_core::mem::PAGE;
use emu_core::memory::{FaultWord, MemFault, Memory as _};
use rpmsg::Aee;

/// Why an imported function could not be carried out: the process crashes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// It touched memory that the process may not touch.
    #[error("{0}")]
    Fault(#[from] MemFault),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Because(String),
}

/// The table of objects is full: a real DSP has no such limit, so there is no code for it.
impl From<TooMany> for Stop {
    fn from(_: TooMany) -> Self {
        Self::because("too many synchronisation objects are in use")
    }
}

impl From<FaultWord> for Stop {
    fn from(fault: FaultWord) -> Self {
        MemFault::from(fault).into()
    }
}

impl Stop {
    /// A crash with this sentence.
    pub fn because(why: impl Into<String>) -> Self {
        Self::Because(why.into())
    }
}

/// What becomes of the thread after an imported function.
pub enum Outcome {
    /// It goes on; results are in its registers.
    Return,
    /// It goes on, but others of its priority come first.
    Yield,
    /// It is parked until something wakes it, or until the time, when the function returns the value.
    Park(Wait, Option<(Time, u32)>),
    /// A guest function is called with these register arguments; then this is done.
    Enter(u32, Vec<u32>, Then),
    /// It is parked while the AP is asked for this many bytes; then this is done.
    Grow(u32, Retry),
    /// It is parked while the AP is asked for something of its files; then this is done.
    Ask(Box<Question>, Answered),
    /// It ends with this status.
    Exit(u32),
    /// The whole process ends, without a crash, with this status.
    EndProcess(u32),
}

/// What an imported function returns.
pub type Done = Result<Outcome, Stop>;

/// Longest guest string that is looked at.
pub const MAX_STRING: usize = 1 << 20;

/// An imported function being called: the process and the thread that calls.
pub struct Call<'a> {
    /// The process.
    pub os: &'a mut Kernel,
    /// The thread, taken out of the process's table while it runs.
    pub thread: &'a mut DspThread,
}

impl Call<'_> {
    /// The calling thread's priority: 1 highest … 255 lowest.
    pub fn priority(&self) -> u8 {
        self.os.sched.priority(self.thread.id).unwrap_or(u8::MAX)
    }

    /// Argument word `n` (r0..r5, then the stack).
    pub fn arg(&self, n: usize) -> Result<u32, Stop> {
        match n {
            0..6 => Ok(self.thread.core.regs.r[n]),
            _ => Ok(self
                .os
                .space
                .load32(self.sp().wrapping_add((n as u32 - 6).wrapping_mul(4)))?),
        }
    }

    /// The 64-bit argument in the pair r(n+1):n.
    pub fn arg64(&self, n: usize) -> u64 {
        let r = &self.thread.core.regs.r;
        u64::from(r[n]) | u64::from(r[n + 1]) << 32
    }

    /// A `float` argument.
    pub fn arg_f32(&self, n: usize) -> f32 {
        f32::from_bits(self.thread.core.regs.r[n])
    }

    /// A `double` argument in the pair r(n+1):n.
    pub fn arg_f64(&self, n: usize) -> f64 {
        f64::from_bits(self.arg64(n))
    }

    /// Where the calling thread's `errno` is; that of the process if it has none of its own.
    pub fn errno(&mut self) -> Result<Option<u32>, Stop> {
        match self.os.lib.errnos.of(self.thread.id) {
            Some((at, new)) => {
                if new {
                    self.store32(at, 0)?;
                }
                Ok(Some(at))
            }
            None => Ok(self.os.builtins.errno()),
        }
    }

    /// Sets the calling thread's `errno`, and the process's, which is the last of any thread.
    pub fn set_errno(&mut self, number: u32) -> Result<(), Stop> {
        let places = [self.errno()?, self.os.builtins.errno()];
        places
            .into_iter()
            .flatten()
            .try_for_each(|at| self.store32(at, number))
    }

    /// The stack pointer: where stack arguments start.
    pub fn sp(&self) -> u32 {
        self.thread.core.regs.r[29]
    }

    /// Sets r0.
    pub fn set(&mut self, v: u32) {
        self.thread.core.regs.r[0] = v;
    }

    /// Returns a word.
    pub fn ret(&mut self, v: u32) -> Done {
        self.set(v);
        Ok(Outcome::Return)
    }

    /// Says in the log what becomes of something that the process does, once for each such thing.
    pub fn tell_once(&mut self, what: &'static str, becomes: &str) {
        if self.os.lib.told.insert(what) {
            let process = &self.os.shared.config.name;
            tracing::warn!(target: "emu::os", process, "{what} {becomes}");
        }
    }

    /// Returns a result code.
    pub fn ret_code(&mut self, code: Aee) -> Done {
        self.ret(code.0)
    }

    /// Returns a doubleword.
    pub fn ret64(&mut self, v: u64) -> Done {
        self.thread.core.regs.r[0] = v as u32;
        self.thread.core.regs.r[1] = (v >> 32) as u32;
        Ok(Outcome::Return)
    }

    /// Returns a `float`.
    pub fn ret_f32(&mut self, v: f32) -> Done {
        self.ret(v.to_bits())
    }

    /// Returns a `double`.
    pub fn ret_f64(&mut self, v: f64) -> Done {
        self.ret64(v.to_bits())
    }

    /// Variable arguments of a `...` function.
    pub fn va(&self) -> VaList {
        VaList { at: self.sp() }
    }

    /// Loads bytes.
    pub fn load(&self, va: u32, len: u32) -> Result<Vec<u8>, Stop> {
        // Mapped memory is bounded, so a length that cannot be mapped is found before it is allocated for.
        self.check_readable(va, len)?;
        let mut out = vec![0; len as usize];
        self.os.space.load(va, &mut out)?;
        Ok(out)
    }

    /// Faults unless all pages of the range can be read.
    pub fn check_readable(&self, va: u32, len: u32) -> Result<(), Stop> {
        let Some(last) = len.checked_sub(1) else {
            return Ok(());
        };
        let mut at = va;
        let end = u64::from(va) + u64::from(last);
        loop {
            self.os.space.load8(at)?;
            let next = (u64::from(at) / PAGE + 1) * PAGE;
            if next > end {
                return Ok(());
            }
            // Past the top of the address space nothing is mapped: fault there.
            at = u32::try_from(next).or_else(|_| self.os.space.load8(u32::MAX).map(|_| u32::MAX))?;
            if at == u32::MAX {
                return Err(Stop::because("a range runs over the end of the address space"));
            }
        }
    }

    /// Stores bytes.
    pub fn store(&self, va: u32, bytes: &[u8]) -> Result<(), Stop> {
        if !bytes.is_empty() {
            self.os.space.store(va, bytes)?;
        }
        Ok(())
    }

    /// Loads a byte.
    pub fn load8(&self, va: u32) -> Result<u8, Stop> {
        Ok(self.os.space.load8(va)?)
    }

    /// Loads a word.
    pub fn load32(&self, va: u32) -> Result<u32, Stop> {
        Ok(self.os.space.load32(va)?)
    }

    /// Loads a doubleword.
    pub fn load64(&self, va: u32) -> Result<u64, Stop> {
        Ok(self.os.space.load64(va)?)
    }

    /// Stores a byte.
    pub fn store8(&self, va: u32, v: u8) -> Result<(), Stop> {
        Ok(self.os.space.store8(va, v)?)
    }

    /// Stores a word.
    pub fn store32(&self, va: u32, v: u32) -> Result<(), Stop> {
        Ok(self.os.space.store32(va, v)?)
    }

    /// Stores a doubleword.
    pub fn store64(&self, va: u32, v: u64) -> Result<(), Stop> {
        Ok(self.os.space.store64(va, v)?)
    }

    /// A NUL-terminated string, without its NUL. Longer than 1 MiB: the process crashes.
    pub fn cstr(&self, va: u32) -> Result<Vec<u8>, Stop> {
        let s = self.cstr_max(va, MAX_STRING)?;
        if s.len() >= MAX_STRING {
            return Err(Stop::because(format!(
                "string at {va:#010x} has no end within 1 MiB"
            )));
        }
        Ok(s)
    }

    /// At most `max` bytes of a string, fewer if its NUL comes first. Reads no page that it does not need.
    pub fn cstr_max(&self, va: u32, max: usize) -> Result<Vec<u8>, Stop> {
        let mut out = Vec::new();
        let mut at = va;
        let mut chunk = [0u8; 256];
        while out.len() < max {
            let room = (256 - (at & 0xff)) as usize;
            let part = &mut chunk[..room.min(max - out.len())];
            self.os.space.load(at, part)?;
            if let Some(end) = part.iter().position(|&b| b == 0) {
                out.extend_from_slice(&part[..end]);
                break;
            }
            out.extend_from_slice(part);
            at = at
                .checked_add(part.len() as u32)
                .ok_or_else(|| Stop::because("a string runs over the end of the address space"))?;
        }
        Ok(out)
    }

    /// A string for people.
    pub fn text(&self, va: u32) -> Result<String, Stop> {
        if va == 0 {
            return Ok("(null)".into());
        }
        Ok(String::from_utf8_lossy(&self.cstr_max(va, 4096)?).into_owned())
    }
}

/// A guest `va_list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaList {
    /// Where the next argument is.
    pub at: u32,
}

impl VaList {
    /// The next 32-bit argument.
    pub fn word(&mut self, call: &Call<'_>) -> Result<u32, Stop> {
        let at = self.at.wrapping_add(3) & !3;
        self.at = at.wrapping_add(4);
        call.load32(at)
    }

    /// The next 64-bit argument.
    pub fn double_word(&mut self, call: &Call<'_>) -> Result<u64, Stop> {
        let at = self.at.wrapping_add(7) & !7;
        self.at = at.wrapping_add(8);
        call.load64(at)
    }
}
