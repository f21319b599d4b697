//! POSIX threads, as far as they are more than DSP threads.

use std::collections::HashMap;
use std::ops::Range;

use crate::sched::ThreadId;

/// What is kept of a thread that `pthread_create` made, or that was made to be joined or detached by `qurt_thread_create`.
#[derive(Debug, Clone)]
pub struct PosixThread {
    /// Nobody will join it.
    pub detached: bool,
    /// Somebody joins it.
    pub joined: bool,
    /// Its stack.
    pub stack: Range<u32>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Posix {
    /// Those that live.
    pub live: HashMap<ThreadId, PosixThread>,
    /// Results of those that ended and can be joined.
    pub ended: HashMap<ThreadId, u32>,
    /// Names that were given to threads later.
    pub names: HashMap<ThreadId, String>,
}

impl Posix {
    /// A thread has ended.
    pub fn thread_ended(&mut self, id: ThreadId, result: u32) {
        self.names.remove(&id);
        if let Some(thread) = self.live.remove(&id)
            && !thread.detached
            && !thread.joined
        {
            self.ended.insert(id, result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_kept_for_who_may_join() {
        let mut posix = Posix::default();
        for (id, detached, joined) in [(1, false, false), (2, true, false), (3, false, true)] {
            let stack = 0..0;
            posix.live.insert(
                id,
                PosixThread {
                    detached,
                    joined,
                    stack,
                },
            );
            posix.thread_ended(id, 7);
        }
        posix.thread_ended(4, 7);
        assert_eq!(posix.ended.into_iter().collect::<Vec<_>>(), [(1, 7)]);
        assert!(posix.live.is_empty());
    }
}
