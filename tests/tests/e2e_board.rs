//! DSPs as remote processors on stock kernels: one boot a kernel runs all of `guest/board.sh`, and each test here judges
//! one part of what it printed.

use std::process::Command;

use tests::assets::{self, Shared};
use tests::run::{Run, assert_has};

/// A run, and the folder with the dump that it made.
struct Board {
    run: Run,
    share: tempfile::TempDir,
}

fn boot(series: &str) -> Result<Board, String> {
    let share = tempfile::tempdir().expect("a temporary folder");
    let path = share.path().display().to_string();
    let run = Run::boot(
        "board",
        series,
        include_str!("../guest/board.sh"),
        &["--platform", "board", "--share", &path],
    )?;
    for line in run.console.lines().filter(|line| line.contains(" took ")) {
        println!("{}: {line}", run.release);
    }
    Ok(Board { run, share })
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

            fn board() -> Option<&'static Board> {
                static BOARD: Shared<Board> = Shared::new();
                BOARD.or_skip(|| boot($series))
            }

            fn run() -> Option<&'static Run> {
                board().map(|board| &board.run)
            }

            #[test]
            fn the_guest_runs_to_its_end_and_the_emulator_with_it() {
                let Some(run) = run() else { return };
                run.assert_ended();
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
                let Some(Board { run, share }) = board() else {
                    return;
                };
                let text = run.section("coredump");
                assert_has(text, "cdsp state running");
                assert_calculated(text, "cdsp", 1);
                let file = share.path().join("cdsp.core");
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
