//! Time as a DSP process sees it: what sleeps and time-outs are measured by, and what the clock registers show.
//!
//! A process reads time nowhere else, so a clock that its owner sets ([`ManualClock`]) decides when every sleep ends.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use emu_core::TimeSource;

/// A time: how long after the clock's beginning.
pub type Time = Duration;
/// Longest time that a program may ask for; longer ones end here rather than never.
pub const LONGEST: Duration = Duration::from_secs(100 * 365 * 86400);

/// Called when a clock was set; `false`: it need not be called again.
pub type Watcher = Box<dyn Fn() -> bool + Send>;

/// Where a process has its time from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now. Never goes back.
    fn now(&self) -> Time;

    /// What the clock registers of DSP threads count: the same time.
    fn registers(&self) -> TimeSource;

    /// How long a host thread may sleep until it is `deadline`, if the clock runs by itself; `None` if it waits to be set.
    fn sleep_until(&self, deadline: Time) -> Option<Duration>;

    /// Has `watcher` called whenever the clock is set. A clock that runs by itself calls nobody.
    fn watch(&self, watcher: Watcher);
}

/// The host's monotonic clock, which begins when it is made.
#[derive(Debug, Clone)]
pub struct HostClock(Instant);

impl HostClock {
    /// It is 0 now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for HostClock {
    fn now(&self) -> Time {
        self.0.elapsed()
    }

    fn registers(&self) -> TimeSource {
        TimeSource::Host(self.0)
    }

    fn sleep_until(&self, deadline: Time) -> Option<Duration> {
        Some(deadline.saturating_sub(self.now()))
    }

    fn watch(&self, _: Watcher) {}
}

/// A clock that stands still until it is set.
#[derive(Default)]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
    watchers: Mutex<Vec<Watcher>>,
}

impl ManualClock {
    /// It is 0.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Sets the clock forward; more than 584 years in all stay 584.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let add = |nanos: u64| Some(nanos.saturating_add(by));
        // The closure never refuses.
        let _ = self.nanos.try_update(Ordering::AcqRel, Ordering::Acquire, add);
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| watcher());
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Duration::from_nanos(self.nanos.load(Ordering::Acquire))
    }

    fn registers(&self) -> TimeSource {
        TimeSource::Virtual(self.nanos.clone())
    }

    fn sleep_until(&self, _: Time) -> Option<Duration> {
        None
    }

    fn watch(&self, watcher: Watcher) {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(watcher);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_manual_clock_stands_still_until_it_is_set_and_tells_who_watches() {
        let clock = ManualClock::new();
        let (tell, told) = mpsc::channel();
        clock.watch(Box::new(move || tell.send(()).is_ok()));
        assert_eq!(
            (clock.now(), clock.sleep_until(Duration::MAX)),
            (Duration::ZERO, None)
        );
        clock.advance(Duration::from_micros(3));
        assert_eq!((clock.now(), told.try_recv()), (Duration::from_micros(3), Ok(())));
        assert_eq!(clock.registers().nanos(77), 3000);
        drop(told);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Duration::from_nanos(u64::MAX));
        assert!(clock.watchers.lock().unwrap().is_empty());
    }
}
