//! The translator: hot code as host code.
//!
//! [`growth`] says which packets are translated together, [`lower`] makes Cranelift's IR of their meanings, [`compile`] host code of
//! it, [`code`] keeps that, [`units`] finds it, [`record`] tells people, [`translator`] is a process's share of all, and [`native`]
//! runs it for one host thread. How it is done and what it costs: docs/translator.md.
//!
//! `unsafe` is in `code`, which owns executable memory, in `native`, which calls what is in there, and in `fault`, which leaves it
//! when the host refuses an access.

#[allow(unsafe_code)]
mod code;
mod compile;
mod context;
mod engine;
#[allow(unsafe_code)]
mod fault;
mod growth;
mod lower;
#[allow(unsafe_code)]
mod native;
mod record;
mod registers;
mod translator;
mod units;
mod vector;
mod way_in;

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod guarded_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod thread_tests;

pub use compile::NoTranslator;
pub use engine::{ENGINE_VARIABLE, Engine, NoSuchEngine};
pub(crate) use native::{Native, Ran};
pub use record::{Dump, How, LeftPacket, PERF_VARIABLE, Record, Statistics, record};
pub use translator::Translator;
