//! Vector contexts: who has one, and who waits for one.

use crate::objects::Waiters;
use crate::sched::ThreadId;

/// All contexts of the DSP, as one process sees them.
#[derive(Debug, Default)]
pub struct Vectors {
    held: Vec<ThreadId>,
    waiters: Waiters,
}

impl Vectors {
    /// Takes one of `contexts` for a thread, which may have it already; `false`: all are taken.
    pub fn take(&mut self, thread: ThreadId, contexts: u32) -> bool {
        if self.held.contains(&thread) {
            return true;
        }
        let fits = self.held.len() < contexts as usize;
        if fits {
            self.held.push(thread);
        }
        fits
    }

    /// A thread waits for one.
    pub fn wait(&mut self, thread: ThreadId, priority: u8) {
        self.waiters.add(thread, priority);
    }

    /// A thread gives its context back, or ends; `None`: it had none. Otherwise who has it now.
    pub fn give_back(&mut self, thread: ThreadId) -> Option<Option<ThreadId>> {
        self.waiters.remove(thread);
        let at = self.held.iter().position(|&held| held == thread)?;
        self.held.swap_remove(at);
        let next = self.waiters.take();
        self.held.extend(next);
        Some(next)
    }

    /// Has the thread one?
    pub fn holds(&self, thread: ThreadId) -> bool {
        self.held.contains(&thread)
    }

    /// How many are taken.
    pub fn count(&self) -> u32 {
        self.held.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_waiter_gets_what_is_given_back() {
        let mut v = Vectors::default();
        assert!(v.take(1, 2) && v.take(2, 2) && v.take(1, 2) && !v.take(3, 2));
        v.wait(3, 100);
        v.wait(4, 50);
        assert_eq!(v.give_back(9), None);
        assert_eq!(v.give_back(1), Some(Some(4)));
        assert_eq!(v.give_back(3), None);
        assert!(v.holds(4) && !v.holds(1));
        assert_eq!((v.give_back(4), v.count()), (Some(None), 1));
    }
}
