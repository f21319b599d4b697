//! The zoo's pairs of stock kernels: the one with a bug is caught, the one without is clean. Pairs of which a kernel is not in
//! the cache are told as skipped (`cargo xtask zoo --fetch` has them all).

use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::assets;

#[derive(Deserialize)]
struct Book {
    bug: Vec<Bug>,
}

#[derive(Deserialize)]
struct Bug {
    row: u32,
    bad: Option<String>,
    fixed: Option<String>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    zoo: Zoo,
}

#[derive(Deserialize)]
struct Zoo {
    bugs: Vec<u32>,
    #[serde(default)]
    detects: Vec<String>,
}

fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(assets::workspace().join("scenarios/zoo")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let texts = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| std::fs::read_to_string(path).unwrap());
    texts.map(|text| toml::from_str(&text).unwrap()).collect()
}

/// The kernel of the cache that a version means, also among those that are only used when they are named.
fn kernel(version: &str) -> Option<PathBuf> {
    let cache = assets::cache()?;
    let stock = cache
        .kernels()
        .into_iter()
        .map(|name| (cache.kernel(&name), name));
    let named = cache.extra_kernels().into_iter();
    let named = named.map(|name| (cache.extra_kernel(&name), name));
    let is_of = |name: &str| {
        name.strip_prefix(version)
            .is_some_and(|rest| rest.starts_with('+'))
    };
    let mut fitting = stock.chain(named).filter(|(_, name)| is_of(name));
    fitting.next().map(|(folder, _)| folder.join("Image"))
}

/// What `ci` says of one case on one kernel.
fn play(kernel: &Path, case: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let json = dir.path().join("result.json");
    let output = Command::new(assets::programs().join("vhost-hexagon"))
        .args(["ci", "--suite", "zoo", "--jobs", "1", "--kernel"])
        .arg(kernel)
        .arg("--json")
        .arg(&json)
        .arg(case)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = std::fs::read_to_string(&json)
        .unwrap_or_else(|_| panic!("no result: {}", String::from_utf8_lossy(&output.stderr)));
    let result: Value = serde_json::from_str(&text).unwrap();
    let mut found = result["cases"].as_array().unwrap().iter();
    found.find(|played| played["name"] == case).unwrap().clone()
}

fn verdict(played: &Value) -> String {
    played["verdict"]
        .as_str()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

fn caught(played: &Value, detects: &[String]) -> bool {
    let list = |key: &str| played[key].as_array().cloned().unwrap_or_default();
    let class = |what: &String| list("complaints").iter().any(|c| c["class"] == *what);
    let reason = |what: &String| {
        list("reasons").iter().any(|reason| {
            let signature = reason["signature"].as_str().unwrap_or_default();
            signature == what || signature.strip_prefix("account ") == Some(what)
        })
    };
    verdict(played) != "pass" && detects.iter().any(|what| class(what) || reason(what))
}

#[test]
fn bad_kernels_are_caught_and_fixed_ones_are_clean() {
    let text = std::fs::read_to_string(assets::workspace().join("scenarios/zoo/kernels/pairs.toml")).unwrap();
    let book: Book = toml::from_str(&text).unwrap();
    let cases = cases();
    let mut played = 0;
    for bug in &book.bug {
        let (Some(bad), Some(fixed)) = (&bug.bad, &bug.fixed) else {
            continue;
        };
        let (Some(bad_kernel), Some(fixed_kernel)) = (kernel(bad), kernel(fixed)) else {
            let why = format!(
                "bug {}: its kernels {bad} and {fixed} are not in the cache",
                bug.row
            );
            test_needs::note(test_needs::Kind::Skipped, &why);
            continue;
        };
        let mut own = cases.iter().filter(|case| case.zoo.bugs.contains(&bug.row));
        let hit = own.find(|case| caught(&play(&bad_kernel, &case.name), &case.zoo.detects));
        let hit = hit.unwrap_or_else(|| panic!("bug {} is not caught on {bad}", bug.row));
        let after = play(&fixed_kernel, &hit.name);
        assert_eq!(verdict(&after), "pass", "bug {} on {fixed}: {after:#}", bug.row);
        played += 1;
    }
    eprintln!("{played} pairs of kernels");
}
