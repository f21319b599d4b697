//! A skeleton (tests/programs/hostile.c) that asks for what it should not: each time there is the documented code, a refusal that says
//! why, or the end of that process with a report. More sins are those of firmware/skel/misbehave.c (`emu/os/tests/os/misbehaviour.rs`).

use tests::hexagon::{build_shared, invoke, llvm_and_emulator};

#[test]
fn what_should_not_be_asked_for_ends_in_a_code_or_a_report() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().unwrap();
    let build = |name: &str, options: &[&str]| {
        let folder = dir.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        build_shared(&llvm, "hostile", 68, options, folder.join("libhostile_skel.so"))
    };
    let plain = build("plain", &[]);
    let bad = |how: u32| {
        let input = format!("u32:{how}");
        invoke(&plain, &["--method", "2", "--in", &input, "--out", "u32:1"])
    };
    // EDEADLK; EBUSY.
    for (how, want) in [(1, "35"), (2, "16")] {
        let (answer, log, code) = bad(how);
        assert_eq!((answer.as_str(), code), (want, 0), "{how}: {log}");
    }
    // As many threads as a process may have, with those that serve the AP.
    let (answer, log, code) = bad(3);
    let threads: usize = answer.parse().unwrap_or(0);
    let limit = emu_os::config::Limits::default().threads;
    assert!(
        (limit - 8..limit).contains(&threads) && code == 0,
        "{answer}: {log}"
    );
    for (how, why) in [(4, "0xd0000f"), (5, "in memcpy: ")] {
        let (_, log, code) = bad(how);
        assert_eq!(code, 3, "{how}: {log}");
        assert!(log.contains(why), "{how}: {log}");
    }
    let method = ["--method", "2", "--in", "u32:1", "--out", "u32:1"];
    let never = build("never", &["-DNEVER", "-fuse-init-array"]);
    let (_, log, code) = invoke(&never, &[&method[..], &["--timeout", "1"]].concat());
    assert_eq!(code, 4, "{log}");
    let large = build("large", &["-DLARGE"]);
    let (answer, log, code) = invoke(&large, &method);
    assert!(code != 0 && code != 3, "{answer} {log}");
    assert!(log.contains("thread"), "{log}");
}
