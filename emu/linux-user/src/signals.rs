//! Signals of a program that has no handlers: which it ignores, which it blocks, and which came meanwhile.
//!
//! Sources: Linux `kernel/signal.c` (`do_sigaction`, `sigprocmask`, `do_sigaltstack`), signal(7) for what each does without a
//! handler.

/// Signals are 1 to this.
const SIGNALS: u32 = 64;
/// Bytes of a signal set.
pub(super) const SET: u32 = 8;
/// Smallest stack for signals (`MINSIGSTKSZ`), in bytes.
const LEAST_STACK: u32 = 2048;
/// `SS_DISABLE`: there is no such stack. `SS_AUTODISARM` may come with any.
const DISABLE: u32 = 2;
const AUTODISARM: u32 = 1 << 31;

/// What a program told about its signals, and those that it sent itself.
#[derive(Debug)]
pub(super) struct Signals {
    ignored: u64,
    blocked: u64,
    pending: u64,
    /// Address, flags, bytes.
    stack: [u32; 3],
}

/// What `rt_sigaction` asks for.
pub(super) enum Action {
    /// `SIG_DFL`, or `SIG_IGN` (`true`).
    Ignore(bool),
    /// A function of the program.
    Handler,
}

impl Action {
    /// From `sa_handler`.
    pub(super) fn new(handler: u32) -> Self {
        match handler {
            0 | 1 => Self::Ignore(handler == 1),
            _ => Self::Handler,
        }
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            ignored: 0,
            blocked: 0,
            pending: 0,
            stack: [0, DISABLE, 0],
        }
    }
}

/// The bit of a signal in a set; there are no others.
fn bit(signal: u32) -> Result<u64, i32> {
    match signal {
        1..=SIGNALS => Ok(1 << (signal - 1)),
        _ => Err(libc::EINVAL),
    }
}

fn set(signals: &[i32]) -> u64 {
    let bits = signals.iter().filter_map(|&signal| bit(signal as u32).ok());
    bits.fold(0, |set, bit| set | bit)
}

impl Signals {
    /// `rt_sigaction` without a handler; gives `sa_handler` as it was.
    pub(super) fn act(&mut self, signal: u32, ignore: Option<bool>) -> Result<u32, i32> {
        let bit = bit(signal)?;
        let before = u32::from(self.ignored & bit != 0);
        if let Some(ignore) = ignore {
            if bit & set(&[libc::SIGKILL, libc::SIGSTOP]) != 0 {
                return Err(libc::EINVAL);
            }
            self.ignored = if ignore {
                self.ignored | bit
            } else {
                self.ignored & !bit
            };
        }
        Ok(before)
    }

    /// `rt_sigprocmask`; gives the set that was blocked.
    pub(super) fn mask(&mut self, how: u32, signals: Option<u64>) -> Result<u64, i32> {
        let before = self.blocked;
        if let Some(signals) = signals {
            self.blocked = match how as i32 {
                libc::SIG_BLOCK => before | signals,
                libc::SIG_UNBLOCK => before & !signals,
                libc::SIG_SETMASK => signals,
                _ => return Err(libc::EINVAL),
            } & !set(&[libc::SIGKILL, libc::SIGSTOP]);
        }
        Ok(before)
    }

    /// `sigaltstack`: address, flags, bytes; gives what was there.
    pub(super) fn stack(&mut self, wanted: Option<[u32; 3]>) -> Result<[u32; 3], i32> {
        let before = self.stack;
        if let Some([at, flags, bytes]) = wanted {
            self.stack = match flags & !AUTODISARM {
                DISABLE => [0, DISABLE, 0],
                0 if bytes < LEAST_STACK => return Err(libc::ENOMEM),
                0 => [at, flags, bytes],
                _ => return Err(libc::EINVAL),
            };
        }
        Ok(before)
    }

    /// The program sends itself a signal; 0 only asks whether it is there.
    pub(super) fn send(&mut self, signal: u32) -> Result<u32, i32> {
        if signal != 0 {
            self.pending |= bit(signal)?;
        }
        Ok(0)
    }

    /// The signal that ends the program now, if one does.
    pub(super) fn fatal(&mut self) -> Option<u8> {
        let harmless = set(&[libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH]);
        self.pending &= !(self.ignored | harmless & !self.blocked);
        let now = self.pending & !self.blocked;
        (now != 0).then(|| now.trailing_zeros() as u8 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: u32 = libc::SIGTERM as u32;

    #[test]
    fn a_signal_ends_the_program_unless_it_is_ignored_or_blocked() {
        let mut s = Signals::default();
        assert_eq!((s.send(0), s.fatal()), (Ok(0), None));
        assert_eq!((s.send(TERM), s.fatal()), (Ok(0), Some(15)));
        let mut s = Signals::default();
        assert_eq!((s.act(TERM, Some(true)), s.act(TERM, None)), (Ok(0), Ok(1)));
        assert_eq!((s.send(TERM), s.fatal()), (Ok(0), None));
        // What was ignored does not come later.
        assert_eq!((s.act(TERM, Some(false)), s.fatal()), (Ok(1), None));
        assert_eq!(s.mask(libc::SIG_BLOCK as u32, Some(1 << 14)), Ok(0));
        assert_eq!((s.send(TERM), s.fatal()), (Ok(0), None));
        assert_eq!(s.mask(libc::SIG_UNBLOCK as u32, Some(!0)), Ok(1 << 14));
        assert_eq!(s.fatal(), Some(15));
        let mut s = Signals::default();
        assert_eq!((s.send(libc::SIGCHLD as u32), s.fatal()), (Ok(0), None));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut s = Signals::default();
        for signal in [0, 65, u32::MAX] {
            assert_eq!(s.act(signal, None), Err(libc::EINVAL));
        }
        for signal in [9, 19] {
            assert_eq!(s.act(signal, Some(true)), Err(libc::EINVAL));
        }
        assert_eq!(
            (s.send(65), s.mask(7, Some(1))),
            (Err(libc::EINVAL), Err(libc::EINVAL))
        );
        // How does not matter where nothing is set.
        assert_eq!(s.mask(7, None), Ok(0));
        s.mask(libc::SIG_SETMASK as u32, Some(!0)).unwrap();
        assert_eq!((s.send(9), s.fatal()), (Ok(0), Some(9)));
    }

    #[test]
    fn the_stack_for_signals_is_told_as_it_was_set() {
        let mut s = Signals::default();
        assert_eq!(s.stack(Some([0x1000, 0, 8192])), Ok([0, DISABLE, 0]));
        assert_eq!(s.stack(Some([0, DISABLE, 7])), Ok([0x1000, 0, 8192]));
        assert_eq!(s.stack(Some([0x1000, 0, 100])), Err(libc::ENOMEM));
        assert_eq!(s.stack(Some([0x1000, 4, 8192])), Err(libc::EINVAL));
        assert_eq!(s.stack(None), Ok([0, DISABLE, 0]));
    }
}
