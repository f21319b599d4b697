//! Somebody who wants to know when DSP threads run calls: a trace, a timeline.

/// Told from the process's own thread, so it must not wait for anything.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// A DSP thread begins to run the method of a call.
    fn begins(&self, ctx: u64, thread: u32);

    /// It has run it; the answer follows.
    fn ends(&self, ctx: u64, thread: u32);
}
