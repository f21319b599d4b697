//! A skeleton (tests/programs/library.c) that uses what the DSP's C library has beyond the functions of every program, run by
//! `vhost-hexagon invoke`.

use std::path::Path;
use std::process::Command;

use tests::assets;
use tests::hexagon::{build_shared, code, emulator, llvm};

/// Runs what is there with the skeleton; nothing if it cannot be compiled here.
fn with_skeleton(run: impl FnOnce(&Path)) {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("liblibrary_skel.so");
    run(&build_shared(&llvm, "library", 68, &[], file));
}

/// What a method answers.
fn invoke(skeleton: &Path, method: &str, more: &[&str]) -> String {
    let output = Command::new(emulator())
        .args(["invoke", "--skel"])
        .arg(skeleton)
        .args(["--method", method])
        .args(more)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert_eq!(
        code(&output),
        0,
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[test]
fn posix_threads_work_together() {
    with_skeleton(|skeleton| {
        // Results 3, 2, 101 and 0; destructors of 3 + 2 + 1; four turns, one once, one last; ESRCH; ETIMEDOUT; 0.
        let answer = invoke(skeleton, "2", &["--out", "u32:6"]);
        assert_eq!(answer, format!("{} 6 411 3 110 0", 3_002_101_000_u32));
    });
}

#[test]
fn files_of_the_ap_are_read_by_name_and_by_path() {
    with_skeleton(|skeleton| {
        let folder = skeleton.parent().expect("a folder");
        let file = folder.join("numbers.txt");
        std::fs::write(&file, "42 abcdef\n").expect("a file");
        let path = format!("str:{}", file.display());
        let answer = invoke(skeleton, "3", &["--in", &path, "--out", "u32:9"]);
        // Scanned 2, 42, 'c', at 8, read 3, '2', ENOENT, EROFS, found once.
        assert_eq!(answer, "2 42 99 8 3 50 2 30 1");
    });
}
