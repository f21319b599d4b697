//! What goes into the SMMU and what comes out of it.

/// What a transaction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Data read.
    Read,
    /// Data write.
    Write,
    /// Instruction fetch.
    Execute,
}

/// A transaction as it arrives at the SMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Stream id, 15 bits.
    pub stream: u16,
    /// Device address (IOVA).
    pub address: u64,
    /// What it does.
    pub access: Access,
    /// Made by privileged code. A stream mapping may override it (S2CR.PRIVCFG).
    pub privileged: bool,
}

/// Where a transaction's 4 KiB page really is and what else this stream may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Physical address of the page, a multiple of 4096.
    pub physical: u64,
    /// May be read by transactions of this privilege.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// Instructions may be fetched from it.
    pub execute: bool,
    /// The context bank that translated, `None` if the stream bypasses translation.
    pub bank: Option<u8>,
}

impl Page {
    /// Does the page allow this kind of access?
    pub fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
            Access::Execute => self.execute,
        }
    }
}
