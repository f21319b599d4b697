//! `vhost-hexagon ci` as a user starts it: the smoke suite on stock kernels, its JUnit and KTAP, and everything that can go
//! wrong around it, each of which must be one sentence and leave nothing behind.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::assets::{self, Kernel};
use tests::guest::{HANG, requirements};

/// The kernel of a series; a test is skipped without.
#[track_caller]
fn needed(series: &str) -> Option<Kernel> {
    assets::or_skip(requirements(series)).map(|(kernel, _)| kernel)
}

/// A folder for one run: its files, and its own temporary folder, which must be empty in the end.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("tmp")).expect("a folder in it");
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }

    /// `vhost-hexagon ci` with a temporary folder of its own.
    fn ci(&self) -> Command {
        let mut command = Command::new(assets::programs().join("vhost-hexagon"));
        command.arg("ci");
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        command.env("TMPDIR", self.path("tmp")).stdin(Stdio::null());
    }

    /// Nothing is left in the temporary folder, and no QEMU that was started from here runs.
    #[track_caller]
    fn assert_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(self.path("tmp"))
            .expect("the folder")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let tmp = self.path("tmp").display().to_string();
        assert_eq!(processes(&tmp), Vec::<u32>::new(), "QEMU still runs");
    }
}

/// QEMUs with that text in their command line.
fn processes(text: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        (line.starts_with("qemu") && line.contains(text)).then_some(pid)
    };
    all.filter_map(pid).collect()
}

/// Ends with its output, or is killed when it hangs.
fn output(mut command: Command) -> Output {
    let out = tempfile::tempfile().expect("a file");
    let err = tempfile::tempfile().expect("a file");
    command
        .stdout(out.try_clone().expect("the file"))
        .stderr(err.try_clone().expect("the file"));
    let mut child = command.spawn().expect("the program starts");
    let status = wait(&mut child);
    let read = |mut file: std::fs::File| {
        use std::io::{Read as _, Seek as _};
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .expect("the output");
        bytes
    };
    Output {
        status,
        stdout: read(out),
        stderr: read(err),
    }
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let end = Instant::now() + HANG;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("vhost-hexagon did not end within {} s", HANG.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn both(output: &Output) -> String {
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// A result line of KTAP: its depth, whether it is good, its number, its name, its directive.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    depth: usize,
    good: bool,
    number: usize,
    name: String,
    directive: Option<String>,
}

/// Reads KTAP version 1 as its documentation describes it: each test's own header and plan, results numbered from 1 and as
/// many as planned, a subtest's before its parent's.
fn ktap(text: &str) -> Vec<Line> {
    struct Level {
        plan: Option<usize>,
        seen: usize,
    }
    let mut levels: Vec<Level> = Vec::new();
    let mut out = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        assert_eq!(indent % 2, 0, "{line:?}");
        let (depth, line) = (indent / 2, line.trim_start());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line == "KTAP version 1" {
            assert_eq!(levels.len(), depth, "a header at depth {depth}");
            levels.push(Level { plan: None, seen: 0 });
            continue;
        }
        while levels.len() > depth + 1 {
            let done = levels.pop().expect("a level");
            assert_eq!(done.plan, Some(done.seen), "results of a subtest");
        }
        let level = levels
            .last_mut()
            .unwrap_or_else(|| panic!("no header before {line:?}"));
        if let Some(plan) = line.strip_prefix("1..") {
            assert!(level.plan.is_none() && level.seen == 0, "a plan in the middle");
            level.plan = Some(plan.parse().expect("a plan"));
            continue;
        }
        let (good, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (
                true,
                line.strip_prefix("ok ").unwrap_or_else(|| panic!("{line:?}")),
            ),
        };
        let (number, rest) = rest.split_once(' ').expect("a number");
        level.seen += 1;
        assert_eq!(number.parse(), Ok(level.seen), "{line}");
        let (name, directive) = match rest.split_once(" # ") {
            Some((name, directive)) => (name, Some(directive.to_owned())),
            None => (rest, None),
        };
        out.push(Line {
            depth,
            good,
            number: level.seen,
            name: name.to_owned(),
            directive,
        });
    }
    let top = levels.first().expect("a header");
    assert_eq!((levels.len(), top.plan), (1, Some(top.seen)));
    out
}

/// Plays the smoke suite; every case passes or meets a known defect of the kernel, and all forms of the result say so.
fn smoke(series: &str) {
    let Some(kernel) = needed(series) else {
        return;
    };
    let place = Place::new();
    let (junit, json) = (place.path("junit.xml"), place.path("result.json"));
    let mut command = place.ci();
    command.arg("--kernel").arg(kernel.dir.join("Image"));
    // Nobody's limits are for a machine with ten others at work on it.
    command.args(["--timeout", "900", "--boot-timeout", "900"]);
    command.args(["--suite", "smoke", "--ktap", "--known"]);
    command.arg(assets::workspace().join("scenarios/known.toml"));
    command.arg("--junit").arg(&junit).arg("--json").arg(&json);
    let begun = Instant::now();
    let output = output(command);
    println!(
        "the smoke suite on {} took {} s",
        kernel.release,
        begun.elapsed().as_secs()
    );
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));

    let results = ktap(&text(&output.stdout));
    let cases: Vec<&Line> = results.iter().filter(|line| line.depth == 1).collect();
    assert!(cases.len() >= 12, "{results:?}");
    let with = |word: &str| -> Vec<&Line> {
        let has = |line: &&Line| line.directive.as_ref().is_some_and(|d| d.starts_with(word));
        cases.iter().copied().filter(has).collect()
    };
    let (skipped, known) = (with("SKIP").len(), with("XFAIL"));
    assert!(
        results.iter().all(|line| line.good) && (skipped + known.len()) * 4 < cases.len(),
        "{results:?}"
    );
    for case in &known {
        let why = case.directive.as_deref().unwrap_or_default();
        let text = format!("{}: smoke/{}: {why}", kernel.release, case.name);
        test_needs::note(test_needs::Kind::Known, &text);
    }

    let xml = std::fs::read_to_string(&junit).expect("the JUnit file");
    let report = quick_junit::Report::deserialize_from_str(&xml).expect("JUnit");
    assert_eq!(
        (report.tests, report.failures, report.errors),
        (cases.len(), 0, 0)
    );
    let [suite] = &report.test_suites[..] else {
        panic!("{xml}")
    };
    assert_eq!(suite.name.as_str(), "smoke");
    let is_skipped =
        |case: &&quick_junit::TestCase| matches!(case.status, quick_junit::TestCaseStatus::Skipped { .. });
    assert_eq!(
        suite.test_cases.iter().filter(is_skipped).count(),
        skipped + known.len()
    );
    let names: Vec<&str> = suite.test_cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(
        names,
        cases.iter().map(|line| line.name.as_str()).collect::<Vec<_>>()
    );

    let value: Value = serde_json::from_slice(&std::fs::read(&json).expect("the JSON file")).expect("JSON");
    assert_eq!(value["kernel"].as_str(), Some(kernel.release.as_str()));
    let told_as = |verdict: &str| -> Vec<&Value> {
        let cases = value["cases"].as_array().expect("cases").iter();
        cases.filter(|case| case["verdict"] == verdict).collect()
    };
    for case in told_as("pass") {
        // What passes does so because something was seen.
        assert!(
            case["output"].as_array().is_some_and(|lines| !lines.is_empty()),
            "{case}"
        );
    }
    let names = |cases: &[&Value]| -> Vec<String> {
        cases
            .iter()
            .filter_map(|case| case["name"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(
        names(&told_as("known")),
        known.iter().map(|line| line.name.clone()).collect::<Vec<_>>()
    );
    assert_eq!(
        told_as("pass").len() + told_as("known").len() + told_as("skip").len(),
        cases.len()
    );
    place.assert_clean();
}

#[test]
fn the_smoke_suite_passes_on_6_12() {
    smoke("6.12");
}

#[test]
fn the_smoke_suite_passes_on_the_newest() {
    smoke("newest");
}

const WRONG: &str = r#"# Expects what is not so.
name = "wrong"
description = "Everything that this expects is wrong."
[[rule]]
name = "late"
on = "answer"
client = "1.."
handle = "16.."
do = [{ delay = "1ms" }]
[workload]
run = "vh-calc"
[expect]
exit = 3
output = ["^Sum = 1$"]
absent = ["^Max value"]
console = ["kasan"]
account = ["double-unmap"]
fired = { late = "1000.." }
dsp-crashes = "5.."
"#;

const HANGING: &str = r#"# Never answered.
name = "hanging"
description = "A call that is never answered, by a program that waits for it."
[[rule]]
name = "never"
on = "answer"
client = "1.."
handle = "16.."
method = "2.."
do = [{ drop = true }]
[workload]
run = "vh-calc"
timeout = "30s"
"#;

const WARNED: &str = r#"# A complaint of the kernel's.
name = "warned"
description = "The kernel complains, here because it is asked to."
[workload]
run = "echo c >/proc/sysrq-trigger"
"#;

/// What fails is said to fail, with its reasons, and in all forms.
#[test]
fn cases_that_must_not_pass_do_not() {
    let Some(kernel) = needed("newest") else {
        return;
    };
    let place = Place::new();
    let suite = place.path("suite");
    std::fs::create_dir(&suite).expect("a folder");
    for (name, text) in [("wrong", WRONG), ("hanging", HANGING), ("warned", WARNED)] {
        std::fs::write(suite.join(format!("{name}.toml")), text).expect("a case");
    }
    let json = place.path("result.json");
    let mut command = place.ci();
    command.arg("--kernel").arg(kernel.dir.join("Image"));
    command.arg("--suite").arg(&suite).arg("--json").arg(&json);
    let output = output(command);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let value: Value = serde_json::from_slice(&std::fs::read(&json).expect("the JSON file")).expect("JSON");
    let case = |name: &str| -> Value {
        let cases = value["cases"].as_array().expect("cases");
        cases
            .iter()
            .find(|case| case["name"] == name)
            .expect("the case")
            .clone()
    };
    let signatures = |name: &str| -> Vec<String> {
        let reasons = case(name)["reasons"].as_array().expect("reasons").clone();
        let texts = reasons.iter().filter_map(|reason| reason["signature"].as_str());
        texts.map(str::to_owned).collect()
    };
    let report = text(&output.stdout);

    assert_eq!(case("wrong")["verdict"], "fail");
    assert_eq!(
        signatures("wrong"),
        [
            "no-kasan",
            "exit",
            "output ^Sum = 1$",
            "absent ^Max value",
            "no-account double-unmap",
            "fired late",
            "dsp-crashes"
        ]
    );
    assert!(
        report.contains("the program's exit status is 0, expected 3"),
        "{report}"
    );

    assert_eq!(case("hanging")["verdict"], "hang");
    assert!(report.contains("HANG suite/hanging"), "{report}");
    // The dump shows the task that waits in the driver.
    let dump = report
        .split("Tasks when the limit was reached")
        .nth(1)
        .unwrap_or_default();
    assert!(
        dump.contains("task:vh-calc") && dump.contains("fastrpc_internal_invoke"),
        "{report}"
    );

    assert_eq!(case("warned")["verdict"], "fail");
    assert!(
        signatures("warned")
            .iter()
            .any(|s| s.starts_with("panic:sysrq triggered crash")),
        "{:?}",
        signatures("warned")
    );

    // The command that is printed repeats exactly that case.
    let line = report
        .lines()
        .find(|line| line.contains("vhost-hexagon ci") && line.ends_with(" wrong"));
    let words: Vec<&str> = line.expect("the command").split_whitespace().skip(2).collect();
    let mut command = place.ci();
    command.args(words).arg("--list");
    let listed = text(&self::output(command).stdout);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.starts_with("suite/wrong "), "{listed}");
    place.assert_clean();
}

/// One sentence on standard error, and that exit code.
#[track_caller]
fn assert_sentence(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}", both(output));
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} is not in {said}");
    }
}

#[test]
fn what_cannot_be_tested_is_one_sentence_before_any_guest_starts() {
    let Some(kernel) = needed("newest") else {
        return;
    };
    let place = Place::new();
    let image = kernel.dir.join("Image");
    let run = |arguments: &[&str]| {
        let mut command = place.ci();
        command.arg("--kernel").arg(&image).args(arguments);
        output(command)
    };

    let bad = place.write(
        "bad.toml",
        "name = \"bad\"\n[workload]\nrun = \"true\"\n[expect]\nexitt = 1\n",
    );
    let bad = bad.to_str().expect("a path");
    assert_sentence(
        &run(&["--suite", bad]),
        2,
        &["bad.toml:5:1", "did you mean `exit`"],
    );
    assert_sentence(
        &run(&["--suite", "nothing"]),
        2,
        &["there is no suite \"nothing\"", "smoke"],
    );
    assert_sentence(
        &run(&["no-such-case"]),
        2,
        &["no case is called \"no-such-case\""],
    );
    assert_sentence(
        &run(&["--junit", "/nonexistent/x.xml", "calculator"]),
        2,
        &["cannot write /nonexistent/x.xml"],
    );
    assert_sentence(
        &run(&["--guest-files", "/nonexistent", "calculator"]),
        2,
        &["no programs for the guest"],
    );

    // No driver: nothing could be tested; git bisect is told to go on elsewhere.
    let none = place.path("none");
    std::fs::create_dir(&none).expect("a folder");
    let none = none.to_str().expect("a path");
    assert_sentence(
        &run(&["--modules", none, "calculator"]),
        2,
        &["cannot be tested", "CONFIG_QCOM_FASTRPC"],
    );
    assert_sentence(
        &run(&["--modules", none, "--bisect-run", "calculator"]),
        125,
        &["cannot be tested"],
    );
    assert_sentence(&run(&["--bisect-run", "no-such-case"]), 128, &["no case"]);
    // Nor the one that is asked for.
    assert_sentence(
        &run(&["--driver", "qda"]),
        2,
        &["no qda driver", "CONFIG_DRM_ACCEL_QDA", "it has fastrpc"],
    );
    assert_sentence(
        &run(&["--driver", "qda", "--bisect-run"]),
        125,
        &["no qda driver"],
    );
    let qda = place.write(
        "qda.toml",
        "[needs]\ndriver = \"qda\"\n[workload]\nrun = \"true\"\n",
    );
    let qda = qda.to_str().expect("a path");
    assert_sentence(
        &run(&["--driver", "fastrpc", "--suite", qda]),
        2,
        &["no case of qda is for the fastrpc driver"],
    );
    let skipped = run(&["--suite", qda]);
    assert_eq!(skipped.status.code(), Some(2));
    assert!(
        both(&skipped).contains("needs the qda driver") && both(&skipped).contains("Nothing was tested."),
        "{}",
        both(&skipped)
    );
    let mut command = place.ci();
    command.args(["--bisect-run", "--kernel", "/nonexistent/Image"]);
    assert_sentence(
        &output(command),
        125,
        &["there is no kernel at /nonexistent/Image"],
    );

    // A case that this kernel is not for.
    let other = place.write(
        "other.toml",
        "[needs]\nkernel = \"<5.0\"\n[workload]\nrun = \"true\"\n",
    );
    let skipped = run(&["--suite", other.to_str().expect("a path")]);
    assert_eq!(skipped.status.code(), Some(2));
    assert!(
        both(&skipped).contains("SKIP  other/other") && both(&skipped).contains("needs a kernel <5.0"),
        "{}",
        both(&skipped)
    );
    place.assert_clean();
}

#[test]
fn a_full_disk_is_one_sentence_and_leaves_nothing() {
    let Some(kernel) = needed("newest") else {
        return;
    };
    let place = Place::new();
    // Files may have 8 MiB: the guest's file system does not fit.
    let program = assets::programs().join("vhost-hexagon");
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -f 16384; exec \"$0\" \"$@\"")
        .arg(program);
    command
        .arg("ci")
        .arg("--kernel")
        .arg(kernel.dir.join("Image"))
        .arg("calculator");
    place.at_home(&mut command);
    let output = output(command);
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    let report = both(&output);
    assert!(
        report.contains("ERROR smoke/calculator") && report.contains("initramfs.cpio: File too large"),
        "{report}"
    );
    place.assert_clean();
}

#[test]
fn a_guest_that_never_boots_is_given_up() {
    let Some(_) = needed("newest") else {
        return;
    };
    let place = Place::new();
    // An arm64 Image whose only instruction is a branch to itself.
    let mut image = vec![0; 4096];
    image[..4].copy_from_slice(&0x1400_0000u32.to_le_bytes());
    image[16..24].copy_from_slice(&4096u64.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    std::fs::write(place.path("Image"), image).expect("an image");
    let mut command = place.ci();
    command.arg("--kernel").arg(place.path("Image"));
    command.args(["--boot-timeout", "3", "--bisect-run", "calculator"]);
    let output = output(command);
    assert_eq!(output.status.code(), Some(125), "{}", both(&output));
    let report = both(&output);
    assert!(
        report.contains("did not get to its program within the time limit"),
        "{report}"
    );
    place.assert_clean();
}

/// A run with a guest that is up for a long time, and its process.
fn long_run(place: &Place, kernel: &Kernel) -> Child {
    let case = place.write(
        "long.toml",
        "[workload]\nrun = \"sleep 1000\"\ntimeout = \"1000s\"\n",
    );
    let mut command = place.ci();
    command.arg("--kernel").arg(kernel.dir.join("Image"));
    command
        .arg("--suite")
        .arg(case)
        .arg("--json")
        .arg(place.path("result.json"));
    let logs = place.path("logs");
    command.arg("--boot-timeout").arg("900").arg("--logs").arg(&logs);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let end = Instant::now() + HANG;
    let console = logs.join("long-long.console");
    while !std::fs::read(&console).is_ok_and(|bytes| text(&bytes).contains("vh: start")) {
        assert!(
            Instant::now() < end && matches!(child.try_wait(), Ok(None)),
            "the guest's program was not started"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

#[test]
fn a_killed_qemu_is_an_error_of_that_case() {
    let Some(kernel) = needed("newest") else {
        return;
    };
    let place = Place::new();
    let mut child = long_run(&place, &kernel);
    for pid in processes(&place.path("tmp").display().to_string()) {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
    assert_eq!(wait(&mut child).code(), Some(2));
    let result = std::fs::read_to_string(place.path("result.json")).expect("the JSON file");
    let value: Value = serde_json::from_str(&result).expect("JSON");
    assert_eq!(value["cases"][0]["verdict"], "error");
    let why = value["cases"][0]["reasons"][0]["text"]
        .as_str()
        .unwrap_or_default();
    assert!(why.starts_with("QEMU ended (signal: 9"), "{why}");
    place.assert_clean();
}

#[test]
fn ctrl_c_ends_guests_and_leaves_nothing() {
    let Some(kernel) = needed("newest") else {
        return;
    };
    let place = Place::new();
    let mut child = long_run(&place, &kernel);
    let _ = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert_eq!(wait(&mut child).code(), Some(130));
    place.assert_clean();
}
