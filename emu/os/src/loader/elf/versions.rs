//! Reads the versions of symbols: what a library defines (`DT_VERDEF`), what it needs of others (`DT_VERNEED`), and which of them
//! each symbol has (`DT_VERSYM`).
//!
//! Source: Linux Standard Base, "Symbol Versioning"; the GNU C library's loader (elf/dl-version.c) for what is refused. Versions are
//! told apart by their names; hashes, and what one version inherits from another, are not looked at, as no loader does.

use std::collections::BTreeSet;
use std::ops::Range;

use super::dynamic::{Dynamic, MAX_NEEDED};
use super::file::word;
use super::image::{ElfError, Symbol};
use super::tables::{Tables, string};
use super::version::{GLOBAL, HIDDEN, Need, Version, VersionNumber, Versions};

/// Of a definition: the name of the library itself.
const VER_FLG_BASE: u32 = 1;
/// Of a need: the library does without.
const VER_FLG_WEAK: u32 = 2;

/// Most versions of a library, those that it needs with them.
const MOST: usize = 1024;

const VERDEF: &str = "DT_VERDEF";
const VERNEED: &str = "DT_VERNEED";

fn bad<T>(table: &'static str, why: &'static str, value: impl Into<u64>) -> Result<T, ElfError> {
    let value = value.into();
    Err(ElfError::Table { table, why, value })
}

/// Halves of a word.
fn halves(word: u32) -> (u32, u32) {
    (word & 0xffff, word >> 16)
}

/// Reads a chain of `count` entries of `N` words, each of which says where the next is, in bytes from itself; 0: it is the last.
fn chain<const N: usize>(
    tables: &Tables<'_>,
    table: &'static str,
    mut at: u32,
    count: u32,
    mut each: impl FnMut(u32, [u32; N]) -> Result<u32, ElfError>,
) -> Result<(), ElfError> {
    for _ in 0..count {
        let bytes = tables.bytes(table, at, N as u64 * 4)?;
        let next = each(at, std::array::from_fn(|n| word(bytes, n)))?;
        if next == 0 {
            break;
        }
        at = offset(table, at, next)?;
    }
    Ok(())
}

fn offset(table: &'static str, at: u32, by: u32) -> Result<u32, ElfError> {
    match at.checked_add(by) {
        Some(at) => Ok(at),
        None => bad(table, "an entry outside", by),
    }
}

/// Reads the tables, and gives each symbol its version.
pub(super) fn read(
    tables: &Tables<'_>,
    d: &Dynamic,
    strings: &Range<usize>,
    symbols: &mut [Symbol],
) -> Result<Versions, ElfError> {
    let mut reader = Reader {
        tables,
        strings,
        read: Versions::default(),
    };
    if let Some(at) = d.verdef {
        reader.definitions(at, d.verdefnum)?;
    }
    if let Some(at) = d.verneed {
        reader.needs(at, d.verneednum)?;
    }
    let mut versions = reader.read;
    if let Some(at) = d.versym {
        versions.numbered = true;
        let numbers = tables.bytes("DT_VERSYM", at, symbols.len() as u64 * 2)?;
        for (symbol, number) in symbols.iter_mut().zip(numbers.chunks_exact(2)) {
            let number = number.try_into().map_or(0, u16::from_le_bytes);
            symbol.version = VersionNumber(number);
            let number = symbol.version.number();
            if number > GLOBAL && !versions.by_number.contains_key(&number) {
                let why = "a symbol has a version that is neither defined nor needed";
                return bad("DT_VERSYM", why, number);
            }
        }
    }
    Ok(versions)
}

/// Where names are, and what was read so far.
struct Reader<'a> {
    tables: &'a Tables<'a>,
    strings: &'a Range<usize>,
    read: Versions,
}

impl Reader<'_> {
    /// Where a name lies in the file.
    fn name(&self, at: u32) -> Result<Range<usize>, ElfError> {
        string(self.tables.file.0, self.strings, at)
    }

    /// `Elf32_Verdef`: version and flags, number and count of names, hash, the first name, the next entry. The first name is its own.
    fn definitions(&mut self, at: u32, count: u32) -> Result<(), ElfError> {
        let tables = self.tables;
        if count as usize > MOST {
            return bad(VERDEF, "more than 1024 entries", count);
        }
        let mut defined = BTreeSet::new();
        chain(
            tables,
            VERDEF,
            at,
            count,
            |at, [head, numbers, _, names, next]| {
                let (format, flags) = halves(head);
                let (number, names_count) = halves(numbers);
                if format != 1 || names_count == 0 {
                    return bad(VERDEF, "an entry of another form, or without a name", head);
                }
                let name = word(tables.bytes(VERDEF, offset(VERDEF, at, names)?, 8)?, 0);
                let name = self.name(name)?;
                defined.insert(tables.file.0.get(name.clone()).unwrap_or_default().to_vec());
                if flags & VER_FLG_BASE == 0 {
                    self.number(VERDEF, number, Version { name, strict: false })?;
                }
                Ok(next)
            },
        )?;
        self.read.defined = Some(defined);
        Ok(())
    }

    /// `Elf32_Verneed`: version and count of versions, name of the library, the first version, the next entry. `Elf32_Vernaux`: hash,
    /// flags and number, name, the next one.
    fn needs(&mut self, at: u32, count: u32) -> Result<(), ElfError> {
        let tables = self.tables;
        if count as usize > MAX_NEEDED {
            return bad(VERNEED, "more than 64 libraries", count);
        }
        chain(tables, VERNEED, at, count, |at, [head, file, first, next]| {
            let (format, count) = halves(head);
            if format != 1 {
                return bad(VERNEED, "an entry of another form", head);
            }
            let file = self.name(file)?;
            let first = offset(VERNEED, at, first)?;
            chain(tables, VERNEED, first, count, |_, [_, numbers, name, next]| {
                let (flags, number) = halves(numbers);
                let name = self.name(name)?;
                let version = Version {
                    name: name.clone(),
                    strict: number & u32::from(HIDDEN) != 0,
                };
                self.number(VERNEED, number & u32::from(!HIDDEN), version)?;
                self.read.needs.push(Need {
                    file: file.clone(),
                    name,
                    weak: flags & VER_FLG_WEAK != 0,
                });
                Ok(next)
            })?;
            Ok(next)
        })
    }

    /// Gives a number to a version. Each has one of its own, so that however entries overlap there are no more than numbers.
    fn number(&mut self, table: &'static str, number: u32, version: Version) -> Result<(), ElfError> {
        if self.read.by_number.len() >= MOST {
            return bad(table, "more than 1024 versions", number);
        }
        match u16::try_from(number) {
            Ok(n) if n & HIDDEN == 0 && n >= GLOBAL && self.read.by_number.insert(n, version).is_none() => {
                Ok(())
            }
            _ => bad(table, "a number that is no version's, or another's", number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::File;
    use super::super::image::{Segment, SegmentProt};
    use super::super::tables::NO_SYMBOL;
    use super::*;
    use proptest::prelude::*;

    const STRINGS: &[u8] = b"\0liba.so\0V1\0V2\0";
    const LIB: u32 = 1;
    const V1: u32 = 9;
    const V2: u32 = 12;
    const BASE: u32 = 0x1000;

    /// Tables in a file of one segment, behind their strings: definitions, needs, numbers.
    fn read(defs: (u32, &[u32]), needs: (u32, &[u32]), numbers: &[u16]) -> Result<Vec<Symbol>, ElfError> {
        let mut file = STRINGS.to_vec();
        let mut put = |bytes: Vec<u8>| {
            let at = BASE + file.len() as u32;
            file.extend(bytes);
            Some(at)
        };
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let dynamic = Dynamic {
            verdef: put(words(defs.1)).filter(|_| !defs.1.is_empty()),
            verdefnum: defs.0,
            verneed: put(words(needs.1)).filter(|_| !needs.1.is_empty()),
            verneednum: needs.0,
            versym: put(numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
            ..Dynamic::default()
        };
        let len = file.len();
        let segments = [Segment {
            vaddr: BASE,
            memsz: len as u32,
            file: 0..len,
            prot: SegmentProt {
                read: true,
                write: false,
                execute: false,
            },
        }];
        let tables = Tables {
            file: &File(&file),
            segments: &segments,
            has_tls: false,
        };
        let mut symbols = vec![NO_SYMBOL; numbers.len()];
        let versions = super::read(&tables, &dynamic, &(0..STRINGS.len()), &mut symbols)?;
        assert!(versions.by_number.len() <= MOST);
        Ok(symbols)
    }

    /// The library itself, then V1 and V2.
    fn definitions() -> Vec<u32> {
        let entry =
            |flags: u32, number: u32, name, next| [1 | flags << 16, number | 1 << 16, 0, 20, next, name, 0];
        let base = entry(VER_FLG_BASE, 1, LIB, 28);
        [base, entry(0, 2, V1, 28), entry(0, 3, V2, 0)].concat()
    }

    /// V1 of a library under number 4, V2 under 5.
    fn needs() -> Vec<u32> {
        vec![
            1 | 2 << 16,
            LIB,
            16,
            0,
            0,
            4 << 16,
            V1,
            16,
            0,
            VER_FLG_WEAK | 5 << 16,
            V2,
            0,
        ]
    }

    #[test]
    fn symbols_have_the_versions_of_both_tables() {
        let symbols = read((3, &definitions()), (1, &needs()), &[0, 1, 2, 3 | HIDDEN, 4, 5]).unwrap();
        let found: Vec<_> = symbols
            .iter()
            .map(|s| (s.version().number(), s.version().is_hidden()))
            .collect();
        let plain = |n| (n, false);
        assert_eq!(
            found,
            [plain(0), plain(1), plain(2), (3, true), plain(4), plain(5)]
        );
    }

    #[test]
    fn tables_that_lead_nowhere_are_refused() {
        let with = |at: usize, word: u32, mut table: Vec<u32>| {
            table[at] = word;
            table
        };
        for (defs, needs, numbers, table) in [
            // Another form, no name, a number twice, a name outside, entries outside.
            ((3, with(0, 2, definitions())), (1, needs()), 1, VERDEF),
            ((3, with(1, 1, definitions())), (1, needs()), 1, VERDEF),
            ((3, with(15, 2 | 1 << 16, definitions())), (1, needs()), 1, VERDEF),
            ((3, with(5, 99, definitions())), (1, needs()), 1, "DT_STRTAB"),
            ((3, with(3, 0x8000, definitions())), (1, needs()), 1, VERDEF),
            ((3, with(4, u32::MAX, definitions())), (1, needs()), 1, VERDEF),
            ((u32::MAX, definitions()), (1, needs()), 1, VERDEF),
            ((3, definitions()), (1, with(0, 2 | 2 << 16, needs())), 1, VERNEED),
            ((3, definitions()), (1, with(5, 3 << 16, needs())), 1, VERNEED),
            ((3, definitions()), (1, with(5, 0, needs())), 1, VERNEED),
            ((3, definitions()), (1, with(2, u32::MAX, needs())), 1, VERNEED),
            ((3, definitions()), (65, needs()), 1, VERNEED),
            // An entry that is its own follower would be a circle, were its number not taken.
            (
                (3, definitions()),
                (1, with(7, 4, with(0, 1 | 0xffff << 16, needs()))),
                1,
                VERNEED,
            ),
            // A number that nobody gave.
            ((3, definitions()), (1, needs()), 6, "DT_VERSYM"),
        ] {
            let result = read((defs.0, &defs.1), (needs.0, &needs.1), &[numbers]);
            match result {
                Err(ElfError::Table { table: found, .. }) if found == table => {}
                other => panic!("{table}: {other:?} of {defs:x?} {needs:x?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn any_words_are_versions_or_an_error(
            defs in proptest::collection::vec(prop_oneof![0u32..64, any::<u32>()], 0..48),
            needs in proptest::collection::vec(prop_oneof![0u32..64, any::<u32>()], 0..48),
            counts in any::<(u32, u8)>(),
            numbers in proptest::collection::vec(any::<u16>(), 0..16),
        ) {
            if let Ok(symbols) = read((counts.0, &defs), (counts.1.into(), &needs), &numbers) {
                prop_assert_eq!(symbols.len(), numbers.len());
            }
        }
    }
}
