//! C++ skeletons that throw (tests/programs/exceptions.cc): libc++, libc++abi and libunwind in the skeleton itself, or in a library
//! that it shares with another one.

use std::path::Path;

use tests::cxx_runtime::CxxRuntime;
use tests::hexagon::{answer, invoke, llvm_and_emulator};

const URI: &str = "file:///libcxx_skel.so?cxx_skel_handle_invoke&_modver=1.0";

/// Nothing that it imports is missing, and each way of throwing ends where it is caught.
#[track_caller]
fn throws_and_catches(skeleton: &Path) {
    let call = |method: &str, out: &str| answer(skeleton, &["--uri", URI, "--method", method, "--out", out]);
    // In the order of the source: through 200 calls; of four types; by std::vector; again; nested; while another one flies; in a
    // std::function; objects that were left; a static variable.
    assert_eq!(call("2", "u32:9"), "42 1347 6 11 21 51 303 0 722");
    let words: usize = (0..500)
        .map(|n: usize| format!("w{}", n % 50).len() * (n.to_string().len() + n % 40))
        .sum();
    assert_eq!(call("3", "u32:6"), format!("1011 13 1101 {words} 14 1"));
    assert_eq!(call("4", "u32:4"), "200 1234 44 10");
    // What the thread that serves the caller has of its own goes before its library does.
    let (_, log, code) = invoke(skeleton, &["--uri", URI, "--method", "7"]);
    assert_eq!((code, log.matches("~Local 77").count()), (0, 1), "{log}");
}

#[test]
fn a_skeleton_with_its_own_cxx_library_throws_and_catches() {
    let Some(runtime) = llvm_and_emulator().and_then(CxxRuntime::new) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let object = runtime.compile("exceptions.cc", &[], dir.path());
    let skeleton = runtime.link_static(dir.path(), "libcxx_skel.so", &object);
    throws_and_catches(&skeleton);
    // Nobody catches: the library says what was thrown, and the process ends with a report that names who threw it.
    for (how, what, function) in [
        ("0", "at the end of 200 calls", "deep"),
        ("1", "at the end of 200 calls", "deep"),
        ("2", "at the end of 200 calls", "__clang_call_terminate"),
        ("3", "in the middle of qsort", "compare"),
    ] {
        let word = format!("u32:{how}");
        let (_, log, code) = invoke(&skeleton, &["--uri", URI, "--method", "5", "--in", &word]);
        assert_eq!(code, 3, "{how}: {log}");
        let told = "terminating due to uncaught exception of type (anonymous namespace)::Failure: ";
        assert!(log.contains(&format!("{told}{what}")), "{how}: {log}");
        assert!(log.contains("abort() was called"), "{how}: {log}");
        assert!(log.contains(function), "{how}: {log}");
    }
}

#[test]
fn exceptions_go_from_library_to_library() {
    let Some(runtime) = llvm_and_emulator().and_then(CxxRuntime::new) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dir = dir.path();
    let shared = runtime.link_shared(dir, "libcxxrt.so");
    let thrower = runtime.compile("thrower.cc", &[], dir);
    let thrower = runtime.link(dir, "libthrower.so", &[&thrower, &shared]);
    let object = runtime.compile("exceptions.cc", &["-DSHARED"], dir);
    let skeleton = runtime.link(dir, "libcxx_skel.so", &[&object, &thrower, &shared]);
    throws_and_catches(&skeleton);
    // One that the library threw; one that went through it; two that it caught; types on both sides.
    let other = answer(&skeleton, &["--uri", URI, "--method", "6", "--out", "u32:4"]);
    assert_eq!(other, "19 19 1219 1001");
}
