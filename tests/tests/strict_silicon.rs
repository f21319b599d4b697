//! What phones do not let pass: done with one warning a process or none, or an exception with `--strict-silicon`.

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

#[test]
fn the_matrix_unit_wants_its_lock_and_vtcm_to_be_acquired() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().unwrap();
    let skel = build_shared(&llvm, "silicon", 73, &[], dir.path().join("libsilicon_skel.so"));
    for engine in ["interp", "jit"] {
        let call = |how: u32, more: &[&str]| {
            let input = format!("u32:{how}");
            let call = [
                "--soc", "sm8550", "--method", "2", "--in", &input, "--out", "u32:1", "--engine", engine,
            ];
            invoke(&skel, &[&call, more].concat())
        };
        let strict = ["--strict-silicon"];
        for how in [1, 6] {
            let said = (how.to_string(), String::new(), 0);
            assert_eq!(call(how, &strict), said);
            assert_eq!(call(how, &[]), said);
        }
        for (how, why, warnings) in [
            (2, "the matrix unit (HMX) without its lock", 1),
            (3, "memory for the matrix unit (HMX) outside of VTCM", 0),
            (4, "the matrix unit (HMX) without its lock", 1),
            (5, "Write of 0xf8010000: Permission", 0),
        ] {
            let (answer, log, code) = call(how, &["--repeat", "2"]);
            assert_eq!(code, 0, "{how}: {answer} {log}");
            assert_eq!(log.matches("WARN").count(), warnings, "{how}: {log}");
            assert_eq!(
                log.matches("HAP_compute_res_hmx_lock").count(),
                warnings,
                "{how}: {log}"
            );
            let (_, log, code) = call(how, &strict);
            assert_eq!(code, 3, "{how}: {log}");
            assert!(log.contains(why), "{how}: {log}");
        }
    }
}

#[test]
fn vectors_want_a_context_of_the_thread_s() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().unwrap();
    let skel = build_shared(&llvm, "silicon", 68, &[], dir.path().join("libsilicon_skel.so"));
    for engine in ["interp", "jit"] {
        let call = |how: u32, more: &[&str]| {
            let input = format!("u32:{how}");
            let call = [
                "--soc", "sm8650", "--method", "3", "--in", &input, "--out", "u32:1", "--engine", engine,
            ];
            invoke(&skel, &[&call, more].concat())
        };
        for how in 1..=3 {
            let said = (how.to_string(), String::new(), 0);
            assert_eq!(call(how, &[]), said, "{engine}");
            if how == 1 {
                assert_eq!(call(how, &["--strict-silicon"]), said, "{engine}");
                continue;
            }
            let (_, log, code) = call(how, &["--strict-silicon"]);
            assert_eq!(code, 3, "{how}: {log}");
            let why = "a vector instruction, and its thread holds no HVX context (qurt_hvx_lock)";
            assert!(log.contains(why), "{how}: {log}");
        }
    }
}
