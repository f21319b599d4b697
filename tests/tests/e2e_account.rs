//! `vhost-hexagon run --account`: what a program's last session left behind is judged, although nothing follows the program.

use std::process::Command;

use tests::assets;
use tests::guest::requirements;

/// A call that is never answered keeps its context, and with it everything that was mapped for it, when the file is closed.
const NEVER: &str = "[[rule]]\non = \"answer\"\nclient = \"1..\"\nhandle = \"16..\"\nnth = 2\ndo = [{ drop = true, whole = true }]\n";
/// Ends with that close.
const SCRIPT: &str = "open a cdsp
create a
load h a bench
invoke a h 2
thread t {
  invoke a h 2 => EINTR
}
parked t within=20s
signal t SIGUSR1
join t
exit a
close a
";

#[test]
fn what_the_last_session_left_behind_is_judged() {
    let Some((kernel, _)) = assets::or_skip(requirements("newest")) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = folder.path().join("never.toml");
    std::fs::write(&scenario, NEVER).expect("a scenario");
    let script = folder.path().join("script");
    std::fs::write(&script, SCRIPT).expect("a script");
    let run = Command::new(assets::programs().join("vhost-hexagon"))
        .args(["run", "--quiet", "--account", "--timeout", "1200", "--kernel"])
        .arg(kernel.dir.join("Image"))
        .arg("--scenario")
        .arg(&scenario)
        .arg("--file")
        .arg(format!("{}:/vh/script", script.display()))
        .args(["--", "vh-drive", "/vh/script"])
        .output()
        .expect("vhost-hexagon starts");
    let said = String::from_utf8_lossy(&run.stderr);
    // 3: the program did what it was to do, and the account is not clean.
    assert_eq!(
        run.status.code(),
        Some(3),
        "{said}\n{}",
        String::from_utf8_lossy(&run.stdout)
    );
    assert!(said.contains("[call-unanswered]"), "{said}");
    assert!(
        !said.contains("too late to judge") && !said.contains("not judged"),
        "{said}"
    );
}
