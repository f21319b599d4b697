//! Where a kernel's source comes from: a tree of the user's, or Debian's `linux-source` package, unpacked into the cache
//! without what no small arm64 kernel needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use emu_assets::cache::{Cache, SOURCES};
use emu_setup::{apt, command, kernels, ui};

/// Left out when a source package is unpacked (device trees of boards, documentation of their bindings, register lists
/// of graphics cards, tests): a third of the tree.
const LEFT_OUT: &[&str] = &[
    "*.dts",
    "*.dtsi",
    "*/Documentation/devicetree/*",
    "*/Documentation/translations/*",
    "*/drivers/gpu/drm/amd/include/*",
    "*/tools/testing/*",
];

/// A source tree.
pub struct Source {
    /// Its top.
    pub dir: PathBuf,
    /// What to call it: a version, or the folder's name.
    pub name: String,
    /// One line for the `SOURCES` file of what is built of it.
    pub told: String,
}

impl Source {
    /// `DIR`, `debian:SERIES` or `debian:VERSION` (of the package: `debian:6.1.176-1`).
    pub fn get(spec: &str, cache: &Cache, mirror: Option<&str>) -> Result<Source> {
        match spec.strip_prefix("debian:") {
            Some(wanted) => debian(wanted, cache, mirror),
            None => tree(Path::new(spec)),
        }
    }
}

fn tree(dir: &Path) -> Result<Source> {
    if !dir.join("Kbuild").is_file() || !dir.join("arch/arm64/Kconfig").is_file() {
        bail!(
            "{} is no kernel source tree (it has no Kbuild and no arch/arm64/Kconfig); name its top, or debian:7.3",
            dir.display()
        );
    }
    let dir = dir.canonicalize()?;
    let name = dir.file_name().map(|n| n.to_string_lossy().into_owned());
    Ok(Source {
        name: name.unwrap_or_else(|| "linux".to_owned()),
        told: format!("source tree {}", dir.display()),
        dir,
    })
}

/// Series (`7.3`) and, if one is wanted, version of a package (`7.3.4-1~bpo13+1`) that a name after `debian:` means.
fn wanted(text: &str) -> Option<(String, Option<&str>)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let (major, minor) = (numbers.next()?, numbers.next()?);
    if major.is_empty() || minor.is_empty() || text.contains(['/', ' ']) {
        return None;
    }
    let series = format!("{major}.{minor}");
    let version = (text != series).then_some(text);
    Some((series, version))
}

fn debian(text: &str, cache: &Cache, mirror: Option<&str>) -> Result<Source> {
    let Some((series, version)) = wanted(text) else {
        bail!("`debian:{text}` names no kernel; write debian:7.3, or debian:7.3.4 for one version");
    };
    let package = format!("linux-source-{series}");
    let fits = |v: &str| version.is_none_or(|wanted| emu_assets::cache::in_series(v, wanted));
    let sources = cache.root().join("sources");
    let there = std::fs::read_dir(&sources).into_iter().flatten().flatten();
    let mut there: Vec<String> = there
        .filter(|e| e.path().join(SOURCES).is_file())
        .filter_map(|e| Some(e.file_name().to_str()?.strip_prefix("linux-")?.to_owned()))
        .filter(|v| emu_assets::cache::in_series(v, &series) && fits(v))
        .collect();
    there.sort_by_key(|v| emu_assets::cache::version_key(v));
    let found = match there.pop() {
        Some(version) => version,
        None => {
            let apt = kernels::archive(cache, mirror, true)?;
            let offered = apt.lists().versions(&package)?;
            let Some(found) = offered.iter().find(|v| fits(v)) else {
                bail!(
                    "the mirror has no source of the kernel {text} ({package}: {})",
                    if offered.is_empty() {
                        "none at all".to_owned()
                    } else {
                        offered.join(", ")
                    }
                );
            };
            let deb = apt.download(&format!("{package}={found}"))?;
            ui::say(format!("   unpacking {package} {found}"));
            unpack(&deb, &sources, found).with_context(|| format!("cannot unpack {}", deb.display()))?;
            apt.forget_downloads();
            found.clone()
        }
    };
    Ok(Source {
        dir: sources.join(format!("linux-{found}")),
        told: format!("{package} {found}"),
        name: found.split(['-', '~', '+']).next().unwrap_or(&found).to_owned(),
    })
}

fn unpack(deb: &Path, sources: &Path, version: &str) -> Result<()> {
    let work = sources.join("unpack");
    let _ = std::fs::remove_dir_all(&work);
    apt::unpack(deb, &work)?;
    let archive = std::fs::read_dir(work.join("usr/src"))?
        .flatten()
        .map(|e| e.path())
        .find(|p| p.extension().is_some_and(|e| e == "xz"))
        .context("the package holds no source archive where one was expected")?;
    let tree = work.join("tree");
    std::fs::create_dir_all(&tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&archive).arg("-C").arg(&tree);
    tar.arg("--strip-components=1");
    tar.args(LEFT_OUT.iter().map(|pattern| format!("--exclude={pattern}")));
    command::output(&mut tar)?;
    std::fs::write(
        tree.join(SOURCES),
        format!("{}\n", deb.file_name().unwrap_or_default().to_string_lossy()),
    )?;
    let target = sources.join(format!("linux-{version}"));
    let _ = std::fs::remove_dir_all(&target);
    std::fs::rename(&tree, &target)?;
    std::fs::remove_dir_all(&work)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_or_one_version_of_it_can_be_named() {
        assert_eq!(wanted("7.3"), Some(("7.3".to_owned(), None)));
        assert_eq!(wanted("6.12.107"), Some(("6.12".to_owned(), Some("6.12.107"))));
        assert_eq!(
            wanted("7.3~rc7-1~exp1"),
            Some(("7.3".to_owned(), Some("7.3~rc7-1~exp1")))
        );
        for nonsense in ["", "x", "7", "7.", "trixie", "../7.3", "7.3/../../x"] {
            assert_eq!(wanted(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_folder_that_is_no_kernel_is_refused() {
        let error = tree(Path::new(env!("CARGO_MANIFEST_DIR"))).err().unwrap();
        assert!(error.to_string().contains("no kernel source tree"), "{error}");
    }
}
