//! What was seen, compared with what the case expects.

use super::guest::{End, Observed};
use crate::account::{self, Finding};
use crate::scenario::Class;
use crate::scenario::{Allow, Case};
use std::fmt;

/// How a case went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All that was expected, and nothing else.
    Pass,
    /// An expectation is not met.
    Fail,
    /// It did not end in time.
    Hang,
    /// It failed, or did not end, by a known defect of the kernel only ([`super::known`]).
    Known,
    /// The kernel or the machine is not one for it.
    Skip,
    /// There was no guest, or it did not get to the program.
    Error,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Hang => "HANG",
            Self::Known => "KNOWN",
            Self::Skip => "SKIP",
            Self::Error => "ERROR",
        })
    }
}

impl Verdict {
    /// Whether a run with such a case has failed.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Fail | Self::Hang | Self::Error)
    }
}

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A complaint of the kernel's.
    Complaint(Class),
    /// What the account found.
    Finding(account::Kind),
    /// The time limit.
    Hang,
    /// A kernel that stopped.
    Dead,
    /// The program's exit status.
    Exit,
    /// A line of the program's that is missing.
    Output,
    /// How often a rule fired.
    Fired,
    /// Any other expectation, or a case that could not be played.
    Other,
}

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reason {
    /// What it is about.
    #[serde(skip)]
    pub about: About,
    /// By this the same failure is known again: signature of a complaint, kind of a finding, the expectation.
    pub signature: String,
    /// One sentence.
    pub text: String,
}

impl Reason {
    /// A reason with its signature and its sentence.
    pub fn new(about: About, signature: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            about,
            signature: signature.into(),
            text: text.into(),
        }
    }
}

/// The verdict and its reasons.
#[must_use]
pub fn judge(case: &Case, seen: &Observed) -> (Verdict, Vec<Reason>) {
    let mut reasons = Vec::new();
    complaints(case, seen, &mut reasons);
    match &seen.end {
        End::Hang(what) => {
            reasons.insert(
                0,
                Reason::new(About::Hang, "hang", format!("{what} within the time limit")),
            );
            return (Verdict::Hang, reasons);
        }
        // A kernel that complained while it booted is the case's business; one that just did not come up is not.
        End::NoBoot(why) if reasons.is_empty() => {
            return (
                Verdict::Error,
                vec![Reason::new(About::Other, "boot", why.clone())],
            );
        }
        End::Broken(why) => {
            return (
                Verdict::Error,
                vec![Reason::new(About::Other, "broken", why.clone())],
            );
        }
        End::Stopped => {
            return (
                Verdict::Error,
                vec![Reason::new(About::Other, "stopped", "ended by the user")],
            );
        }
        End::NoBoot(_) | End::Dead => {
            let expected = case.expect.console.iter().any(|class| class.is_fatal());
            if reasons.is_empty() && !expected {
                reasons.push(Reason::new(
                    About::Dead,
                    "dead",
                    "the kernel stopped before the program's end",
                ));
            }
            let verdict = if reasons.is_empty() {
                Verdict::Pass
            } else {
                Verdict::Fail
            };
            return (verdict, reasons);
        }
        End::Done => {}
    }
    program(case, seen, &mut reasons);
    findings(case, seen, &mut reasons);
    scenario(case, seen, &mut reasons);
    let verdict = if reasons.is_empty() {
        Verdict::Pass
    } else {
        Verdict::Fail
    };
    (verdict, reasons)
}

/// What the kernel said and what it was to say.
fn complaints(case: &Case, seen: &Observed, reasons: &mut Vec<Reason>) {
    let expect = &case.expect;
    let allowed = |class: Class, title: &str| {
        expect.console.contains(&class)
            || expect.allow.iter().any(|allow| match allow {
                Allow::Class(allowed) => *allowed == class,
                Allow::Title(regex) => regex.is_match(title),
            })
    };
    let mut told: Vec<(&str, usize)> = Vec::new();
    for complaint in &seen.complaints {
        if allowed(complaint.class, &complaint.title) {
            continue;
        }
        match told
            .iter_mut()
            .find(|(signature, _)| *signature == complaint.signature)
        {
            Some((_, times)) => *times += 1,
            None => {
                told.push((&complaint.signature, 1));
                reasons.push(Reason::new(
                    About::Complaint(complaint.class),
                    complaint.signature.clone(),
                    format!("the kernel complained: {complaint}"),
                ));
            }
        }
    }
    for (signature, times) in told.into_iter().filter(|(_, times)| *times > 1) {
        if let Some(reason) = reasons.iter_mut().find(|reason| reason.signature == signature) {
            reason.text.push_str(&format!(" ({times} times)"));
        }
    }
    for class in &expect.console {
        if !seen.complaints.iter().any(|complaint| complaint.class == *class) {
            let text = format!("the kernel was to complain of {class}, and did not");
            reasons.push(Reason::new(About::Other, format!("no-{class}"), text));
        }
    }
}

/// The program's end and output.
fn program(case: &Case, seen: &Observed, reasons: &mut Vec<Reason>) {
    let expect = &case.expect;
    match seen.exit {
        Some(exit) if expect.exit.contains(exit) => {}
        Some(exit) => reasons.push(Reason::new(
            About::Exit,
            "exit",
            format!("the program's exit status is {exit}, expected {}", expect.exit),
        )),
        None => reasons.push(Reason::new(
            About::Exit,
            "exit",
            "the program's exit status is not known",
        )),
    }
    for wanted in &expect.output {
        if !seen.output.iter().any(|line| wanted.is_match(line)) {
            let text = format!("no line of the program's output matches /{wanted}/");
            reasons.push(Reason::new(About::Output, format!("output {wanted}"), text));
        }
    }
    for unwanted in &expect.absent {
        if let Some(line) = seen.output.iter().find(|line| unwanted.is_match(line)) {
            let text = format!("the program's output matches /{unwanted}/: {line:?}");
            reasons.push(Reason::new(About::Other, format!("absent {unwanted}"), text));
        }
    }
}

/// What the account found and was to find.
fn findings(case: &Case, seen: &Observed, reasons: &mut Vec<Reason>) {
    let expect = &case.expect;
    let all = || seen.accounts.iter().flat_map(|report| &report.findings);
    for finding in unexpected(case, seen) {
        let text = format!("{}: {} [{}]", finding.dsp, finding.text, finding.kind.name());
        let signature = format!("account {}", finding.kind.name());
        reasons.push(Reason::new(About::Finding(finding.kind), signature, text));
    }
    for kind in &expect.account {
        if !all().any(|finding| finding.kind == *kind) {
            let text = format!("the account was to find {}, and did not", kind.name());
            let signature = format!("no-account {}", kind.name());
            reasons.push(Reason::new(About::Other, signature, text));
        }
    }
}

/// Findings that the case does not expect.
pub fn unexpected<'a>(case: &'a Case, seen: &'a Observed) -> impl Iterator<Item = &'a Finding> {
    let expect = &case.expect;
    seen.accounts
        .iter()
        .flat_map(crate::account::Report::unknown)
        .filter(|finding| {
            !expect.account.contains(&finding.kind) && !expect.allow_account.contains(&finding.kind)
        })
}

/// Whether the DSP did what the scenario is there for: a case whose rules never fire shows nothing.
fn scenario(case: &Case, seen: &Observed, reasons: &mut Vec<Reason>) {
    for (rule, times) in &seen.fired {
        let count = i64::try_from(*times).unwrap_or(i64::MAX);
        let (good, wanted) = match case.expect.fired.get(rule) {
            Some(range) => (range.contains(count), range.to_string()),
            None => (*times > 0, "1..".to_owned()),
        };
        if !good {
            let text = format!("the rule {rule:?} fired {times} times, expected {wanted}");
            reasons.push(Reason::new(About::Fired, format!("fired {rule}"), text));
        }
    }
    if let Some(range) = &case.expect.dsp_crashes {
        let crashes = i64::try_from(seen.dsp_crashes).unwrap_or(i64::MAX);
        if !range.contains(crashes) {
            let text = format!("{crashes} DSP processes crashed, expected {range}");
            reasons.push(Reason::new(About::Other, "dsp-crashes", text));
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
