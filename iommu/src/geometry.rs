//! How big this SMMU is: pages, context banks, stream mapping groups. What a SoC profile chooses.
//!
//! Source: IHI 0062 §9.6 (SMMU_IDR0..IDR7) and Linux `arm_smmu_device_cfg_probe`, which reads nothing else.

/// The dimensions of an SMMU-500 that its ID registers announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Register pages are 64 KiB instead of 4 KiB (ID1.PAGESIZE).
    pub wide_pages: bool,
    /// ID1.NUMPAGENDXB, 0..=7: the global and the context-bank half have 2^(this+1) register pages each.
    pub num_page_ndxb: u8,
    /// Number of context banks (ID1.NUMCB), at most the number of pages in a half and at most 128.
    pub banks: u8,
    /// Number of stream mapping groups (ID0.NUMSMRG), at most 127.
    pub groups: u8,
}

impl Geometry {
    /// 4 KiB register pages, 8 context banks, 16 stream mapping groups: 128 KiB of registers.
    pub const SMALL: Self = Self {
        wide_pages: false,
        num_page_ndxb: 3,
        banks: 8,
        groups: 16,
    };

    /// log2 of the size of one register page.
    pub const fn page_shift(self) -> u32 {
        if self.wide_pages { 16 } else { 12 }
    }

    /// Register pages in each half (global half, context-bank half).
    pub const fn pages(self) -> u64 {
        2 << (self.num_page_ndxb & 7)
    }

    /// Size of the whole register file in bytes.
    pub const fn size(self) -> u64 {
        self.pages().wrapping_mul(2) << self.page_shift()
    }
}
