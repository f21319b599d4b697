//! A recorded run of a stock kernel: it explains itself, it can be played again to our DSP and to a guest, and with
//! `--deterministic` it comes out the same each time.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tests::assets::{self, Kernel};
use tests::guest::requirements;
use tests::hexagon::{build_shared, llvm_and_emulator};

/// Scenarios in `scenarios/fastrpc` that are run twice with `VH_DETERMINISM=all`, beside the honest DSP; the first ones always.
const SCENARIOS: [&str; 19] = [
    "double-answer",
    "forged-context",
    "failed-calls",
    "no-attributes",
    "old-architecture",
    "signals-unknown-channel",
    "answer-and-close",
    "channel-closes",
    "data-before-open",
    "exit-notification",
    "failed-create",
    "fdlist-lies",
    "metadata-lies",
    "poll-word-first",
    "refused-unmap",
    "slow-unmap",
    "spurious-interrupts",
    "stray-write",
    "write-after-answer",
];
/// How many of them are always run.
const ALWAYS: usize = 4;

struct Setup {
    kernel: Kernel,
    firmware: PathBuf,
    dir: tempfile::TempDir,
}

impl Setup {
    fn new(series: &str) -> Option<Self> {
        let (kernel, firmware) = assets::or_skip(requirements(series))?;
        Some(Self {
            kernel,
            firmware,
            dir: tempfile::tempdir().expect("a temporary folder"),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `vhost-hexagon WORDS … -- COMMAND` with a guest that has our programs and the real calculator.
    fn guest(&self, words: &[&str], command: &str) -> Result<Output> {
        let mut run = program();
        run.args(words);
        run.arg("--kernel").arg(self.kernel.dir.join("Image"));
        run.arg("--modules").arg(self.kernel.dir.join("modules"));
        for (from, to) in [("guest/bin", "/vh/bin"), ("skel", "/vh/skel")] {
            for entry in std::fs::read_dir(self.firmware.join(from))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                run.arg("--file")
                    .arg(format!("{}:{to}/{name}", entry.path().display()));
            }
        }
        run.args(["--timeout", "150", "--", "/bin/sh", "-c", command]);
        Ok(run.output()?)
    }
}

fn program() -> Command {
    Command::new(assets::programs().join("vhost-hexagon"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

#[test]
fn a_recorded_run_explains_itself_and_can_be_played_again() -> Result<()> {
    let Some(setup) = Setup::new("newest") else {
        return Ok(());
    };
    let (trace, drawn) = (setup.file("run.pcapng"), setup.file("run.json"));
    let words = [
        "run",
        "--account",
        "--strict-silicon",
        "--trace",
        path(&trace),
        "--timeline",
        path(&drawn),
    ];
    let output = setup.guest(&words, "vh-calc")?;
    ensure!(said(&output).contains("Sum = 499500"), "{}", said(&output));

    // What it says.
    let output = program().args(["trace", "--json", path(&trace)]).output()?;
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let calls = |kind: &str, interface: &str| -> Vec<&Value> {
        let mut found: Vec<&Value> = lines.iter().filter(|l| l["fastrpc"]["type"] == kind).collect();
        found.retain(|l| l["fastrpc"]["interface"] == interface);
        found
    };
    ensure!(calls("request", "calculator").len() >= 2);
    for answer in calls("answer", "calculator") {
        ensure!(answer["fastrpc"]["retval"] == 0, "{answer}");
        ensure!(answer["fastrpc"]["time"].as_u64() > Some(0), "{answer}");
    }
    let about = lines.iter().find_map(|l| l["about"].as_str()).context("about")?;
    let about: Value = serde_json::from_str(about)?;
    ensure!(about["strict_silicon"] == true, "{about}");
    let created = lines.iter().any(|l| l["memory"]["process"] == "vh-calc");
    let fopen = |l: &Value| {
        l["reverse"]["method_name"]
            .as_str()
            .is_some_and(|n| n.starts_with("fopen"))
    };
    ensure!(
        created && lines.iter().any(fopen),
        "no process, or no file was opened"
    );
    let runs = lines.iter().filter(|l| l["kind"] == "thread").count();
    ensure!(runs >= 4 && runs % 2 == 0, "{runs} events of DSP threads");

    // The picture.
    let picture: Value = serde_json::from_str(&std::fs::read_to_string(&drawn)?)?;
    let events = picture["traceEvents"].as_array().context("traceEvents")?;
    let slices = |kind: &str| {
        events
            .iter()
            .filter(|e| e["cat"] == kind && e["ph"] == "X")
            .count()
    };
    let requests = lines.iter().filter(|l| l["fastrpc"]["type"] == "request").count();
    ensure!(slices("invoke") == requests && slices("run") * 2 == runs && slices("reverse") > 4);

    // Its AP's half, to our DSP.
    let output = program().args(["replay", "--dsp", path(&trace)]).output()?;
    ensure!(output.status.success(), "{}", said(&output));
    ensure!(
        said(&output).contains(&format!("{requests} requests played")),
        "{}",
        said(&output)
    );

    // A DSP that computed something else.
    let mut bytes = std::fs::read(&trace)?;
    let sum = 499_500u64.to_le_bytes();
    let at = bytes
        .windows(8)
        .position(|w| w == sum)
        .context("no sum in the trace")?;
    bytes[at] ^= 1;
    let other = setup.file("other.pcapng");
    std::fs::write(&other, &bytes)?;
    let output = program().args(["replay", "--dsp", path(&other)]).output()?;
    ensure!(output.status.code() == Some(4), "{}", said(&output));
    ensure!(
        said(&output).contains("differs: calculator.2") && said(&output).contains("output 2"),
        "{}",
        said(&output)
    );

    // Its DSP's half, to a guest. The program's end races with the listener's last request, which only tells that its thread
    // ends: that one may be there in one run and not in the other.
    let output = setup.guest(&["replay", path(&trace)], "vh-calc")?;
    let told = said(&output);
    let differences: Vec<&str> = told.lines().filter(|line| line.contains(" differs: ")).collect();
    ensure!(
        differences
            .iter()
            .all(|line| line.contains("adsp_current_process1.thread_exit")),
        "{told}"
    );
    let code = if differences.is_empty() { 0 } else { 4 };
    ensure!(
        output.status.code() == Some(code) && told.contains("Sum = 499500"),
        "{told}"
    );
    let asked = format!("{} requests were asked as recorded", requests - differences.len());
    ensure!(
        told.contains(&asked)
            || (!differences.is_empty() && told.contains("requests were asked as recorded")),
        "{told}"
    );
    Ok(())
}

/// Runs a program twice; the traces must be the same byte for byte.
fn twice(setup: &Setup, scenario: Option<&str>) -> Result<u64> {
    let mut files = Vec::new();
    for round in ["first", "second"] {
        let file = setup.file(&format!("{}-{round}.pcapng", scenario.unwrap_or("honest")));
        let scenario = scenario.map(|name| {
            let file = format!("scenarios/fastrpc/{name}.toml");
            assets::workspace().join(file).display().to_string()
        });
        let mut words = vec!["run", "--deterministic", "--quiet", "--trace", path(&file)];
        if let Some(scenario) = &scenario {
            words.extend(["--scenario", scenario]);
        }
        // A skeleton that logs has the listener's thread beside the caller's: which of them runs first is not pinned. Calls that a
        // scenario leaves without an answer end with their program.
        setup.guest(&words, "timeout 20 vh-invoke bench 2 --repeat 20")?;
        files.push(file);
    }
    if std::fs::read(&files[0])? != std::fs::read(&files[1])? {
        let output = program()
            .args(["trace", path(&files[0]), "--diff", path(&files[1])])
            .output()?;
        anyhow::bail!("two runs differ:\n{}", said(&output));
    }
    let output = program().args(["trace", "--json", path(&files[0])]).output()?;
    let requests = text(&output.stdout).matches("\"type\":\"request\"").count();
    ensure!(requests >= 3, "only {requests} requests");
    Ok(requests as u64)
}

/// A call that crashed because the run was strict about the part's vector unit does so again.
#[test]
fn a_strict_run_is_played_to_a_strict_dsp() -> Result<()> {
    let Some(setup) = Setup::new("newest") else {
        return Ok(());
    };
    let Some(llvm) = llvm_and_emulator() else {
        return Ok(());
    };
    let skeleton = setup.file("libfloats_skel.so");
    let skeleton = build_shared(&llvm, "floats", 68, &["-mhvx-ieee-fp"], skeleton);
    let trace = setup.file("strict.pcapng");
    let file = format!("{}:/vh/skel/libfloats_skel.so", skeleton.display());
    let words = [
        "run",
        "--soc",
        "sm8550",
        "--strict-silicon",
        "--file",
        &file,
        "--trace",
        path(&trace),
    ];
    let output = setup.guest(&words, "vh-invoke floats 2 --in 128 --in 128 --out 128")?;
    ensure!(
        said(&output).contains("has no such floating point"),
        "{}",
        said(&output)
    );
    let output = program().args(["replay", "--dsp", path(&trace)]).output()?;
    ensure!(
        output.status.success() && said(&output).contains("compared"),
        "{}",
        said(&output)
    );
    Ok(())
}

#[test]
fn the_same_program_makes_the_same_trace() -> Result<()> {
    let mut differ = Vec::new();
    for series in ["6.12", "newest"] {
        let Some(setup) = Setup::new(series) else {
            return Ok(());
        };
        let all = std::env::var("VH_DETERMINISM").is_ok_and(|v| v == "all");
        let count = match series {
            "6.12" => 0,
            _ if all => SCENARIOS.len(),
            _ => ALWAYS,
        };
        let scenarios = SCENARIOS[..count].iter().map(|name| Some(*name));
        for scenario in std::iter::once(None).chain(scenarios) {
            let name = format!("{series} {}", scenario.unwrap_or("honest"));
            match twice(&setup, scenario) {
                Ok(requests) => println!("{name}: {requests} requests, twice the same"),
                Err(why) => differ.push(format!("{name}: {why:#}")),
            }
        }
    }
    ensure!(
        differ.is_empty(),
        "{} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
    Ok(())
}
