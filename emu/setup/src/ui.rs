//! What the person at the terminal, or the reader of a CI log, sees: steps, their time, progress of downloads, and the
//! output of a command that failed.
//!
//! On a terminal a long step shows a moving bar; without one (CI) it prints a line when it starts, one every ten
//! seconds, and one when it ends.

use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A line of ordinary output. Nobody may be reading it any more: the work goes on.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Runs `work` as a named step and prints how long it took.
///
/// # Errors
/// Those of `work`.
pub fn step<T, E>(name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    say(format!("== {name}"));
    let start = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    say(format!("== {name}: {verdict} in {}", seconds(start.elapsed())));
    result
}

/// Time the way people read it: `0.8 s`, `42 s`, `3 min 5 s`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    let s = time.as_secs_f64();
    if s < 10.0 {
        format!("{s:.1} s")
    } else if s < 120.0 {
        format!("{s:.0} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// Bytes the way people read them.
#[must_use]
pub fn bytes(n: u64) -> String {
    if n < 1 << 20 {
        format!("{} KiB", n.div_ceil(1024))
    } else {
        format!("{:.1} MiB", n as f64 / f64::from(1 << 20))
    }
}

/// Progress of one piece of work whose size is known only to whoever calls [`Progress::at`].
pub struct Progress {
    name: String,
    total: u64,
    bar: Option<ProgressBar>,
    start: Instant,
    said: Instant,
}

impl Progress {
    /// Starts showing `name`; `total` is in bytes (0: unknown).
    #[must_use]
    pub fn start(name: &str, total: u64) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let form = "   {msg} [{bar:30}] {bytes}/{total_bytes} {eta}";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar.set_message(name.to_owned());
            bar
        });
        if bar.is_none() {
            say(format!("   {name} ({})", bytes(total)));
        }
        let now = Instant::now();
        Progress {
            name: name.to_owned(),
            total,
            bar,
            start: now,
            said: now,
        }
    }

    /// Says how far the work is, in bytes.
    pub fn at(&mut self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done.min(self.total)),
            None if self.said.elapsed() > Duration::from_secs(10) => {
                self.said = Instant::now();
                say(format!(
                    "   {} … {} of {}",
                    self.name,
                    bytes(done),
                    bytes(self.total)
                ));
            }
            None => {}
        }
    }

    /// Ends the display.
    pub fn finish(self) {
        match self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.start.elapsed() > Duration::from_secs(10) => {
                say(format!("   {}: {}", self.name, seconds(self.start.elapsed())));
            }
            None => {}
        }
    }
}

/// Progress of work whose steps are counted and whose end is not known.
pub struct Count {
    name: &'static str,
    unit: &'static str,
    done: u64,
    bar: Option<ProgressBar>,
    start: Instant,
    said: Instant,
}

impl Count {
    /// Starts showing `name`.
    #[must_use]
    pub fn start(name: &'static str, unit: &'static str) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("   {spinner} {prefix} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(name);
            bar
        });
        let now = Instant::now();
        Count {
            name,
            unit,
            done: 0,
            bar,
            start: now,
            said: now,
        }
    }

    /// One step more, and what it is.
    pub fn advance(&mut self, what: &str) {
        self.done += 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{} {} {what}", self.done, self.unit));
                bar.tick();
            }
            None if self.said.elapsed() > Duration::from_secs(30) => {
                self.said = Instant::now();
                say(format!(
                    "   {} … {} {}, {} ({what})",
                    self.name,
                    self.done,
                    self.unit,
                    seconds(self.start.elapsed())
                ));
            }
            None => {}
        }
    }

    /// Ends the display.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Size of all files directly in `dir`, in bytes (0 when it does not exist).
#[must_use]
pub fn dir_size(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|e| e.metadata().ok())
        .filter(|m| m.is_file())
        .map(|m| m.len())
        .sum()
}
