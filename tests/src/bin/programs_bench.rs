//! What well-known C programs cost, as a user runs them; `cargo xtask bench --programs` builds and starts it.
//!
//! Wall time of whole processes, start and translation included: this build's `vhost-hexagon exec` with each engine, and
//! `qemu-hexagon`, by turns within each round; what is compared is the median of the rounds' ratios. All must print the same.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tests::figures::median;
use tests::hexagon::qemu;
use tests::real_programs::{ALL, Amount, RealProgram, on_engine, on_peer, zig_or_skip};

/// Measures well-known C programs.
#[derive(Parser)]
struct Args {
    /// Rounds in which the engines and the peer take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only programs whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

/// The peer and our engines.
const SIDES: [&str; 3] = ["qemu", "interp", "auto"];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("programs-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0, "--rounds needs at least one");
    let needed = "cargo xtask setup installs what is missing";
    let zig = zig_or_skip().context(needed)?;
    let qemu = qemu().context(needed)?;
    println!(
        "{:<8} {:>9} {:>9} {:>9} {:>9} {:>9}   (seconds; x: as fast as QEMU in the same round)",
        "program", "QEMU", "interp", "auto", "interp x", "auto x"
    );
    for program in ALL.iter().filter(|program| program.name.contains(&args.only)) {
        let file = program.build_or_skip(&zig).context(needed)?;
        let mut times = [const { Vec::new() }; SIDES.len()];
        let mut printed = None;
        for round in 0..args.rounds {
            for turn in 0..SIDES.len() {
                let side = (turn + round) % SIDES.len();
                let mut command = match SIDES[side] {
                    "qemu" => on_peer(qemu, &file),
                    engine => on_engine(engine, &file),
                };
                let (seconds, said) = measure(&mut command, program)?;
                let first = printed.get_or_insert_with(|| said.clone());
                ensure!(
                    *first == said,
                    "{} prints something else with {}",
                    program.name,
                    SIDES[side]
                );
                times[side].push(seconds);
            }
        }
        let [qemu, interp, auto] = &times;
        let ratio = |ours: &[f64]| median(qemu.iter().zip(ours).map(|(them, us)| them / us).collect());
        println!(
            "{:<8} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
            program.name,
            median(qemu.clone()),
            median(interp.clone()),
            median(auto.clone()),
            ratio(interp),
            ratio(auto)
        );
    }
    Ok(())
}

/// Seconds from start to end, and what was printed.
fn measure(command: &mut Command, program: &RealProgram) -> Result<(f64, Vec<u8>)> {
    let start = Instant::now();
    let output = program.run(command, Amount::Bench);
    let seconds = start.elapsed().as_secs_f64();
    let output = output.with_context(|| format!("{command:?} does not run"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {told}", output.status);
    Ok((seconds, output.stdout))
}
