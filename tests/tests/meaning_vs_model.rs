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
