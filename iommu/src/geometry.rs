//! How big this SMMU is and what its register file contains at reset.
//!
//! Source: IHI 0062 §9.6 (SMMU_IDR0..IDR7); Linux `arm_smmu_device_cfg_probe` reads nothing else. The values are those
//! with which a stock kernel was seen to attach.

use crate::registers::{Control, Global};

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

    /// Number of context banks, held within what the architecture and the register file allow.
    pub fn bank_count(self) -> u8 {
        u64::from(self.banks).min(self.pages()).min(128) as u8
    }

    /// Number of stream mapping groups, held within what the architecture allows.
    pub fn group_count(self) -> u8 {
        self.groups.min(127)
    }

    /// The registers that are not zero at reset, as (offset, value). Everything that the kernel's driver finds out
    /// about the hardware stands here; the rest of the register file is zero.
    pub fn reset_values(self) -> [(u64, u32); 5] {
        let banks = u32::from(self.bank_count());
        // S1TS, SMS, ATOSNS (no address translation operations), no AArch32 formats, coherent walks, 15-bit streams
        let id0 = 1 << 30
            | 1 << 27
            | 1 << 26
            | 1 << 25
            | 1 << 24
            | banks << 16
            | 1 << 14
            | 15 << 9
            | u32::from(self.group_count());
        let id1 = u32::from(self.wide_pages) << 31 | u32::from(self.num_page_ndxb & 7) << 28 | banks;
        // 4 KiB and 64 KiB granules; 49-bit upstream bus, 48-bit output and intermediate addresses
        let id2 = 1 << 14 | 1 << 12 | 5 << 8 | 5 << 4 | 5;
        [
            (Global::Control.offset(self), Control::CLIENTPD.bits()),
            (Global::Id0.offset(self), id0),
            (Global::Id1.offset(self), id1),
            (Global::Id2.offset(self), id2),
            (Global::Id7.offset(self), 0x20),
        ]
    }

    /// The whole register file at reset, [`size`](Self::size) bytes.
    pub fn reset_image(self) -> Vec<u8> {
        let mut image = vec![0; usize::try_from(self.size()).unwrap_or(0)];
        for (offset, value) in self.reset_values() {
            let word = usize::try_from(offset)
                .ok()
                .and_then(|at| image.get_mut(at..)?.first_chunk_mut::<4>());
            if let Some(word) = word {
                *word = value.to_le_bytes();
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_geometry_has_the_proven_id_registers() {
        let image = Geometry::SMALL.reset_image();
        assert_eq!(image.len(), 0x20000);
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), 1);
        assert_eq!(
            word(0x20),
            1 << 30 | 1 << 27 | 7 << 24 | 8 << 16 | 1 << 14 | 15 << 9 | 16
        );
        assert_eq!(word(0x24), 3 << 28 | 8);
        assert_eq!(word(0x28), 0x5555);
        assert_eq!(word(0x3c), 0x20);
        assert_eq!(
            crate::registers::Bank::Control.offset(Geometry::SMALL, 2),
            0x12000
        );
        assert_eq!(Global::BankAttribute2(3).offset(Geometry::SMALL), 0x180c);
    }

    #[test]
    fn a_geometry_never_has_more_banks_than_pages() {
        let g = Geometry {
            wide_pages: true,
            num_page_ndxb: 0,
            banks: 255,
            groups: 255,
        };
        assert_eq!((g.bank_count(), g.group_count()), (2, 127));
        assert_eq!(g.size(), 4 << 16);
        assert_eq!(g.reset_image().len(), 4 << 16);
    }
}
