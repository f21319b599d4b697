//! The account for people and for programs.

use super::finding::Finding;
use super::suppress::Suppressions;
use serde::Serialize;
use std::fmt::Write as _;

/// Device ranges that a finding shows.
const MAX_RANGES: usize = 8;
/// Lines of history that a finding shows.
const MAX_HISTORY: usize = 24;

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Lives of the FastRPC channel in which a call was made.
    pub lives: u64,
    /// Sessions.
    pub processes: u64,
    /// Requests.
    pub calls: u64,
    /// Answers that reached the driver.
    pub answers: u64,
    /// Answers that belonged to no call.
    pub stray_answers: u64,
    /// Sessions that were open when a life ended: nothing is said about their memory.
    pub open_at_end: u64,
    /// Sessions released too shortly before the end to judge what was still mapped of theirs.
    pub undecided: u64,
    /// Requests of programs that make no sense and that the driver passes on as they are: QDA checks none.
    #[serde(skip_serializing_if = "is_zero")]
    pub passed_on: u64,
    /// Findings beyond what is kept.
    pub findings_not_kept: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The account of one DSP.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Domain label.
    pub dsp: String,
    /// What was found, in the order in which it was.
    pub findings: Vec<Finding>,
    /// What was counted.
    pub totals: Totals,
}

impl Report {
    /// Marks what is known for this kernel.
    pub fn suppress(&mut self, rules: &Suppressions, kernel: &str) {
        for finding in &mut self.findings {
            finding.suppressed = rules.reason(kernel, finding).map(str::to_owned);
        }
    }

    /// Whether nothing was found that is not known, and nothing had to be left undecided.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.unknown().next().is_none() && self.totals.findings_not_kept == 0 && self.totals.undecided == 0
    }

    /// Findings that are not known.
    pub fn unknown(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.suppressed.is_none())
    }

    /// The whole account as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (number, finding) in self.unknown().enumerate() {
            let _ = write!(out, "{}", finding_text(number + 1, finding));
        }
        let _ = writeln!(out, "{}", self.summary());
        out
    }

    /// One line.
    #[must_use]
    pub fn summary(&self) -> String {
        let t = &self.totals;
        let unknown = self.unknown().count();
        let known = self.findings.len() - unknown;
        let mut line = format!("account of {}: ", self.dsp);
        let _ = match unknown {
            0 if t.undecided != 0 => write!(line, "not judged"),
            0 => write!(line, "clean"),
            1 => write!(line, "1 finding"),
            n => write!(line, "{n} findings"),
        };
        if t.findings_not_kept != 0 {
            let _ = write!(line, " and {} more", t.findings_not_kept);
        }
        if known != 0 {
            let _ = write!(line, ", {known} suppressed");
        }
        let _ = write!(
            line,
            "; {} sessions, {} calls, {} answers",
            t.processes, t.calls, t.answers
        );
        for (count, what) in [
            (t.open_at_end, "sessions open at the end"),
            (t.undecided, "released too late to judge"),
            (t.passed_on, "requests without sense passed on by the driver"),
        ] {
            if count != 0 {
                let _ = write!(line, ", {count} {what}");
            }
        }
        line
    }
}

/// A finding as text, with its number in the account.
pub(crate) fn finding_text(number: usize, f: &Finding) -> String {
    let mut out = format!("{number}. {}: {} [{}]\n", f.dsp, f.text, f.kind.name());
    let fields: Vec<String> = f.fields.iter().map(|(k, v)| format!("{k} {v}")).collect();
    if !fields.is_empty() {
        let _ = writeln!(out, "     {}", fields.join(", "));
    }
    for range in f.ranges.iter().take(MAX_RANGES) {
        let _ = writeln!(
            out,
            "     {:#x}..{:#x}  {}",
            range.iova,
            range.end(),
            size(range.len)
        );
    }
    if f.ranges.len() > MAX_RANGES {
        let _ = writeln!(out, "     and {} ranges more", f.ranges.len() - MAX_RANGES);
    }
    let hidden = f.history.len().saturating_sub(MAX_HISTORY);
    for (index, note) in f.history.iter().enumerate() {
        // The beginning and the end say most.
        if hidden > 0 && (MAX_HISTORY / 2..MAX_HISTORY / 2 + hidden).contains(&index) {
            if index == MAX_HISTORY / 2 {
                let _ = writeln!(out, "       ({hidden} more)");
            }
            continue;
        }
        let _ = writeln!(out, "       {note}");
    }
    out.push('\n');
    out
}

/// `2 MiB`
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        n if n != 0 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n if n != 0 && n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Addresses, Kind, Note};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn report(notes: u64) -> Report {
        let note = |number| {
            Arc::new(Note {
                number,
                seconds: 1.5,
                text: format!("> number {number}"),
            })
        };
        Report {
            dsp: "cdsp".into(),
            findings: vec![Finding {
                kind: Kind::StillMapped,
                dsp: "cdsp".into(),
                life: 1,
                text: "4 KiB are still mapped".into(),
                fields: BTreeMap::from([("what", "mmap".into())]),
                ranges: vec![Addresses {
                    iova: 0xffff_0000,
                    len: 4096,
                }],
                history: (1..=notes).map(note).collect(),
                suppressed: None,
            }],
            totals: Totals::default(),
        }
    }

    #[test]
    fn a_finding_has_its_ranges_and_its_history() {
        let text = report(2).text();
        for part in [
            "1. cdsp: 4 KiB are still mapped [still-mapped]",
            "what mmap",
            "0xffff0000..0xffff1000  4 KiB",
            "#1          1.500 s  > number 1",
            "account of cdsp: 1 finding",
        ] {
            assert!(text.contains(part), "{part:?} in\n{text}");
        }
    }

    #[test]
    fn a_long_history_is_cut_in_the_middle() {
        let text = report(100).text();
        assert!(text.contains("(76 more)") && text.contains("number 12\n") && text.contains("number 100\n"));
        assert!(!text.contains("number 50\n"));
    }

    #[test]
    fn what_is_known_is_clean() {
        let mut report = report(1);
        assert!(!report.is_clean());
        let rules = "[[suppress]]\nkernel = \"7*\"\nkind = \"still-mapped\"\nreason = \"known\"\n";
        report.suppress(&Suppressions::parse(rules).unwrap(), "7.3");
        assert!(report.is_clean());
        assert!(report.text().contains("clean, 1 suppressed"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["findings"][0]["suppressed"], "known");
        assert_eq!(json["findings"][0]["kind"], "still-mapped");
    }

    #[test]
    fn what_was_released_too_late_is_not_called_clean() {
        let mut report = report(1);
        report.findings.clear();
        assert!(report.is_clean() && report.summary().contains("cdsp: clean;"));
        report.totals.undecided = 1;
        assert!(!report.is_clean());
        let told = report.summary();
        assert!(
            told.contains("cdsp: not judged;") && told.ends_with("1 released too late to judge"),
            "{told}"
        );
    }

    #[test]
    fn sizes() {
        assert_eq!(
            [0, 5, 4096, 2 << 20].map(size),
            ["0 bytes", "5 bytes", "4 KiB", "2 MiB"]
        );
    }
}
