//! Compiles what runs inside, from the sources of `firmware/`:
//!
//! ```text
//! skel/lib*_skel.so          Hexagon skeletons (clang): one of each file
//! shell/fastrpc_shell_*      the open placeholder for the FastRPC shell (clang)
//! dsp/dsp.mbn                the DSP's firmware for the kernel's remoteproc driver (clang)
//! guest/bin/vh-*             arm64 programs (cross gcc): one of each file, and one of each folder (statically linked)
//! guest/lib/lib*.so          what is put before a guest's library (cross gcc): one of each folder `lib*`
//! ```
//!
//! The result depends on the sources, this crate's version and the tools, and on nothing else: see [`sources`] and
//! [`Tools::versions`].

#![forbid(unsafe_code)]

pub mod image;
pub mod prebuilt;
mod recipe;
pub mod sources;
pub mod tools;

use std::path::PathBuf;
use std::process::ExitStatus;

pub use recipe::{Built, build};
pub use tools::{Missing, Tools};

/// Version of the instruction set our code is built for: the oldest of our profiles, so that it runs on all.
pub const ARCH: &str = "-mv68";

/// Why a file could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A source or a result.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A compiler that does not start.
    #[error("cannot start {program}: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A compiler that refuses.
    #[error("cannot build {target} ({status}):\n{message}")]
    Compile {
        /// What was to be made.
        target: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// There is nothing to build.
    #[error("no sources in {0}")]
    NoSources(PathBuf),
    /// A linked image that is no image of a DSP.
    #[error("cannot seal {path}: {what}")]
    Seal {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// For `map_err`: a file that cannot be used.
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
