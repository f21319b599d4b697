//! What can stand in the way of a set-up, each with what to do about it.

use std::path::PathBuf;
use std::process::ExitStatus;

use emu_assets::cache::CacheError;
use host_files::output::OutputError;

/// Why something is not there in the end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the user's.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A program that does not start.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// As one would type it.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// What a program prints cannot be passed on.
    #[error("cannot pass on what `{command}` prints: {source}")]
    PassOn {
        /// As one would type it.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program that fails.
    #[error("`{command}` failed ({status}){said}")]
    Failed {
        /// As one would type it.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said, with a line break before it; empty if it said nothing or said it on the terminal.
        said: String,
    },
    /// The keys that packages are verified with.
    #[error(
        "{0} is missing, so packages could not be verified: install the package debian-archive-keyring (as root: `apt-get install \
         debian-archive-keyring`)"
    )]
    Keyring(&'static str),
    /// No archive.
    #[error(
        "this machine's apt has no Debian archive to take packages from: name one with --mirror URL (or VHOST_HEXAGON_MIRROR), the \
         address that a line of sources.list would have; its packages are verified with the keys of the package debian-archive-keyring"
    )]
    Mirror,
    /// Package lists.
    #[error("cannot fetch package lists (is the mirror reachable?): {0}")]
    Lists(Box<Error>),
    /// A package.
    #[error("cannot fetch the package {package}: {said}")]
    Package {
        /// Which.
        package: String,
        /// What apt said.
        said: String,
    },
    /// A package that the archive does not have.
    #[error("the mirror has no {0}")]
    NotPackaged(String),
    /// Packages that are not as they were.
    #[error("{0}: the packages changed their layout")]
    Layout(String),
    /// A file that does not unpack.
    #[error("cannot unpack {path}: {what}")]
    Unpack {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A system without Debian's packages.
    #[error("{0}")]
    OtherSystem(String),
    /// Programs of the host that only root may install.
    #[error("missing: {what}; as root, run\n\n    {command}\n\nand start again")]
    NeedsRoot {
        /// Their purposes.
        what: String,
        /// As one would type it.
        command: String,
    },
    /// Programs that are not there after all.
    #[error("still missing after the installation: {0}")]
    StillMissing(String),
    /// A check that found something missing.
    #[error("{0}")]
    Incomplete(String),
    /// A demo that did not show what it should.
    #[error("{0}")]
    Demo(String),
    /// Two of these.
    #[error("{0}\n\nand {1}")]
    Both(Box<Error>, Box<Error>),
}

impl Error {
    /// For `map_err`: a file that cannot be used.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// What fails with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
