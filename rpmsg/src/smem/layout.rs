//! The structures of SMEM and their offsets. All integers are little-endian.

use crate::wire::{Reader, Truncated, Writer};

/// Bytes of the table of contents page at the end of the region.
pub const TABLE_PAGE: u32 = 4096;
/// First word of the partition table: "$TOC".
pub const TABLE_MAGIC: u32 = u32::from_le_bytes(*b"$TOC");
/// Bytes before the first entry of the partition table.
pub const TABLE_HEADER_SIZE: u32 = 32;
/// First word of a partition: "$PRT".
pub const PARTITION_MAGIC: u32 = u32::from_le_bytes(*b"$PRT");
/// First word of the information behind the partition table: "SIII".
pub const INFO_MAGIC: u32 = u32::from_le_bytes(*b"SIII");
/// First half-word of an item's header.
pub const CANARY: u16 = 0xa5a5;

/// The header at the start of the region.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0x00 | 64 | proc_comm, unused |
/// | 0x40 | 128 | version\[32\]; word 7 is the boot loader's, its upper half 11 or 12 |
/// | 0xc0 | 4 | initialized, 1 |
/// | 0xc4 | 4 | offset of the heap's first free byte |
/// | 0xc8 | 4 | free bytes in the heap |
/// | 0xcc | 4 | reserved, 0 |
/// | 0xd0 | 512 × 16 | the heap's table: [`HeapEntry`] by item number |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header;

impl Header {
    /// Offset of the boot loader's word of the version array (`SMEM_MASTER_SBL_VERSION_INDEX`).
    pub const VERSION: u32 = 0x40 + 7 * 4;
    /// Offset of "initialized".
    pub const INITIALIZED: u32 = 0xc0;
    /// Offset of the first free byte's offset.
    pub const FREE_OFFSET: u32 = 0xc4;
    /// Offset of the number of free bytes.
    pub const AVAILABLE: u32 = 0xc8;
    /// Offset of the reserved word.
    pub const RESERVED: u32 = 0xcc;
    /// Offset of the heap's table.
    pub const TABLE: u32 = 0xd0;
    /// Bytes of header and table.
    pub const SIZE: u32 = Self::TABLE + 512 * HeapEntry::SIZE;
    /// Upper half of the version word: a global heap.
    pub const VERSION_HEAP: u32 = 11;
    /// Upper half of the version word: a global partition.
    pub const VERSION_PARTITION: u32 = 12;
}

/// An item of the global heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeapEntry {
    /// Not 0 if the item exists.
    pub allocated: u32,
    /// Its offset from the start of the region.
    pub offset: u32,
    /// Its size in bytes, a multiple of 8.
    pub size: u32,
    /// Physical base of another region in bits 31:2, or 0.
    pub aux_base: u32,
}

impl HeapEntry {
    /// Bytes of an entry.
    pub const SIZE: u32 = 16;
    /// Bits of [`Self::aux_base`] that are an address.
    pub const AUX_BASE_MASK: u32 = !3;

    /// Reads an entry.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        Ok(Self {
            allocated: r.u32()?,
            offset: r.u32()?,
            size: r.u32()?,
            aux_base: r.u32()?,
        })
    }

    /// The entry's 16 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(self.allocated)
            .u32(self.offset)
            .u32(self.size)
            .u32(self.aux_base);
        w.finish()
    }
}

/// An entry of the partition table. Entries without offset or size are unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableEntry {
    /// Offset of the partition from the start of the region.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Unused by the kernel.
    pub flags: u32,
    /// One host.
    pub host0: u16,
    /// The other host.
    pub host1: u16,
    /// Alignment of the headers in the cached list, in bytes.
    pub cacheline: u32,
}

impl TableEntry {
    /// Bytes of an entry.
    pub const SIZE: u32 = 48;

    /// Reads an entry.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        let entry = Self {
            offset: r.u32()?,
            size: r.u32()?,
            flags: r.u32()?,
            host0: r.u16()?,
            host1: r.u16()?,
            cacheline: r.u32()?,
        };
        r.take(28)?;
        Ok(entry)
    }

    /// The entry's 48 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(self.offset)
            .u32(self.size)
            .u32(self.flags)
            .u16(self.host0)
            .u16(self.host1)
            .u32(self.cacheline)
            .bytes(&[0; 28]);
        w.finish()
    }
}

/// The header of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionHeader {
    /// One host, as in the table.
    pub host0: u16,
    /// The other host, as in the table.
    pub host1: u16,
    /// Size in bytes, as in the table.
    pub size: u32,
    /// Where the next uncached item's header goes, from the start of the partition.
    pub free_uncached: u32,
    /// Where the cached items end, which grow downwards from the end.
    pub free_cached: u32,
}

impl PartitionHeader {
    /// Bytes of the header.
    pub const SIZE: u32 = 32;
    /// Offset of [`Self::free_uncached`].
    pub const FREE_UNCACHED: u32 = 12;
    /// Offset of [`Self::free_cached`].
    pub const FREE_CACHED: u32 = 16;

    /// Reads a header, or nothing without the magic.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Truncated> {
        let mut r = Reader::new(bytes);
        let magic = r.u32()?;
        let header = Self {
            host0: r.u16()?,
            host1: r.u16()?,
            size: r.u32()?,
            free_uncached: r.u32()?,
            free_cached: r.u32()?,
        };
        r.take(12)?;
        Ok((magic == PARTITION_MAGIC).then_some(header))
    }

    /// The header's 32 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(PARTITION_MAGIC)
            .u16(self.host0)
            .u16(self.host1)
            .u32(self.size)
            .u32(self.free_uncached)
            .u32(self.free_cached)
            .bytes(&[0; 12]);
        w.finish()
    }
}

/// The header of an item in a partition. In the uncached list the data follow the header and its padding; in the cached list
/// they stand before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ItemHeader {
    /// [`CANARY`] in an item.
    pub canary: u16,
    /// Item number.
    pub id: u16,
    /// Bytes of data with padding, a multiple of 8.
    pub size: u32,
    /// Bytes of padding at the end of the data.
    pub padding_data: u16,
    /// Bytes of padding between header and data.
    pub padding_header: u16,
}

impl ItemHeader {
    /// Bytes of the header.
    pub const SIZE: u32 = 16;

    /// A header without padding of its own for `size` bytes of data; `None` beyond 4 GiB.
    #[must_use]
    pub fn new(id: u16, size: u32) -> Option<Self> {
        let padded = size.checked_next_multiple_of(8)?;
        Some(Self {
            canary: CANARY,
            id,
            size: padded,
            padding_data: u16::try_from(padded.saturating_sub(size)).ok()?,
            padding_header: 0,
        })
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`Truncated`]
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        let header = Self {
            canary: r.u16()?,
            id: r.u16()?,
            size: r.u32()?,
            padding_data: r.u16()?,
            padding_header: r.u16()?,
        };
        r.take(4)?;
        Ok(header)
    }

    /// The header's 16 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u16(self.canary)
            .u16(self.id)
            .u32(self.size)
            .u16(self.padding_data)
            .u16(self.padding_header)
            .u32(0);
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        assert_eq!(Header::SIZE, 0x20d0);
        assert_eq!(HeapEntry::default().encode().len(), 16);
        assert_eq!(TableEntry::default().encode().len(), 48);
        assert_eq!(PartitionHeader::default().encode().len(), 32);
        assert_eq!(ItemHeader::default().encode().len(), 16);
    }

    /// The bytes of board_probe.py, with which the stock kernel was satisfied.
    #[test]
    fn vectors() {
        let entry = TableEntry {
            offset: 0x10_0000,
            size: 0x4_0000,
            flags: 0,
            host0: 0,
            host1: 2,
            cacheline: 32,
        };
        #[rustfmt::skip]
        assert_eq!(entry.encode()[..20], [0, 0, 0x10, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 32, 0, 0, 0]);
        let header = ItemHeader::new(443, 339).unwrap();
        #[rustfmt::skip]
        assert_eq!(header.encode(), [0xa5, 0xa5, 0xbb, 1, 0x58, 1, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        let partition = PartitionHeader {
            host0: 0,
            host1: 2,
            size: 0x4_0000,
            free_uncached: 0x41c0,
            free_cached: 0x4_0000,
        };
        #[rustfmt::skip]
        assert_eq!(
            partition.encode()[..20],
            [b'$', b'P', b'R', b'T', 0, 0, 2, 0, 0, 0, 4, 0, 0xc0, 0x41, 0, 0, 0, 0, 4, 0]
        );
        assert_eq!(ItemHeader::new(1, u32::MAX), None);
    }

    proptest! {
        #[test]
        fn entries_come_back(a in any::<[u32; 4]>(), h in any::<[u16; 2]>(), junk in proptest::collection::vec(any::<u8>(), 0..64)) {
            let [x, y, z, v] = a;
            let [p, q] = h;
            let heap = HeapEntry { allocated: x, offset: y, size: z, aux_base: v };
            prop_assert_eq!(HeapEntry::parse(&heap.encode()), Ok(heap));
            let table = TableEntry { offset: x, size: y, flags: z, host0: p, host1: q, cacheline: v };
            prop_assert_eq!(TableEntry::parse(&table.encode()), Ok(table));
            let part = PartitionHeader { host0: p, host1: q, size: x, free_uncached: y, free_cached: z };
            prop_assert_eq!(PartitionHeader::parse(&part.encode()), Ok(Some(part)));
            let item = ItemHeader { canary: p, id: q, size: x, padding_data: p, padding_header: q };
            prop_assert_eq!(ItemHeader::parse(&item.encode()), Ok(item));
            let _ = (HeapEntry::parse(&junk), TableEntry::parse(&junk), PartitionHeader::parse(&junk), ItemHeader::parse(&junk));
        }
    }
}
