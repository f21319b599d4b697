//! Kernel CI: cases (a scenario, a workload, what must hold) played on a kernel, one fresh guest each, and judged.
//!
//! The path of a case reads downhill: [`suite`] finds the files, [`needs`] says whether the kernel can play one, [`guest`]
//! boots it and watches (the console through [`console`], the wire through the scenario's engine, the driver through the
//! account), [`verdict`] compares with what the file expects, [`known`] takes out
//! what is a known defect of the kernel, [`runner`] does so with several at once, and [`report`],
//! [`junit`], [`ktap`] and [`json`] tell it; [`mod@minimize`] shrinks a case that fails, [`ab`] compares what a case showed on two
//! kernels. See `docs/ci.md`.

pub mod ab;
pub mod complaint;
pub mod console;
pub mod dump;
pub mod guest;
pub mod json;
pub mod junit;
pub mod known;
pub mod ktap;
pub mod minimize;
pub mod needs;
pub mod report;
pub mod runner;
pub mod suite;
pub mod tools;
pub mod verdict;

pub use complaint::{Complaint, signature};
pub use guest::{End, Observed, Setup};
pub use known::{Known, KnownError};
pub use needs::Facts;
pub use runner::{Event, Played, play, play_all, skipped};
pub use tools::Tools;
pub use verdict::{About, Reason, Verdict};
