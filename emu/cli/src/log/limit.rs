//! How many lines of one kind are printed.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Lines of a kind that are printed within [`PERIOD`].
const MOST: u32 = 50;
/// Time after which lines of a kind are printed again.
const PERIOD: Duration = Duration::from_secs(10);

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is printed, and before it, how many were not.
    Print {
        /// Lines of its kind left out since the last that was printed.
        left_out: u64,
    },
    /// It is counted.
    LeaveOut {
        /// It is the first after one that was printed.
        is_first: bool,
    },
}

/// Counts lines by kind. A kind is never forgotten, so there must not be more of them than the program has places that log.
#[derive(Debug)]
pub struct Limiter<K> {
    kinds: HashMap<K, Count>,
}

#[derive(Debug)]
struct Count {
    /// When the period began.
    since: Duration,
    printed: u32,
    left_out: u64,
}

impl<K> Default for Limiter<K> {
    fn default() -> Self {
        Self {
            kinds: HashMap::default(),
        }
    }
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// What becomes of a line of that kind that comes at `now`, a time since any fixed moment.
    pub fn admit(&mut self, kind: K, now: Duration) -> Verdict {
        let count = self.kinds.entry(kind).or_insert(Count {
            since: now,
            printed: 0,
            left_out: 0,
        });
        if now.saturating_sub(count.since) >= PERIOD {
            count.since = now;
            count.printed = 0;
        }
        if count.printed < MOST {
            count.printed += 1;
            return Verdict::Print {
                left_out: std::mem::take(&mut count.left_out),
            };
        }
        count.left_out = count.left_out.saturating_add(1);
        Verdict::LeaveOut {
            is_first: count.left_out == 1,
        }
    }

    /// The kinds of which lines were left out that were not told of yet, and how many. They are told of now.
    pub fn finish(&mut self) -> impl Iterator<Item = (K, u64)> {
        let kinds = self.kinds.iter_mut();
        kinds.filter_map(|(kind, count)| {
            let left_out = std::mem::take(&mut count.left_out);
            (left_out > 0).then(|| (kind.clone(), left_out))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: Verdict = Verdict::Print { left_out: 0 };

    #[test]
    fn of_many_lines_the_first_are_printed_and_the_others_counted_in_each_period() {
        let mut limiter = Limiter::default();
        let mut now = Duration::from_secs(1);
        let mut left_out = 0;
        for _ in 0..3 {
            assert_eq!(limiter.admit("a", now), Verdict::Print { left_out });
            for _ in 1..MOST {
                assert_eq!(limiter.admit("a", now), PRINT);
            }
            let verdicts: Vec<_> = (0..1000).map(|_| limiter.admit("a", now)).collect();
            assert_eq!(verdicts[0], Verdict::LeaveOut { is_first: true });
            assert!(
                verdicts[1..]
                    .iter()
                    .all(|v| *v == Verdict::LeaveOut { is_first: false })
            );
            // The last moment of the period, and the first of the next.
            let last = now + PERIOD - Duration::from_nanos(1);
            assert_eq!(limiter.admit("a", last), Verdict::LeaveOut { is_first: false });
            left_out = 1001;
            now += PERIOD;
        }
        assert_eq!(limiter.finish().map(|(_, n)| n).collect::<Vec<_>>(), [1001]);
        assert_eq!(limiter.finish().count(), 0);
    }

    #[test]
    fn kinds_are_counted_each_for_itself_and_a_clock_that_stands_is_no_trouble() {
        let mut limiter = Limiter::default();
        for _ in 0..1000 {
            limiter.admit("a", Duration::ZERO);
        }
        assert_eq!(limiter.admit("b", Duration::ZERO), PRINT);
        let told: Vec<_> = limiter.finish().map(|(_, n)| n).collect();
        assert_eq!(told, [1000 - u64::from(MOST)]);
    }

    #[test]
    fn few_lines_over_a_long_time_are_all_printed() {
        let mut limiter = Limiter::default();
        for second in 0..1000 {
            assert_eq!(limiter.admit("a", Duration::from_secs(second)), PRINT);
        }
    }
}
