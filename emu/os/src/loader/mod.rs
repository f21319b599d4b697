//! From a module's name to a library in memory: what the name asks for ([`uri`]), reading the file and what it needs
//! ([`gather`]), what is in it ([`elf`]), placing it ([`modules`]) and binding it by names and versions, what
//! each thread has of it ([`thread_storage`]), what programs find in it ([`scope`]).

mod binding;
pub mod elf;
pub mod gather;
pub mod modules;
mod names;
pub mod scope;
pub mod thread_storage;
pub mod uri;
