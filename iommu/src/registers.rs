//! The register file: every register this crate or the kernel's driver cares for, by name, with its offset and fields.
//!
//! Source: IHI 0062D.c chapters 9 (global address space 0), 10 (global address space 1) and 16 (stage 1 context banks);
//! Linux `arm-smmu.h` uses the same offsets.

use bitflags::bitflags;

use crate::{Geometry, RegisterFile};

/// Registers of global address space 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Global {
    /// sCR0: configuration.
    Control,
    /// sIDR0: stages, stream matching, number of stream mapping groups.
    Id0,
    /// sIDR1: page size, number of pages and context banks.
    Id1,
    /// sIDR2: address sizes and granules.
    Id2,
    /// sIDR7: revision.
    Id7,
    /// sGFAR: faulting address, 64 bits.
    FaultAddress,
    /// sGFSR: fault status, write 1 to clear.
    FaultStatus,
    /// sGFSRRESTORE: write-only; Linux does not use it.
    FaultStatusRestore,
    /// sGFSYNR0: what the transaction was.
    FaultSyndrome0,
    /// sGFSYNR1: its stream id.
    FaultSyndrome1,
    /// STLBIALL.
    InvalidateAllSecure,
    /// TLBIVMID.
    InvalidateVmid,
    /// TLBIALLNSNH.
    InvalidateAllNonHyp,
    /// TLBIALLH.
    InvalidateAllHyp,
    /// sTLBGSYNC.
    Sync,
    /// SMRn: stream match.
    StreamMatch(u8),
    /// S2CRn: stream to context.
    StreamToContext(u8),
    /// CBARn (global space 1): context bank attributes.
    BankAttribute(u8),
    /// CBFRSYNRAn (global space 1): stream id of a context fault.
    BankFaultStream(u8),
    /// CBA2Rn (global space 1): more context bank attributes.
    BankAttribute2(u8),
}

/// Registers of a stage 1 context bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bank {
    /// SCTLR.
    Control,
    /// TCR2.
    TranslationControl2,
    /// TTBR0, 64 bits.
    Table0,
    /// TTBR1, 64 bits.
    Table1,
    /// TCR.
    TranslationControl,
    /// MAIR0.
    MemoryAttributes0,
    /// MAIR1.
    MemoryAttributes1,
    /// FSR: fault status, write 1 to clear.
    FaultStatus,
    /// FAR: faulting address, 64 bits.
    FaultAddress,
    /// FSYNR0: what the transaction was.
    FaultSyndrome0,
    /// TLBIVA.
    InvalidateAddress,
    /// TLBIVAA.
    InvalidateAddressAllAsids,
    /// TLBIASID.
    InvalidateAsid,
    /// TLBIALL.
    InvalidateAll,
    /// TLBIVAL.
    InvalidateLastLevel,
    /// TLBIVAAL.
    InvalidateLastLevelAllAsids,
    /// TLBSYNC.
    Sync,
}

impl Global {
    /// Offset from the start of the register file.
    pub fn offset(self, geometry: Geometry) -> u64 {
        let space1 = 1u64 << geometry.page_shift();
        let nth = |base: u64, n: u8| base | u64::from(n) << 2;
        match self {
            Self::Control => 0x0,
            Self::Id0 => 0x20,
            Self::Id1 => 0x24,
            Self::Id2 => 0x28,
            Self::Id7 => 0x3c,
            Self::FaultAddress => 0x40,
            Self::FaultStatus => 0x48,
            Self::FaultStatusRestore => 0x4c,
            Self::FaultSyndrome0 => 0x50,
            Self::FaultSyndrome1 => 0x54,
            Self::InvalidateAllSecure => 0x60,
            Self::InvalidateVmid => 0x64,
            Self::InvalidateAllNonHyp => 0x68,
            Self::InvalidateAllHyp => 0x6c,
            Self::Sync => 0x70,
            Self::StreamMatch(n) => nth(0x800, n),
            Self::StreamToContext(n) => nth(0xc00, n),
            Self::BankAttribute(n) => space1 | nth(0, n),
            Self::BankFaultStream(n) => space1 | nth(0x400, n),
            Self::BankAttribute2(n) => space1 | nth(0x800, n),
        }
    }
}

impl Bank {
    /// Offset from the start of the register file, in context bank `n`.
    pub fn offset(self, geometry: Geometry, n: u8) -> u64 {
        let page = geometry.pages().wrapping_add(u64::from(n)) << geometry.page_shift();
        let register = match self {
            Self::Control => 0x0,
            Self::TranslationControl2 => 0x10,
            Self::Table0 => 0x20,
            Self::Table1 => 0x28,
            Self::TranslationControl => 0x30,
            Self::MemoryAttributes0 => 0x38,
            Self::MemoryAttributes1 => 0x3c,
            Self::FaultStatus => 0x58,
            Self::FaultAddress => 0x60,
            Self::FaultSyndrome0 => 0x68,
            Self::InvalidateAddress => 0x600,
            Self::InvalidateAddressAllAsids => 0x608,
            Self::InvalidateAsid => 0x610,
            Self::InvalidateAll => 0x618,
            Self::InvalidateLastLevel => 0x620,
            Self::InvalidateLastLevelAllAsids => 0x628,
            Self::Sync => 0x7f0,
        };
        page | register
    }
}

/// Takes bits `lsb..lsb + width` of a register.
pub(crate) const fn field(value: u64, lsb: u32, width: u32) -> u64 {
    match value.checked_shr(lsb) {
        Some(v) => v & ones(width),
        None => 0,
    }
}

/// The lowest `width` bits set; all of them from 64 on.
pub(crate) const fn ones(width: u32) -> u64 {
    match 1u64.checked_shl(width) {
        Some(bit) => bit.wrapping_sub(1),
        None => u64::MAX,
    }
}

bitflags! {
    /// sCR0.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Control: u32 {
        /// Clients bypass the SMMU.
        const CLIENTPD = 1;
        /// Global faults return an abort.
        const GFRE = 1 << 1;
        /// Global faults interrupt.
        const GFIE = 1 << 2;
        /// Unmatched streams fault.
        const USFCFG = 1 << 10;
        const _ = !0;
    }
}

bitflags! {
    /// sGFSR.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GlobalStatus: u32 {
        /// Invalid context fault.
        const ICF = 1;
        /// Unidentified stream fault.
        const USF = 1 << 1;
        /// Stream match conflict fault.
        const SMCF = 1 << 2;
        /// Unimplemented context bank fault.
        const UCBF = 1 << 3;
        /// Another fault came while one was recorded.
        const MULTI = 1 << 31;
    }
}

bitflags! {
    /// SCTLR of a context bank.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BankControl: u32 {
        /// Translation enabled.
        const M = 1;
        /// Page tables are big-endian.
        const E = 1 << 4;
        /// Context faults interrupt.
        const CFIE = 1 << 6;
        /// Context faults stall (treated as terminate).
        const CFCFG = 1 << 7;
        const _ = !0;
    }
}

bitflags! {
    /// FSR of a context bank.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BankStatus: u32 {
        /// Translation fault.
        const TF = 1 << 1;
        /// Access flag fault.
        const AFF = 1 << 2;
        /// Permission fault.
        const PF = 1 << 3;
        /// External fault.
        const EF = 1 << 4;
        /// TLB match conflict.
        const TLBMCF = 1 << 5;
        /// Address size fault.
        const ASF = 1 << 7;
        /// Unsupported upstream transaction.
        const UUT = 1 << 8;
        /// The faulting bank uses AArch64 tables (FORMAT = 2).
        const AARCH64 = 2 << 9;
        /// Another fault came while one was recorded.
        const MULTI = 1 << 31;
    }
}

bitflags! {
    /// FSYNR0 of a context bank; PLVL (1:0) and S1CBNDX (23:16) beside it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct BankSyndrome: u32 {
        /// The transaction was a write.
        const WNR = 1 << 4;
        /// It was privileged.
        const PNU = 1 << 5;
        /// It was an instruction fetch.
        const IND = 1 << 6;
        /// The fault came on a table walk.
        const PTWF = 1 << 10;
    }
}

/// Registers by name instead of offset.
#[derive(Debug)]
pub(crate) struct View<'a, R> {
    pub(crate) file: &'a R,
    pub(crate) geometry: Geometry,
}

impl<R: RegisterFile> View<'_, R> {
    pub(crate) fn global(&self, r: Global) -> u32 {
        self.file.read32(r.offset(self.geometry))
    }
    pub(crate) fn set_global(&self, r: Global, v: u32) {
        self.file.write32(r.offset(self.geometry), v);
    }
    pub(crate) fn bank(&self, n: u8, r: Bank) -> u32 {
        self.file.read32(r.offset(self.geometry, n))
    }
    pub(crate) fn bank64(&self, n: u8, r: Bank) -> u64 {
        self.file.read64(r.offset(self.geometry, n))
    }
}
