//! Well-known C programs, unmodified ([`tests::real_programs`]): `vhost-hexagon exec` with each engine and `qemu-hexagon` print the
//! same, byte for byte.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tests::assets;
use tests::hexagon::{emulator, qemu};
use tests::real_programs::{ALL, Amount, RealProgram, zig_or_skip};

/// What a program prints on standard output for the work of a test.
fn printed(mut command: Command, program: &RealProgram) -> Vec<u8> {
    let (arguments, input) = program.work(Amount::Test);
    let mut child = command
        .args(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut to = child.stdin.take().expect("its input");
    // Not in the way of what it prints meanwhile.
    let feed = std::thread::spawn(move || to.write_all(&input));
    let output = child.wait_with_output().expect("it ends");
    feed.join().unwrap().expect("it reads all");
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
        let mut theirs = Command::new(qemu);
        theirs.args(["-cpu", "v68"]).arg(&file);
        let theirs = printed(theirs, program);
        assert!(!theirs.is_empty(), "{}", program.name);
        for engine in ["interp", "auto"] {
            let mut ours = Command::new(emulator());
            ours.args(["exec", "--cpu", "v68", "--engine", engine]).arg(&file);
            assert!(printed(ours, program) == theirs, "{} with {engine}", program.name);
        }
    }
}
