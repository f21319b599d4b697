//! Whole packets against LLVM: random instructions thrown together, and the code of real skeletons.
//!
//! Whatever LLVM accepts as a packet, we accept and print the same way. The other direction does not hold: LLVM's assembler
//! knows restrictions of the vector pipes and of pairs of branches that the decoder does not check.

mod common;

use common::Random;
use hexagon_isa::disasm::{Item, disassemble};
use hexagon_isa::info::{Feature, Flags, Implicit, OperandClass, Role};
use hexagon_isa::{Arch, DecodeError, Opcode, decode_packet, packet_words};
use std::collections::BTreeMap;

/// What LLVM prints although it is no packet.
fn llvm_misses(error: &DecodeError, text: &str) -> bool {
    match error {
        // It prints the extender as if it were an instruction.
        DecodeError::DanglingExtender { .. } => true,
        // It decodes the words that are there.
        DecodeError::Incomplete => true,
        // It takes vectors, control and guest registers for the new value of a general register.
        DecodeError::BadProducer(_, producer) => {
            let mut operands = producer.info().operands.iter();
            operands
                .find(|o| o.role != Role::Read)
                .is_none_or(|o| o.class != OperandClass::Gpr)
        }
        // It ignores what an instruction with a temporary result writes besides, such as the address register.
        DecodeError::TwoWriters(a, b) => {
            let temporary =
                |op: Opcode| op.info().flags.any(Flags::TMP) || op.info().defs.contains(&Implicit::VTMP);
            // And a transfer to C5:4 beside a compare; it refuses that beside one to C4 alone.
            let transfer = |op: Opcode| op == Opcode::A4_tfrpcp && text.contains("c5:4 = ");
            temporary(*a) || temporary(*b) || transfer(*a) || transfer(*b)
        }
        // It does not know this one for an accumulation.
        DecodeError::Tmp(_) => text.contains("|= vgetqfext"),
        // It takes a transfer to C5:4 for a compare into each predicate; it knows better of C4 alone.
        DecodeError::NoProducer(_) => text.contains("c5:4 = "),
        _ => false,
    }
}

/// One to four words of random instructions, with random extenders, duplexes and loop ends.
fn random_words(singles: &[Opcode], halves: &[Opcode], r: &mut Random) -> Vec<u32> {
    let count = [1, 2, 2, 3, 3, 4][r.below(6)];
    let mut words = Vec::new();
    for n in 0..count {
        let last = n + 1 == count;
        let random = r.next();
        let mut word = if last && r.below(6) == 0 {
            let [high, low] = [0, 0].map(|_: u32| {
                let i = r.pick(halves).info();
                i.value | r.next() & 0x1fff & !i.mask & !i.dont_care
            });
            (random & 0xe000_2000) | high << 16 | low
        } else if !last && r.below(12) == 0 {
            random & 0x0fff_3fff
        } else {
            let i = r.pick(singles).info();
            i.value | random & 0xffff_3fff & !i.mask & !i.dont_care | 0xc000
        };
        if !last {
            let end = n < 2 && r.below(16) == 0;
            word = word & !0xc000 | if end { 0x8000 } else { 0x4000 };
        }
        words.push(word);
    }
    words
}

#[test]
fn random_packets_that_llvm_accepts_print_the_same() {
    const BASE: u32 = 0x0010_0000;
    let Some(objdump) = common::objdump() else { return };
    let mut r = Random::new(1 + common::seed());
    let usual = |op: &Opcode| {
        !matches!(op.info().feature, Some(Feature::Audio | Feature::Hmx)) && *op != Opcode::A4_ext
    };
    let singles: Vec<Opcode> = Opcode::all()
        .filter(usual)
        .filter(|op| op.info().width == 32)
        .collect();
    let halves: Vec<Opcode> = Opcode::all().filter(|op| op.info().width == 13).collect();
    let packets: Vec<Vec<u32>> = (0..common::rounds() * 2000)
        .map(|_| random_words(&singles, &halves, &mut r))
        .collect();
    let theirs = common::llvm(&objdump, common::V81, &common::bytes(&packets.concat()), BASE);
    let (mut both, mut neither) = (0, 0);
    let mut only_ours: BTreeMap<usize, (u32, String)> = BTreeMap::new();
    let mut only_llvm: BTreeMap<String, (u32, String)> = BTreeMap::new();
    let mut at = BASE;
    for words in &packets {
        let lines = words
            .iter()
            .zip(0..)
            .filter_map(|(_, n)| theirs.get(&(at + n * 4)).cloned());
        let llvm = lines.collect::<Vec<String>>().join("\n");
        let accepted = !theirs[&at].ends_with("<unknown>");
        match decode_packet(words, Arch::V81) {
            Ok(p) if accepted => {
                assert_eq!(p.listing(at), llvm);
                both += 1;
            }
            Ok(p) => only_ours.entry(words.len()).or_insert((0, p.listing(at))).0 += 1,
            Err(e) if accepted && !llvm_misses(&e, &llvm) => {
                let kind = format!("{e:?}")
                    .split([' ', '('])
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                only_llvm.entry(kind).or_insert((0, format!("{e}\n{llvm}"))).0 += 1;
            }
            Err(_) => neither += 1,
        }
        at += words.len() as u32 * 4;
    }
    println!("{both} packets alike, {neither} refused by both");
    for (n, (count, first)) in &only_ours {
        println!("{count} packets of {n} words are refused by LLVM only, the first:\n{first}");
    }
    for (e, (count, first)) in &only_llvm {
        println!("{count} packets are refused by us only: {e}, the first: {first}");
    }
    assert!(both > packets.len() / 10);
    assert!(only_llvm.is_empty());
}

/// The code of a skeleton, without the tables in front of it in the same segment: its bytes and address.
fn code(file: &[u8]) -> (Vec<u8>, u32) {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let count = usize::from(u16::from_le_bytes(file[44..46].try_into().unwrap()));
    let headers: Vec<usize> = (0..count).map(|n| word(28) as usize + n * 32).collect();
    let at = headers
        .iter()
        .copied()
        .find(|h| word(*h) == 1 && word(h + 24) & 1 == 1)
        .unwrap();
    let (from, len) = (word(at + 4) as usize, word(at + 16) as usize);
    let dynamic = headers
        .into_iter()
        .find(|h| word(*h) == 2)
        .map(|h| word(h + 4) as usize)
        .unwrap();
    const DT_INIT: u32 = 12;
    let init = (dynamic..)
        .step_by(8)
        .find(|at| word(*at) == DT_INIT)
        .map(|at| word(at + 4))
        .unwrap();
    let skipped = init - word(at + 8);
    (file[from + skipped as usize..from + len].to_vec(), init)
}

#[test]
fn skeletons_print_as_llvm_prints_them() {
    let Some(objdump) = common::objdump() else { return };
    let Some(dir) = test_needs::real_skeletons() else {
        return;
    };
    let mut compared = 0;
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if !path.to_string_lossy().ends_with("_skel.so") {
            continue;
        }
        let (bytes, address) = code(&std::fs::read(&path).unwrap());
        let theirs = common::llvm(&objdump, common::V81, &bytes, address);
        let words: Vec<u32> = bytes
            .chunks_exact(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
            .collect();
        let mut alike = 0;
        for (at, line) in &theirs {
            if !line.contains(" { ") {
                continue;
            }
            match decode_packet(&words[((at - address) / 4) as usize..], Arch::V81) {
                Ok(p) => {
                    let lines = (0..u32::from(p.words)).filter_map(|n| theirs.get(&(at + n * 4)));
                    assert_eq!(p.listing(*at), lines.cloned().collect::<Vec<String>>().join("\n"));
                    alike += 1;
                }
                Err(e) => assert!(llvm_misses(&e, line), "{e}: {line}"),
            }
        }
        // Behind the code are constants, of which some look like packets to us and not to LLVM.
        let ours = disassemble(&bytes, address, Arch::V81)
            .filter(|i| {
                matches!(i, Item::Packet { .. })
                    && theirs.get(&i.address()).is_none_or(|l| l.ends_with("<unknown>"))
            })
            .count();
        println!(
            "{}: {alike} packets alike, {ours} unknown to LLVM",
            path.display()
        );
        compared += alike;
    }
    assert!(compared > 1000);
}

#[test]
fn parse_bits_give_the_length() {
    assert_eq!(packet_words(&[0x7f00_4000, 0x7f00_c000, 0]), Some(2));
    assert_eq!(packet_words(&[0x7f00_4000; 5]), None);
}
