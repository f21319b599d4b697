//! What a user does once, with nothing but the program: kernels and user space for guests are fetched, QEMU is checked and installed,
//! the demo shows that all of it works.
//!
//! Everything fetched is a Debian package, verified against Debian's keys, and kept in the cache
//! ([`emu_assets::cache`] says where and how). Nothing of the system is changed but by installing QEMU, as root.

#![forbid(unsafe_code)]

pub mod apt;
pub mod command;
pub mod demo;
mod error;
pub mod guest;
pub mod kernel_files;
pub mod kernels;
pub mod system;
pub mod tools;
pub mod ui;
mod user_space;

use emu_assets::cache::{Cache, in_series};

pub use error::{Error, Result};
use system::{System, advice};
use tools::Need;

/// Kernels to have: the long-term one and the newest.
pub const KERNELS: &[&str] = &["6.12", "7.3"];

/// Options of a set-up.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Options {
    /// Kernel series to have in the cache (repeatable) [default: 6.12 and 7.3].
    #[arg(long = "kernel", value_name = "SERIES")]
    pub kernels: Vec<String>,
    /// A kernel to have beside them, by its version (repeatable): nothing takes it unless it is named (6.12.90, 6.1.0-50).
    #[arg(long = "named-kernel", value_name = "VERSION")]
    pub named_kernels: Vec<String>,
    /// Address of the Debian archive, as in a line of sources.list [default: the one this machine uses].
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Only look: list what is missing and change nothing.
    #[arg(long)]
    pub check: bool,
    /// Fetch kernels anew when the mirror has newer ones.
    #[arg(long)]
    pub refresh: bool,
    /// Leave the host's programs alone; fetch kernels and user space only.
    #[arg(long)]
    pub assets_only: bool,
    /// Install the host's programs only: as root, for somebody who fetches kernels and user space without.
    #[arg(long, conflicts_with_all = ["assets_only", "kernels", "named_kernels", "refresh"])]
    pub programs_only: bool,
}

impl Options {
    /// The kernel series asked for.
    #[must_use]
    pub fn series(&self) -> Vec<String> {
        if self.kernels.is_empty() {
            KERNELS.iter().map(|k| (*k).to_owned()).collect()
        } else {
            self.kernels.clone()
        }
    }
}

/// What a user's machine needs.
fn needs() -> Vec<Need> {
    vec![tools::qemu_system()]
}

/// Checks programs, kernels and user space, and completes them.
///
/// # Errors
/// Something is missing and cannot be had, each with what to do.
pub fn setup(options: &Options) -> Result<()> {
    setup_with(options, needs)
}

/// [`setup`] for a machine that needs these programs.
///
/// # Errors
/// Something is missing and cannot be had, each with what to do.
pub fn setup_with(options: &Options, needs: fn() -> Vec<Need>) -> Result<()> {
    let programs = if options.assets_only {
        Ok(())
    } else {
        ui::step("programs", || {
            tools::ensure(needs, options.mirror.as_deref(), options.check)
        })
    };
    if options.programs_only {
        return programs;
    }
    let cache = if options.check {
        Cache::locate()?
    } else {
        Cache::open()?
    };
    let fetched = ui::step("kernels and user space", || fetch(&cache, options));
    match (programs, fetched) {
        (Ok(()), Ok(())) => {}
        // Both say the same there.
        (Err(error @ Error::OtherSystem(_)), _) | (Err(error), Ok(())) | (Ok(()), Err(error)) => {
            return Err(error);
        }
        (Err(one), Err(other)) => return Err(Error::Both(Box::new(one), Box::new(other))),
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

/// A series is there when a kernel of it is, or one that replaced it because the mirror had nothing older.
fn has_kernel(cache: &Cache, series: &str) -> bool {
    cache.newest(series).is_some() || cache.kernel(&format!("{series}.replaced")).is_file()
}

/// Fetches what is missing in the cache.
fn fetch(cache: &Cache, options: &Options) -> Result<()> {
    let series = options.series();
    let missing: Vec<&String> = series
        .iter()
        .filter(|s| options.refresh || !has_kernel(cache, s))
        .collect();
    let there = cache.extra_kernels();
    let is_there = |version: &str| there.iter().any(|name| in_series(name, version));
    let named: Vec<&String> = options.named_kernels.iter().filter(|v| !is_there(v)).collect();
    let root_missing = !user_space::is_there(cache);
    if missing.is_empty() && named.is_empty() && !root_missing {
        return Ok(());
    }
    for s in missing.iter().chain(&named) {
        ui::say(format!("   needed: a stock arm64 kernel {s}"));
    }
    if root_missing {
        ui::say("   needed: the guest's user space (busybox, libc6, libfastrpc1 and what they need)");
    }
    if options.check {
        return Err(Error::Incomplete(
            "kernels or user space are missing (see above); without --check, set-up fetches them".to_owned(),
        ));
    }
    let system = System::detect();
    if let System::Other { name, ids } = &system {
        return Err(Error::OtherSystem(advice(name, ids, true)));
    }
    let mirror = options.mirror.as_deref();
    if root_missing {
        user_space::fetch(cache, mirror)?;
    }
    if !missing.is_empty() {
        let everywhere = missing.iter().any(|s| !KERNELS.contains(&s.as_str()));
        let apt = kernels::archive(cache, mirror, everywhere)?;
        for s in missing {
            let release = kernels::fetch(cache, &apt, s)?;
            if !in_series(&release, s) {
                let mark = cache.kernel(&format!("{s}.replaced"));
                std::fs::write(&mark, &release).map_err(Error::file(mark))?;
            }
            ui::say(format!("   kernel {release} is in the cache"));
        }
        apt.forget();
    }
    fetch_named(cache, mirror, &named)
}

/// Has kernels in the cache that are only taken when they are named.
///
/// # Errors
/// One is not to be had.
pub fn named_kernels(cache: &Cache, mirror: Option<&str>, versions: &[String]) -> Result<()> {
    let there = cache.extra_kernels();
    let is_there = |version: &str| there.iter().any(|name| in_series(name, version));
    let missing: Vec<&String> = versions.iter().filter(|v| !is_there(v)).collect();
    fetch_named(cache, mirror, &missing)
}

fn fetch_named(cache: &Cache, mirror: Option<&str>, missing: &[&String]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let apt = kernels::archive(cache, mirror, true)?;
    for version in missing {
        let release = kernels::fetch_named(cache, &apt, version)?;
        ui::say(format!("   kernel {release} is in the cache"));
    }
    apt.forget();
    Ok(())
}
