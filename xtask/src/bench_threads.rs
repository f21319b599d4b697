//! `cargo xtask bench --threads`: what several DSP threads of one process gain on several host threads, by `vhost-hexagon invoke`
//! on the skeleton `threads` of the kit.
//!
//! The number of host threads takes turns within each round; what is compared is the median of the rounds' ratios to one thread.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use emu_setup::{command, ui};

use crate::bench::median;
use crate::firmware;

/// Ticks a second of what the skeleton measures with.
const TICKS: f64 = 19_200_000.0;
/// Host threads that are compared.
const THREADS: [u32; 3] = [1, 2, 4];
/// Rows of the product.
const ROWS: u32 = 256;
/// Threads started, and wakes of the futex game.
const STARTS: u32 = 2000;
const ROUNDS_OF_GAME: u32 = 20_000;

/// Measures, prints a table, writes `target/bench-threads.json`.
pub fn measure(emulator: &Path, rounds: u32) -> Result<()> {
    ensure!(rounds > 0, "--threads needs at least one round");
    let skeleton = firmware::build()?.root().join("skel/libthreads_skel.so");
    let mut seconds: [Vec<f64>; THREADS.len()] = Default::default();
    let mut sum = None;
    for round in 0..rounds as usize {
        for turn in 0..THREADS.len() {
            let at = (turn + round) % THREADS.len();
            let count = THREADS[at];
            let out = call(emulator, &skeleton, 4, count, &[ROWS, count], 2)?;
            ensure!(
                *sum.get_or_insert(out[0]) == out[0],
                "the products of {ROWS} rows differ"
            );
            seconds[at].push(f64::from(out[1]) / TICKS);
        }
    }
    let mut report = serde_json::Map::new();
    for (at, count) in THREADS.iter().enumerate() {
        let ratios = seconds[at].iter().zip(&seconds[0]).map(|(now, one)| one / now);
        let (time, ratio) = (median(seconds[at].clone()), median(ratios.collect()));
        ui::say(format!(
            "product of {ROWS} rows, {count} threads {:>8.1} ms {ratio:>8.2} x one thread",
            time * 1e3
        ));
        report.insert(
            format!("matmul_{count}"),
            json!({ "seconds": time, "ratio": ratio }),
        );
    }
    for count in [1, 2] {
        let started = call(emulator, &skeleton, 2, count, &[STARTS], 1)?[0];
        let game = call(emulator, &skeleton, 3, count, &[ROUNDS_OF_GAME], 1)?[0];
        let per_second = f64::from(STARTS) * TICKS / f64::from(started);
        let wake_us = f64::from(game) / TICKS * 1e6 / f64::from(2 * ROUNDS_OF_GAME);
        ui::say(format!(
            "{count} host threads: {per_second:.0} threads started and joined a second, {wake_us:.2} us from wake to run"
        ));
        report.insert(
            format!("host_threads_{count}"),
            json!({ "started_per_second": per_second, "futex_wake_us": wake_us }),
        );
    }
    let (first, next) = process_memory(&skeleton)?;
    ui::say(format!(
        "memory of the emulator's own: {first} KiB for the first DSP process, {next} KiB for each further one"
    ));
    report.insert(
        "process_memory_kib".to_owned(),
        json!({ "first": first, "next": next }),
    );
    let file = firmware::target_dir().join("bench-threads.json");
    std::fs::write(&file, serde_json::to_string_pretty(&report)?)?;
    ui::say(format!("written to {}", file.display()));
    Ok(())
}

/// KiB that the first process, and each further one, costs: a session with the skeleton open, which has started threads.
fn process_memory(skeleton: &Path) -> Result<(u64, u64)> {
    let text = command::output(
        Command::new("cargo")
            .args(["run", "--quiet", "--release", "--package", "emu-local-ap"])
            .args(["--example", "process_memory", "--"])
            .arg(skeleton)
            .arg("2"),
    )?;
    let mut words = text.split_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(first)), Some(Ok(next))) => Ok((first, next)),
        _ => anyhow::bail!("the example process_memory printed {text:?}"),
    }
}

/// Calls a method with words in and out, on so many host threads.
fn call(
    emulator: &Path,
    skeleton: &Path,
    method: u32,
    threads: u32,
    words: &[u32],
    out: usize,
) -> Result<Vec<u32>> {
    let input: Vec<String> = words.iter().map(u32::to_string).collect();
    let text = command::output(
        Command::new(emulator)
            .args(["invoke", "--skel"])
            .arg(skeleton)
            .args(["--method", &method.to_string()])
            .args(["--dsp-threads", &threads.to_string()])
            .args(["--in", &format!("u32:{}", input.join(","))])
            .args(["--out", &format!("u32:{out}")]),
    )?;
    let words: Result<Vec<u32>, _> = text.split_whitespace().map(str::parse).collect();
    let words = words.with_context(|| format!("method {method} answered {text:?}"))?;
    ensure!(words.len() == out, "method {method} answered {text:?}");
    Ok(words)
}
