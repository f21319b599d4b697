//! `vhost-hexagon names`, as scripts read it.

use std::path::Path;
use std::process::{Command, Output};

fn names(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
        .arg("names")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_function_has_a_state_a_name_and_a_line() {
    let output = names(&[]);
    assert!(output.status.success(), "{output:?}");
    let text = text(&output);
    let mut count = 0;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut words = line.split_whitespace();
        let state = words.next().unwrap();
        assert!(
            ["implemented", "without-effect", "refused"].contains(&state),
            "{line}"
        );
        assert!(
            words.next().is_some_and(|name| line.find(name) == Some(16)),
            "{line}"
        );
        assert!(words.next().is_some(), "{line}");
        count += 1;
    }
    assert!(count > 300, "{text}");
}

/// A skeleton that the program carries, with one imported name replaced by another of the same length.
fn renamed(from: &str, to: &str, dir: &Path) -> std::path::PathBuf {
    let mut bytes = emu_assets::find("skel/libcalculator_skel.so")
        .unwrap()
        .bytes()
        .into_owned();
    let from = [b"\0", from.as_bytes(), b"\0"].concat();
    let to = [b"\0", to.as_bytes(), b"\0"].concat();
    let at = bytes
        .windows(from.len())
        .position(|w| w == from)
        .expect("the name");
    bytes[at..at + to.len()].copy_from_slice(&to);
    let file = dir.join("librenamed_skel.so");
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn a_skeleton_that_would_be_refused_is_told_with_what_it_lacks_first() {
    let output = names(&[Path::new("libcalculator_skel.so")]);
    let whole = text(&output);
    assert!(output.status.success(), "{whole}");
    assert!(whole.contains(" 0 missing"), "{whole}");
    let dir = tempfile::tempdir().unwrap();
    let strange = "qqqqqq";
    let output = names(&[&renamed("memcpy", strange, dir.path())]);
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(
        text.lines().next(),
        Some(&*format!("missing         {strange}")),
        "{text}"
    );
    assert!(text.contains(" 1 missing"), "{text}");
}

#[test]
fn what_is_no_library_is_an_error() {
    let output = names(&[Path::new("Cargo.toml")]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("Cargo.toml is no library that the DSP loads"),
        "{error}"
    );
}
