//! The page: what an address space is mapped and protected by, and the SMMU's smallest granule.

/// Bits of an address within its page.
pub const PAGE_SHIFT: u32 = 12;

/// Bytes in a page of a DSP's address space.
pub const PAGE_SIZE: u32 = 1 << PAGE_SHIFT;

/// The same, for device addresses and physical ones.
pub const PAGE: u64 = PAGE_SIZE as u64;
