//! A binary that needs nothing beside it: copied alone into an empty folder, with nothing but kernels and user space in its cache.

use tests::assets;
use tests::user::User;

/// The user, or `None` where guests cannot run.
fn user() -> Option<User> {
    let found = match std::env::var_os("VH_SKIP_E2E") {
        Some(_) => Err("VH_SKIP_E2E is set".to_owned()),
        None => User::new(),
    };
    found.map_err(|reason| assets::skip(&reason)).ok()
}

fn output(user: &User, words: &[&str]) -> (Option<i32>, String) {
    let output = user.run(words).output().expect("the program starts");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).replace('\r', ""),
    )
}

#[test]
fn a_guest_has_our_programs_and_skeletons() {
    let Some(user) = user() else { return };
    let words = ["run", "--kernel", "7.3", "--trace", "run.pcapng", "--", "vh-calc"];
    let (code, text) = output(&user, &words);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("Sum = 499500\n") && text.contains("Max value = 999\n"),
        "{text}"
    );
    assert!(user.has("run.pcapng"));
}

#[test]
fn the_demo_shows_a_sum() {
    let Some(user) = user() else { return };
    let (code, text) = output(&user, &["demo"]);
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "\nSum = 499500\n",
        "\nMax value = 999\n",
        " bytes (the program's own)",
        "cdsp: 1 process(es), 0 crash(es)",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn a_board_has_its_firmware_and_what_the_user_gives_goes_first() {
    let Some(user) = user() else { return };
    std::fs::write(user.work().join("vh-calc"), "#!/bin/sh\necho theirs\n").unwrap();
    let (code, text) = output(
        &user,
        &[
            "run",
            "--platform",
            "board",
            "--kernel",
            "7.3",
            "--file",
            "vh-calc",
            "--",
            "sh",
            "-c",
            "vh-calc; cat /sys/class/remoteproc/*/state; ls -1 /vh/skel",
        ],
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("theirs\nrunning\nrunning\n"), "{text}");
    assert!(text.contains("libcalculator_skel.so\n"), "{text}");
}

#[test]
fn what_needs_no_guest_needs_no_file_either() {
    let Some(user) = user() else { return };
    let invoke = "invoke --quiet --skel libcalculator_skel.so --method 2 --in seq:i32:0..1000 --out i64";
    let (code, text) = output(&user, &invoke.split(' ').collect::<Vec<_>>());
    assert_eq!((code, text.trim()), (Some(0), "499500"));
    let (code, text) = output(&user, &["disasm", "libcalculator_skel.so"]);
    assert!(
        code == Some(0) && text.contains("<calculator_skel_handle_invoke>:"),
        "{text}"
    );
    let (code, text) = output(
        &user,
        &[
            "ci", "--list", "--suite", "smoke", "--suite", "matrix", "--suite", "zoo",
        ],
    );
    assert!(code == Some(0) && text.lines().count() > 100, "{text}");
    let (code, text) = output(&user, &["profiles", "sm8650"]);
    assert!(code == Some(0) && text.contains("[[dsp]]"), "{text}");
}

#[test]
fn what_it_carries_can_be_written_out_and_does_not_replace_what_is_there() {
    let Some(user) = user() else { return };
    let (code, list) = output(&user, &["assets", "--list"]);
    assert_eq!(code, Some(0), "{list}");
    let (code, text) = output(&user, &["assets", "--extract", "out"]);
    assert_eq!(code, Some(0), "{text}");
    let mut written = 0;
    for line in list.lines() {
        if let Some((size, path)) = line.trim().split_once("  ")
            && let Ok(meta) = std::fs::metadata(user.work().join("out").join(path))
        {
            assert_eq!(meta.len().to_string(), size, "{path}");
            written += 1;
        }
    }
    assert_eq!(
        text.split(' ').next(),
        Some(written.to_string().as_str()),
        "{text}\n{list}"
    );
    std::fs::write(user.work().join("out/dsp/dsp.mbn"), "theirs").unwrap();
    let (code, text) = output(&user, &["assets", "--extract", "out", "dsp"]);
    assert!(
        code == Some(1) && text.contains("dsp.mbn is there already") && text.contains("--force"),
        "{text}"
    );
    let (code, text) = output(&user, &["assets", "--extract", "out", "--force", "dsp"]);
    assert!(code == Some(0) && text.starts_with("1 files"), "{text}");
}
