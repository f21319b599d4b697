//! The fault matrix: `scenarios/matrix` has a case for each fault and operation, and `docs/matrix.md` says of each what the
//! case expects. `VH_BLESS=1` writes the table anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use tests::assets::workspace;

const FAULTS: [&str; 8] = [
    "restart",
    "drop",
    "delay",
    "duplicate",
    "reorder",
    "forge",
    "too-short",
    "too-long",
];

/// An operation, the command of the workload that does it, and the key of a rule that tells it from others.
const OPERATIONS: [(&str, &str, &str); 8] = [
    ("create", "create a", "method = [6, 7]"),
    ("invoke", "invoke a h 4", "method = 4\n"),
    ("mmap", "mmap w a", "method = 4\n"),
    ("munmap", "munmap a w", "method = 5\n"),
    ("mem-map", "memmap w a", "method = 10\n"),
    ("mem-unmap", "memunmap a w", "method = 11\n"),
    ("release", "close a", "method = 1\n"),
    ("reverse-call", "load h a", "handle = 7\nmethod = 6\n"),
];

const BEGIN: &str = "<!-- the table begins; VH_BLESS=1 cargo test -p tests --test matrix -->\n";
const END: &str = "<!-- the table ends -->\n";

fn folder() -> PathBuf {
    workspace().join("scenarios/matrix")
}

fn text_of(fault: &str, operation: &str) -> String {
    let path = folder().join(format!("{fault}-{operation}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn case(fault: &str, operation: &str) -> toml::Table {
    text_of(fault, operation)
        .parse()
        .unwrap_or_else(|e| panic!("{fault}-{operation}: {e}"))
}

/// The first expectation of the operation's command that is not 0 (`EPIPE`), else 0; and the time that it takes
/// (`>= 9000 ms`).
fn outcome(fault: &str, operation: &str, command: &str) -> String {
    let case = case(fault, operation);
    let script = case["workload"]["drive"].as_str().expect("a script").to_owned();
    let lines: Vec<&str> = script.lines().map(str::trim).collect();
    let (mut found, mut result, mut time) = (false, "0", None);
    for (n, line) in lines.iter().enumerate() {
        if !line.starts_with(command) {
            continue;
        }
        found = true;
        if let Some((_, expected)) = line.split_once(" => ") {
            result = expected;
        }
        let next = lines.get(n + 1).copied().unwrap_or_default();
        time = time.or(next.strip_prefix("expect ms ").map(str::to_owned));
    }
    assert!(found, "{fault}-{operation} never does `{command}`");
    match time {
        Some(time) => format!("{result}, {} ms", time.replace(">=", "≥")),
        None => result.to_owned(),
    }
}

fn table() -> String {
    let mut table = String::from("| |");
    for (operation, ..) in OPERATIONS {
        let _ = write!(table, " {} |", operation.replace('-', " "));
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(OPERATIONS.len()));
    for fault in FAULTS {
        let _ = write!(table, "\n| {} |", fault.replace('-', " "));
        for (operation, command, _) in OPERATIONS {
            let _ = write!(table, " {} |", outcome(fault, operation, command));
        }
    }
    table.push('\n');
    table
}

#[test]
fn the_manual_has_what_the_cases_expect() {
    let path = workspace().join("docs/matrix.md");
    let manual = std::fs::read_to_string(&path).expect("docs/matrix.md");
    let begin = manual.find(BEGIN).expect("the table's begin") + BEGIN.len();
    let end = manual.find(END).expect("the table's end");
    let table = table();
    if std::env::var_os("VH_BLESS").is_some() {
        let text = format!("{}{table}{}", &manual[..begin], &manual[end..]);
        std::fs::write(path, text).expect("docs/matrix.md");
    } else {
        assert_eq!(
            manual[begin..end],
            table,
            "VH_BLESS=1 writes the table of docs/matrix.md anew"
        );
    }
}

#[test]
fn there_is_a_case_for_each_cell_and_no_other() {
    let wanted: BTreeSet<String> = FAULTS
        .iter()
        .flat_map(|fault| OPERATIONS.map(|(operation, ..)| format!("{fault}-{operation}.toml")))
        .collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("scenarios/matrix")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, wanted);
    assert_eq!(found.len(), 64);
}

#[test]
fn each_case_does_what_it_is_called() {
    for fault in FAULTS {
        for (operation, _, key) in OPERATIONS {
            let name = format!("{fault}-{operation}");
            let (text, case) = (text_of(fault, operation), case(fault, operation));
            assert_eq!(case["name"].as_str(), Some(name.as_str()));
            assert!(
                case["description"].as_str().is_some_and(|d| d.ends_with('.')),
                "{name}"
            );
            assert!(text.contains(key), "{name} has no rule with `{key}`");
            let verb = match fault {
                "restart" => "crash = ",
                "drop" => "drop = true, whole = true",
                "delay" => "{ delay = ",
                "duplicate" => "duplicate = 1",
                "reorder" => "swap = true",
                "forge" => "{ ctx = \"~ctx\"",
                "too-short" => "resize = 12",
                _ => "resize = 64",
            };
            assert!(text.contains(verb), "{name} has no rule with `{verb}`");
            // What nobody answers may keep memory; nothing else may leave anything behind.
            let allowed = case.get("expect").and_then(|e| e.get("allow-account")).is_some();
            assert_eq!(allowed, fault == "drop", "{name}");
            // Whatever happened, the device serves the next session.
            let script = case["workload"]["drive"].as_str().expect("a script");
            assert!(
                script.contains("\ncreate n\nload g n bench\ninvoke n g 2\nexit n\nclose n\n"),
                "{name}"
            );
        }
    }
}
