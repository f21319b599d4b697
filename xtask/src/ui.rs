//! What the person at the terminal, or the reader of a CI log, sees: steps, their time, progress of downloads, and the
//! output of a command that failed.
//!
//! On a terminal a long step shows a moving bar; without one (CI) it prints a line when it starts, one every ten
//! seconds, and one when it ends.

use std::io::{IsTerminal, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// A line of ordinary output.
pub fn say(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Runs `work` as a named step and prints how long it took.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let start = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "done" } else { "FAILED" };
    println!("== {name}: {verdict} in {}", seconds(start.elapsed()));
    result
}

/// Time the way people read it: `0.8 s`, `42 s`, `3 min 5 s`.
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
    pub fn one(&mut self, what: &str) {
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

/// The command as one would type it.
pub fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| {
            let word = word.to_string_lossy();
            if word.contains([' ', '$', '"', '\'', '(', '*']) {
                format!("'{word}'")
            } else {
                word.into_owned()
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command that shows its own output; an error names the command and how it ended.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{}`", line_of(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line_of(command));
    }
    Ok(())
}

/// Runs a command that shows its own output, and gives each line of its standard output to `each` as well; an error names
/// the command and how it ended.
pub fn run_and_read(command: &mut Command, mut each: impl FnMut(&str)) -> Result<()> {
    let cannot = |command: &Command| format!("cannot start `{}`", line_of(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| cannot(command))?;
    let mut from = child.stdout.take().with_context(|| cannot(command))?;
    let mut to = std::io::stdout();
    let (mut line, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        // As it comes: the dots of a long test program are its progress.
        let n = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read from `{}`", line_of(command)));
            }
        };
        let piece = piece.get(..n).unwrap_or_default();
        to.write_all(piece)?;
        to.flush()?;
        for byte in piece {
            match byte {
                b'\n' => {
                    each(&String::from_utf8_lossy(&line));
                    line.clear();
                }
                // Nobody's counts stand in a line as long as that.
                _ if line.len() < 1 << 16 => line.push(*byte),
                _ => {}
            }
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})", line_of(command));
    }
    Ok(())
}

/// Runs a command quietly and returns what it printed; when it fails, the error carries its messages.
pub fn output(command: &mut Command) -> Result<String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{}`", line_of(command)))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!(
            "`{}` failed ({}):\n{}",
            line_of(command),
            done.status,
            said.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Size of all files directly in `dir`, in bytes (0 when it does not exist).
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
