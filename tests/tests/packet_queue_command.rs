//! The command of docs/dspqueue.md, word for word.

use std::process::Command;

use tests::assets;
use tests::hexagon::emulator;

#[test]
fn packets_over_a_queue_without_a_guest() {
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let text = std::fs::read_to_string(assets::workspace().join("docs/dspqueue.md")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("$ vhost-hexagon "));
    let words = line.expect("a command").split_whitespace();
    let output = Command::new(emulator()).args(words).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{err}");
    assert_eq!(out.trim(), "100000 0", "{err}");
    assert!(
        err.contains("100000 packets with") && err.contains("packets/s"),
        "{err}"
    );
}

#[test]
fn a_method_that_imports_nothing_is_told() {
    if !emulator().is_file() {
        return assets::skip_without_tool("vhost-hexagon is not built");
    }
    let output = Command::new(emulator())
        .args([
            "invoke",
            "--skel",
            "libpackets_skel.so",
            "--queue",
            "9",
            "--method",
            "3",
        ])
        .args(["--out", "u32:2"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("method 9 returned AEE_EUNSUPPORTED"), "{err}");
}
