//! A newer `qemu-hexagon` than this release of Debian has, as a second peer for the core: fetched from trixie-backports
//! into the cache, not installed. The package's programs are static, so they run on any release.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use emu_assets::cache::{Cache, SOURCES};
use emu_setup::apt::{self, Apt, Suite};
use emu_setup::command;

/// The program in the cache, if it was fetched.
pub fn newer_qemu(cache: &Cache) -> Option<PathBuf> {
    let dir = cache.newer_qemu_user();
    let program = dir.join("qemu-hexagon");
    (dir.join(SOURCES).is_file() && program.is_file()).then_some(program)
}

/// Fetches it if it is not there.
pub fn fetch(cache: &Cache, mirror: Option<&str>) -> Result<PathBuf> {
    if let Some(program) = newer_qemu(cache) {
        return Ok(program);
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("no packages are known for this machine ({other})"),
    };
    let site = apt::mirror(mirror)?;
    let suites = ["trixie", "trixie-backports"].map(|suite| Suite {
        site: site.clone(),
        suite,
        components: "main",
        optional: false,
    });
    let apt = Apt::foreign(cache.apt("peers"), architecture, &suites)?;
    apt.update()?;
    let versions = apt.lists().versions("qemu-user")?;
    let newest = versions.first().context("the mirror has no qemu-user")?;
    let deb = apt.download(&format!("qemu-user={newest}"))?;
    let dir = cache.newer_qemu_user();
    let _ = std::fs::remove_dir_all(&dir);
    let all = dir.join("all");
    apt::unpack(&deb, &all)?;
    let program = dir.join("qemu-hexagon");
    std::fs::rename(all.join("usr/bin/qemu-hexagon"), &program)
        .context("the package has no qemu-hexagon any more")?;
    let _ = std::fs::remove_dir_all(&all);
    let said = command::output(Command::new(&program).arg("--version"))?;
    std::fs::write(
        dir.join(SOURCES),
        format!(
            "{}\n{said}",
            deb.file_name().unwrap_or_default().to_string_lossy()
        ),
    )?;
    apt.forget();
    Ok(program)
}
