//! Stock Debian arm64 kernels: found by pattern (their versions roll, so none is written down), fetched, and reduced to
//! the Image, the configuration and the few modules that a guest with a DSP needs.
//!
//! Up to the 7.1 series one package holds a kernel (`linux-image-RELEASE`); from 7.2 on the Image, the modules and the
//! configuration are three (`linux-binary-unsigned-`, `linux-modules-`, `linux-base-RELEASE`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt::{self, Apt, Suite};
use crate::cache::{Cache, SOURCES, in_series, version_key};
use crate::ui;

/// Modules that are kept when a kernel has them (their dependencies come along). The first two lines are the simple
/// platform, the third shares folders with the guest, the last two are the remoteproc platform.
const WANTED: &[&str] = &[
    "virtio_mmio",
    "virtio_pci",
    "virtio_input",
    "gpio_virtio",
    "evdev",
    "virtio_blk",
    "virtio_console",
    "virtio_rng",
    "rpmsg_core",
    "rpmsg_ns",
    "rpmsg_char",
    "qcom_glink",
    "qcom_apcs_ipc_mailbox",
    "qcom_glink_rpm",
    "fastrpc",
    "qda",
    "9p",
    "9pnet_virtio",
    "virtiofs",
    "overlay",
    "qcom_hwspinlock",
    "qcom_smem",
    "qcom_glink_smem",
    "smp2p",
    "qrtr",
    "qrtr_smd",
    "qmi_helpers",
    "qcom_smd",
    "mdt_loader",
    "qcom_common",
    "qcom_sysmon",
    "qcom_q6v5",
    "qcom_pil_info",
    "qcom_q6v5_adsp",
    "qcom_ipcc",
    "socinfo",
    "qcom_pd_mapper",
    "apr",
    "q6core",
];

/// The packages that make up one kernel release.
#[derive(Debug, PartialEq)]
pub struct KernelPackages {
    /// `uname -r` of it.
    pub release: String,
    /// Package names.
    pub packages: Vec<String>,
}

/// Finds the newest kernel of a series; when the series is gone, the newest one that is newer still.
pub fn find(names: &[String], series: &str) -> Option<KernelPackages> {
    let mut releases: Vec<&str> = names
        .iter()
        .filter_map(|name| {
            let rest = name
                .strip_prefix("linux-image-")
                .or_else(|| name.strip_prefix("linux-binary-"))?;
            let release = rest.strip_prefix("unsigned-").unwrap_or(rest);
            let release = release.strip_suffix("-unsigned").unwrap_or(release);
            let plain = release.strip_suffix("-arm64")?;
            let numbered = plain.starts_with(|c: char| c.is_ascii_digit());
            (numbered && !plain.contains("rt") && !plain.contains("cloud")).then_some(release)
        })
        .collect();
    releases.sort_by_key(|release| version_key(release));
    let wanted = version_key(series);
    let release = releases
        .iter()
        .rfind(|release| in_series(release, series))
        .or_else(|| releases.last().filter(|newest| version_key(newest) > wanted))?;
    let has = |name: &str| names.iter().any(|n| n == name);
    let modules = format!("linux-modules-{release}");
    let mut packages = Vec::new();
    if has(&modules) {
        let unsigned = format!("linux-binary-unsigned-{release}");
        packages.push(if has(&unsigned) {
            unsigned
        } else {
            format!("linux-binary-{release}")
        });
        packages.push(modules);
        let base = format!("linux-base-{release}");
        if has(&base) {
            packages.push(base);
        }
    } else {
        let unsigned = format!("linux-image-{release}-unsigned");
        packages.push(if has(&unsigned) {
            unsigned
        } else {
            format!("linux-image-{release}")
        });
    }
    Some(KernelPackages {
        release: (*release).to_owned(),
        packages,
    })
}

/// The suites that have, or lately had, kernels; a mirror need not carry all. Kernels that were replaced stay in a suite's
/// lists for a while, those of security updates for long.
const EVERYWHERE: &[&str] = &[
    "bookworm",
    "bookworm-backports",
    "bullseye",
    "sid",
    "forky",
    "experimental",
];
/// Suites of the archive of security updates, of the same kind.
const SECURITY: &[&str] = &["trixie-security", "bookworm-security", "bullseye-security"];

/// Package lists to take kernels and their sources from: of the present release and its backports, or of everywhere.
pub fn archive(cache: &Cache, mirror: Option<&str>, everywhere: bool) -> Result<Apt> {
    let site = apt::mirror(mirror)?;
    let suite = |site: &str, suite, optional| Suite {
        site: site.to_owned(),
        suite,
        components: "main",
        optional,
    };
    let mut suites = vec![
        suite(&site, "trixie", false),
        suite(&site, "trixie-backports", false),
    ];
    if everywhere {
        let security = security(&site);
        suites.extend(EVERYWHERE.iter().map(|s| suite(&site, s, true)));
        suites.extend(SECURITY.iter().map(|s| suite(&security, s, true)));
    }
    let root = cache.apt(if everywhere {
        "kernels-everywhere"
    } else {
        "kernels"
    });
    let apt = Apt::foreign(root, "arm64", &suites)?;
    ui::say("   reading package lists");
    apt.update()?;
    Ok(apt)
}

/// The archive of security updates that belongs to an archive: this machine's, else the one beside it.
fn security(site: &str) -> String {
    let ours = apt::system_suites();
    let own = ours.iter().any(|(other, _)| other == site);
    let named = ours.into_iter().find(|(_, suite)| suite.ends_with("-security"));
    match named {
        Some((site, _)) if own => site,
        _ => format!("{}-security", site.trim_end_matches('/')),
    }
}

/// Fetches a kernel that no test takes unless it is named: the newest whose version begins with `version`.
pub fn fetch_named(cache: &Cache, apt: &Apt, version: &str) -> Result<String> {
    let names = names(apt, version)?;
    let Some(found) = find(&names, version).filter(|found| in_series(&found.release, version)) else {
        bail!("the mirror has no arm64 kernel {version}");
    };
    let target = cache.extra_kernel(&found.release);
    install(cache, apt, &found, &target)?;
    Ok(found.release)
}

fn names(apt: &Apt, series: &str) -> Result<Vec<String>> {
    let digits = series.replace('.', r"\.");
    apt.names(&format!(
        r"^linux-(image|binary|modules|base)-(unsigned-)?{digits}[.+-].*-?arm64"
    ))
}

/// Fetches one kernel into the cache, unless it is complete there already; returns its release.
pub fn fetch(cache: &Cache, apt: &Apt, series: &str) -> Result<String> {
    let mut names = names(apt, series)?;
    if find(&names, series).is_none() {
        names = apt.names(r"^linux-(image|binary|modules|base)-(unsigned-)?[0-9].*-arm64")?;
    }
    let Some(found) = find(&names, series) else {
        bail!("the mirror has no arm64 kernel of the series {series} (and none that is newer)");
    };
    if !in_series(&found.release, series) {
        ui::say(format!(
            "   the mirror has no {series} kernel any more; taking {}",
            found.release
        ));
    }
    install(cache, apt, &found, &cache.kernel(&found.release))?;
    Ok(found.release)
}

/// Fetches the packages of a kernel and reduces them to what a guest needs, unless that was done.
fn install(cache: &Cache, apt: &Apt, found: &KernelPackages, target: &Path) -> Result<()> {
    if target.join(SOURCES).is_file() {
        return Ok(());
    }
    let work = cache.root().join("unpack-kernel");
    let _ = std::fs::remove_dir_all(&work);
    let mut sources = String::new();
    for package in &found.packages {
        let deb = apt.download(package)?;
        ui::say(format!("   unpacking {package}"));
        apt::unpack(&deb, &work)?;
        sources.push_str(&format!(
            "{}\n",
            deb.file_name().unwrap_or_default().to_string_lossy()
        ));
    }
    reduce(&work, &found.release, target)?;
    std::fs::write(target.join(SOURCES), sources)?;
    let _ = std::fs::remove_dir_all(&work);
    apt.forget_downloads();
    Ok(())
}

/// Copies a kernel out of its build folder: Image, configuration, and all modules.
pub fn install_built(out: &Path, target: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(target);
    std::fs::create_dir_all(target.join("modules"))?;
    install_image(&out.join("arch/arm64/boot/Image"), &target.join("Image"))
        .with_context(|| format!("cannot copy the kernel from {}", out.display()))?;
    std::fs::copy(out.join(".config"), target.join("config"))?;
    let built = std::fs::read_to_string(out.join("modules.order")).unwrap_or_default();
    let mut deps = BTreeMap::new();
    for line in built.lines() {
        let object = out.join(line).with_extension("ko");
        let stem = object
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .replace('-', "_");
        let kept = target.join("modules").join(format!("{stem}.ko"));
        std::fs::copy(&object, &kept).with_context(|| format!("cannot copy {}", object.display()))?;
        deps.insert(stem, needed_modules(&std::fs::read(&kept)?));
    }
    write_deps(&deps, target)
}

/// `modules.dep` of a flat folder of modules.
fn write_deps(deps: &BTreeMap<String, Vec<String>>, target: &Path) -> Result<()> {
    let mut text = String::new();
    for (module, needs) in deps {
        let present = needs.iter().filter(|n| deps.contains_key(*n));
        let present: String = present.map(|n| format!(" {n}.ko")).collect();
        text.push_str(&format!("{module}.ko:{present}\n"));
    }
    std::fs::write(target.join("modules/modules.dep"), text)?;
    Ok(())
}

/// Moves what a guest needs of an unpacked kernel to `target`.
fn reduce(unpacked: &Path, release: &str, target: &Path) -> Result<()> {
    let _ = std::fs::remove_dir_all(target);
    std::fs::create_dir_all(target.join("modules"))?;
    let tree = unpacked.join("usr/lib/modules").join(release);
    let tree = if tree.is_dir() {
        tree
    } else {
        unpacked.join("lib/modules").join(release)
    };
    let first = |candidates: &[PathBuf]| candidates.iter().find(|p| p.is_file()).cloned();
    let image = first(&[
        tree.join("vmlinuz.unsigned"),
        tree.join("vmlinuz"),
        unpacked.join("boot").join(format!("vmlinuz-{release}")),
        unpacked.join("boot").join(format!("vmlinuz-{release}.unsigned")),
    ])
    .with_context(|| {
        format!("the packages of kernel {release} hold no kernel image where one was expected")
    })?;
    install_image(&image, &target.join("Image"))?;
    if let Some(config) = first(&[
        tree.join("config"),
        unpacked.join("boot").join(format!("config-{release}")),
    ]) {
        std::fs::copy(config, target.join("config"))?;
    }
    let all = module_files(&tree)?;
    let mut deps: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut open: BTreeSet<String> = WANTED.iter().map(|m| (*m).to_owned()).collect();
    while let Some(module) = open.pop_first() {
        let Some(file) = all.get(&module) else { continue };
        let kept = target.join("modules").join(format!("{module}.ko"));
        decompress(file, &kept)?;
        let needs = needed_modules(&std::fs::read(&kept)?);
        open.extend(needs.iter().filter(|n| !deps.contains_key(*n)).cloned());
        deps.insert(module, needs);
    }
    if !deps.contains_key("fastrpc") {
        bail!("kernel {release} has no fastrpc module");
    }
    write_deps(&deps, target)
}

/// Puts a bootable Image in place; an EFI "zboot" wrapper is taken off, because its payload is the Image itself.
fn install_image(from: &Path, to: &Path) -> Result<()> {
    let bytes = std::fs::read(from)?;
    if bytes.get(4..8) == Some(b"zimg") {
        let word = |at: usize| {
            let field = bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
            field
                .map(|b| u32::from_le_bytes(b) as usize)
                .context("truncated zboot header")
        };
        let (offset, size) = (word(8)?, word(12)?);
        let payload = bytes
            .get(offset..)
            .and_then(|b| b.get(..size))
            .context("zboot payload outside the file")?;
        let kind = bytes.get(24..56).unwrap_or_default();
        let tool = if kind.starts_with(b"gzip") { "gzip" } else { "zstd" };
        let packed = to.with_extension("packed");
        std::fs::write(&packed, payload)?;
        unpack_with(tool, &packed, to)?;
        std::fs::remove_file(&packed)?;
        return Ok(());
    }
    std::fs::write(to, bytes)?;
    Ok(())
}

/// All modules below a tree: name (with `_` for `-`) → file.
fn module_files(tree: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut open = vec![tree.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else if let Some((stem, "" | ".xz" | ".zst" | ".gz")) =
                entry.file_name().to_string_lossy().split_once(".ko")
            {
                found.insert(stem.replace('-', "_"), path);
            }
        }
    }
    Ok(found)
}

fn decompress(from: &Path, to: &Path) -> Result<()> {
    match from.extension().and_then(|e| e.to_str()) {
        Some("xz") => unpack_with("xz", from, to),
        Some("zst") => unpack_with("zstd", from, to),
        Some("gz") => unpack_with("gzip", from, to),
        _ => Ok(std::fs::copy(from, to).map(|_| ())?),
    }
}

fn unpack_with(tool: &str, from: &Path, to: &Path) -> Result<()> {
    let file = std::fs::File::create(to)?;
    let status = Command::new(tool)
        .arg("-dc")
        .arg(from)
        .stdout(file)
        .status()
        .with_context(|| format!("cannot start {tool} (install it)"))?;
    if !status.success() {
        bail!("{tool} cannot unpack {}", from.display());
    }
    Ok(())
}

/// The modules that a module says it needs (its `.modinfo` string `depends=`).
fn needed_modules(ko: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(at) = ko.windows(key.len()).position(|w| w == key) else {
        return Vec::new();
    };
    let rest = &ko[at + key.len()..];
    let text = &rest[..rest.iter().position(|b| *b == 0).unwrap_or(rest.len())];
    String::from_utf8_lossy(text)
        .split(',')
        .filter(|m| !m.is_empty())
        .map(|m| m.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn one_package_series_takes_the_newest_plain_flavour() {
        let names = names(&[
            "linux-image-6.12.94+deb13-arm64-unsigned",
            "linux-image-6.12.107+deb13-arm64",
            "linux-image-6.12.107+deb13-arm64-unsigned",
            "linux-image-6.12.107+deb13-rt-arm64",
            "linux-image-6.12.107+deb13-cloud-arm64",
            "linux-image-6.12.107+deb13-arm64-16k",
        ]);
        let found = find(&names, "6.12").unwrap();
        assert_eq!(found.release, "6.12.107+deb13-arm64");
        assert_eq!(found.packages, ["linux-image-6.12.107+deb13-arm64-unsigned"]);
    }

    #[test]
    fn three_package_series_takes_image_modules_and_base() {
        let names = names(&[
            "linux-binary-unsigned-7.3.4+deb13-arm64",
            "linux-modules-7.3.4+deb13-arm64",
            "linux-base-7.3.4+deb13-arm64",
            "linux-modules-7.3.4+deb13-rt-arm64",
        ]);
        let found = find(&names, "7.3").unwrap();
        assert_eq!(found.release, "7.3.4+deb13-arm64");
        assert_eq!(found.packages.len(), 3);
    }

    #[test]
    fn a_series_that_is_gone_is_replaced_by_something_newer_never_older() {
        let names = names(&["linux-image-7.4.1+deb13-arm64", "linux-image-6.12.1-arm64"]);
        assert_eq!(find(&names, "7.3").unwrap().release, "7.4.1+deb13-arm64");
        assert_eq!(find(&names, "8.0"), None);
    }

    #[test]
    fn dependencies_are_read_from_modinfo() {
        let ko = b"\x7fELF\0license=GPL\0depends=rpmsg_core,qcom-glink\0name=x\0";
        assert_eq!(needed_modules(ko), ["rpmsg_core", "qcom_glink"]);
        assert!(needed_modules(b"\0depends=\0").is_empty());
        assert!(needed_modules(b"depends").is_empty());
    }
}
