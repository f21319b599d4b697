//! `vhost-hexagon ci --ab`: one script on two stock kernels, which do the same but for what is new in the newer.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::assets;
use tests::guest::requirements;

/// A session, calls with data both ways, memory, and an error of the driver's own: every kernel does the same.
const SAME: &str = r#"
description = "What every kernel does alike."
[workload]
drive = '''
open a cdsp
create a
load h a bench
set x 0
invoke a h 4 in=[1000] out=4,to=x
invoke a h 3 in=[100,100] in=100 out=100
mmap w a 64K
munmap a w 64K
munmap a w 64K => fail
invoke a 1 4 => EPERM
exit a
close a
'''
"#;
/// SET_OPTION is new in 7.3.
const NEWER: &str = r#"
description = "What only the newer kernel knows."
[workload]
drive = '''
open a cdsp
create a
option a 1 1000 => any
close a
'''
"#;

fn compare(folder: &Path, a: &Path, b: &Path) -> Output {
    Command::new(assets::programs().join("vhost-hexagon"))
        .args(["ci", "--force", "--jobs", "2", "--ab"])
        .args([a, b])
        .arg("--json")
        .arg(folder.join("ab.json"))
        .arg("--suite")
        .arg(folder.join("cases"))
        .output()
        .expect("vhost-hexagon starts")
}

#[test]
fn two_kernels_are_compared_by_one_script() {
    let found = requirements("6.12").and_then(|(old, _)| Ok((old, requirements("newest")?.0)));
    let Some((old, new)) = assets::or_skip(found) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases = folder.path().join("cases");
    std::fs::create_dir(&cases).expect("a folder");
    std::fs::write(cases.join("same.toml"), SAME).expect("a case");
    let play = || compare(folder.path(), &old.dir.join("Image"), &new.dir.join("Image"));
    let json = || -> Value {
        let text = std::fs::read_to_string(folder.path().join("ab.json")).expect("the result");
        serde_json::from_str(&text).expect("JSON")
    };
    let said = |run: &Output| {
        format!(
            "{}\n{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        )
    };

    let run = play();
    assert_eq!(run.status.code(), Some(0), "{}", said(&run));
    assert!(
        said(&run).contains("1 cases: 1 the same, 0 differ"),
        "{}",
        said(&run)
    );
    let result = json();
    assert_eq!(result["equal"], true, "{result}");
    assert!(result["cases"][0]["calls"][0].as_u64() > Some(10), "{result}");

    std::fs::remove_file(cases.join("same.toml")).expect("the case");
    std::fs::write(cases.join("newer.toml"), NEWER).expect("a case");
    let run = play();
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let told = "  * line 3 `option a 1 1000`: ENOTTY on A, ";
    assert!(
        said(&run).contains(told) && said(&run).contains("0 the same, 1 differ"),
        "{}",
        said(&run)
    );
    let result = json();
    assert_eq!(
        (&result["equal"], &result["cases"][0]["differences"][0]["about"]),
        (&false.into(), &"output".into()),
        "{result}"
    );
}
