//! Static variables of functions that are being initialised (`__cxa_guard_acquire`).

use std::collections::HashMap;

use crate::sched::ThreadId;

/// Who initialises which variable, by the address of its guard.
#[derive(Debug, Default)]
pub struct Guards(HashMap<u32, ThreadId>);

/// What becomes of a thread that wants to initialise a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// It does.
    Mine,
    /// It is doing that already.
    Again,
    /// Another thread does.
    Later,
    /// Too many variables are being initialised.
    Full,
}

impl Guards {
    /// A thread wants to initialise the variable whose guard is at `at`; at most `limit` are under way at once.
    pub fn begin(&mut self, at: u32, thread: ThreadId, limit: usize) -> Begin {
        match self.0.get(&at) {
            Some(&owner) if owner == thread => Begin::Again,
            Some(_) => Begin::Later,
            None if self.0.len() >= limit => Begin::Full,
            None => {
                self.0.insert(at, thread);
                Begin::Mine
            }
        }
    }

    /// Another thread has it from now on.
    pub fn hand_over(&mut self, at: u32, thread: ThreadId) {
        self.0.insert(at, thread);
    }

    /// Nobody initialises it any more.
    pub fn end(&mut self, at: u32) {
        self.0.remove(&at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_initialises_a_variable_and_tables_are_bounded() {
        let mut g = Guards::default();
        assert_eq!(g.begin(8, 1, 2), Begin::Mine);
        assert_eq!((g.begin(8, 1, 2), g.begin(8, 2, 2)), (Begin::Again, Begin::Later));
        assert_eq!((g.begin(16, 2, 2), g.begin(24, 3, 2)), (Begin::Mine, Begin::Full));
        g.hand_over(8, 2);
        assert_eq!(g.begin(8, 1, 2), Begin::Later);
        g.end(8);
        assert_eq!(g.begin(8, 3, 2), Begin::Mine);
    }
}
