//! The demo: from a machine with nothing but the program to a skeleton that runs on our DSP behind a stock kernel, in one command.

use std::path::{Path, PathBuf};
use std::time::Instant;

use emu_assets::cache::Cache;
use host_files::output::Existing;
use serde_json::Value;

use crate::guest::{self, Boot, Outcome};
use crate::{Error, Result, ui};

/// Options of the demo.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Kernel series to boot.
    #[arg(long, default_value = "7.3", value_name = "SERIES")]
    pub kernel: String,
    /// How the kernel meets the DSPs: rpm = they simply exist; board = its remoteproc driver loads and starts them.
    #[arg(long, default_value = "rpm", value_parser = ["rpm", "board"])]
    pub platform: String,
    /// Folder with a `libcalculator_skel.so` to run instead of the program's own.
    #[arg(long, value_name = "DIR")]
    pub skel_dir: Option<PathBuf>,
    /// Address of the Debian archive for set-up.
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// File that gets the guest's console [default: logs/demo-console.log in the cache].
    #[arg(long, value_name = "FILE")]
    pub console_log: Option<PathBuf>,
    /// Overwrite that file if it is there already.
    #[arg(long, requires = "console_log")]
    pub force: bool,
}

/// The lines that the DSP's answers must produce.
const WANTED: [&str; 2] = ["Sum = 499500", "Max value = 999"];
/// The skeleton.
const SKELETON: &str = "libcalculator_skel.so";

/// Sets up, boots a guest with the emulator's program, shows what came back.
///
/// # Errors
/// Something is missing and cannot be had, or the guest did not print what it should.
pub fn demo(emulator: &Path, options: &Options) -> Result<()> {
    let start = Instant::now();
    crate::setup(&crate::Options {
        kernels: vec![options.kernel.clone()],
        mirror: options.mirror.clone(),
        ..crate::Options::default()
    })?;
    let skeleton = match &options.skel_dir {
        None => None,
        Some(dir) if dir.join(SKELETON).is_file() => Some(dir.canonicalize().map_err(Error::file(dir))?),
        Some(dir) => return Err(Error::Demo(format!("{} holds no {SKELETON}", dir.display()))),
    };
    let (log, existing) = match &options.console_log {
        Some(path) => (path.clone(), Existing::forced(options.force)),
        // The cache is ours.
        None => (
            Cache::open()?.root().join("logs/demo-console.log"),
            Existing::Overwrite,
        ),
    };
    let boot = Boot {
        emulator,
        kernel: &options.kernel,
        skeletons: skeleton.as_deref(),
        command: &["/vh/bin/vh-calc"],
        platform: &options.platform,
        options: &[],
        log,
        existing,
    };
    let outcome = ui::step("guest", || guest::boot(&boot))?;
    ui::say("");
    let mut missing = Vec::new();
    for wanted in WANTED {
        match outcome.console.lines().find(|line| line.trim() == wanted) {
            Some(line) => ui::say(line.trim()),
            None => missing.push(wanted),
        }
    }
    ui::say("");
    summary(&outcome, skeleton.as_deref());
    line("all of this took", ui::seconds(start.elapsed()));
    if !missing.is_empty() {
        let tail: Vec<&str> = outcome.console.lines().rev().take(25).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return Err(Error::Demo(format!(
            "the guest did not print `{}`; the end of its console ({}):\n{}",
            missing.join("`, `"),
            outcome.log.display(),
            tail.join("\n")
        )));
    }
    if !outcome.success {
        return Err(Error::Demo(format!(
            "the emulator ended with an error; see {}",
            outcome.log.display()
        )));
    }
    Ok(())
}

fn line(name: &str, text: String) {
    ui::say(format!("  {name:<22} {text}"));
}

fn summary(outcome: &Outcome, skeletons: Option<&Path>) {
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
    let (size, whose) = match skeletons {
        Some(folder) => {
            let size = folder.join(SKELETON).metadata().map_or(0, |m| m.len());
            (size, format!("from {}", folder.display()))
        }
        None => {
            let size = emu_assets::find(&format!("skel/{SKELETON}")).map_or(0, |asset| asset.size as u64);
            (size, "the program's own".to_owned())
        }
    };
    line("skeleton", format!("{SKELETON}, {size} bytes ({whose})"));
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
