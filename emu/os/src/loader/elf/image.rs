//! What a library is once its bytes were found good, and why they were not.

use std::ops::Range;
use std::sync::Arc;

use super::file::File;
use super::symtab::{self, Function};
use super::version::{VersionNumber, Versions};
use emu_core::mem::PAGE;

/// Why the bytes are not a library that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Shorter than its headers or tables say.
    #[error("the file is truncated: {what} needs bytes {at:#x}..{end:#x} of {len:#x}")]
    Truncated {
        /// What reaches over the end.
        what: &'static str,
        /// Its start in the file.
        at: u64,
        /// Its end in the file.
        end: u64,
        /// Length of the file.
        len: u64,
    },
    /// A header field has a value that cannot be loaded.
    #[error("{what} is {value:#x}, expected {expected}")]
    Field {
        /// Name of the field.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What would be right.
        expected: &'static str,
    },
    /// The library needs a newer core than this one.
    #[error("built for Hexagon v{library}, this DSP is a v{core}: choose a newer --soc or another library")]
    Newer {
        /// Version in `e_flags`.
        library: u32,
        /// Version of the core.
        core: u32,
    },
    /// A segment cannot be placed.
    #[error("segment {index} at {vaddr:#x}, {memsz:#x} bytes: {why}")]
    Segment {
        /// Index of the program header.
        index: usize,
        /// Its address.
        vaddr: u32,
        /// Its size in memory.
        memsz: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A table that the dynamic section names is not where it should be, or inconsistent.
    #[error("dynamic table {table}: {why} ({value:#x})")]
    Table {
        /// Which table.
        table: &'static str,
        /// What is wrong.
        why: &'static str,
        /// The value in question.
        value: u64,
    },
    /// A relocation cannot be applied.
    #[error("relocation {index} (type {kind}) at {offset:#x}: {why}")]
    Relocation {
        /// Index over both tables.
        index: usize,
        /// `R_HEX_` number.
        kind: u32,
        /// Address it patches.
        offset: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something legal that is not built.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
}

/// Segment permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentProt {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
}

/// One `PT_LOAD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Address relative to the load base.
    pub vaddr: u32,
    /// Size in memory; what the file does not fill is zero.
    pub memsz: u32,
    /// The bytes in the file.
    pub file: Range<usize>,
    /// Permissions.
    pub prot: SegmentProt,
}

impl Segment {
    /// Address range, rounded out to pages.
    pub fn pages(&self) -> Range<u64> {
        let page = PAGE;
        let start = u64::from(self.vaddr) / page * page;
        start..(u64::from(self.vaddr) + u64::from(self.memsz)).div_ceil(page) * page
    }

    pub(super) fn holds(&self, at: u32, len: u32) -> bool {
        at >= self.vaddr && u64::from(at) + u64::from(len) <= u64::from(self.vaddr) + u64::from(self.memsz)
    }
}

/// Thread-local storage of a library (`PT_TLS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadLocal {
    /// Where its first contents lie, relative to the load base.
    pub vaddr: u32,
    /// Bytes of first contents; what follows is zero.
    pub filesz: u32,
    /// Bytes that each thread has.
    pub memsz: u32,
    /// Power of two. A block lies as `vaddr` does relative to it.
    pub align: u32,
}

/// How a symbol binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Visible only inside.
    Local,
    /// Must be defined somewhere.
    Strong,
    /// 0 if it is defined nowhere.
    Weak,
}

/// One entry of the dynamic symbol table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    pub(super) name: Range<usize>,
    /// Address relative to the load base (absolute if `absolute`), or 0 if undefined.
    pub value: u32,
    /// Size in bytes as the file says; only used to print addresses.
    pub size: u32,
    /// Binding.
    pub binding: Binding,
    /// Defined in this library.
    pub defined: bool,
    /// `SHN_ABS`: the value does not move with the load base.
    pub absolute: bool,
    /// `STT_FUNC`, `STT_OBJECT` or untyped, as opposed to sections and files.
    pub named_thing: bool,
    /// `STT_TLS`: the value is an offset in the library's thread-local storage.
    pub thread_local: bool,
    pub(super) version: VersionNumber,
}

impl Symbol {
    /// Its version in the library.
    pub fn version(&self) -> VersionNumber {
        self.version
    }
}

/// One relocation of a kind that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relocation {
    /// Address relative to the load base; four bytes from here lie in one segment.
    pub offset: u32,
    /// What to put there.
    pub kind: RelocationKind,
    /// Addend.
    pub addend: u32,
}

/// What a relocation puts in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelocationKind {
    /// Load base + addend (`R_HEX_RELATIVE`).
    Relative,
    /// Symbol + addend (`R_HEX_32`, `R_HEX_GLOB_DAT`, `R_HEX_JMP_SLOT`); the index is checked.
    Symbol(u32),
    /// Number of the library that has the thread-local symbol (`R_HEX_DTPMOD_32`); symbol 0 means this library.
    ThreadModule(u32),
    /// The symbol's offset in that library's storage + addend (`R_HEX_DTPREL_32`).
    ThreadOffset(u32),
    /// The same relative to the thread pointer, UGP (`R_HEX_TPREL_32`).
    ThreadPlace(u32),
}

/// A library that can be loaded.
#[derive(Debug, Clone)]
pub struct Image {
    pub(super) bytes: Arc<[u8]>,
    /// Where names of dynamic symbols lie: in the file, and relative to the load base.
    pub(super) strings: (Range<usize>, u32),
    pub(super) headers: Range<usize>,
    pub(super) versions: Versions,
    /// `DT_SONAME`.
    pub soname: Option<String>,
    /// `DT_NEEDED` in order.
    pub needed: Vec<String>,
    /// Segments by ascending address; at least one; page ranges do not overlap.
    pub segments: Vec<Segment>,
    /// From the first page to the end of the last, in bytes; fits 32 bits.
    pub span: Range<u64>,
    /// What the load base must be a multiple of.
    pub align: u32,
    /// Dynamic symbols, index 0 included.
    pub symbols: Vec<Symbol>,
    /// Relocations in the order to apply.
    pub relocations: Vec<Relocation>,
    /// `DT_INIT`.
    pub init: Option<u32>,
    /// `DT_FINI`.
    pub fini: Option<u32>,
    /// `DT_INIT_ARRAY`: address and number of entries.
    pub init_array: Option<(u32, u32)>,
    /// `DT_FINI_ARRAY`: address and number of entries.
    pub fini_array: Option<(u32, u32)>,
    /// `.ctors`, where no `DT_INIT` walks it: address and number of entries, to be called from the last to the first.
    pub ctors: Option<(u32, u32)>,
    /// `.dtors`, where no `DT_FINI` walks it, to be called from the first to the last.
    pub dtors: Option<(u32, u32)>,
    /// `PT_TLS`.
    pub tls: Option<ThreadLocal>,
    /// Architecture version in `e_flags`, e.g. 68; 0 for the oldest.
    pub arch: u32,
}

impl Image {
    /// The symbol's name, byte for byte as it stands in the file; empty if the file has none there.
    pub fn name(&self, symbol: &Symbol) -> &[u8] {
        self.bytes.get(symbol.name.clone()).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// Its symbols have versions, or are without one among such.
    pub fn has_versions(&self) -> bool {
        self.versions.numbered
    }

    /// The version's name; `None`: it is none.
    pub fn version_named(&self, version: VersionNumber) -> Option<&[u8]> {
        let version = self.versions.by_number.get(&version.number())?;
        Some(self.text(&version.name))
    }

    /// The version that an undefined symbol wants, and whether a symbol without any does not do; `None`: it wants none.
    pub fn version(&self, symbol: &Symbol) -> Option<(&[u8], bool)> {
        let version = self.versions.by_number.get(&symbol.version.number())?;
        Some((self.text(&version.name), version.strict))
    }

    /// Does it define this version? `None`: it says nothing of versions.
    pub fn defines_version(&self, name: &[u8]) -> Option<bool> {
        let defined = self.versions.defined.as_ref()?;
        Some(defined.contains(name))
    }

    /// Versions that it needs of other libraries: the library, the version, and whether it does without.
    pub fn needed_versions(&self) -> impl Iterator<Item = (&[u8], &[u8], bool)> {
        let needs = self.versions.needs.iter();
        needs.map(|need| (self.text(&need.file), self.text(&need.name), need.weak))
    }

    /// Where the name of a symbol of this library lies in memory, relative to the load base.
    pub fn name_address(&self, symbol: &Symbol) -> Option<u32> {
        let (file, at) = &self.strings;
        let offset = symbol.name.start.checked_sub(file.start)?;
        at.checked_add(u32::try_from(offset).ok()?)
    }

    /// The function that holds an address (relative to the load base): by `.symtab`, else by the dynamic symbols.
    pub fn function_at(&self, at: u32) -> Option<Function> {
        if !self.is_code(at) {
            return None;
        }
        symtab::function_at(&File(&self.bytes), at).or_else(|| {
            let known = self.symbols.iter().filter(|s| {
                s.defined && s.named_thing && !s.absolute && !s.name.is_empty() && self.is_code(s.value)
            });
            let functions = known.map(|s| (s.value, s.size, s));
            let (value, symbol) = symtab::holding(at, functions)?;
            let name = String::from_utf8_lossy(self.name(symbol)).into_owned();
            Some(Function { name, value })
        })
    }

    /// The program headers, byte for byte.
    pub fn program_headers(&self) -> &[u8] {
        self.bytes.get(self.headers.clone()).unwrap_or_default()
    }

    /// The file bytes of a segment.
    pub fn segment_bytes(&self, segment: &Segment) -> &[u8] {
        self.bytes.get(segment.file.clone()).unwrap_or_default()
    }

    /// Does an executable segment hold this address?
    pub fn is_code(&self, at: u32) -> bool {
        self.segments.iter().any(|s| s.prot.execute && s.holds(at, 4))
    }
}
