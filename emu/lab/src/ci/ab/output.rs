//! What a program printed, told so that two runs can be compared: `vh-drive`'s lines by command and result, other lines
//! without the numbers that no two runs share.

use super::Difference;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// `LINE [TASK] COMMAND: RESULT, NAME = VALUE`; what a name was given differs from run to run.
static DRIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(\d+(?: \[[^\]]*\])?) (.+): (E[A-Z0-9]+|-?\d+|0x[0-9a-f]+)(?:, \S+ = \S+)?$").ok()
});
/// Addresses (long hexadecimal numbers that are none of the DSP's error codes), points in time, and times.
static VOLATILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"0x[0-9a-fA-F]{5,}|\bat \d+\.\d+\b|\d+(?:\.\d+)? ?(?:ns|us|ms|s|seconds)\b").ok()
});
/// The DSP's error codes begin here, and there are a few hundred.
const CODES: std::ops::Range<u64> = 0x8000_0000..0x8000_1000;

/// A line without what no two runs share.
fn settled(line: &str) -> String {
    let Some(volatile) = &*VOLATILE else {
        return line.to_owned();
    };
    let told = |found: &regex::Captures<'_>| {
        let text = &found[0];
        match text
            .strip_prefix("0x")
            .map(|digits| u64::from_str_radix(digits, 16))
        {
            Some(Ok(code)) if CODES.contains(&code) => text.to_owned(),
            Some(_) => "ADDRESS".to_owned(),
            None => "TIME".to_owned(),
        }
    };
    volatile.replace_all(line, told).into_owned()
}

/// What a program printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Results of each of `vh-drive`'s commands. Tasks take turns as they like, and a result that comes again is not
    /// printed again: so which there were counts, not how often.
    steps: BTreeMap<String, BTreeSet<String>>,
    /// Other lines, and how often each.
    lines: BTreeMap<String, usize>,
}

impl Said {
    fn of(output: &[String]) -> Self {
        let mut said = Self::default();
        for line in output {
            match DRIVE.as_ref().and_then(|drive| drive.captures(line)) {
                Some(found) => {
                    let step = format!("line {} `{}`", &found[1], &found[2]);
                    said.steps.entry(step).or_default().insert(found[3].to_owned());
                }
                None => *said.lines.entry(settled(line)).or_insert(0) += 1,
            }
        }
        said
    }
}

/// What is different in what two runs of a program printed.
#[must_use]
pub fn differences(a: &[String], b: &[String]) -> Vec<Difference> {
    let (a, b) = (Said::of(a), Said::of(b));
    let mut found = Vec::new();
    // In the script's order, not in that of their names.
    let mut steps: Vec<&String> = a.steps.keys().chain(b.steps.keys()).collect();
    steps.sort_by_key(|step| (step.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()), *step));
    steps.dedup();
    let results = |said: &Said, step: &str| match said.steps.get(step) {
        Some(results) => results.iter().cloned().collect::<Vec<_>>().join(" or "),
        None => "not done".to_owned(),
    };
    for step in steps {
        if a.steps.get(step) != b.steps.get(step) {
            let text = format!("{step}: {} on A, {} on B", results(&a, step), results(&b, step));
            found.push(Difference::output(text));
        }
    }
    let mut lines: Vec<&String> = a.lines.keys().chain(b.lines.keys()).collect();
    lines.sort();
    lines.dedup();
    for line in lines {
        let times = |said: &Said| said.lines.get(line).copied().unwrap_or(0);
        let text = match (times(&a), times(&b)) {
            (x, y) if x == y => continue,
            (_, 0) => format!("only A printed {line:?}"),
            (0, _) => format!("only B printed {line:?}"),
            (x, y) => format!("{line:?} was printed {x} times on A, {y} on B"),
        };
        found.push(Difference::output(text));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(a: &str, b: &str) -> Vec<String> {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let found = differences(&lines(a), &lines(b));
        found.into_iter().map(|difference| difference.text).collect()
    }

    #[test]
    fn what_a_name_was_given_and_who_came_first_does_not_matter() {
        let a = "2 open a cdsp: 0, a = 3\n3 mmap w a 4K: 0, w = 0xfff00000\n9 [t] invoke a h 5: 0\n10 [u] sleep 1ms: 0\n";
        let b = "2 open a cdsp: 0, a = 7\n10 [u] sleep 1ms: 0\n3 mmap w a 4K: 0, w = 0xffe00000\n9 [t] invoke a h 5: 0\n";
        assert_eq!(told(a, b), [""; 0]);
    }

    #[test]
    fn results_are_told_by_command_with_errno_by_name() {
        let a = "2 open a cdsp: 0, a = 3\n12 invoke a h 4 in=[1000]: 0\n100 close a: 0";
        let b = "2 open a cdsp: ENOENT\n12 invoke a h 4 in=[1000]: 0x80000414\n";
        assert_eq!(
            told(a, b),
            [
                "line 2 `open a cdsp`: 0 on A, ENOENT on B",
                "line 12 `invoke a h 4 in=[1000]`: 0 on A, 0x80000414 on B",
                "line 100 `close a`: 0 on A, not done on B",
            ]
        );
    }

    #[test]
    fn other_lines_are_compared_without_addresses_and_times() {
        assert_eq!(
            told("mapped at 0xffff0000 in 3.5 ms", "mapped at 0x12345678 in 17 ms"),
            [""; 0]
        );
        assert_eq!(told("first result at 14.39", "first result at 19.76"), [""; 0]);
        assert_eq!(
            told("open = 0x80000406", "open = 0x80000408"),
            [
                "only A printed \"open = 0x80000406\"",
                "only B printed \"open = 0x80000408\""
            ]
        );
        assert_eq!(
            told("Sum = 499500\nSum = 499500", "Sum = 499500"),
            ["\"Sum = 499500\" was printed 2 times on A, 1 on B"]
        );
    }
}
