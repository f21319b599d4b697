#![doc = include_str!("../README.md")]
// `host`, and files of `jit` and `mem` allow it for themselves; the heads of the two say which and what for.
#![deny(unsafe_code, clippy::undocumented_unsafe_blocks)]

mod block;
mod cache;
mod code_changes;
mod cpu;
mod dma;
mod exception;
mod fetch;
#[allow(unsafe_code)]
mod host;
pub mod inspect;
mod jit;
pub mod mem;
pub mod memory;
mod part;
mod stop;
mod thread;
mod vector_float;

pub use code_changes::CodeChanges;
pub use cpu::Cpu;
pub use dma::{Dma, Error as DmaError, Reason as DmaReason};
pub use exception::{Exception, Exit};
pub use host::VectorUnit;
pub use jit::{
    Dump, ENGINE_VARIABLE, Engine, How, LeftPacket, NoSuchEngine, NoTranslator, PERF_VARIABLE, Record,
    Statistics, Translator, record,
};
pub use part::NoVectors;
pub use thread::{Ctl, HvxRegs, Regs, Thread, TimeSource, UPCYCLE_HZ, UTIMER_HZ};
pub use vector_float::{Simulated, VectorFloat, VectorFloats};

#[cfg(test)]
mod tests;
