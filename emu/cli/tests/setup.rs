//! `setup --check` looks and changes nothing.

use std::path::Path;
use std::process::{Command, Output};

/// A machine with a home, a `PATH` of its own, and a cache.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "bin"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// A QEMU that says it is of that version.
    fn has_qemu(&self, version: &str) {
        let script =
            format!("#!/bin/sh\necho 'QEMU emulator version {version} (Debian 1:{version}+dfsg-1)'\n");
        test_needs::executable::write_script(&self.path("bin/qemu-system-aarch64"), &script);
    }

    fn fill(&self, folder: &str) {
        let folder = self.path("home/.cache/vhost-hexagon").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("SOURCES"), "made by a test\n").unwrap();
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
            .args(words)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .output()
            .unwrap()
    }

    /// Exit code, and all that is said.
    fn check(&self) -> (Option<i32>, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.run(&["setup", "--check"]);
        let said = [stdout, stderr].concat();
        (status.code(), String::from_utf8(said).unwrap())
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn what_is_missing_is_named_and_nothing_is_made() {
    let machine = Machine::new();
    let (code, said) = machine.check();
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "MISSING  QEMU for arm64, 9 or newer",
        "needed: a stock arm64 kernel 6.12",
        "needed: a stock arm64 kernel 7.3",
        "needed: the guest's user space",
        "error: ",
        "without --check",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert!(is_empty(&machine.path("home")));
}

#[test]
fn a_qemu_that_is_too_old_counts_as_missing() {
    let machine = Machine::new();
    machine.has_qemu("7.2.22");
    assert!(machine.check().1.contains("MISSING  QEMU"));
    machine.has_qemu("10.0.8");
    let said = machine.check().1;
    assert!(
        said.contains("qemu-system-aarch64 10.0.8") && !said.contains("MISSING"),
        "{said}"
    );
}

#[test]
fn a_machine_that_has_all_passes() {
    let machine = Machine::new();
    machine.has_qemu("11.1.0");
    machine.fill("guest-root");
    machine.fill("kernels/6.12.117+deb13-arm64");
    // One that is not complete, and of a series whose number only begins alike.
    std::fs::create_dir_all(machine.path("home/.cache/vhost-hexagon/kernels/7.3.4")).unwrap();
    machine.fill("kernels/7.30.1");
    let (code, said) = machine.check();
    assert!(
        code == Some(1) && said.contains("needed: a stock arm64 kernel 7.3\n"),
        "{said}"
    );
    assert!(
        !said.contains("needed: a stock arm64 kernel 6.12") && !said.contains("needed: the guest's"),
        "{said}"
    );
    machine.fill("kernels/7.3.11+deb13-arm64");
    let (code, said) = machine.check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\nkernel: 7.3.11+deb13-arm64\n"), "{said}");
}

#[test]
fn a_kernel_that_is_not_there_is_said_with_those_that_are() {
    let machine = Machine::new();
    machine.has_qemu("11.1.0");
    let said = |words: &[&str]| String::from_utf8(machine.run(words).stderr).unwrap();
    let none = said(&["run", "--kernel", "7.3", "--", "true"]);
    assert!(
        none.contains("no kernel at 7.3") && none.contains("`vhost-hexagon setup` fetches"),
        "{none}"
    );
    machine.fill("kernels/6.12.117+deb13-arm64");
    let others = said(&["run", "--kernel", "7.3", "--", "true"]);
    assert!(others.contains("(6.12.117+deb13-arm64)"), "{others}");
}
