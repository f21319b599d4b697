use super::*;
use crate::ci::guest::Recorded;
use crate::ci::{Observed, Reason, suite, verdict};
use crate::scenario::Case;
use emu_machine::device::layout::PlatformKind;
use std::path::Path;
use std::time::Duration;

/// A run of the calculator, as it was recorded on a kernel.
fn played(kernel: &str, verdict: Verdict) -> Played {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/runs");
    let text = "name = \"calc\"\n[workload]\nrun = \"vh-calc\"";
    Played {
        entry: suite::Entry {
            suite: "one".into(),
            argument: "one".into(),
            file: "x.toml".into(),
            case: Case::parse(text, "x.toml").unwrap(),
        },
        platform: PlatformKind::Rpm,
        seed: 0,
        verdict,
        reasons: Vec::new(),
        seen: Some(Observed {
            output: vec!["Sum = 499500".into()],
            trace: Some(Recorded {
                path: folder.join(format!("{kernel}.pcapng")),
                incomplete: None,
            }),
            ..Observed::quiet()
        }),
        took: Duration::ZERO,
    }
}

fn comparison(a: Played, b: Played) -> Comparison {
    Comparison {
        kernels: ["6.12".into(), "7.3".into()],
        pairs: vec![Pair::new(a, b)],
    }
}

#[test]
fn the_same_program_on_two_kernels_is_equal() {
    let same = comparison(
        played("calculator-6.12", Verdict::Pass),
        played("calculator-7.3", Verdict::Pass),
    );
    assert!(same.is_equal(), "{}", same.text());
    let text = same.text();
    assert!(
        text.contains("EQUAL   one/calc")
            && text.contains("calls 17 17")
            && text.contains("1 the same, 0 differ"),
        "{text}"
    );
    assert_eq!(same.json()["equal"], true);
}

#[test]
fn every_difference_is_told() {
    let a = played("calculator-6.12", Verdict::Pass);
    let mut b = played("board-7.3", Verdict::Fail);
    b.reasons = vec![Reason::new(
        verdict::About::Exit,
        "exit",
        "the program's exit status is 1, expected 0",
    )];
    let seen = b.seen.as_mut().unwrap();
    seen.exit = Some(1);
    seen.output = vec!["Sum = 1".into()];
    let other = comparison(a, b);
    assert!(!other.is_equal() && other.differing() == 1);
    let text = other.text();
    for told in [
        "DIFFERS one/calc",
        "  * PASS on A, FAIL on B",
        "  * only on B: the program's exit status is 1, expected 0 [exit]",
        "  * exit status 0 on A, 1 on B",
        "  * only A printed \"Sum = 499500\"",
        "  * only B printed \"Sum = 1\"",
        "  * adsp: ",
        "0 the same, 1 differ",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    let json = other.json();
    assert_eq!(
        (&json["equal"], &json["cases"][0]["outcome"]),
        (&false.into(), &"differs".into())
    );
    assert!(
        json["cases"][0]["differences"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d["about"] == "wire")
    );
}

#[test]
fn what_is_not_played_on_both_is_never_equal() {
    let good = || played("calculator-6.12", Verdict::Pass);
    let mut skipped = played("calculator-7.3", Verdict::Skip);
    skipped.reasons = vec![Reason::new(
        verdict::About::Other,
        "needs",
        "needs the qda driver",
    )];
    let alone = comparison(good(), skipped);
    assert!(!alone.is_equal());
    let text = alone.text();
    assert!(
        text.contains("SKIP    one/calc")
            && text.contains("B: needs the qda driver")
            && text.contains("Nothing was compared."),
        "{text}"
    );
    for break_it in [
        (|b: &mut Played| b.verdict = Verdict::Error) as fn(&mut Played),
        |b| b.seen = None,
        |b| b.seen.as_mut().unwrap().trace = None,
        |b| b.seen.as_mut().unwrap().trace.as_mut().unwrap().incomplete = Some("the disk is full".into()),
        |b| b.seen.as_mut().unwrap().trace.as_mut().unwrap().path = "no/such".into(),
    ] {
        let mut bad = played("calculator-7.3", Verdict::Pass);
        break_it(&mut bad);
        let all = comparison(good(), bad);
        assert!(
            !all.is_equal() && all.text().contains("1 could not be compared"),
            "{}",
            all.text()
        );
    }
}
