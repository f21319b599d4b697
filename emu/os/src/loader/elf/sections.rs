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
    if at == 0 || size != HEADER || names >= count || count > MAX_SECTIONS {
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
