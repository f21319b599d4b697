//! `.symtab`: the functions that a library has, exported or not. Read when somebody wants a name for an address, and only then:
//! stripped and signed libraries have none, and no library needs it to run.

use super::file::{File, word};
use super::sections;

/// Most symbols that are looked at.
const MAX_SYMBOLS: usize = 1 << 18;
/// Longest name.
const MAX_NAME: u64 = 4096;
/// Bytes of an entry: name, value, size, info.
const ENTRY: usize = 16;

const SHT_SYMTAB: u32 = 2;
const STT_FUNC: u32 = 2;
const SHN_ABS: u32 = 0xfff1;

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Address relative to the load base.
    pub value: u32,
}

/// The best of what may hold an address so far: start, size, and what it is called by.
struct Best<T> {
    holds: Option<(u32, T)>,
    nearest: Option<(u32, u32, T)>,
}

/// Finds the function that holds `at` among (start, size, name): the innermost one whose size says so, else the nearest one
/// below if its size is not known. A function that ends before the address is never it.
pub(super) fn holding<T: Copy>(at: u32, functions: impl Iterator<Item = (u32, u32, T)>) -> Option<(u32, T)> {
    let mut best = Best {
        holds: None,
        nearest: None,
    };
    for (start, size, name) in functions.filter(|&(start, ..)| start <= at) {
        if at - start < size && best.holds.is_none_or(|(other, _)| other < start) {
            best.holds = Some((start, name));
        }
        if best
            .nearest
            .is_none_or(|(other, known, _)| (other, known) < (start, size))
        {
            best.nearest = Some((start, size, name));
        }
    }
    let unsized_one = best.nearest.filter(|&(_, size, _)| size == 0);
    best.holds.or(unsized_one.map(|(start, _, name)| (start, name)))
}

/// The function of the file that holds an address; `None` if there is none, or no table.
pub(super) fn function_at(file: &File<'_>, at: u32) -> Option<Function> {
    // Words of a section header: name, type, flags, address, offset, size, link.
    let table = sections::first(file, |header| header[1] == SHT_SYMTAB)?;
    let names = sections::by_index(file, table[6])?;
    let bytes = file.slice(".symtab", table[4].into(), table[5].into()).ok()?;
    let functions = bytes.chunks_exact(ENTRY).take(MAX_SYMBOLS).filter_map(|entry| {
        let info = word(entry, 3);
        let section = info >> 16;
        let is_code = info & 0xf == STT_FUNC && section != 0 && section != SHN_ABS;
        is_code.then(|| (word(entry, 1), word(entry, 2), word(entry, 0)))
    });
    let (value, name) = holding(at, functions)?;
    let length = u64::from(names[5].checked_sub(name)?).min(MAX_NAME);
    let text = file
        .slice("symbol name", u64::from(names[4]) + u64::from(name), length)
        .ok()?;
    let end = text.iter().position(|&b| b == 0)?;
    let name = String::from_utf8_lossy(text.get(..end)?).into_owned();
    (!name.is_empty()).then_some(Function { name, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_innermost_function_that_reaches_so_far_holds_an_address() {
        let all = [
            (0x100, 0x40, 'a'),
            (0x110, 0x10, 'b'),
            (0x200, 0, 'c'),
            (0x300, 8, 'd'),
            (0x200, 4, 'e'),
        ];
        for (at, want) in [
            (0xff, None),
            (0x100, Some((0x100, 'a'))),
            (0x118, Some((0x110, 'b'))),
            (0x120, Some((0x100, 'a'))),
            (0x140, None),
            (0x202, Some((0x200, 'e'))),
            // The one of unknown size is not nearer than one that is known to end before.
            (0x250, None),
            (0x308, None),
        ] {
            assert_eq!(holding(at, all.into_iter()), want, "{at:#x}");
        }
        assert_eq!(holding(0x250, all.into_iter().take(3)), Some((0x200, 'c')));
    }

    /// A file with a `.symtab` of one function, its strings and two section headers.
    fn file() -> Vec<u8> {
        let mut bytes = vec![0; 52 + 2 * 40];
        let entry: Vec<u8> = [1u32, 0x1000, 0x20, 1 << 16 | 2]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        bytes.extend(entry);
        bytes.extend(b"\0local\0");
        let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(32, 52);
        put(46, 2 << 16 | 40);
        put(48, 2);
        for (header, words) in [(52, [0, 2, 0, 0, 132, 16, 1]), (92, [0, 3, 0, 0, 148, 7, 0])] {
            for (i, word) in words.into_iter().enumerate() {
                put(header + 4 * i, word);
            }
        }
        bytes
    }

    #[test]
    fn a_function_of_the_table_is_found() {
        let bytes = file();
        let found = function_at(&File(&bytes), 0x101c).unwrap();
        assert_eq!((found.name.as_str(), found.value), ("local", 0x1000));
        assert_eq!(function_at(&File(&bytes), 0x1020), None);
        // Names without an end, or outside.
        assert_eq!(function_at(&File(&bytes[..bytes.len() - 1]), 0x1000), None);
        assert_eq!(function_at(&File(&bytes[..140]), 0x1000), None);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_function_or_none(
            damage in proptest::collection::vec((0usize..155, any::<u8>()), 0..12),
            at in any::<u32>(),
        ) {
            let mut bytes = file();
            for (place, value) in damage {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = value;
                }
            }
            let found = function_at(&File(&bytes), at);
            prop_assert!(found.is_none_or(|f| f.value <= at));
        }
    }
}
