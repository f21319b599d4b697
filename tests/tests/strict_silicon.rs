//! Vector floats that a phone's part lacks: computed with one warning a process, or an exception with `--strict-silicon`.

use tests::hexagon::{build_shared, invoke, llvm_and_emulator};

#[test]
fn vector_floats_that_a_part_lacks_are_told_once_or_an_exception() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("libfloats_skel.so");
    let skel = build_shared(&llvm, "floats", 68, &["-mhvx-ieee-fp"], file);
    let call = |more: &[&str]| {
        let sums = [
            "--method",
            "2",
            "--in",
            "f32:1.5*32",
            "--in",
            "f32:2*32",
            "--out",
            "f32:32",
        ];
        invoke(&skel, &[&sums, more].concat())
    };
    let sum = ["3.5"; 32].join(" ");
    let (answer, log, code) = call(&["--soc", "sm8550", "--repeat", "3"]);
    assert_eq!((answer.as_str(), code), (sum.as_str(), 0), "{log}");
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(
        log.contains("V6_vadd_sf_sf") && log.contains("(libfloats_skel.so!"),
        "{log}"
    );
    // A part that nobody reports to lack them.
    let (answer, log, code) = call(&["--soc", "sm8650", "--strict-silicon"]);
    assert_eq!((answer.as_str(), code, log.as_str()), (sum.as_str(), 0, ""));
    let (_, log, code) = call(&["--soc", "sm8550", "--strict-silicon"]);
    assert_eq!(code, 3, "{log}");
    assert!(
        log.contains("V6_vadd_sf_sf, and this part's vector unit has no such floating point"),
        "{log}"
    );
}
