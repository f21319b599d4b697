//! Plays cases, several at once: each in a thread of its own with a guest of its own.

use super::guest::{Observed, Setup};
use super::needs::{Facts, no_driver, wrong_driver, wrong_release};
use super::suite::Entry;
use super::verdict::{About, Reason, Verdict, judge};
use emu_machine::device::layout::PlatformKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A case that was played, or skipped.
#[derive(Debug)]
pub struct Played {
    /// The case.
    pub entry: Entry,
    /// The platform.
    pub platform: PlatformKind,
    /// The seed.
    pub seed: u64,
    /// How it went.
    pub verdict: Verdict,
    /// Why, unless it passed.
    pub reasons: Vec<Reason>,
    /// What was seen; nothing if there was no guest.
    pub seen: Option<Observed>,
    /// How long it took from nothing to the verdict.
    pub took: Duration,
}

impl Played {
    /// Suite and name.
    #[must_use]
    pub fn name(&self) -> String {
        self.entry.full_name()
    }

    /// Whether the guest got to the case's program: what does not cannot be blamed on the drivers' part in it.
    #[must_use]
    pub fn was_tested(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.started)
    }
}

/// What happens while cases are played.
#[derive(Debug)]
pub enum Event<'a> {
    /// A case begins; its number.
    Begins(usize, &'a Entry),
    /// A case is done; its number.
    Ends(usize, &'a Played),
}

/// Plays one case.
#[must_use]
pub fn play(setup: &Setup, facts: &Facts, entry: &Entry, stop: &AtomicBool) -> Played {
    let begun = Instant::now();
    let (verdict, reasons, seen) = outcome(setup, facts, entry, stop);
    Played {
        platform: setup.platform_of(&entry.case),
        seed: setup.seed_of(&entry.case),
        entry: entry.clone(),
        verdict,
        reasons,
        seen,
        took: begun.elapsed(),
    }
}

/// A case that a kernel is known not to be for, or whose twin on another kernel is not played.
#[must_use]
pub fn skipped(setup: &Setup, facts: &Facts, entry: &Entry) -> Played {
    let why = facts.lacking(&entry.case, setup);
    let why = why.unwrap_or_else(|| "the other kernel is not for it".to_owned());
    Played {
        platform: setup.platform_of(&entry.case),
        seed: setup.seed_of(&entry.case),
        entry: entry.clone(),
        verdict: Verdict::Skip,
        reasons: vec![Reason::new(About::Other, "needs", why)],
        seen: None,
        took: Duration::ZERO,
    }
}

fn outcome(
    setup: &Setup,
    facts: &Facts,
    entry: &Entry,
    stop: &AtomicBool,
) -> (Verdict, Vec<Reason>, Option<Observed>) {
    let reason = |signature: &str, text: String| vec![Reason::new(About::Other, signature, text)];
    if let Some(why) = facts.lacking(&entry.case, setup) {
        return (Verdict::Skip, reason("needs", why), None);
    }
    let seen = match setup.play(entry, stop) {
        Ok(seen) => seen,
        Err(error) => return (Verdict::Error, reason("no-guest", error.to_string()), None),
    };
    if let Some(why) = seen
        .release
        .as_deref()
        .and_then(|release| wrong_release(&entry.case, release))
    {
        return (Verdict::Skip, reason("needs", why), Some(seen));
    }
    let drivers = seen.drivers.as_deref();
    if let Some(why) = wrong_driver(&entry.case, drivers) {
        return (Verdict::Skip, reason("needs", why), Some(seen));
    }
    let no_driver = no_driver(setup.driver, drivers);
    let (mut verdict, mut reasons) = judge(&entry.case, &seen);
    setup.known.review(
        seen.release.as_deref(),
        &entry.full_name(),
        &mut verdict,
        &mut reasons,
    );
    // A case that passes without a driver is about just that; one that was to be played with another has told nothing.
    let told_nothing = setup.driver.is_some() || verdict != Verdict::Pass;
    if told_nothing
        && seen.complaints.is_empty()
        && let Some(why) = no_driver
    {
        return (Verdict::Error, reason("no-driver", why), Some(seen));
    }
    (verdict, reasons, Some(seen))
}

/// Plays all cases, `jobs` at once, in order; returns them in that order. Those that had not begun when `stop` was set are
/// left out.
pub fn play_all(
    setup: &Setup,
    facts: &Facts,
    entries: &[Entry],
    jobs: usize,
    stop: &AtomicBool,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Vec<Played> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Played)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, entries.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(entry) = entries.get(number) else { break };
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    tell(Event::Begins(number, entry));
                    let played = play(setup, facts, entry, stop);
                    tell(Event::Ends(number, &played));
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((number, played));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, played)| played).collect()
}
