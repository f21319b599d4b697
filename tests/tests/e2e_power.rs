//! Sleep, drivers that come and go, and another kernel on the same machine: one boot a kernel runs `guest/power.sh`.
//!
//! The other kernel only follows the newest one: 6.12 does not get as far as loading it (`kexec_load` fails in the kernel,
//! before any of our devices has to do with it).

use tests::assets::Shared;
use tests::run::Run;

/// The kernel that is followed by another.
const KEXEC: &str = "newest";

fn boot(series: &str) -> Result<Run, String> {
    let script = include_str!("../guest/power.sh");
    let arguments = |kernel: &tests::assets::Kernel| {
        let mut words = vec!["--platform".to_owned(), "board".to_owned()];
        if series == KEXEC {
            words.push("--file".to_owned());
            words.push(format!("{}:/vh/Image", kernel.dir.join("Image").display()));
        }
        words
    };
    Run::boot_with("power", series, script, arguments)
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
                static RUN: Shared<Run> = Shared::new();
                RUN.or_skip(|| boot($series))
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
                run.assert_ended();
            }
        }
    };
}

kernel_tests!(linux_6_12, "6.12");
kernel_tests!(linux_newest, "newest");
