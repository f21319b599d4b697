//! The program's output piped into something that closes early.

use std::io::Read as _;
use std::process::{Command, Stdio};

/// Runs the program, reads one byte of its output and closes the pipe; what it said on standard error, and its exit code.
fn closed_early(args: &[&str]) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    child.stdout.take().unwrap().read_exact(&mut byte).unwrap();
    let output = child.wait_with_output().unwrap();
    (
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code(),
    )
}

#[test]
fn a_reader_that_leaves_ends_the_program_quietly() {
    // More code than any pipe holds.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![0; 1 << 20]).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(
        closed_early(&["disasm", "--raw", "0", path]),
        (String::new(), Some(141))
    );
}

#[test]
fn output_that_never_had_a_reader_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
        .arg("profiles")
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(
        (
            String::from_utf8_lossy(&output.stderr).as_ref(),
            output.status.code()
        ),
        ("", Some(141))
    );
}
