use super::*;
use crate::ci::{About, Complaint, Reason};
use crate::ci::{json, junit, ktap, suite};
use crate::scenario::Class;
use emu_machine::device::layout::PlatformKind;
use std::time::Duration;

fn seen() -> Observed {
    Observed {
        exit: Some(1),
        output: vec!["Sum = <1> \u{1b}[31m&".into()],
        complaints: vec![Complaint::new(
            Class::SmmuFault,
            Duration::from_millis(12_345),
            vec!["arm-smmu 1.iommu: Unhandled context fault: fsr=0x402".into()],
        )],
        ..Observed::quiet()
    }
}

/// A case of each verdict, in two suites.
fn case_of_each_verdict() -> Vec<Played> {
    let verdicts = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Hang,
        Verdict::Skip,
        Verdict::Error,
        Verdict::Known,
    ];
    let played = |(n, verdict): (usize, Verdict)| {
        let text =
            format!("name = \"case {n}\"\ndescription = \"what it is for\"\n[workload]\nrun = \"true\"");
        let reason = Reason::new(About::Exit, "exit", "the program's exit status is 1 # not 0");
        Played {
            entry: suite::Entry {
                suite: if n < 4 { "one" } else { "two" }.into(),
                argument: "my suites/one".into(),
                file: "x.toml".into(),
                case: Case::parse(&text, "x.toml").unwrap(),
            },
            platform: PlatformKind::Rpm,
            seed: 7,
            verdict,
            reasons: if verdict == Verdict::Pass {
                vec![]
            } else {
                vec![reason]
            },
            seen: (verdict != Verdict::Skip).then(seen),
            took: Duration::from_millis(1500),
        }
    };
    verdicts.into_iter().enumerate().map(played).collect()
}

fn command() -> Command {
    Command {
        words: ["vhost-hexagon", "ci", "--kernel", "my Image"]
            .map(String::from)
            .into(),
    }
}

#[test]
fn the_report_has_the_reasons_the_excerpt_and_the_command() {
    let all = case_of_each_verdict();
    let text = details(&all[1], &command());
    for wanted in [
        "FAIL one/case 1 (rpm)",
        "what it is for",
        "  * the program's exit status is 1",
        "12.345 s after power-on [smmu-fault:context]",
        "  | arm-smmu 1.iommu: Unhandled context fault",
        "  | late: 3 times",
        "vhost-hexagon ci --kernel 'my Image' --suite 'my suites/one' --platform rpm --seed 7 'case 1'",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in:\n{text}");
    }
    assert!(details(&all[2], &command()).starts_with("HANG"));
    assert_eq!(
        summary(&all),
        "6 cases: 1 passed, 1 failed, 1 hung, 1 could not be played, 1 failed as known, 1 skipped"
    );
    assert!(line(&all[0]).starts_with("PASS  one/case 0"));
}

#[test]
fn a_hang_without_a_task_dump_says_why() {
    let mut all = case_of_each_verdict();
    let seen = all[2].seen.as_mut().unwrap();
    seen.end = crate::ci::guest::End::Hang("the program did not end");
    seen.no_dump = Some("the kernel lacks CONFIG_MAGIC_SYSRQ_SERIAL".into());
    let text = details(&all[2], &command());
    assert!(
        text.contains("There is no task dump: the kernel lacks CONFIG_MAGIC_SYSRQ_SERIAL."),
        "{text}"
    );
    let value = json::value(&all, None, &command()).to_string();
    assert!(value.contains("no_task_dump"), "{value}");
}

#[test]
fn junit_is_read_back_with_the_same_numbers() {
    let xml = junit::text(&case_of_each_verdict(), Some("7.3.4"), &command()).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (6, 2, 1));
    let skipped = |suite: &quick_junit::TestSuite| {
        let is = |case: &&quick_junit::TestCase| {
            matches!(case.status, quick_junit::TestCaseStatus::Skipped { .. })
        };
        suite.test_cases.iter().filter(is).count()
    };
    let suites: Vec<_> = report
        .test_suites
        .iter()
        .map(|suite| (suite.name.as_str(), suite.tests, skipped(suite)))
        .collect();
    assert_eq!(suites, [("one", 4, 1), ("two", 2, 1)]);
    let case = &report.test_suites[0].test_cases[1];
    assert_eq!(case.name.as_str(), "case 1");
    assert_eq!(
        case.classname.as_ref().map(quick_junit::XmlString::as_str),
        Some("one.rpm")
    );
    let quick_junit::TestCaseStatus::NonSuccess {
        message,
        ty,
        description,
        ..
    } = &case.status
    else {
        panic!("{case:?}")
    };
    assert!(message.as_ref().unwrap().as_str().contains("exit status is 1"));
    assert_eq!(ty.as_ref().unwrap().as_str(), "FAIL: exit");
    assert!(description.as_ref().unwrap().as_str().contains("To repeat it:"));
    assert!(case.system_out.as_ref().unwrap().as_str().contains("Sum = <1>"));
    // What is known is no failure, and no success.
    let quick_junit::TestCaseStatus::Skipped {
        message,
        ty,
        description,
        ..
    } = &report.test_suites[1].test_cases[1].status
    else {
        panic!("{xml}")
    };
    assert!(message.as_ref().unwrap().as_str().contains("exit status is 1"));
    assert_eq!(ty.as_ref().unwrap().as_str(), "known");
    assert!(description.as_ref().unwrap().as_str().contains("context fault"));
}

#[test]
fn ktap_is_as_the_kernel_s_documentation_wants_it() {
    let text = ktap::text(&case_of_each_verdict(), &command());
    let results: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    assert_eq!(
        results,
        [
            "KTAP version 1",
            "1..2",
            "  KTAP version 1",
            "  1..4",
            "  ok 1 case 0",
            "  not ok 2 case 1",
            "  not ok 3 case 2 # TIMEOUT the program's exit status is 1   not 0",
            "  ok 4 case 3 # SKIP the program's exit status is 1   not 0",
            "not ok 1 one",
            "  KTAP version 1",
            "  1..2",
            "  not ok 1 case 4 # ERROR the program's exit status is 1   not 0",
            "  ok 2 case 5 # XFAIL the program's exit status is 1   not 0",
            "not ok 2 two",
        ]
    );
    assert!(text.contains("\n  # Subtest: one\n") && text.contains("\n  # to repeat it: vhost-hexagon ci"));
}

#[test]
fn json_has_what_programs_want() {
    let value = json::value(&case_of_each_verdict(), Some("7.3.4"), &command());
    let case = &value["cases"][1];
    assert_eq!(case["verdict"], "fail");
    assert_eq!(case["reasons"][0]["signature"], "exit");
    assert_eq!(case["complaints"][0]["class"], "smmu-fault");
    assert_eq!(case["fired"]["late"], 3);
    assert_eq!(value["cases"][3]["verdict"], "skip");
    assert_eq!(value["cases"][5]["verdict"], "known");
}
