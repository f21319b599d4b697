//! A fatal error of a DSP in the middle of a call: the kernel's core dump says what the DSP was doing, and Debian's
//! debugger opens it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use emu_machine::device::board::firmware::dump::{Dump, Intact};
use tests::assets;
use tests::guest::{HANG, board};

const REASON: &str = "fatal error for the dump's test";

/// A skeleton spins while the DSP dies; the dump goes over the console as base64.
const SCRIPT: &str = r#"
for r in /sys/class/remoteproc/*; do echo enabled > $r/coredump; done
vh-invoke bench 4 --word 0xffffffff --out 4 &
echo @spins
i=0; while [ $i -lt 300 ]; do
  for d in /sys/class/devcoredump/devcd*/data; do [ -e $d ] && break 2; done
  sleep 0.1; i=$((i+1))
done
echo @dump; base64 $d; echo @end
dmesg | grep -F "remoteproc" | tail -20
"#;

fn dump(series: &str) {
    let Some((builder, _)) = board(series, SCRIPT) else {
        return;
    };
    let mut vm = builder.spawn().unwrap();
    vm.wait_for("@spins", HANG).unwrap();
    let cdsp = vm.devices().iter().find(|d| d.label() == "cdsp").unwrap();
    // It is in the call when packets run that no other call can have caused.
    let end = Instant::now() + HANG;
    let mut before = None;
    while before.is_none_or(|packets| cdsp.stats().packets == packets) {
        if before.is_none() && cdsp.stats().module_calls > 0 {
            before = Some(cdsp.stats().packets);
        }
        assert!(Instant::now() < end, "no call on the DSP");
        std::thread::sleep(Duration::from_millis(10));
    }
    cdsp.subsystem().crash(REASON).unwrap();
    vm.wait_for("@dump", HANG).unwrap();
    let mut text = String::new();
    loop {
        let line = vm.next_line(HANG).unwrap().unwrap().text;
        if line.contains("@end") {
            break;
        }
        text.push_str(line.trim());
    }
    let file = base64(&text);
    let dump = Dump::parse(&file).unwrap_or_else(|why| panic!("{why} ({} bytes)", file.len()));
    let lines = dump.lines().join("\n");
    let record = dump.crash.as_ref().unwrap_or_else(|| panic!("{lines}"));
    assert_eq!(record.reason, REASON, "{lines}");
    assert!(record.processes.iter().any(|p| p.state == "running"), "{lines}");
    // The thread that spins is in the skeleton's code, and the report has its symbol.
    let spins = record.threads.iter().find(|t| t.cause == "running");
    assert!(spins.is_some_and(|t| t.registers.pc >= 0x1000_0000), "{lines}");
    assert!(lines.contains("libbench_skel.so!"), "{lines}");
    assert!(dump.segments.iter().all(|(s, intact)| {
        *intact == Intact::Yes || (*intact == Intact::No && s.prot.contains(emu_core::mem::Prot::WRITE))
    }));
    debugger(&file, &assets::firmware().join("dsp/dsp.mbn"));
}

/// Debian's gdb-multiarch shows the DSP's memory at its addresses, and the record by its fields.
fn debugger(core: &[u8], image: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("core");
    std::fs::write(&file, core).unwrap();
    let mut command = Command::new("gdb-multiarch");
    command.args(["-nx", "-batch"]);
    for line in [
        format!("file {}", image.display()),
        format!("core-file {}", file.display()),
        "x/8c 0x01000100".into(),
        "print crash_record.reason".into(),
        "print crash_record.threads[0].name".into(),
    ] {
        command.args(["-ex", &line]);
    }
    let Ok(output) = command.output() else {
        return assets::skip_without_tool("gdb-multiarch is not installed");
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("86 'V'\t72 'H'\t68 'D'"), "{text}");
    assert!(text.contains(&format!("\"{REASON}\"")), "{text}");
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(value).collect();
    let mut out = Vec::new();
    for four in digits.chunks(4) {
        let word = four
            .iter()
            .enumerate()
            .fold(0, |word, (n, v)| word | u32::from(*v) << (18 - 6 * n));
        out.extend(&word.to_be_bytes()[1..four.len()]);
    }
    out
}

#[test]
fn the_dump_of_a_crash_on_7_3_opens() {
    dump("newest");
}

#[test]
fn the_dump_of_a_crash_on_6_12_opens() {
    dump("6.12");
}
