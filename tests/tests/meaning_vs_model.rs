//! Every instruction that has a second model, on a thousand random and edge-case inputs, there and on our core.

use tests::model::compare::{compare, modelled};

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
