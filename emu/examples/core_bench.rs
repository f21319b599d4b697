//! Measures the core on static Hexagon programs: `core_bench FILE…` runs each on a fresh core and prints one JSON object a
//! line: file, exit status, packets, instructions, seconds, packets per second. What the programs print goes to standard error.

use std::io::Write;
use std::time::Instant;

use hexagon_isa::Arch;

fn bench(path: &str) -> Result<String, Box<dyn std::error::Error>> {
    let program = emu::exec::Program::load(&std::fs::read(path)?, Arch::V73)?;
    let start = Instant::now();
    let ended = program.run(&mut std::io::stderr().lock(), u64::MAX)?;
    let seconds = start.elapsed().as_secs_f64();
    let t = &ended.thread;
    Ok(serde_json::json!({
        "file": path,
        "status": ended.status,
        "packets": t.packets,
        "insns": t.insns,
        "hvx_insns": t.hvx_insns,
        "seconds": seconds,
        "packets_per_second": t.packets as f64 / seconds,
    })
    .to_string())
}

fn main() -> std::process::ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: core_bench FILE...");
        return std::process::ExitCode::from(2);
    }
    for path in files {
        match bench(&path) {
            Ok(line) => {
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    return std::process::ExitCode::FAILURE;
                }
            }
            Err(e) => {
                eprintln!("{path}: {e}");
                return std::process::ExitCode::FAILURE;
            }
        }
    }
    std::process::ExitCode::SUCCESS
}
