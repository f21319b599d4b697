//! From a module's name to a library in memory: what the name asks for ([`uri`]), reading the file and what it needs
//! ([`gather`]), what is in it ([`elf`]), placing and binding it ([`modules`]).

pub mod elf;
pub mod gather;
pub mod modules;
pub mod uri;
