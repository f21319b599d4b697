//! A fresh Debian root to try things in: made with debootstrap, entered with chroot in a mount namespace of its own. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use emu_setup::command::{output, run};
use emu_setup::tools::{Need, on_path};
use emu_setup::{apt, ui};

use crate::firmware;

/// What runs in the namespace: `$1` is the root, the rest the command. What it mounts goes with it.
const ENTER: &str = r#"
set -e
root=$1; shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sys "$root/sys" || true
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
"#;

/// Where the roots are.
fn folder() -> PathBuf {
    firmware::target_dir().join("debian")
}

/// A root.
pub struct DebianRoot {
    dir: PathBuf,
}

impl DebianRoot {
    /// A copy of what debootstrap makes, which is made once; an earlier copy of that name goes.
    pub fn make(name: &str, release: &str, mirror: Option<&str>) -> Result<Self> {
        ensure!(
            apt::is_root(),
            "a fresh Debian root is made with debootstrap and entered with chroot, which only root can do: run this as root"
        );
        ensure!(
            !release.is_empty() && release.chars().all(|c| c.is_ascii_lowercase()),
            "{release:?} is no release of Debian's"
        );
        emu_setup::tools::ensure(needs, mirror, false)?;
        let made = folder().join(format!("{release}.made"));
        if !made.is_dir() {
            make(&made, release, &apt::mirror(mirror)?)?;
        }
        let dir = folder().join(name);
        remove(&dir)?;
        run(Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([&made, &dir]))?;
        // How names are resolved here.
        let resolver = "/etc/resolv.conf";
        std::fs::copy(resolver, dir.join(resolver.trim_start_matches('/'))).context(resolver)?;
        Ok(Self { dir })
    }

    /// A file's place in it.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.join(inside.trim_start_matches('/'))
    }

    /// Runs a command in it, which shows its own output.
    pub fn run(&self, words: &[&str]) -> Result<()> {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--", "/bin/sh", "-c", ENTER, "enter"])
            .arg(&self.dir)
            .args(words);
        ui::say(format!("# {}", words.join(" ")));
        run(&mut command).with_context(|| format!("in {}", self.dir.display()))
    }

    /// Bytes of everything in it.
    pub fn size(&self) -> Result<u64> {
        size(&self.dir)
    }

    /// Removes it.
    pub fn remove(self) -> Result<()> {
        remove(&self.dir)
    }
}

fn needs() -> Vec<Need> {
    vec![
        Need::new("debootstrap", on_path("debootstrap"), &["debootstrap"]),
        Need::new("unshare", on_path("unshare"), &["util-linux"]),
    ]
}

/// Makes a root that has its name only when it is complete.
fn make(made: &Path, release: &str, mirror: &str) -> Result<()> {
    let partial = made.with_extension("partial");
    remove(&partial)?;
    std::fs::create_dir_all(&partial)?;
    ui::step(&format!("debootstrap {release}"), || {
        let mut command = Command::new("debootstrap");
        command
            .args(["--variant=minbase", release])
            .arg(&partial)
            .arg(mirror);
        output(&mut command)
    })?;
    std::fs::rename(&partial, made).context("cannot keep the new root")
}

/// Bytes that `du` counts below a path, 0 if it is not there.
pub fn size(path: &Path) -> Result<u64> {
    if !path.exists() {
        return Ok(0);
    }
    let text = output(Command::new("du").args(["-s", "--block-size=1", "-x"]).arg(path))?;
    match text.split_whitespace().next().and_then(|n| n.parse().ok()) {
        Some(n) => Ok(n),
        None => bail!("du says {text:?}"),
    }
}

/// Removes a root, and nothing that is mounted in it.
fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        run(Command::new("rm").args(["-rf", "--one-file-system"]).arg(dir))?;
    }
    Ok(())
}
