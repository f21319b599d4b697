//! Packets that the architecture forbids: each raises the exception of an illegal packet before anything of it runs, and
//! says why. The same program runs on `qemu-hexagon` 10.0 and, if it is in the cache, 11.1; [`CASES`] notes what they do
//! and why it differs. Random packets of register instructions, half of them illegal, get the same verdict as from 11.1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use emu_core::Exception;
use emu_linux_user::{ExecError, Program};
use hexagon_isa::info::InsnClass;
use hexagon_isa::{Arch, EndLoop, Opcode, assemble_packet, decode_packet};
use tests::{assets, elf, hexagon};

/// What came of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It ran to its end.
    Runs,
    /// SIGILL.
    Illegal,
    /// The peer itself gave up.
    Aborts,
    /// Something else happened to it.
    Other,
}
use Verdict::{Aborts, Illegal, Other, Runs};

/// One packet: its words with the last one marked as such, what we say, what QEMU 10.0 and 11.1 do, and why if they differ.
struct Case {
    words: &'static [u32],
    why: &'static str,
    old: Verdict,
    new: Verdict,
    note: &'static str,
}

const fn case(
    words: &'static [u32],
    why: &'static str,
    old: Verdict,
    new: Verdict,
    note: &'static str,
) -> Case {
    Case {
        words,
        why,
        old,
        new,
        note,
    }
}

const ADD: u32 = 0xf302_c301; // r1 = add(r2,r3)
const NOP: u32 = 0x7f00_c000;
const WRITERS: &str = "10.0 does not look for two writers";
const RUN_TIME: &str = "11.1 looks for two writers when the packet runs, and here neither writes";
const LAX: &str = "they execute what hardware leaves undefined";
const DECODER: &str = "10.0's decoder stops itself";
const DECODERS: &str = "their decoders stop themselves";
const PIPES: &str = "they do not count the vector pipes";
const FIRST: &str = "10.0 takes the first branch";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // legal ones, to see that the others fail for their reason
    case(&[ADD], "", Runs, Runs, ""),
    case(&[0xfb02_c301, 0xfb02_c381], "", Runs, Runs, ""),                            // if (p0) r1 = …; if (!p0) r1 = …
    case(&[0xfb02_e301, 0xf204_c500], "", Runs, Runs, ""),                            // if (p0.new) r1 = …; p0 = cmp.eq(r4,r5)
    case(&[0xd302_c4e1], "", Runs, Runs, ""),                                         // a pair's odd number is its even one
    // two writers
    case(&[ADD, ADD], "write the same register", Runs, Illegal, WRITERS),
    case(&[0xfb02_c301, ADD], "write the same register", Runs, Illegal, WRITERS),
    case(&[0xfb02_c301, 0xfb02_c301], "write the same register", Runs, Runs, RUN_TIME),
    case(&[ADD, 0xd302_c4e0], "write the same register", Runs, Illegal, WRITERS),     // … and r1:0 = add(r3:2,r5:4)
    case(&[0x1c42_c100, 0x1c42_c100], "write the same register", Runs, Runs, LAX),    // v0.w = vadd(v1.w,v2.w), twice
    case(&[0x6222_c004, 0xf202_c300], "write the same register", Runs, Runs, LAX),    // p3:0 = r2; p0 = cmp.eq(r2,r3)
    // slots
    case(&[0xed02_c301, 0xed02_c304, 0xed02_c305], "do not fit the slots", Aborts, Illegal, DECODER),  // three mpyi
    case(&[0x1c04_c3e0, 0x1c04_c3e8, 0x1c04_c3ec], "do not fit the slots", Runs, Runs, PIPES),         // three vmpy
    // alone
    case(&[0x57c0_c002, NOP], "must be alone", Runs, Runs, LAX),                      // isync; nop
    // branches and loops
    case(&[0x5800_c008, 0x5800_c008, 0x5800_c008], "more than two branches", Other, Illegal, FIRST),
    // new values
    case(&[0xfb02_e301], "uses a new value that nothing", Aborts, Aborts, DECODERS),  // if (p0.new) r1 = add(r2,r3)
    // reserved bits, extenders, what cannot be written
    case(&[0x6fff_ffff], "is no instruction", Aborts, Illegal, DECODER),
    case(&[0x0000_c000], "nothing to extend", Runs, Runs, LAX),
    case(&[0x6222_c009], "read-only register", Runs, Runs, LAX),                      // pc = r2
];

/// Marks the last word as such and the others as not.
fn packet(words: &[u32]) -> Vec<u32> {
    let last = words.len() - 1;
    words
        .iter()
        .enumerate()
        .map(|(n, w)| w & !0xc000 | if n == last { 0xc000 } else { 0x4000 })
        .collect()
}

/// QEMU 11.1 from the cache.
fn newer() -> Option<PathBuf> {
    let path = assets::cache()?.join("peers/qemu-user/qemu-hexagon");
    path.is_file().then_some(path)
}

fn theirs(qemu: &Path, dir: &Path, words: &[u32]) -> Verdict {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::ExitStatusExt;
    let file = dir.join("packet");
    std::fs::write(&file, elf::program(words, 0x73)).expect("the program is written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it can be executed");
    let output = Command::new(qemu)
        .args(["-cpu", "v73"])
        .arg(&file)
        .output()
        .expect("QEMU runs");
    match (output.status.code(), output.status.signal()) {
        (Some(0), _) => Runs,
        (_, Some(4)) => Illegal,
        (_, Some(6)) => Aborts,
        _ => Other,
    }
}

/// Ours: what the exception says, if there is one. Nothing of the packet may have run.
fn ours(words: &[u32]) -> Result<(), String> {
    let mut program = Program::load(&elf::program(words, 0x73), Arch::V73).expect("our own ELF loads");
    let mut console = Silent;
    match program.run_on(&mut console, 1000) {
        Ok(_) => Ok(()),
        Err(ExecError::Crash(Exception::Illegal { pc, word, why })) => {
            assert_eq!((pc, Some(&word)), (elf::CODE, words.first()));
            let thread = program.thread();
            assert_eq!(thread.packets, 0);
            assert!((0..29).all(|n| thread.regs.r[n] == 0), "{why}: something has run");
            Err(why)
        }
        Err(other) => Err(format!("not an illegal packet: {other}")),
    }
}

struct Silent;

impl emu_linux_user::Console for Silent {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Ok(0)
    }
    fn write(&mut self, _: bool, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }
}

#[test]
fn forbidden_packets_raise_the_exception_and_say_why() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (old, new) = (hexagon::qemu().map(PathBuf::from), newer());
    let mut wrong = Vec::new();
    for c in CASES {
        let words = packet(c.words);
        let verdict = ours(&words);
        let fits = match &verdict {
            Ok(()) => c.why.is_empty(),
            Err(why) => !c.why.is_empty() && why.contains(c.why),
        };
        if !fits {
            wrong.push(format!("{words:x?}: we say {verdict:?}, not {:?}", c.why));
        }
        for (qemu, expected) in [(&old, c.old), (&new, c.new)] {
            let Some(qemu) = qemu else { continue };
            let verdict = theirs(qemu, dir.path(), &words);
            if verdict != expected {
                wrong.push(format!(
                    "{words:x?}: {} {verdict:?}, not {expected:?}",
                    qemu.display()
                ));
            }
        }
        let our = if c.why.is_empty() { Runs } else { Illegal };
        let differs = c.old != our || c.new != our;
        assert_eq!(
            differs,
            !c.note.is_empty(),
            "{words:x?}: a note for each difference"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where 11.1 is known to judge otherwise, and why. (It does not know the encodings that are called deprecated.)
const OUT_OF_ORDER: &str =
    "it refuses words that are not in the order of their slots; LLVM prints such packets, and so do we";

/// xorshift64*
fn next(state: &mut u64) -> u32 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
}

#[test]
fn random_packets_get_the_verdict_of_the_newer_qemu() {
    let Some(qemu) = newer() else {
        println!("skipped: no qemu-hexagon 11.1 in the cache");
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let usable: Vec<Opcode> = Opcode::all()
        .filter(|op| {
            let i = op.info();
            let class = matches!(
                i.class,
                InsnClass::ALU32_2op
                    | InsnClass::ALU32_3op
                    | InsnClass::ALU32_ADDI
                    | InsnClass::ALU64
                    | InsnClass::M
                    | InsnClass::S_2op
                    | InsnClass::S_3op
            );
            class
                && i.width == 32
                && i.arch <= Arch::V68
                && i.feature.is_none()
                && !i.syntax.contains(":deprecated")
        })
        .collect();
    let mut state = 0x1234_5678_9abc_def1;
    let (mut legal, mut illegal) = (0, 0);
    let mut excused: BTreeMap<&str, u32> = BTreeMap::new();
    let mut wrong = Vec::new();
    while legal + illegal < 600 && wrong.len() < 20 {
        let count = 2 + next(&mut state) as usize % 2;
        let mut words = Vec::new();
        while words.len() < count {
            let op = usable[next(&mut state) as usize % usable.len()];
            let i = op.info();
            // Few registers, so that they meet: of each field only the low bits.
            let random = next(&mut state) & 0x0003_0303 | next(&mut state) & 0x0000_0060;
            let word = i.value | random & !i.mask & !i.dont_care | 0xc000;
            // Alone it is legal, and written as an assembler would: a pair by its even register.
            let Ok(single) = decode_packet(&[word], Arch::V73) else {
                continue;
            };
            words.extend(assemble_packet(single.insns(), EndLoop::None, false).expect("what was decoded"));
        }
        let words = packet(&words);
        let decoded = decode_packet(&words, Arch::V73);
        let ordered = decoded
            .as_ref()
            .is_ok_and(|p| p.insns().is_sorted_by(|a, b| a.slot > b.slot));
        let verdict = theirs(&qemu, dir.path(), &words);
        match (&decoded, verdict) {
            (Ok(_), Runs) => legal += 1,
            (Err(_), Illegal) => illegal += 1,
            (Ok(_), Illegal) if !ordered => *excused.entry(OUT_OF_ORDER).or_default() += 1,
            _ => wrong.push(format!("{words:x?}: we say {decoded:?}, QEMU {verdict:?}")),
        }
        assert_eq!(ours(&words).is_err(), decoded.is_err(), "{words:x?}");
    }
    println!("{legal} legal, {illegal} illegal, excused: {excused:?}");
    assert!(legal > 50 && illegal > 50);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
