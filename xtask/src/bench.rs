//! `cargo xtask bench`: numbers, beside a peer's in the same run where there is one.
//!
//! * the guest's view: invokes per second and round trips of a call without arguments and of one with 1 MiB in and
//!   1 MiB out; time from power-on to the first result;
//! * the core's view: packets per second on small benchmarks, on our DSP and on QEMU's user-mode Hexagon.
//!
//! Both sides of a core benchmark are built from the same source by the same compiler and must agree on the checksum.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use crate::assets::{self, SetupArgs};
use crate::guest::{self, Boot};
use crate::{firmware, overhead, tools, ui};

/// Options of `bench`.
#[derive(Args, Clone)]
pub struct BenchArgs {
    /// Kernel series for the guest's part.
    #[arg(long, default_value = "7.3", value_name = "SERIES")]
    pub kernel: String,
    /// How the kernel meets the DSPs: rpm = they simply exist; board = its remoteproc driver loads and starts them.
    #[arg(long, default_value = "rpm", value_parser = ["rpm", "board"])]
    pub platform: String,
    /// Only the core's part (no guest).
    #[arg(long)]
    pub core_only: bool,
    /// Only what watching costs: the rate of calls with --trace and with --account against that without, in this many rounds.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "5", conflicts_with = "core_only")]
    pub overhead: Option<u32>,
    /// Folder with the core benchmarks (`rt.h`, `b1_*.c` …).
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
}

/// Core benchmarks and how often each is repeated: enough for a second or more of work on our side.
const CORE: &[(&str, u32)] = &[("b1_int", 12), ("b2_mem", 4), ("b3_fp", 10)];

/// Measures everything, prints a table, writes `target/bench.json`.
pub fn bench(args: &BenchArgs) -> Result<()> {
    assets::setup(&SetupArgs {
        assets_only: args.core_only,
        ..SetupArgs::default()
    })?;
    let emulator = ui::step("build", guest::build_emulator)?;
    let firmware = firmware::build()?;
    if let Some(rounds) = args.overhead {
        return overhead::measure(&emulator, &firmware, args, rounds);
    }
    let mut report = serde_json::Map::new();
    if !args.core_only {
        let skeletons = firmware.root().join("skel");
        let command = ["/bin/sh", "-c", "vh-calc && vh-bench --null 5000 --echo 200"];
        let boot = Boot {
            emulator: &emulator,
            kernel: &args.kernel,
            skeletons: &skeletons,
            command: &command,
            platform: &args.platform,
            options: &[],
            name: "bench",
        };
        let outcome = ui::step("guest", || guest::boot(&boot, &firmware))?;
        report.insert("kernel".into(), json!(outcome.release));
        report.insert("emulator".into(), outcome.summary.clone());
        for line in outcome.console.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["first", "result", "at", seconds] => {
                    ui::say(format!(
                        "{:<28} {seconds:>10} s of guest time",
                        "power-on to first result"
                    ));
                    report.insert("first_result_s".into(), number(seconds));
                }
                ["bench", name, calls, rate, median, p99] => {
                    ui::say(format!(
                        "{name:<28} {rate:>10} calls/s   median {median} us   p99 {p99} us"
                    ));
                    report.insert(
                        name.to_owned(),
                        json!({ "calls": number(calls), "per_second": number(rate),
                            "median_us": number(median), "p99_us": number(p99) }),
                    );
                }
                _ => {}
            }
        }
        if !report.contains_key("null") || !report.contains_key("echo-1MiB") {
            bail!(
                "the guest's benchmark did not finish; see {}",
                outcome.log.display()
            );
        }
    }
    let sources = args.sources.clone().or_else(|| {
        let dir = firmware::workspace().join("../shared/spec/isa/bench");
        dir.is_dir().then_some(dir)
    });
    match sources {
        None => ui::say("core benchmarks left out: no sources (name their folder with --sources)"),
        Some(dir) => {
            ui::say(format!(
                "{:<10} {:>14} {:>14} {:>8}",
                "core", "ours Mpkt/s", "QEMU Mpkt/s", "ratio"
            ));
            for (name, iterations) in CORE {
                let (ours, qemu) =
                    core(&emulator, &dir, name, *iterations).with_context(|| format!("benchmark {name}"))?;
                ui::say(format!(
                    "{name:<10} {ours:>14.1} {qemu:>14.1} {:>8.3}",
                    ours / qemu
                ));
                report.insert(
                    format!("core_{name}"),
                    json!({ "ours_mpkt_s": ours, "qemu_mpkt_s": qemu, "ratio": ours / qemu }),
                );
            }
        }
    }
    let file = firmware::target_dir().join("bench.json");
    std::fs::write(&file, serde_json::to_string_pretty(&report)?)?;
    ui::say(format!("written to {}", file.display()));
    Ok(())
}

fn number(text: &str) -> serde_json::Value {
    text.parse::<f64>().map_or(serde_json::Value::Null, |n| json!(n))
}

/// Millions of packets per second: ours, QEMU's.
fn core(emulator: &Path, sources: &Path, name: &str, iterations: u32) -> Result<(f64, f64)> {
    let work = firmware::target_dir().join("bench");
    std::fs::create_dir_all(&work)?;
    let llvm = tools::llvm().context("no clang with Hexagon")?;
    let text = std::fs::read_to_string(sources.join(format!("{name}.c")))?;

    // QEMU's side: the benchmark's own runtime, with our number of iterations.
    let at = text
        .rfind("MAIN(")
        .context("the source has no MAIN(name, iterations)")?;
    let comma = text[at..].find(',').context("MAIN without iterations")? + at;
    std::fs::write(work.join("qemu.c"), format!("{},{iterations})\n", &text[..comma]))?;
    std::fs::copy(sources.join("rt.h"), work.join("rt.h"))?;
    let program = work.join(format!("{name}-qemu"));
    ui::output(
        Command::new(llvm.join("clang"))
            .args([
                "--target=hexagon-unknown-none-elf",
                "-mv68",
                "-O2",
                "-G0",
                "-ffreestanding",
                "-fno-builtin",
            ])
            .args([
                "-nostdlib",
                "-nostartfiles",
                "-static",
                "-fuse-ld=lld",
                "-Wl,-e,_start",
                "-w",
            ])
            .arg(work.join("qemu.c"))
            .arg("-o")
            .arg(&program),
    )?;
    let qemu = tools::on_path("qemu-hexagon-static")
        .or_else(|| tools::on_path("qemu-hexagon"))
        .context("no qemu-hexagon")?;
    let said = ui::output(Command::new(qemu).args(["-cpu", "v68"]).arg(&program))?;
    let field = |key: &str| -> Result<f64> {
        let value = said
            .split_whitespace()
            .find_map(|w| w.strip_prefix(key))
            .context("QEMU's line lacks a field")?;
        Ok(value.parse()?)
    };
    let peer = field("packets=")? / field("ns=")? * 1e3;
    let checksum = field("check=")? as u32;

    // Ours: the same source as a skeleton.
    std::fs::write(work.join("ours.c"), &text)?;
    std::fs::copy(
        firmware::workspace().join("firmware/bench/rt.h"),
        work.join("rt.h"),
    )?;
    let skeleton = work.join("libcore_skel.so");
    let mut command = firmware::hexagon(&llvm);
    command
        .arg("-w")
        .arg(work.join("ours.c"))
        .arg("-o")
        .arg(&skeleton);
    ui::output(&mut command)?;
    // The cost of starting up and loading is that of a run without iterations.
    let (idle_packets, idle_seconds, _) = invoke(emulator, &skeleton, 0)?;
    let (packets, seconds, ours) = invoke(emulator, &skeleton, iterations)?;
    if ours != checksum {
        bail!("our result {ours:#x} differs from QEMU's {checksum:#x}");
    }
    Ok((
        (packets - idle_packets) / (seconds - idle_seconds).max(1e-9) / 1e6,
        peer,
    ))
}

/// Runs method 2 of the benchmark skeleton without a guest: packets, seconds, checksum.
fn invoke(emulator: &Path, skeleton: &Path, iterations: u32) -> Result<(f64, f64, u32)> {
    let mut command = Command::new(emulator);
    command
        .arg("invoke")
        .arg("--skel")
        .arg(skeleton)
        .args(["--method", "2", "--stats", "--quiet"]);
    command
        .arg("--in")
        .arg(format!("u32:{iterations}"))
        .args(["--out", "u32"]);
    let start = Instant::now();
    let done = command
        .output()
        .with_context(|| format!("cannot start {}", emulator.display()))?;
    let seconds = start.elapsed().as_secs_f64();
    let (out, err) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    if !done.status.success() {
        bail!(
            "`{}` failed ({}):\n{}",
            ui::line_of(&command),
            done.status,
            err.trim()
        );
    }
    let packets = err
        .lines()
        .find_map(|l| l.strip_prefix("packets executed")?.trim().parse().ok());
    let packets: f64 = packets.with_context(|| format!("`invoke --stats` named no packets:\n{err}"))?;
    let value = out.split_whitespace().find_map(|word| word.parse::<u32>().ok());
    Ok((
        packets,
        seconds,
        value.with_context(|| format!("`invoke` printed no number:\n{out}"))?,
    ))
}
