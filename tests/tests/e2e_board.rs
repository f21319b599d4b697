//! DSPs as remote processors on stock kernels: one boot a kernel runs all of `guest/board.sh`, and each test here judges
//! one part of what it printed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tests::assets;
use tests::guest::{Boot, Guest, requirements};

/// What one boot printed, and the folder with the dump that it made.
struct Run {
    console: String,
    exit: Option<i32>,
    log: PathBuf,
    share: tempfile::TempDir,
}

impl Run {
    fn boot(series: &str) -> Option<Run> {
        let (kernel, firmware) = match requirements(series) {
            Ok(found) => found,
            Err(reason) => {
                assets::skip(&reason);
                return None;
            }
        };
        let share = tempfile::tempdir().expect("a temporary folder");
        let boot = Boot {
            name: "board",
            kernel: &kernel,
            script: include_str!("../guest/board.sh"),
            arguments: &[
                "--platform",
                "board",
                "--share",
                &share.path().display().to_string(),
            ],
        };
        let mut guest = Guest::start(&boot, &firmware);
        let ended = guest.read_until(Duration::from_secs(480), |guest, line| {
            guest.obey(line);
            false
        });
        let exit = if ended {
            guest.wait(Duration::from_secs(20))
        } else {
            None
        };
        let console = std::mem::take(&mut guest.console);
        for line in console.lines().filter(|line| line.contains(" took ")) {
            println!("{}: {line}", kernel.release);
        }
        Some(Run {
            console,
            exit,
            log: guest.log.clone(),
            share,
        })
    }

    /// What one check printed.
    fn section(&self, name: &str) -> &str {
        let start = format!("@@ {name}\n");
        let Some(at) = self.console.find(&start) else {
            let mut lines: Vec<&str> = self.console.lines().rev().take(20).collect();
            lines.reverse();
            panic!(
                "the guest did not get to `{name}`; exit {:?}, messages in {}, end of the console:\n{}",
                self.exit,
                self.log.display(),
                lines.join("\n")
            )
        };
        let rest = &self.console[at + start.len()..];
        let text = &rest[..rest.find("@@ ").unwrap_or(rest.len())];
        assert!(!text.contains("gave up waiting"), "{text}");
        text
    }
}

#[track_caller]
fn assert_has(text: &str, wanted: &str) {
    assert!(text.contains(wanted), "`{wanted}` is missing in:\n{text}");
}

/// The last calculation on that DSP was right, as many times as it was tried.
#[track_caller]
fn assert_calculated(text: &str, dsp: &str, times: usize) {
    let line = format!("{dsp} calculator status 0 2");
    assert_eq!(text.matches(&line).count(), times, "`{line}` in:\n{text}");
}

macro_rules! kernel_tests {
    ($module:ident, $series:literal) => {
        mod $module {
            use super::*;

            fn run() -> Option<&'static Run> {
                static RUN: OnceLock<Option<Run>> = OnceLock::new();
                RUN.get_or_init(|| Run::boot($series)).as_ref()
            }

            #[test]
            fn the_guest_runs_to_its_end_and_the_emulator_with_it() {
                let Some(run) = run() else { return };
                run.section("end");
                assert_eq!(run.exit, Some(0), "messages in {}", run.log.display());
            }

            #[test]
            fn both_dsps_compute_at_once() {
                let Some(run) = run() else { return };
                let text = run.section("both");
                for dsp in ["cdsp", "adsp"] {
                    assert_calculated(text, dsp, 1);
                    assert_has(text, &format!("{dsp} state running"));
                }
            }

            #[test]
            fn a_stop_is_graceful_and_the_other_dsp_goes_on() {
                let Some(run) = run() else { return };
                let text = run.section("stop");
                assert_eq!(text.matches("cdsp state offline").count(), 3, "{text}");
                assert_calculated(text, "cdsp", 3);
                assert_calculated(text, "adsp", 3);
                assert_has(text, "bystander 0");
                assert!(!text.contains("complained"), "{text}");
                assert!(!text.contains("still there"), "{text}");
            }

            #[test]
            fn a_fatal_error_is_told_with_its_reason_and_recovered_from() {
                let Some(run) = run() else { return };
                let text = run.section("crash");
                assert_has(
                    text,
                    "fatal error received: the DSP tripped over its own feet",
                );
                assert_has(text, "type fatal error");
                assert_has(text, "is now up");
                assert_calculated(text, "cdsp", 1);
                assert_calculated(text, "adsp", 1);
            }

            #[test]
            fn a_watchdog_bite_is_recovered_from() {
                let Some(run) = run() else { return };
                let text = run.section("watchdog");
                assert_has(text, "type watchdog");
                assert_has(text, "is now up");
                assert_calculated(text, "adsp", 1);
            }

            #[test]
            fn without_recovery_a_dsp_stays_crashed_until_recovery_is_enabled() {
                let Some(run) = run() else { return };
                let text = run.section("recovery");
                assert_has(text, "cdsp state crashed");
                assert_has(text, "fatal error received: down for good");
                assert_has(text, "is now up");
                assert_calculated(text, "adsp", 1);
                assert_calculated(text, "cdsp", 1);
            }

            #[test]
            fn missing_firmware_fails_the_start() {
                let Some(run) = run() else { return };
                let text = run.section("missing");
                assert_has(text, "start failed");
                assert_has(text, "missing.mbn");
                assert_has(text, "cdsp state offline");
            }

            #[test]
            fn damaged_firmware_does_not_become_ready_and_says_why() {
                let Some(run) = run() else { return };
                let text = run.section("damaged");
                assert_has(text, "different 1");
                assert_has(text, "start failed");
                assert_has(text, "fatal error");
                assert_has(text, "is damaged: its SHA-256");
                assert!(!text.contains("cdsp state running"), "{text}");
                assert_calculated(text, "adsp", 1);
                let text = run.section("repaired");
                assert_has(text, "cdsp state running");
                assert_calculated(text, "cdsp", 1);
            }

            #[test]
            fn a_core_dump_is_readable_and_holds_the_reason() {
                let Some(run) = run() else { return };
                let text = run.section("coredump");
                assert_has(text, "cdsp state running");
                assert_calculated(text, "cdsp", 1);
                let file = run.share.path().join("cdsp.core");
                let program = assets::programs().join("vhost-hexagon");
                let told = Command::new(program).arg("coredump").arg(&file).output();
                let told = told.expect("vhost-hexagon starts");
                let text = String::from_utf8_lossy(&told.stdout);
                assert!(
                    told.status.success(),
                    "{text}{}",
                    String::from_utf8_lossy(&told.stderr)
                );
                assert_has(&text, "dump me");
            }

            #[test]
            fn the_kernel_has_nothing_to_complain_about() {
                let Some(run) = run() else { return };
                let text = run.section("kernel");
                assert!(text.trim().is_empty(), "{text}");
            }
        }
    };
}

kernel_tests!(linux_6_12, "6.12");
kernel_tests!(linux_newest, "newest");
