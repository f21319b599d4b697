//! The DSP's operating system at high level: processes, threads, loader, the functions that skeletons import.
//!
//! What it needs from the application processor it asks through [`ap::Ap`]; what it is told to do comes through
//! [`process::Process`]. It does not know FastRPC's messages.

pub mod aee;
pub mod ap;
pub mod config;
pub mod crash;
pub mod elf;
pub mod error;
pub mod heap;
pub mod invocation;
pub mod ranges;
pub mod uri;
