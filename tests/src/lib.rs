//! Tests that need more than one crate (see `tests/`), and what they share: finding assets, booting a guest, recorded sessions.

pub mod assets;
pub mod coverage;
pub mod cxx_runtime;
pub mod difftest;
pub mod documents;
pub mod elf;
pub mod figures;
pub mod ggml;
pub mod golden;
pub mod guest;
pub mod hexagon;
pub mod machine;
pub mod model;
pub mod real_programs;
pub mod run;
pub mod trace;
pub mod user;
