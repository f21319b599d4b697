//! Experiments with the machine: DSPs that misbehave on command, what a driver left behind, traces and their replay, runs
//! that repeat exactly, kernel CI, fuzzing.

pub mod account;
pub mod ci;
pub mod deterministic;
pub mod driver;
pub mod fuzz;
pub mod hooks;
pub mod replay;
pub mod scenario;
pub mod trace;
