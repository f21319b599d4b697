use super::*;
use crate::ci::Complaint;
use std::time::Duration;

fn case(expect: &str) -> Case {
    let text = format!(
        "[[rule]]\nname = \"late\"\non = \"answer\"\ndo = [{{ delay = \"1ms\" }}]\n[workload]\nrun = \"true\"\n[expect]\n{expect}"
    );
    Case::parse(&text, "case.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// A case in which everything went well.
fn well() -> Observed {
    Observed {
        drivers: Some(vec![crate::scenario::Driver::Fastrpc]),
        output: vec!["Sum = 499500".into()],
        ..Observed::quiet()
    }
}

fn complaint(class: Class, line: &str) -> Complaint {
    Complaint::new(class, Duration::ZERO, vec![line.to_owned()])
}

fn texts(case: &Case, seen: &Observed) -> (Verdict, String) {
    let (verdict, reasons) = judge(case, seen);
    let texts: Vec<_> = reasons.into_iter().map(|reason| reason.text).collect();
    (verdict, texts.join("; "))
}

#[test]
fn what_meets_all_expectations_passes() {
    let case =
        case("output = [\"^Sum = \"]\nabsent = [\"rror\"]\nfired = { late = \"2..4\" }\ndsp-crashes = 0");
    assert_eq!(texts(&case, &well()), (Verdict::Pass, String::new()));
}

#[test]
fn each_expectation_that_is_not_met_is_a_reason() {
    let case = case(
        "exit = [1, 2]\noutput = [\"^Max\"]\nabsent = [\"Sum\"]\nfired = { late = \"9..\" }\nconsole = [\"kasan\"]\naccount = [\"still-mapped\"]\ndsp-crashes = \"1..\"",
    );
    let (verdict, text) = texts(&case, &well());
    assert_eq!(verdict, Verdict::Fail);
    for wanted in [
        "exit status is 0, expected 1, 2",
        "no line of the program's output matches /^Max/",
        "output matches /Sum/: \"Sum = 499500\"",
        "the rule \"late\" fired 3 times, expected 9..",
        "was to complain of kasan",
        "was to find still-mapped",
        "0 DSP processes crashed, expected 1..",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
}

#[test]
fn a_rule_that_never_fired_fails_the_case_unless_it_says_otherwise() {
    let seen = Observed {
        fired: vec![("late".into(), 0)],
        ..well()
    };
    assert!(texts(&case(""), &seen).1.contains("fired 0 times, expected 1.."));
    assert_eq!(texts(&case("fired = { late = \"0..\" }"), &seen).0, Verdict::Pass);
}

#[test]
fn a_complaint_fails_the_case_once_unless_it_is_allowed_or_wanted() {
    let fault = || {
        complaint(
            Class::SmmuFault,
            "arm-smmu 1.iommu: Unhandled context fault: fsr=0x402",
        )
    };
    let seen = Observed {
        complaints: vec![fault(), fault()],
        ..well()
    };
    let (verdict, text) = texts(&case(""), &seen);
    assert_eq!(verdict, Verdict::Fail);
    assert!(text.ends_with("fsr=0x402 (2 times)"), "{text}");
    for allowing in [
        "allow = [\"smmu-fault\"]",
        "allow = [\"/context fault/\"]",
        "console = [\"smmu-fault\"]",
    ] {
        assert_eq!(texts(&case(allowing), &seen).0, Verdict::Pass, "{allowing}");
    }
    assert_eq!(
        texts(&case("allow = [\"/global fault/\", \"warn\"]"), &seen).0,
        Verdict::Fail
    );
}

#[test]
fn how_the_guest_ended_decides_first() {
    let ended = |end: End| Observed {
        end,
        exit: None,
        ..well()
    };
    let plain = case("");
    let judged = |end| texts(&plain, &ended(end));
    let hang = judged(End::Hang("the program did not end"));
    assert_eq!(
        hang,
        (
            Verdict::Hang,
            "the program did not end within the time limit".into()
        )
    );
    assert_eq!(
        judged(End::NoBoot("no init".into())),
        (Verdict::Error, "no init".into())
    );
    assert_eq!(judged(End::Broken("QEMU ended".into())).0, Verdict::Error);
    assert_eq!(judged(End::Dead).0, Verdict::Fail);
    let mut panicked = ended(End::Dead);
    panicked
        .complaints
        .push(complaint(Class::Panic, "Kernel panic - not syncing: x"));
    assert_eq!(texts(&plain, &panicked).0, Verdict::Fail);
    assert_eq!(texts(&case("console = [\"panic\"]"), &panicked).0, Verdict::Pass);
    panicked.end = End::NoBoot("no init".into());
    assert_eq!(texts(&plain, &panicked).0, Verdict::Fail);
}
