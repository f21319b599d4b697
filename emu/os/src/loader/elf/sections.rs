//! The section headers, for what nothing else tells: where `.ctors`, `.dtors` and `.symtab` lie.
//!
//! Clang for Hexagon puts constructors into `.ctors` unless it is told `-fuse-init-array`, and leaves it to the start files to
//! walk them from `DT_INIT`. A library that was linked without start files has nobody who would. Signed images have no section
//! headers, and do not need them: theirs have a `DT_INIT`.

use super::file::{File, word};
use super::image::ElfError;

/// Most section headers.
const MAX_SECTIONS: u16 = 4096;
const HEADER: u16 = 40;

/// Words of a section header: name, type, flags, address, offset, size, link, …
pub(super) type Header = [u32; 10];

/// All headers, and the index of the one of names; none if they are not there or make no sense. Whoever strips or signs a
/// library may cut the headers off and leave the word that says where they were.
fn headers<'a>(file: &File<'a>) -> Option<(impl Iterator<Item = Header> + use<'a>, u16)> {
    let (at, size) = (file.u32("e_shoff", 32).ok()?, file.u16("e_shentsize", 46).ok()?);
    let (count, names) = (file.u16("e_shnum", 48).ok()?, file.u16("e_shstrndx", 50).ok()?);
    let length = u64::from(count) * u64::from(HEADER);
    let bytes = file.slice("section headers", at.into(), length).ok()?;
    let good = at != 0 && size == HEADER && count <= MAX_SECTIONS;
    let header = |bytes: &[u8]| std::array::from_fn(|i| word(bytes, i));
    good.then(|| (bytes.chunks_exact(HEADER.into()).map(header), names))
}

/// The first header that is such.
pub(super) fn first(file: &File<'_>, such: impl Fn(&Header) -> bool) -> Option<Header> {
    headers(file)?.0.find(such)
}

/// The header with this index.
pub(super) fn by_index(file: &File<'_>, index: u32) -> Option<Header> {
    headers(file)?.0.nth(index as usize)
}

/// Address and size of a section with contents in memory; `None` where there are no headers or no such section.
pub(super) fn find(file: &File<'_>, name: &str) -> Result<Option<(u32, u32)>, ElfError> {
    let Some((_, names)) = headers(file) else {
        return Ok(None);
    };
    let Some(strings) = by_index(file, names.into()) else {
        return Ok(None);
    };
    let found = first(file, |header| {
        let text = u64::from(strings[4]) + u64::from(header[0]);
        // What is stripped or cut off has no such name.
        let bytes = file.slice("section name", text, name.len() as u64 + 1);
        bytes.is_ok_and(|bytes| bytes.strip_suffix(&[0]) == Some(name.as_bytes())) && header[3] != 0
    });
    Ok(found.map(|header| (header[3], header[5])))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header, two section headers at 52, and a table of names with `.ctors`, all at their places.
    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 52 + 80];
        bytes.extend(b"\0.ctors\0");
        let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(32, 52);
        put(46, 2 << 16 | u32::from(HEADER));
        put(50, 1);
        // `.ctors`: name, address, size; then the names' offset.
        put(52, 1);
        put(52 + 12, 0x2000);
        put(52 + 20, 8);
        put(92 + 16, 132);
        put(48, 1 << 16 | 2);
        bytes
    }

    #[test]
    fn a_section_is_found_by_its_name() {
        let bytes = image();
        assert_eq!(find(&File(&bytes), ".ctors"), Ok(Some((0x2000, 8))));
        assert_eq!(find(&File(&bytes), ".dtors"), Ok(None));
    }

    #[test]
    fn headers_that_were_cut_off_are_none() {
        let bytes = image();
        for len in [52, 60, 131] {
            assert_eq!(find(&File(&bytes[..len]), ".ctors"), Ok(None), "{len}");
        }
        // Cut names are no names.
        assert_eq!(find(&File(&bytes[..136]), ".ctors"), Ok(None));
        let mut far = image();
        far[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(find(&File(&far), ".ctors"), Ok(None));
    }
}
