//! vh-drive's language, on the host: the program is compiled with the host's compiler (and its sanitizers, where they are)
//! and never sees a DSP. What the guest has to do with is in `e2e_drive.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tests::assets;

/// The host's vh-drive, if it can be built.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let to = dir.path().join("vh-drive");
        let mut sources: Vec<PathBuf> =
            std::fs::read_dir(assets::workspace().join("firmware/guest/vh_drive"))
                .expect("vh-drive's sources")
                .flatten()
                .map(|e| e.path())
                .filter(|p| p.extension().is_some_and(|e| e == "c"))
                .collect();
        sources.sort();
        let build = |sanitizers: &[&str]| {
            let mut command = Command::new("cc");
            command.args([
                "-O1",
                "-g",
                "-std=gnu17",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-pthread",
            ]);
            command.args(sanitizers).args(&sources).arg("-o").arg(&to);
            command.output()
        };
        let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        match build(&sanitizers) {
            Ok(done) if done.status.success() => {}
            Ok(_) => {
                let done = build(&[]).expect("the compiler was there a moment ago");
                assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            }
            Err(_) => {
                assets::skip_without_tool("there is no C compiler for the host");
                return None;
            }
        }
        Some((dir, to))
    });
    built.as_ref().map(|(_, program)| program.as_path())
}

/// Runs vh-drive with a script on its standard input.
fn drive(program: &Path, arguments: &[&str], script: &[u8]) -> Output {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::io::Write::write_all(&mut file, script).expect("the script");
    Command::new(program)
        .args(arguments)
        .arg(file.path())
        .env("ASAN_OPTIONS", "detect_leaks=0:exitcode=77")
        .env("UBSAN_OPTIONS", "halt_on_error=1:exitcode=77")
        .output()
        .expect("vh-drive starts")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Scripts that are right: of the tests, of the documentation, of the scenarios.
fn scripts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let top = assets::workspace();
    let mut folders = vec![top.join("tests/guest/drive"), top.join("scenarios")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
        {
            let name = path.display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".drv") {
                found.push((name, std::fs::read_to_string(path).expect("a script")));
            } else if name.ends_with(".toml") {
                let file: toml::Table = std::fs::read_to_string(path)
                    .expect("a scenario")
                    .parse()
                    .expect("TOML");
                let script = file
                    .get("workload")
                    .and_then(|w| w.get("drive"))
                    .and_then(|d| d.as_str());
                if let Some(script) = script {
                    found.push((name, script.to_owned()));
                }
            }
        }
    }
    let manual = std::fs::read_to_string(top.join("docs/workloads.md")).expect("the manual");
    for (n, part) in manual.split("```drive\n").skip(1).enumerate() {
        let end = part.find("```").expect("the end of an example");
        found.push((
            format!("docs/workloads.md, example {}", n + 1),
            part[..end].to_owned(),
        ));
    }
    found
}

#[test]
fn the_language_does_what_the_manual_says() {
    let Some(program) = program() else { return };
    let script = assets::workspace().join("tests/guest/drive/language.drv");
    let done = drive(program, &[], &std::fs::read(script).expect("the script"));
    assert_eq!(done.status.code(), Some(0), "{}", text(&done));
}

#[test]
fn every_script_we_have_is_right() {
    let Some(program) = program() else { return };
    let all = scripts();
    assert!(all.len() > 6, "only {} scripts were found", all.len());
    for (name, script) in all {
        let done = drive(program, &["--check"], script.as_bytes());
        assert_eq!(done.status.code(), Some(0), "{name}: {}", text(&done));
    }
}

#[test]
fn an_expectation_that_is_not_met_ends_the_script_with_its_line() {
    let Some(program) = program() else { return };
    let cases = [
        (
            "expect 1 == 1\nexpect 1 == 2\nsay no\n",
            "line 2: `expect 1 == 2` does not hold",
        ),
        (
            "present /nope\n",
            "line 1: `present /nope` gave ENOENT, expected 0",
        ),
        (
            "present /dev/null => ENOENT|3..9\n",
            "gave 0, expected ENOENT|3..9",
        ),
        (
            "present /nope => 0 within 20ms\n",
            "gave ENOENT, expected 0 within 20ms",
        ),
        (
            "thread t {\n  close 99\n}\njoin t\n",
            "line 2: `close 99` gave EBADF",
        ),
        (
            "process p {\n  close 99\n}\nwait p\n",
            "line 4: `wait p` gave 1, expected 0",
        ),
    ];
    for (script, expected) in cases {
        let done = drive(program, &[], script.as_bytes());
        assert_eq!(done.status.code(), Some(1), "{script}: {}", text(&done));
        assert!(text(&done).contains(expected), "{script}: {}", text(&done));
    }
}

#[test]
fn wrong_scripts_are_refused_with_their_line() {
    let Some(program) = program() else { return };
    let cases = [
        ("\nfoo\n", "line 2: there is no command `foo`"),
        ("open a\n", "`open` needs more; usage: open NAME"),
        ("open 1a cdsp\n", "`1a` is no name"),
        ("close b\n", "nothing is called `b`"),
        ("close 1 2\n", "`2` is one word too many"),
        ("set x 1 +\n", "a number or a name is missing in `1 +`"),
        ("expect (1\n", "a bracket is not closed"),
        ("expect 1)\n", "a closing bracket too many"),
        ("invoke 1 2 3 in=@4\n", "lacks its length"),
        ("invoke 1 2 3 in=[1,2:3]\n", "1, 2, 4 or 8 bytes wide"),
        ("invoke 1 2 3 out=4,to=q\n", "nothing is called `q`"),
        ("thread t\n", "`thread` has a block"),
        ("close 1 {\n", "`close` has no block"),
        ("close 1 =>\n", "nothing is expected"),
        ("repeat 3 {\n", "line 1: the block of `repeat` is not closed"),
        ("}\n", "`}` closes nothing"),
        ("repeat 1 {\n} else {\n}\n", "`else` belongs to `if`"),
        ("wait p\n", "no `thread` or `process` is called p"),
        ("await go\n", "nobody posts go"),
        ("close 3 foo=2\n", "`close` has no option `foo`"),
        ("set EPIPE 3\n", "`EPIPE` has a meaning already"),
        ("say \"abc\n", "a string without end"),
        ("set x 3Q\n", "a number with something behind it"),
        ("set y 1\nset x y/0\n", "line 2: a division that has no result"),
        ("if 0 {\n set x 1\n}\nclose x\n", "line 4: `x` has no value yet"),
        ("for i 1 3 step=0 {\n}\n", "the step of `for` is not positive"),
        ("memory m 4K prot=xx\n", "a protection is rw"),
    ];
    for (script, expected) in cases {
        let done = drive(program, &[], script.as_bytes());
        assert_eq!(done.status.code(), Some(2), "{script}: {}", text(&done));
        assert!(text(&done).contains(expected), "{script}: {}", text(&done));
    }
    assert_eq!(
        drive(program, &["--check"], b"close \0 1\n").status.code(),
        Some(2)
    );
    let missing = Command::new(program)
        .arg("/no/such/script")
        .output()
        .expect("vh-drive starts");
    assert_eq!(missing.status.code(), Some(2));
}

/// Scripts cut, doubled and sprinkled with odd bytes are accepted or refused, and nothing else.
#[test]
fn no_script_upsets_the_parser() {
    let Some(program) = program() else { return };
    let all = scripts();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).expect("small")
    };
    let odd: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "\\",
        "=>",
        "..",
        "|",
        "=",
        ",",
        ":",
        "@",
        "#",
        " ",
        "\n",
        "in=",
        "out=@",
        "hin=",
        "0x",
        "99999999999999999999",
        "-",
        "!",
        "<<",
        "within",
        "else",
        "\u{fffd}",
    ];
    for round in 0..250 {
        let (name, script) = &all[random(all.len())];
        let mut bytes = script.clone().into_bytes();
        for _ in 0..=random(6) {
            let at = random(bytes.len() + 1);
            match random(4) {
                0 => bytes.truncate(at),
                1 => {
                    bytes.splice(at..at, odd[random(odd.len())].bytes());
                }
                2 => {
                    let piece: Vec<u8> = bytes.iter().skip(at).take(random(200)).copied().collect();
                    let to = random(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let end = (at + random(20)).min(bytes.len());
                    bytes.drain(at..end);
                }
            }
        }
        let done = drive(program, &["--check"], &bytes);
        assert!(
            matches!(done.status.code(), Some(0 | 2)),
            "round {round}, of {name}: {:?}\n{}\n{}",
            done.status,
            text(&done),
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn the_manual_and_the_tests_know_every_command() {
    let Some(program) = program() else { return };
    let help = Command::new(program)
        .arg("--help")
        .output()
        .expect("vh-drive starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let manual = std::fs::read_to_string(assets::workspace().join("docs/workloads.md")).expect("the manual");
    let tried: String = scripts()
        .iter()
        .filter(|(name, _)| name.ends_with(".drv"))
        .map(|(_, script)| format!("\n{script}"))
        .collect();
    // Two blanks, then the command's usage; its explanation is deeper.
    let verbs: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.starts_with("vh-drive"))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(verbs.len() > 60, "{verbs:?}");
    for verb in verbs {
        assert!(
            manual.contains(&format!("`{verb} ")) || manual.contains(&format!("`{verb}`")),
            "docs/workloads.md does not tell of `{verb}`"
        );
        let used = |line: &str| line.trim_start().split(' ').next() == Some(verb);
        assert!(
            tried.lines().any(used),
            "no script in tests/guest/drive uses `{verb}`"
        );
    }
}
