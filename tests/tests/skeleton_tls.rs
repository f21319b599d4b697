//! Thread-local variables (tests/programs/tls.c): general dynamic, local dynamic and initial exec, in the library itself and in
//! one that it needs; local exec is for programs, no linker makes it in a library.

use std::path::Path;
use std::process::Command;

use tests::assets;
use tests::hexagon::{build_shared, code, emulator, llvm};

fn invoke(skeleton: &Path, options: &[&str]) -> String {
    let output = Command::new(emulator())
        .args(["invoke", "--skel"])
        .arg(skeleton)
        .args(options)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn each_thread_has_its_own_variables_however_they_are_reached() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let common = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
    let needed = dir.path().join("libtls_needed.so");
    let options = [&common[..], &["-Wl,-soname=libtls_needed.so"]].concat();
    let needed = build_shared(&llvm, "tls_needed", 68, &options, needed);
    let file = dir.path().join("libtls_skel.so");
    let options = [&common[..], &[needed.to_str().unwrap()]].concat();
    let skeleton = build_shared(&llvm, "tls", 68, &options, file);

    // All first contents: 1 + 20 + 0 + 300 + 4000 + 50000 + 600000, and wide[99]; six variables grow each time.
    let first = 654_321;
    let answer = invoke(&skeleton, &["--method", "2", "--out", "u32:5"]);
    let (one, other, again) = (first + 6 + 1, first + 12 + 1, first + 12 + 2);
    assert_eq!(answer, format!("{one} {other} 0 {again} 0"));
    // The blocks of threads that ended are not kept: these would need 6 MiB otherwise, and go on from there.
    let answer = invoke(&skeleton, &["--method", "3", "--in", "u32:1500", "--out", "u32"]);
    assert_eq!(answer, (1500 * (first + 1)).to_string());

    // 4 GiB for each thread.
    let mut bytes = std::fs::read(&skeleton).unwrap();
    let headers = (52..).step_by(32).take(bytes[44].into());
    let tls = headers.into_iter().find(|&at| bytes[at] == 7).expect("PT_TLS");
    bytes[tls + 20..tls + 24].fill(0xff);
    std::fs::write(&skeleton, bytes).unwrap();
    let output = Command::new(emulator())
        .args(["invoke", "--method", "2", "--skel"])
        .arg(&skeleton)
        .output()
        .expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("more than 16 MiB of thread-local storage"),
        "{error}"
    );
}
