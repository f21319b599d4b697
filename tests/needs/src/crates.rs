//! Sources of crates that tests use as data: what a crate carries beside its Rust code.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// llama.cpp with its Hexagon backend and that backend's side on the DSP: crate and version.
pub const LLAMA_CPP: (&str, &str) = ("llama-cpp-sys-2", "0.1.161");

/// Lua: crate and version.
pub const LUA: (&str, &str) = ("lua-src", "551.1.0");
/// bzip2: crate and version.
pub const BZIP2: (&str, &str) = ("bzip2-sys", "0.1.13+1.0.8");
/// zlib: crate and version.
pub const ZLIB: (&str, &str) = ("libz-sys", "1.1.33");
/// SQLite: crate and version.
pub const SQLITE: (&str, &str) = ("libsqlite3-sys", "0.40.0");

/// The folder of a crate's sources, of just this version, which cargo fetches into its own cache and checks; `None` if that
/// does not work, for example because there is no network.
#[must_use]
pub fn source((name, version): (&str, &str)) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/crates/{name}-{version}"));
    std::fs::create_dir_all(&dir).ok()?;
    // A package of its own that depends on it, as cargo fetches for packages only.
    let manifest = format!(
        "[package]\nname = \"source\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [lib]\npath = \"lib.rs\"\n[dependencies]\n{name} = \"={version}\"\n[workspace]\n"
    );
    std::fs::write(dir.join("Cargo.toml"), manifest).ok()?;
    std::fs::write(dir.join("lib.rs"), "").ok()?;
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(dir.join("Cargo.toml"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(metadata.stdout).ok()?;
    let end = text.find(&format!("{name}-{version}/Cargo.toml\""))?;
    let start = text.get(..end)?.rfind('"')? + 1;
    let folder = Path::new(text.get(start..end)?).join(format!("{name}-{version}"));
    folder.is_dir().then_some(folder)
}
