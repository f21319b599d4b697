//! Why the SMMU refuses a transaction.

use crate::Transaction;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum FaultKind {
    /// No valid translation (context fault, FSR.TF).
    #[error("translation fault")]
    Translation,
    /// The descriptor's access flag is clear (FSR.AFF).
    #[error("access flag fault")]
    AccessFlag,
    /// Translated, but not for this access (FSR.PF).
    #[error("permission fault")]
    Permission,
    /// A page table lies outside of RAM (FSR.EF).
    #[error("external abort on a table walk")]
    WalkAbort,
    /// A table or output address is wider than TCR2.PASIZE allows (FSR.ASF).
    #[error("address size fault")]
    AddressSize,
    /// The bank asks for something that is deliberately not modelled (FSR.UUT).
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// No stream mapping group matches and sCR0.USFCFG is set (sGFSR.USF).
    #[error("unidentified stream")]
    UnidentifiedStream,
    /// More than one stream mapping group matches (sGFSR.SMCF).
    #[error("stream match conflict")]
    StreamMatchConflict,
    /// The stream's S2CR has type fault (sGFSR.ICF).
    #[error("stream mapped to a fault context")]
    FaultContext,
    /// The stream's S2CR names a context bank that does not exist (sGFSR.UCBF).
    #[error("unimplemented context bank")]
    UnimplementedBank,
}

/// A refused transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("SMMU: {kind} (stream {:#x}, address {:#x}, {:?}, level {level})", .transaction.stream, .transaction.address, .transaction.access)]
pub struct Fault {
    /// Why.
    pub kind: FaultKind,
    /// The page table level at which it was found, 0..=3.
    pub level: u8,
    /// The context bank, `None` for faults before there is one (recorded globally).
    pub bank: Option<u8>,
    /// What was refused.
    pub transaction: Transaction,
}
