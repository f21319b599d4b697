//! The Hexagon instruction set as data: one specification, from which the decoder, the printer, the assembler, the
//! interpreter's functions and a typed IR are generated.
#![forbid(unsafe_code)]

mod arch;
pub mod interp;

pub use arch::Arch;
