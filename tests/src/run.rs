//! One boot that runs a script of many checks, and what it printed: each check's output stands behind a line "@@ name".
//! Several tests judge parts of the same run.

use std::path::PathBuf;

use crate::assets;
use crate::guest::{Boot, DspStatus, Guest, requirements};

/// What one boot printed, and the emulator's memory at the marked moments.
pub struct Run {
    /// The guest's console.
    pub console: String,
    /// The emulator's exit code; `None` when the guest did not come to an end in time.
    pub exit: Option<i32>,
    /// Where the emulator's messages are.
    pub log: PathBuf,
    /// Release of the kernel.
    pub release: String,
    /// Each line "@sample name", and the emulator's own memory at that moment in KiB.
    samples: Vec<(String, u64)>,
    /// Each line "@status name", and what the DSPs were doing at that moment.
    statuses: Vec<(String, Vec<DspStatus>)>,
}

impl Run {
    /// Boots the kernel of a series with a script, does what its "@ctl", "@sample" and "@status" lines ask for, and waits for the end.
    ///
    /// # Errors
    /// Why guests cannot run here.
    pub fn boot(name: &str, series: &str, script: &str, arguments: &[&str]) -> Result<Run, String> {
        Run::boot_with(name, series, script, |_| words(arguments))
    }

    /// [`Run::boot`] with arguments that depend on the kernel that was found.
    ///
    /// # Errors
    /// Why guests cannot run here.
    pub fn boot_with(
        name: &str,
        series: &str,
        script: &str,
        arguments: impl FnOnce(&assets::Kernel) -> Vec<String>,
    ) -> Result<Run, String> {
        let (kernel, firmware) = requirements(series)?;
        let arguments = arguments(&kernel);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let boot = Boot {
            name,
            kernel: &kernel,
            script,
            arguments: &arguments,
        };
        let mut guest = Guest::start(&boot, &firmware);
        let (mut samples, mut statuses) = (Vec::new(), Vec::new());
        let ended = guest.read_until(|guest, line| {
            if let Some(name) = line.strip_prefix("@sample ") {
                samples.push((name.to_owned(), guest.emulator_kib()));
            }
            if let Some(name) = line.strip_prefix("@status ") {
                statuses.push((name.to_owned(), guest.status()));
            }
            guest.obey(line);
            false
        });
        let exit = if ended { guest.wait() } else { None };
        Ok(Run {
            console: std::mem::take(&mut guest.console),
            exit,
            log: guest.log.clone(),
            release: kernel.release.clone(),
            samples,
            statuses,
        })
    }

    /// What one check printed.
    ///
    /// # Panics
    /// When the guest did not get there, or something in this check was waited for in vain.
    #[track_caller]
    pub fn section(&self, name: &str) -> &str {
        let start = format!("@@ {name}\n");
        let Some(at) = self.console.find(&start) else {
            panic!("the guest did not get to `{name}`; {}", self.end())
        };
        let rest = &self.console[at + start.len()..];
        let text = &rest[..rest.find("@@ ").unwrap_or(rest.len())];
        assert!(!text.contains("gave up waiting"), "{text}");
        text
    }

    /// Where the guest was last, for a message.
    pub fn end(&self) -> String {
        let mut lines: Vec<&str> = self.console.lines().rev().take(40).collect();
        lines.reverse();
        format!(
            "exit {:?}, messages in {}, end of the console:\n{}",
            self.exit,
            self.log.display(),
            lines.join("\n")
        )
    }

    /// The number behind `key` in what a check printed.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn number(&self, section: &str, key: &str) -> u64 {
        let text = self.section(section);
        let found = text
            .lines()
            .find_map(|l| l.strip_prefix(key)?.trim().parse().ok());
        found.unwrap_or_else(|| panic!("no `{key}` in:\n{text}"))
    }

    /// The emulator's own memory at a mark, in KiB.
    ///
    /// # Panics
    /// When the guest did not get there, or the memory could not be read.
    #[track_caller]
    pub fn sample(&self, name: &str) -> u64 {
        let found = self.samples.iter().find(|(n, _)| n == name);
        let kib = found.map_or_else(|| panic!("no sample {name}; {}", self.end()), |(_, kib)| *kib);
        assert!(kib > 0, "the emulator's memory could not be read");
        kib
    }

    /// What the DSPs were doing at a mark.
    ///
    /// # Panics
    /// When the guest did not get there.
    #[track_caller]
    pub fn status(&self, name: &str) -> &[DspStatus] {
        let found = self.statuses.iter().find(|(n, _)| n == name);
        found.map_or_else(|| panic!("no status {name}; {}", self.end()), |(_, dsps)| dsps)
    }

    /// The guest ran to its end, and the emulator with it.
    ///
    /// # Panics
    /// Else.
    #[track_caller]
    pub fn assert_ended(&self) {
        self.section("end");
        assert_eq!(self.exit, Some(0), "{}", self.end());
    }
}

/// Arguments that do not depend on anything.
fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&word| word.to_owned()).collect()
}

/// A text contains another.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn assert_has(text: &str, wanted: &str) {
    assert!(text.contains(wanted), "`{wanted}` is missing in:\n{text}");
}
