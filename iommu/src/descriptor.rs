//! VMSAv8-64 stage 1 translation table descriptors.
//!
//! Source: DDI 0487 D8.3 (translation table descriptor formats). Not modelled: 52-bit output addresses, the dirty bit
//! modifier and hardware access flag updates, block descriptors with nT.

use crate::registers::ones;

/// Translation granule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Granule {
    /// 4 KiB.
    K4,
    /// 16 KiB.
    K16,
    /// 64 KiB.
    K64,
}

impl Granule {
    /// log2 of the page size.
    pub const fn shift(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K16 => 14,
            Self::K64 => 16,
        }
    }

    /// Address bits that one level of tables resolves.
    pub const fn stride(self) -> u32 {
        match self {
            Self::K4 => 9,
            Self::K16 => 11,
            Self::K64 => 13,
        }
    }

    /// log2 of what one descriptor at `level` (0..=3) spans.
    pub const fn span(self, level: u8) -> u32 {
        let below = 3u32.saturating_sub(level as u32);
        self.shift().saturating_add(self.stride().saturating_mul(below))
    }

    /// May a block stand at this level?
    const fn has_blocks(self, level: u8) -> bool {
        matches!((self, level), (Self::K4, 1 | 2) | (Self::K16 | Self::K64, 2))
    }
}

/// Restrictions that a table puts on everything below it, or a leaf on its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Limits {
    /// Not for unprivileged accesses.
    pub(crate) no_user: bool,
    /// Not for writes.
    pub(crate) read_only: bool,
    /// Not for unprivileged fetches.
    pub(crate) user_no_execute: bool,
    /// Not for privileged fetches.
    pub(crate) privileged_no_execute: bool,
}

impl Limits {
    /// Both sets of restrictions.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            no_user: self.no_user | other.no_user,
            read_only: self.read_only | other.read_only,
            user_no_execute: self.user_no_execute | other.user_no_execute,
            privileged_no_execute: self.privileged_no_execute | other.privileged_no_execute,
        }
    }
}

/// What a descriptor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Nothing is mapped: an invalid or, at this level and granule, reserved encoding.
    Invalid,
    /// The next level's table.
    Table { address: u64, limits: Limits },
    /// A block or page.
    Leaf {
        address: u64,
        accessed: bool,
        limits: Limits,
    },
}

impl Descriptor {
    /// Decodes a descriptor found at `level`.
    pub(crate) fn decode(raw: u64, level: u8, granule: Granule) -> Self {
        let bit = |n: u32| raw >> (n & 63) & 1 == 1;
        let address_from = |lsb: u32| raw & ones(48) & !ones(lsb);
        let leaf = |span: u32| Self::Leaf {
            address: address_from(span),
            accessed: bit(10),
            // AP[1] (bit 6) opens the page to unprivileged accesses, AP[2] (bit 7) closes it to writes
            limits: Limits {
                no_user: !bit(6),
                read_only: bit(7),
                user_no_execute: bit(54),
                privileged_no_execute: bit(53),
            },
        };
        match (raw & 3, level) {
            (3, 3) => leaf(granule.shift()),
            (3, _) => Self::Table {
                address: address_from(granule.shift()),
                limits: Limits {
                    no_user: bit(61),
                    read_only: bit(62),
                    user_no_execute: bit(60),
                    privileged_no_execute: bit(59),
                },
            },
            (1, _) if granule.has_blocks(level) => leaf(granule.span(level)),
            _ => Self::Invalid,
        }
    }
}
