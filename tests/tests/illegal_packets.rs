//! Packets that the architecture forbids: each raises the exception of an illegal packet before anything of it runs, and
//! says why. The same program runs on `qemu-hexagon` 10.0 and, if it is in the cache, 11.1; [`CASES`] notes what they do
//! and why it differs. Two writers of one register are tried in every combination of ways to write one. Random packets of
//! register instructions, half of them illegal, get the same verdict as from 11.1.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use emu_core::Exception;
use emu_linux_user::{ExecError, Program};
use hexagon_isa::info::{InsnClass, Numbering};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, assemble_packet, decode_packet};
use tests::{assets, elf, hexagon};

/// What came of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
const BOTH_CONDITIONAL: &str = "10.0 does not look for two writers, 11.1 not if both are conditional";
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
    case(&[0xfb02_c301, 0xfb02_c301], "write the same register", Runs, Runs, BOTH_CONDITIONAL),
    case(&[ADD, 0xd302_c4e0], "write the same register", Runs, Illegal, WRITERS),     // … and r1:0 = add(r3:2,r5:4)
    case(&[0x1c42_c100, 0x1c42_c100], "write the same register", Runs, Runs, LAX),    // v0.w = vadd(v1.w,v2.w), twice
    case(&[0x19a1_c048, 0x19a0_c044], "write the same register", Runs, Runs, LAX),    // q0 = vand(v0,r1); q0 = vsetq(r0)
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
/// A test, or a part of it, goes without [`newer`].
#[track_caller]
fn without_newer() {
    let why = "no qemu-hexagon 11.1 is in the cache (`cargo xtask setup` fetches it)";
    test_needs::skip(test_needs::Need::NewerQemu, why);
}

fn newer() -> Option<PathBuf> {
    let path = assets::cache()?.newer_qemu_user().join("qemu-hexagon");
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
    if old.is_none() {
        tests::assets::skip_without_tool("no qemu-hexagon is installed");
    }
    if new.is_none() {
        without_newer();
    }
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

/// A way to write a register: the instruction, the value of each operand, and the file. Each writes number 1 of its file, or
/// the register that it always writes.
struct Writer {
    op: Opcode,
    v: &'static [i32],
    file: &'static str,
}

const fn writer(op: Opcode, v: &'static [i32], file: &'static str) -> Writer {
    Writer { op, v, file }
}

/// Conditions are on P0, so that no two exclude each other.
#[rustfmt::skip]
const WRITERS_OF: &[Writer] = &[
    writer(Opcode::A2_add, &[1, 2, 3], "r1"),
    writer(Opcode::A2_addp, &[0, 2, 4], "r1"),                        // pair
    writer(Opcode::A2_paddt, &[0, 1, 2, 3], "r1"),                    // conditional
    writer(Opcode::M2_macsip, &[1, 2, 3], "r1"),                      // read and written
    writer(Opcode::L2_loadri_pi, &[6, 1, 4], "r1"),                   // address
    writer(Opcode::S2_storerinew_pi, &[1, 4, 7], "r1"),               // address beside a new value
    writer(Opcode::F2_sfrecipa, &[1, 1, 2, 3], "r1"),                 // beside a predicate
    writer(Opcode::J2_call, &[8], "r31"),
    writer(Opcode::A2_tfrsi, &[31, 5], "r31"),
    writer(Opcode::S2_allocframe, &[29, 0], "r29"),
    writer(Opcode::A2_tfrsi, &[29, 5], "r29"),
    writer(Opcode::J2_ploop1si, &[8, 2], "p3"),                       // too late to be ANDed
    writer(Opcode::C2_cmpeq, &[3, 2, 3], "p3"),
    writer(Opcode::A2_tfrrcr, &[4, 2], "p3"),                         // C4 is all predicates
    writer(Opcode::A2_tfrrcr, &[8, 2], "usr"),
    writer(Opcode::A2_addsat, &[5, 2, 3], "usr"),                     // the overflow flag
    writer(Opcode::A2_subsat, &[6, 2, 3], "usr"),
    writer(Opcode::A2_tfrrcr, &[1, 2], "lc0"),
    writer(Opcode::A4_tfrpcp, &[0, 2], "lc0"),                        // control pair
    writer(Opcode::J2_loop0i, &[8, 2], "lc0"),
    writer(Opcode::V6_vaddw, &[1, 2, 3], "v1"),
    writer(Opcode::V6_vaddw_dv, &[0, 2, 4], "v1"),                    // pair
    writer(Opcode::V6_vcmov, &[0, 1, 2], "v1"),                       // conditional
    writer(Opcode::V6_vandqrt_acc, &[1, 0, 2], "v1"),                 // read and written
    writer(Opcode::V6_vL32b_cur_ai, &[1, 4, 0], "v1"),
    writer(Opcode::V6_vaddcarryo, &[1, 2, 3, 4], "v1"),               // beside a predicate
    writer(Opcode::V6_vandvrt, &[1, 2, 3], "q1"),
    writer(Opcode::V6_pred_scalar2, &[1, 2], "q1"),
    writer(Opcode::V6_pred_and, &[1, 2, 3], "q1"),
    writer(Opcode::V6_veqb, &[1, 2, 3], "q1"),
    writer(Opcode::V6_veqb_or, &[1, 4, 5], "q1"),                     // read and written
    writer(Opcode::V6_vandvrt_acc, &[1, 4, 5], "q1"),
    writer(Opcode::V6_vaddcarry, &[6, 4, 5, 1], "q1"),
    writer(Opcode::V6_vaddcarryo, &[7, 1, 4, 5], "q1"),
];

/// The words of a packet of these; a producer of R7 in front if one needs a new value.
fn words_of(pair: [&Writer; 2]) -> Vec<u32> {
    let insn = Insn::with_operands;
    let mut insns = pair.map(|w| insn(w.op, w.v)).to_vec();
    for i in &mut insns {
        if i.info()
            .operands
            .iter()
            .any(|o| o.numbering == Numbering::Distance)
        {
            i.producer = 0;
        }
    }
    if insns.iter().any(|i| i.producer == 0) {
        insns.insert(0, insn(Opcode::A2_tfrsi, &[7, 5]));
    }
    assemble_packet(&insns, EndLoop::None, false).unwrap_or_else(|e| panic!("{insns:?}: {e}"))
}

/// Why 11.1 runs such a packet, or why something else comes first.
fn newer_misses(a: &Writer, b: &Writer) -> Option<&'static str> {
    let ops = [a.op, b.op];
    let accesses = ops.iter().any(|op| op.info().load.is_some());
    match a.file {
        _ if accesses => Some("its access faults before it looks"),
        "v1" | "q1" => Some("it looks for two writers of scalar registers only"),
        "r1" if a.op == Opcode::A2_paddt && b.op == a.op => Some("it lets two conditional writers run"),
        "r31" if ops.contains(&Opcode::J2_call) => Some("a call's link register is none that it looks at"),
        "p3" => Some("it ANDs a compare with what comes before it, whatever that is"),
        "usr" => Some("it looks for the overflow flag only behind the transfer"),
        _ => None,
    }
}

#[test]
fn two_writers_of_one_register_are_refused_whatever_they_are() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let qemu = newer();
    let mut refused: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut alike, mut excused): (u32, BTreeMap<&str, u32>) = (0, BTreeMap::new());
    let mut wrong = Vec::new();
    for a in WRITERS_OF {
        for b in WRITERS_OF.iter().filter(|b| b.file == a.file) {
            // Compares are ANDed, and any number of instructions may set the overflow flag.
            let flag = |w: &Writer| matches!(w.op, Opcode::A2_addsat | Opcode::A2_subsat);
            let compares = a.op == Opcode::C2_cmpeq && b.op == a.op;
            let legal = compares || flag(a) && flag(b) && a.op != b.op;
            let words = words_of([a, b]);
            match ours(&words) {
                Err(why) if !legal && why.contains("write the same register") => {
                    *refused.entry(a.file).or_default() += 1;
                }
                Ok(()) if legal => {}
                verdict => wrong.push(format!("{} {}: {verdict:?}", a.op, b.op)),
            }
            let Some(qemu) = &qemu else { continue };
            let verdict = theirs(qemu, dir.path(), &words);
            match newer_misses(a, b) {
                _ if (verdict == Illegal) != legal => alike += 1,
                Some(why) => *excused.entry(why).or_default() += 1,
                None => wrong.push(format!("{} {}: QEMU {verdict:?}", a.op, b.op)),
            }
        }
    }
    println!("refused: {refused:?}; with 11.1 {alike} alike, {excused:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Every pair of a file but the legal ones.
    let pairs: [(&str, u32); 8] = [
        ("lc0", 9),
        ("p3", 8),
        ("q1", 64),
        ("r1", 49),
        ("r29", 4),
        ("r31", 4),
        ("usr", 7),
        ("v1", 36),
    ];
    assert_eq!(refused, BTreeMap::from(pairs));
    if qemu.is_some() {
        assert_eq!(excused.len(), 6, "each reason applies somewhere");
    }
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
        return without_newer();
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
