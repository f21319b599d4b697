//! Ending in order: the signals that end a program end the guest first, so that nothing is left behind.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// Whether one of the signals came.
#[derive(Clone)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Takes the signals for this process. To be called before any thread is started: threads inherit what is blocked.
    pub fn watch(on_signal: impl FnOnce() + Send + 'static) -> std::io::Result<Self> {
        let set = block();
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

fn block() -> libc::sigset_t {
    // SAFETY: a zeroed sigset_t is a valid argument of sigemptyset, which initialises it; the other calls get valid
    // pointers to it, and valid signal numbers.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in SIGNALS {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    }
}
