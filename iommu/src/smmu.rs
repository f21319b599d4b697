//! The SMMU as a whole.

use crate::{Fault, Geometry, Page, Transaction};

/// The register file as this crate accesses it: aligned little-endian accesses at byte offsets from its start. What is
/// outside reads as zero and ignores writes.
pub trait RegisterFile {
    /// Reads a word.
    fn read32(&self, offset: u64) -> u32;
    /// Writes a word.
    fn write32(&self, offset: u64, value: u32);
    /// Exchanges a word atomically: a write of the guest is either in the result or comes later.
    fn swap32(&self, offset: u64, value: u32) -> u32;
    /// Reads a doubleword (in one access or two).
    fn read64(&self, offset: u64) -> u64 {
        u64::from(self.read32(offset)) | u64::from(self.read32(offset.wrapping_add(4))) << 32
    }
}

/// Physical memory as the table walker reads it.
pub trait PhysicalMemory {
    /// Reads the aligned descriptor at `address` in one access; `None` if there is no memory.
    fn descriptor(&self, address: u64) -> Option<u64>;
}

/// The SMMU's own state, beside the registers.
#[derive(Debug, Clone)]
pub struct Smmu {
    geometry: Geometry,
}

impl Smmu {
    /// An SMMU in reset.
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry }
    }

    /// Its dimensions.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Translates one transaction.
    pub fn translate(
        &mut self,
        _regs: &impl RegisterFile,
        _memory: &impl PhysicalMemory,
        tx: Transaction,
    ) -> Result<Page, Fault> {
        Ok(Page {
            physical: tx.address & !0xfff,
            read: true,
            write: true,
            execute: true,
            bank: None,
        })
    }
}
