//! The timer of a DSP's device thread.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use vmm_sys_util::timerfd::TimerFd;

/// One shot at a time; its descriptor is readable when it is due.
pub struct Timer {
    fd: RawFd,
    state: Mutex<State>,
}

struct State {
    timer: TimerFd,
    /// What it is set to.
    at: Option<Instant>,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// The host has no file descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let timer = TimerFd::new().map_err(|e| std::io::Error::from_raw_os_error(e.errno()))?;
        Ok(Self {
            fd: timer.as_raw_fd(),
            state: Mutex::new(State { timer, at: None }),
        })
    }

    /// Sets it, or clears it. Costs nothing if it is set so already.
    pub fn set(&self, at: Option<Instant>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.at == at {
            return;
        }
        state.at = at;
        let result = match at {
            // Zero would mean never.
            Some(at) => {
                let wait = at.saturating_duration_since(Instant::now());
                state.timer.reset(wait.max(Duration::from_micros(1)), None)
            }
            None => state.timer.clear(),
        };
        if let Err(error) = result {
            tracing::error!(target: "emu::device", %error, "the timer cannot be set");
        }
    }

    /// Its time has come: it is not set any more, and its descriptor not readable.
    pub fn fired(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.at = None;
        // Clearing also takes a shot that was not read, so nothing here can wait.
        let _ = state.timer.clear();
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(timer: &Timer, wait: i32) -> bool {
        let mut fd = libc::pollfd {
            fd: timer.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid pollfd is passed with a count of one, and the call does not keep the pointer.
        unsafe { libc::poll(&mut fd, 1, wait) == 1 }
    }

    #[test]
    fn a_shot_comes_once_and_can_be_taken_back() {
        let timer = Timer::new().unwrap();
        assert!(!readable(&timer, 0));
        timer.set(Some(Instant::now()));
        assert!(readable(&timer, 20_000));
        timer.fired();
        assert!(!readable(&timer, 0));
        timer.set(Some(Instant::now() + Duration::from_secs(3600)));
        timer.set(None);
        timer.set(Some(Instant::now()));
        assert!(readable(&timer, 20_000));
    }
}
