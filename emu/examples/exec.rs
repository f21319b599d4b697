//! Runs a static Hexagon program: `exec PROGRAM [v68]`.
use std::io::Write;

fn main() -> std::process::ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: exec PROGRAM");
        return std::process::ExitCode::from(2);
    };
    let run = || -> Result<i32, Box<dyn std::error::Error>> {
        let program = emu::exec::Program::load(&std::fs::read(&path)?, hexagon_isa::Arch::V73)?;
        let mut out = std::io::stdout().lock();
        let ended = program.run(&mut out, u64::MAX)?;
        out.flush()?;
        Ok(ended.status)
    };
    match run() {
        Ok(status) => std::process::ExitCode::from(status as u8),
        Err(e) => {
            eprintln!("{path}: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}
