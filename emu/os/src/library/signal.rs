//! `<signal.h>` as far as a process can signal itself: there is nobody else who could. `raise` calls the handler, or ends the
//! process as the signal does by default; a signal is never pending. Numbers and layouts are those of musl for Hexagon: 64 signals,
//! `sigset_t` has 128 bytes of which 8 count, `struct sigaction` 140.

use super::errno::{EINVAL, ENOTSUP, fail};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("signal", signal, "`void (*signal(int number, void (*handler)(int)))(int)`: what raise calls; what it called before, or -1 and EINVAL"),
    import("sigaction", sigaction, "`int sigaction(int number, const struct sigaction *, struct sigaction *before)`: as signal, masks do not matter; -1 and EINVAL, ENOTSUP for SA_SIGINFO"),
    import("raise", raise, "`int raise(int number)`: calls the handler, or crashes the process if that is what the signal does; -1 and EINVAL"),
    import("sigemptyset", sigemptyset, "`int sigemptyset(sigset_t *)`: none"),
    import("sigfillset", sigfillset, "`int sigfillset(sigset_t *)`: all"),
    import("sigaddset", |c| change(c, |set, bit| set | bit), "`int sigaddset(sigset_t *, int number)`: with that one; -1 and EINVAL"),
    import("sigdelset", |c| change(c, |set, bit| set & !bit), "`int sigdelset(sigset_t *, int number)`: without that one; -1 and EINVAL"),
    import("sigismember", sigismember, "`int sigismember(const sigset_t *, int number)`: is it in? -1 and EINVAL"),
    import("sigprocmask", mask, "`int sigprocmask(int how, const sigset_t *, sigset_t *before)`: nothing comes from outside that could be kept back; none were").without_effect("0"),
    import("pthread_sigmask", mask, "`int pthread_sigmask(int how, const sigset_t *, sigset_t *before)`: nothing comes from outside that could be kept back; none were").without_effect("0"),
];

/// Signals there are.
const SIGNALS: u32 = 64;
const SIGKILL: u32 = 9;
const SIGSTOP: u32 = 19;
/// Signals that do nothing by default: SIGCHLD, SIGCONT, SIGURG, SIGWINCH.
const HARMLESS: [u32; 4] = [17, 18, 23, 28];
/// Handlers that are none: `SIG_DFL`, `SIG_IGN`.
const DEFAULT: u32 = 0;
const IGNORE: u32 = 1;
/// `SIG_ERR`
const ERROR: u32 = u32::MAX;
const SA_SIGINFO: u32 = 4;
const SA_RESETHAND: u32 = 0x8000_0000;
/// Bytes of `struct sigaction`, and where its flags are; bytes of `sigset_t`.
const ACTION: usize = 140;
const FLAGS: u32 = 132;
const SET: usize = 128;

fn is_signal(number: u32) -> bool {
    (1..=SIGNALS).contains(&number)
}

/// May its handler be chosen?
fn is_free(number: u32) -> bool {
    is_signal(number) && number != SIGKILL && number != SIGSTOP
}

fn signal(c: &mut Call<'_>) -> Done {
    let (number, handler) = (c.arg(0)?, c.arg(1)?);
    if !is_free(number) || handler == ERROR {
        c.set_errno(EINVAL)?;
        return c.ret(ERROR);
    }
    let before = c.os.lib.signals.insert(number, (handler, 0));
    c.ret(before.unwrap_or_default().0)
}

fn sigaction(c: &mut Call<'_>) -> Done {
    let (number, new, before) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if !is_free(number) {
        return fail(c, EINVAL);
    }
    let wanted = match new {
        0 => None,
        at => Some((c.load32(at)?, c.load32(at.wrapping_add(FLAGS))?)),
    };
    if wanted.is_some_and(|(_, flags)| flags & SA_SIGINFO != 0) {
        return fail(c, ENOTSUP);
    }
    if before != 0 {
        let (handler, flags) = c.os.lib.signals.get(&number).copied().unwrap_or_default();
        let mut action = vec![0; ACTION];
        action[..4].copy_from_slice(&handler.to_le_bytes());
        action[FLAGS as usize..FLAGS as usize + 4].copy_from_slice(&flags.to_le_bytes());
        c.store(before, &action)?;
    }
    if let Some(wanted) = wanted {
        c.os.lib.signals.insert(number, wanted);
    }
    c.ret(0)
}

fn raise(c: &mut Call<'_>) -> Done {
    let number = c.arg(0)?;
    if !is_signal(number) {
        return fail(c, EINVAL);
    }
    let (handler, flags) = c.os.lib.signals.get(&number).copied().unwrap_or_default();
    match handler {
        IGNORE => c.ret(0),
        DEFAULT if HARMLESS.contains(&number) => c.ret(0),
        DEFAULT => Err(Stop::because(format!(
            "signal {number} was raised, and the process has no handler for it"
        ))),
        handler => {
            if flags & SA_RESETHAND != 0 {
                c.os.lib.signals.remove(&number);
            }
            let handled = |c: &mut Call<'_>, _| c.ret(0);
            Ok(Outcome::Enter(handler, vec![number], Box::new(handled)))
        }
    }
}

fn sigemptyset(c: &mut Call<'_>) -> Done {
    c.store(c.arg(0)?, &[0; SET])?;
    c.ret(0)
}

fn sigfillset(c: &mut Call<'_>) -> Done {
    let mut set = [0; SET];
    set[..8].fill(u8::MAX);
    c.store(c.arg(0)?, &set)?;
    c.ret(0)
}

fn change(c: &mut Call<'_>, how: fn(u64, u64) -> u64) -> Done {
    let (at, number) = (c.arg(0)?, c.arg(1)?);
    if !is_signal(number) {
        return fail(c, EINVAL);
    }
    // Sets are aligned to words only.
    let set = u64::from(c.load32(at)?) | u64::from(c.load32(at.wrapping_add(4))?) << 32;
    c.store(at, &how(set, 1 << (number - 1)).to_le_bytes())?;
    c.ret(0)
}

fn sigismember(c: &mut Call<'_>) -> Done {
    let (at, number) = (c.arg(0)?, c.arg(1)?);
    if !is_signal(number) {
        return fail(c, EINVAL);
    }
    let word = c.load32(at.wrapping_add(if number > 32 { 4 } else { 0 }))?;
    c.ret(word >> ((number - 1) % 32) & 1)
}

fn mask(c: &mut Call<'_>) -> Done {
    let before = c.arg(2)?;
    if before != 0 {
        c.store(before, &[0; SET])?;
    }
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn a_raised_signal_is_handled_ignored_or_deadly() {
        let mut g = Guest::new();
        assert_eq!(g.call("signal", &[2, 0x4000]), DEFAULT);
        let Ok(Outcome::Enter(0x4000, args, then)) = g.try_call("raise", &[2]) else {
            panic!("the handler is called")
        };
        assert_eq!(args, [2]);
        assert!(matches!(g.go_on(then, 99), Ok(Outcome::Return)));
        assert_eq!(g.thread.core.regs.r[0], 0);
        assert_eq!(g.call("signal", &[2, IGNORE]), 0x4000);
        assert_eq!((g.call("raise", &[2]), g.call("raise", &[17])), (0, 0));
        let Err(stop) = g.try_call("raise", &[6]) else {
            panic!("SIGABRT ends the process")
        };
        assert!(stop.to_string().contains("signal 6"), "{stop}");
        for wrong in [0, 65, 9, 19, u32::MAX] {
            assert_eq!(g.call("signal", &[wrong, 0x4000]), ERROR, "{wrong}");
        }
        assert_eq!((g.call("raise", &[0]), g.call("raise", &[65])), (ERROR, ERROR));
    }

    #[test]
    fn actions_are_told_back() {
        let mut g = Guest::new();
        let mut action = vec![0; ACTION];
        action[..4].copy_from_slice(&0x4000u32.to_le_bytes());
        action[FLAGS as usize..][..4].copy_from_slice(&SA_RESETHAND.to_le_bytes());
        let (new, before) = (g.bytes(&action), g.bytes(&[0xff; ACTION]));
        assert_eq!(g.call("sigaction", &[10, new, before]), 0);
        assert_eq!(g.word(before), DEFAULT);
        assert_eq!(g.call("sigaction", &[10, 0, before]), 0);
        assert_eq!((g.word(before), g.word(before + FLAGS)), (0x4000, SA_RESETHAND));
        assert!(matches!(
            g.try_call("raise", &[10]),
            Ok(Outcome::Enter(0x4000, ..))
        ));
        assert!(g.try_call("raise", &[10]).is_err(), "its handler was for once");
        g.write(new + FLAGS, &SA_SIGINFO.to_le_bytes());
        assert_eq!(g.call("sigaction", &[10, new, 0]), u32::MAX);
        assert_eq!(g.word(g.os.builtins.errno().unwrap()), ENOTSUP);
    }

    #[test]
    fn sets_have_64_members() {
        let mut g = Guest::new();
        let set = g.bytes(&[0x55; SET]);
        g.call("sigemptyset", &[set]);
        for number in [1, 32, 33, 64] {
            assert_eq!(g.call("sigismember", &[set, number]), 0);
            g.call("sigaddset", &[set, number]);
            assert_eq!(g.call("sigismember", &[set, number]), 1);
        }
        assert_eq!(g.read(set, 8), [1, 0, 0, 0x80, 1, 0, 0, 0x80]);
        g.call("sigdelset", &[set, 33]);
        assert_eq!(g.call("sigismember", &[set, 33]), 0);
        assert_eq!(g.call("sigaddset", &[set, 65]), u32::MAX);
        g.call("sigfillset", &[set]);
        assert_eq!((g.call("sigismember", &[set, 64]), g.word(set + 8)), (1, 0));
        assert_eq!(g.call("pthread_sigmask", &[0, set, set]), 0);
        assert_eq!(g.word(set), 0);
    }
}
