//! The result as KTAP version 1 (the kernel's Documentation/dev-tools/ktap.rst): suites are the tests of the top level, their
//! cases subtests, what went wrong stands in diagnostic lines.

use super::report::Command;
use super::runner::Played;
use super::verdict::Verdict;
use std::fmt::Write as _;

/// Most diagnostic lines of a case.
const MAX_LINES: usize = 60;

/// The whole text.
#[must_use]
pub fn text(all: &[Played], command: &Command) -> String {
    let suites = super::report::by_suite(all);
    let mut out = format!("KTAP version 1\n1..{}\n", suites.len());
    for (number, (suite, cases)) in suites.iter().enumerate() {
        let _ = writeln!(
            out,
            "  KTAP version 1\n  # Subtest: {}\n  1..{}",
            plain(suite),
            cases.len()
        );
        for (number, played) in cases.iter().enumerate() {
            case(&mut out, number + 1, played, command);
        }
        let failed = cases.iter().any(|played| played.verdict.is_failure());
        let skipped = cases.iter().all(|played| played.verdict == Verdict::Skip);
        let directive = if skipped {
            " # SKIP no case could be played"
        } else {
            ""
        };
        let _ = writeln!(out, "{} {} {}{directive}", ok(!failed), number + 1, plain(suite));
    }
    out
}

const fn ok(good: bool) -> &'static str {
    if good { "ok" } else { "not ok" }
}

fn case(out: &mut String, number: usize, played: &Played, command: &Command) {
    let failed = played.verdict.is_failure();
    if failed || played.verdict == Verdict::Known {
        let mut lines: Vec<String> = played.reasons.iter().map(|reason| reason.text.clone()).collect();
        for complaint in played.seen.iter().flat_map(|seen| &seen.complaints).take(3) {
            lines.extend(complaint.lines.iter().cloned());
        }
        lines.truncate(MAX_LINES);
        lines.push(format!("to repeat it: {}", command.repeat(played)));
        for line in lines.iter().flat_map(|line| line.lines()) {
            let _ = writeln!(out, "  # {line}");
        }
    }
    let why = played.reasons.first().map_or("", |reason| &reason.text);
    let directive = match played.verdict {
        Verdict::Pass | Verdict::Fail => String::new(),
        Verdict::Skip => format!(" # SKIP {}", plain(why)),
        Verdict::Known => format!(" # XFAIL {}", plain(why)),
        Verdict::Hang => format!(" # TIMEOUT {}", plain(why)),
        Verdict::Error => format!(" # ERROR {}", plain(why)),
    };
    let _ = writeln!(
        out,
        "  {} {number} {}{directive}",
        ok(!failed),
        plain(played.entry.name())
    );
}

/// A description is one line, and `#` begins what is behind it.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c == '#' || c.is_control() { ' ' } else { c })
        .collect()
}
