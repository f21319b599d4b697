//! Tests that never end. CI kills a run that takes too long, and with it goes what all other tests would have said; so a test program
//! that is silent for too long is ended here, its name is printed, and cargo goes on with the next one and reports a failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use emu_setup::ui;

/// How long a test program may print nothing. The longest that passes prints its first line after five minutes on two busy cores.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// How often that is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// When something was last printed.
pub struct Progress {
    start: Instant,
    /// Milliseconds since `start`.
    last: AtomicU64,
    over: AtomicBool,
}

impl Progress {
    /// Nothing was printed yet.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Something was printed, or the next wait begins.
    pub fn made(&self) {
        let now = self.start.elapsed().as_millis();
        self.last
            .store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago that was.
    fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }

    /// Ends the test programs below `target` that cargo, a child of this process, has started, whenever the silence is too long. To be
    /// run by a thread beside the one that reads, until [`Self::over`].
    pub fn watch(&self, target: &Path) {
        while !self.over.load(Ordering::Relaxed) {
            std::thread::park_timeout(INTERVAL);
            if self.silence() < LIMIT {
                continue;
            }
            self.made();
            for (pid, program) in started_by_children(std::process::id(), target) {
                ui::say(format!(
                    "error: {} has printed nothing for {} minutes and is ended; it names the tests that run longer than a minute",
                    program.display(),
                    LIMIT.as_secs() / 60
                ));
                end(pid);
            }
        }
    }

    /// There is nothing more to watch; the thread that does is to be unparked.
    pub fn over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// With SIGABRT, so that cargo tells how it ended. Whether the process is still there does not matter.
fn end(pid: u32) {
    let _ = Command::new("kill").args(["-ABRT", &pid.to_string()]).status();
}

/// Processes that a child of `pid` has started from a file below `target`.
fn started_by_children(pid: u32, target: &Path) -> Vec<(u32, PathBuf)> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, parent(pid)?))
        })
        .collect();
    let is_child = |of: u32| {
        parents
            .iter()
            .any(|&(child, parent)| child == of && parent == pid)
    };
    let mut found = Vec::new();
    for &(child, parent) in &parents {
        let program = std::fs::read_link(format!("/proc/{child}/exe")).unwrap_or_default();
        if is_child(parent) && program.starts_with(target) {
            found.push((child, program));
        }
    }
    found
}

/// A process's parent (proc(5), `/proc/pid/stat`: the second number behind the name, which stands in parentheses and may hold any).
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    #[test]
    fn what_a_child_has_started_from_the_target_folder_is_found_and_ended_and_the_child_goes_on() {
        let target = std::env::temp_dir().join(format!("hang-{}", std::process::id()));
        std::fs::create_dir(&target).unwrap();
        let program = target.join("test program) 1 2");
        std::fs::copy("/bin/sleep", &program).unwrap();
        // As cargo does: one test program after the other.
        let mut cargo = Command::new("sh")
            .args(["-c", "echo begun; \"$0\" 600; echo \"ended $?\""])
            .arg(&program)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(cargo.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "begun");
        let target = target.canonicalize().unwrap();
        let found = loop {
            let found = started_by_children(std::process::id(), &target);
            if !found.is_empty() {
                break found;
            }
            std::thread::yield_now();
        };
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(started_by_children(std::process::id(), Path::new("/nowhere")), []);
        end(found[0].0);
        assert_eq!(lines.next().unwrap().unwrap(), "ended 134");
        assert!(cargo.wait().unwrap().success());
    }

    #[test]
    fn what_is_printed_ends_the_silence() {
        let progress = Progress::new();
        let before = progress.silence();
        assert!(progress.silence() >= before);
        progress.last.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(progress.silence(), Duration::ZERO);
        progress.made();
        assert!(progress.last.load(Ordering::Relaxed) < u64::MAX);
    }
}
