//! `cargo xtask bench --overhead`: what watching costs. The rate of calls without arguments, the most that a guest can make, with
//! `--trace` and with `--account` against that without either.
//!
//! A machine is never the same from one minute to the next, so the three take turns, and what is compared is the median of each
//! round's ratio.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use emu_setup::guest::{self, Boot};
use emu_setup::ui;
use host_files::output::Existing;

use crate::bench::BenchArgs;
use crate::firmware;

/// Calls of one measurement.
const CALLS: &str = "vh-bench --null 20000 --echo 0";

/// Measures, prints a table, writes `target/overhead.json`.
pub fn measure(emulator: &Path, args: &BenchArgs, rounds: u32) -> Result<()> {
    ensure!(rounds > 0, "--overhead needs at least one round");
    let trace = firmware::target_dir().join("overhead.pcapng");
    let ways: [(&str, Vec<String>); 3] = [
        ("plain", Vec::new()),
        (
            "trace",
            vec!["--force".into(), "--trace".into(), trace.display().to_string()],
        ),
        ("account", vec!["--account".into()]),
    ];
    let mut ratios: [Vec<f64>; 3] = Default::default();
    let mut rates: [Vec<f64>; 3] = Default::default();
    for round in 0..rounds {
        let mut now = [0.0; 3];
        // Whoever is first has it better or worse: each is first in turn.
        for turn in 0..ways.len() {
            let at = (turn + round as usize) % ways.len();
            let (name, options) = &ways[at];
            let what = format!("round {}: {name}", round + 1);
            now[at] = ui::step(&what, || rate(emulator, args, options))?;
        }
        for at in 0..ways.len() {
            rates[at].push(now[at]);
            ratios[at].push(now[at] / now[0]);
        }
    }
    let bytes = std::fs::metadata(&trace).map_or(0, |meta| meta.len());
    let _ = std::fs::remove_file(&trace);
    let mut report = serde_json::Map::new();
    for (at, (name, _)) in ways.iter().enumerate() {
        let (rate, ratio) = (median(&mut rates[at].clone()), median(&mut ratios[at].clone()));
        ui::say(format!(
            "{name:<10} {rate:>10.0} calls/s   {:>6.2} % of plain   (rounds: {})",
            ratio * 100.0,
            ratios[at]
                .iter()
                .map(|r| format!("{:.3}", r))
                .collect::<Vec<_>>()
                .join(" ")
        ));
        report.insert(
            (*name).into(),
            json!({ "per_second": rate, "ratio": ratio, "rounds": ratios[at] }),
        );
    }
    report.insert("trace_bytes".into(), json!(bytes));
    let file = firmware::target_dir().join("overhead.json");
    std::fs::write(&file, serde_json::to_string_pretty(&report)?)?;
    ui::say(format!("written to {}", file.display()));
    Ok(())
}

/// Calls per second of one boot.
fn rate(emulator: &Path, args: &BenchArgs, options: &[String]) -> Result<f64> {
    let command = ["/bin/sh", "-c", CALLS];
    let boot = Boot {
        emulator,
        kernel: &args.kernel,
        skeletons: None,
        command: &command,
        platform: &args.platform,
        options,
        log: firmware::target_dir().join("logs/overhead-console.log"),
        existing: Existing::Overwrite,
    };
    let outcome = guest::boot(&boot)?;
    let found = outcome.console.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["bench", "null", _, rate, ..] => rate.parse().ok(),
            _ => None,
        }
    });
    found.with_context(|| {
        format!(
            "the guest's benchmark did not finish; see {}",
            outcome.log.display()
        )
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(super::median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median(&mut []), 0.0);
    }
}
