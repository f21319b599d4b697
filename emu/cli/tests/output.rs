//! The program's output and its standard error piped into something that closes early.

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

/// Runs the program with a standard error that nobody reads, and with one that somebody does: both exit codes.
fn without_and_with_a_reader(words: &str) -> (Option<i32>, Option<i32>) {
    let run = |errors: Stdio| {
        Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
            .args(words.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .status()
            .unwrap()
            .code()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    (run(writer.into()), run(Stdio::null()))
}

#[test]
fn errors_that_nobody_reads_are_the_same_errors() {
    for (words, code) in [
        // The command line is wrong: told by us, and by the parser of it.
        ("invoke --skel x --method 2 --in wrong", 2),
        ("invoke --skel x", 2),
        // An error chain.
        ("invoke --skel /nowhere/x.so --method 2", 1),
        ("trace /nowhere/x.pcapng", 1),
        ("exec /nowhere/x", 1),
        // The DSP process crashes: its report in the log, and told by us.
        (
            "invoke --skel libmisbehave_skel.so --method 6 --in u32:0 --out u32",
            3,
        ),
        (
            "--log off invoke --skel libmisbehave_skel.so --method 6 --in u32:0 --out u32",
            3,
        ),
        // It does not come to an end, and we say where its threads are.
        (
            "invoke --skel libmisbehave_skel.so --method 10 --in u32:0 --out u32 --timeout 0.5",
            4,
        ),
        // What cannot be opened, a method that refuses, statistics, a talkative log.
        (
            "invoke --skel libcalculator_skel.so --method 2 --uri file:///no.so?x",
            1,
        ),
        ("invoke --skel libcalculator_skel.so --method 2", 1),
        (
            "invoke --skel libcalculator_skel.so --method 2 --in seq:i32:0..9 --out i64 --stats --repeat 2",
            0,
        ),
        (
            "-vvv invoke --skel libcalculator_skel.so --method 3 --in seq:i32:0..9 --out i32",
            0,
        ),
    ] {
        assert_eq!(
            without_and_with_a_reader(words),
            (Some(code), Some(code)),
            "{words}"
        );
    }
}
