//! Debian's programs that talk to a DSP and are no part of the guest's user space: hexagonrpcd, and libssc with its command. Fetched into
//! the cache for the tests that run them in guests, never installed.
//!
//! Their versions are fixed, because the tests say what they do. What libssc uses besides is Debian 13's, whichever version that has; it
//! itself is not in Debian 13.

use anyhow::{Context as _, Result};

use emu_assets::cache::{Cache, GuestPackages, HEXAGONRPCD, LIBSSC, SOURCES};
use emu_setup::apt::{self, Apt, Suite};

/// What the packages of a bundle are, as apt takes them.
fn packages(bundle: GuestPackages) -> &'static [&'static str] {
    match bundle {
        HEXAGONRPCD => &["hexagonrpcd=0.3.2-2", "libhexagonrpc0.3=0.3.2-2"],
        _ => &[
            "libssc-bin=0.4.4-2",
            "libssc2=0.4.4-2",
            "libglib2.0-0t64/trixie",
            "libqmi-glib5/trixie",
            "libqrtr-glib0/trixie",
            "libmbim-glib4/trixie",
            "libprotobuf-c1/trixie",
            "libgudev-1.0-0/trixie",
            "libudev1/trixie",
            "libcap2/trixie",
            "libffi8/trixie",
            "libpcre2-8-0/trixie",
            "zlib1g/trixie",
            "libmount1/trixie",
            "libblkid1/trixie",
            "libselinux1/trixie",
            "libatomic1/trixie",
        ],
    }
}

/// The bundles that are not in the cache.
pub fn missing(cache: &Cache) -> Vec<GuestPackages> {
    let all = [HEXAGONRPCD, LIBSSC].into_iter();
    all.filter(|&bundle| !cache.has_guest_packages(bundle)).collect()
}

/// Fetches those that are missing.
pub fn fetch(cache: &Cache, mirror: Option<&str>) -> Result<()> {
    let site = apt::mirror(mirror)?;
    let suite = |suite, optional| Suite {
        site: site.clone(),
        suite,
        components: "main",
        optional,
    };
    let suites = [suite("trixie", false), suite("forky", true)];
    let apt = Apt::foreign(cache.apt("guest-packages"), "arm64", &suites)?;
    apt.update()?;
    // One that is not to be had keeps the other from nothing.
    let mut result = Ok(());
    for bundle in missing(cache) {
        if let Err(error) = unpack(cache, &apt, bundle) {
            result = Err(error).with_context(|| format!("{} is not to be had", bundle.name()));
        }
    }
    apt.forget();
    result
}

fn unpack(cache: &Cache, apt: &Apt, bundle: GuestPackages) -> Result<()> {
    let folder = cache.guest_packages(bundle);
    let _ = std::fs::remove_dir_all(&folder);
    let mut sources = String::new();
    for package in packages(bundle) {
        let deb = apt.download(package)?;
        apt::unpack(&deb, &folder)?;
        sources.push_str(&deb.file_name().unwrap_or_default().to_string_lossy());
        sources.push('\n');
    }
    let _ = std::fs::remove_dir_all(folder.join("usr/share"));
    std::fs::write(folder.join(SOURCES), sources)?;
    Ok(())
}
