//! Why a thread cannot go on: the exceptions of the core, each naming the instruction's address.

use super::memory::MemFault;
use super::part::NoVectors;

/// A precise exception: the thread's `pc` is the faulting packet's address and nothing of that packet was committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exception {
    /// A load, store or instruction fetch faulted.
    #[error("at {pc:#010x}: {fault}")]
    Memory {
        /// Address of the packet.
        pc: u32,
        /// What was accessed.
        fault: MemFault,
    },
    /// The words at `pc` are no packet of this architecture.
    #[error("at {pc:#010x}: illegal packet (first word {word:#010x}): {why}")]
    Illegal {
        /// Address of the packet.
        pc: u32,
        /// Its first word.
        word: u32,
        /// What the decoder says.
        why: String,
    },
    /// A legal instruction whose meaning is not written yet.
    #[error("at {pc:#010x}: instruction {name} has no meaning yet in this emulator")]
    NoMeaning {
        /// Address of the packet.
        pc: u32,
        /// The instruction's name in the specification.
        name: &'static str,
    },
    /// An instruction on vectors, and no vector context.
    #[error("at {pc:#010x}: a vector instruction, and {why}")]
    NoVectors {
        /// Address of the packet.
        pc: u32,
        /// Why there is none.
        why: NoVectors,
    },
    /// An instruction on vectors of floats that the part has no unit for.
    #[error("at {pc:#010x}: {name}, and this part's vector unit has no such floating point")]
    NoFloatUnit {
        /// Address of the packet.
        pc: u32,
        /// The instruction.
        name: &'static str,
    },
    /// The matrix unit is used in a way that it may not be.
    #[error("at {pc:#010x}: {what}")]
    Matrix {
        /// Address of the packet.
        pc: u32,
        /// How.
        what: &'static str,
    },
    /// A jump to an address that is not a multiple of four.
    #[error("at {pc:#010x}: program counter is not a multiple of 4")]
    MisalignedPc {
        /// The address.
        pc: u32,
    },
    /// An instruction or register that user code may not use.
    #[error("at {pc:#010x}: {name} is privileged")]
    Privileged {
        /// Address of the packet.
        pc: u32,
        /// The instruction.
        name: &'static str,
    },
    /// `allocframe` below FRAMELIMIT.
    #[error("at {pc:#010x}: stack frame at {va:#010x} is below FRAMELIMIT")]
    FrameLimit {
        /// Address of the packet.
        pc: u32,
        /// Where the frame would have been.
        va: u32,
    },
}

impl Exception {
    /// Address of the packet that could not run.
    pub fn pc(&self) -> u32 {
        match self {
            Exception::Memory { pc, .. }
            | Exception::Illegal { pc, .. }
            | Exception::NoMeaning { pc, .. }
            | Exception::NoVectors { pc, .. }
            | Exception::NoFloatUnit { pc, .. }
            | Exception::Matrix { pc, .. }
            | Exception::MisalignedPc { pc }
            | Exception::Privileged { pc, .. }
            | Exception::FrameLimit { pc, .. } => *pc,
        }
    }
}

/// Why [`Cpu::run`](super::Cpu::run) came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The packet budget is used up.
    Budget,
    /// Somebody else should run: `pause`, or a store-conditional that failed.
    Yield,
    /// `trap0(#imm)`; `pc` is already behind the packet.
    Trap0 {
        /// The instruction's immediate.
        imm: u32,
    },
    /// `trap1(#imm)`; `pc` is already behind the packet.
    Trap1 {
        /// The instruction's immediate.
        imm: u32,
    },
    /// The thread cannot go on.
    Exception(Exception),
}
