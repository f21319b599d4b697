//! Ending in order: the signals that end a program end the guest first, so that nothing is left behind.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Whether one of the signals came.
#[derive(Clone)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Takes the signals for this process. To be called before any thread is started: threads inherit what is blocked.
    pub fn watch(on_signal: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let set = block(&SIGNALS);
        let ending = Self(Arc::default());
        let flag = ending.0.clone();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut signal = 0;
                // SAFETY: the set was initialised by `block`, and both pointers are valid for the call.
                unsafe { libc::sigwait(&set, &mut signal) };
                flag.store(true, Ordering::Relaxed);
                on_signal();
            })?;
        Ok(ending)
    }

    /// Whether a signal came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The signals that end a program, and SIGQUIT (Ctrl-\\), which asks a program what it does, kept for whoever waits for them.
pub struct Waiting(libc::sigset_t);

impl Waiting {
    /// Takes the signals for this process. To be called before any thread is started: threads inherit what is blocked.
    pub fn take() -> Self {
        Self(block(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT]))
    }

    /// The next signal; `None`: none came until then.
    pub fn wait(&self, until: Option<Instant>) -> Option<i32> {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let left = left.map(|left| libc::timespec {
                tv_sec: libc::time_t::try_from(left.as_secs()).unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            let timeout = left.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            // SAFETY: the set was initialised by `block`; the time is none, or valid for the call; no details are asked for.
            let signal = unsafe { libc::sigtimedwait(&self.0, std::ptr::null_mut(), timeout) };
            if signal > 0 {
                return Some(signal);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return None;
            }
        }
    }

    /// Ends this process by a signal that was taken, as whoever sent it expects.
    pub fn end_by(&self, signal: i32) -> ! {
        // SAFETY: the signal's default action is set, and it is let through to this thread; no pointer is kept.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &self.0, std::ptr::null_mut());
        }
        // The signals that are waited for end a process.
        std::process::exit(128 + signal)
    }
}

/// Has a child take the signals itself, which it would else inherit as blocked.
pub fn unblock_in(command: &mut Command) {
    // SAFETY: the closure runs in the child between fork and exec. It makes async-signal-safe calls only, on a set of its own,
    // and touches no memory of the parent's.
    unsafe {
        command.pre_exec(|| {
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            Ok(())
        });
    }
}

fn block(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: a zeroed sigset_t is a valid argument of sigemptyset, which initialises it; the other calls get valid
    // pointers to it, and valid signal numbers.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for &signal in signals {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    }
}
