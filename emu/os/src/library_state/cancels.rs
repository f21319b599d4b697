//! Which threads are to be cancelled (`pthread_cancel`), and where they are.

use std::collections::BTreeSet;

use crate::sched::ThreadId;

/// Functions in which a thread that is to be cancelled is: those of POSIX's list that there are, and C11's for the same. A call that
/// waits for a file of the AP is not broken off; its thread is cancelled at the next one.
pub const POINTS: &[&str] = &[
    "clock_nanosleep",
    "close",
    "cnd_timedwait",
    "cnd_wait",
    "creat",
    "fsync",
    "nanosleep",
    "open",
    "pthread_cond_timedwait",
    "pthread_cond_wait",
    "pthread_join",
    "pthread_testcancel",
    "read",
    "sem_timedwait",
    "sem_wait",
    "sleep",
    "thrd_join",
    "thrd_sleep",
    "usleep",
    "write",
];

/// Is a thread cancelled in this function?
pub fn is_point(name: &str) -> bool {
    POINTS.binary_search(&name).is_ok()
}

/// Who is to be cancelled, and who does not let itself be.
#[derive(Debug, Default)]
pub struct Cancels {
    asked: BTreeSet<ThreadId>,
    disabled: BTreeSet<ThreadId>,
}

impl Cancels {
    /// Somebody asks a thread to end.
    pub fn ask(&mut self, thread: ThreadId) {
        self.asked.insert(thread);
    }

    /// Is the thread to end at the next function of [`POINTS`]?
    pub fn is_due(&self, thread: ThreadId) -> bool {
        self.asked.contains(&thread) && !self.disabled.contains(&thread)
    }

    /// A thread lets itself be cancelled, or not; whether it did not before.
    pub fn disable(&mut self, thread: ThreadId, disabled: bool) -> bool {
        match disabled {
            true => !self.disabled.insert(thread),
            false => self.disabled.remove(&thread),
        }
    }

    /// A thread that was asked begins to end; it is not cancelled again while it does.
    pub fn begin(&mut self, thread: ThreadId) {
        self.asked.remove(&thread);
        self.disabled.insert(thread);
    }

    /// A thread has ended.
    pub fn thread_ended(&mut self, thread: ThreadId) {
        self.asked.remove(&thread);
        self.disabled.remove(&thread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_functions_in_the_order_of_their_names() {
        assert!(POINTS.is_sorted());
        for name in POINTS {
            assert!(
                is_point(name) && crate::imports::by_name(name).is_some(),
                "{name}"
            );
        }
        assert!(!is_point("memcpy"));
    }
}
