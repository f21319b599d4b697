//! `vhost-hexagon invoke` as a user sees it: what it prints, and its exit codes.

use std::process::{Command, Output};

fn invoke(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
        .arg("invoke")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A real skeleton; the test is skipped without.
#[track_caller]
fn skeleton(name: &str) -> Option<String> {
    let path = test_needs::real_skeletons()?.join(format!("lib{name}_skel.so"));
    Some(path.display().to_string())
}

#[test]
fn the_calculator_sums() {
    let Some(skel) = skeleton("calculator") else {
        return;
    };
    let sum = |more: &[&str]| {
        let mut args = vec!["--skel", &skel, "--method", "2"];
        args.extend(more);
        invoke(&args)
    };
    for inputs in [
        &["--in", "u32:1000", "--in", "i32:0..1000"][..],
        &["--in", "seq:i32:0..1000"],
    ] {
        let mut args = inputs.to_vec();
        args.extend(["--out", "i64", "--stats"]);
        let out = sum(&args);
        assert_eq!(
            (out.status.code(), text(&out.stdout).trim()),
            (Some(0), "499500"),
            "{}",
            text(&out.stderr)
        );
        assert!(
            text(&out.stderr).contains("packets executed"),
            "{}",
            text(&out.stderr)
        );
    }
    let out = sum(&["--in", "seq:i32:1,2", "--out", "8", "--quiet"]);
    assert!(
        text(&out.stdout).starts_with("00000000  03 00 00 00 00 00 00 00"),
        "{}",
        text(&out.stdout)
    );
    assert_eq!(text(&out.stderr), "");
}

#[test]
fn an_error_of_the_skeleton_is_named_and_exits_1() {
    let Some(skel) = skeleton("calculator") else {
        return;
    };
    let out = invoke(&[
        "--skel", &skel, "--method", "2", "--in", "u32:5", "--in", "i32:1", "--out", "i64",
    ]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("AEE_EBADPARM (0x8000040e)"),
        "{}",
        text(&out.stderr)
    );
    let out = invoke(&["--skel", &skel, "--method", "9"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("AEE_EUNSUPPORTED"),
        "{}",
        text(&out.stderr)
    );
    let out = invoke(&[
        "--skel",
        &skel,
        "--method",
        "2",
        "--uri",
        "file:///libnothing.so?x",
    ]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("libnothing.so"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn usage_errors_exit_2_and_say_what_is_wrong() {
    let Some(skel) = skeleton("calculator") else {
        return;
    };
    for (args, word) in [
        (&["--method", "2", "--in", "u33:1"][..], "u33"),
        (&["--method", "2", "--out", "i64:x"], "i64:x"),
        (&["--method", "32"], "32"),
        (&["--method", "2", "--raw-sc", "0x02020100"], "2 in,"),
        (&[], "--method"),
    ] {
        let mut all = vec!["--skel", &skel];
        all.extend(args);
        let out = invoke(&all);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(
            text(&out.stderr).contains(word),
            "{args:?}: {}",
            text(&out.stderr)
        );
    }
}

#[test]
fn what_is_not_there_is_named() {
    let out = invoke(&["--skel", "/no/such/lib.so", "--method", "2"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("/no/such/lib.so"),
        "{}",
        text(&out.stderr)
    );
    let own = env!("CARGO_BIN_EXE_vhost-hexagon");
    let out = invoke(&["--skel", own, "--method", "2"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out.stderr).contains("_skel_handle_invoke"),
        "{}",
        text(&out.stderr)
    );
    let Some(skel) = skeleton("calculator") else {
        return;
    };
    let out = invoke(&["--skel", &skel, "--method", "2", "--soc", "nosuchsoc"]);
    assert!(text(&out.stderr).contains("nosuchsoc"), "{}", text(&out.stderr));
    let out = invoke(&["--skel", &skel, "--method", "2", "--dsp", "mdsp"]);
    assert!(text(&out.stderr).contains("cdsp"), "{}", text(&out.stderr));
}

#[test]
fn help_has_examples() {
    let out = invoke(&["--help"]);
    assert!(text(&out.stdout).contains("--in i32:0..1000"));
}

#[test]
fn a_call_that_does_not_end_is_given_up_and_says_where_it_is() {
    let misbehave = [
        "--skel",
        "libmisbehave_skel.so",
        "--method",
        "10",
        "--in",
        "u32:1",
        "--out",
        "u32",
    ];
    let out = invoke(&[&misbehave[..], &["--timeout", "0.2"]].concat());
    let told = text(&out.stderr);
    assert_eq!(out.status.code(), Some(4), "{told}");
    assert!(told.contains("not done after 200ms"), "{told}");
    assert!(
        told.contains("(ap-1000): running") && told.contains("libmisbehave_skel.so!infinite_loop"),
        "{told}"
    );
    for seconds in ["0", "-1", "nan", "x"] {
        let refused = invoke(&[&misbehave[..], &["--timeout", seconds]].concat());
        assert_eq!(refused.status.code(), Some(2), "{seconds}");
    }
}

#[test]
fn who_asks_is_told_where_the_threads_are_and_the_call_goes_on() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let mut child = Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
        .args([
            "invoke",
            "--skel",
            "libmisbehave_skel.so",
            "--method",
            "10",
            "--in",
            "u32:1",
            "--out",
            "u32",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let kill = |signal: &str| {
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    // Until SIGHUP, SIGINT, SIGQUIT and SIGTERM are taken they would end it.
    let status = format!("/proc/{}/status", child.id());
    let takes = |text: String| {
        text.lines()
            .any(|l| l.starts_with("SigBlk:") && l.ends_with("4007"))
    };
    while !takes(std::fs::read_to_string(&status).unwrap()) {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        std::thread::yield_now();
    }
    // Each question is answered by a line or more, also one that comes before the DSP process is there.
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    loop {
        kill("-QUIT");
        let line = lines.next().expect("it ended by itself");
        if line.contains("DSP process invoke@1:1: running") {
            break;
        }
    }
    kill("-TERM");
    use std::os::unix::process::ExitStatusExt as _;
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_library_that_is_not_there_is_told_once_with_where_it_was_searched() {
    let uri = "file:///libother_skel.so?other_skel_invoke";
    let out = invoke(&[
        "--skel",
        "libcalculator_skel.so",
        "--uri",
        uri,
        "--search",
        "/nowhere",
        "--method",
        "2",
    ]);
    let told = text(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(
        told.contains("no such file in ., /nowhere or this program (errno 2)"),
        "{told}"
    );
    assert_eq!(told.matches("WARN").count(), 1, "{told}");
}

#[test]
fn buffers_may_be_larger_than_256_mib() {
    let sum = [
        "--skel",
        "libcalculator_skel.so",
        "--method",
        "2",
        "--in",
        "seq:i32:0..70000000",
        "--out",
        "i64",
        "--quiet",
    ];
    let out = invoke(&sum);
    assert_eq!(
        text(&out.stdout).trim(),
        "2449999965000000",
        "{}",
        text(&out.stderr)
    );
    let out = invoke(&[
        "--skel",
        "libcalculator_skel.so",
        "--method",
        "2",
        "--out",
        "2000000000",
        "--out",
        "2000000000",
    ]);
    assert_eq!(out.status.code(), Some(2));
    assert!(
        text(&out.stderr).contains("4000000000 bytes together"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn nothing_is_left_in_the_folder_for_temporary_files() {
    let spin = "--skel libmisbehave_skel.so --method 10 --in u32:1 --out u32 --timeout 0.2";
    for (args, code) in [
        (
            "--skel libcalculator_skel.so --method 2 --in seq:i32:1,2 --out i64",
            0,
        ),
        ("--skel libcalculator_skel.so --method 9", 1),
        ("--skel libmisbehave_skel.so --method 3 --in u32:1 --out u32", 3),
        (spin, 4),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = Command::new(env!("CARGO_BIN_EXE_vhost-hexagon"))
            .arg("invoke")
            .args(args.split(' '))
            .env("TMPDIR", folder.path())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(code), "{args}: {}", text(&out.stderr));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{args}: {left:?}");
    }
}
