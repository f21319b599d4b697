//! `cargo xtask demo`: from a machine with Rust to a skeleton running on our DSP behind a stock kernel, in one command.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::assets::{self, SetupArgs};
use crate::firmware::Firmware;
use crate::guest::{self, Boot, Outcome};
use crate::{firmware, ui};

/// Options of `demo`.
#[derive(Args, Clone)]
pub struct DemoArgs {
    /// Kernel series to boot.
    #[arg(long, default_value = "7.3", value_name = "SERIES")]
    pub kernel: String,
    /// How the kernel meets the DSPs: rpm = they simply exist; board = its remoteproc driver loads and starts them.
    #[arg(long, default_value = "rpm", value_parser = ["rpm", "board"])]
    pub platform: String,
    /// Folder with a `libcalculator_skel.so` to run (default: the one beside this project, else our own).
    #[arg(long, value_name = "DIR")]
    pub skel_dir: Option<PathBuf>,
    /// Address of the Debian archive for set-up.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
}

/// The lines that the DSP's answers must produce.
const WANTED: [&str; 2] = ["Sum = 499500", "Max value = 999"];

/// Sets up, builds, boots, shows what came back.
pub fn demo(args: &DemoArgs) -> Result<()> {
    let start = Instant::now();
    let mut setup = SetupArgs {
        mirror: args.mirror.clone(),
        ..SetupArgs::default()
    };
    setup.kernels = vec![args.kernel.clone()];
    assets::setup(&setup)?;
    let emulator = ui::step("build", guest::build_emulator)?;
    let firmware = ui::step("firmware", firmware::build)?;
    let (skeletons, whose) = skeletons(args.skel_dir.as_deref(), &firmware)?;
    let command = ["/vh/bin/vh-calc"];
    let boot = Boot {
        emulator: &emulator,
        kernel: &args.kernel,
        skeletons: &skeletons,
        command: &command,
        platform: &args.platform,
        options: &[],
        name: "demo",
    };
    let outcome = ui::step("guest", || guest::boot(&boot, &firmware))?;
    ui::say("");
    let mut missing = Vec::new();
    for wanted in WANTED {
        match outcome.console.lines().find(|line| line.trim() == wanted) {
            Some(line) => ui::say(line.trim()),
            None => missing.push(wanted),
        }
    }
    ui::say("");
    summary(&outcome, &skeletons, whose);
    ui::say(format!(
        "  {:<22} {}",
        "all of this took",
        ui::seconds(start.elapsed())
    ));
    if !missing.is_empty() {
        let tail: Vec<&str> = outcome.console.lines().rev().take(25).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!(
            "the guest did not print `{}`; the end of its console ({}):\n{}",
            missing.join("`, `"),
            outcome.log.display(),
            tail.join("\n")
        );
    }
    if !outcome.success {
        bail!("the emulator ended with an error; see {}", outcome.log.display());
    }
    Ok(())
}

/// Which calculator runs: the user's, the real one, or ours.
fn skeletons(named: Option<&Path>, firmware: &Firmware) -> Result<(PathBuf, &'static str)> {
    const FILE: &str = "libcalculator_skel.so";
    if let Some(dir) = named {
        if !dir.join(FILE).is_file() {
            bail!("{} holds no {FILE}", dir.display());
        }
        let dir = dir
            .canonicalize()
            .with_context(|| format!("cannot open {}", dir.display()))?;
        return Ok((dir, "named by --skel-dir"));
    }
    if let Some(real) = test_needs::testdata().map(|data| data.join("qualcomm-fastrpc"))
        && real.join(FILE).is_file()
    {
        return Ok((real.canonicalize()?, "fastrpc's own test skeleton"));
    }
    Ok((
        firmware.root().join("skel"),
        "ours, from firmware/skel/calculator.c",
    ))
}

fn summary(outcome: &Outcome, skeletons: &Path, whose: &str) {
    let line = |name: &str, text: String| ui::say(format!("  {name:<22} {text}"));
    let seen = |text: &str| {
        outcome
            .console
            .lines()
            .find(|l| l.contains(text))
            .map(str::to_owned)
    };
    line(
        "kernel",
        format!("{} (stock Debian, unmodified)", outcome.release),
    );
    let nodes = seen("VH-READY").map(|l| l.split_whitespace().skip(2).collect::<Vec<_>>().join(" "));
    line(
        "driver",
        format!(
            "fastrpc (the kernel's own): {}",
            nodes.unwrap_or_else(|| "no device node".into())
        ),
    );
    line(
        "library",
        "libcdsprpc.so.1 of Debian's libfastrpc1, unmodified".into(),
    );
    let file = skeletons.join("libcalculator_skel.so");
    let size = file.metadata().map_or(0, |m| m.len());
    line(
        "skeleton",
        format!("libcalculator_skel.so, {size} bytes ({whose})"),
    );
    if let Some(dsps) = outcome.summary["dsps"].as_object() {
        for (label, stats) in dsps {
            let n = |key: &str| stats[key].as_u64().unwrap_or(0);
            if n("messages_in") == 0 && dsps.len() > 1 {
                continue;
            }
            line(
                "DSP",
                format!(
                    "{label}: {} process(es), {} crash(es)",
                    n("processes"),
                    n("crashes")
                ),
            );
            line(
                "messages",
                format!("{} to the DSP, {} back", n("messages_in"), n("messages_out")),
            );
            line("packets executed", n("packets").to_string());
            line("bytes mapped", n("bytes_mapped").to_string());
        }
    }
    let number = |value: &Value| value.as_f64().map(|s| format!("{s:.1} s"));
    if let Some(text) = number(&outcome.summary["seconds_to_ready"]) {
        line("power-on to device", text);
    }
    if let Some(first) = seen("first result at").and_then(|l| l.split_whitespace().last().map(str::to_owned))
    {
        line("power-on to result", format!("{first} s of guest time"));
    }
    if let Some(text) = number(&outcome.summary["seconds"]) {
        line("whole run", text);
    }
    line("guest console", outcome.log.display().to_string());
}
