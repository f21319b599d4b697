//! What the DSP answers (process control, remotectl, listener, current_process …) and what it asks from the AP.
//!
//! A message of the FastRPC channel becomes a `call` (its arguments read once), is routed here by its handle, and is answered
//! exactly once (`answer`) by one of the services, each in a file of its own. Module calls go on to the session's DSP process
//! ([`os`](crate)). The other direction is `tunnel` (how) and `ap` (what).
//!
//! `message` runs on the device thread and never waits: whatever takes time is answered later, from another thread.

mod adspmsgd;
mod answer;
mod ap;
mod ap_module;
mod attributes;
mod background;
mod built_in;
mod call;
pub mod config;
mod current_process;
mod default_listener;
mod dsp;
mod dspqueue;
mod farf;
mod listener;
mod modules;
mod pd;
mod perf;
mod process_control;
mod remotectl;
mod sessions;
mod static_process;
mod stats;
mod tunnel;

pub use config::{DspConfig, FarfTo, LibraryRead};
pub use dsp::{Dsp, ProcessSummary};
pub use pd::{Origin, PdKey};
pub use stats::DspStats;
pub use tunnel::ReverseError;
