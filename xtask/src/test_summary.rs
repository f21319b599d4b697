//! What the tests of a run came to: passed, failed, and what was not run or met a known defect, with the reason and by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use test_needs::{Kind, Note};

/// Counts of a run.
#[derive(Debug, Default)]
pub struct Summary {
    passed: usize,
    failed: usize,
    ignored: usize,
    skipped: Notes,
    known: Notes,
}

/// What was said of which tests.
#[derive(Debug, Default)]
struct Notes(BTreeMap<String, BTreeSet<String>>);

impl Notes {
    /// How many tests said something.
    fn tests(&self) -> usize {
        self.0.values().flatten().collect::<BTreeSet<_>>().len()
    }

    /// A line for each reason, and below it the tests.
    fn list(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        for (text, tests) in &self.0 {
            write!(f, "\n   {title}: {text}")?;
            for test in tests {
                write!(f, "\n      {test}")?;
            }
        }
        Ok(())
    }
}

impl Summary {
    /// Takes a line that `cargo test` printed: libtest's last line of a program has its counts.
    pub fn line(&mut self, line: &str) {
        let Some((_, counts)) = line
            .split_once("test result: ")
            .and_then(|(_, result)| result.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            let Some((number, word)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
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
            let notes = match note.kind {
                Kind::Skipped => &mut self.skipped,
                Kind::Known => &mut self.known,
            };
            notes.0.entry(note.text).or_default().insert(note.test);
        }
    }
}

/// The counts, and below them each test that has something to say. libtest counts a skipped test as passed; here it is not.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.skipped.tests();
        let passed = self.passed.saturating_sub(skipped);
        write!(
            f,
            "{passed} passed, {} failed, {skipped} skipped or in part",
            self.failed
        )?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        let known = self.known.tests();
        if known > 0 {
            write!(f, "; {known} met known defects of kernels")?;
        }
        self.skipped.list(f, "skipped")?;
        self.known.list(f, "known, seen")
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
        assert_eq!(
            summary.to_string(),
            "47 passed, 1 failed, 0 skipped or in part, 2 ignored"
        );
    }

    #[test]
    fn what_was_skipped_is_not_passed_and_stands_there_by_name() {
        let mut summary = Summary::default();
        summary.line("test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        summary.notes(
            "skipped\te2e::b\tno QEMU\nskipped\te2e::a\tno kernel 6.12\nskipped\te2e::a\tno QEMU\n\
             skipped\te2e::b\tno QEMU\nknown\te2e_ci::smoke\tsmoke/x: oops\nrubbish\n",
        );
        assert_eq!(
            summary.to_string(),
            "7 passed, 0 failed, 2 skipped or in part; 1 met known defects of kernels\n   \
             skipped: no QEMU\n      e2e::a\n      e2e::b\n   \
             skipped: no kernel 6.12\n      e2e::a\n   \
             known, seen: smoke/x: oops\n      e2e_ci::smoke"
        );
    }
}
