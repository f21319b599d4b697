//! Stock kernels, the unmodified library, our DSP: one boot a kernel and platform runs all of `guest/checks.sh`, and each
//! test here judges one part of what it printed.

use tests::assets::Shared;
use tests::run::{Run, assert_has};

fn boot(series: &str, platform: &str) -> Result<Run, String> {
    Run::boot(
        &format!("checks-{platform}"),
        series,
        include_str!("../guest/checks.sh"),
        &["--platform", platform],
    )
}

#[track_caller]
fn assert_calculated(text: &str) {
    assert_has(text, "Sum = 499500");
    assert_has(text, "Max value = 999");
    assert_has(text, "status 0");
}

macro_rules! kernel_tests {
    ($module:ident, $series:literal, $platform:literal) => {
        mod $module {
            use super::*;

            fn run() -> Option<&'static Run> {
                static RUN: Shared<Run> = Shared::new();
                RUN.or_skip(|| boot($series, $platform))
            }

            #[test]
            fn the_guest_runs_to_its_end_and_the_emulator_with_it() {
                let Some(run) = run() else { return };
                run.assert_ended();
            }

            #[test]
            fn the_calculator_computes_through_the_unmodified_library() {
                let Some(run) = run() else { return };
                assert_calculated(run.section("calculator"));
            }

            #[test]
            fn the_real_calculator_skeleton_runs() {
                let (Some(run), Some(_)) = (run(), test_needs::real_skeletons()) else {
                    return;
                };
                assert_calculated(run.section("real"));
            }

            #[test]
            fn three_processes_run_at_once() {
                let Some(run) = run() else { return };
                let text = run.section("processes");
                assert_eq!(text.matches("Sum = 499500").count(), 3, "{text}");
                assert_has(text, "procs 3 ok");
            }

            #[test]
            fn a_client_killed_in_the_middle_of_a_call_leaves_the_dsp_serving() {
                let Some(run) = run() else { return };
                let text = run.section("kill");
                assert_has(text, "killed");
                assert_calculated(text);
            }

            #[test]
            fn a_crashing_skeleton_ends_its_own_process_only() {
                let Some(run) = run() else { return };
                let text = run.section("crash");
                for sin in [2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 20, 21, 24] {
                    let prefix = format!("sin {sin} ");
                    let line = text.lines().find(|l| l.starts_with(&prefix));
                    let line = line.unwrap_or_else(|| panic!("{prefix}is missing in:\n{text}"));
                    assert!(
                        line.contains("invoke = 0x27") || line.contains("invoke = 0x68"),
                        "{line}"
                    );
                }
                assert_has(text, "bystander 0");
                assert_calculated(text);
            }

            #[test]
            fn a_sin_that_a_process_survives_is_answered() {
                let Some(run) = run() else { return };
                let text = run.section("survive");
                assert_has(text, "sin 12 invoke = 0x0 out0 00000000");
                assert_has(text, "sin 14 invoke = 0x0");
                assert_has(text, "sin 17 invoke = 0x1234");
                assert_has(text, "sin 19 invoke = 0x0 out0 03000000");
                assert_calculated(text);
            }

            #[test]
            fn log_messages_of_the_skeleton_reach_the_guest() {
                let Some(run) = run() else { return };
                let text = run.section("log");
                assert_has(text, "high 4711");
                assert_has(text, "error 4711");
            }

            #[test]
            fn the_library_prints_what_calls_cost_on_the_dsp() {
                let Some(run) = run() else { return };
                let text = run.section("perf");
                assert_has(text, "status 0");
                let told = |key: &str| -> Vec<u64> {
                    let lines = text.lines().filter(|line| line.contains(key));
                    lines
                        .filter_map(|line| {
                            line.split(':')
                                .nth(1)?
                                .split_whitespace()
                                .next()?
                                .parse()
                                .ok()
                        })
                        .collect()
                };
                // After every fifth call, and the open is none of them.
                assert_eq!(told("fastrpc.dsp.perf_invoke_count"), [5, 10], "{text}");
                assert!(told("fastrpc.dsp.perf_mod_invoke").is_sorted(), "{text}");
            }

            #[test]
            fn a_megabyte_goes_in_and_comes_out_unchanged() {
                let Some(run) = run() else { return };
                let text = run.section("echo");
                assert_has(text, "bench echo-1MiB 5 ");
                assert_has(text, "status 0");
            }

            #[test]
            fn an_access_that_the_smmu_refuses_is_a_context_fault_in_the_kernels_log() {
                let Some(run) = run() else { return };
                let text = run.section("fault");
                assert_has(text, "context fault");
                assert_calculated(text);
            }

            #[test]
            fn a_missing_skeleton_is_an_error_of_open() {
                let Some(run) = run() else { return };
                assert_has(run.section("missing"), "open = 0x80000406");
            }

            #[test]
            fn ten_thousand_invokes_do_not_grow_the_emulator_or_the_guest() {
                let Some(run) = run() else { return };
                let (before, after) = (run.sample("before"), run.sample("after"));
                assert!(
                    after < before + 4096,
                    "the emulator grew from {before} to {after} KiB"
                );
                let (before, after) = (
                    run.number("memory", "guest before "),
                    run.number("memory", "guest after "),
                );
                assert!(
                    after + 4096 > before,
                    "the guest's free memory fell from {before} to {after} KiB"
                );
                assert_has(run.section("memory"), "invoke = 0x0");
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

kernel_tests!(linux_6_12, "6.12", "rpm");
kernel_tests!(linux_6_12_board, "6.12", "board");
kernel_tests!(linux_newest, "newest", "rpm");
kernel_tests!(linux_newest_board, "newest", "board");
