//! Reads a Hexagon shared library: total over any bytes.
//!
//! Real skeletons are "signed images": no section headers, `PT_NULL` entries that hold hashes and certificates, and
//! everything that the loader needs reachable from `PT_DYNAMIC`. So only program headers and the dynamic table are
//! looked at. Every field is checked against the file before it is used; the result holds nothing larger than the
//! file, and names stay offsets into it, because overlapping strings could otherwise be multiplied.
//! Source: System V gABI, Hexagon ABI (relocation numbers). Not modelled: lazy binding.

mod dynamic;
mod file;
mod headers;
mod image;
mod relr;
mod sections;
mod symtab;
mod tables;
mod version;
mod versions;

use std::sync::Arc;

use dynamic::dynamic_table;
use file::File;
use headers::{Loads, header, load_align, program_headers};
pub use image::{
    Binding, ElfError, Image, Relocation, RelocationKind, Segment, SegmentProt, Symbol, ThreadLocal,
};
pub use symtab::Function;
use tables::{Tables, string};
pub use version::VersionNumber;

/// Parses `bytes` as a shared library for a core of version `core` (e.g. 68) that may occupy `max_memory` bytes.
pub fn parse(bytes: Arc<[u8]>, core: u32, max_memory: u32) -> Result<Image, ElfError> {
    let file = File(&bytes);
    let arch = header(&file, core)?;
    let Loads {
        segments,
        dynamic,
        tls,
    } = program_headers(&file, max_memory)?;
    let dynamic = match dynamic {
        Some((at, len)) => dynamic_table(&file, at, len)?,
        None => {
            return Err(ElfError::Field {
                what: "PT_DYNAMIC",
                value: 0,
                expected: "a dynamic section (is this a shared library?)",
            });
        }
    };
    let tables = Tables {
        file: &file,
        segments: &segments,
        has_tls: tls.is_some(),
    };

    let strings = match dynamic.strtab {
        Some(at) => tables.file_range("DT_STRTAB", at, u64::from(dynamic.strsz))?,
        None => 0..0,
    };
    let mut symbols = match dynamic.symtab {
        Some(at) => tables.symbols(at, tables.symbol_count(&dynamic)?, &strings)?,
        None => Vec::new(),
    };
    let versions = versions::read(&tables, &dynamic, &strings, &mut symbols)?;
    let mut relocations = Vec::new();
    if let (Some(at), 1..) = (dynamic.relr, dynamic.relrsz) {
        relr::relocations(&tables, at, dynamic.relrsz, &mut relocations)?;
    }
    for (table, at, size) in [
        ("DT_RELA", dynamic.rela, dynamic.relasz),
        ("DT_JMPREL", dynamic.jmprel, dynamic.pltrelsz),
    ] {
        if let (Some(at), 1..) = (at, size) {
            tables.relocations(table, at, size, &symbols, &mut relocations)?;
        }
    }
    let text = |at: u32| -> Result<String, ElfError> {
        let name = string(&bytes, &strings, at)?;
        Ok(String::from_utf8_lossy(bytes.get(name).unwrap_or_default()).into_owned())
    };
    let needed = dynamic
        .needed
        .iter()
        .map(|&at| text(at))
        .collect::<Result<Vec<_>, _>>()?;
    let soname = dynamic.soname.map(text).transpose()?;
    let init = tables.function("DT_INIT", dynamic.init)?;
    let fini = tables.function("DT_FINI", dynamic.fini)?;
    let init_array = tables.array("DT_INIT_ARRAY", dynamic.init_array, dynamic.init_arraysz)?;
    let fini_array = tables.array("DT_FINI_ARRAY", dynamic.fini_array, dynamic.fini_arraysz)?;
    // Whoever has a DT_INIT walks them from there.
    let walked = |table, by: Option<u32>| match (by, sections::find(&file, table)?) {
        (None, Some((at, size))) => tables.array(table, Some(at), size),
        _ => Ok(None),
    };
    let ctors = walked(".ctors", init)?;
    let dtors = walked(".dtors", fini)?;

    let start = segments.first().map_or(0, |s| s.pages().start);
    let end = segments.last().map_or(0, |s| s.pages().end);
    let align = load_align(&file)?;
    let headers = file.u32("e_phoff", 28)? as usize;
    let headers = headers..headers + usize::from(file.u16("e_phnum", 44)?) * 32;
    Ok(Image {
        soname,
        needed,
        span: start..end,
        align,
        symbols,
        versions,
        relocations,
        init,
        fini,
        init_array,
        fini_array,
        ctors,
        dtors,
        tls,
        arch,
        segments,
        strings: (strings, dynamic.strtab.unwrap_or_default()),
        headers,
        bytes,
    })
}

#[cfg(test)]
pub(crate) mod tests;
