//! The tables of a case: what is read, and what is refused where.

use crate::scenario::Class;
use crate::scenario::{Allow, Case, Driver, Program, Releases, Scenario, ScenarioError};
use std::path::PathBuf;
use std::time::Duration;

const FULL: &str = r#"
platform = "rpm"

[[rule]]
name = "late"
on = "answer"
do = [{ delay = "1ms" }]

[zoo]
bugs = [2, 29]
fixed = ["e85eb5feca8e"]
cve = ["CVE-2026-53161"]

[needs]
driver = "fastrpc"
kernel = ">=6.12, <7.3"
config = ["KASAN", "CONFIG_SLUB_DEBUG"]
cpus = 4
ram = "512M"
append = ["slub_debug=FZPU"]

[workload]
drive = "open a cdsp"
timeout = "5s"

[expect]
exit = [0, "3..5"]
output = ["^a"]
absent = ["b$"]
console = ["kasan"]
allow = ["smmu-fault", "/context . fault/"]
account = ["still-mapped"]
allow-account = ["call-unanswered"]
fired = { late = "1..3" }
dsp-crashes = 0
"#;

#[test]
fn everything_that_a_case_says_is_read() {
    let case = Case::parse(FULL, "dir/full.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(case.name(), "full");
    assert_eq!(case.program, Program::Drive("open a cdsp".into()));
    assert_eq!(case.timeout, Duration::from_secs(5));
    assert_eq!(case.zoo.unwrap().bugs, [2, 29]);
    assert_eq!(case.needs.driver, Some(Driver::Fastrpc));
    assert_eq!(case.needs.config, ["CONFIG_KASAN", "CONFIG_SLUB_DEBUG"]);
    assert_eq!((case.needs.cpus, case.needs.ram), (Some(4), Some(512 << 20)));
    assert_eq!(case.needs.append, ["slub_debug=FZPU"]);
    assert_eq!(case.expect.exit.to_string(), "0, 3..5");
    assert_eq!(case.expect.console, [Class::Kasan]);
    assert!(matches!(case.expect.allow[0], Allow::Class(Class::SmmuFault)));
    assert!(matches!(&case.expect.allow[1], Allow::Title(regex) if regex.is_match("context 1 fault")));
    assert_eq!(case.expect.fired["late"].to_string(), "1..3");
}

#[test]
fn what_is_left_out_has_its_default() {
    let case = Case::parse("[workload]\nrun = \"true\"", "x").unwrap();
    assert_eq!(case.timeout, Duration::from_secs(60));
    assert!(case.expect.exit.contains(0) && !case.expect.exit.contains(1));
    assert!(case.expect.console.is_empty() && case.expect.dsp_crashes.is_none());
}

#[test]
fn mistakes_are_told_with_line_and_column() {
    for (old, new, place, words) in [
        (
            "driver = \"fastrpc\"",
            "drivers = \"fastrpc\"",
            "15:1",
            "did you mean `driver`",
        ),
        ("driver = \"fastrpc\"", "driver = \"adsprpc\"", "15:10", "fastrpc"),
        (
            ">=6.12, <7.3",
            ">=6.12, 7.x",
            "16:10",
            "no comparison of releases",
        ),
        (
            "\"KASAN\"",
            "\"KA SAN\"",
            "17:11",
            "no name of a configuration option",
        ),
        ("cpus = 4", "cpus = 0", "18:8", "1 to 8"),
        ("\"512M\"", "\"512\"", "19:7", "no size of RAM"),
        (
            "e85eb5feca8e",
            "e85eb5feca8",
            "11:10",
            "not the beginning of a commit",
        ),
        ("CVE-2026-53161", "2026-53161", "12:8", "no CVE number"),
        ("timeout = \"5s\"", "timeout = \"1s..5s\"", "24:11", "not a range"),
        (
            "drive = \"open a cdsp\"",
            "drive = \"a\"\nrun = \"b\"",
            "22:1",
            "either `drive` or `run`",
        ),
        ("drive = \"open a cdsp\"", "drive = \" \"", "23:9", "no program"),
        ("\"^a\"", "\"(a\"", "28:11", "no regular expression"),
        (
            "console = [\"kasan\"]",
            "console = [\"kasam\"]",
            "30:12",
            "did you mean `kasan`",
        ),
        ("\"smmu-fault\",", "\"smmu\",", "31:10", "neither a class"),
        (
            "account = [\"still-mapped\"]",
            "account = [\"still\"]",
            "32:12",
            "still-mapped",
        ),
        ("{ late =", "{ lato =", "34:11", "did you mean `late`"),
        (
            "dsp-crashes = 0",
            "dsp_crashes = 0",
            "35:1",
            "did you mean `dsp-crashes`",
        ),
    ] {
        let text = FULL.replace(old, new);
        assert_ne!(text, FULL, "{old}");
        let error = Case::parse(&text, "x.toml").unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("x.toml:{place}:")) && error.contains(words),
            "{new}: {place} {words}: {error}"
        );
        // A mistake is one wherever the file is read.
        assert_eq!(Scenario::parse(&text, "x.toml").unwrap_err().to_string(), error);
    }
}

#[test]
fn a_scenario_is_no_case_but_a_case_is_a_scenario() {
    let error = Case::parse("[[rule]]\non = \"answer\"\ndo = [{ drop = true }]", "x").unwrap_err();
    assert!(matches!(&error, ScenarioError::Wrong { message, .. } if message.contains("[workload]")));
    assert_eq!(Scenario::parse(FULL, "x").unwrap().rule_names(), ["late"]);
}

#[test]
fn releases_are_compared_by_as_many_numbers_as_are_written() {
    let fits = |range: &str, release: &str| Releases::parse(range).unwrap().contains(release);
    for (range, release, wanted) in [
        ("7.3", "7.3.4+deb13-arm64", true),
        ("=7.3", "7.30.1", false),
        (">=6.12, <7.3", "6.12.107", true),
        (">=6.12, <7.3", "7.3.0-rc1", false),
        (">=6.12, <7.3", "6.9.1", false),
        ("<=7.3", "7.3.9", true),
        (">7.3", "7.3.9", false),
        (">7.3", "7.4", true),
        ("<6.12.50", "6.12.9-rt3", true),
        (">=6.12.50", "6.12", false),
    ] {
        assert_eq!(fits(range, release), wanted, "{range} {release}");
    }
    assert!(Releases::parse("").is_err() && Releases::parse(">=1.2.3.4.5").is_err());
}

/// The examples of docs/ci.md are good cases, or good files of known defects, and it names every key and class.
#[test]
fn the_documentation_of_cases_is_complete_and_its_examples_are_cases() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/ci.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        // Another file, checked where it is read.
        .filter(|block| !block.starts_with("[[known]]"))
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        if block.starts_with("[[known]]") {
            crate::ci::Known::parse(block, "ci.md").unwrap_or_else(|error| panic!("{block}\n{error}"));
        } else {
            Case::parse(block, "ci.md").unwrap_or_else(|error| panic!("{block}\n{error}"));
        }
    }
    let schema = serde_json::to_value(schemars::schema_for!(crate::scenario::file::File)).unwrap();
    for table in ["Zoo", "Requirements", "Workload", "Expect"] {
        for key in schema["$defs"][table]["properties"].as_object().unwrap().keys() {
            assert!(
                text.contains(&format!("`{key}`")),
                "{table}.{key} is not in docs/ci.md"
            );
        }
    }
    for class in Class::ALL {
        assert!(text.contains(class.name()), "{class} is not in docs/ci.md");
    }
}
