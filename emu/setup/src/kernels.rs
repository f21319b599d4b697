//! Stock Debian arm64 kernels: found by pattern (their versions roll, so none is written down), and fetched.
//!
//! Up to the 7.1 series one package holds a kernel (`linux-image-RELEASE`); from 7.2 on the Image, the modules and the
//! configuration are three (`linux-binary-unsigned-`, `linux-modules-`, `linux-base-RELEASE`).

use std::path::Path;

use emu_assets::cache::{Cache, SOURCES, in_series, version_key};

use crate::apt::{self, Apt, Suite};
use crate::kernel_files::reduce;
use crate::{Error, Result, ui};

/// The packages that make up one kernel release.
#[derive(Debug, PartialEq)]
pub struct KernelPackages {
    /// `uname -r` of it.
    pub release: String,
    /// Package names.
    pub packages: Vec<String>,
}

/// Finds the newest kernel of a series; when the series is gone, the newest one that is newer still.
#[must_use]
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
///
/// # Errors
/// There is no archive, or its lists cannot be had.
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
///
/// # Errors
/// There is none, or it cannot be fetched.
pub fn fetch_named(cache: &Cache, apt: &Apt, version: &str) -> Result<String> {
    let names = names(apt, version)?;
    let Some(found) = find(&names, version).filter(|found| in_series(&found.release, version)) else {
        return Err(Error::NotPackaged(format!("arm64 kernel {version}")));
    };
    let target = cache.extra_kernel(&found.release);
    install(cache, apt, &found, &target)?;
    Ok(found.release)
}

fn names(apt: &Apt, series: &str) -> Result<Vec<String>> {
    let digits = series.replace('.', r"\.");
    apt.lists().names(&format!(
        r"^linux-(image|binary|modules|base)-(unsigned-)?{digits}[.+-].*-?arm64"
    ))
}

/// Fetches one kernel into the cache, unless it is complete there already; returns its release.
///
/// # Errors
/// There is none, nor a newer one, or it cannot be fetched.
pub fn fetch(cache: &Cache, apt: &Apt, series: &str) -> Result<String> {
    let mut names = names(apt, series)?;
    if find(&names, series).is_none() {
        names = apt
            .lists()
            .names(r"^linux-(image|binary|modules|base)-(unsigned-)?[0-9].*-arm64")?;
    }
    let Some(found) = find(&names, series) else {
        return Err(Error::NotPackaged(format!(
            "arm64 kernel of the series {series} (and none that is newer)"
        )));
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
    let mark = target.join(SOURCES);
    std::fs::write(&mark, sources).map_err(Error::file(mark))?;
    let _ = std::fs::remove_dir_all(&work);
    apt.forget_downloads();
    Ok(())
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
}
