//! When timed waits end.

use std::collections::BTreeMap;

use super::thread::ThreadId;
use crate::clock::Time;

/// A place in the list: the time, and a number that tells equal times apart.
pub type TimerKey = (Time, u64);

/// Threads whose wait ends at a time, earliest first.
#[derive(Debug, Default)]
pub struct Timers {
    list: BTreeMap<TimerKey, ThreadId>,
    count: u64,
}

impl Timers {
    /// Adds a thread.
    pub fn add(&mut self, at: Time, thread: ThreadId) -> TimerKey {
        self.count += 1;
        let key = (at, self.count);
        self.list.insert(key, thread);
        key
    }

    /// Takes a thread out.
    pub fn remove(&mut self, key: TimerKey) {
        self.list.remove(&key);
    }

    /// The earliest time.
    pub fn next(&self) -> Option<Time> {
        self.list.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes the thread whose time came first, if it has come.
    pub fn pop_due(&mut self, now: Time) -> Option<ThreadId> {
        let first = self.list.first_entry().filter(|e| e.key().0 <= now)?;
        Some(first.remove())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn due_threads_come_in_order_of_time_then_arrival() {
        let at = Duration::from_millis;
        let mut timers = Timers::default();
        timers.add(at(5), 1);
        timers.add(at(3), 2);
        let gone = timers.add(at(1), 3);
        timers.add(at(3), 4);
        timers.remove(gone);
        assert_eq!((timers.next(), timers.pop_due(at(2))), (Some(at(3)), None));
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(4))).collect();
        assert_eq!((due, timers.next()), (vec![2, 4], Some(at(5))));
    }
}
