//! Differential tests of instructions' meanings: random legal packets with random and edge-case registers run on our core
//! and on `qemu-hexagon`, and every register, predicate, USR, vector and memory byte behind them must be equal.
//!
//! * [`generate`]: packets around one instruction; which instructions a QEMU can be asked about;
//! * [`mixed`]: packets of several instructions, ends of hardware loops, small programs with loops and branches;
//! * [`input`]: register values;
//! * [`program`]: one ELF file from many cases;
//! * [`run`]: the file on both sides, and what differs;
//! * [`campaign`]: batches that follow from a seed, findings, counts;
//! * [`exceptions`]: where a peer is not to be believed, and why.

pub mod campaign;
pub mod exceptions;
pub mod generate;
pub mod input;
pub mod mixed;
pub mod program;
pub mod random;
pub mod run;
