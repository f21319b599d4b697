//! Tools that must be on this machine, how to see whether they are, and the Debian packages that bring them.
//!
//! Everything missing is printed as one list and installed with two `apt-get` commands (as root), or those commands are
//! printed. Packages come from this machine's own Debian archive; for what the release has too old (QEMU 9 on Debian
//! 12) from its backports, through a private source list: `/etc/apt` is not touched.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use firmware_builder::tools::llvm;

use crate::apt::{self, Apt, Suite};
use crate::cache::Cache;
use crate::ui;

/// Oldest QEMU that runs vhost-user without KVM.
const QEMU_MIN: u32 = 9;
/// LLVM releases that may be installed, best first.
const LLVM: &[u32] = &[22, 21, 20, 19];

/// What is needed for one purpose.
struct Need {
    what: &'static str,
    found: Option<String>,
    packages: Vec<String>,
    backports: bool,
}

/// Checks all tools; installs what is missing (or says how).
pub fn ensure(mirror: Option<&str>, check_only: bool) -> Result<()> {
    rust_components()?;
    ensure_all(needs, mirror, check_only)
}

/// Checks the tools that building a kernel takes; installs what is missing.
pub fn ensure_for_kernels(mirror: Option<&str>) -> Result<()> {
    ensure_all(needs_for_kernels, mirror, false)
}

fn ensure_all(needs: fn() -> Vec<Need>, mirror: Option<&str>, check_only: bool) -> Result<()> {
    let wanted = needs;
    let needs = wanted();
    for need in &needs {
        match &need.found {
            Some(found) => ui::say(format!("   ok       {:<34} {found}", need.what)),
            None => ui::say(format!(
                "   MISSING  {:<34} {}",
                need.what,
                need.packages.join(" ")
            )),
        }
    }
    if needs.iter().all(|n| n.found.is_some()) {
        return Ok(());
    }
    if check_only {
        bail!("tools are missing (see above); `cargo xtask setup` installs them");
    }
    install(mirror, &needs)?;
    let left: Vec<&str> = wanted()
        .into_iter()
        .filter(|n| n.found.is_none())
        .map(|n| n.what)
        .collect();
    if !left.is_empty() {
        bail!("still missing after the installation: {}", left.join(", "));
    }
    Ok(())
}

fn need(what: &'static str, found: Option<String>, packages: &[&str]) -> Need {
    Need {
        what,
        found,
        packages: packages.iter().map(|p| (*p).to_owned()).collect(),
        backports: false,
    }
}

/// A kernel without certificates, BTF and stack validation needs no libraries.
fn needs_for_kernels() -> Vec<Need> {
    let tool = |tool: &'static str, package| need(tool, on_path(tool), &[package]);
    vec![
        tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        need(
            "gcc, with its headers",
            on_path("gcc").and(file("/usr/include/stdio.h")),
            &["gcc", "libc6-dev"],
        ),
        tool("make", "make"),
        tool("flex", "flex"),
        tool("bison", "bison"),
        tool("bc", "bc"),
        tool("perl", "perl"),
        tool("tar", "tar"),
        tool("xz", "xz-utils"),
    ]
}

fn needs() -> Vec<Need> {
    vec![
        Need {
            backports: true,
            ..need(
                "QEMU for arm64, 9 or newer",
                qemu("qemu-system-aarch64"),
                &["qemu-system-arm"],
            )
        },
        Need {
            backports: true,
            ..need(
                "QEMU's hexagon user mode (oracle)",
                qemu("qemu-hexagon-static").or_else(|| qemu("qemu-hexagon")),
                &["qemu-user-static"],
            )
        },
        need(
            "clang, lld, llvm 19+ with Hexagon",
            llvm().map(|dir| dir.display().to_string()),
            &["LLVM"],
        ),
        need(
            "arm64 cross compiler",
            on_path("aarch64-linux-gnu-gcc"),
            &["gcc-aarch64-linux-gnu"],
        ),
        need(
            "arm64 C library headers",
            file("/usr/aarch64-linux-gnu/include/stdio.h"),
            &["libc6-dev-arm64-cross"],
        ),
        need("xz", on_path("xz"), &["xz-utils"]),
        need("zstd", on_path("zstd"), &["zstd"]),
        need("device tree compiler", on_path("dtc"), &["device-tree-compiler"]),
        need("cpio (reads archives in tests)", on_path("cpio"), &["cpio"]),
        need(
            "gdb (opens core dumps in tests)",
            on_path("gdb-multiarch"),
            &["gdb-multiarch"],
        ),
        need(
            "tshark (dissects traces in tests)",
            on_path("tshark"),
            &["tshark"],
        ),
    ]
}

/// A tool on `PATH`.
pub fn on_path(tool: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|p| p.is_file())
        .map(|p| p.display().to_string())
}

fn file(path: &str) -> Option<String> {
    Path::new(path).is_file().then(|| path.to_owned())
}

fn qemu(tool: &str) -> Option<String> {
    let text = ui::output(Command::new(on_path(tool)?).arg("--version")).ok()?;
    let version = text.split("version ").nth(1)?.split_whitespace().next()?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    (major >= QEMU_MIN).then(|| format!("{tool} {version}"))
}

/// The formatter and the linter belong to the Rust toolchain, not to Debian.
fn rust_components() -> Result<()> {
    for component in ["fmt", "clippy"] {
        if ui::output(Command::new("cargo").args([component, "--version"])).is_err() {
            ui::say(format!(
                "   MISSING  cargo {component} (only `cargo xtask test` needs it)"
            ));
        }
    }
    Ok(())
}

fn install(mirror: Option<&str>, needs: &[Need]) -> Result<()> {
    let codename = apt::codename()?;
    let cache = Cache::open()?;
    let site = apt::mirror(mirror)?;
    let backports = format!("{codename}-backports");
    let mut suites: Vec<(String, String)> = apt::system_suites();
    if suites.is_empty() {
        suites.push((site.clone(), codename.clone()));
    }
    suites.push((site, backports.clone()));
    suites.dedup();
    let suites: Vec<Suite> = suites
        .iter()
        .map(|(site, suite)| Suite {
            site: site.clone(),
            suite,
            components: "main",
            optional: false,
        })
        .collect();
    let architecture = ui::output(Command::new("dpkg").arg("--print-architecture"))?;
    let architecture: &'static str = match architecture.trim() {
        "amd64" => "amd64",
        "arm64" => "arm64",
        other => {
            bail!("no packages are known for this machine ({other}); install the tools listed above by hand")
        }
    };
    let apt = Apt::host(cache.apt("host"), architecture, &suites)?;
    ui::say("   reading package lists");
    apt.update()?;
    let mut plain: Vec<String> = Vec::new();
    let mut newer: Vec<String> = Vec::new();
    for need in needs.iter().filter(|n| n.found.is_none()) {
        for package in &need.packages {
            if package == "LLVM" {
                plain.extend(llvm_packages(&apt)?);
            } else if need.backports && too_old(&apt, package) {
                newer.push(package.clone());
            } else {
                plain.push(package.clone());
            }
        }
    }
    for (packages, suite) in [(plain, None), (newer, Some(backports))] {
        if packages.is_empty() {
            continue;
        }
        let mut command = apt.command("apt-get");
        command.args(["install", "--yes", "--no-install-recommends"]);
        if let Some(suite) = suite {
            command.arg("-t").arg(suite);
        }
        command.args(&packages);
        if !apt::is_root() {
            bail!(
                "tools are missing; as root, run\n\n    {}\n\nand start again",
                ui::line_of(&command)
            );
        }
        ui::say(format!("   installing {}", packages.join(" ")));
        ui::output(&mut command)?;
    }
    Ok(())
}

/// The newest LLVM of which all three packages are to be had.
fn llvm_packages(apt: &Apt) -> Result<Vec<String>> {
    for n in LLVM {
        let packages: Vec<String> = ["clang", "lld", "llvm"]
            .iter()
            .map(|p| format!("{p}-{n}"))
            .collect();
        if packages.iter().all(|p| apt.candidate(p).is_some()) {
            return Ok(packages);
        }
    }
    bail!("no clang with Hexagon (19 or newer) among this machine's packages");
}

/// Is what the release itself offers older than we need?
fn too_old(apt: &Apt, package: &str) -> bool {
    let Some(version) = apt.candidate(package) else {
        return true;
    };
    let upstream = version.split_once(':').map_or(version.as_str(), |(_, v)| v);
    upstream
        .split('.')
        .next()
        .and_then(|n| n.parse::<u32>().ok())
        .is_none_or(|major| major < QEMU_MIN)
}
