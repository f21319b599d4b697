//! Well-known C programs, unmodified ([`tests::real_programs`]): `vhost-hexagon exec` with each engine and `qemu-hexagon` print the
//! same, byte for byte.

use std::process::Command;

use tests::assets;
use tests::hexagon::{emulator, qemu};
use tests::real_programs::{ALL, Amount, RealProgram, on_engine, on_peer, zig_or_skip};

/// What a program prints on standard output for the work of a test.
fn printed(mut command: Command, program: &RealProgram) -> Vec<u8> {
    let output = program.run(&mut command, Amount::Test).expect("it runs");
    // bzip2 wants to handle signals, which is refused and told.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    output.stdout
}

#[test]
fn real_programs_print_the_same_on_both_engines_and_on_the_peer() {
    let Some(qemu) = qemu() else {
        assets::skip_without_tool("there is no qemu-hexagon");
        return;
    };
    if !emulator().is_file() {
        assets::skip_without_tool("vhost-hexagon is not built");
        return;
    }
    let Some(zig) = zig_or_skip() else { return };
    for program in &ALL {
        let Some(file) = program.build_or_skip(&zig) else {
            return;
        };
        let theirs = printed(on_peer(qemu, &file), program);
        assert!(!theirs.is_empty(), "{}", program.name);
        for engine in ["interp", "auto"] {
            let ours = printed(on_engine(engine, &file), program);
            assert!(ours == theirs, "{} with {engine}", program.name);
        }
    }
}
