//! Checks the meanings of a folder of spec files: prints every mistake, or how many instructions have a meaning.
use hexagon_isa_meta::{meaning, spec};

fn main() -> std::process::ExitCode {
    let dir = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "hexagon-isa/spec".to_string());
    let spec = match spec::load(std::path::Path::new(&dir)) {
        Ok(s) => s,
        Err(e) => {
            eprintln!("{e}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match meaning::generate(&spec) {
        Ok(g) => {
            println!(
                "{} of {} instructions have a meaning",
                g.count,
                spec.entries.len()
            );
            std::process::ExitCode::SUCCESS
        }
        Err(errors) => {
            for e in errors {
                eprintln!("{e}");
            }
            std::process::ExitCode::FAILURE
        }
    }
}
