//! The section headers, for the one thing that nothing else tells: where `.ctors` and `.dtors` lie.
//!
//! Clang for Hexagon puts constructors into `.ctors` unless it is told `-fuse-init-array`, and leaves it to the start files to
//! walk them from `DT_INIT`. A library that was linked without start files has nobody who would. Signed images have no section
//! headers, and do not need them: theirs have a `DT_INIT`.

use super::file::File;
use super::image::ElfError;

/// Most section headers.
const MAX_SECTIONS: u16 = 4096;
const HEADER: u16 = 40;

/// Address and size of a section with contents in memory; `None` where there are no headers or no such section.
pub(super) fn find(file: &File<'_>, name: &str) -> Result<Option<(u32, u32)>, ElfError> {
    let (at, size) = (file.u32("e_shoff", 32)?, file.u16("e_shentsize", 46)?);
    let (count, names) = (file.u16("e_shnum", 48)?, file.u16("e_shstrndx", 50)?);
    let length = u64::from(count) * u64::from(HEADER);
    // Whoever strips or signs a library may cut the headers off and leave the word that says where they were.
    let is_there = file.slice("section headers", u64::from(at), length).is_ok();
    if at == 0 || size != HEADER || names >= count || count > MAX_SECTIONS || !is_there {
        return Ok(None);
    }
    let header = |index: u16| {
        let at = u64::from(at) + u64::from(index) * u64::from(HEADER);
        move |field: u64| file.u32("section header", at + 4 * field)
    };
    // Words: name, type, flags, address, offset, size.
    let strings = u64::from(header(names)(4)?);
    for index in 0..count {
        let field = header(index);
        let text = strings + u64::from(field(0)?);
        // What is stripped or cut off has no such name.
        let Ok(bytes) = file.slice("section name", text, name.len() as u64 + 1) else {
            continue;
        };
        if bytes.strip_suffix(&[0]) == Some(name.as_bytes()) && field(3)? != 0 {
            return Ok(Some((field(3)?, field(5)?)));
        }
    }
    Ok(None)
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
