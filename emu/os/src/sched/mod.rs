//! Which DSP threads run, and what keeps the others.
//!
//! Knows nothing of processes, calls or imported functions, and runs nothing: whoever has a core asks for a thread
//! ([`Scheduler::pick`]), runs it outside of every lock and hands it back.

mod ready;
mod scheduler;
mod thread;
mod timers;

pub use scheduler::{RunState, Scheduler};
pub use thread::{DspThread, Role, ThreadId, Wait};
