//! Crashes under clients that are in the middle of calls: one boot a kernel runs `guest/crashes.sh`.
//!
//! The guests run with `iommu.passthrough=1`: what is judged is that the DSPs recover, their clients with them, and that the
//! emulator does not grow; what the driver's buffers become is another matter (`--account`).

use std::time::Duration;

use tests::assets;
use tests::guest::{Boot, Guest, requirements};

/// Crashes of the measured part, and those that end it.
const CYCLES: u64 = 48 + 2;
/// What the emulator may have grown by in them, in KiB: what a leak of one session's buffers in every crash exceeds.
const GROWTH: u64 = 16 * 1024;

fn number(text: &str, key: &str) -> u64 {
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no `{key}` in:\n{text}"))
}

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
    let (kernel, firmware) = match requirements(series) {
        Ok(found) => found,
        Err(reason) => return assets::skip(&reason),
    };
    let boot = Boot {
        name: "crashes",
        kernel: &kernel,
        script: include_str!("../guest/crashes.sh"),
        // Every crash is some thirty lines in the kernel's log, which is where the guest counts them.
        arguments: &[
            "--platform",
            "board",
            "--append",
            "iommu.passthrough=1",
            "--append",
            "log_buf_len=8M",
        ],
    };
    let mut guest = Guest::start(&boot, &firmware);
    let mut samples = Vec::new();
    let ended = guest.read_until(Duration::from_secs(420), |guest, line| {
        if line.starts_with("@sample ") {
            samples.push(guest.emulator_kib());
        }
        guest.obey(line);
        false
    });
    let console = std::mem::take(&mut guest.console);
    let tail = || {
        let lines: Vec<&str> = console.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    };
    assert!(
        ended && console.contains("@@ end\n"),
        "messages in {}, the console's end:\n{}",
        guest.log.display(),
        tail()
    );
    assert!(!console.contains("gave up waiting"), "{}", tail());
    let at = console.find("@@ cycles\n").expect("the section");
    let (cycles, kernel) = console[at..].split_once("@@ kernel\n").expect("the section");
    assert_eq!(number(cycles, "recovered "), CYCLES, "{cycles}");
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
        let line = format!("{dsp} calculator status 0 2");
        assert!(cycles.contains(&line), "`{line}` in:\n{cycles}");
    }
    let kernel = kernel.split("@@ ").next().unwrap_or_default();
    assert!(kernel.trim().is_empty(), "{kernel}");
    let [before, after] = samples[..] else {
        panic!("{samples:?}")
    };
    println!("emulator {before} KiB before, {after} KiB after {CYCLES} crashes");
    assert!(
        before > 0 && after < before + GROWTH,
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
