//! `vhost-hexagon exec` and `qemu-hexagon` run the same static programs (tests/programs): standard output, exit code and
//! what is left in the file system must be equal. Where the peer is known to differ, [`CRASHES`] says why.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::assets;
use tests::hexagon::{build, code, emulator, llvm, qemu};

/// Ways to crash (tests/programs/crash.c): our exit code, QEMU 10.0's, and why they differ.
const CRASHES: [(&str, i32, i32, &str); 11] = [
    ("none", 0, 0, ""),
    ("null", 139, 139, ""),
    ("code", 139, 139, ""),
    ("jump", 139, 139, ""),
    ("data", 139, 139, ""),
    ("abort", 134, 134, ""),
    (
        "illegal",
        132,
        134,
        "QEMU's decoder aborts on a word that is no instruction",
    ),
    (
        "privileged",
        132,
        134,
        "QEMU's decoder aborts, it has no privileged instructions",
    ),
    (
        "writers",
        132,
        0,
        "QEMU 10.0 does not look for two writers of a register",
    ),
    (
        "trap1",
        132,
        134,
        "QEMU 10.0's decoder aborts on trap1 with a register; there is no virtual machine below a user program",
    ),
    (
        "misaligned",
        135,
        0,
        "QEMU's user mode lets unaligned accesses pass",
    ),
];

struct Bench {
    dir: tempfile::TempDir,
    llvm: PathBuf,
    qemu: &'static str,
}

fn bench() -> Option<Bench> {
    let (Some(llvm), Some(qemu)) = (llvm(), qemu()) else {
        assets::skip_without_tool("there is no clang for Hexagon, or no qemu-hexagon");
        return None;
    };
    if !emulator().is_file() {
        assets::skip_without_tool("vhost-hexagon is not built");
        return None;
    }
    Some(Bench {
        dir: tempfile::tempdir().expect("a temporary folder"),
        llvm,
        qemu,
    })
}

/// Runs a command with input.
fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A program that ends early does not read its input.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// Every file below `dir` with its content.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let name = PathBuf::from(entry.file_name());
        if entry.path().is_dir() {
            out.extend(files(&entry.path()).into_iter().map(|(k, v)| (name.join(k), v)));
            out.insert(name, Vec::new());
        } else {
            out.insert(name, std::fs::read(entry.path()).expect("a file"));
        }
    }
    out
}

impl Bench {
    fn ours(&self, options: &[&str], program: &Path, args: &[&str], input: &str) -> Output {
        run(
            Command::new(emulator())
                .arg("exec")
                .args(options)
                .arg(program)
                .args(args)
                .env("VH_TEST", "of both"),
            input,
        )
    }

    fn theirs(&self, program: &Path, args: &[&str], input: &str) -> Output {
        run(
            Command::new(self.qemu)
                .args(["-cpu", "v73"])
                .arg(program)
                .args(args)
                .env("VH_TEST", "of both"),
            input,
        )
    }

    /// Both run it, each in a folder of its own that is its last argument.
    fn both(&self, name: &str, version: u32, args: &[&str], input: &str) -> Output {
        let program = build(&self.llvm, self.dir.path(), name, version);
        let mut results = Vec::new();
        for side in ["ours", "theirs"] {
            let dir = self.dir.path().join(format!("{name}-{version}-{side}"));
            std::fs::create_dir(&dir).expect("a folder");
            let mut args = args.to_vec();
            let path = dir.display().to_string();
            args.push(&path);
            let output = if side == "ours" {
                self.ours(&[], &program, &args, input)
            } else {
                self.theirs(&program, &args, input)
            };
            let text = String::from_utf8_lossy(&output.stdout).replace(&path, "FOLDER");
            results.push((text, code(&output), files(&dir), output));
        }
        let theirs = results.pop().expect("two");
        let ours = results.pop().expect("two");
        assert_eq!(ours.0, theirs.0, "what {name} prints");
        assert!(!ours.0.is_empty(), "{name} prints nothing");
        assert_eq!(ours.1, theirs.1, "{name}'s exit code");
        assert_eq!(ours.2, theirs.2, "the files that {name} leaves");
        ours.3
    }
}

#[test]
fn programs_print_and_leave_the_same_as_on_qemu() {
    let Some(bench) = bench() else { return };
    let hello = bench.both("hello", 73, &["one", "two words", ""], "");
    assert_eq!(code(&hello), 45);
    assert!(String::from_utf8_lossy(&hello.stdout).contains("\nVH_TEST=of both\n"));
    for version in [66, 68, 73] {
        bench.both("hvx", version, &[], "");
    }
    bench.both("memory", 73, &[], "");
    let misc = bench.both("misc", 73, &[], "a line\n");
    let errors = String::from_utf8_lossy(&misc.stderr);
    assert!(errors.contains("to the error output"), "{errors}");
    assert_eq!(
        errors.matches("system call 2000 is not modelled").count(),
        1,
        "{errors}"
    );
    assert_eq!(code(&misc), 255);
    let files = bench.both("files", 73, &[], "");
    let kept = std::fs::read(bench.dir.path().join("files-73-ours/kept")).expect("the file that it keeps");
    assert_eq!(kept, b"0XY3456!end", "{files:?}");
}

#[test]
fn crashes_have_the_exit_code_of_their_signal() {
    let Some(bench) = bench() else { return };
    let program = build(&bench.llvm, bench.dir.path(), "crash", 73);
    for (how, ours, theirs, why) in CRASHES {
        let our = bench.ours(&[], &program, &[how], "");
        let their = bench.theirs(&program, &[how], "");
        assert_eq!(
            (code(&our), code(&their)),
            (ours, theirs),
            "{how}: {our:?} {their:?}"
        );
        assert_eq!(why.is_empty(), ours == theirs, "{how}");
        let errors = String::from_utf8_lossy(&our.stderr);
        let stopped = ours != 0;
        assert_eq!(our.stdout.ends_with(b"after\n"), !stopped);
        let told = errors.contains("  r0  ") && errors.contains("  pc  ");
        assert_eq!(told, stopped && ours != 134, "{how}: {errors}");
    }
    let told = |how: &str| {
        let output = bench.ours(&[], &program, &[how], "");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(told("illegal").contains("illegal packet (first word 0x6fffffff)"));
    assert!(told("privileged").contains("Y2_tlbw is privileged"));
    assert!(told("null").contains("Write of 0x00000000: Unmapped"));
    assert!(told("code").contains("Write of 0x") && told("code").contains("Permission"));
    assert!(told("writers").contains("write the same register"));
    // A trap without an answer is reported where it stands.
    let symbols = Command::new(bench.llvm.join("llvm-nm"))
        .arg(&program)
        .output()
        .expect("llvm-nm runs");
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    for how in ["trap0", "trap1"] {
        let label = format!("{how}_here");
        let line = symbols
            .lines()
            .find(|line| line.ends_with(&label))
            .expect("the label");
        let at = line.split(' ').next().unwrap_or_default();
        let report = told(how);
        assert!(
            report.contains(&format!("at 0x{at}")) && report.contains(&format!("{how}(")),
            "{how} at {at}: {report}"
        );
    }
}

#[test]
fn semihosting_reaches_console_files_and_heap() {
    let Some(bench) = bench() else { return };
    let program = build(&bench.llvm, bench.dir.path(), "angel", 73);
    let dir = bench.dir.path().join("semihosted");
    std::fs::create_dir(&dir).expect("a folder");
    let output = bench.ours(&[], &program, &[&dir.display().to_string()], "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "command=00000000\nopen=00000003\nwrite=00000000\nlength=0000000c\nclose=00000000\nseek=00000004\n\
                    read=00000034\nhosting\nat=0000000c\ntty=00000000\nrename=00000000\ngone=ffffffff\nwhy=00000002\n\
                    errno=00000002\nname=00000000\nfirst=0000002f\nheap=00000000\nroom=04000000\nstack=00000001\n\
                    time=00000001\nunknown=ffffffff\n";
    assert_eq!(text, expected, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(code(&output), 77);
    let moved = dir.join("moved");
    assert_eq!(std::fs::read(moved).expect("the file"), b"semihosting\n");
}

#[test]
fn counting_tracing_and_limits() {
    let Some(bench) = bench() else { return };
    let program = build(&bench.llvm, bench.dir.path(), "hello", 73);
    let plain = bench.ours(&[], &program, &["x"], "");
    let counted = bench.ours(&["--count"], &program, &["x"], "");
    let traced = bench.ours(&["--trace"], &program, &["x"], "");
    assert_eq!(plain.stdout, counted.stdout);
    assert_eq!(plain.stdout, traced.stdout);
    assert_eq!((code(&counted), code(&traced)), (42, 42));
    let count = String::from_utf8_lossy(&counted.stderr).into_owned();
    let packets: usize = count
        .strip_prefix("V73: ")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("{count}"));
    let trace = String::from_utf8_lossy(&traced.stderr).into_owned();
    // One line for every packet, with what it wrote.
    assert_eq!(trace.lines().count(), packets);
    let first = trace.lines().next().expect("a line");
    assert!(first.contains(" { r0 = r29 } r0=efff"), "{first}");
    assert!(trace.contains("trap0(#0x1)"), "{trace}");

    let cut = bench.ours(&["--max-packets", "50"], &program, &[], "");
    assert_eq!(code(&cut), 1);
    assert!(String::from_utf8_lossy(&cut.stderr).contains("still running after 50 packets"));
    let files = build(&bench.llvm, bench.dir.path(), "files", 73);
    let dir = bench.dir.path().join("untouched");
    std::fs::create_dir(&dir).expect("a folder");
    let denied = bench.ours(&["--no-files"], &files, &[&dir.display().to_string()], "");
    let text = String::from_utf8_lossy(&denied.stdout).into_owned();
    assert!(
        text.contains("open=fffffff3\n") && text.contains("mkdir=fffffff3\n"),
        "{text}"
    );
    assert_eq!(std::fs::read_dir(dir).expect("a folder").count(), 0);
}

#[test]
fn the_file_says_which_core_it_wants() {
    let Some(bench) = bench() else { return };
    let program = build(&bench.llvm, bench.dir.path(), "hvx", 66);
    let count = |options: &[&str]| {
        let output = bench.ours(&[&["--count"], options].concat(), &program, &[], "");
        (
            String::from_utf8_lossy(&output.stderr).into_owned(),
            code(&output),
        )
    };
    assert!(count(&[]).0.starts_with("V66: "));
    assert!(count(&["--cpu", "v81"]).0.starts_with("V81: "));
    let (text, end) = count(&["--cpu", "v99"]);
    assert!(text.contains("is no version of the core") && end == 2, "{text}");
}

#[test]
fn what_is_no_static_program_is_refused() {
    let Some(bench) = bench() else { return };
    let file = bench.dir.path().join("x");
    std::fs::write(&file, b"#!/bin/sh\n").expect("a file");
    let script = bench.ours(&[], &file, &[], "");
    assert_eq!(code(&script), 1);
    assert!(String::from_utf8_lossy(&script.stderr).contains("not a static Hexagon program"));
    let own = bench.ours(&[], &emulator(), &[], "");
    assert!(String::from_utf8_lossy(&own.stderr).contains("another machine"));
}

#[test]
fn user_dma_moves_memory() {
    let Some(bench) = bench() else { return };
    // V68's own and the later, wide descriptors. (QEMU 10.0 and 11.1 have no user DMA.)
    for (version, wide) in [(68, "00000002"), (75, "00000000")] {
        let program = build(&bench.llvm, bench.dir.path(), "dma", version);
        let output = bench.ours(&[], &program, &[], "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = format!(
            "chain=00000000\nfirst=00000000\nsecond=00000000\ndone=80000000\nlines=00000000\nimage=00000000\n\
             large=00000001\npaused=00000001\nresumed=00000000\nsame=00000000\nlinked=00000000\nbehind=00000000\n\
             again=00000002\nstill=00000002\ncleared=00000002\nidle=00000000\nwide={wide}\n"
        );
        assert_eq!(
            text,
            expected,
            "V{version}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(code(&output), 0);
        // What the engine cannot reach is the exception of the one who waits.
        let lost = bench.ours(&[], &program, &["unmapped"], "");
        let errors = String::from_utf8_lossy(&lost.stderr).into_owned();
        assert_eq!(code(&lost), 139, "{errors}");
        assert!(
            errors.contains("Write of 0x00001000: Unmapped") && errors.contains("dmwait"),
            "{errors}"
        );
    }
}
