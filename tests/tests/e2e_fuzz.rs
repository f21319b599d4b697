//! `vhost-hexagon fuzz`: cases from a seed, played on a stock kernel.

use std::process::Command;

use emu_lab::scenario::Case;
use tests::assets;
use tests::guest::requirements;

/// Two guests: the second may be a child of the first.
#[test]
fn random_cases_are_played_and_counted() {
    let Some((kernel, _)) = assets::or_skip(requirements("newest")) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("findings");
    let run = Command::new(assets::programs().join("vhost-hexagon"))
        .args(["fuzz", "--seed", "3", "--runs", "2", "--jobs", "1", "--kernel"])
        .arg(kernel.dir.join("Image"))
        .arg("--out")
        .arg(&out)
        .output()
        .expect("vhost-hexagon starts");
    let text = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    let line = text.lines().next().unwrap_or_default();
    assert!(line.starts_with("2 guests (seed 3), "), "{text}{errors}");
    let number = |behind: &str| {
        let before = line.split(behind).next().unwrap_or_default();
        let word = before.split([' ', ',']).next_back().unwrap_or_default();
        word.parse::<usize>()
            .unwrap_or_else(|_| panic!("{behind:?} in {line}"))
    };
    // Opening one process alone passes more.
    assert!(number(" protocol states") > 20, "{text}{errors}");
    assert!(number(" of them kept") >= 1, "{text}{errors}");
    // Whatever was found is a case, and decides the exit code.
    let cases = std::fs::read_dir(&out).expect("the folder of findings");
    let cases: Vec<_> = cases
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    for path in &cases {
        Case::load(path).unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(
        run.status.code(),
        Some(i32::from(!cases.is_empty())),
        "{text}{errors}"
    );
    assert_eq!(number(" new findings"), cases.len(), "{text}{errors}");
}

/// Programs that cannot open a device find nothing, which must not look as if there were nothing to find.
#[test]
fn a_run_whose_programs_reach_no_dsp_is_an_error() {
    let Some((kernel, _)) = assets::or_skip(requirements("newest")) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = Command::new(assets::programs().join("vhost-hexagon"))
        .args(["fuzz", "--seed", "3", "--runs", "2", "--jobs", "2"])
        .args(["--append", "module_blacklist=fastrpc", "--kernel"])
        .arg(kernel.dir.join("Image"))
        .arg("--out")
        .arg(folder.path().join("findings"))
        .output()
        .expect("vhost-hexagon starts");
    let errors = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(2), "{errors}");
    assert!(errors.contains("nothing was tested"), "{errors}");
}
