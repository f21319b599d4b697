//! Sleep, drivers that come and go, and another kernel on the same machine: one boot a kernel runs `guest/power.sh`.
//!
//! The other kernel only follows the newest one: 6.12 does not get as far as loading it (`kexec_load` fails in the kernel,
//! before any of our devices has to do with it).

use std::sync::OnceLock;
use std::time::Duration;

use tests::assets;
use tests::guest::{Boot, Guest, requirements};

/// The kernel that is followed by another.
const KEXEC: &str = "newest";

/// What one boot printed.
struct Run {
    console: String,
    exit: Option<i32>,
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
        let board = ["--platform", "board"];
        let image = format!("{}:/vh/Image", kernel.dir.join("Image").display());
        let image = ["--file", &image];
        let boot = Boot {
            name: "power",
            kernel: &kernel,
            script: include_str!("../guest/power.sh"),
            arguments: if series == KEXEC {
                &[&board[..], &image[..]].concat()
            } else {
                &board
            },
        };
        let mut guest = Guest::start(&boot, &firmware);
        let ended = guest.read_until(Duration::from_secs(300), |_, _| false);
        let exit = if ended {
            guest.wait(Duration::from_secs(20))
        } else {
            None
        };
        Some(Run {
            console: std::mem::take(&mut guest.console),
            exit,
        })
    }

    /// What one check printed.
    fn section(&self, name: &str) -> &str {
        let start = format!("@@ {name}\n");
        let Some(at) = self.console.find(&start) else {
            let mut lines: Vec<&str> = self.console.lines().rev().take(20).collect();
            lines.reverse();
            panic!(
                "the guest did not get to `{name}`; exit {:?}, end of the console:\n{}",
                self.exit,
                lines.join("\n")
            )
        };
        let rest = &self.console[at + start.len()..];
        let text = &rest[..rest.find("@@ ").unwrap_or(rest.len())];
        assert!(!text.contains("gave up waiting"), "{text}");
        text
    }
}

/// Calculations on these DSPs were right.
#[track_caller]
fn assert_calculated(text: &str, dsps: &[&str]) {
    for dsp in dsps {
        let line = format!("{dsp} calculator status 0 2");
        assert!(text.contains(&line), "`{line}` is missing in:\n{text}");
    }
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
            fn a_guest_that_sleeps_finds_the_dsps_as_they_were() {
                let Some(run) = run() else { return };
                let text = run.section("idle");
                assert!(text.contains("woken 0\n1\n"), "{text}");
                assert_calculated(text, &["cdsp", "adsp"]);
            }

            #[test]
            fn calls_outlast_sleep() {
                let Some(run) = run() else { return };
                let text = run.section("parked");
                assert!(text.contains("woken 0"), "{text}");
                for call in ["short", "long"] {
                    let line = format!("{call} 0 invoke = 0x0");
                    assert!(text.contains(&line), "`{line}` is missing in:\n{text}");
                }
                assert_calculated(text, &["cdsp"]);
            }

            #[test]
            fn all_drivers_come_and_go() {
                let Some(run) = run() else { return };
                let text = run.section("drivers");
                assert!(!text.contains("not unloaded"), "{text}");
                assert!(!text.contains("not loaded"), "{text}");
                assert!(text.contains("left: 0\n"), "{text}");
                assert_calculated(text, &["cdsp", "adsp"]);
            }

            #[test]
            fn the_kernel_has_nothing_to_complain_about() {
                let Some(run) = run() else { return };
                let text = run.section("kernel");
                assert!(text.trim().is_empty(), "{text}");
            }

            #[test]
            fn the_next_kernel_finds_the_dsps_again() {
                let Some(run) = run() else { return };
                if $series == KEXEC {
                    assert!(run.section("kexec").contains("kexec loaded"));
                    assert_calculated(run.section("second"), &["cdsp", "adsp"]);
                    let text = run.section("second_kernel");
                    assert!(text.trim().is_empty(), "{text}");
                }
                run.section("end");
                assert_eq!(run.exit, Some(0));
            }
        }
    };
}

kernel_tests!(linux_6_12, "6.12");
kernel_tests!(linux_newest, "newest");
