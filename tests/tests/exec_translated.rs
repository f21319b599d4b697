//! What `exec` tells of translated code: `--stats`, `--dump-host`, and names for `perf`.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use hexagon_isa::{EndLoop, Insn, Opcode, assemble_packet};
use tests::assets;
use tests::elf::{CODE, program};
use tests::hexagon::{code, emulator};

const ROUNDS: u32 = 3000;

fn i(op: Opcode, operands: &[i32]) -> Insn {
    Insn::with_operands(op, operands)
}

/// A loop with one packet of each way to be executed: host code, a call, the interpreter's. Where these are comes back, too.
fn looping() -> (Vec<u8>, [u32; 3]) {
    let mut words = Vec::new();
    let mut packet = |insns: &[Insn]| {
        let at = CODE + 4 * words.len() as u32;
        words.extend(assemble_packet(insns, EndLoop::None, false).unwrap());
        at
    };
    packet(&[
        i(Opcode::A2_tfrsi, &[0, 0]),
        i(Opcode::A2_tfrsi, &[1, ROUNDS as i32]),
    ]);
    let lowered = packet(&[i(Opcode::A2_addi, &[0, 0, 1])]);
    let called = packet(&[i(Opcode::V6_vadd_sf, &[1, 2, 3])]);
    let left = packet(&[i(Opcode::J2_pause, &[0])]);
    let compare = packet(&[i(Opcode::C2_cmpgtu, &[0, 1, 0])]);
    packet(&[i(Opcode::J2_jumpt, &[0, lowered as i32 - (compare as i32 + 4)])]);
    (program(&words, 0x73), [lowered, called, left])
}

struct Bench {
    folder: tempfile::TempDir,
    program: PathBuf,
    places: [u32; 3],
}

fn bench() -> Option<Bench> {
    if !emulator().is_file() {
        assets::skip_without_tool("vhost-hexagon is not built");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (bytes, places) = looping();
    let program = folder.path().join("looping");
    std::fs::write(&program, bytes).unwrap();
    Some(Bench {
        folder,
        program,
        places,
    })
}

impl Bench {
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(emulator());
        command
            .args(["exec", "--cpu", "v73"])
            .args(options)
            .arg(&self.program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn told(&self, options: &[&str]) -> String {
        let output: Output = self.command(options).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), 0, "{told}");
        told
    }
}

#[test]
fn statistics_say_what_was_translated_and_what_was_left() {
    let Some(bench) = bench() else { return };
    let told = bench.told(&["--engine", "jit", "--stats"]);
    let [_, _, left] = bench.places;
    // The line of the packet that units are left for, once a round.
    let line = format!("{ROUNDS:>12} times {left:#010x}  {{ pause(#0x0) }}");
    assert!(told.lines().any(|l| l == line), "{line}\n{told}");
    let number = |begin: &str| -> f64 {
        let line = told
            .lines()
            .find_map(|line| line.strip_prefix(begin))
            .unwrap_or_else(|| panic!("{told}"));
        line.split_ascii_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(number("translated") >= 5.0, "{told}");
    assert!(
        number("host code") > 0.0 && number("translating took") > 0.0,
        "{told}"
    );
    assert!(
        told.contains(" of them by calls of the interpreter's functions; 0 units failed"),
        "{told}"
    );

    let told = bench.told(&["--engine", "interp", "--stats"]);
    assert!(
        told.starts_with("translated                  0 packets in 0 units"),
        "{told}"
    );
}

#[test]
fn a_unit_is_shown_with_its_packets_and_host_code() {
    let Some(bench) = bench() else { return };
    let [lowered, called, left] = bench.places;
    let told = bench.told(&["--engine", "jit", "--dump-host", &format!("{called:x}")]);
    for (pc, how, packet) in [
        (lowered, "host code   ", "{ r0 = add(r0,#0x1) }"),
        (called, "called      ", "{ v1.qf32 = vadd(v2.sf,v3.sf) }"),
        (left, "interpreted ", "{ pause(#0x0) }"),
    ] {
        let line = format!("{pc:#010x}  {how} {packet}");
        assert!(told.lines().any(|l| l == line), "{line}\n{told}");
    }
    assert!(told.contains("\nfunction ") && told.contains("block0"), "{told}");
    let host = told
        .split_once("host code, ")
        .unwrap_or_else(|| panic!("{told}"))
        .1;
    assert!(
        host.lines().count() > 10 && host.contains("  mov ") && host.contains("  ret "),
        "{told}"
    );

    let told = bench.told(&["--engine", "interp", "--dump-host", "0x10"]);
    assert!(
        told.starts_with("nothing was made of a packet at 0x00000010"),
        "{told}"
    );
}

#[test]
fn host_code_has_names_for_perf_where_that_is_wanted() {
    let Some(bench) = bench() else { return };
    for (wanted, value) in [(true, "1"), (false, "0")] {
        let mut command = bench.command(&["--engine", "jit"]);
        let mut child = command.env("VHOST_HEXAGON_PERF_MAP", value).spawn().unwrap();
        let map = PathBuf::from(format!("/tmp/perf-{}.map", child.id()));
        assert!(child.wait().unwrap().success());
        let text = std::fs::read_to_string(&map);
        let _ = std::fs::remove_file(&map);
        let Some(text) = text.ok().filter(|_| wanted) else {
            assert!(!wanted, "{} is not there", map.display());
            continue;
        };
        let names: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        let [lowered, ..] = bench.places;
        assert!(
            names.iter().any(|n| n[3] == format!("{:#010x}", lowered - 8)),
            "{text}"
        );
        for name in names {
            assert_eq!((name.len(), name[2]), (4, "hexagon"), "{text}");
            let number = |at: usize| u64::from_str_radix(name[at], 16).unwrap();
            assert!(number(0) > 0 && number(1) > 0, "{text}");
        }
    }
}
