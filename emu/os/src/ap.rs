//! What a DSP process asks of the application processor. `services` implements it over the reverse tunnel (listener +
//! apps_std + apps_mem); `vhost-hexagon invoke` and tests implement it with host directories.

use rpmsg::iface::apps_std;

/// Why the AP could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApError {
    /// The AP looked and there is no such file.
    #[error("no such file {searched} (errno {errno})")]
    NotFound {
        /// Of its last try.
        errno: u32,
        /// Where it looked, for people: "in /a, /b".
        searched: String,
    },
    /// The AP answered with this error.
    #[error("the AP answered error {0:#x}")]
    Failed(u32),
    /// There is no listener to carry the call (none came in time, or it ended).
    #[error("the process has no listener on the AP")]
    NoListener,
    /// The process was released or killed while the call was under way.
    #[error("the process ended")]
    Ended,
    /// The AP's answer makes no sense (lengths, sizes).
    #[error("the AP's answer is malformed: {0}")]
    Malformed(&'static str),
}

/// One FARF/HAP_debug message, already formatted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// HAP level: 0 low, 1 medium, 2 high, 3 error, 4 fatal.
    pub level: u32,
    /// Source file as the skeleton named it.
    pub file: String,
    /// Source line.
    pub line: u32,
    /// DSP thread ID.
    pub thread: u32,
    /// The text, without a newline.
    pub text: String,
}

/// The AP's side of a DSP process. Methods may block for as long as the AP takes, so they are called from threads that may
/// block (never from the device thread).
pub trait Ap: Send + Sync {
    /// Reads a whole library along the AP's search path; its name may have folders in front.
    fn read_library(&self, name: &str) -> Result<Vec<u8>, ApError>;
    /// Asks something of the AP's files; gives the output buffers of its answer.
    /// An AP without files has no listener for that.
    fn files(&self, request: &apps_std::Request) -> Result<Vec<Vec<u8>>, ApError> {
        let _ = request;
        Err(ApError::NoListener)
    }
    /// Asks for `bytes` more heap. On success the AP has already mapped it: the process got it through
    /// `Process::add_memory` before this returns.
    fn grow_heap(&self, bytes: u32) -> Result<(), ApError>;
    /// Hands a log record to the AP. Never blocks; may drop records when there is nobody to take them.
    fn log(&self, record: LogRecord);
}
