//! What operations of llama.cpp's Hexagon backend cost on the emulated DSP; `cargo xtask bench --ggml` builds and starts it.
//!
//! The program is `ggml-ops --bench` (`tests/programs/ggml/ops.cpp`) with this build's `libcdsprpc.so`: products of matrices in
//! multiply-adds a second, other operations in elements. The engines take turns within each round; what is compared is the median
//! of the rounds' ratios. Each result is compared with ggml's CPU code, too, and a wrong one ends the benchmark.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tests::assets;
use tests::figures::median;
use tests::ggml::{self, Compilers};

/// Measures operations of llama.cpp's Hexagon backend.
#[derive(Parser)]
struct Args {
    /// Rounds in which the engines take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How often a case is computed in a round.
    #[arg(long, default_value_t = 3)]
    times: u32,
    /// The architecture of the DSP.
    #[arg(long, default_value = "v73")]
    arch: String,
    /// Only cases whose line contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Engines that are compared with the first one.
    #[arg(long, value_delimiter = ',', default_value = "interp,auto")]
    engines: Vec<String>,
    /// Put the DSP's program and its profile there, to be used again, and print how the host's program is started; measure nothing.
    #[arg(long, value_name = "DIR")]
    build: Option<PathBuf>,
}

/// The matrix unit is used where it can be, or never.
const UNITS: [(&str, &[(&str, &str)]); 2] = [("matrix", &[]), ("vector", &[("GGML_HEXAGON_NHMX", "0")])];

/// One case of a run: what it is, its work, milliseconds.
type Line = (String, f64, f64);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ggml-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0, "--rounds needs at least one");
    let needed = "cargo xtask setup installs what is missing";
    let llvm = ggml::llvm_or_skip().context(needed)?;
    let source = ggml::source_or_skip().context(needed)?;
    let compilers = Compilers::HOST.or_skip().context(needed)?;
    let ops = ggml::build_ops(&compilers, &source);
    if let Some(folder) = &args.build {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        ggml::build_dsp_side(&llvm, &source, &args.arch, folder);
        let profile = ggml::write_profile(&args.arch, folder);
        println!(
            "LD_LIBRARY_PATH={} ADSP_LIBRARY_PATH={} VHOST_HEXAGON_SOC={} {} --bench {}",
            assets::programs().display(),
            folder.display(),
            profile.display(),
            ops.display(),
            args.times
        );
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    ggml::build_dsp_side(&llvm, &source, &args.arch, folder.path());

    println!(
        "{:<7} {:<15} {:<36} {}",
        "unit",
        "operation",
        "what",
        columns(&args.engines)
    );
    for (unit, settings) in UNITS {
        // By engine, by round.
        let mut all: Vec<Vec<Vec<Line>>> = vec![Vec::new(); args.engines.len()];
        for round in 0..args.rounds {
            for turn in 0..args.engines.len() {
                let at = (turn + round) % args.engines.len();
                all[at].push(measure(&ops, folder.path(), args, &args.engines[at], settings)?);
            }
        }
        let Some(first) = all.first().and_then(|rounds| rounds.first()) else {
            continue;
        };
        for (case, (what, work, _)) in first.iter().enumerate() {
            // What does not multiply matrices is the same with either.
            if unit != "matrix" && !what.starts_with("MUL_MAT") && !what.starts_with("FLASH") {
                continue;
            }
            let of = |engine: usize| -> Vec<f64> { all[engine].iter().map(|round| round[case].2).collect() };
            let base = of(0);
            let mut line = String::new();
            for engine in 0..args.engines.len() {
                let times = of(engine);
                let ratio = median(base.iter().zip(&times).map(|(b, t)| b / t).collect());
                let rate = work / median(times) / 1e6;
                line += &format!(" {rate:>9.4} G/s {ratio:>6.2} x");
            }
            let (op, shape) = what.split_once(' ').unwrap_or((what, ""));
            println!("{unit:<7} {op:<15} {shape:<36}{line}");
        }
    }
    Ok(())
}

fn columns(engines: &[String]) -> String {
    engines.iter().map(|engine| format!("{engine:>22} ")).collect()
}

/// All cases with an engine.
fn measure(
    ops: &Path,
    folder: &Path,
    args: &Args,
    engine: &str,
    settings: &[(&str, &str)],
) -> Result<Vec<Line>> {
    let output = Command::new(ops)
        .args(["--bench", &args.times.to_string(), "--only", &args.only])
        .env("LD_LIBRARY_PATH", assets::programs())
        .env("ADSP_LIBRARY_PATH", folder)
        .env("VHOST_HEXAGON_SOC", ggml::write_profile(&args.arch, folder))
        .env("VHOST_HEXAGON_ENGINE", engine)
        .envs(settings.iter().copied())
        .output()
        .context("ggml-ops does not start")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "ggml-ops with {engine}: {}\n{printed}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<Line> = printed.lines().filter_map(line).collect();
    ensure!(!lines.is_empty(), "no case's line contains {:?}", args.only);
    Ok(lines)
}

fn line(line: &str) -> Option<Line> {
    let ["bench", op, what, work, milliseconds, "right"] = line.split('\t').collect::<Vec<_>>()[..] else {
        return None;
    };
    Some((
        format!("{op} {what}"),
        work.parse().ok()?,
        milliseconds.parse().ok()?,
    ))
}
