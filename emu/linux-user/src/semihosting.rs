//! Angel semihosting: `trap0(#0)` with the operation in R0 and its parameter, mostly the address of a block of words, in R1.
//! The result comes in R0, on errors -1 with an error number in R1.
//!
//! Source of truth: the numbers and blocks that public runtime libraries and Qualcomm's public QEMU fork use; where the
//! latter has no answer (HEAPINFO) or a peculiar one (CLOCK since 1970), Arm's Angel. Not modelled: profiling, core dumps,
//! directories, SYSTEM; they answer -1 and ENOSYS. `qemu-hexagon` in user mode takes every trap0 for a system call.

use super::console::Console;
use super::error::{End, ExecError};
use super::files::{AT_FDCWD, Open, errno};
use super::process::Process;
use super::stack;
use super::stat::{About, realtime};

/// A semihosting operation.
mod op {
    pub(super) const OPEN: u32 = 0x01;
    pub(super) const CLOSE: u32 = 0x02;
    pub(super) const WRITEC: u32 = 0x03;
    pub(super) const WRITE0: u32 = 0x04;
    pub(super) const WRITE: u32 = 0x05;
    pub(super) const READ: u32 = 0x06;
    pub(super) const READC: u32 = 0x07;
    pub(super) const ISERROR: u32 = 0x08;
    pub(super) const ISTTY: u32 = 0x09;
    pub(super) const SEEK: u32 = 0x0a;
    pub(super) const FLEN: u32 = 0x0c;
    pub(super) const TMPNAM: u32 = 0x0d;
    pub(super) const REMOVE: u32 = 0x0e;
    pub(super) const RENAME: u32 = 0x0f;
    pub(super) const CLOCK: u32 = 0x10;
    pub(super) const TIME: u32 = 0x11;
    pub(super) const ERRNO: u32 = 0x13;
    pub(super) const GET_CMDLINE: u32 = 0x15;
    pub(super) const HEAPINFO: u32 = 0x16;
    pub(super) const EXCEPTION: u32 = 0x18;
    pub(super) const READ_CYCLES: u32 = 0x40;
    pub(super) const WRITECREG: u32 = 0x43;
    pub(super) const READ_TCYCLES: u32 = 0x44;
    pub(super) const READ_ICOUNT: u32 = 0x47;
    pub(super) const READ_PCYCLES: u32 = 0x52;
    pub(super) const FTELL: u32 = 0x100;
    pub(super) const FSTAT: u32 = 0x101;
    pub(super) const STAT: u32 = 0x103;
    pub(super) const ACCESS: u32 = 0x105;
    pub(super) const FTRUNC: u32 = 0x186;
}

/// Bytes of heap that HEAPINFO gives a program.
const HEAP: u32 = 64 << 20;
/// Longest text of WRITE0.
const TEXT: usize = 1 << 20;
/// Bytes that a temporary name takes.
const NAME: usize = 40;

/// Angel's fourteen ways to open a file, as flags.
const MODES: [i32; 14] = {
    use libc::{O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};
    const NEW: i32 = O_CREAT | O_TRUNC;
    const END: i32 = O_CREAT | O_APPEND;
    [
        O_RDONLY,
        O_RDONLY,
        O_RDWR,
        O_RDWR,
        O_WRONLY | NEW,
        O_WRONLY | NEW,
        O_RDWR | NEW,
        O_RDWR | NEW,
        O_WRONLY | END,
        O_WRONLY | END,
        O_RDWR | END,
        O_RDWR | END,
        O_RDWR | O_CREAT,
        O_RDWR | O_CREAT | O_EXCL,
    ]
};

impl Process {
    /// Carries out one semihosting operation; how the program ended if it was the last.
    pub(super) fn semihosting_call(&mut self, console: &mut dyn Console) -> Result<Option<End>, ExecError> {
        let r = &self.thread.regs.r;
        let (operation, block) = (r[0], r[1]);
        if operation == op::EXCEPTION {
            return Ok(Some(End::Status(r[2] as i32)));
        }
        match self.operation(operation, block, console) {
            Ok(value) => self.thread.regs.r[0] = value,
            Err(libc::EPIPE) => return Ok(Some(End::Signal(libc::SIGPIPE as u8))),
            Err(e) => {
                self.errno = e;
                self.thread.regs.r[0] = u32::MAX;
                self.thread.regs.r[1] = e as u32;
            }
        }
        Ok(None)
    }

    /// Word `n` of a block.
    fn word(&self, block: u32, n: u32) -> Result<u32, i32> {
        self.memory.word(block.wrapping_add(4 * n))
    }

    fn operation(&mut self, operation: u32, block: u32, console: &mut dyn Console) -> Result<u32, i32> {
        let word = |n| self.word(block, n);
        match operation {
            op::OPEN => {
                let path = self.memory.string(word(0)?)?;
                let flags = MODES.get(word(1)? as usize).ok_or(libc::EINVAL)?;
                // By this name a program asks for its console.
                if path == b":tt" {
                    return Ok(u32::from(*flags != libc::O_RDONLY));
                }
                self.files.open(AT_FDCWD, &path, *flags, 0o644)
            }
            op::CLOSE => match word(0)? {
                0..=2 => Ok(0),
                fd => self.files.close(fd).map(|()| 0),
            },
            op::WRITEC => {
                let c = self.memory.bytes(block, 1)?;
                self.print(&c, console)
            }
            op::WRITECREG => self.print(&[block as u8], console),
            op::WRITE0 => {
                let text = self
                    .memory
                    .space
                    .read_cstr(block, TEXT)
                    .map_err(|_| libc::EFAULT)?;
                self.print(&text, console)
            }
            op::WRITE => {
                let (fd, at, len) = (word(0)?, word(1)?, word(2)?);
                Ok(len.wrapping_sub(self.write(fd, at, len, console)?))
            }
            op::READ => {
                let (fd, at, len) = (word(0)?, word(1)?, word(2)?);
                Ok(len.wrapping_sub(self.read(fd, at, len, console)?))
            }
            op::READC => {
                let mut c = [0];
                match self.files.read(0, console, &mut c)? {
                    0 => Ok(u32::MAX),
                    _ => Ok(u32::from(c[0])),
                }
            }
            op::ISERROR => Ok(if (word(0)? as i32) < 0 { u32::MAX } else { 0 }),
            op::ISTTY => Ok(u32::from(self.files.is_terminal(word(0)?, console)?)),
            op::SEEK => {
                let (fd, at) = (word(0)?, word(1)?);
                Ok(self.files.seek(fd, i64::from(at), 0)? as u32)
            }
            op::FTELL => Ok(self.files.seek(word(0)?, 0, 1)? as u32),
            op::FLEN => match self.files.get(word(0)?)? {
                Open::File(file, _) => {
                    let len = file.metadata().map_err(|e| errno(&e))?.len();
                    Ok(len as u32)
                }
                Open::Console(_) => Err(libc::ESPIPE),
            },
            op::FTRUNC => {
                let len = u64::from(word(1)?) | u64::from(word(2)?) << 32;
                self.files.truncate(word(0)?, len).map(|()| 0)
            }
            op::TMPNAM => self.temporary_name(word(0)?, word(1)?, word(2)?),
            op::REMOVE => {
                let path = self.counted(word(0)?, word(1)?)?;
                let path = self.files.path(AT_FDCWD, &path)?;
                std::fs::remove_file(path).map(|()| 0).map_err(|e| errno(&e))
            }
            op::RENAME => {
                let from = self.counted(word(0)?, word(1)?)?;
                let to = self.counted(word(2)?, word(3)?)?;
                let (from, to) = (self.files.path(AT_FDCWD, &from)?, self.files.path(AT_FDCWD, &to)?);
                std::fs::rename(from, to).map(|()| 0).map_err(|e| errno(&e))
            }
            op::CLOCK => Ok((self.thread.time.nanos(self.thread.packets) / 10_000_000) as u32),
            op::TIME => Ok(realtime().as_secs() as u32),
            op::ERRNO => Ok(self.errno as u32),
            op::GET_CMDLINE => {
                let (at, size) = (word(0)?, word(1)?);
                let room = size.checked_sub(1).ok_or(libc::EINVAL)? as usize;
                let mut text = self.command.clone();
                let whole = text.len();
                text.truncate(room);
                let left = whole - text.len();
                text.push(0);
                self.memory.store(at, &text)?;
                Ok(left as u32)
            }
            op::HEAPINFO => {
                let at = word(0)?;
                let (start, brk) = self.memory.heap();
                let limit = start.checked_add(HEAP).ok_or(libc::ENOMEM)?;
                if brk < limit && self.memory.set_brk(limit) != limit {
                    return Err(libc::ENOMEM);
                }
                let words = [start, limit, stack::TOP, stack::TOP - stack::BYTES];
                self.memory.store(at, &words.map(u32::to_le_bytes).concat())
            }
            op::READ_CYCLES | op::READ_TCYCLES | op::READ_ICOUNT => {
                self.thread.regs.r[1] = 0;
                Ok(0)
            }
            op::READ_PCYCLES => {
                let cycles = self.thread.time.upcycle(self.thread.packets);
                self.thread.regs.r[1] = (cycles >> 32) as u32;
                Ok(cycles as u32)
            }
            op::STAT | op::FSTAT => {
                let known = if operation == op::FSTAT {
                    self.files.metadata(word(0)?, console)?
                } else {
                    let path = self.files.path(AT_FDCWD, &self.memory.string(word(0)?)?)?;
                    Some(std::fs::metadata(path).map_err(|e| errno(&e))?)
                };
                self.memory.store(word(1)?, &About::new(known.as_ref()).angel())
            }
            op::ACCESS => {
                let path = self.memory.string(word(0)?)?;
                self.files.access(AT_FDCWD, &path, word(1)?, 0).map(|()| 0)
            }
            n => {
                self.not_modelled("semihosting operation", n);
                Err(libc::ENOSYS)
            }
        }
    }

    fn print(&mut self, text: &[u8], console: &mut dyn Console) -> Result<u32, i32> {
        let mut rest = text;
        while !rest.is_empty() {
            let n = self.files.write(1, console, rest)?;
            if n == 0 {
                return Err(libc::EIO);
            }
            rest = rest.get(n..).unwrap_or_default();
        }
        Ok(0)
    }

    /// A path that comes with its length.
    fn counted(&self, at: u32, len: u32) -> Result<Vec<u8>, i32> {
        if len > 4096 {
            return Err(libc::ENAMETOOLONG);
        }
        let mut path = self.memory.bytes(at, len)?;
        if let Some(nul) = path.iter().position(|b| *b == 0) {
            path.truncate(nul);
        }
        Ok(path)
    }

    /// A name in /tmp that is not taken yet.
    fn temporary_name(&mut self, at: u32, id: u32, room: u32) -> Result<u32, i32> {
        if !self.files.allowed() {
            return Err(libc::EACCES);
        }
        let free = (0..1000)
            .map(|n| format!("/tmp/hexagon-{}-{id}-{n}", std::process::id()))
            .find(|name| name.len() < NAME && !std::path::Path::new(name).exists())
            .ok_or(libc::EEXIST)?;
        if (room as usize) <= free.len() {
            return Err(libc::ERANGE);
        }
        self.memory.store(at, &[free.as_bytes(), &[0]].concat())
    }
}
