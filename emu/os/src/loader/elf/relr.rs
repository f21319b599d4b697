//! `DT_RELR`: relative relocations, packed as addresses and bitmaps. Their addends stand in the words themselves.
//! Source: the System V gABI's text on `SHT_RELR`.

use super::file::word;
use super::image::{ElfError, Relocation, RelocationKind};
use super::tables::Tables;

const TABLE: &str = "DT_RELR";
/// Most relocations that a table may hold: a bitmap of four bytes stands for 31 of them.
const MOST: usize = 1 << 22;
/// Words that one bitmap tells of: its lowest bit says that it is one.
const WORDS: u32 = 31;

/// Reads a table of `size` bytes at `at`.
pub(super) fn relocations(
    tables: &Tables<'_>,
    at: u32,
    size: u32,
    out: &mut Vec<Relocation>,
) -> Result<(), ElfError> {
    let bad = |why, value: u32| ElfError::Table {
        table: TABLE,
        why,
        value: u64::from(value),
    };
    if !size.is_multiple_of(4) {
        return Err(bad("size is not a multiple of 4", size));
    }
    let first = out.len();
    let mut add = |offset: u32| {
        if out.len() - first >= MOST {
            return Err(bad("more than 4194304 relocations", offset));
        }
        if !tables.segments.iter().any(|s| s.holds(offset, 4)) {
            return Err(bad("patches an address outside the segments", offset));
        }
        out.push(Relocation {
            offset,
            kind: RelocationKind::Relative,
            addend: tables.initial_word(offset),
        });
        Ok(())
    };
    // Where the next bitmap begins; there is none before the first address.
    let mut next: Option<u32> = None;
    let range = tables.file_range(TABLE, at, u64::from(size))?;
    let bytes = tables.file.0.get(range).unwrap_or_default();
    for entry in bytes.chunks_exact(4).map(|entry| word(entry, 0)) {
        if entry & 1 == 0 {
            add(entry)?;
            next = entry.checked_add(4);
            continue;
        }
        let start = next.ok_or(bad("a bitmap that follows no address", entry))?;
        for bit in (0..WORDS).filter(|bit| entry >> (bit + 1) & 1 != 0) {
            let offset = start.checked_add(bit * 4);
            add(offset.ok_or(bad("patches an address outside the segments", start))?)?;
        }
        next = start.checked_add(WORDS * 4);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::file::File;
    use super::super::image::{Segment, SegmentProt};
    use super::*;
    use proptest::prelude::*;

    /// Relocations of a table in a file of one segment at 0x1000, whose words hold their own numbers; the last 0x100 bytes are
    /// not in the file.
    fn read(table: &[u32]) -> Result<Vec<(u32, u32)>, ElfError> {
        let mut bytes: Vec<u8> = table.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = 0x1000 + 0x200;
        let mut file: Vec<u8> = (0..0x80u32).flat_map(u32::to_le_bytes).collect();
        file.append(&mut bytes);
        let len = file.len();
        let segments = [Segment {
            vaddr: 0x1000,
            memsz: u32::try_from(len).unwrap() + 0x100,
            file: 0..len,
            prot: SegmentProt {
                read: true,
                write: true,
                execute: false,
            },
        }];
        let tables = Tables {
            file: &File(&file),
            segments: &segments,
            has_tls: false,
        };
        let mut out = Vec::new();
        relocations(&tables, at, u32::try_from(table.len() * 4).unwrap(), &mut out)?;
        Ok(out.iter().map(|r| (r.offset, r.addend)).collect())
    }

    #[test]
    fn an_address_is_followed_by_what_its_bitmaps_say() {
        let table = [0x1000, 0b1011, 1 << 31 | 1, 0x1010, 0b11];
        let expected = [
            (0x1000, 0),
            // Bits 1 and 3: the first and third word behind the address.
            (0x1004, 1),
            (0x100c, 3),
            // The last word of the second bitmap.
            (0x1004 + 31 * 4 + 30 * 4, 1 + 31 + 30),
            (0x1010, 4),
            (0x1014, 5),
        ];
        assert_eq!(read(&table).unwrap(), expected);
        assert_eq!(read(&[]).unwrap(), []);
    }

    #[test]
    fn a_word_that_is_not_in_the_file_is_zero() {
        // The file ends with the table of one word, at 0x1204.
        assert_eq!(read(&[0x1204]).unwrap(), [(0x1204, 0)]);
        assert_eq!(read(&[0x1202]).unwrap()[0].0, 0x1202, "half in, half out");
    }

    #[test]
    fn what_lies_outside_or_follows_nothing_is_refused() {
        for table in [&[0b11][..], &[0x0ffc], &[0x1000, 0xffff_fffe], &[0x1304, 0b11]] {
            assert!(
                matches!(read(table), Err(ElfError::Table { table: TABLE, .. })),
                "{table:x?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_words_are_a_table_or_an_error(words in proptest::collection::vec(any::<u32>(), 0..64)) {
            if let Ok(all) = read(&words) {
                prop_assert!(all.iter().all(|(offset, _)| (0x1000..0x1400).contains(offset)));
            }
        }
    }
}
