//! `cargo xtask setup`: tools, then guest assets. Quick and silent when all is there; needs the network only for what
//! is missing.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::apt::{self, Apt, Suite};
use crate::cache::{Cache, SOURCES};
use crate::{kernels, peers, tools, ui};

/// Kernels that the tests want: the long-term one and the newest.
pub const KERNELS: &[&str] = &["6.12", "7.3"];

/// Guest user space beside libfastrpc1: a shell, and the closure of the library's and our programs' needs.
const GUEST_PACKAGES: &[&str] = &[
    "busybox-static",
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "libyaml-0-2",
    "libbsd0",
    "libmd0",
];

/// Options of `setup`.
#[derive(Args, Clone, Default)]
pub struct SetupArgs {
    /// Kernel series to have in the cache (repeatable; default: 6.12 and 7.3).
    #[arg(long = "kernel", value_name = "SERIES")]
    pub kernels: Vec<String>,
    /// A kernel to have beside them, by its version (repeatable): nothing takes it unless it is named (6.12.90, 6.1.0-50).
    #[arg(long = "named-kernel", value_name = "VERSION")]
    pub named_kernels: Vec<String>,
    /// Address of the Debian archive, as in a line of sources.list (default: the one this machine uses).
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Only look: list what is missing and change nothing.
    #[arg(long)]
    pub check: bool,
    /// Fetch kernels anew when the mirror has newer ones.
    #[arg(long)]
    pub refresh: bool,
    /// Leave the host's tools alone; fetch guest assets only.
    #[arg(long)]
    pub assets_only: bool,
}

impl SetupArgs {
    /// The kernel series asked for.
    pub fn series(&self) -> Vec<String> {
        if self.kernels.is_empty() {
            KERNELS.iter().map(|k| (*k).to_owned()).collect()
        } else {
            self.kernels.clone()
        }
    }
}

/// Checks tools and assets, and completes them.
pub fn setup(args: &SetupArgs) -> Result<()> {
    if !args.assets_only {
        ui::step("tools", || tools::ensure(args.mirror.as_deref(), args.check))?;
    }
    let cache = Cache::open()?;
    ui::step("guest assets", || assets(&cache, args))?;
    if !args.check && peers::newer_qemu(&cache).is_none() {
        ui::step("newer qemu-user", || {
            // Only a second opinion: tests that want it say that they go without.
            match peers::fetch(&cache, args.mirror.as_deref()) {
                Ok(program) => ui::say(format!("   {}", program.display())),
                Err(error) => ui::say(format!("   doing without it: {error:#}")),
            }
            Ok(())
        })?;
    }
    if !args.named_kernels.is_empty() {
        ui::step("named kernels", || {
            named_kernels(&cache, args.mirror.as_deref(), &args.named_kernels)
        })?;
    }
    ui::say(format!("cache: {}", cache.root().display()));
    for release in cache.kernels() {
        ui::say(format!("kernel: {release}"));
    }
    for name in cache.extra_kernels() {
        ui::say(format!("kernel: {name} (if named)"));
    }
    Ok(())
}

/// Has kernels in the cache that are only taken when they are named.
pub fn named_kernels(cache: &Cache, mirror: Option<&str>, versions: &[String]) -> Result<()> {
    let there = cache.extra_kernels();
    let is_there = |version: &str| there.iter().any(|name| crate::cache::in_series(name, version));
    let missing: Vec<&String> = versions.iter().filter(|v| !is_there(v)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = kernels::archive(cache, mirror, true)?;
    for version in missing {
        let release = kernels::fetch_named(cache, &apt, version)?;
        ui::say(format!("   kernel {release} is in the cache"));
    }
    Ok(())
}

/// A series is there when a kernel of it is, or one that replaced it because the mirror had nothing older.
fn has_kernel(cache: &Cache, series: &str) -> bool {
    cache.newest(series).is_some()
        || cache
            .root()
            .join("kernels")
            .join(format!("{series}.replaced"))
            .is_file()
}

fn assets(cache: &Cache, args: &SetupArgs) -> Result<()> {
    let series = args.series();
    let missing: Vec<&String> = series
        .iter()
        .filter(|s| args.refresh || !has_kernel(cache, s))
        .collect();
    let root_missing = !cache.guest_root().join(SOURCES).is_file();
    if missing.is_empty() && !root_missing {
        return Ok(());
    }
    for s in &missing {
        ui::say(format!("   needed: a stock arm64 kernel {s}"));
    }
    if root_missing {
        ui::say("   needed: the guest's user space (busybox, libc6, libfastrpc1 and what they need)");
    }
    if args.check {
        bail!("guest assets are missing (see above); `cargo xtask setup` fetches them");
    }
    let site = apt::mirror(args.mirror.as_deref())?;
    let suite = |suite, components| Suite {
        site: site.clone(),
        suite,
        components,
        optional: false,
    };
    if root_missing {
        let suites = [
            suite("trixie", "main"),
            suite("trixie-backports", "main contrib"),
            // Newer than what backports have, where the mirror's copy is in order.
            Suite {
                optional: true,
                ..suite("sid", "contrib")
            },
        ];
        let apt = Apt::foreign(cache.apt("guest"), "arm64", &suites)?;
        apt.update()?;
        guest_root(cache, &apt)?;
    }
    if !missing.is_empty() {
        let everywhere = missing.iter().any(|s| !KERNELS.contains(&s.as_str()));
        let apt = kernels::archive(cache, args.mirror.as_deref(), everywhere)?;
        for s in missing {
            let release = kernels::fetch(cache, &apt, s)?;
            if !crate::cache::in_series(&release, s) {
                std::fs::write(
                    cache.root().join("kernels").join(format!("{s}.replaced")),
                    &release,
                )?;
            }
            ui::say(format!("   kernel {release} is in the cache"));
        }
    }
    Ok(())
}

/// Makes the guest's root: packages unpacked side by side, documentation and locales left out.
fn guest_root(cache: &Cache, apt: &Apt) -> Result<()> {
    let target = cache.guest_root();
    let _ = std::fs::remove_dir_all(&target);
    for dir in ["usr/bin", "usr/sbin", "usr/lib"] {
        std::fs::create_dir_all(target.join(dir))?;
        let name = dir.trim_start_matches("usr/");
        symlink(dir, target.join(name)).with_context(|| format!("cannot link {name}"))?;
    }
    let versions = apt.versions("libfastrpc1")?;
    let newest = versions
        .first()
        .context("the mirror has no libfastrpc1 for arm64")?;
    let mut wanted: Vec<String> = GUEST_PACKAGES.iter().map(|p| (*p).to_owned()).collect();
    wanted.push(format!("libfastrpc1={newest}"));
    let mut sources = String::new();
    for package in wanted {
        let deb = apt.download(&package)?;
        apt::unpack(&deb, &target)?;
        sources.push_str(&format!(
            "{}\n",
            deb.file_name().unwrap_or_default().to_string_lossy()
        ));
    }
    for dir in [
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/lintian",
        "usr/share/gdb",
        "usr/lib/aarch64-linux-gnu/gconv",
        "usr/lib/locale",
        "usr/lib/systemd",
    ] {
        let _ = std::fs::remove_dir_all(target.join(dir));
    }
    for needed in [
        "usr/bin/busybox",
        "usr/lib/aarch64-linux-gnu/libcdsprpc.so.1",
        "usr/lib/aarch64-linux-gnu/libc.so.6",
    ] {
        check_there(&target, needed)?;
    }
    std::fs::write(target.join(SOURCES), sources)?;
    apt.forget_downloads();
    Ok(())
}

fn check_there(root: &Path, file: &str) -> Result<()> {
    if !root.join(file).exists() {
        bail!("the guest's user space lacks /{file} after unpacking: the packages changed their layout");
    }
    Ok(())
}
