//! Versions of symbols (tests/programs/versions.c, versions_needed.c): what a skeleton was linked with, and what it meets.

use std::path::{Path, PathBuf};

use tests::hexagon::{build_shared, invoke, llvm_and_emulator};

const COMMON: [&str; 2] = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];
const NEEDED: &str = "libversions_needed.so";

/// The library in a folder of its own, with versions up to this one; 0: without any.
fn needed(llvm: &Path, folder: &Path, newest: u32) -> PathBuf {
    let folder = folder.join(newest.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let script = folder.join("versions");
    let versions = (1..=newest).map(|n| format!("V{n} {{ global: answer; kept; }};\n"));
    std::fs::write(&script, versions.collect::<String>()).unwrap();
    let script = format!("-Wl,--version-script={}", script.display());
    let soname = format!("-Wl,-soname={NEEDED}");
    let options = match newest {
        0 => vec!["-DPLAIN"],
        1 => vec!["-DOLD", &script],
        2 => vec![&*script],
        _ => vec!["-DNEW", &script],
    };
    let options = [&COMMON[..], &[&soname], &options].concat();
    build_shared(llvm, "versions_needed", 68, &options, folder.join(NEEDED))
}

/// What the skeleton finds that was linked with one library and meets another.
fn meets(llvm: &Path, folder: &Path, linked: u32, met: u32) -> (String, String, i32) {
    let with = needed(llvm, folder, linked);
    let here = folder.join(format!("{linked}-{met}"));
    std::fs::create_dir_all(&here).unwrap();
    let options = [&COMMON[..], &[with.to_str().unwrap()]].concat();
    let skeleton = build_shared(llvm, "versions", 68, &options, here.join("libversions_skel.so"));
    std::fs::copy(needed(llvm, folder, met), here.join(NEEDED)).unwrap();
    invoke(&skeleton, &["--method", "2", "--out", "u32:3"])
}

#[test]
fn a_reference_binds_to_the_version_that_it_was_linked_with() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (linked, met, found) in [
        (1, 1, "1 10 1"),
        (1, 2, "1 10 2"),
        (2, 2, "2 20 2"),
        (2, 3, "2 20 3"),
        (3, 3, "3 20 3"),
        // Without a version: the first that the library had. dlsym: the default one.
        (0, 0, "9 90 9"),
        (0, 1, "1 10 1"),
        (0, 2, "1 10 2"),
        (0, 3, "1 10 3"),
    ] {
        let (answer, log, code) = meets(&llvm, dir.path(), linked, met);
        assert_eq!(
            (answer.as_str(), code, log.as_str()),
            (found, 0, ""),
            "{linked} meets {met}"
        );
    }
}

#[test]
fn a_version_that_the_library_has_not_is_refused_by_name_and_told_if_it_has_none_at_all() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().unwrap();
    for (linked, met) in [(2, 1), (3, 2)] {
        let (_, log, code) = meets(&llvm, dir.path(), linked, met);
        let why = format!("version V{linked} of {NEEDED}, which has none of that name");
        assert!(
            code != 0 && log.contains(&why),
            "{linked} meets {met}: {code} {log}"
        );
    }
    let (answer, log, code) = meets(&llvm, dir.path(), 2, 0);
    assert_eq!((answer.as_str(), code), ("9 90 9", 0), "{log}");
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("has no versions"), "{log}");
}
