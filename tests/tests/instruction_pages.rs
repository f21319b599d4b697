//! The pages below `docs/instructions` and the README's totals are those that would be written now.

use hexagon_isa::Opcode;
use tests::coverage::{Counts, MODEL, QUOTE, Totals, has_model, pages};

const AGAIN: &str = "run `cargo xtask difftest --pages`";

#[test]
fn the_committed_pages_are_up_to_date() {
    let counts = Counts::committed().expect("counts");
    let folder = tests::assets::workspace().join("docs/instructions");
    let expected = pages(&counts).expect("the specification");
    assert!(expected.len() > 20);
    for (name, text) in &expected {
        let there = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let line = there.lines().zip(text.lines()).find(|(a, b)| a != b);
        assert!(
            there == *text,
            "docs/instructions/{name} is outdated: {AGAIN}: {line:?}"
        );
    }
    for file in std::fs::read_dir(folder).expect("the folder").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        assert!(
            name == "counts.tsv" || expected.contains_key(&name),
            "{name} is not generated any more"
        );
    }
}

#[test]
fn the_readme_quotes_the_totals() {
    let counts = Counts::committed().expect("counts");
    let readme = std::fs::read_to_string(tests::assets::workspace().join("README.md")).expect("the README");
    let quoted = readme
        .lines()
        .find_map(|l| l.split_once(QUOTE))
        .map(|(_, rest)| rest.trim_end_matches(" |"));
    assert_eq!(quoted, Some(Totals::of(&counts).sentence().as_str()), "{AGAIN}");
}

#[test]
fn counts_are_of_instructions_and_oracles_that_exist() {
    let counts = Counts::committed().expect("counts");
    for (name, by_oracle) in &counts.by_insn {
        assert!(Opcode::from_name(name).is_some(), "{name}");
        for oracle in by_oracle.keys() {
            assert!(counts.runs.contains_key(oracle), "{oracle} has no run");
            assert!(oracle != MODEL || has_model(name), "{name} has no model");
        }
    }
}
