//! What this program is linked from: the features of all; by the rules of `deny.toml`, licences, sources, banned crates; and known
//! vulnerabilities, where the database of them is to be had.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use test_needs::Need;
use tests::assets::workspace;

/// cargo-deny in the workspace; `None` if it is not installed.
fn cargo_deny(words: &[&str]) -> Option<Output> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |words: &[&str]| {
        let mut command = Command::new(&cargo);
        command.arg("deny").args(words).current_dir(workspace());
        command.output().expect("cargo starts")
    };
    if !run(&["--version"]).status.success() {
        test_needs::skip(Need::CargoDeny, "cargo-deny is not installed");
        return None;
    }
    Some(run(words))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// Dependencies with their versions and features, of these kinds.
fn features(kinds: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--workspace", "--prefix", "none"])
        .args(["--format", "{p} [{f}]", "--edges", kinds])
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", said(&output));
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines = printed
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Cargo compiles what has other features again, with all that depends on it: once for programs, once for tests, once for
/// documentation. Where this fails, let `tests/Cargo.toml` depend on what brings the feature.
#[test]
fn no_dependency_has_other_features_in_tests() {
    let (built, tested) = (features("normal,build"), features("normal,build,dev"));
    assert!(built.len() > 100 && tested.len() > 100, "{built:?}");
    let mut other: Vec<&String> = built.difference(&tested).collect();
    // goblin alone uses it at build time, in a build script's helper.
    other.retain(|line| !(line.starts_with("log v") && line.ends_with(" []")));
    assert!(other.is_empty(), "{other:#?}");
}

#[test]
fn licences_and_sources_of_all_dependencies_are_allowed() {
    let words = ["--offline", "check", "licenses", "bans", "sources"];
    let Some(output) = cargo_deny(&words) else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn no_dependency_has_a_known_vulnerability() {
    let Some(output) = cargo_deny(&["check", "advisories"]) else {
        return;
    };
    let said = said(&output);
    // The database is fetched with git from another host than crates are.
    if !output.status.success() && said.contains("failed to fetch advisory database") {
        test_needs::skip(Need::Advisories, "the database of advisories cannot be fetched");
        return;
    }
    assert!(output.status.success(), "{said}");
}
