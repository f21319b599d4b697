//! Which pages with code have changed. Whoever keeps something that was made of code asks, at its next stop, what happened since it asked
//! last, and throws away what concerns it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::mem::PAGE_SHIFT;

/// Changes that are remembered. Who is further behind forgets everything.
const REMEMBERED: usize = 256;

/// Numbers of pages.
pub type Pages = RangeInclusive<u32>;

/// What happened to code since an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeChanges {
    /// Anything may have changed.
    Everything,
    /// What lies in these pages.
    In(Vec<Pages>),
}

impl CodeChanges {
    /// Whether what was made of code in this page is to be thrown away.
    pub fn concern(&self, page: u32) -> bool {
        match self {
            CodeChanges::Everything => true,
            CodeChanges::In(all) => all.iter().any(|pages| pages.contains(&page)),
        }
    }
}

/// The pages that the bytes from `first` up to in front of `end` lie in.
pub(crate) fn pages(first: u32, end: u32) -> Pages {
    first >> PAGE_SHIFT..=end.wrapping_sub(1) >> PAGE_SHIFT
}

/// The page of `first`, and that of the byte in front of `end` if it is another: what code that goes on into one more page at most
/// lies in. It may be the first page of all that is next.
pub(crate) fn page_and_next(first: u32, end: u32) -> impl Iterator<Item = u32> {
    let (page, last) = (first >> PAGE_SHIFT, end.wrapping_sub(1) >> PAGE_SHIFT);
    std::iter::once(page).chain((last != page).then_some(last))
}

/// The changes of one memory, numbered.
#[derive(Debug)]
pub(crate) struct CodeLog {
    epoch: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// Up to which epoch everything counts as changed.
    unknown: u64,
    /// The changes behind it, one an epoch.
    pages: VecDeque<Pages>,
}

impl CodeLog {
    /// No change yet.
    pub(crate) fn new() -> Self {
        // Epochs of different memories are different, so that what was made of one is nothing to another.
        static MEMORIES: AtomicU64 = AtomicU64::new(1);
        let epoch = MEMORIES.fetch_add(1, Relaxed) << 32;
        Self {
            epoch: AtomicU64::new(epoch),
            last: Mutex::new(Last {
                unknown: epoch,
                pages: VecDeque::new(),
            }),
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last change.
    #[inline(always)]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    /// Code in these pages is not what it was: to be said when it is not found there any more.
    pub(crate) fn changed(&self, pages: Pages) {
        let mut last = self.last();
        if last.pages.len() >= REMEMBERED {
            last.pages.pop_front();
            last.unknown += 1;
        }
        last.pages.push_back(pages);
        self.epoch.fetch_add(1, Release);
    }

    /// Nothing is what it was.
    pub(crate) fn all_changed(&self) {
        let mut last = self.last();
        last.pages.clear();
        last.unknown = self.epoch.fetch_add(1, Release) + 1;
    }

    /// What changed since `epoch`, and the epoch that is now.
    pub(crate) fn since(&self, epoch: u64) -> (u64, CodeChanges) {
        let last = self.last();
        let known = epoch
            .checked_sub(last.unknown)
            .and_then(|n| usize::try_from(n).ok());
        let changes = match known.filter(|n| *n <= last.pages.len()) {
            Some(known) => CodeChanges::In(last.pages.iter().skip(known).cloned().collect()),
            None => CodeChanges::Everything,
        };
        (self.epoch(), changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_learns_what_happened_since_one_asked() {
        let log = CodeLog::new();
        let (begun, _) = log.since(0);
        assert_eq!(log.since(begun), (begun, CodeChanges::In(Vec::new())));
        log.changed(3..=4);
        log.changed(9..=9);
        let (now, changes) = log.since(begun);
        assert_eq!((now, &changes), (begun + 2, &CodeChanges::In(vec![3..=4, 9..=9])));
        assert_eq!(
            [2, 3, 4, 5, 9].map(|page| changes.concern(page)),
            [false, true, true, false, true]
        );
        assert_eq!(log.since(now - 1).1, CodeChanges::In(vec![9..=9]));
        log.all_changed();
        assert_eq!(log.since(now), (now + 1, CodeChanges::Everything));
        log.changed(1..=1);
        assert_eq!(log.since(now).1, CodeChanges::Everything);
        assert_eq!(log.since(now + 1), (now + 2, CodeChanges::In(vec![1..=1])));
    }

    #[test]
    fn who_is_far_behind_forgets_everything() {
        let log = CodeLog::new();
        let begun = log.epoch();
        (0..REMEMBERED as u32).for_each(|n| log.changed(n..=n));
        assert!(matches!(log.since(begun).1, CodeChanges::In(all) if all.len() == REMEMBERED));
        log.changed(7..=7);
        assert_eq!(log.since(begun).1, CodeChanges::Everything);
        assert!(matches!(log.since(begun + 1).1, CodeChanges::In(all) if all.len() == REMEMBERED));
        // Another memory's epochs are nothing to this one.
        let other = CodeLog::new();
        other.changed(1..=1);
        assert_eq!(log.since(other.epoch()).1, CodeChanges::Everything);
        assert_eq!(other.since(log.epoch()).1, CodeChanges::Everything);
    }

    #[test]
    fn code_that_runs_over_the_end_lies_in_two_pages() {
        assert_eq!(pages(0x1ffc, 0x2004), 1..=2);
        assert_eq!(pages(0x1ffc, 0x2000), 1..=1);
        assert_eq!(pages(0xffff_fff8, 0), 0xf_ffff..=0xf_ffff);
        let lies_in = |first, end| page_and_next(first, end).collect::<Vec<_>>();
        assert_eq!(lies_in(0x1ffc, 0x2004), [1, 2]);
        assert_eq!(lies_in(0x1ffc, 0x2000), [1]);
        assert_eq!(lies_in(0xffff_fffc, 4), [0xf_ffff, 0]);
    }
}
