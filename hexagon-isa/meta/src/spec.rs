//! The specification in memory: what every generator (decoder, printer, assembler, meaning) reads.

/// Which registers, or what kind of immediate, an operand names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// General register, 32 bit (`R`).
    Gpr,
    /// General register pair, 64 bit (`RR`); the value is the even register number.
    GprPair,
    /// Predicate register, 8 bit (`P`).
    Pred,
    /// Modifier register M0/M1 (`M`).
    Mod,
    /// Control register (`C`).
    Ctrl,
    /// Control register pair (`CC`).
    CtrlPair,
    /// Guest register (`G`) and pair (`GG`).
    Guest,
    /// Guest register pair.
    GuestPair,
    /// Supervisor register (`S`).
    Sys,
    /// Supervisor register pair.
    SysPair,
    /// HVX vector register (`V`).
    Vec,
    /// HVX vector pair (`VV`).
    VecPair,
    /// HVX vector quad (`VVVV`).
    VecQuad,
    /// HVX predicate (`Q`).
    VecPred,
    /// Immediate; the value is final (extended, scaled, sign or zero extended).
    Imm,
    /// Branch target as a byte offset from the packet's address.
    PcRel,
}

/// How the instruction uses the operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Read only.
    Read,
    /// Written only.
    Write,
    /// Read and written (accumulators, post-increment bases).
    ReadWrite,
}

/// One operand of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Name in the syntax and in the meaning, without the width suffix: `Rd`, `Rss`, `Ii`, `Nt`, `Pu`, `Vuu`, `Qv`.
    pub name: String,
    /// What it names.
    pub class: Class,
    /// How it is used.
    pub role: Role,
    /// The operand is consumed as `.new` (the packet decoder resolves `Nt8`/`Os8` to the producer's register number).
    pub new: bool,
    /// Meaningful for [`Class::Imm`]: the value is signed.
    pub signed: bool,
}
