//! `vhost-hexagon disasm` prints static programs and shared objects as `llvm-objdump -d` does, line by line: headings,
//! labels, words, packets, names of branch targets, entries of the linkage table.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::assets;
use tests::hexagon::{build, build_shared, code, emulator, llvm};

/// Options of llvm-objdump for a core with vectors.
const VECTORS: &str = "--mattr=+hvxv73,+hvx-length128b";

fn tools() -> Option<PathBuf> {
    let Some(llvm) = llvm() else {
        assets::skip("there is no clang for Hexagon");
        return None;
    };
    if !emulator().is_file() {
        assets::skip("vhost-hexagon is not built");
        return None;
    }
    Some(llvm)
}

fn text(command: &mut Command) -> (String, Output) {
    let output = command.output().expect("it runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output)
}

fn ours(args: &[&str], file: &Path) -> String {
    let (text, output) = text(Command::new(emulator()).arg("disasm").args(args).arg(file));
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn theirs(llvm: &Path, args: &[&str], file: &Path) -> String {
    let mut command = Command::new(llvm.join("llvm-objdump"));
    text(command.args(["-d", VECTORS]).args(args).arg(file)).0
}

fn assert_same(ours: &str, theirs: &str, what: &str) {
    for (n, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(a, b, "{what}, line {}", n + 1);
    }
    assert_eq!(
        ours.lines().count(),
        theirs.lines().count(),
        "{what}: number of lines"
    );
}

/// A shared object as a skeleton is one.
fn shared(llvm: &Path, dir: &Path) -> PathBuf {
    let options = ["-Wl,-soname=libshared.so"];
    build_shared(llvm, "shared", 73, &options, dir.join("libshared.so"))
}

#[test]
fn programs_and_shared_objects_are_printed_as_objdump_prints_them() {
    let Some(llvm) = tools() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut files: Vec<PathBuf> = ["hello", "files", "hvx", "misc"]
        .iter()
        .map(|name| build(&llvm, dir.path(), name, 73))
        .collect();
    files.push(shared(&llvm, dir.path()));
    for file in files {
        let (ours, theirs) = (ours(&[], &file), theirs(&llvm, &[], &file));
        let name = file.display().to_string();
        assert!(theirs.lines().count() > 80, "{name}");
        assert_same(&ours, &theirs, &name);
    }
    let text = ours(&[], &dir.path().join("libshared.so"));
    for part in [
        "<outside@plt>:\n",
        "<first+0x",
        " <elsewhere@plt>",
        "<.plt>:\n",
        ":endloop0",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn a_range_of_addresses_and_a_function_can_be_chosen() {
    let Some(llvm) = tools() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = build(&llvm, dir.path(), "hello", 73);
    let whole = ours(&[], &file);
    // A packet in the middle of a function: its address, and that of one some packets on.
    let starts: Vec<&str> = whole
        .lines()
        .filter(|l| l.contains(" { \t"))
        .filter_map(|l| l.split(':').next())
        .map(str::trim)
        .collect();
    let (from, to) = (format!("0x{}", starts[5]), format!("0x{}", starts[20]));
    let range = ["--start-address", &from, "--stop-address", &to];
    let mine = ours(&range, &file);
    let range = [format!("--start-address={from}"), format!("--stop-address={to}")];
    let peer = theirs(&llvm, &range.each_ref().map(String::as_str), &file);
    assert_same(&mine, &peer, "a range");
    let run = ours(&["--function", "run"], &file);
    assert!(
        run.contains("<run>:\n") && run.lines().count() > 20 && run.lines().count() < whole.lines().count()
    );
}

#[test]
fn words_come_as_text_or_from_standard_input() {
    let Some(_) = tools() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("words");
    std::fs::write(&file, "0x5a00c080\n6fffffff 7f00c000\n").expect("a file");
    let text = ours(&["--hex", "--raw", "0x1000", "--arch", "68"], &file);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "    1000:\t80 c0 00 5a\t5a00c080 { \tcall 0x1100 }");
    assert!(
        lines[1].starts_with("    1004:\tff ff ff 6f\t6fffffff <unknown>  ("),
        "{text}"
    );
    assert_eq!(lines[2], "    1008:\t00 c0 00 7f\t7f00c000 { \tnop }");
}
