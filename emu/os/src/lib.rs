//! The DSP's operating system at high level: processes, threads, loader, the functions that skeletons import.
//!
//! What it needs from the application processor it asks through [`ap::Ap`]; what it is told to do comes through
//! [`process::Process`]. It does not know FastRPC's messages.
//!
//! Read downhill: `process` (what users hold) → `inbox` → `kernel` (the process's host thread: scheduler and traps) with
//! `jobs` (open, invoke, close) → `loader`, `elf`, `modules` (libraries) and `arguments` → `imports` and `lib` (the
//! functions that guest code calls) over `memory`, `heap`, `sync`.

pub mod action;
pub mod aee;
pub mod ap;
mod arguments;
mod backtrace;
mod call;
pub mod clock;
pub mod config;
pub mod crash;
mod descriptors;
pub mod elf;
pub mod error;
pub mod heap;
pub mod imports;
mod inbox;
pub mod invocation;
mod jobs;
mod kernel;
mod library;
mod loader;
mod memory;
mod modules;
pub mod probe;
pub mod process;
pub mod ranges;
mod sched;
pub mod services;
mod sync;
mod thread;
pub mod uri;
