//! Scenarios: a DSP that misbehaves on command.
//!
//! A scenario is a TOML file of rules: *match* an event at the seam ([`emu_os::seam`]) → *do* something about it. Whatever no
//! rule touches is the honest DSP's; nothing of the services is repeated here. The language is described in
//! `docs/scenarios.md`, its schema for editors is `docs/scenario.schema.json`, examples are in `scenarios/`.
//!
//! [`Scenario::load`] reads and checks a file ([`mod@file`] is what is written, `check` turns it into rules); an [`Engine`] is the
//! [`Interposer`](emu_os::seam::Interposer) of one DSP; a [`Watch`] tells how often each rule fired and what happened.
//! Decisions depend on the events, their order and the seed alone.

mod case;
mod case_tables;
mod check;
mod class;
mod effects;
mod engine;
mod error;
pub mod event;
mod expr;
pub mod file;
mod history;
mod load;
mod parcel;
pub(crate) mod random;
mod rule;
mod scalar;
#[cfg(test)]
mod tests;
mod values;

pub use case::{Allow, Case, CaseNeeds, Expectations, Program, Releases};
pub use case_tables::{Driver, Zoo};
pub use class::Class;
pub use engine::{Engine, Watch};
pub use error::ScenarioError;
pub use file::Needs;
pub use history::Entry;
pub use rule::Scenario;
pub use values::{Bytes, Ints, Num, Time, Words};
