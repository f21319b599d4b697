//! vh-drive against a kernel and an honest DSP: every request of the drivers, threads, processes and signals in the middle of
//! calls (`guest/drive/*.drv`). The expectations are in the scripts; what is left behind by the requests is the
//! account's to judge.

use tests::assets::{self, Shared};
use tests::run::Run;

/// Boots and runs scripts one after the other; their exit codes are printed.
fn boot(series: &str, name: &str, scripts: &[&str], arguments: &[&str]) -> Result<Run, String> {
    let mut all: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    let mut script = String::new();
    for name in scripts {
        let host = assets::workspace().join(format!("tests/guest/drive/{name}.drv"));
        all.extend(["--file".into(), format!("{}:/vh/{name}.drv", host.display())]);
        script += &format!("echo '@@ {name}'; vh-drive /vh/{name}.drv; echo \"exit $?\"\n");
    }
    script += "echo '@@ kernel'; dmesg | grep -E 'BUG|WARNING|Oops|UBSAN|Unable to handle|Call trace'\n";
    script += "echo '@@ end'\n";
    let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
    Run::boot(name, series, &script, &arguments)
}

#[track_caller]
fn assert_passed(run: &Run, name: &str) {
    let text = run.section(name);
    assert!(text.contains("\nexit 0\n"), "{name}:\n{text}");
}

macro_rules! kernel_tests {
    ($module:ident, $series:literal) => {
        mod $module {
            use super::*;

            fn requests() -> Option<&'static Run> {
                static RUN: Shared<Run> = Shared::new();
                RUN.or_skip(|| {
                    boot(
                        $series,
                        "drive-requests",
                        &["language", "fastrpc"],
                        &["--account"],
                    )
                })
            }

            fn tasks() -> Option<&'static Run> {
                static RUN: Shared<Run> = Shared::new();
                RUN.or_skip(|| {
                    boot(
                        $series,
                        "drive-tasks",
                        &["tasks", "wrong", "sessions", "heap", "processes"],
                        &[],
                    )
                })
            }

            #[test]
            fn every_request_does_what_it_should() {
                let Some(run) = requests() else { return };
                assert_passed(run, "language");
                assert_passed(run, "fastrpc");
                let complaints = run.section("kernel");
                assert!(complaints.trim().is_empty(), "{complaints}");
            }

            #[test]
            fn requests_leave_nothing_behind() {
                let Some(run) = requests() else { return };
                run.section("end");
                // 3 would be an account that is not clean; its findings are in the boot's log.
                assert_eq!(run.exit, Some(0), "{}", run.console);
            }

            #[test]
            fn threads_processes_and_signals_in_the_middle_of_calls() {
                let Some(run) = tasks() else { return };
                assert_passed(run, "tasks");
                let complaints = run.section("kernel");
                assert!(complaints.trim().is_empty(), "{complaints}");
            }

            #[test]
            fn what_both_drivers_do_works_with_this_one() {
                let Some(run) = tasks() else { return };
                for script in ["sessions", "heap"] {
                    assert_passed(run, script);
                    assert!(
                        run.section(script).contains("driver 1\n"),
                        "{}",
                        run.console
                    );
                }
            }

            #[test]
            fn a_dsp_has_the_processes_of_its_firmware_and_no_others() {
                let Some(run) = tasks() else { return };
                assert_passed(run, "processes");
            }

            #[test]
            fn a_wrong_expectation_is_told_with_its_line() {
                let Some(run) = tasks() else { return };
                let text = run.section("wrong");
                assert!(
                    text.contains("line 5: `create a` gave 0, expected EPIPE|5..9"),
                    "{text}"
                );
                assert!(text.contains("\nexit 1\n"), "{text}");
                assert!(!text.contains("not reached"), "{text}");
            }
        }
    };
}

kernel_tests!(linux_6_12, "6.12");
kernel_tests!(linux_newest, "newest");

/// No distribution has QDA: each kernel with it that a user built, in one boot.
#[test]
fn what_both_drivers_do_works_with_qda() {
    for name in assets::qda_kernels_or_skip() {
        let Some(run) = assets::or_skip(boot(&name, "drive-qda", &["sessions", "heap"], &[])) else {
            return;
        };
        assert!(
            run.console.contains("/dev/accel/accel0="),
            "the accel nodes are told with their DSPs: {}",
            run.console
        );
        for script in ["sessions", "heap"] {
            assert_passed(&run, script);
            let text = run.section(script);
            assert!(
                text.contains("driver 2\n") || text.contains("driver 3\n"),
                "{text}"
            );
        }
    }
}

/// Older kernels have no poll mode, and the newest has it only on machines that it knows for it.
#[test]
fn poll_mode_gives_the_same_results() {
    let machine = ["--account", "--soc", "sa8775p"];
    let Some(run) = assets::or_skip(boot("newest", "drive-poll", &["poll"], &machine)) else {
        return;
    };
    assert_passed(&run, "poll");
    let complaints = run.section("kernel");
    assert!(complaints.trim().is_empty(), "{complaints}");
    assert_eq!(run.exit, Some(0), "{}", run.console);
}
