//! The DSP's operating system at high level: processes, threads, loader, the functions that skeletons import.
//!
//! What it needs from the application processor it asks through [`ap::Ap`]; what it is told to do comes through
//! `process::Process`. It does not know FastRPC's messages.

pub mod ap;
