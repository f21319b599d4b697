//! Threads that can run: strict priority, first come first served within one.

use std::collections::BTreeMap;

use super::thread::ThreadId;

/// A place in the queue.
pub type ReadyKey = (u8, i64);

/// Threads that can run, best first.
#[derive(Debug, Default)]
pub struct Ready {
    queue: BTreeMap<ReadyKey, ThreadId>,
    back: i64,
    front: i64,
}

impl Ready {
    /// Adds a thread behind those of its priority.
    pub fn push_back(&mut self, priority: u8, thread: ThreadId) -> ReadyKey {
        self.back += 1;
        self.queue.insert((priority, self.back), thread);
        (priority, self.back)
    }

    /// Adds a thread before those of its priority (it was preempted).
    pub fn push_front(&mut self, priority: u8, thread: ThreadId) -> ReadyKey {
        self.front -= 1;
        self.queue.insert((priority, self.front), thread);
        (priority, self.front)
    }

    /// Takes the best thread.
    pub fn pop(&mut self) -> Option<ThreadId> {
        self.queue.pop_first().map(|(_, thread)| thread)
    }

    /// Priority of the best thread.
    pub fn best(&self) -> Option<u8> {
        self.queue.first_key_value().map(|(&(priority, _), _)| priority)
    }

    /// Priority of the worst thread.
    pub fn worst(&self) -> Option<u8> {
        self.queue.last_key_value().map(|(&(priority, _), _)| priority)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// All threads with their places, best first.
    pub fn iter(&self) -> impl Iterator<Item = (ReadyKey, ThreadId)> + '_ {
        self.queue.iter().map(|(&key, &thread)| (key, thread))
    }

    /// Takes a thread out.
    pub fn remove(&mut self, key: ReadyKey) {
        self.queue.remove(&key);
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
        r.remove(two);
        assert_eq!((r.best(), r.worst()), (Some(50), Some(100)));
        assert_eq!(std::iter::from_fn(|| r.pop()).collect::<Vec<_>>(), [4, 3, 1]);
    }
}
