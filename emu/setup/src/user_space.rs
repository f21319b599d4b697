//! The guest's user space: Debian's arm64 packages, unpacked side by side.

use std::os::unix::fs::symlink;

use emu_assets::cache::{Cache, SOURCES};

use crate::apt::{self, Apt, Suite};
use crate::{Error, Result};

/// What is in it beside libfastrpc1: a shell, and the closure of the library's and our programs' needs.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "libc6",
    "libstdc++6",
    "libgcc-s1",
    "libyaml-0-2",
    "libbsd0",
    "libmd0",
];
/// What no guest reads.
const LEFT_OUT: &[&str] = &[
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/gdb",
    "usr/lib/aarch64-linux-gnu/gconv",
    "usr/lib/locale",
    "usr/lib/systemd",
];
/// What must be there in the end.
const NEEDED: &[&str] = &[
    "usr/bin/busybox",
    "usr/lib/aarch64-linux-gnu/libcdsprpc.so.1",
    "usr/lib/aarch64-linux-gnu/libc.so.6",
];

/// Whether it is complete.
#[must_use]
pub fn is_there(cache: &Cache) -> bool {
    cache.guest_root().join(SOURCES).is_file()
}

/// Fetches it anew.
///
/// # Errors
/// There is no archive, a package cannot be fetched, or is not as it was.
pub fn fetch(cache: &Cache, mirror: Option<&str>) -> Result<()> {
    let site = apt::mirror(mirror)?;
    let suite = |suite, components, optional| Suite {
        site: site.clone(),
        suite,
        components,
        optional,
    };
    let suites = [
        suite("trixie", "main", false),
        suite("trixie-backports", "main contrib", false),
        // Newer than what backports have, where the mirror's copy is in order.
        suite("sid", "contrib", true),
    ];
    let apt = Apt::foreign(cache.apt("guest"), "arm64", &suites)?;
    apt.update()?;
    unpack(cache, &apt)?;
    apt.forget();
    Ok(())
}

fn unpack(cache: &Cache, apt: &Apt) -> Result<()> {
    let target = cache.guest_root();
    let _ = std::fs::remove_dir_all(&target);
    for dir in ["usr/bin", "usr/sbin", "usr/lib"] {
        let folder = target.join(dir);
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let link = target.join(dir.trim_start_matches("usr/"));
        symlink(dir, &link).map_err(Error::file(link))?;
    }
    let versions = apt.lists().versions("libfastrpc1")?;
    let newest = versions
        .first()
        .ok_or_else(|| Error::NotPackaged("libfastrpc1 for arm64".to_owned()))?;
    let mut wanted: Vec<String> = PACKAGES.iter().map(|p| (*p).to_owned()).collect();
    wanted.push(format!("libfastrpc1={newest}"));
    let mut sources = String::new();
    for package in wanted {
        let deb = apt.download(&package)?;
        apt::unpack(&deb, &target)?;
        sources.push_str(&deb.file_name().unwrap_or_default().to_string_lossy());
        sources.push('\n');
    }
    for dir in LEFT_OUT {
        let _ = std::fs::remove_dir_all(target.join(dir));
    }
    if let Some(file) = NEEDED.iter().find(|file| !target.join(file).exists()) {
        return Err(Error::Layout(format!(
            "the guest's user space lacks /{file} after unpacking"
        )));
    }
    let mark = target.join(SOURCES);
    std::fs::write(&mark, sources).map_err(Error::file(mark))?;
    Ok(())
}
