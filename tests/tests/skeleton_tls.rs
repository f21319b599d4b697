//! Thread-local variables (tests/programs/tls.c): general dynamic, local dynamic and initial exec, in the library itself and in
//! one that it needs; local exec is for programs, no linker makes it in a library.

use tests::hexagon::{answer, build_shared, invoke, llvm_and_emulator};

#[test]
fn each_thread_has_its_own_variables_however_they_are_reached() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
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
    let five = answer(&skeleton, &["--method", "2", "--out", "u32:5"]);
    let (one, other, again) = (first + 6 + 1, first + 12 + 1, first + 12 + 2);
    assert_eq!(five, format!("{one} {other} 0 {again} 0"));
    // The blocks of threads that ended are not kept: these would need 6 MiB otherwise, and go on from there.
    let sum = answer(&skeleton, &["--method", "3", "--in", "u32:1500", "--out", "u32"]);
    assert_eq!(sum, (1500 * (first + 1)).to_string());

    // 4 GiB for each thread.
    let mut bytes = std::fs::read(&skeleton).unwrap();
    let headers = (52..).step_by(32).take(bytes[44].into());
    let tls = headers.into_iter().find(|&at| bytes[at] == 7).expect("PT_TLS");
    bytes[tls + 20..tls + 24].fill(0xff);
    std::fs::write(&skeleton, bytes).unwrap();
    let (_, error, _) = invoke(&skeleton, &["--method", "2"]);
    assert!(
        error.contains("more than 16 MiB of thread-local storage"),
        "{error}"
    );
}
