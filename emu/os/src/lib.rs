//! The DSP's operating system at high level: processes, threads, loader, the functions that skeletons import.
//!
//! What it needs from the application processor it asks through [`ap::Ap`]; what it is told to do comes through
//! [`process::Process`]. It does not know FastRPC's messages.
//!
//! Read downhill (README.md has the floors): `process` (what users hold, and the host thread that runs DSP threads) →
//! `imports` and `library` (the functions that guest code calls), `calls` (open, invoke, close) → `kernel` (the parts of a
//! process held together) → `sched`, `objects`, `loader`, `memory` (one part each).

pub mod action;
pub mod ap;
mod builtins;
mod call_times;
mod calls;
pub mod clock;
pub mod config;
pub mod conversation;
pub mod crash;
pub mod error;
pub mod frame;
mod handle_numbers;
pub mod imports;
#[cfg(test)]
mod imports_hostile_tests;
pub mod invocation;
mod kernel;
mod library;
mod library_state;
mod loader;
mod memory;
mod objects;
pub mod probe;
pub mod process;
mod sched;
pub mod seam;
pub mod services;

pub use builtins::WINDOW as BUILTINS_WINDOW;
pub use handle_numbers::HandleNumbers;
pub use loader::{elf, uri};
pub use memory::{heap, ranges};
