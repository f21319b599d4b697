//! What can go wrong between a DSP process and those who use it.

use rpmsg::Aee;

/// A request to a process that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OsError {
    /// The process crashed or ended.
    #[error("the process has ended")]
    Dead,
    /// No DSP virtual address space, or no memory, is left for it.
    #[error("no room for {bytes} bytes: {what}")]
    NoRoom {
        /// What was to be placed.
        what: &'static str,
        /// How large it is.
        bytes: u64,
    },
    /// A limit of `Limits` is reached.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// The range is empty, wraps, or is not page aligned.
    #[error("bad range: {what} at {at:#x}, {len:#x} bytes")]
    BadRange {
        /// What the range is.
        what: &'static str,
        /// Where it starts.
        at: u64,
        /// Its length in bytes.
        len: u64,
    },
    /// Nothing is mapped under that address or file descriptor.
    #[error("no such mapping: {0:#x}")]
    NoSuchMap(u64),
    /// `HAP_mmap_put` of a descriptor that nobody got.
    #[error("nobody uses the mapping of descriptor {0}")]
    NoUser(i32),
    /// The pages are still in use (heap blocks, stacks or libraries live there).
    #[error("memory at {0:#x} is in use")]
    InUse(u32),
    /// The host could not start a thread.
    #[error("cannot start a host thread: {0}")]
    Host(String),
}

impl OsError {
    /// The AEE code that the DSP answers for it.
    pub fn aee(&self) -> Aee {
        match self {
            Self::Dead => Aee::GONE,
            Self::NoRoom { .. } => Aee::NO_MEMORY,
            Self::Limit(_) | Self::Host(_) => Aee::RESOURCE_NOT_FOUND,
            Self::BadRange { .. } => Aee::BAD_PARM,
            Self::NoSuchMap(_) => Aee::NO_SUCH_MAP,
            Self::NoUser(_) => Aee::BAD_MAP_REFCOUNT,
            Self::InUse(_) => Aee::FAILED,
        }
    }
}

/// Why a module could not be opened: the code for the AP and one sentence for people (`dlerror`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {aee}")]
pub struct OpenError {
    /// AEE code.
    pub aee: Aee,
    /// One line that says what is wrong, and with what.
    pub text: String,
}

impl OpenError {
    /// An error from its code and text.
    pub fn new(aee: Aee, text: impl Into<String>) -> Self {
        Self {
            aee,
            text: text.into(),
        }
    }
}
