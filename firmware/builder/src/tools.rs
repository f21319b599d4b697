//! The compilers: where they are, and what makes one set of them different from another.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// The cross compiler for the guest's programs.
const CROSS: &str = "aarch64-linux-gnu-gcc";

/// Compilers for everything in `firmware/`.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Folder with `clang` and `ld.lld`.
    pub llvm: PathBuf,
    /// The arm64 cross compiler's program.
    pub cross: PathBuf,
}

/// A compiler that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// LLVM.
    #[error("there is no clang, lld and llvm (19 or newer) that knows Hexagon")]
    Llvm,
    /// GCC.
    #[error("there is no {CROSS}")]
    Cross,
}

impl Tools {
    /// The newest LLVM with Hexagon and the cross compiler on `PATH`.
    ///
    /// # Errors
    /// Which of them is missing.
    pub fn find() -> Result<Self, Missing> {
        Ok(Self {
            llvm: llvm().ok_or(Missing::Llvm)?,
            cross: on_path(CROSS).ok_or(Missing::Cross)?,
        })
    }

    /// The compilers' names and versions, for people.
    #[must_use]
    pub fn names(&self) -> String {
        let versions = self.versions();
        let compilers: Vec<&str> = [0, 2]
            .iter()
            .filter_map(|n| versions.get(*n).map(String::as_str))
            .collect();
        compilers.join(" and ")
    }

    /// One line a tool that has a part in the bytes: compilers, linkers, the C library that is linked in.
    #[must_use]
    pub fn versions(&self) -> Vec<String> {
        let said = |program: &Path, argument: &str| {
            let output = Command::new(program).arg(argument).env("LC_ALL", "C").output();
            let output = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
            output.unwrap_or_default()
        };
        let first = |text: String| text.lines().next().unwrap_or("unknown").to_owned();
        let linker = PathBuf::from(said(&self.cross, "-print-prog-name=ld").trim());
        let library = said(&self.cross, "-print-file-name=libc.a");
        let library =
            std::fs::read(library.trim()).map_or("unknown".to_owned(), |bytes| hex(&Sha256::digest(bytes)));
        vec![
            first(said(&self.llvm.join("clang"), "--version")),
            first(said(&self.llvm.join("ld.lld"), "--version")),
            first(said(&self.cross, "--version")),
            first(said(&linker, "--version")),
            format!("libc.a {library}"),
        ]
    }
}

/// Folder of the newest complete LLVM with Hexagon support (`clang`, `ld.lld`, `llvm-mc`, `llvm-objdump`), or the one that
/// `VH_LLVM_BIN` names.
#[must_use]
pub fn llvm() -> Option<PathBuf> {
    let named = std::env::var_os("VH_LLVM_BIN").map(PathBuf::from);
    let installed = (19..=40)
        .rev()
        .map(|n| PathBuf::from(format!("/usr/lib/llvm-{n}/bin")));
    named.into_iter().chain(installed).find(|dir| {
        ["clang", "ld.lld", "llvm-mc", "llvm-objdump"]
            .iter()
            .all(|tool| dir.join(tool).is_file())
            && Command::new(dir.join("clang"))
                .arg("--print-targets")
                .output()
                .is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains("hexagon"))
    })
}

fn on_path(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(tool))
        .find(|p| p.is_file())
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
