//! What the program makes for QEMU is its user's alone, whatever the umask is, and takes nothing from anybody.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The program under an umask that takes nothing away.
fn program() -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"umask 0; exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_vhost-hexagon"))
        .stdin(Stdio::null());
    command
}

/// A `serve` that listens; killed when dropped.
struct Serve(Child);

impl Serve {
    fn start(arguments: &[&str], socket: &Path) -> Self {
        let mut command = program();
        command.arg("serve").args(arguments).arg("--socket").arg(socket);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().starts_with("Guest after guest"));
        assert!(ready, "it does not serve");
        Self(child)
    }

    /// Ends it as Ctrl-C does.
    fn end(mut self) {
        let kill = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve_once(socket: &Path) -> Output {
    program()
        .arg("serve")
        .arg("--socket")
        .arg(socket)
        .output()
        .unwrap()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn sockets_of_serve_are_their_owners_and_go_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let control = path("control");
    let serve = Serve::start(&["--control", control.to_str().unwrap()], &path("dsp"));
    let sockets = [control.clone(), path("dsp"), path("dsp-adsp")];
    for socket in &sockets {
        assert_eq!(mode(socket), 0o600, "{}", socket.display());
        UnixStream::connect(socket).unwrap();
    }
    serve.end();
    assert!(sockets.iter().all(|socket| !socket.exists()));
}

#[test]
fn serve_takes_a_name_only_from_a_socket_that_nobody_listens_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("dsp");
    let second = folder.path().join("dsp-adsp");
    for taken in [&socket, &second] {
        std::fs::write(taken, "theirs").unwrap();
        let output = serve_once(&socket);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("is no socket"), "{errors}");
        assert_eq!(std::fs::read(taken).unwrap(), b"theirs");
        std::fs::remove_file(taken).unwrap();
    }
    let mut killed = Serve::start(&[], &socket);
    let output = serve_once(&socket);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("somebody listens"), "{errors}");
    UnixStream::connect(&socket).unwrap();
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    assert!(socket.exists(), "a program that is killed leaves its socket");
    Serve::start(&[], &socket).end();
}

/// Lists the folder of its device tree instead of starting a guest.
const LISTING_QEMU: &str = r#"#!/bin/sh
case "$*" in
    *--version* | *dumpdtb*) exec qemu-system-aarch64 "$@" ;;
esac
for argument; do
    [ "$before" = -dtb ] && folder=${argument%/*}
    before=$argument
done
stat -c '%a %F %n' "$folder" "$folder"/*
"#;

#[test]
fn the_working_folder_of_a_qemu_is_its_owners() {
    let scratch = tempfile::tempdir().unwrap();
    let qemu: PathBuf = scratch.path().join("qemu");
    test_needs::executable::write_script(&qemu, LISTING_QEMU);
    let output = program().arg("qemu").arg("--qemu").arg(&qemu).output().unwrap();
    let listing = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}{listing}");
    let lines: Vec<_> = listing.lines().collect();
    assert!(lines[0].starts_with("700 directory "), "{listing}");
    let sockets: Vec<_> = lines.iter().filter(|line| line.contains(" socket ")).collect();
    assert_eq!(sockets.len(), 2, "{listing}");
    assert!(sockets.iter().all(|line| line.starts_with("600 ")), "{listing}");
    assert!(listing.contains("platform.dtb"), "{listing}");
    let folder = lines[0].rsplit(' ').next().unwrap();
    assert!(!Path::new(folder).exists(), "it goes with the program");
}
