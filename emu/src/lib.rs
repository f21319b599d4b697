//! A Snapdragon DSP subsystem that exists only as software.
//!
//! The path of one invoke reads downhill: [`device`] (doorbell, FIFO) → `rpmsg` (GLINK, FastRPC) → [`services`]
//! (which service answers) → [`os`] (the DSP process) → [`core`] (packets) over [`mem`] (the process's address
//! space and the SMMU); the answer comes back the same stairs as a list of [`action::Action`]s.

pub mod account;
pub mod action;
pub mod ci;
pub mod control;
pub mod core;
pub mod device;
pub mod exec;
pub mod fuzz;
pub mod mem;
pub mod os;
pub mod profile;
pub mod replay;
pub mod scenario;
pub mod services;
pub mod steady;
pub mod trace;
pub mod vm;
