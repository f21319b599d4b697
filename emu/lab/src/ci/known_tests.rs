use super::*;
use crate::ci::{Complaint, Observed, verdict::judge};
use crate::ci::{End, suite};
use crate::scenario::Case;
use std::collections::BTreeSet;
use std::time::Duration;

const RELEASE: &str = "7.3.4+deb13-arm64";
const CASE: &str = "smoke/channel-closes";

/// An entry for oopses in `fastrpc_buf_free`, with other values for some of its keys.
fn entry(changes: &[(&str, &str)]) -> Known {
    let mut keys = vec![
        ("kernel", "\"=7.3\""),
        ("case", "\"smoke/channel-closes\""),
        ("class", "\"oops\""),
        ("then", "[\"hang\", \"output\", \"exit\", \"still-mapped\"]"),
        ("reason", "\"frees late\""),
    ];
    keys.retain(|(key, _)| !changes.iter().any(|(changed, _)| changed == key));
    keys.extend(changes);
    let lines: Vec<String> = keys
        .iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    Known::parse(&format!("[[known]]\n{}", lines.concat()), "known.toml")
        .unwrap_or_else(|error| panic!("{error}"))
}

fn oops(function: &str) -> Complaint {
    let lines = [
        "Unable to handle kernel paging request at virtual address ffffc1ffc2ffff80",
        "Internal error: Oops: 0000000096000006 [#1]  SMP",
        "Call trace:",
        " dma_free_contiguous+0x7c/0xd8 (P)",
        &format!(" {function}+0x7c/0xd0 [fastrpc]"),
        "---[ end trace 0000000000000000 ]---",
    ];
    Complaint::new(Class::Oops, Duration::ZERO, lines.map(String::from).into())
}

fn warning() -> Complaint {
    let line = "WARNING: drivers/iommu/dma-iommu.c:842 at __iommu_dma_unmap+0x1/0x2, CPU#1: vh-calc/99";
    Complaint::new(Class::Warn, Duration::ZERO, vec![line.to_owned()])
}

/// A guest whose kernel complained so and that then stopped or went on.
fn seen(end: End, complaints: Vec<Complaint>) -> Observed {
    Observed {
        end,
        complaints,
        ..Observed::quiet()
    }
}

/// How the case went, by its expectations and then by what is known.
fn verdict(known: &Known, release: Option<&str>, case: &str, seen: &Observed) -> (Verdict, String) {
    let text = "[[rule]]\nname = \"late\"\non = \"answer\"\ndo = [{ delay = \"1ms\" }]\n[workload]\nrun = \"true\"\n\
                [expect]\noutput = [\"^Sum\"]\nabsent = [\"not fail\"]";
    let played = Case::parse(text, "case.toml").unwrap_or_else(|error| panic!("{error}"));
    let (mut verdict, mut reasons) = judge(&played, seen);
    known.review(release, case, &mut verdict, &mut reasons);
    let texts: Vec<String> = reasons.into_iter().map(|reason| reason.text).collect();
    (verdict, texts.join("; "))
}

fn of(known: &Known, seen: &Observed) -> Verdict {
    verdict(known, Some(RELEASE), CASE, seen).0
}

#[test]
fn a_known_defect_is_told_as_known_and_why() {
    let (verdict, text) = verdict(
        &entry(&[]),
        Some(RELEASE),
        CASE,
        &seen(End::Dead, vec![oops("fastrpc_buf_free")]),
    );
    assert_eq!(verdict, Verdict::Known);
    assert!(
        text.contains("paging request") && text.ends_with("(known: frees late)"),
        "{text}"
    );
}

#[test]
fn without_an_entry_it_is_a_failure() {
    let dead = seen(End::Dead, vec![oops("fastrpc_buf_free")]);
    assert_eq!(of(&Known::default(), &dead), Verdict::Fail);
}

#[test]
fn an_entry_is_for_its_kernels_only() {
    let dead = seen(End::Dead, vec![oops("fastrpc_buf_free")]);
    for (kernel, release, expected) in [
        ("\"=7.3\"", Some("7.3.5-rc1"), Verdict::Known),
        ("\"=7.3\"", Some("7.4.0"), Verdict::Fail),
        ("\"=7.3\"", Some("6.12.117+deb13-arm64"), Verdict::Fail),
        ("\"=7.3.4\"", Some("7.3.5"), Verdict::Fail),
        ("\">=6.12, <7.4\"", Some("7.3.4"), Verdict::Known),
        ("\">=6.12, <7.4\"", Some("7.4"), Verdict::Fail),
        // A kernel that does not say what it is.
        ("\">=0\"", None, Verdict::Fail),
    ] {
        let known = entry(&[("kernel", kernel)]);
        assert_eq!(
            verdict(&known, release, CASE, &dead).0,
            expected,
            "{kernel} {release:?}"
        );
    }
}

#[test]
fn an_entry_is_for_its_case_only() {
    let dead = seen(End::Dead, vec![oops("fastrpc_buf_free")]);
    for other in [
        "smoke/channel-closes-twice",
        "matrix/channel-closes",
        "smoke/noise",
    ] {
        assert_eq!(
            verdict(&entry(&[]), Some(RELEASE), other, &dead).0,
            Verdict::Fail,
            "{other}"
        );
    }
}

#[test]
fn an_entry_hides_no_other_class() {
    for complaints in [
        vec![warning()],
        vec![oops("fastrpc_buf_free"), warning()],
        vec![warning(), oops("fastrpc_buf_free")],
    ] {
        let (verdict, text) = verdict(&entry(&[]), Some(RELEASE), CASE, &seen(End::Dead, complaints));
        assert_eq!(verdict, Verdict::Fail);
        assert!(!text.contains("known"), "{text}");
    }
    // An entry each explains both.
    let mut both = entry(&[]);
    both.entries.extend(entry(&[("class", "\"warn\"")]).entries);
    let two = seen(End::Dead, vec![warning(), oops("fastrpc_buf_free")]);
    assert_eq!(of(&both, &two), Verdict::Known);
}

#[test]
fn an_entry_with_a_signature_hides_no_other_defect_of_its_class() {
    let known = entry(&[("signature", "\"<fastrpc_buf_free\"")]);
    let dead = |functions: &[&str]| {
        let complaints = functions.iter().map(|function| oops(function)).collect();
        of(&known, &seen(End::Dead, complaints))
    };
    assert_eq!(dead(&["fastrpc_buf_free.part.0"]), Verdict::Known);
    assert_eq!(dead(&["fastrpc_map_put"]), Verdict::Fail);
    assert_eq!(dead(&["fastrpc_buf_free", "fastrpc_map_put"]), Verdict::Fail);
}

#[test]
fn what_is_missing_is_explained_by_a_defect_that_was_seen_and_by_nothing_else() {
    let known = entry(&[]);
    let hang = || End::Hang("the program did not end");
    // The defect, and its consequences.
    let seen_it = seen(hang(), vec![oops("fastrpc_buf_free")]);
    assert_eq!(of(&known, &seen_it), Verdict::Known);
    let cut_short = Observed {
        exit: Some(139),
        ..seen(End::Done, vec![oops("fastrpc_buf_free")])
    };
    assert_eq!(of(&known, &cut_short), Verdict::Known);
    // Without the complaint no end is known.
    assert_eq!(of(&known, &seen(hang(), vec![])), Verdict::Hang);
    assert_eq!(of(&known, &seen(End::Done, vec![])), Verdict::Fail);
    assert_eq!(of(&known, &seen(End::Dead, vec![])), Verdict::Fail);
}

#[test]
fn what_is_no_consequence_fails() {
    let known = entry(&[]);
    let with = |change: fn(&mut Observed)| {
        let mut seen = Observed {
            output: vec!["Sum = 499500".into()],
            ..seen(End::Done, vec![oops("fastrpc_buf_free")])
        };
        change(&mut seen);
        of(&known, &seen)
    };
    assert_eq!(with(|_| ()), Verdict::Known);
    // A line that must not be there, a rule that did not fire: not among `then`.
    assert_eq!(
        with(|seen| seen.output.push("it did not fail".into())),
        Verdict::Fail
    );
    assert_eq!(with(|seen| seen.fired[0].1 = 0), Verdict::Fail);
    // Nor anything that has to do with the machine.
    assert_eq!(
        with(|seen| seen.end = End::Broken("QEMU ended".into())),
        Verdict::Error
    );
    assert_eq!(
        of(
            &entry(&[("then", "[]")]),
            &seen(End::Done, vec![oops("fastrpc_buf_free")])
        ),
        Verdict::Fail
    );
}

#[test]
fn a_case_that_passed_stays_so() {
    let well = Observed {
        output: vec!["Sum = 499500".into()],
        ..Observed::quiet()
    };
    assert_eq!(of(&entry(&[]), &well), Verdict::Pass);
}

#[test]
fn a_wrong_file_says_where_and_what() {
    let error = |text: &str| Known::parse(text, "known.toml").unwrap_err().to_string();
    let with = |change: &str| {
        let keys = [
            ("kernel", "\"=7.3\""),
            ("case", "\"smoke/x\""),
            ("class", "\"oops\""),
            ("reason", "\"y\""),
        ];
        let lines: Vec<String> = keys
            .iter()
            .filter(|(key, _)| !change.starts_with(key))
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        error(&format!("[[known]]\n{}{change}\n", lines.concat()))
    };
    for (change, wanted) in [
        (
            "kernel = \"newest\"",
            "known.toml:5: \"newest\" is no comparison of releases",
        ),
        (
            "case = \"channel-closes\"",
            "known.toml:5: \"channel-closes\" is no case",
        ),
        ("class = \"ooops\"", "unknown variant `ooops`"),
        (
            "signature = \"(\"",
            "known.toml:6: \"(\" is no regular expression",
        ),
        (
            "then = [\"hang\", \"absent\"]",
            "known.toml:6: \"absent\" is nothing that a case can miss",
        ),
        ("reason = \" \"", "known.toml:5: there is no `reason`"),
        ("cases = 1", "unknown field `cases`"),
    ] {
        let text = with(change);
        assert!(text.contains(wanted), "{change}: {text}");
    }
    assert!(error("[[known]]\n").contains("missing field"));
    let error = Known::load(&["/nonexistent/x"]).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x"), "{error}");
    assert_eq!(Known::load::<&str>(&[]).unwrap().cases().count(), 0);
}

/// The file for the stock kernels of the project's own tests names cases that there are.
#[test]
fn the_file_beside_the_suites_is_good() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/known.toml");
    let known = Known::load(&[path]).unwrap_or_else(|error| panic!("{error}"));
    let there: BTreeSet<String> = suite::embedded()
        .into_iter()
        .flat_map(|suite| suite::load(suite).unwrap())
        .map(|entry| entry.full_name())
        .collect();
    assert!(known.cases().count() > 0);
    for case in known.cases() {
        assert!(there.contains(case), "there is no case {case}");
    }
}

#[test]
fn the_documentation_s_example_is_good() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ci.md");
    let text = std::fs::read_to_string(path).unwrap();
    let example = text
        .split("```")
        .find_map(|block| block.strip_prefix("toml\n[[known]]"))
        .unwrap();
    let known =
        Known::parse(&format!("[[known]]{example}"), "ci.md").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(known.cases().collect::<Vec<_>>(), [CASE]);
}
