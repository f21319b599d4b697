//! Why words are not a packet.

use crate::{Arch, Opcode};

/// Why words are not a packet. `word` counts the packet's words from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The packet goes on behind the words given.
    #[error("the packet goes on behind the bytes given")]
    Incomplete,
    /// Four words, and none of them ends the packet.
    #[error("no end of the packet within four words")]
    NoEnd,
    /// The bits are no instruction.
    #[error("{bits:#010x} (word {word}) is no instruction")]
    Unknown {
        /// Which word.
        word: u8,
        /// The word, or the half of a duplex.
        bits: u32,
    },
    /// The instruction exists, but not on this core.
    #[error("{op} needs {needs}, the core is {arch}")]
    NotOnThisCore {
        /// The instruction.
        op: Opcode,
        /// The first version of the architecture that has it.
        needs: Arch,
        /// The core.
        arch: Arch,
    },
    /// The instruction is of an extension that this core does not have.
    #[error("{op} belongs to an extension that {arch} does not have")]
    NoExtension {
        /// The instruction.
        op: Opcode,
        /// The core.
        arch: Arch,
    },
    /// A register field names no register.
    #[error("{op}: {operand} = {value} names no register")]
    BadRegister {
        /// The instruction.
        op: Opcode,
        /// The operand.
        operand: &'static str,
        /// The field.
        value: u32,
    },
    /// The loop-end mark in a word other than the first two.
    #[error("loop-end mark in word {word}")]
    LoopMark {
        /// Which word.
        word: u8,
    },
    /// Nothing, or another extender, behind a constant extender.
    #[error("the constant extender in word {word} has nothing to extend")]
    DanglingExtender {
        /// Which word.
        word: u8,
    },
    /// A constant extender in front of an instruction without an extendable operand.
    #[error("{0} cannot be extended")]
    NotExtendable(Opcode),
    /// A constant extender is missing.
    #[error("{0} needs a constant extender")]
    ExtenderMissing(Opcode),
    /// More than four instructions.
    #[error("more than four instructions in the packet")]
    TooMany,
    /// No way to give each instruction a slot.
    #[error("the packet's instructions do not fit the slots")]
    Slots,
    /// An instruction that must be alone is not.
    #[error("{0} must be alone in its packet")]
    Solo(Opcode),
    /// An instruction with neighbours that it may not have.
    #[error("{0} may not be in a packet with {1}")]
    Neighbour(Opcode, Opcode),
    /// Two instructions write the same register, and not under opposite conditions.
    #[error("{0} and {1} write the same register")]
    TwoWriters(Opcode, Opcode),
    /// The program counter is not written by transfers.
    #[error("{0} writes a read-only register")]
    ReadOnly(Opcode),
    /// The loop registers are written in the packet that ends the loop, or that packet branches.
    #[error("{0} in a packet that ends a hardware loop")]
    InLoopEnd(Opcode),
    /// More than two branches, or two in one duplex.
    #[error("more than two branches in the packet, or two in one duplex")]
    Branches,
    /// `.new` without an instruction of the packet that produces the value in time.
    #[error("{0} uses a new value that nothing in the packet produces")]
    NoProducer(Opcode),
    /// `.new` from an instruction that may not produce it.
    #[error("{0} cannot take its new value from {1}")]
    BadProducer(Opcode, Opcode),
    /// A temporary vector is used where it may not be.
    #[error("{0}: .tmp vector accumulated, or a second one in the packet")]
    Tmp(Opcode),
    /// A load of the matrix unit without the one that it belongs to, in front of the wrong one, or for other numbers.
    #[error("{0} needs the activation load or weight load of its kind in its packet, activation first")]
    Unpaired(Opcode),
}
