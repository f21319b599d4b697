//! The other direction: what we print, LLVM's assembler reads, and its bytes are ours. And every pair of sub-instructions.

mod common;

use common::Random;
use common::packets::{DUPLEXES, all_rows, halves, random_word, round_trip};
use hexagon_isa::info::{Feature, InsnClass, OperandClass};
use hexagon_isa::{Arch, EndLoop, Insn, Opcode, Packet, decode_packet, packet_words};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Rows whose text LLVM's assembler does not read as that row, each with its reason.
const NOT_READ: &[(&str, &str)] = &[
    (
        "A4_combineii",
        "its text is that of A2_combineii, which the assembler takes where both constants fit",
    ),
    (
        "V6_vconv_h_hf_rnd",
        "LLVM disassembles it, and its assembler has no such text",
    ),
];

/// The packet as the assembler wants it.
fn source(p: &Packet) -> String {
    // Targets are printed as addresses; the assembler takes numbers for distances, and must be told of extenders.
    let line = |i: &Insn| {
        let text = i.print(0);
        let mut operands = i.info().operands.iter().zip(i.v).enumerate();
        let Some((at, (_, v))) = operands.find(|(_, (o, _))| o.class == OperandClass::PcRel) else {
            return text;
        };
        let extended = i.extended && i.info().ext.is_some_and(|x| usize::from(x.operand) == at);
        let mark = if extended { "##" } else { "" };
        text.replacen(&format!("{:#x}", v as u32), &format!("{mark}{v}"), 1)
    };
    let lines: Vec<String> = p.insns().iter().map(line).collect();
    let order = if p.store_before_load { ":mem_noshuf" } else { "" };
    let end = match p.endloop {
        EndLoop::None => "",
        EndLoop::Loop0 => ":endloop0",
        EndLoop::Loop1 => ":endloop1",
        EndLoop::Both => ":endloop01",
    };
    format!("{{ {} }}{order}{end}\n", lines.join("; "))
}

/// The words of each packet, as LLVM assembles them; `None` for those that it refuses.
fn assemble(mc: &Path, options: &[&str], packets: &[String]) -> Vec<Option<Vec<u32>>> {
    let dir = tempfile::tempdir().unwrap();
    let (file, object) = (dir.path().join("packets.s"), dir.path().join("packets.o"));
    let mut refused = BTreeSet::new();
    for _ in 0..20 {
        // One line a packet, so that messages tell which it is.
        let text: String = packets
            .iter()
            .enumerate()
            .map(|(n, p)| if refused.contains(&n) { "\n" } else { p.as_str() })
            .collect();
        std::fs::write(&file, text).unwrap();
        let out = Command::new(mc)
            .args(["-arch=hexagon", "-filetype=obj", "-mno-pairing"])
            .args(options)
            .arg(&file)
            .arg("-o")
            .arg(&object)
            .output()
            .unwrap();
        if out.status.success() {
            let words = text_section(&std::fs::read(&object).unwrap());
            let mut rest = words.as_slice();
            return (0..packets.len())
                .map(|n| {
                    if refused.contains(&n) {
                        return None;
                    }
                    let (packet, behind) = rest.split_at(packet_words(rest).expect("a packet's end"));
                    rest = behind;
                    Some(packet.to_vec())
                })
                .collect();
        }
        let said = String::from_utf8_lossy(&out.stderr);
        let before = refused.len();
        for line in said.lines().filter(|l| l.contains("error:")) {
            let n = line.split(':').nth(1).and_then(|n| n.parse::<usize>().ok());
            refused.extend(n.map(|n| n - 1));
        }
        assert!(refused.len() > before, "{said}");
    }
    panic!("LLVM's assembler finds ever more errors");
}

/// The words of an object's section `.text`.
fn text_section(file: &[u8]) -> Vec<u32> {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes(file[at..at + 2].try_into().unwrap()));
    let header = |n: usize| word(32) + n * half(46);
    let names = word(header(half(50)) + 16);
    let text = (0..half(48))
        .map(header)
        .find(|h| file[names + word(*h)..].starts_with(b".text\0"))
        .unwrap();
    let (at, len) = (word(text + 16), word(text + 20));
    file[at..at + len]
        .chunks_exact(4)
        .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
        .collect()
}

/// The instructions in an order that does not depend on how they were put into the packet; registers of new values instead
/// of distances.
fn sorted(insns: &[Insn]) -> Vec<(Opcode, Vec<i32>, bool)> {
    let mut all: Vec<_> = insns.iter().map(|i| (i.op, i.v.to_vec(), i.extended)).collect();
    all.sort_by(|a, b| (a.0 as usize, &a.1).cmp(&(b.0 as usize, &b.1)));
    all
}

#[test]
fn llvm_s_assembler_makes_our_words_of_our_text() {
    let Some(objdump) = common::objdump() else { return };
    let mc = objdump.with_file_name("llvm-mc");
    const V81: [&str; 2] = [
        "-mcpu=hexagonv81",
        "-mattr=+hvxv81,+hvx-length128b,+hvx-ieee-fp,+hvx-qfloat,+zreg,+cabac",
    ];
    const AUDIO: [&str; 2] = ["-mcpu=hexagonv67t", "-mattr=+audio"];
    // The assembler makes compounds only of whole packets, so those rows go by themselves.
    let kinds = [
        (Arch::V81, V81, None, false),
        (Arch::V81, V81, None, true),
        (Arch::V67T, AUDIO, Some(Feature::Audio), false),
    ];
    for (arch, options, feature, compound) in kinds {
        let packets = all_rows(arch, |i| {
            i.width == 32
                && i.feature != Some(Feature::Hmx)
                && (i.feature == Some(Feature::Audio)) == feature.is_some()
                && (i.class == InsnClass::CJ) == compound
        });
        let mut options = options.to_vec();
        if !compound {
            options.push("-mno-compound");
        }
        let sources: Vec<String> = packets.iter().map(|(_, p)| source(p)).collect();
        let theirs = assemble(&mc, &options, &sources);
        let (mut equal, mut reordered) = (0, 0);
        let mut never: BTreeSet<&str> = packets.iter().map(|(op, _)| op.info().name).collect();
        let mut differ: BTreeMap<&str, String> = BTreeMap::new();
        let mut refused = 0;
        for (((op, p), source), words) in packets.iter().zip(&sources).zip(theirs) {
            let Some(words) = words else {
                refused += 1;
                continue;
            };
            let name = op.info().name;
            if words == p.raw() {
                equal += 1;
                never.remove(name);
                continue;
            }
            match decode_packet(&words, arch) {
                Ok(q) if sorted(q.insns()) == sorted(p.insns()) && q.endloop == p.endloop => {
                    reordered += 1;
                    never.remove(name);
                }
                other => {
                    differ.entry(name).or_insert_with(|| {
                        format!("{source}ours {:08x?}, LLVM's {words:08x?} {other:?}", p.raw())
                    });
                }
            }
        }
        println!(
            "{arch}: {equal} packets equal, {reordered} with LLVM's own order of words or spare bits, {refused} refused, {} rows never read, {} differ",
            never.len(),
            differ.len()
        );
        for (name, what) in &differ {
            println!("{name}: {what}");
        }
        let known: BTreeSet<&str> = NOT_READ.iter().map(|(name, _)| *name).collect();
        let unknown: Vec<_> = never.iter().filter(|n| !known.contains(*n)).collect();
        let unexplained: Vec<_> = differ.keys().filter(|n| !known.contains(*n)).collect();
        assert!(unknown.is_empty(), "never read: {unknown:?}");
        assert!(unexplained.is_empty(), "differ: {unexplained:?}");
        assert!(equal > reordered || compound, "{equal} {reordered}");
    }
}

#[test]
fn every_pair_of_sub_instructions_is_what_llvm_says() {
    const BASE: u32 = 0x0010_0000;
    let Some(objdump) = common::objdump() else { return };
    let mut r = Random::new(2 + common::seed());
    let halves = halves();
    // A compare in front, for halves that use a new predicate; words of each pair.
    let mut tries: Vec<(Opcode, Opcode, Vec<u32>)> = Vec::new();
    let compare = Opcode::C2_cmpeq.info().value | 1 << 14;
    for (class, (low, high)) in DUPLEXES.iter().enumerate() {
        for &l in &halves[low] {
            for &h in &halves[high] {
                for _ in 0..common::rounds().max(8) {
                    let word = (class as u32 >> 1) << 29
                        | (class as u32 & 1) << 13
                        | random_word(h.info(), &mut r) << 16
                        | random_word(l.info(), &mut r);
                    tries.push((h, l, vec![word]));
                    tries.push((h, l, vec![compare, word]));
                }
            }
        }
    }
    let all: Vec<u32> = tries.iter().flat_map(|(_, _, w)| w.clone()).collect();
    let theirs = common::llvm(&objdump, common::V81, &common::bytes(&all), BASE);
    let (mut ours_only, mut alike) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs = BTreeSet::new();
    let mut at = BASE;
    for (h, l, words) in &tries {
        pairs.insert((*h, *l));
        let lines: Vec<String> = (0..words.len() as u32)
            .filter_map(|n| theirs.get(&(at + 4 * n)).cloned())
            .collect();
        let accepted = !theirs[&at].ends_with("<unknown>");
        match decode_packet(words, Arch::V81) {
            Ok(p) => {
                round_trip(&p, Arch::V81);
                let n = p.insns().len();
                assert_eq!((p.insns()[n - 2].op, p.insns()[n - 1].op), (*h, *l));
                if accepted {
                    assert_eq!(p.listing(at), lines.join("\n"));
                    alike.insert((*h, *l));
                } else {
                    ours_only.insert((*h, *l));
                }
            }
            Err(e) => assert!(!accepted, "{h} {l}: {e}\n{}", lines.join("\n")),
        }
        at += 4 * words.len() as u32;
    }
    let never: Vec<_> = pairs.difference(&alike).collect();
    println!(
        "{} pairs, {} print alike, {} never legal for LLVM",
        pairs.len(),
        alike.len(),
        never.len()
    );
    // Two jumps in one word are no packet; everything else is.
    for (h, l) in never {
        let branches = h.info().is_branch() && l.info().is_branch();
        let stack = [h, l].iter().filter(|o| !o.info().defs.is_empty()).count() == 2;
        assert!(branches || stack, "{h} {l} was never legal");
    }
    let wrong: Vec<_> = ours_only.difference(&alike).collect();
    assert!(wrong.is_empty(), "we accept what LLVM never does: {wrong:?}");
}
