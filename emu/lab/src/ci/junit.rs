//! The result as JUnit XML.

use super::report::{Command, by_suite, details};
use super::runner::Played;
use super::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The whole document.
///
/// # Errors
/// It cannot be written as XML.
pub fn text(
    all: &[Played],
    kernel: Option<&str>,
    command: &Command,
) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("vhost-hexagon");
    report.set_time(all.iter().map(|played| played.took).sum::<Duration>());
    for (name, cases) in by_suite(all) {
        let mut suite = TestSuite::new(name);
        suite.set_time(cases.iter().map(|played| played.took).sum::<Duration>());
        if let Some(kernel) = kernel {
            suite.add_property(("kernel", kernel));
        }
        for played in cases {
            suite.add_test_case(case(played, command));
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(played: &Played, command: &Command) -> TestCase {
    let reasons: Vec<&str> = played.reasons.iter().map(|reason| reason.text.as_str()).collect();
    let message = reasons.join("; ");
    let mut status = match played.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Skip | Verdict::Known => TestCaseStatus::skipped(),
        Verdict::Fail | Verdict::Hang => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    match played.verdict {
        Verdict::Pass => {}
        Verdict::Skip => {
            status.set_message(message);
        }
        Verdict::Known => {
            status.set_message(message);
            status.set_type("known");
            status.set_description(details(played, command));
        }
        Verdict::Fail | Verdict::Hang | Verdict::Error => {
            let signature = played.reasons.first().map_or("", |reason| &reason.signature);
            status.set_message(message);
            status.set_type(format!("{}: {signature}", played.verdict));
            status.set_description(details(played, command));
        }
    }
    let mut case = TestCase::new(played.entry.name(), status);
    case.set_classname(format!("{}.{}", played.entry.suite, played.platform));
    case.set_time(played.took);
    if let Some(seen) = &played.seen
        && !seen.output.is_empty()
    {
        case.set_system_out(seen.output.join("\n"));
    }
    case
}
