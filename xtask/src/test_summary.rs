//! What the tests of a run came to: passed, failed, and what was not run or met a known defect, by name and with the reason.

use std::collections::BTreeMap;
use std::fmt;

use test_needs::{Kind, Note};

/// Counts of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// What tests said beside their success, each once: kind, test, text.
    notes: BTreeMap<(&'static str, String), Vec<String>>,
}

impl Summary {
    /// Takes a line that `cargo test` printed: libtest's last line of a program has its counts.
    pub fn line(&mut self, line: &str) {
        let Some((_, counts)) = line
            .split_once("test result: ")
            .and_then(|(_, l)| l.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, word)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Takes the file for notes.
    pub fn notes(&mut self, text: &str) {
        for note in text.lines().filter_map(Note::parse) {
            let texts = self.notes.entry((title(note.kind), note.test)).or_default();
            if !texts.contains(&note.text) {
                texts.push(note.text);
            }
        }
    }

    /// Tests with a note of that kind.
    fn count(&self, kind: Kind) -> usize {
        self.notes
            .keys()
            .filter(|(title_of, _)| *title_of == title(kind))
            .count()
    }
}

const fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::Skipped => "skipped",
        Kind::Known => "known, seen",
    }
}

/// The counts, and below them each test that has something to say. libtest counts a skipped test as passed; here it is not.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.count(Kind::Skipped);
        let passed = self.passed.saturating_sub(skipped as u64);
        write!(f, "{passed} passed, {} failed, {skipped} skipped", self.failed)?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        let known = self.count(Kind::Known);
        if known > 0 {
            write!(f, "; {known} met known defects of kernels")?;
        }
        for ((kind, test), texts) in &self.notes {
            write!(f, "\n   {kind}: {test}: {}", texts.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_programs_are_added() {
        let mut summary = Summary::default();
        for line in [
            "running 44 tests",
            "............................................",
            "test result: ok. 44 passed; 0 failed; 0 ignored; 0 measured; 352 filtered out; finished in 2.12s",
            "..test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: what a test printed",
        ] {
            summary.line(line);
        }
        assert_eq!(summary.to_string(), "47 passed, 1 failed, 0 skipped, 2 ignored");
    }

    #[test]
    fn what_was_skipped_is_not_passed_and_stands_there_by_name() {
        let mut summary = Summary::default();
        summary.line("test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        summary.notes(
            "skipped\te2e::b\tno QEMU\nskipped\te2e::a\tno kernel 6.12\nskipped\te2e::a\tno kernel 7.3\n\
             skipped\te2e::b\tno QEMU\nknown\te2e_ci::smoke\tsmoke/x: oops\nrubbish\n",
        );
        assert_eq!(
            summary.to_string(),
            "7 passed, 0 failed, 2 skipped; 1 met known defects of kernels\n   \
             known, seen: e2e_ci::smoke: smoke/x: oops\n   \
             skipped: e2e::a: no kernel 6.12; no kernel 7.3\n   \
             skipped: e2e::b: no QEMU"
        );
    }
}
