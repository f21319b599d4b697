//! Starting a guest through `vhost-hexagon run`, the way a user would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use emu_assets::cache::Cache;
use host_files::output::{self, Existing};

use crate::command::line_of;
use crate::{Error, Result};

/// One boot.
pub struct Boot<'a> {
    /// The emulator's program.
    pub emulator: &'a Path,
    /// Kernel series: `6.12`, `7.3`, or a release in the cache.
    pub kernel: &'a str,
    /// Folder whose files the guest has as skeletons, before the program's own.
    pub skeletons: Option<&'a Path>,
    /// What runs in the guest.
    pub command: &'a [&'a str],
    /// `rpm` or `board`.
    pub platform: &'a str,
    /// More options of `vhost-hexagon run`.
    pub options: &'a [String],
    /// File that gets the guest's console.
    pub log: PathBuf,
    /// What becomes of it if it is there already.
    pub existing: Existing,
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
///
/// # Errors
/// There is no such kernel, or the guest did not start.
pub fn boot(boot: &Boot<'_>) -> Result<Outcome> {
    let cache = Cache::open()?;
    let release = cache
        .newest(boot.kernel)
        .or_else(|| cache.kernels().pop())
        .ok_or_else(|| {
            Error::Demo(format!(
                "no kernel {} is in the cache; set-up fetches one",
                boot.kernel
            ))
        })?;
    if let Some(folder) = boot.log.parent() {
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    }
    // Emptied, so that what an earlier boot said is not taken for what this one says.
    drop(output::create(&boot.log, boot.existing)?);
    let mut command = Command::new(boot.emulator);
    command
        .arg("run")
        .arg("--kernel")
        .arg(cache.kernel(&release).join("Image"));
    command.args(["--platform", boot.platform]);
    command
        .arg("--console-log")
        .arg(&boot.log)
        .args(["--json", "--quiet"]);
    if let Some(folder) = boot.skeletons {
        for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
            let path = entry.map_err(Error::file(folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            command
                .arg("--file")
                .arg(format!("{}:/vh/skel/{name}", path.display()));
        }
    }
    command.args(boot.options);
    command.arg("--").args(boot.command);
    let done = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(Child::wait_with_output)
        .map_err(|source| Error::Start {
            command: line_of(&command),
            source,
        })?;
    let console = std::fs::read(&boot.log)
        .map(|b| String::from_utf8_lossy(&b).replace('\r', ""))
        .unwrap_or_default();
    if console.is_empty() {
        return Err(Error::Failed {
            command: line_of(&command),
            status: done.status,
            said: format!(":\n{}", String::from_utf8_lossy(&done.stderr).trim()),
        });
    }
    // The summary is the last line; without --quiet the console would stand before it.
    let said = String::from_utf8_lossy(&done.stdout);
    let last = said.lines().rfind(|l| l.starts_with('{')).unwrap_or("null");
    let summary = serde_json::from_str(last).unwrap_or(serde_json::Value::Null);
    Ok(Outcome {
        console,
        log: boot.log.clone(),
        summary,
        release,
        success: done.status.success(),
    })
}
