//! Nothing that the program did not make is overwritten or removed, unless it is told to.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use std::io::{BufRead as _, BufReader};

const THEIRS: &[u8] = b"theirs";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a `serve` with these arguments comes to listen; it is ended then.
fn serves(arguments: &[&str]) -> Result<(), String> {
    struct Killed(Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut command = program(&["serve"]);
    let child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Killed(child.unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    if lines.any(|line| line.unwrap().starts_with("Guest after guest")) {
        return Ok(());
    }
    Err(std::io::read_to_string(child.0.stderr.take().unwrap()).unwrap())
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A file of somebody else's.
    fn theirs(&self, name: &str) -> String {
        std::fs::write(self.path(name), THEIRS).unwrap();
        self.text(name)
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn what_a_run_will_write_is_refused_before_it_begins() {
    let place = Place::new();
    let case = place.text("case.toml");
    std::fs::write(
        &case,
        "[[rule]]\nname = \"r\"\non = \"answer\"\ndo = [{ delay = \"1ms\" }]\n",
    )
    .unwrap();
    let (account, history) = (place.theirs("account"), place.theirs("history"));
    let account = format!("--account={account}");
    let history = ["--scenario", &case, "--history", &history];
    for arguments in [&[account.as_str()][..], &history] {
        for command in [&["run", "--kernel", "/nonexistent"][..], &["qemu"]] {
            let output = program(command).args(arguments).output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            assert!(errors(&output).contains("--force"), "{}", errors(&output));
        }
    }
    // With it, the kernel is what is missing.
    let output = program(&["run", "--kernel", "/nonexistent", "--force", &account]);
    let output = { output }.output().unwrap();
    assert!(errors(&output).contains("/nonexistent"), "{}", errors(&output));
    assert_eq!(read(&place.path("history")), THEIRS);
}

#[test]
fn serve_keeps_files_of_the_names_of_its_own() {
    let place = Place::new();
    let (socket, out) = (place.text("dsp"), place.text("out"));
    let usual = ["--socket", &socket, "--out", &out];
    serves(&usual).unwrap();
    let files = || ["platform.dtb", "platform.bin"].map(|name| read(&place.path("out").join(name)));
    let before = files();
    // The same again is the same; a QEMU may be using it.
    serves(&usual).unwrap();
    assert_eq!(files(), before);
    let other = [&usual[..], &["--ram", "2G"]].concat();
    let error = serves(&other).unwrap_err();
    assert!(
        error.contains("platform.dtb") && error.contains("--force"),
        "{error}"
    );
    assert_eq!(files(), before);
    serves(&[&other[..], &["--force"]].concat()).unwrap();
    assert_ne!(files(), before);
    // Nor is anything lost that only looks as if it were in the way.
    let dump = place.path("out/qemu.dtb");
    std::fs::write(&dump, THEIRS).unwrap();
    serves(&other).unwrap();
    assert_eq!(read(&dump), THEIRS);
}

#[test]
fn a_file_where_qemus_socket_would_be_stays() {
    let place = Place::new();
    let (socket, qtest) = (place.text("dsp"), place.theirs("qtest"));
    let error = serves(&["--socket", &socket, "--qtest-socket", &qtest]).unwrap_err();
    assert!(error.contains("is no socket"), "{error}");
    let trace = place.theirs("trace");
    let error = serves(&["--socket", &socket, "--trace", &trace]).unwrap_err();
    assert!(error.contains("--force"), "{error}");
    let control = place.theirs("control");
    let error = serves(&["--socket", &socket, "--force", "--control", &control]).unwrap_err();
    assert!(error.contains("is no socket"), "{error}");
    for name in ["qtest", "trace", "control"] {
        assert_eq!(read(&place.path(name)), THEIRS, "{name}");
    }
}
