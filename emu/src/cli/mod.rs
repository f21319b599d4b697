//! Commands of `vhost-hexagon`.

/// Parses the command line, runs the command, prints one readable error chain.
pub fn main() -> std::process::ExitCode {
    eprintln!("vhost-hexagon: no command is built yet");
    std::process::ExitCode::from(2)
}
