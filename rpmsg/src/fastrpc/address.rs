//! Device addresses as the driver writes them: an I/O virtual address with the session's stream ID above it.
//!
//! Source: `fastrpc_sid_offset` in the kernel's fastrpc.c: bit 32 for `qcom,fastrpc`, bit 56 for the kaanapali family.
//! A stream ID of 0 means a physical address that does not pass the SMMU (remote heap).

/// How device addresses are put together on this SoC and with this guest kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addressing {
    /// Bit at which the stream ID starts: 32 or 56.
    pub sid_position: SidPosition,
    /// Page size of the guest kernel in bytes, a power of two. Buffers are described in its units.
    pub page_size: u32,
}

/// Bit at which the stream ID starts in a device address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SidPosition {
    /// `qcom,fastrpc` and QDA.
    #[default]
    Bit32,
    /// `qcom,kaanapali-fastrpc`.
    Bit56,
}

impl SidPosition {
    /// The bit number.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            Self::Bit32 => 32,
            Self::Bit56 => 56,
        }
    }

    /// The position for a bit number of a profile; only 32 and 56 exist.
    #[must_use]
    pub const fn from_bit(bit: u32) -> Option<Self> {
        match bit {
            32 => Some(Self::Bit32),
            56 => Some(Self::Bit56),
            _ => None,
        }
    }
}

impl Default for Addressing {
    fn default() -> Self {
        Self {
            sid_position: SidPosition::Bit32,
            page_size: 4096,
        }
    }
}

impl Addressing {
    /// Splits an address into (session stream ID, I/O virtual address).
    #[must_use]
    pub const fn split(&self, addr: u64) -> (u32, u64) {
        match self.sid_position {
            SidPosition::Bit32 => ((addr >> 32) as u32, addr & 0xFFFF_FFFF),
            SidPosition::Bit56 => ((addr >> 56) as u32, addr & 0x00FF_FFFF_FFFF_FFFF),
        }
    }

    /// Puts a stream ID above an I/O virtual address; bits that do not fit are cut.
    #[must_use]
    pub const fn join(&self, sid: u32, iova: u64) -> u64 {
        match self.sid_position {
            SidPosition::Bit32 => (sid as u64) << 32 | iova & 0xFFFF_FFFF,
            SidPosition::Bit56 => (sid as u64) << 56 | iova & 0x00FF_FFFF_FFFF_FFFF,
        }
    }

    /// Whether `iova..iova+size` stays below the stream ID's bits.
    #[must_use]
    pub const fn fits(&self, iova: u64, size: u64) -> bool {
        let limit = match self.sid_position {
            SidPosition::Bit32 => 1 << 32,
            SidPosition::Bit56 => 1 << 56,
        };
        match iova.checked_add(size) {
            Some(end) => end <= limit,
            None => false,
        }
    }

    /// `page_size - 1`.
    #[must_use]
    pub const fn page_mask(&self) -> u64 {
        (self.page_size as u64).saturating_sub(1)
    }

    /// Whether a size or address is a multiple of the page size.
    #[must_use]
    pub const fn is_page_multiple(&self, value: u64) -> bool {
        value & self.page_mask() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_positions_split_and_join() {
        let a = Addressing::default();
        assert_eq!(a.split(0x3_8f00_0000), (3, 0x8f00_0000));
        assert_eq!(a.join(3, 0x8f00_0000), 0x3_8f00_0000);
        let k = Addressing {
            sid_position: SidPosition::Bit56,
            ..a
        };
        assert_eq!(k.split(0x0300_0003_8f00_0000), (3, 0x3_8f00_0000));
        assert_eq!(k.join(3, 0x3_8f00_0000), 0x0300_0003_8f00_0000);
        assert_eq!(SidPosition::from_bit(56).map(SidPosition::bit), Some(56));
        assert_eq!(SidPosition::from_bit(33), None);
    }

    #[test]
    fn ranges_end_below_the_stream_id() {
        let a = Addressing::default();
        assert!(a.fits(0xFFFF_F000, 0x1000));
        assert!(!a.fits(0xFFFF_F000, 0x1001));
        assert!(!a.fits(u64::MAX, 2));
    }
}
