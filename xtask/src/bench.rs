//! `cargo xtask bench`: numbers, beside a peer's in the same run where there is one.
//!
//! * the guest's view: invokes per second and round trips of a call without arguments and of one with 1 MiB in and
//!   1 MiB out; packets per second over a queue (dspqueue); time from power-on to the first result;
//! * the same packets without a guest, with `vhost-hexagon invoke`;
//! * operations of llama.cpp's Hexagon backend on the emulated DSP (`--ggml`);
//! * well-known C programs as a user runs them, beside QEMU's user-mode Hexagon (`--programs`);
//! * the core's view: packets per second of small programs, with `vhost-hexagon exec` (the interpreter, and the translator as users
//!   have it) and on QEMU's user-mode Hexagon, in a short run and in one that is long enough for translation not to count.
//!
//! Both sides of a core benchmark run the same file, which measures itself, by turns, and must agree on the checksum. Where QEMU
//! would need minutes for a long run it does a share of the work: its rate is the same in both, and rates are compared. Our engines
//! must then agree with each other.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use emu_setup::guest::{self, Boot};
use emu_setup::{Options, command, tools, ui};
use host_files::output::Existing;

use crate::{assets, bench_programs, bench_threads, build, firmware, overhead};

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
    /// Only what several DSP threads gain on several host threads, in this many rounds.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "5", conflicts_with_all = ["core_only", "overhead"])]
    pub threads: Option<u32>,
    /// Only operations of llama.cpp's Hexagon backend: both engines in this many rounds.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "3", conflicts_with_all = ["core_only", "overhead", "threads"])]
    pub ggml: Option<u32>,
    /// Only well-known C programs (Lua, bzip2, zlib, SQLite): both engines and qemu-hexagon in this many rounds.
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = "5", conflicts_with_all = ["core_only", "overhead", "threads", "ggml"])]
    pub programs: Option<u32>,
    /// Folder with the core benchmarks (`rt.h`, `b1_*.c` …).
    #[arg(long, value_name = "DIR")]
    pub sources: Option<PathBuf>,
}

/// A core benchmark.
struct Program {
    name: &'static str,
    /// How often it is repeated in a short run: a second or so on the slowest side.
    short: u32,
    /// How often in a long one: translation and start-up are under a twentieth of our time.
    long: u32,
    /// QEMU's share of a long run: some seconds.
    long_on_qemu: u32,
}

/// The core benchmarks.
const CORE: &[Program] = &[
    Program {
        name: "b1_int",
        short: 12,
        long: 144,
        long_on_qemu: 144,
    },
    Program {
        name: "b2_mem",
        short: 4,
        long: 48,
        long_on_qemu: 48,
    },
    Program {
        name: "b3_fp",
        short: 10,
        long: 200,
        long_on_qemu: 100,
    },
    Program {
        name: "b4_gemm",
        short: 20,
        long: 600,
        long_on_qemu: 60,
    },
    Program {
        name: "b5_hvxadd",
        short: 2,
        long: 160,
        long_on_qemu: 10,
    },
];
/// Each is run this often on both sides by turns; the median of the ratios counts.
const ROUNDS: usize = 5;

/// Measures everything, prints a table, writes `target/bench.json`.
pub fn bench(args: &BenchArgs) -> Result<()> {
    if let Some(rounds) = args.ggml {
        return bench_programs::measure("ggml_bench", rounds);
    }
    if let Some(rounds) = args.programs {
        return bench_programs::measure("programs_bench", rounds);
    }
    assets::setup(&Options {
        assets_only: args.core_only || args.threads.is_some(),
        ..Options::default()
    })?;
    let emulator = ui::step("build", build::emulator)?;
    if let Some(rounds) = args.overhead {
        return overhead::measure(&emulator, args, rounds);
    }
    if let Some(rounds) = args.threads {
        return bench_threads::measure(&emulator, rounds);
    }
    let mut report = serde_json::Map::new();
    if !args.core_only {
        let command = [
            "/bin/sh",
            "-c",
            "vh-calc && vh-bench --null 5000 --echo 200 && vh-queue --packets 50000",
        ];
        let boot = Boot {
            emulator: &emulator,
            kernel: &args.kernel,
            skeletons: None,
            command: &command,
            platform: &args.platform,
            options: &[],
            log: firmware::target_dir().join("logs/bench-console.log"),
            existing: Existing::Overwrite,
        };
        let outcome = ui::step("guest", || guest::boot(&boot))?;
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
                ["per_second", rate] => packets(&mut report, "queue", rate),
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
        if !["null", "echo-1MiB", "queue"]
            .iter()
            .all(|name| report.contains_key(*name))
        {
            bail!(
                "the guest's benchmark did not finish; see {}",
                outcome.log.display()
            );
        }
    }
    if !args.core_only {
        let rate = queue_without_guest(&emulator)?;
        packets(&mut report, "queue-invoke", &rate);
    }
    let sources = args.sources.clone().or_else(|| {
        let dir = firmware::workspace().join("../shared/spec/isa/bench");
        dir.is_dir().then_some(dir)
    });
    match sources {
        None => ui::say("core benchmarks left out: no sources (name their folder with --sources)"),
        Some(dir) => {
            ui::say(format!(
                "{:<10} {:>6} {:>9} {:>9} {:>9} {:>9} {:>9}   (Mpkt/s; x: of QEMU's in the same round)",
                "core", "run", "interp", "auto", "QEMU", "interp x", "auto x"
            ));
            for program in CORE {
                let name = program.name;
                let runs = [
                    ("short", [program.short; 2]),
                    ("long", [program.long, program.long_on_qemu]),
                ];
                for (run, iterations) in runs {
                    let Core { ours, qemu, ratios } = core(&emulator, &dir, name, iterations)
                        .with_context(|| format!("benchmark {name}"))?;
                    let [interp, auto] = ours;
                    let [interp_ratio, auto_ratio] = ratios;
                    ui::say(format!(
                        "{name:<10} {run:>6} {interp:>9.1} {auto:>9.1} {qemu:>9.1} {interp_ratio:>9.3} {auto_ratio:>9.3}"
                    ));
                    report.insert(
                        format!("core_{name}_{run}"),
                        json!({
                            "interp_mpkt_s": interp, "auto_mpkt_s": auto, "qemu_mpkt_s": qemu,
                            "interp_ratio": interp_ratio, "auto_ratio": auto_ratio,
                        }),
                    );
                }
            }
        }
    }
    let file = firmware::target_dir().join("bench.json");
    std::fs::write(&file, serde_json::to_string_pretty(&report)?)?;
    ui::say(format!("written to {}", file.display()));
    Ok(())
}

/// Notes how many packets a second went there and back over a queue.
fn packets(report: &mut serde_json::Map<String, serde_json::Value>, name: &str, rate: &str) {
    ui::say(format!("{name:<28} {rate:>10} packets/s there and back"));
    report.insert(name.to_owned(), json!({ "per_second": number(rate) }));
}

/// Packets a second over a queue of `vhost-hexagon invoke`.
fn queue_without_guest(emulator: &Path) -> Result<String> {
    let run = Command::new(emulator)
        .args(["invoke", "--skel", "libpackets_skel.so", "--queue", "2"])
        .args(["--packets", "100000", "--method", "3", "--out", "u32:2"])
        .output()
        .context("cannot run invoke")?;
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let rate = said
        .split_whitespace()
        .rev()
        .nth(1)
        .filter(|_| run.status.success());
    Ok(rate
        .with_context(|| format!("packets over invoke: {said}"))?
        .to_owned())
}

fn number(text: &str) -> serde_json::Value {
    text.parse::<f64>().map_or(serde_json::Value::Null, |n| json!(n))
}

/// Our engines that are measured.
const ENGINES: [&str; 2] = ["interp", "auto"];

/// One program on all sides.
struct Core {
    /// Millions of packets per second, medians: ours.
    ours: [f64; ENGINES.len()],
    /// QEMU's.
    qemu: f64,
    /// Medians of the rounds' ratios.
    ratios: [f64; ENGINES.len()],
}

/// Builds a benchmark that repeats its work so often.
fn build_core(sources: &Path, name: &str, iterations: u32) -> Result<PathBuf> {
    let work = firmware::target_dir().join("bench");
    std::fs::create_dir_all(&work)?;
    let llvm = firmware_builder::tools::llvm().context("no clang with Hexagon")?;
    let text = std::fs::read_to_string(sources.join(format!("{name}.c")))?;
    let at = text
        .rfind("MAIN(")
        .context("the source has no MAIN(name, iterations)")?;
    let comma = text[at..].find(',').context("MAIN without iterations")? + at;
    let program = work.join(format!("{name}_{iterations}"));
    let source = program.with_extension("c");
    std::fs::write(&source, format!("{},{iterations})\n", &text[..comma]))?;
    std::fs::copy(sources.join("rt.h"), work.join("rt.h"))?;
    command::output(
        Command::new(llvm.join("clang"))
            .args(["--target=hexagon-unknown-none-elf", "-mv68", "-mhvx"])
            .args(["-mhvx-length=128b", "-O2", "-G0", "-ffreestanding"])
            .args(["-fno-builtin", "-nostdlib", "-nostartfiles", "-static"])
            .args(["-fuse-ld=lld", "-Wl,-e,_start", "-w"])
            .arg(&source)
            .arg("-o")
            .arg(&program),
    )?;
    Ok(program)
}

/// Measures a benchmark whose work is repeated so often by ours and by QEMU.
fn core(emulator: &Path, sources: &Path, name: &str, [on_ours, on_qemu]: [u32; 2]) -> Result<Core> {
    let program = build_core(sources, name, on_ours)?;
    let for_qemu = build_core(sources, name, on_qemu)?;
    let qemu = tools::on_path("qemu-hexagon-static")
        .or_else(|| tools::on_path("qemu-hexagon"))
        .context("no qemu-hexagon")?;
    let (mut ours, mut theirs, mut ratios) =
        ([const { Vec::new() }; 2], Vec::new(), [const { Vec::new() }; 2]);
    for _ in 0..ROUNDS {
        let (them, check) = rate(Command::new(&qemu).args(["-cpu", "v68"]).arg(&for_qemu))?;
        theirs.push(them);
        let mut expected = Some(check).filter(|_| on_ours == on_qemu);
        for (n, engine) in ENGINES.iter().enumerate() {
            let mut command = Command::new(emulator);
            command
                .args(["exec", "--cpu", "v68", "--engine", engine])
                .arg(&program);
            let (us, check) = rate(&mut command)?;
            let expected = expected.get_or_insert_with(|| check.clone());
            if check != *expected {
                bail!("the result {check} of {engine} differs from {expected}");
            }
            ours[n].push(us);
            ratios[n].push(us / them);
        }
    }
    Ok(Core {
        ours: ours.map(median),
        qemu: median(theirs),
        ratios: ratios.map(median),
    })
}

/// The value in the middle, the upper one of two; not a number if there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a benchmark, which measures itself: millions of packets per second, and its checksum.
fn rate(command: &mut Command) -> Result<(f64, String)> {
    let said = command::output(command)?;
    let field = |key: &str| {
        said.split_whitespace()
            .find_map(|w| w.strip_prefix(key))
            .with_context(|| format!("no {key} in: {said}"))
    };
    let (packets, ns): (f64, f64) = (field("packets=")?.parse()?, field("ns=")?.parse()?);
    Ok((packets / ns * 1e3, field("check=")?.to_owned()))
}
