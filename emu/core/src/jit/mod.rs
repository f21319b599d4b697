//! The translator: hot code as host code.
//!
//! [`growth`] says which packets are translated together, [`lower`] makes Cranelift's IR of their meanings, [`compile`] host code of
//! it, [`code`] keeps that, [`translator`] is a process's share of all, and [`native`] runs it for one host thread. How it is done
//! and what it costs: docs/translator.md.
//!
//! `unsafe` is in `code`, which owns executable memory, and in `native`, which calls what is in there.

#[allow(unsafe_code)]
mod code;
mod compile;
mod context;
mod engine;
mod growth;
mod lower;
#[allow(unsafe_code)]
mod native;
mod registers;
mod translator;
mod vector;

#[cfg(test)]
mod tests;

pub use compile::NoTranslator;
pub use engine::{ENGINE_VARIABLE, Engine, NoSuchEngine};
pub(crate) use native::{Native, Ran};
pub use translator::{Statistics, Translator};
