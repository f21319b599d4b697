//! Every row of the spec against LLVM: random operands, encoded, decoded, printed, and compared with `llvm-objdump -d`
//! character by character. Also the round trip through our own assembler.

mod common;

use common::packets::all_rows;
use hexagon_isa::info::{Feature, Flags, OperandClass};
use hexagon_isa::{Arch, Opcode, Packet, decode_packet};
use std::collections::BTreeMap;

/// C20 to C29 are reserved. LLVM has no names for them and refuses the instruction; a core reads and writes them.
fn names_reserved_register(p: &Packet) -> bool {
    p.insns().iter().any(|i| {
        let mut operands = i.info().operands.iter().zip(i.v);
        operands.any(|(o, v)| {
            matches!(o.class, OperandClass::Ctrl | OperandClass::CtrlPair) && (20..30).contains(&v)
        })
    })
}

/// Compares each packet's listing with LLVM's; returns the differences by row.
fn compare_all(
    packets: &[(Opcode, Packet)],
    options: &[&str],
) -> Option<BTreeMap<&'static str, Vec<String>>> {
    const BASE: u32 = 0x0010_0000;
    let objdump = common::objdump()?;
    let words: Vec<u32> = packets.iter().flat_map(|(_, p)| p.raw().to_vec()).collect();
    let theirs = common::llvm(&objdump, options, &common::bytes(&words), BASE);
    let mut differences: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut at = BASE;
    for (op, p) in packets {
        let ours = p.listing(at);
        let llvm: Vec<&str> = (0..u32::from(p.words))
            .filter_map(|n| theirs.get(&(at + n * 4)).map(String::as_str))
            .collect();
        if ours != llvm.join("\n") && !names_reserved_register(p) {
            differences
                .entry(op.info().name)
                .or_default()
                .push(format!("ours\n{ours}\nllvm\n{}", llvm.join("\n")));
        }
        at += p.bytes();
    }
    Some(differences)
}

fn report(packets: &[(Opcode, Packet)], differences: &BTreeMap<&str, Vec<String>>) {
    let rows: std::collections::BTreeSet<Opcode> = packets.iter().map(|(op, _)| *op).collect();
    println!(
        "{} packets of {} rows, {} rows differ",
        packets.len(),
        rows.len(),
        differences.len()
    );
    for (name, list) in differences {
        println!("== {name}: {} differ, the first:\n{}", list.len(), list[0]);
    }
    assert!(differences.is_empty());
}

#[test]
fn every_row_prints_as_llvm_prints_it() {
    let packets = all_rows(Arch::V81, |i| {
        !matches!(i.feature, Some(Feature::Audio | Feature::Hmx))
    });
    if let Some(differences) = compare_all(&packets, common::V81) {
        report(&packets, &differences);
    }
}

#[test]
fn audio_rows_print_as_llvm_prints_them() {
    let packets = all_rows(Arch::V67T, |i| i.feature == Some(Feature::Audio));
    if let Some(differences) = compare_all(&packets, common::V67T) {
        report(&packets, &differences);
    }
}

#[test]
fn hvx_flag_is_right() {
    assert!(Opcode::V6_vaddw.info().flags.any(Flags::HVX));
    assert!(!Opcode::A2_add.info().flags.any(Flags::HVX));
}

#[test]
fn the_matrix_unit_is_known_by_name() {
    let words = all_rows(Arch::V73, |i| i.feature == Some(Feature::Hmx));
    assert_eq!(words.len(), 147 * common::rounds());
    // { activation load; weight load }
    let p = decode_packet(&[0x9200_41e0, 0x9200_e1e0], Arch::V73).unwrap();
    assert_eq!(p.insns()[0].op, Opcode::M8_mxmem_sm_act_ub);
    assert_eq!(p.insns()[1].op, Opcode::M8_mxmem_wei_b);
    assert_eq!((p.insns()[0].slot, p.insns()[1].slot), (1, 0));
}
