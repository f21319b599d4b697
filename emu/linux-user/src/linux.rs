//! Linux system calls: which [number](super::numbers) does what, and the calls that need no file of their own.
//!
//! Constants of the generic architecture are the host's (`libc`): x86-64 and arm64 have the same. Hexagon's calling
//! convention: number in R6, arguments in R0-R5, a 64-bit argument in an even pair; the result in R0, errors from -1 to
//! -4095. A program may ignore and block signals ([`Signals`](super::signals)), not handle them. Users and groups are those of
//! [`stack::ID`](super::stack).

use std::time::Duration;

use super::console::Console;
use super::error::{End, ExecError};
use super::files::{AT_FDCWD, errno};
use super::memory::IO_LIMIT;
use super::numbers as nr;
use super::process::Process;
use super::signals::{Action, SET};
use super::stack;
use super::stat::{About, realtime};
use emu_core::memory::Memory;

/// Most parts of a readv or writev.
const IOV_MAX: u32 = 1024;
const MREMAP_MAYMOVE: u32 = 1;
const AT_REMOVEDIR: u32 = 0x200;
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_NO_AUTOMOUNT: u32 = 0x800;
const AT_EMPTY_PATH: u32 = 0x1000;
/// Which of a file's facts statx wants to be fresh; all are.
const AT_STATX_SYNC_TYPE: u32 = 0x6000;
/// Flags of an open file that F_SETFL changes.
const CHANGEABLE: u32 = (libc::O_APPEND | libc::O_NONBLOCK | libc::O_ASYNC | libc::O_NOATIME) as u32;
/// The process and its only thread.
const PID: u32 = 1;

/// What a call answers: a value, or an error number.
pub(super) type Answer = Result<u32, i32>;

impl Process {
    /// Carries out one system call; how the program ended if it was the last.
    pub(super) fn system_call(&mut self, console: &mut dyn Console) -> Result<Option<End>, ExecError> {
        let r = |n: usize| self.thread.regs.r[n];
        let number = r(6);
        let a = [r(0), r(1), r(2), r(3), r(4), r(5)];
        match (number, a) {
            (nr::EXIT | nr::EXIT_GROUP, [status, ..]) => return Ok(Some(End::Status(status as i32))),
            // A futex that nobody else can ever change.
            (nr::FUTEX | nr::FUTEX_TIME64, [va, op, value, 0, ..])
                if matches!(futex(op), libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET)
                    && self.memory.space.load32(va).is_ok_and(|now| now == value) =>
            {
                return self.unsupported(format!(
                    "the only thread waits for a futex at {va:#010x} for ever"
                ));
            }
            _ => {}
        }
        let answer = self.call(number, a, console);
        if answer == Err(libc::EPIPE) && matches!(number, nr::WRITE | nr::WRITEV) {
            // A signal that there is.
            let _ = self.signals.send(libc::SIGPIPE as u32);
        }
        self.thread.regs.r[0] = match answer {
            Ok(v) => v,
            Err(e) => e.wrapping_neg() as u32,
        };
        Ok(self.signals.fatal().map(End::Signal))
    }

    fn call(&mut self, number: u32, args: [u32; 6], console: &mut dyn Console) -> Answer {
        let [a, b, c, d, e, _] = args;
        match number {
            nr::GETCWD => self.getcwd(a, b),
            nr::DUP => self.files.duplicate(a, 0),
            nr::DUP3 => {
                if a == b || c & !(libc::O_CLOEXEC as u32) != 0 {
                    return Err(libc::EINVAL);
                }
                self.files.duplicate_to(a, b)
            }
            nr::FCNTL64 => self.fcntl(a, b, c),
            nr::IOCTL => self.ioctl(a, b, c, console),
            nr::MKDIRAT => {
                let path = self.path_at(a, b)?;
                use std::os::unix::fs::DirBuilderExt;
                done(std::fs::DirBuilder::new().mode(c & 0o7777).create(path))
            }
            nr::UNLINKAT => {
                known(c, AT_REMOVEDIR)?;
                let path = self.path_at(a, b)?;
                done(if c & AT_REMOVEDIR != 0 {
                    std::fs::remove_dir(path)
                } else {
                    std::fs::remove_file(path)
                })
            }
            nr::RENAMEAT | nr::RENAMEAT2 => {
                if number == nr::RENAMEAT2 && e != 0 {
                    return Err(libc::EINVAL);
                }
                done(std::fs::rename(self.path_at(a, b)?, self.path_at(c, d)?))
            }
            nr::FTRUNCATE64 => self.files.truncate(a, wide(c, d)).map(|()| 0),
            nr::FACCESSAT | nr::FACCESSAT2 => {
                // Only the second one has flags.
                let flags = if number == nr::FACCESSAT2 { d } else { 0 };
                let path = self.memory.string(b)?;
                self.files.access(a as i32, &path, c, flags).map(|()| 0)
            }
            nr::OPENAT => {
                let path = self.memory.string(b)?;
                self.files.open(a as i32, &path, c as i32, d)
            }
            nr::CLOSE => self.files.close(a).map(|()| 0),
            nr::LLSEEK => {
                let at = self.files.seek(a, wide(c, b) as i64, e)?;
                self.memory.store(d, &at.to_le_bytes())
            }
            nr::READ => self.read(a, b, c, console),
            nr::WRITE => self.write(a, b, c, console),
            nr::READV => self.vector(b, c, |p, va, len| p.read(a, va, len, console)),
            nr::WRITEV => self.vector(b, c, |p, va, len| p.write(a, va, len, console)),
            nr::PREAD64 => {
                let mut bytes = vec![0; c.min(IO_LIMIT) as usize];
                let n = self.files.read_at(a, &mut bytes, wide(e, args[5]))?;
                bytes.truncate(n);
                self.memory.store(b, &bytes)?;
                Ok(n as u32)
            }
            nr::PWRITE64 => {
                let bytes = self.memory.bytes(b, c)?;
                let n = self.files.write_at(a, &bytes, wide(e, args[5]))?;
                Ok(n as u32)
            }
            nr::READLINKAT => self.readlink(a, b, c, d),
            nr::FSTATAT64 => {
                known(d, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)?;
                let about = self.about(a, b, d, console)?;
                self.memory.store(c, &about.stat64())
            }
            nr::FSTAT64 => {
                let about = About::new(self.files.metadata(a, console)?.as_ref());
                self.memory.store(b, &about.stat64())
            }
            nr::STATX => {
                known(
                    c,
                    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE,
                )?;
                let about = self.about(a, b, c, console)?;
                self.memory.store(e, &about.statx())
            }
            nr::SET_TID_ADDRESS | nr::GETTID | nr::GETPID => Ok(PID),
            nr::GETPPID => Ok(0),
            nr::GETUID | nr::GETEUID | nr::GETGID | nr::GETEGID => Ok(stack::ID),
            nr::FUTEX | nr::FUTEX_TIME64 => self.futex(a, b, c, d, number == nr::FUTEX_TIME64),
            nr::NANOSLEEP => self.sleep(None, a, false),
            nr::CLOCK_NANOSLEEP | nr::CLOCK_NANOSLEEP_TIME64 => {
                clock_known(a)?;
                let until = (b & libc::TIMER_ABSTIME as u32 != 0).then_some(a);
                self.sleep(until, c, number == nr::CLOCK_NANOSLEEP_TIME64)
            }
            nr::CLOCK_GETTIME => self.clock(a, b, false),
            nr::CLOCK_GETTIME64 => self.clock(a, b, true),
            nr::CLOCK_GETRES | nr::CLOCK_GETRES_TIME64 => {
                clock_known(a)?;
                match (b, number) {
                    (0, _) => Ok(0),
                    (_, nr::CLOCK_GETRES) => self.memory.store(b, &[0, 0, 0, 0, 1, 0, 0, 0]),
                    _ => self.memory.store(b, &1u128.rotate_left(64).to_le_bytes()),
                }
            }
            nr::GETTIMEOFDAY => {
                let now = realtime();
                let words = [now.as_secs() as u32, now.subsec_micros()];
                self.memory.store(a, &words.map(u32::to_le_bytes).concat())
            }
            nr::SCHED_YIELD => {
                std::thread::yield_now();
                Ok(0)
            }
            // There is no other thread that could find a lock of a dead one.
            nr::SET_ROBUST_LIST => Ok(0),
            nr::SIGALTSTACK => self.signal_stack(a, b),
            nr::RT_SIGACTION => self.signal_action(a, b, c, d),
            nr::RT_SIGPROCMASK => self.signal_mask(a, b, c, d),
            nr::MADVISE => self.advise(c),
            // The one processor that there is (kernel/sched/syscalls.c: a mask is whole words).
            nr::SCHED_GETAFFINITY => {
                if b == 0 || b % 4 != 0 {
                    return Err(libc::EINVAL);
                }
                if ![0, PID].contains(&a) {
                    return Err(libc::ESRCH);
                }
                self.memory.store(c, &1u32.to_le_bytes())?;
                Ok(4)
            }
            nr::KILL | nr::TKILL => own(a).and_then(|_| self.signals.send(b)),
            nr::TGKILL => own(b).and_then(|_| self.signals.send(c)),
            nr::UNAME => self.uname(a),
            nr::GETRLIMIT => self.limits(a, b, false),
            nr::PRLIMIT64 if c != 0 => {
                self.not_modelled("a new limit: system call", nr::PRLIMIT64);
                Err(libc::ENOSYS)
            }
            nr::PRLIMIT64 => self.limits(b, d, true),
            nr::GETRUSAGE => self.usage(b),
            nr::BRK => Ok(self.memory.set_brk(a)),
            nr::MUNMAP => self.memory.munmap(a, b),
            nr::MMAP2 => {
                let files = &self.files;
                self.memory.mmap(args, || files.to_map(e))
            }
            nr::MREMAP if d & !MREMAP_MAYMOVE != 0 => {
                self.not_modelled(
                    "a named place, or more than a move, for mremap: system call",
                    nr::MREMAP,
                );
                Err(libc::ENOSYS)
            }
            nr::MREMAP => self.memory.mremap(a, b, c, d & MREMAP_MAYMOVE != 0),
            nr::MPROTECT => self.memory.mprotect(a, b, c),
            nr::GETRANDOM => {
                use std::io::Read;
                let mut bytes = vec![0; b.min(IO_LIMIT) as usize];
                std::fs::File::open("/dev/urandom")
                    .and_then(|mut f| f.read_exact(&mut bytes))
                    .map_err(|e| errno(&e))?;
                self.memory.store(a, &bytes)?;
                Ok(bytes.len() as u32)
            }
            n => {
                self.not_modelled("system call", n);
                Err(libc::ENOSYS)
            }
        }
    }

    fn path_at(&self, dir: u32, va: u32) -> Result<std::path::PathBuf, i32> {
        self.files.path(dir as i32, &self.memory.string(va)?)
    }

    /// readv and writev: `f` for each part until one is short.
    fn vector(&mut self, va: u32, count: u32, mut f: impl FnMut(&mut Self, u32, u32) -> Answer) -> Answer {
        if count > IOV_MAX {
            return Err(libc::EINVAL);
        }
        let mut total = 0u32;
        for n in 0..count {
            let word = |p: &Self, k: u32| {
                let at = va.wrapping_add(8 * n + 4 * k);
                p.memory.word(at)
            };
            let (base, len) = (word(self, 0)?, word(self, 1)?);
            if len == 0 {
                continue;
            }
            match f(self, base, len) {
                Ok(n) => {
                    total = total.saturating_add(n);
                    if n < len || total >= IO_LIMIT {
                        break;
                    }
                }
                Err(e) if total == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(total)
    }

    fn getcwd(&mut self, va: u32, size: u32) -> Answer {
        if !self.files.allowed() {
            return Err(libc::EACCES);
        }
        let dir = std::env::current_dir().map_err(|e| errno(&e))?;
        let mut text = dir.into_os_string().into_encoded_bytes();
        text.push(0);
        if text.len() > size as usize {
            return Err(libc::ERANGE);
        }
        self.memory.store(va, &text)?;
        Ok(text.len() as u32)
    }

    fn fcntl(&mut self, fd: u32, command: u32, argument: u32) -> Answer {
        match command as i32 {
            libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => self.files.duplicate(fd, argument),
            // Nothing is executed.
            libc::F_GETFD | libc::F_SETFD => self.files.get(fd).map(|_| 0),
            libc::F_SETFL if argument & CHANGEABLE == 0 => self.files.get(fd).map(|_| 0),
            libc::F_SETFL => {
                self.files.get(fd)?;
                self.not_modelled("F_SETFL with flags: system call", nr::FCNTL64);
                Err(libc::ENOSYS)
            }
            libc::F_GETFL => self.files.get(fd).map(|open| open.flags() as u32),
            _ => {
                self.files.get(fd)?;
                Err(libc::EINVAL)
            }
        }
    }

    fn ioctl(&mut self, fd: u32, request: u32, va: u32, console: &mut dyn Console) -> Answer {
        if !self.files.is_terminal(fd, console)? {
            return Err(libc::ENOTTY);
        }
        match request.into() {
            // A terminal of the usual size.
            libc::TIOCGWINSZ => self.memory.store(va, &[24, 0, 80, 0, 0, 0, 0, 0]),
            // Nothing special.
            libc::TCGETS => self.memory.store(va, &[0; 36]),
            _ => Err(libc::EINVAL),
        }
    }

    fn readlink(&mut self, dir: u32, path: u32, va: u32, len: u32) -> Answer {
        let path = self.path_at(dir, path)?;
        let target = std::fs::read_link(path).map_err(|e| errno(&e))?;
        let mut text = target.into_os_string().into_encoded_bytes();
        text.truncate(len as usize);
        self.memory.store(va, &text)?;
        Ok(text.len() as u32)
    }

    /// What fstatat and statx ask for.
    fn about(&self, dir: u32, path: u32, flags: u32, console: &dyn Console) -> Result<About, i32> {
        let path = self.memory.string(path)?;
        if path.is_empty() && flags & AT_EMPTY_PATH != 0 && dir as i32 != AT_FDCWD {
            return Ok(About::new(self.files.metadata(dir, console)?.as_ref()));
        }
        let path = self.files.path(dir as i32, &path)?;
        let known = if flags & AT_SYMLINK_NOFOLLOW != 0 {
            std::fs::symlink_metadata(path)
        } else {
            std::fs::metadata(path)
        };
        Ok(About::new(Some(&known.map_err(|e| errno(&e))?)))
    }

    /// There is one thread: nobody is woken, and who waits waits for the time given.
    fn futex(&mut self, va: u32, op: u32, value: u32, timeout: u32, time64: bool) -> Answer {
        match futex(op) {
            command @ (libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET) => {
                if self.memory.space.load32(va).map_err(|_| libc::EFAULT)? != value {
                    return Err(libc::EAGAIN);
                }
                // The second one's time is a moment, not a duration.
                let clock = match op as i32 & libc::FUTEX_CLOCK_REALTIME {
                    0 => libc::CLOCK_MONOTONIC,
                    _ => libc::CLOCK_REALTIME,
                };
                let until = (command == libc::FUTEX_WAIT_BITSET).then_some(clock as u32);
                self.sleep(until, timeout, time64)?;
                Err(libc::ETIMEDOUT)
            }
            libc::FUTEX_WAKE | libc::FUTEX_WAKE_BITSET => Ok(0),
            _ => Err(libc::ENOSYS),
        }
    }

    /// Sleeps for the time at `va`, or until that moment of a clock.
    fn sleep(&mut self, until: Option<u32>, va: u32, wide: bool) -> Answer {
        let (s, ns) = if wide {
            let word = |k| {
                self.memory
                    .space
                    .load64(va.wrapping_add(k))
                    .map_err(|_| libc::EFAULT)
            };
            (word(0)? as i64, word(8)? as i64)
        } else {
            let word = |k| {
                self.memory
                    .space
                    .load32(va.wrapping_add(k))
                    .map_err(|_| libc::EFAULT)
            };
            (i64::from(word(0)? as i32), i64::from(word(4)? as i32))
        };
        if s < 0 || !(0..1_000_000_000).contains(&ns) {
            return Err(libc::EINVAL);
        }
        let time = Duration::new(s as u64, ns as u32);
        let passed = until.map_or(Duration::ZERO, |clock| self.now(clock));
        std::thread::sleep(time.saturating_sub(passed));
        Ok(0)
    }

    /// What a clock says. Only the wall clock is not the thread's time.
    fn now(&self, clock: u32) -> Duration {
        match clock as i32 {
            libc::CLOCK_REALTIME
            | libc::CLOCK_REALTIME_COARSE
            | libc::CLOCK_REALTIME_ALARM
            | libc::CLOCK_TAI => realtime(),
            _ => Duration::from_nanos(self.thread.time.nanos(self.thread.packets)),
        }
    }

    /// `clock_gettime` with 32-bit or 64-bit fields.
    fn clock(&self, clock: u32, va: u32, wide: bool) -> Answer {
        clock_known(clock)?;
        let now = self.now(clock);
        let (s, ns) = (now.as_secs(), now.subsec_nanos());
        if wide {
            self.memory
                .store(va, &[s.to_le_bytes(), u64::from(ns).to_le_bytes()].concat())
        } else {
            self.memory
                .store(va, &[(s as u32).to_le_bytes(), ns.to_le_bytes()].concat())
        }
    }

    /// `rt_sigaction`: `struct sigaction` is handler, flags and the set (asm-generic/signal.h, which has no restorer).
    fn signal_action(&mut self, signal: u32, new: u32, old: u32, size: u32) -> Answer {
        if size != SET {
            return Err(libc::EINVAL);
        }
        let ignore = match new {
            0 => None,
            at => match Action::new(self.memory.word(at)?) {
                Action::Ignore(ignore) => Some(ignore),
                Action::Handler => {
                    self.not_modelled("rt_sigaction with a handler: system call", nr::RT_SIGACTION);
                    return Err(libc::ENOSYS);
                }
            },
        };
        let before = self.signals.act(signal, ignore)?;
        match old {
            0 => Ok(0),
            at => self.memory.store(at, &u128::from(before).to_le_bytes()),
        }
    }

    fn signal_mask(&mut self, how: u32, new: u32, old: u32, size: u32) -> Answer {
        if size != SET {
            return Err(libc::EINVAL);
        }
        let wanted = match new {
            0 => None,
            at => Some(wide(self.memory.word(at)?, self.memory.word(at.wrapping_add(4))?)),
        };
        let before = self.signals.mask(how, wanted)?;
        match old {
            0 => Ok(0),
            at => self.memory.store(at, &before.to_le_bytes()),
        }
    }

    fn signal_stack(&mut self, new: u32, old: u32) -> Answer {
        let word = |n: u32| self.memory.word(new.wrapping_add(4 * n));
        let wanted = match new {
            0 => None,
            _ => Some([word(0)?, word(1)?, word(2)?]),
        };
        let before = self.signals.stack(wanted)?;
        match old {
            0 => Ok(0),
            at => self.memory.store(at, &before.map(u32::to_le_bytes).concat()),
        }
    }

    /// `madvise`: what only makes a program faster or its dumps smaller needs no effect, and nothing forks here.
    fn advise(&mut self, advice: u32) -> Answer {
        match advice as i32 {
            libc::MADV_NORMAL
            | libc::MADV_RANDOM
            | libc::MADV_SEQUENTIAL
            | libc::MADV_WILLNEED
            | libc::MADV_FREE
            | libc::MADV_DONTFORK..=libc::MADV_DODUMP
            | libc::MADV_WIPEONFORK
            | libc::MADV_KEEPONFORK
            | libc::MADV_COLD
            | libc::MADV_PAGEOUT => Ok(0),
            libc::MADV_DONTNEED => {
                self.not_modelled("MADV_DONTNEED: system call", nr::MADVISE);
                Err(libc::ENOSYS)
            }
            _ => Err(libc::EINVAL),
        }
    }

    /// `getrusage`: the time that the packets took, as the clocks count it.
    fn usage(&self, va: u32) -> Answer {
        let time = Duration::from_nanos(self.thread.time.nanos(self.thread.packets));
        let mut words = [0; 18];
        (words[0], words[1]) = (time.as_secs() as u32, time.subsec_micros());
        self.memory.store(va, &words.map(u32::to_le_bytes).concat())
    }

    fn uname(&self, va: u32) -> Answer {
        let mut out = Vec::with_capacity(6 * 65);
        for (n, text) in ["Linux", "vhost-hexagon", "6.6.0", "#1", "hexagon", "(none)"]
            .iter()
            .enumerate()
        {
            out.extend_from_slice(text.as_bytes());
            out.resize(65 * (n + 1), 0);
        }
        self.memory.store(va, &out)
    }

    /// getrlimit and prlimit64: the stack has its size, everything else no limit.
    fn limits(&self, which: u32, va: u32, wide: bool) -> Answer {
        const RLIMIT_STACK: u32 = 3;
        if va == 0 {
            return Ok(0);
        }
        let limit = if which == RLIMIT_STACK {
            u64::from(stack::BYTES)
        } else {
            u64::MAX
        };
        if wide {
            self.memory.store(va, &[limit.to_le_bytes(); 2].concat())
        } else {
            self.memory.store(va, &[(limit as u32).to_le_bytes(); 2].concat())
        }
    }
}

/// A futex operation without its flags (private, realtime clock).
fn futex(op: u32) -> i32 {
    op as i32 & libc::FUTEX_CMD_MASK
}

/// Whether all flags are known; Linux's kernel refuses others, too.
fn known(flags: u32, all: u32) -> Result<(), i32> {
    match flags & !all {
        0 => Ok(()),
        _ => Err(libc::EINVAL),
    }
}

/// A 64-bit argument from its two registers.
fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn done(result: std::io::Result<()>) -> Answer {
    result.map(|()| 0).map_err(|e| errno(&e))
}

/// Linux's clocks.
fn clock_known(clock: u32) -> Result<(), i32> {
    // CLOCK_SGI_CYCLE was removed.
    const REMOVED: u32 = 10;
    if clock <= libc::CLOCK_TAI as u32 && clock != REMOVED {
        Ok(())
    } else {
        Err(libc::EINVAL)
    }
}

/// There is only one process to send signals to.
fn own(who: u32) -> Answer {
    if who == PID || who == 0 {
        Ok(0)
    } else {
        Err(libc::ESRCH)
    }
}
