//! What is going on while cases are played: a line for each guest that runs on a terminal, plain lines elsewhere.

use crate::output::tell;
use emu_lab::ci::{Event, Verdict, report};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Shows progress on standard error.
pub struct Progress {
    live: Option<Live>,
}

struct Live {
    all: MultiProgress,
    total: ProgressBar,
    running: Mutex<BTreeMap<usize, ProgressBar>>,
    counts: Mutex<BTreeMap<Verdict, usize>>,
}

impl Progress {
    /// For so many cases.
    pub fn new(cases: usize) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { live: None };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let total = all.add(ProgressBar::new(cases as u64));
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} cases, {elapsed}  {msg}") {
            total.set_style(style.progress_chars("=> "));
        }
        total.enable_steady_tick(Duration::from_secs(1));
        Self {
            live: Some(Live {
                all,
                total,
                running: Mutex::default(),
                counts: Mutex::default(),
            }),
        }
    }

    /// Something happened.
    pub fn tell(&self, event: &Event<'_>) {
        match (&self.live, event) {
            (None, Event::Begins(..)) => {}
            (None, Event::Ends(_, played)) => tell!("{}", report::line(played)),
            (Some(live), Event::Begins(number, entry)) => {
                let bar = live.all.insert_before(&live.total, ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {msg:<50} {elapsed}") {
                    bar.set_style(style);
                }
                bar.set_message(format!("{}/{}", entry.suite, entry.name()));
                bar.enable_steady_tick(Duration::from_millis(200));
                lock(&live.running).insert(*number, bar);
            }
            (Some(live), Event::Ends(number, played)) => {
                if let Some(bar) = lock(&live.running).remove(number) {
                    bar.finish_and_clear();
                }
                let line = report::line(played);
                let (word, rest) = line.split_at(5.min(line.len()));
                // A terminal that is gone ends the show, not the run.
                let _ = live
                    .all
                    .println(format!("{}{word}\x1b[0m{rest}", color(played.verdict)));
                let mut counts = lock(&live.counts);
                *counts.entry(played.verdict).or_default() += 1;
                let words: Vec<_> = counts
                    .iter()
                    .map(|(verdict, n)| format!("{verdict} {n}"))
                    .collect();
                live.total.set_message(words.join(", "));
                live.total.inc(1);
            }
        }
    }

    /// The end.
    pub fn finish(&self) {
        if let Some(live) = &self.live {
            live.total.finish_and_clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "\x1b[32m",
        Verdict::Skip | Verdict::Known => "\x1b[33m",
        Verdict::Fail | Verdict::Hang | Verdict::Error => "\x1b[1;31m",
    }
}
