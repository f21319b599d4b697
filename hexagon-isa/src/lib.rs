#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod arch;
mod assemble;
pub mod builtins;
mod decode;
pub mod disasm;
mod error;
pub mod facts;
pub mod info;
pub mod interp;
pub mod ir;
pub mod memory;
mod packet;
mod parse;
pub mod plan;
mod print;
mod regnames;
mod regset;
mod rules;
mod simd;
mod slots;
pub mod state;
mod vocabulary;

pub use arch::Arch;
pub use assemble::{AsmError, assemble, assemble_packet};
pub use error::DecodeError;
pub use info::{InsnInfo, MAX_OPERANDS, Opcode};
pub use packet::{EndLoop, Insn, MAX_INSNS, Packet, decode_packet, packet_words};
pub use regset::RegSet;
