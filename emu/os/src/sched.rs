//! Which DSP thread runs next: strict priority, first come first served within one.

use std::collections::BTreeMap;

use super::thread::ThreadId;

/// Threads that can run.
#[derive(Debug, Default)]
pub struct Ready {
    queue: BTreeMap<(u8, i64), ThreadId>,
    back: i64,
    front: i64,
}

impl Ready {
    /// Adds a thread behind those of its priority; returns its key.
    pub fn push_back(&mut self, priority: u8, thread: ThreadId) -> i64 {
        self.back += 1;
        self.queue.insert((priority, self.back), thread);
        self.back
    }

    /// Adds a thread before those of its priority (it was preempted); returns its key.
    pub fn push_front(&mut self, priority: u8, thread: ThreadId) -> i64 {
        self.front -= 1;
        self.queue.insert((priority, self.front), thread);
        self.front
    }

    /// Takes the best thread.
    pub fn pop(&mut self) -> Option<ThreadId> {
        self.queue.pop_first().map(|(_, thread)| thread)
    }

    /// Priority of the best thread.
    pub fn best(&self) -> Option<u8> {
        self.queue.first_key_value().map(|(&(priority, _), _)| priority)
    }

    /// Takes a thread out by its priority and key.
    pub fn remove(&mut self, priority: u8, key: i64) {
        self.queue.remove(&(priority, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_priority_first_then_order_of_arrival() {
        let mut r = Ready::default();
        r.push_back(100, 1);
        let two = r.push_back(50, 2);
        r.push_back(50, 3);
        r.push_front(50, 4);
        r.remove(50, two);
        assert_eq!(r.best(), Some(50));
        assert_eq!(std::iter::from_fn(|| r.pop()).collect::<Vec<_>>(), [4, 3, 1]);
    }
}
