//! Counters of one DSP since it was made.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::crash::CrashReport;

/// What happened on a DSP so far. A snapshot: [`Dsp::stats`](super::Dsp::stats).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DspStats {
    /// Messages that arrived on the FastRPC channel.
    pub messages_in: u64,
    /// Answers sent.
    pub messages_out: u64,
    /// Messages that were not answered because there was nobody to answer: wrong length, or given up when the context had a
    /// newer owner.
    pub dropped: u64,
    /// Calls that were answered with an error.
    pub errors: u64,
    /// Calls of module methods (built-in and skeleton).
    pub module_calls: u64,
    /// Modules opened.
    pub opens: u64,
    /// Calls made to the AP through the reverse tunnel.
    pub reverse_calls: u64,
    /// Bytes read from the AP's files.
    pub bytes_read: u64,
    /// Bytes of AP memory mapped into DSP processes: initial memory, heap growth, mapped buffers and arguments.
    pub bytes_mapped: u64,
    /// Packets executed by all processes, dead ones included.
    pub packets: u64,
    /// Processes created.
    pub processes: u64,
    /// Processes alive now.
    pub processes_now: u64,
    /// Processes that crashed.
    pub crashes: u64,
    /// FARF messages from skeletons.
    pub farf: u64,
    /// FARF messages that the AP did not get because its queue was full or its listener gone.
    pub farf_dropped: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub messages_in: AtomicU64,
    pub messages_out: AtomicU64,
    pub dropped: AtomicU64,
    pub errors: AtomicU64,
    pub module_calls: AtomicU64,
    pub opens: AtomicU64,
    pub reverse_calls: AtomicU64,
    pub bytes_read: AtomicU64,
    pub bytes_mapped: AtomicU64,
    pub packets: AtomicU64,
    pub processes: AtomicU64,
    pub crashes: AtomicU64,
    pub farf: AtomicU64,
    pub farf_dropped: AtomicU64,
    last_crash: Mutex<Option<CrashReport>>,
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Counts `n` more.
pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Relaxed);
}

impl Counters {
    /// Counts a crash and keeps its report.
    pub fn crashed(&self, report: CrashReport) {
        count(&self.crashes);
        *self.last_crash.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
    }

    /// The report of the latest crash.
    pub fn last_crash(&self) -> Option<CrashReport> {
        self.last_crash
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A snapshot; what only live processes know is for the caller to fill in.
    pub fn snapshot(&self) -> DspStats {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        DspStats {
            messages_in: get(&self.messages_in),
            messages_out: get(&self.messages_out),
            dropped: get(&self.dropped),
            errors: get(&self.errors),
            module_calls: get(&self.module_calls),
            opens: get(&self.opens),
            reverse_calls: get(&self.reverse_calls),
            bytes_read: get(&self.bytes_read),
            bytes_mapped: get(&self.bytes_mapped),
            packets: get(&self.packets),
            processes: get(&self.processes),
            processes_now: 0,
            crashes: get(&self.crashes),
            farf: get(&self.farf),
            farf_dropped: get(&self.farf_dropped),
        }
    }
}
