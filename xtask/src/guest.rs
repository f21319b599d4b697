//! Starting a guest through `vhost-hexagon run`, the way a user would, with our programs and skeletons in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::firmware::{self, Firmware};
use crate::test::cargo;
use crate::ui;

/// Builds the release `vhost-hexagon` and returns its file.
pub fn build_emulator() -> Result<PathBuf> {
    ui::run(&mut cargo(&[
        "build",
        "--release",
        "--quiet",
        "--package",
        "vhost-hexagon",
        "--bin",
        "vhost-hexagon",
    ]))?;
    Ok(firmware::target_dir().join("release/vhost-hexagon"))
}

/// One boot.
pub struct Boot<'a> {
    /// The emulator's program.
    pub emulator: &'a Path,
    /// Kernel series: `6.12`, `7.3`, or a release in the cache.
    pub kernel: &'a str,
    /// Folder whose files become the guest's skeletons.
    pub skeletons: &'a Path,
    /// What runs in the guest.
    pub command: &'a [&'a str],
    /// `rpm` or `board`.
    pub platform: &'a str,
    /// More options of `vhost-hexagon run`.
    pub options: &'a [String],
    /// Name of this boot; its console log is named after it.
    pub name: &'a str,
}

/// What a boot left behind.
pub struct Outcome {
    /// Everything the guest said.
    pub console: String,
    /// Where that stands.
    pub log: PathBuf,
    /// The emulator's summary.
    pub summary: serde_json::Value,
    /// Which kernel it was.
    pub release: String,
    /// Whether the emulator ended well.
    pub success: bool,
}

/// Boots a guest and waits for its end.
pub fn boot(boot: &Boot<'_>, firmware: &Firmware) -> Result<Outcome> {
    let cache = Cache::open()?;
    let release = cache
        .newest(boot.kernel)
        .or_else(|| cache.kernels().pop())
        .with_context(|| {
            format!(
                "no kernel {} is in the cache; `cargo xtask setup` fetches one",
                boot.kernel
            )
        })?;
    let logs = firmware::target_dir().join("logs");
    std::fs::create_dir_all(&logs)?;
    let log = logs.join(format!("{}-console.log", boot.name));
    let mut command = Command::new(boot.emulator);
    command
        .arg("run")
        .arg("--kernel")
        .arg(cache.kernel(&release).join("Image"));
    command
        .arg("--modules")
        .arg(cache.kernel(&release).join("modules"));
    command.args(["--platform", boot.platform]);
    command.arg("--firmware").arg(firmware.root().join("dsp/dsp.mbn"));
    command
        .arg("--console-log")
        .arg(&log)
        .args(["--force", "--json", "--quiet"]);
    for (from, to) in [
        (firmware.root().join("guest/bin"), "/vh/bin"),
        (boot.skeletons.to_owned(), "/vh/skel"),
    ] {
        for entry in std::fs::read_dir(&from).with_context(|| format!("cannot read {}", from.display()))? {
            let entry = entry?;
            let file = format!(
                "{}:{to}/{}",
                entry.path().display(),
                entry.file_name().to_string_lossy()
            );
            command.arg("--file").arg(file);
        }
    }
    command.args(boot.options);
    command.arg("--").args(boot.command);
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| format!("cannot start {}", boot.emulator.display()))?;
    let console = std::fs::read(&log)
        .map(|b| String::from_utf8_lossy(&b).replace('\r', ""))
        .unwrap_or_default();
    if console.is_empty() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!(
            "the guest did not start (`{}`):\n{}",
            ui::line_of(&command),
            said.trim()
        );
    }
    // The summary is the last line; without --quiet the console would stand before it.
    let said = String::from_utf8_lossy(&done.stdout);
    let last = said.lines().rfind(|l| l.starts_with('{')).unwrap_or("null");
    let summary = serde_json::from_str(last).unwrap_or(serde_json::Value::Null);
    Ok(Outcome {
        console,
        log,
        summary,
        release,
        success: done.status.success(),
    })
}
