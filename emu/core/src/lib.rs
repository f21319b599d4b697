//! The Hexagon core: decoded-block cache, interpreter, register files, exceptions.
//!
//! The core knows nothing of the operating system: [`Cpu::run`] executes packets of one DSP thread until its
//! budget is used up or something happens that is not the core's business (a trap, an exception).

mod block;
mod cache;
mod cpu;
mod dma;
mod exception;
mod fetch;
mod host;
pub mod inspect;
pub mod mem;
pub mod memory;
mod plan;
mod port;
mod thread;

pub use cpu::Cpu;
pub use dma::{Dma, Error as DmaError, Reason as DmaReason};
pub use exception::{Exception, Exit};
pub use host::VectorUnit;
pub use thread::{Ctl, HvxRegs, Regs, Thread, TimeSource, UPCYCLE_HZ, UTIMER_HZ};

#[cfg(test)]
mod tests;
