//! QuRT's timers: what each sets, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Time;
use crate::sched::ThreadId;

/// Timers alive at once.
const MAX_TIMERS: usize = 1024;

/// One timer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Address of the signal object that it sets.
    pub signal: u32,
    /// Signals that it sets.
    pub mask: u32,
    /// How long it runs.
    pub duration: Duration,
    /// It runs again and again.
    pub periodic: bool,
    /// Its group, which is only kept.
    pub group: u32,
    /// When it is due; `None`: it is stopped.
    pub due: Option<Time>,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Timers {
    map: BTreeMap<u32, Timer>,
    last: u32,
    /// The thread that sets the signals.
    pub service: Option<ThreadId>,
}

impl Timers {
    /// Adds a timer; `None`: there are too many.
    pub fn add(&mut self, timer: Timer) -> Option<u32> {
        if self.map.len() >= MAX_TIMERS {
            return None;
        }
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.map.contains_key(&self.last) {
                self.map.insert(self.last, timer);
                return Some(self.last);
            }
        }
    }

    /// A timer.
    pub fn get(&mut self, number: u32) -> Option<&mut Timer> {
        self.map.get_mut(&number)
    }

    /// Deletes a timer; `false`: there is none.
    pub fn remove(&mut self, number: u32) -> bool {
        self.map.remove(&number).is_some()
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Time> {
        self.map.values().filter_map(|timer| timer.due).min()
    }

    /// What those set that are due: addresses and signals. One that missed several periods sets its signals once.
    pub fn take_due(&mut self, now: Time) -> Vec<(u32, u32)> {
        let mut out = Vec::new();
        for timer in self.map.values_mut() {
            if timer.due.is_some_and(|due| due <= now) {
                out.push((timer.signal, timer.mask));
                timer.due = timer.periodic.then(|| now + timer.duration);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_due_once_or_again_and_again() {
        let at = Duration::from_secs;
        let mut timers = Timers::default();
        let timer = |seconds, periodic| Timer {
            signal: 0x1000,
            mask: 1u32 << seconds,
            duration: at(seconds),
            periodic,
            group: 0,
            due: Some(at(seconds)),
        };
        let once = timers.add(timer(2, false)).unwrap();
        timers.add(timer(3, true)).unwrap();
        assert_eq!((timers.next(), timers.take_due(at(1))), (Some(at(2)), vec![]));
        assert_eq!(timers.take_due(at(3)), [(0x1000, 4), (0x1000, 8)]);
        assert_eq!(
            (timers.next(), timers.take_due(at(9))),
            (Some(at(6)), vec![(0x1000, 8)])
        );
        assert!(timers.remove(once) && !timers.remove(once));
    }
}
