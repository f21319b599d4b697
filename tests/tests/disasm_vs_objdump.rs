//! `vhost-hexagon disasm` prints what LLVM's compiler, assembler and linker write as `llvm-objdump -d` does, line by line: headings,
//! labels, words, packets, data among code, names of branch targets, entries of the linkage table.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::assets;
use tests::hexagon::{build, build_shared, code, emulator, llvm_and_emulator};

/// Options of llvm-objdump for a core with vectors.
const VECTORS: &str = "--mattr=+hvxv73,+hvx-length128b";

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

/// Why something is no packet is ours to say.
fn without_reason(line: &str) -> &str {
    match line.split_once(" <unknown>") {
        Some((before, _)) => &line[..before.len() + " <unknown>".len()],
        None => line,
    }
}

fn assert_same(ours: &str, theirs: &str, what: &str) {
    for (n, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(without_reason(a), b, "{what}, line {}", n + 1);
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
    let Some(llvm) = llvm_and_emulator() else { return };
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

/// An object file of `tests/objects`.
fn object(llvm: &Path, dir: &Path, source: &str, options: &[&str]) -> PathBuf {
    let out = dir.join(format!("{source}{}.o", options.concat()));
    let from = assets::workspace().join("tests/objects").join(source);
    let mut command = if source.ends_with(".s") {
        let mut command = Command::new(llvm.join("llvm-mc"));
        command.args(["--triple=hexagon", "-mcpu=hexagonv68", "-filetype=obj"]);
        command
    } else {
        let mut command = Command::new(llvm.join("clang"));
        command
            .args(["--target=hexagon-unknown-none-elf", "-mv68", "-O1", "-G0"])
            .args(["-ffreestanding", "-fno-exceptions", "-fno-rtti"])
            .args(["-Wall", "-Wextra", "-Werror", "-c"]);
        command
    };
    let (_, output) = text(command.args(options).arg(from).arg("-o").arg(&out));
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// How each C and C++ source is compiled.
const WAYS: [&[&str]; 4] = [
    &["-fno-function-sections"],
    &["-ffunction-sections", "-fdata-sections"],
    &["-O0"],
    &["-O2", "-fPIC"],
];

/// How each assembler source is.
const AS_IT_IS: [&[&str]; 1] = [&[]];

/// All object files that can be made of `tests/objects`: of each source as many as there are ways to compile it.
fn objects(llvm: &Path, dir: &Path) -> Vec<PathBuf> {
    let sources = std::fs::read_dir(assets::workspace().join("tests/objects")).expect("the folder");
    let mut names: Vec<_> = sources
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    let ways = |name: &String| {
        if name.ends_with(".s") {
            &AS_IT_IS[..]
        } else {
            &WAYS[..]
        }
    };
    names
        .iter()
        .flat_map(|name| ways(name).iter().map(|options| object(llvm, dir, name, options)))
        .collect()
}

#[test]
fn object_files_are_printed_as_objdump_prints_them() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let files = objects(&llvm, dir.path());
    assert!(files.len() >= 19, "{files:?}");
    for file in files {
        let (ours, theirs) = (ours(&[], &file), theirs(&llvm, &[], &file));
        assert!(theirs.lines().count() > 15, "{}", file.display());
        assert_same(&ours, &theirs, &file.display().to_string());
    }
}

/// The sources again, linked in several ways, with and without their symbols.
#[test]
fn what_is_linked_of_them_is_printed_as_objdump_prints_it() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let names = ["globals.c", "aliases.c", "sections.c", "groups.cpp"];
    let parts: Vec<_> = names
        .iter()
        .map(|name| object(&llvm, dir.path(), name, &["-ffunction-sections", "-fPIC"]))
        .collect();
    for (n, options) in [
        &[
            "-static",
            "-z",
            "undefs",
            "--unresolved-symbols=ignore-all",
            "-e",
            "use",
        ][..],
        &["-shared"],
        &["-shared", "--strip-all"],
        &["-shared", "--gc-sections", "-z", "separate-code"],
        &["-r"],
        &["-r", "--strip-debug"],
    ]
    .iter()
    .enumerate()
    {
        let out = dir.path().join(format!("linked-{n}"));
        let mut linker = Command::new(llvm.join("ld.lld"));
        let (_, output) = text(linker.args(*options).args(&parts).arg("-o").arg(&out));
        assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
        let (ours, theirs) = (ours(&[], &out), theirs(&llvm, &[], &out));
        assert!(theirs.lines().count() > 100, "{options:?}");
        assert_same(&ours, &theirs, &format!("{options:?}"));
    }
}

#[test]
fn a_function_is_chosen_by_any_of_its_names() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (source, functions) in [
        ("globals.c", &["first", "second", "local", "last"][..]),
        ("aliases.c", &["middle", "zzz", "aaa", "mmm", "hidden", "caller"]),
        ("sections.c", &["hot", "init", "plain", "loops"]),
        ("groups.cpp", &["_Z3usei", "_Z5twiceIiET_S0_", "_ZN4BaseC1Ei"]),
    ] {
        for options in WAYS {
            let file = object(&llvm, dir.path(), source, options);
            for function in functions {
                let what = format!("{function} of {}", file.display());
                let mine = ours(&["--function", function], &file);
                let peer = theirs(&llvm, &[&format!("--disassemble-symbols={function}")], &file);
                assert!(peer.contains(&format!("<{function}>:")), "{what}:\n{peer}");
                assert_same(&mine, &peer, &what);
            }
        }
    }
    // What is named within a function belongs to it, which is more than objdump prints.
    let file = object(&llvm, dir.path(), "branches.s", &[]);
    let text = ours(&["--function", "branches"], &file);
    for part in ["<branches>:\n", "<start1>:\n", "<ahead>:\n", "jumpr r31"] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    assert!(!text.contains("<elsewhere>:"), "{text}");
    let output = Command::new(emulator())
        .args(["disasm", "--function", "nobody"])
        .arg(&file)
        .output();
    let output = output.expect("it runs");
    assert_eq!(code(&output), 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no function nobody"));
}

/// What is printed of a source, by objdump and by us.
fn both(llvm: &Path, dir: &Path, core: &str, source: &str) -> (String, String) {
    let (from, out) = (dir.join("differ.s"), dir.join("differ.o"));
    std::fs::write(&from, source).expect("a source");
    let mut command = Command::new(llvm.join("llvm-mc"));
    command.args(["--triple=hexagon", "-filetype=obj", core]);
    let (_, output) = text(command.arg(from).arg("-o").arg(&out));
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    (theirs(llvm, &[], &out), ours(&[], &out))
}

/// `docs/disasm.md` lists what differs: here each row of it does, so that a row is struck out when it does no more.
#[test]
fn what_differs_differs_as_the_page_says() {
    let Some(llvm) = llvm_and_emulator() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let both = |core: &str, source: &str| both(&llvm, dir.path(), core, source);

    let (peer, mine) = both(
        "-mcpu=hexagonv73",
        "f: .word 0x78004000, 0x6fffc000, 0x7800c000\n",
    );
    let line = "78004000 <unknown>";
    assert!(peer.contains(&format!("{line}\n")), "{peer}");
    assert!(mine.contains(&format!("{line}  (")), "{mine}");

    let long =
        "f: .word 0x78004001, 0x78004002, 0x78004003, 0x78004004, 0x78004005, 0x7800c006, 0x7800c007\n";
    let (peer, mine) = both("-mcpu=hexagonv73", long);
    let line = "78004005 { \tr5 = #0x0\n";
    assert!(!peer.contains(line) && mine.contains(line), "{peer}{mine}");
    assert!(peer.contains("{ \tr7 = #0x0 }") && mine.contains("{ \tr7 = #0x0 }"));

    let label = "f: .word 0x00004000\ng: .word 0x7800c000\n";
    let (peer, mine) = both("-mcpu=hexagonv73", label);
    assert!(peer.contains("r0 = ##0x0"), "{peer}");
    assert!(mine.contains("r0 = #0x0"), "{mine}");

    let (peer, mine) = both("-mcpu=hexagonv60", "f: { trap1(#5) }\n");
    assert!(peer.contains("trap1(r0,#0x5)"), "{peer}");
    assert!(
        mine.contains("<unknown>  (J2_trap1 needs V65, the core is V60)"),
        "{mine}"
    );

    let file = shared(&llvm, dir.path());
    let output = Command::new(llvm.join("llvm-objcopy"))
        .arg("--strip-sections")
        .arg(&file)
        .output()
        .expect("llvm-objcopy runs");
    assert_eq!(code(&output), 0);
    let heading = |text: &str| {
        let rest = text
            .split_once("section PT_LOAD#")
            .map(|(_, rest)| rest.to_owned());
        rest.and_then(|rest| Some(rest.split_once(':')?.0.parse::<u32>().expect("a number")))
    };
    let (peer, mine) = (theirs(&llvm, &[], &file), ours(&[], &file));
    assert!(
        heading(&mine).expect("a segment") < heading(&peer).expect("a segment"),
        "{peer}{mine}"
    );
    assert!(!peer.contains("<first>:") && mine.contains("<first>:"), "{mine}");
}

#[test]
fn a_range_of_addresses_and_a_function_can_be_chosen() {
    let Some(llvm) = llvm_and_emulator() else { return };
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
    let Some(_) = llvm_and_emulator() else { return };
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
