//! Reads `spec/*.isa` and generates the code of `hexagon-isa`.
#![forbid(unsafe_code)]

pub mod meaning;
pub mod spec;
pub mod tables;
pub mod tree;
pub mod vocabulary;
