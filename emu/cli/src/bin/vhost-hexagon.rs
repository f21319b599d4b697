//! `vhost-hexagon`.

fn main() -> std::process::ExitCode {
    vhost_hexagon::main()
}
