//! Hexagon programs for tests: building C with clang, running them here and on the peers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::assets;

pub use firmware_builder::tools::llvm;

/// `qemu-hexagon` as installed.
pub fn qemu() -> Option<&'static str> {
    ["qemu-hexagon-static", "qemu-hexagon"].into_iter().find(|q| {
        Command::new(q)
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    })
}

/// This build's `vhost-hexagon`.
pub fn emulator() -> PathBuf {
    assets::programs().join("vhost-hexagon")
}

/// A program of `tests/programs`, built for a version of the core.
///
/// # Panics
/// If it does not compile.
pub fn build(llvm: &Path, dir: &Path, name: &str, version: u32) -> PathBuf {
    let out = dir.join(format!("{name}-v{version}"));
    compile(llvm, name, version, &["-static", "-Wl,-e,_start"], &out);
    out
}

/// A shared object of `tests/programs` as `file`, with more options for the compiler. A name with `.cc` is C++.
///
/// # Panics
/// If it does not compile.
pub fn build_shared(llvm: &Path, name: &str, version: u32, options: &[&str], file: PathBuf) -> PathBuf {
    let options = [&["-fPIC", "-shared", "-Wl,--hash-style=sysv"], options].concat();
    compile(llvm, name, version, &options, &file);
    file
}

fn compile(llvm: &Path, name: &str, version: u32, options: &[&str], out: &Path) {
    let top = assets::workspace();
    let source = match name.ends_with(".cc") {
        true => name.to_owned(),
        false => format!("{name}.c"),
    };
    let run = Command::new(llvm.join("clang"))
        .args(["--target=hexagon-unknown-none-elf", &format!("-mv{version}")])
        .args(["-mhvx", "-mhvx-length=128b", "-O2", "-G0"])
        .args(["-ffreestanding", "-fno-builtin", "-nostdlib", "-nostartfiles"])
        .args(["-fuse-ld=lld", "-Wall", "-Wextra", "-Werror"])
        .args(options)
        .arg("-I")
        .arg(top.join("firmware/include"))
        .arg(top.join("tests/programs").join(source))
        .arg("-o")
        .arg(out)
        .output()
        .expect("clang runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// Clang for Hexagon, for a test that runs what it makes of a source with this build's program; where one of the two is not there,
/// the test is skipped.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn llvm_and_emulator() -> Option<PathBuf> {
    let Some(llvm) = llvm() else {
        assets::skip_without_tool("there is no clang for Hexagon");
        return None;
    };
    if !emulator().is_file() {
        assets::skip_without_tool("vhost-hexagon is not built");
        return None;
    }
    Some(llvm)
}

/// What `vhost-hexagon invoke` says with a skeleton and these options: its answer, its log, without blanks around them, and the
/// exit code.
///
/// # Panics
/// If it does not start.
pub fn invoke(skeleton: &Path, options: &[&str]) -> (String, String, i32) {
    let output = Command::new(emulator())
        .args(["invoke", "--skel"])
        .arg(skeleton)
        .args(options)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&output.stdout), text(&output.stderr), code(&output))
}

/// What a method answers that succeeds.
///
/// # Panics
/// If it does not.
#[track_caller]
pub fn answer(skeleton: &Path, options: &[&str]) -> String {
    let (answer, log, code) = invoke(skeleton, options);
    assert_eq!(code, 0, "{answer}\n{log}");
    answer
}

/// The exit code as a shell shows it.
pub fn code(output: &Output) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let status = output.status;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
