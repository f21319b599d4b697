//! Properties of the decoder: total on any words, and the assembler's inverse.

use hexagon_isa::disasm::disassemble;
use hexagon_isa::{Arch, Opcode, assemble, assemble_packet, decode_packet};
use proptest::prelude::*;

fn arch() -> impl Strategy<Value = Arch> {
    proptest::sample::select(Arch::ALL.to_vec())
}

/// Words of which most are instructions.
fn likely_word() -> impl Strategy<Value = u32> {
    let rows: Vec<Opcode> = Opcode::all().filter(|op| op.info().width == 32).collect();
    (proptest::sample::select(rows), any::<u32>(), 0..8u8).prop_map(|(op, random, wild)| {
        let info = op.info();
        if wild == 0 {
            random
        } else {
            info.value | random & !info.mask
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_words_give_a_packet_or_an_error(words in prop::collection::vec(any::<u32>(), 0..6), arch in arch()) {
        if let Ok(p) = decode_packet(&words, arch) {
            prop_assert_eq!(p.raw(), &words[..usize::from(p.words)]);
            prop_assert!(p.insns().len() <= 4);
            prop_assert!(p.listing(0).contains("{ "), "no brace");
        }
    }

    #[test]
    fn likely_words_decode_and_assemble_to_the_same(
        words in prop::collection::vec(likely_word(), 1..5),
        arch in arch(),
        pc in any::<u32>(),
    ) {
        if let Ok(p) = decode_packet(&words, arch) {
            let again = assemble_packet(p.insns(), p.endloop, p.duplex).unwrap();
            let q = decode_packet(&again, arch).unwrap();
            prop_assert_eq!(q.insns(), p.insns());
            prop_assert_eq!(q.endloop, p.endloop);
            prop_assert_eq!(q.print(pc), p.print(pc));
            for insn in p.insns() {
                prop_assert!(insn.slot < 4);
                for (operand, v) in insn.info().operands.iter().zip(insn.v) {
                    if operand.name.starts_with('R') || operand.name.starts_with('N') {
                        prop_assert!((0..32).contains(&v));
                    }
                }
            }
            let mut slots: Vec<u8> = p.insns().iter().map(|i| i.slot).collect();
            slots.sort_unstable();
            slots.dedup();
            prop_assert_eq!(slots.len(), p.insns().len());
        }
    }

    #[test]
    fn any_bytes_disassemble_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..200), arch in arch()) {
        let mut at = 0x1000;
        for item in disassemble(&bytes, at, arch) {
            prop_assert_eq!(item.address(), at);
            prop_assert!(item.bytes() > 0);
            at += item.bytes();
            prop_assert!(!item.listing().is_empty());
        }
        prop_assert_eq!(at as usize, 0x1000 + bytes.len());
    }

    #[test]
    fn any_values_assemble_or_are_refused(n in 0..hexagon_isa::info::OPCODES, v in prop::collection::vec(any::<i32>(), 0..6)) {
        let op = Opcode::all().nth(n).unwrap();
        if let Ok((_, word)) = assemble(op, &v) {
            let info = op.info();
            prop_assert_eq!(word & info.mask, info.value);
            prop_assert_eq!(word & info.dont_care, 0);
        }
    }
}

#[test]
fn opcodes_are_found_by_name() {
    for op in Opcode::all() {
        assert_eq!(Opcode::from_name(op.info().name), Some(op));
    }
    assert_eq!(Opcode::from_name("A2_nothing"), None);
}

/// Every upper half of a word with many lower halves: each is a packet or an error, at once and on every kind of core.
#[test]
fn a_sweep_over_all_upper_halves_decodes_or_is_refused() {
    let lows = [0xc000u32, 0xffff, 0xc0e0, 0xd555, 0xeaaa, 0x0000, 0x3fff, 0x1555];
    let (mut packets, mut refused) = (0u32, 0u32);
    for high in 0..=0xffffu32 {
        for low in lows {
            for arch in [Arch::V5, Arch::V68, Arch::V81] {
                match decode_packet(&[high << 16 | low], arch) {
                    Ok(p) => {
                        assert_eq!((p.words, p.raw()), (1, &[high << 16 | low][..]));
                        packets += 1;
                    }
                    Err(e) => {
                        assert!(!e.to_string().is_empty());
                        refused += 1;
                    }
                }
            }
        }
    }
    println!("{packets} packets, {refused} refused");
    assert!(packets > 200_000 && refused > 200_000);
}
