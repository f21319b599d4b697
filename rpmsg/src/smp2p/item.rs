//! The item of one direction.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic |
//! | 4 | 1 | version; 0 until the rest is valid |
//! | 5 | 3 | features |
//! | 8 | 2 | processor that writes the item |
//! | 10 | 2 | processor that reads it |
//! | 12 | 2 | room for entries, 16 |
//! | 14 | 2 | entries in use |
//! | 16 | 4 | flags |
//! | 20 | 16 × 20 | entries: name (16 bytes), value (4) |

use crate::wire::{Reader, Truncated, Writer};

/// First word of an item: "$SMP".
pub const MAGIC: u32 = 0x504d_5324;
/// Most entries in an item (`SMP2P_MAX_ENTRY`).
pub const MAX_ENTRIES: u16 = 16;
/// Bytes of an entry's name, a zero byte included if it is shorter.
pub const NAME_SIZE: usize = 16;
/// Bytes before the first entry.
pub const HEADER_SIZE: u32 = 20;
/// Bytes of an entry.
pub const ENTRY_SIZE: u32 = 20;
/// Bytes of an item.
pub const ITEM_SIZE: u32 = HEADER_SIZE + MAX_ENTRIES as u32 * ENTRY_SIZE;

/// Bits of [`Item::features`].
const FEATURES: u32 = 0xff_ffff;

/// One named value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Name, at most 15 bytes; what is longer is cut.
    pub name: String,
    /// Value.
    pub value: u32,
}

/// An item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Version, not 0.
    pub version: u8,
    /// Features, 24 bits.
    pub features: u32,
    /// Processor that writes the item.
    pub local_pid: u16,
    /// Processor that reads it.
    pub remote_pid: u16,
    /// Flags: [`super::FLAG_RESTART_DONE`], [`super::FLAG_RESTART_ACK`].
    pub flags: u32,
    /// Entries in use, at most [`MAX_ENTRIES`].
    pub entries: Vec<Entry>,
}

/// Why bytes are no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The item's memory is too short.
    #[error("SMP2P item: {0}")]
    Truncated(#[from] Truncated),
    /// First word.
    #[error("SMP2P item with magic {0:#x}")]
    Magic(u32),
    /// A version that nobody knows.
    #[error("SMP2P version {0}")]
    Version(u8),
    /// More entries in use than there is room for, or room for more than 16.
    #[error("SMP2P item with {valid} of {total} entries in use")]
    Entries {
        /// Room.
        total: u16,
        /// In use.
        valid: u16,
    },
}

impl Item {
    /// Reads an item. `None` as long as its writer has not made it valid: the memory is zero then, or the version is.
    ///
    /// # Errors
    /// [`ItemError`]
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, ItemError> {
        let mut r = Reader::new(bytes);
        let magic = r.u32()?;
        let [version, features @ ..] = r.u32()?.to_le_bytes();
        if version == 0 {
            return Ok(None);
        }
        if magic != MAGIC {
            return Err(ItemError::Magic(magic));
        }
        if version > super::MAX_VERSION {
            return Err(ItemError::Version(version));
        }
        let [a, b, c] = features;
        let (local_pid, remote_pid) = (r.u16()?, r.u16()?);
        let (total, valid) = (r.u16()?, r.u16()?);
        if total > MAX_ENTRIES || valid > total {
            return Err(ItemError::Entries { total, valid });
        }
        let flags = r.u32()?;
        let mut entries = Vec::new();
        for _ in 0..valid {
            let name = r.take(NAME_SIZE)?.split(|b| *b == 0).next();
            entries.push(Entry {
                name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
                value: r.u32()?,
            });
        }
        Ok(Some(Self {
            version,
            features: u32::from_le_bytes([a, b, c, 0]),
            local_pid,
            remote_pid,
            flags,
            entries,
        }))
    }

    /// The word with version and features.
    #[must_use]
    pub fn version_word(&self) -> u32 {
        u32::from(self.version) | (self.features & FEATURES) << 8
    }

    /// The item's 340 bytes. Entries beyond the sixteenth are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.entries.get(..MAX_ENTRIES.into()).unwrap_or(&self.entries);
        let mut w = Writer::new();
        w.u32(MAGIC).u32(self.version_word());
        w.u16(self.local_pid).u16(self.remote_pid);
        w.u16(MAX_ENTRIES)
            .u16(u16::try_from(entries.len()).unwrap_or(MAX_ENTRIES));
        w.u32(self.flags);
        for entry in entries {
            let mut name = [0; NAME_SIZE];
            for (to, from) in name
                .iter_mut()
                .take(NAME_SIZE.saturating_sub(1))
                .zip(entry.name.bytes())
            {
                *to = from;
            }
            w.bytes(&name).u32(entry.value);
        }
        let mut bytes = w.finish();
        bytes.resize(usize::try_from(ITEM_SIZE).unwrap_or(0), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// What board_probe.py writes, with which the stock kernel was satisfied, and kernel 7.3's own item beside it.
    #[test]
    fn vectors() {
        let item = Item {
            version: 1,
            features: 0,
            local_pid: 2,
            remote_pid: 0,
            flags: 0,
            entries: vec![Entry {
                name: "slave-kernel".into(),
                value: 6,
            }],
        };
        let bytes = item.encode();
        #[rustfmt::skip]
        assert_eq!(bytes[..40], [
            0x24, b'S', b'M', b'P', 1, 0, 0, 0, 2, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0,
            b's', b'l', b'a', b'v', b'e', b'-', b'k', b'e', b'r', b'n', b'e', b'l', 0, 0, 0, 0, 6, 0, 0, 0,
        ]);
        assert_eq!(bytes.len(), 340);
        #[rustfmt::skip]
        let kernel = [
            0x24, b'S', b'M', b'P', 2, 1, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 2, 0, 0, 0,
        ];
        let parsed = Item::parse(&kernel).unwrap().unwrap();
        assert_eq!((parsed.version, parsed.features, parsed.flags), (2, 1, 2));
        assert_eq!((parsed.local_pid, parsed.remote_pid), (0, 2));
    }

    #[test]
    fn what_is_not_valid_yet_and_what_never_is() {
        let with = |at: usize, byte: u8| {
            let mut bytes = Item {
                version: 2,
                ..Item::default()
            }
            .encode();
            bytes[at] = byte;
            Item::parse(&bytes)
        };
        assert_eq!(Item::parse(&[0; 340]), Ok(None));
        assert_eq!(with(4, 0), Ok(None));
        assert_eq!(with(4, 3), Err(ItemError::Version(3)));
        assert_eq!(with(0, 0), Err(ItemError::Magic(0x504d_5300)));
        let entries = |total, valid| Err(ItemError::Entries { total, valid });
        assert_eq!(with(14, 17), entries(16, 17));
        assert_eq!(with(12, 17), entries(17, 0));
        assert!(matches!(
            Item::parse(&[0x24, b'S', b'M', b'P', 1]),
            Err(ItemError::Truncated(_))
        ));
        // The item's memory ends before the entries in use do.
        let mut short = Item {
            version: 1,
            ..Item::default()
        }
        .encode();
        short[14] = 2;
        short.truncate(59);
        assert!(matches!(Item::parse(&short), Err(ItemError::Truncated(_))));
    }

    proptest! {
        #[test]
        fn items_come_back(
            version in 1u8..=2,
            features in 0u32..1 << 24,
            pids in any::<[u16; 2]>(),
            flags in any::<u32>(),
            entries in vec(("[a-z-]{0,15}", any::<u32>()), 0..=16),
        ) {
            let entries = entries.into_iter().map(|(name, value)| Entry { name, value }).collect();
            let [local_pid, remote_pid] = pids;
            let item = Item { version, features, local_pid, remote_pid, flags, entries };
            prop_assert_eq!(Item::parse(&item.encode()), Ok(Some(item)));
        }

        #[test]
        fn any_bytes_parse_or_fail(mut bytes in vec(any::<u8>(), 0..400), version in 0u8..4, counts in any::<[u8; 2]>()) {
            let _ = Item::parse(&bytes);
            if bytes.len() >= 16 {
                bytes[..5].copy_from_slice(&[0x24, b'S', b'M', b'P', version]);
                bytes[12..16].copy_from_slice(&[counts[0] % 18, 0, counts[1] % 18, 0]);
                if let Ok(Some(item)) = Item::parse(&bytes) {
                    prop_assert!(item.entries.len() <= 16);
                }
            }
        }
    }
}
