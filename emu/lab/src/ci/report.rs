//! The report for people: a line for each case, then everything about those that did not pass.

use super::dump;
use super::guest::Observed;
use super::runner::Played;
use super::verdict::{Verdict, unexpected};
use crate::account::finding_text;
use crate::scenario::{Allow, Case, Entry};
use std::fmt::Write as _;

/// Newest lines of the program's output that are shown.
const OUTPUT: usize = 30;
/// Newest events of a DSP that are shown.
const HISTORY: usize = 40;
/// Lines of the console's end when there is nothing better.
const TAIL: usize = 25;

/// The words of a command line that are the same for each case of a run: what repeats it begins with them.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// Words up to the suite.
    pub words: Vec<String>,
}

impl Command {
    /// The command that plays exactly this case again.
    #[must_use]
    pub fn repeat(&self, played: &Played) -> String {
        let mut words = self.words.clone();
        words.extend(["--suite".to_owned(), played.entry.argument.clone()]);
        words.extend(["--platform".to_owned(), played.platform.to_string()]);
        words.extend(["--seed".to_owned(), played.seed.to_string()]);
        words.push(played.entry.name().to_owned());
        let words: Vec<String> = words
            .iter()
            .map(|word| emu_machine::vm::qemu::quoted(word))
            .collect();
        words.join(" ")
    }
}

/// The cases of each suite, in the order in which the suites were named.
#[must_use]
pub fn by_suite(all: &[Played]) -> Vec<(&str, Vec<&Played>)> {
    let mut suites: Vec<(&str, Vec<&Played>)> = Vec::new();
    for played in all {
        let name = played.entry.suite.as_str();
        match suites.iter_mut().find(|(suite, _)| *suite == name) {
            Some((_, cases)) => cases.push(played),
            None => suites.push((name, vec![played])),
        }
    }
    suites
}

/// One line about a case.
#[must_use]
pub fn line(played: &Played) -> String {
    let mut text = format!(
        "{:<5} {:<44} {:>6.1} s",
        played.verdict,
        played.name(),
        played.took.as_secs_f64()
    );
    if let Some(first) = played.reasons.first() {
        text.push_str("  ");
        text.push_str(&first.text);
    }
    text
}

/// The last line.
#[must_use]
pub fn summary(all: &[Played]) -> String {
    let count = |verdict| all.iter().filter(|played| played.verdict == verdict).count();
    let mut parts = vec![format!("{} passed", count(Verdict::Pass))];
    for (verdict, word) in [
        (Verdict::Fail, "failed"),
        (Verdict::Hang, "hung"),
        (Verdict::Error, "could not be played"),
        (Verdict::Known, "failed as known"),
        (Verdict::Skip, "skipped"),
    ] {
        if count(verdict) > 0 {
            parts.push(format!("{} {word}", count(verdict)));
        }
    }
    format!("{} cases: {}", all.len(), parts.join(", "))
}

/// Everything about a case that did not pass.
#[must_use]
pub fn details(played: &Played, command: &Command) -> String {
    let mut out = String::new();
    let title = format!("{} {} ({})", played.verdict, played.name(), played.platform);
    let _ = writeln!(out, "{title}\n{}", "=".repeat(title.chars().count()));
    let description = played.entry.case.scenario.description();
    if !description.is_empty() {
        let _ = writeln!(out, "{description}");
    }
    for reason in &played.reasons {
        let _ = writeln!(out, "  * {}", reason.text);
    }
    if let Some(seen) = &played.seen {
        observed(&mut out, &played.entry.case, seen);
    }
    let _ = writeln!(out, "\nTo repeat it:\n  {}", command.repeat(played));
    out
}

fn section(out: &mut String, title: &str, lines: impl IntoIterator<Item = impl AsRef<str>>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(out, "\n{title}:");
    for line in lines {
        let _ = writeln!(out, "  | {}", line.as_ref());
    }
}

fn observed(out: &mut String, case: &Case, seen: &Observed) {
    let mut told: Vec<&str> = Vec::new();
    for complaint in &seen.complaints {
        let allowed = case.expect.allow.iter().any(|allow| match allow {
            Allow::Class(class) => *class == complaint.class,
            Allow::Title(regex) => regex.is_match(&complaint.title),
        });
        if allowed || told.contains(&complaint.signature.as_str()) {
            continue;
        }
        told.push(&complaint.signature);
        let title = format!(
            "The kernel's report, {:.3} s after power-on [{}]",
            complaint.at.as_secs_f64(),
            complaint.signature
        );
        section(out, &title, &complaint.lines);
    }
    if seen.complaints_not_kept > 0 {
        let _ = writeln!(
            out,
            "\n{} more complaints were not kept.",
            seen.complaints_not_kept
        );
    }
    if let Some(lines) = &seen.dump {
        section(out, "Tasks when the limit was reached", dump::interesting(lines));
    } else if let Some(why) = &seen.no_dump {
        let _ = writeln!(out, "\nThere is no task dump: {why}.");
    }
    let findings = unexpected(case, seen)
        .zip(1..)
        .map(|(finding, n)| finding_text(n, finding));
    let findings: String = findings.collect();
    section(
        out,
        "The account",
        findings.lines().filter(|line| !line.is_empty()),
    );
    let skipped = seen.output.len().saturating_sub(OUTPUT);
    section(out, "The program's output (its end)", &seen.output[skipped..]);
    let fired = seen
        .fired
        .iter()
        .map(|(rule, times)| format!("{rule}: {times} times"));
    section(out, "Rules of the scenario", fired);
    for (dsp, entries) in &seen.history {
        // Events that nobody touched are only worth showing if there is nothing else, and then the calls, not what carries
        // them.
        let shown = |worth: fn(&Entry) -> bool| -> Vec<String> {
            let entries = entries.iter().filter(|entry| worth(entry));
            entries.map(ToString::to_string).collect()
        };
        let touched = shown(|entry| !entry.rules.is_empty());
        let (what, lines) = if touched.is_empty() {
            (
                "the newest messages",
                shown(|entry| entry.fields.contains_key("ctx")),
            )
        } else {
            ("messages that the scenario touched", touched)
        };
        let from = lines.len().saturating_sub(HISTORY);
        section(out, &format!("{dsp}: {what}"), &lines[from..]);
    }
    if seen.complaints.is_empty() && seen.output.is_empty() {
        let from = seen.tail.len().saturating_sub(TAIL);
        section(out, "The end of the console", &seen.tail[from..]);
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
