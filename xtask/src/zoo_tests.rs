use super::*;

const BOOK: &str = r#"
[[bug]]
row = 1
title = "one"
commit = "0123456789ab"
bad = "6.12.90"
fixed = "6.12.107"
evidence = "stable 6.12.94"
[[bug]]
row = 2
title = "two"
commit = "0123456789ac"
evidence = "older than all"
"#;

fn case(name: &str, bugs: &str, detects: &str) -> CaseFile {
    toml::from_str(&format!(
        "name = \"{name}\"\n[zoo]\nbugs = {bugs}\ndetects = {detects}\n"
    ))
    .unwrap()
}

fn played(json: &str) -> Played {
    serde_json::from_str(json).unwrap()
}

fn everything(results: &[(&str, &[&str])]) -> Everything {
    let cases = |list: &[&str]| {
        list.iter()
            .map(|j| played(j))
            .map(|p| (p.name.clone(), p))
            .collect()
    };
    results
        .iter()
        .map(|(kernel, list)| ((*kernel).to_owned(), cases(list)))
        .collect()
}

const OOPS: &str = r#"{"name":"a","verdict":"fail","reasons":[{"signature":"exit","text":"the program ended with 1"}],
    "complaints":[{"class":"oops"}]}"#;
const LEAK: &str =
    r#"{"name":"a","verdict":"FAIL","reasons":[{"signature":"account still-mapped","text":"4 KiB"}]}"#;
const CLEAN: &str = r#"{"name":"a","verdict":"pass"}"#;

#[test]
fn a_bad_kernel_is_caught_only_by_what_the_case_names() {
    let detects = |list: &[&str]| list.iter().map(|d| (*d).to_owned()).collect::<Vec<_>>();
    assert_eq!(played(OOPS).caught_by(&detects(&["kasan", "oops"])), ["oops"]);
    assert_eq!(played(OOPS).caught_by(&detects(&["exit"])), ["exit"]);
    assert!(played(OOPS).caught_by(&detects(&["kasan"])).is_empty());
    assert_eq!(
        played(LEAK).caught_by(&detects(&["still-mapped"])),
        ["still-mapped"]
    );
    assert!(played(LEAK).caught_by(&detects(&["account", "exit"])).is_empty());
    assert!(played(CLEAN).caught_by(&detects(&["oops", "exit"])).is_empty());
}

#[test]
fn a_pair_is_good_when_the_bad_kernel_is_caught_and_the_fixed_one_clean() {
    let book: Book = toml::from_str(BOOK).unwrap();
    let cases = [case("a", "[1, 2]", "[\"oops\", \"still-mapped\"]")];
    let judge = |results: &[(&str, &[&str])]| {
        let judged = judge(&book, &cases, &everything(results));
        (judged.pairs, judged.failed)
    };
    assert_eq!(
        judge(&[
            ("6.12.90+deb13-arm64", &[OOPS]),
            ("6.12.107+deb13-arm64", &[CLEAN])
        ]),
        (1, 0)
    );
    assert_eq!(
        judge(&[
            ("6.12.90+deb13-arm64", &[CLEAN]),
            ("6.12.107+deb13-arm64", &[CLEAN])
        ]),
        (1, 1)
    );
    assert_eq!(
        judge(&[
            ("6.12.90+deb13-arm64", &[OOPS]),
            ("6.12.107+deb13-arm64", &[LEAK])
        ]),
        (1, 1)
    );
    assert_eq!(
        judge(&[("6.12.107+deb13-arm64", &[CLEAN])]),
        (0, 0),
        "half a pair is none"
    );
}

#[test]
fn the_table_tells_of_kernels_without_a_known_bug_only_that_they_are_clean() {
    let book: Book = toml::from_str(BOOK).unwrap();
    let cases = [case("a", "[1, 2]", "[\"oops\", \"still-mapped\"]")];
    let all = everything(&[
        ("6.12.90+deb13-arm64", &[OOPS]),
        ("6.12.107+deb13-arm64", &[LEAK]),
        ("7.3.4+deb13-arm64", &[LEAK]),
        ("7.4.1+deb13-arm64", &[CLEAN]),
    ]);
    let table = zoo_table::table(&book, &cases, &all);
    assert!(
        table.contains("6.12.90+deb13-arm64: **detected** (oops)"),
        "{table}"
    );
    assert!(
        !table.contains("6.12.107+deb13-arm64")
            && !table.contains("7.3.4")
            && !table.contains("still-mapped")
    );
    assert!(table.contains("clean: 7.4.1+deb13-arm64"));
    assert!(table.lines().nth(3).unwrap().contains("none (older than all)"));
    let told = judge(&book, &cases, &all).told;
    assert!(
        told.iter()
            .any(|l| l.starts_with("not in the table: 7.3.4+deb13-arm64 a")),
        "{told:?}"
    );
}

#[test]
fn the_table_stands_between_its_marks_and_nothing_else_changes() {
    let text = format!("head\n{BEGIN}\nold\n{END}\ntail\n");
    let new = zoo_table::replace(&text, "| new |\n").unwrap();
    assert_eq!(new, format!("head\n{BEGIN}\n\n| new |\n\n{END}\ntail\n"));
    assert!(zoo_table::replace("no marks", "x").is_err());
}

#[test]
fn newer_results_take_the_place_of_older_ones_of_the_same_case() {
    let old = r#"{"kernel":"k","cases":[{"name":"a","verdict":"fail"},{"name":"b","verdict":"pass"}]}"#;
    let new = r#"{"kernel":"k","cases":[{"name":"a","verdict":"pass"}]}"#;
    let merged: Results = serde_json::from_str(&merged(old, new).unwrap()).unwrap();
    let told: Vec<_> = merged
        .cases
        .iter()
        .map(|c| (c.name.as_str(), c.verdict.as_str()))
        .collect();
    assert_eq!(told, [("a", "pass"), ("b", "pass")]);
    assert!(super::merged(old, "nonsense").is_err());
}

#[test]
fn a_kernel_that_is_here_for_its_bugs_plays_only_their_cases() {
    let book: Book = toml::from_str(BOOK).unwrap();
    let cases = [case("a", "[1]", "[]"), case("b", "[2]", "[]")];
    let on = |kernel: &str, named, filter: &[&str]| {
        let filter: Vec<String> = filter.iter().map(|f| (*f).to_owned()).collect();
        wanted(&book, &cases, kernel, named, &filter).join(" ")
    };
    assert_eq!(on("6.12.90+deb13-arm64", false, &[]), "a");
    assert_eq!(on("6.12.90+deb13-arm64", true, &[]), "a b");
    assert_eq!(on("6.12.107+deb13-arm64", false, &[]), "a b");
    assert_eq!(on("6.12.107+deb13-arm64", false, &["b"]), "b");
}

#[test]
fn every_row_of_the_book_stands_once_and_at_least_thirty_have_a_case_that_can_fail() {
    let top = firmware::workspace();
    let book = book(top).unwrap();
    let rows: Vec<u32> = book.bugs.iter().map(|b| b.row).collect();
    assert!(rows.is_sorted_by(|a, b| a < b), "{rows:?}");
    for bug in &book.bugs {
        assert_eq!(
            bug.bad.is_some(),
            bug.fixed.is_some(),
            "bug {}: half a pair",
            bug.row
        );
        assert!([0, 2].contains(&bug.source.len()), "bug {}: half a pair", bug.row);
    }
    let cases = cases(&top.join("scenarios/zoo")).unwrap();
    let with: BTreeSet<u32> = cases.iter().flat_map(|c| c.zoo.bugs.iter().copied()).collect();
    assert!(with.len() >= 30, "{with:?}");
    assert!(with.iter().all(|row| rows.contains(row)));
    for bug in book.bugs.iter().filter(|b| b.bad.is_some()) {
        let mut own = cases.iter().filter(|c| c.zoo.bugs.contains(&bug.row));
        assert!(
            own.any(|c| !c.zoo.detects.is_empty()),
            "bug {} has a pair and nothing to catch it by",
            bug.row
        );
    }
}
