//! Crashes under clients that are in the middle of calls: one boot a kernel runs `guest/crashes.sh`.
//!
//! The guests run with `iommu.passthrough=1`: what is judged is that the DSPs recover, their clients with them, and that the
//! emulator does not grow; what the driver's buffers become is another matter (`--account`).

use tests::assets;
use tests::run::{Run, assert_has};

/// Crashes of the measured part, and those that end it.
const CYCLES: u64 = 48 + 2;
/// What the emulator may have grown by in them, in KiB: a leak of one page table, or of 100 KiB in every crash, exceeds it.
const GROWTH: u64 = 5 * 1024;

/// The report of one `vh-crashers`: the number behind each word.
fn report<'a>(text: &'a str, clients: &str) -> Vec<(&'a str, u64)> {
    let start = format!("crashers clients {clients} ");
    let line = text.lines().find_map(|line| line.split(&start).nth(1));
    let line = line.unwrap_or_else(|| panic!("no `{start}` in:\n{text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    words
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1].parse().unwrap_or(u64::MAX)))
        .collect()
}

fn fifty_crashes(series: &str) {
    let script = include_str!("../guest/crashes.sh");
    // Every crash is some thirty lines in the kernel's log, which is where the guest counts them.
    let arguments = [
        "--platform",
        "board",
        "--append",
        "iommu.passthrough=1",
        "--append",
        "log_buf_len=8M",
    ];
    let run = Run::boot("crashes", series, script, &arguments);
    let Some(run) = assets::or_skip(run) else {
        return;
    };
    run.section("end");
    let cycles = run.section("cycles");
    assert_eq!(run.number("cycles", "recovered "), CYCLES, "{cycles}");
    for (clients, wanted) in [("5", 5), ("3", 3)] {
        let report = report(cycles, clients);
        let value = |name| report.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        assert_eq!(value("recovered"), Some(wanted), "{report:?}");
        assert_eq!(value("wrong"), Some(0), "{report:?}");
        // Half of the crashes hit this DSP, and nearly all of them all of its clients in a call.
        let errors = value("errors").unwrap_or(0);
        assert!(errors >= wanted * (CYCLES / 2) / 2, "{report:?}");
    }
    for dsp in ["cdsp", "adsp"] {
        assert_has(cycles, &format!("{dsp} calculator status 0 2"));
    }
    let kernel = run.section("kernel");
    assert!(kernel.trim().is_empty(), "{kernel}");
    let (before, after) = (run.sample("before"), run.sample("after"));
    println!("emulator {before} KiB before, {after} KiB after {CYCLES} crashes");
    assert!(
        after < before + GROWTH,
        "the emulator grew from {before} to {after} KiB"
    );
}

#[test]
fn fifty_crashes_under_eight_clients_on_6_12() {
    fifty_crashes("6.12");
}

#[test]
fn fifty_crashes_under_eight_clients_on_the_newest() {
    fifty_crashes("newest");
}
