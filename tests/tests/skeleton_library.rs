//! Skeletons (tests/programs/library.c, wide.c, vtcm.c, standard.c) that use what the DSP's C library has beyond the functions of every program, run by
//! `vhost-hexagon invoke`.

use std::path::Path;

use tests::hexagon::{answer, build_shared, llvm_and_emulator};

/// Runs what is there with the skeleton; nothing if it cannot be compiled here.
fn with_skeleton(run: impl FnOnce(&Path)) {
    with("library", run);
}

/// The same with the skeleton of another program.
fn with(name: &str, run: impl FnOnce(&Path)) {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join(format!("lib{name}_skel.so"));
    run(&build_shared(&llvm, name, 68, &[], file));
}

#[test]
fn posix_threads_work_together() {
    with_skeleton(|skeleton| {
        // Results 3, 2, 101 and 0; destructors of 3 + 2 + 1; four turns, one once, one last; ESRCH; ETIMEDOUT; 0.
        let found = answer(skeleton, &["--method", "2", "--out", "u32:6"]);
        assert_eq!(found, format!("{} 6 411 3 110 0", 3_002_101_000_u32));
    });
}

#[test]
fn files_of_the_ap_are_read_by_name_and_by_path() {
    with_skeleton(|skeleton| {
        let folder = skeleton.parent().expect("a folder");
        let file = folder.join("numbers.txt");
        std::fs::write(&file, "42 abcdef\n").expect("a file");
        let path = format!("str:{}", file.display());
        let found = answer(skeleton, &["--method", "3", "--in", &path, "--out", "u32:9"]);
        // Scanned 2, 42, 'c', at 8, read 3, '2', ENOENT, EROFS, found once.
        assert_eq!(found, "2 42 99 8 3 50 2 30 1");
    });
}

#[test]
fn wide_characters_are_read_formatted_and_searched() {
    with("wide", |skeleton| {
        let file = skeleton.parent().expect("a folder").join("words.txt");
        std::fs::write(&file, b"7 gr\xfcn\nnext\n").expect("a file");
        let path = format!("str:{}", file.display());
        let found = answer(skeleton, &["--method", "2", "--in", &path, "--out", "u32:10"]);
        // Scanned 2; 7 and the byte of the ü; a line; wide; 12 characters, the last a euro, which has no byte (-1 + 1 + 4); the place
        // of "|€"; "grün" and one number; 1 and a class.
        assert_eq!(found, "2 7252 1 1 12 8364 4 10 401 11");
    });
}

#[test]
fn vtcm_is_had_by_its_address() {
    with("vtcm", |skeleton| {
        // The profile's 2 MiB; queries that succeed; 42; aligned; less is left; twice refused; given back.
        let found = answer(skeleton, &["--method", "2", "--out", "u32:8"]);
        assert_eq!(found, "2048 0 42 1 1 0 1 0");
    });
}

#[test]
fn other_functions_of_c_and_posix_do_what_they_say() {
    with("standard", |skeleton| {
        let file = skeleton.parent().expect("a folder").join("lines.txt");
        std::fs::write(&file, "first\nsecond line\n").expect("a file");
        let path = format!("str:{}", file.display());
        let found = answer(skeleton, &["--method", "2", "--in", &path, "--out", "u32:12"]);
        assert_eq!(found, "6 12 1 3 7 5 24 2 1 1 1 1");
    });
}
