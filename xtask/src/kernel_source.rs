//! Where a kernel's source comes from: a tree of the user's, or Debian's `linux-source` package, unpacked into the cache
//! without what no small arm64 kernel needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use emu_assets::cache::{Cache, SOURCES};
use emu_setup::{apt, command, kernels, ui};

use crate::kernel_tree;

/// Left out when a source package is unpacked (device trees of boards, documentation of their bindings, register lists
/// of graphics cards, tests): a third of the tree. Device trees elsewhere are part of drivers (`drivers/of/empty_root.dts`).
const LEFT_OUT: &[&str] = &[
    "*/arch/*/boot/dts/*",
    "*/Documentation/devicetree/*",
    "*/Documentation/translations/*",
    "*/drivers/gpu/drm/amd/include/*",
    "*/tools/testing/*",
];

/// Beside a tree that was unpacked: what was left out of it. One that was unpacked with other patterns is unpacked again.
const LEFT_OUT_FILE: &str = "LEFT-OUT";

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
        .filter(|e| is_complete(&e.path()))
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
    unpack_archive(&archive, &tree)?;
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

/// The archive's files without what is left out, and checked to be enough for a build.
fn unpack_archive(archive: &Path, tree: &Path) -> Result<()> {
    std::fs::create_dir_all(tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(archive).arg("-C").arg(tree);
    tar.arg("--strip-components=1");
    tar.args(LEFT_OUT.iter().map(|pattern| format!("--exclude={pattern}")));
    command::output(&mut tar)?;
    let listed = command::output(Command::new("tar").arg("-tf").arg(archive))?;
    let below_top = |line: &str| line.split_once('/').map(|(_, name)| name.to_owned());
    let listed: Vec<String> = listed.lines().filter_map(below_top).collect();
    kernel_tree::check(tree, &listed)?;
    std::fs::write(tree.join(LEFT_OUT_FILE), left_out_text())?;
    Ok(())
}

fn left_out_text() -> String {
    LEFT_OUT.iter().map(|pattern| format!("{pattern}\n")).collect()
}

/// Unpacked to the end, and as this program does it.
fn is_complete(tree: &Path) -> bool {
    tree.join(SOURCES).is_file()
        && std::fs::read_to_string(tree.join(LEFT_OUT_FILE)).is_ok_and(|text| text == left_out_text())
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

    /// A folder of a test's own, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let dir = std::env::temp_dir().join(format!("vh-source-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).unwrap();
            Folder(dir)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// An archive as a source package holds it, of these files.
    fn archive(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
        for (name, text) in files {
            let path = folder.join("linux-source-7.3").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let archive = folder.join("source.tar");
        let mut tar = Command::new("tar");
        tar.arg("-cf")
            .arg(&archive)
            .arg("-C")
            .arg(folder)
            .arg("linux-source-7.3");
        command::output(&mut tar).unwrap();
        archive
    }

    /// What `drivers/of` and the boards of a kernel look like.
    const TREE: &[(&str, &str)] = &[
        ("Kbuild", "obj-y += drivers/\n"),
        ("Kconfig", "source \"drivers/of/Kconfig\"\n"),
        ("drivers/Makefile", "obj-y += of/\n"),
        ("drivers/of/Kconfig", "config OF\n"),
        (
            "drivers/of/Makefile",
            "obj-y = base.o\nobj-$(CONFIG_OF_FLATTREE) += fdt.o \\\n\tempty_root.dtb.o\n",
        ),
        ("drivers/of/base.c", ""),
        ("drivers/of/fdt.c", ""),
        ("drivers/of/empty_root.dts", "/dts-v1/;\n/ {};\n"),
        ("arch/arm64/boot/dts/Makefile", "subdir-y += qcom\n"),
        ("arch/arm64/boot/dts/qcom/board.dts", "/dts-v1/;\n"),
        // Another processor's, whose boards are left out too.
        ("arch/microblaze/Kbuild", "obj-y += boot/dts/\n"),
        ("arch/microblaze/boot/dts/Makefile", "obj-y += system.dtb.o\n"),
        ("tools/testing/selftests/Makefile", "TARGETS += dsp\n"),
        // Built by itself, and for no DSP.
        ("tools/testing/selftests/helpers.c", ""),
        (
            "samples/bpf/Makefile",
            "x-objs := ../../tools/testing/selftests/helpers.o\n",
        ),
    ];

    #[test]
    fn what_is_kept_of_a_source_archive_is_what_its_makefiles_name() {
        let folder = Folder::new("kept");
        let tree = folder.0.join("tree");
        unpack_archive(&archive(&folder.0, TREE), &tree).unwrap();
        assert!(tree.join("drivers/of/empty_root.dts").is_file());
        assert!(!tree.join("arch/arm64/boot/dts/qcom/board.dts").exists());
        assert!(!tree.join("tools/testing/selftests").exists());
        std::fs::write(tree.join(SOURCES), "x\n").unwrap();
        assert!(is_complete(&tree));
        // A tree that lacks other files than this program would leave out.
        std::fs::write(tree.join(LEFT_OUT_FILE), "*.dts\n*.dtsi\n").unwrap();
        assert!(!is_complete(&tree));
    }

    #[test]
    fn a_file_that_is_left_out_and_named_is_an_error_with_both_names() {
        let folder = Folder::new("named");
        let mut files = TREE.to_vec();
        files.push(("drivers/gpu/drm/amd/Makefile", "obj-y += include/\n"));
        files.push(("drivers/gpu/drm/amd/include/Makefile", "obj-y += x.o\n"));
        files.push((
            "Documentation/Kconfig",
            "source \"Documentation/devicetree/Kconfig\"\n",
        ));
        files.push(("Documentation/devicetree/Kconfig", "config X\n"));
        let error = unpack_archive(&archive(&folder.0, &files), &folder.0.join("tree"))
            .unwrap_err()
            .to_string();
        for told in [
            "2 files",
            "drivers/gpu/drm/amd/include/Makefile, which drivers/gpu/drm/amd/Makefile names",
            "Documentation/devicetree/Kconfig, which Documentation/Kconfig names",
        ] {
            assert!(error.contains(told), "{told}: {error}");
        }
        assert!(!folder.0.join("tree").join(LEFT_OUT_FILE).exists());
    }
}
