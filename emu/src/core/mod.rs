//! The Hexagon core: decoded-block cache, interpreter, register files, exceptions.
//!
//! The core knows nothing of the operating system: [`Cpu::run`](cpu) executes packets of one DSP thread until its
//! budget is used up or something happens that is not the core's business (a trap, an exception).

pub mod memory;
