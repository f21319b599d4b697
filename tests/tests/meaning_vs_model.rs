//! Every instruction that has a second model, on a thousand random and edge-case inputs, there and on our core.

use hexagon_isa::{Arch, Opcode};
use tests::difftest::program::insn;
use tests::model::compare::{compare, modelled};
use tests::model::{AREA_BASE, State};

#[test]
fn the_core_does_what_the_second_model_does() {
    let only = std::env::var("MEANING_ONLY").ok();
    let wanted = |op: hexagon_isa::Opcode| only.as_ref().is_none_or(|o| op.info().name.contains(o.as_str()));
    let compared = compare(1, 1000, &wanted).expect("a core");
    for (op, what) in &compared.differ {
        println!("{op}: {what}");
    }
    println!(
        "{} instructions, {} cases",
        compared.cases.len(),
        compared.cases.values().sum::<u64>()
    );
    assert!(
        compared.differ.is_empty(),
        "{} instructions differ",
        compared.differ.len()
    );
    for (op, _) in modelled().filter(|(op, _)| wanted(*op)) {
        assert!(
            compared.cases.get(&op).is_some_and(|n| *n >= 1000),
            "{op} was not compared"
        );
    }
}

#[test]
fn a_vector_is_written_beside_a_temporary_load_that_does_not_happen() {
    // { if (p0) v1 = v0; if (!p0) v1.tmp = vmem(r2) }
    let packet = [
        insn(Opcode::V6_vcmov, &[0, 1, 0], None),
        insn(Opcode::V6_vL32b_tmp_npred_ai, &[0, 1, 2, 0], None),
    ];
    for (p0, expected) in [(0xff, 7), (0, 9)] {
        let mut before = State::new(Arch::V73);
        before.v[0] = [7; 128];
        before.v[1] = [9; 128];
        before.p[0] = p0;
        before.r[2] = AREA_BASE;
        let after = before.on_our_core(&packet).expect("the packet runs");
        assert_eq!(after.v[1], [expected; 128]);
    }
}

/// The matrix product of the public program from which the meaning of `vrmpyz` is known, as its inner loop does it: four rows by
/// 32 columns, 64 values deep, and Z loaded in the packet of a multiply, one half of it ahead.
#[test]
fn a_matrix_product_through_z() {
    let (a, b): (Vec<i8>, Vec<i8>) = (
        (0..4 * 64).map(|i| (i * 37 + 11) as i8).collect(),
        (0..64 * 32).map(|i| (i * 53 + 7) as i8).collect(),
    );
    let mut s = State::new(Arch::V66);
    // Two chunks of 4 rows by 32 values; the second one's half of Z is loaded while the first one is used.
    for chunk in 0..2 {
        for row in 0..4 {
            for k in 0..32 {
                s.mem[128 * chunk + 32 * row + k] = a[64 * row + 32 * chunk + k] as u8;
            }
        }
    }
    s.r[0] = AREA_BASE;
    s.r[1] = AREA_BASE + 100;
    let load = insn(Opcode::V6_zLd_ai, &[0, 0], None);
    let multiply = insn(Opcode::V6_vrmpyzbb_rx_acc, &[4, 24, 1], None);
    s = s.on_our_core(&[load]).expect("the load");
    s.r[0] += 128;
    for group in 0..16 {
        for column in 0..32 {
            for t in 0..4 {
                s.v[24][4 * column + t] = b[32 * (4 * group + t) + column] as u8;
            }
        }
        let packet = if group == 0 {
            vec![multiply, load]
        } else {
            vec![multiply]
        };
        s = s.on_our_core(&packet).expect("the packet runs");
        if group == 7 {
            // Eight steps of four end at the last row's end, 100 bytes before the next chunk's pointer.
            s.r[1] += 96;
        }
    }
    for row in 0..4 {
        for column in 0..32 {
            let expected: i32 = (0..64)
                .map(|k| i32::from(a[64 * row + k]) * i32::from(b[32 * k + column]))
                .sum();
            let got = &s.v[4 + row][4 * column..4 * column + 4];
            assert_eq!(got, expected.to_le_bytes(), "row {row}, column {column}");
        }
    }
}
