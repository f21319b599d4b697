//! One case on two kernels, A and B: what is the same and what is not. What a patch set claims of itself ("old programs run
//! as before") is shown by it, or shown to be wrong.
//!
//! Compared are the verdicts with their reasons, how the guests ended, the program's exit status and output
//! ([`output`]), the calls that reached the DSPs ([`wire`]). Nothing is said of cases that one of the kernels is not for.

pub mod output;
pub mod wire;

use super::runner::Played;
use super::verdict::Verdict;
use serde_json::{Value, json};
use std::fmt::Write as _;
use wire::Wire;

/// Most differences of one kind that are told of a case.
const TOLD: usize = 20;

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// Verdict, and the reasons for it.
    Verdict,
    /// The program's exit status.
    Exit,
    /// What the program printed.
    Output,
    /// The calls.
    Wire,
}

/// One thing that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What it is about.
    pub about: About,
    /// One sentence.
    pub text: String,
}

impl Difference {
    const fn new(about: About, text: String) -> Self {
        Self { about, text }
    }

    const fn output(text: String) -> Self {
        Self::new(About::Output, text)
    }

    const fn wire(text: String) -> Self {
        Self::new(About::Wire, text)
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The same in everything that is compared.
    Equal,
    /// Not the same.
    Differs(Vec<Difference>),
    /// One of the kernels is not for the case; why.
    Skipped(String),
    /// One of the runs is not to be compared; why.
    Unusable(String),
}

/// A case that was played on both.
#[derive(Debug)]
pub struct Pair {
    /// On A.
    pub a: Played,
    /// On B.
    pub b: Played,
    /// What came of it.
    pub outcome: Outcome,
    /// Calls on A and on B.
    pub calls: Option<(usize, usize)>,
}

impl Pair {
    /// Compares. Traces are read here, and not needed any more afterwards.
    #[must_use]
    pub fn new(a: Played, b: Played) -> Self {
        let (outcome, calls) = compare(&a, &b);
        Self { a, b, outcome, calls }
    }

    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        let (word, why) = match &self.outcome {
            Outcome::Equal => ("EQUAL", String::new()),
            Outcome::Differs(found) if found.len() == 1 => ("DIFFERS", "1 difference".to_owned()),
            Outcome::Differs(found) => ("DIFFERS", format!("{} differences", found.len())),
            Outcome::Skipped(why) => ("SKIP", why.clone()),
            Outcome::Unusable(why) => ("ERROR", why.clone()),
        };
        let verdicts = format!("{} {}", self.a.verdict, self.b.verdict);
        let calls = self
            .calls
            .map_or_else(String::new, |(a, b)| format!("calls {a} {b}  "));
        let line = format!("{word:<7} {:<44} {verdicts:<11} {calls}{why}", self.a.name());
        line.trim_end().to_owned()
    }
}

fn compare(a: &Played, b: &Played) -> (Outcome, Option<(usize, usize)>) {
    let why = |case: &Played| {
        case.reasons
            .first()
            .map_or("no reason", |reason| reason.text.as_str())
            .to_owned()
    };
    for (verdict, of) in [
        (Verdict::Error, Outcome::Unusable as fn(String) -> Outcome),
        (Verdict::Skip, Outcome::Skipped),
    ] {
        let named = [("A", a), ("B", b)]
            .into_iter()
            .filter(|(_, case)| case.verdict == verdict);
        let told: Vec<String> = named
            .map(|(name, case)| format!("{name}: {}", why(case)))
            .collect();
        if !told.is_empty() {
            return (of(told.join("; ")), None);
        }
    }
    let (Some(seen_a), Some(seen_b)) = (&a.seen, &b.seen) else {
        return (Outcome::Unusable("there was no guest".into()), None);
    };
    let wires = [("A", seen_a), ("B", seen_b)].map(|(name, seen)| {
        let trace = seen
            .trace
            .as_ref()
            .ok_or_else(|| format!("{name} has no trace"))?;
        if let Some(why) = &trace.incomplete {
            return Err(format!("{name}'s trace is not complete: {why}"));
        }
        let wire = Wire::read(&trace.path).map_err(|error| error.to_string())?;
        if wire.is_cut {
            return Err(format!("{name}'s trace is not complete"));
        }
        Ok(wire)
    });
    let (wire_a, wire_b) = match wires {
        [Ok(a), Ok(b)] => (a, b),
        [Err(why), _] | [_, Err(why)] => return (Outcome::Unusable(why), None),
    };
    let mut found = verdicts(a, b);
    if seen_a.exit != seen_b.exit {
        let told = |exit: Option<i64>| exit.map_or_else(|| "none".to_owned(), |exit| exit.to_string());
        let text = format!(
            "exit status {} on A, {} on B",
            told(seen_a.exit),
            told(seen_b.exit)
        );
        found.push(Difference::new(About::Exit, text));
    }
    found.extend(output::differences(&seen_a.output, &seen_b.output));
    found.extend(wire::differences(&wire_a, &wire_b));
    let outcome = if found.is_empty() {
        Outcome::Equal
    } else {
        Outcome::Differs(found)
    };
    (outcome, Some((wire_a.calls(), wire_b.calls())))
}

/// Verdicts, and reasons that only one has.
fn verdicts(a: &Played, b: &Played) -> Vec<Difference> {
    let mut found = Vec::new();
    if a.verdict != b.verdict {
        let text = format!("{} on A, {} on B", a.verdict, b.verdict);
        found.push(Difference::new(About::Verdict, text));
    }
    for (name, one, other) in [("A", a, b), ("B", b, a)] {
        for reason in &one.reasons {
            if !other
                .reasons
                .iter()
                .any(|known| known.signature == reason.signature)
            {
                let text = format!("only on {name}: {} [{}]", reason.text, reason.signature);
                found.push(Difference::new(About::Verdict, text));
            }
        }
    }
    found
}

/// What two kernels are compared by.
#[derive(Debug)]
pub struct Comparison {
    /// Releases of A and B.
    pub kernels: [String; 2],
    /// The cases.
    pub pairs: Vec<Pair>,
}

impl Comparison {
    fn count(&self, of: fn(&Outcome) -> bool) -> usize {
        self.pairs.iter().filter(|pair| of(&pair.outcome)).count()
    }

    /// How many differ.
    #[must_use]
    pub fn differing(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Differs(_)))
    }

    /// Whether both kernels did the same in every case that both are for, and there was such a case.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differing() == 0
            && self.count(|outcome| matches!(outcome, Outcome::Unusable(_))) == 0
            && self.compared() > 0
    }

    /// How many cases both kernels were compared by.
    #[must_use]
    pub fn compared(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Equal | Outcome::Differs(_)))
    }

    /// The report: a line for each case, what differs one by one, the sum.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for pair in &self.pairs {
            let _ = writeln!(out, "{}", pair.line());
            let Outcome::Differs(found) = &pair.outcome else {
                continue;
            };
            for about in [About::Verdict, About::Exit, About::Output, About::Wire] {
                let of = || found.iter().filter(|difference| difference.about == about);
                for difference in of().take(TOLD) {
                    let _ = writeln!(out, "  * {}", difference.text);
                }
                if of().count() > TOLD {
                    let _ = writeln!(out, "  * and {} more (--json has all)", of().count() - TOLD);
                }
            }
        }
        let _ = write!(
            out,
            "\nA is {}, B is {}\n{} cases: {} the same, {} differ",
            self.kernels[0],
            self.kernels[1],
            self.pairs.len(),
            self.count(|outcome| *outcome == Outcome::Equal),
            self.differing()
        );
        for (count, what) in [
            (
                self.count(|outcome| matches!(outcome, Outcome::Skipped(_))),
                "not for both kernels",
            ),
            (
                self.count(|outcome| matches!(outcome, Outcome::Unusable(_))),
                "could not be compared",
            ),
        ] {
            if count > 0 {
                let _ = write!(out, ", {count} {what}");
            }
        }
        if self.compared() == 0 {
            out.push_str("\nNothing was compared.");
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let case = |pair: &Pair| {
            let (word, found, why) = match &pair.outcome {
                Outcome::Equal => ("equal", &[][..], None),
                Outcome::Differs(found) => ("differs", &found[..], None),
                Outcome::Skipped(why) => ("skipped", &[][..], Some(why)),
                Outcome::Unusable(why) => ("unusable", &[][..], Some(why)),
            };
            json!({
                "suite": pair.a.entry.suite,
                "name": pair.a.entry.name(),
                "outcome": word,
                "why": why,
                "differences": found,
                "verdicts": [pair.a.verdict, pair.b.verdict],
                "calls": pair.calls.map(|(a, b)| [a, b]),
            })
        };
        json!({
            "kernels": self.kernels,
            "equal": self.is_equal(),
            "cases": self.pairs.iter().map(case).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
