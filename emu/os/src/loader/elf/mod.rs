//! Reads a Hexagon shared library: total over any bytes.
//!
//! Real skeletons are "signed images": no section headers, `PT_NULL` entries that hold hashes and certificates, and
//! everything that the loader needs reachable from `PT_DYNAMIC`. So only program headers and the dynamic table are
//! looked at. Every field is checked against the file before it is used; the result holds nothing larger than the
//! file, and names stay offsets into it, because overlapping strings could otherwise be multiplied.
//! Source: System V gABI, Hexagon ABI (relocation numbers). Not modelled: TLS, lazy binding, symbol versions.

use std::ops::Range;
use std::sync::Arc;

use emu_core::mem::{PAGE, PAGE_SIZE};

/// Most program headers, dynamic symbols, and bytes of one symbol name that are looked at.
const MAX_PHDRS: usize = 64;
const MAX_SYMBOLS: u32 = 1 << 18;
const MAX_NAME: usize = 4096;
const MAX_NEEDED: usize = 64;
/// Most entries of an initialiser or finaliser array.
const MAX_ARRAY: u32 = 1 << 16;
const MAX_ALIGN: u32 = 1 << 20;

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

    fn holds(&self, at: u32, len: u32) -> bool {
        at >= self.vaddr && u64::from(at) + u64::from(len) <= u64::from(self.vaddr) + u64::from(self.memsz)
    }
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
    name: Range<usize>,
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
}

/// A library that can be loaded.
#[derive(Debug, Clone)]
pub struct Image {
    bytes: Arc<[u8]>,
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
    /// Architecture version in `e_flags`, e.g. 68; 0 for the oldest.
    pub arch: u32,
}

impl Image {
    /// The symbol's name, byte for byte as it stands in the file; empty if the file has none there.
    pub fn name(&self, symbol: &Symbol) -> &[u8] {
        self.bytes.get(symbol.name.clone()).unwrap_or_default()
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

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_TLS: u32 = 7;
const DT_NULL: u32 = 0;
const DT_NEEDED: u32 = 1;
const DT_PLTRELSZ: u32 = 2;
const DT_HASH: u32 = 4;
const DT_STRTAB: u32 = 5;
const DT_SYMTAB: u32 = 6;
const DT_RELA: u32 = 7;
const DT_RELASZ: u32 = 8;
const DT_RELAENT: u32 = 9;
const DT_STRSZ: u32 = 10;
const DT_SYMENT: u32 = 11;
const DT_INIT: u32 = 12;
const DT_FINI: u32 = 13;
const DT_SONAME: u32 = 14;
const DT_REL: u32 = 17;
const DT_PLTREL: u32 = 20;
const DT_JMPREL: u32 = 23;
const DT_INIT_ARRAY: u32 = 25;
const DT_FINI_ARRAY: u32 = 26;
const DT_INIT_ARRAYSZ: u32 = 27;
const DT_FINI_ARRAYSZ: u32 = 28;
const DT_GNU_HASH: u32 = 0x6fff_fef5;
const R_HEX_NONE: u32 = 0;
const R_HEX_32: u32 = 6;
const R_HEX_GLOB_DAT: u32 = 33;
const R_HEX_JMP_SLOT: u32 = 34;
const R_HEX_RELATIVE: u32 = 35;

/// Bytes with checked little-endian reads.
struct File<'a>(&'a [u8]);

impl<'a> File<'a> {
    fn slice(&self, what: &'static str, at: u64, len: u64) -> Result<&'a [u8], ElfError> {
        let end = at.saturating_add(len);
        let range = usize::try_from(at).ok().zip(usize::try_from(end).ok());
        range
            .and_then(|(a, b)| self.0.get(a..b))
            .ok_or(ElfError::Truncated {
                what,
                at,
                end,
                len: self.0.len() as u64,
            })
    }

    fn u16(&self, what: &'static str, at: u64) -> Result<u16, ElfError> {
        Ok(self
            .slice(what, at, 2)?
            .try_into()
            .map(u16::from_le_bytes)
            .unwrap_or_default())
    }

    fn u32(&self, what: &'static str, at: u64) -> Result<u32, ElfError> {
        Ok(self
            .slice(what, at, 4)?
            .try_into()
            .map(u32::from_le_bytes)
            .unwrap_or_default())
    }
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let at = index.saturating_mul(4);
    bytes
        .get(at..at.saturating_add(4))
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// The dynamic table's entries that matter.
#[derive(Default)]
struct Dynamic {
    needed: Vec<u32>,
    soname: Option<u32>,
    strtab: Option<u32>,
    strsz: u32,
    symtab: Option<u32>,
    hash: Option<u32>,
    gnu_hash: Option<u32>,
    rela: Option<u32>,
    relasz: u32,
    jmprel: Option<u32>,
    pltrelsz: u32,
    init: Option<u32>,
    fini: Option<u32>,
    init_array: Option<u32>,
    init_arraysz: u32,
    fini_array: Option<u32>,
    fini_arraysz: u32,
}

/// Parses `bytes` as a shared library for a core of version `core` (e.g. 68) that may occupy `max_memory` bytes.
pub fn parse(bytes: Arc<[u8]>, core: u32, max_memory: u32) -> Result<Image, ElfError> {
    let file = File(&bytes);
    let arch = header(&file, core)?;
    let (segments, dynamic_at) = program_headers(&file, max_memory)?;
    let dynamic = match dynamic_at {
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
    };

    let strings = match dynamic.strtab {
        Some(at) => tables.file_range("DT_STRTAB", at, u64::from(dynamic.strsz))?,
        None => 0..0,
    };
    let symbols = match dynamic.symtab {
        Some(at) => tables.symbols(at, tables.symbol_count(&dynamic)?, &strings)?,
        None => Vec::new(),
    };
    let mut relocations = Vec::new();
    for (table, at, size) in [
        ("DT_RELA", dynamic.rela, dynamic.relasz),
        ("DT_JMPREL", dynamic.jmprel, dynamic.pltrelsz),
    ] {
        if let (Some(at), 1..) = (at, size) {
            tables.relocations(table, at, size, symbols.len(), &mut relocations)?;
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

    let start = segments.first().map_or(0, |s| s.pages().start);
    let end = segments.last().map_or(0, |s| s.pages().end);
    let align = load_align(&file)?;
    Ok(Image {
        soname,
        needed,
        span: start..end,
        align,
        symbols,
        relocations,
        init,
        fini,
        init_array,
        fini_array,
        arch,
        segments,
        bytes,
    })
}

/// Checks the ELF header; returns the architecture version.
fn header(file: &File<'_>, core: u32) -> Result<u32, ElfError> {
    let ident = file.slice("ELF header", 0, 52)?;
    let want = |what, value: u64, right: u64, expected| {
        if value == right {
            Ok(())
        } else {
            Err(ElfError::Field {
                what,
                value,
                expected,
            })
        }
    };
    want("magic", u64::from(word(ident, 0)), 0x464c_457f, "7f 'E' 'L' 'F'")?;
    let byte = |i: usize| u64::from(ident.get(i).copied().unwrap_or_default());
    want("EI_CLASS", byte(4), 1, "1 (32 bit)")?;
    want("EI_DATA", byte(5), 1, "1 (little endian)")?;
    want("EI_VERSION", byte(6), 1, "1")?;
    want(
        "e_type",
        u64::from(file.u16("e_type", 16)?),
        3,
        "3 (shared library)",
    )?;
    want(
        "e_machine",
        u64::from(file.u16("e_machine", 18)?),
        164,
        "164 (Hexagon)",
    )?;
    want("e_phentsize", u64::from(file.u16("e_phentsize", 42)?), 32, "32")?;
    // Bits 9:0 hold the version, written as if decimal digits were hexadecimal from v60 on; 1..5 are v2..v55.
    let mach = file.u32("e_flags", 36)? & 0x3ff;
    let arch = if mach < 0x60 {
        0
    } else {
        (mach >> 8) * 100 + ((mach >> 4) & 0xf) * 10 + (mach & 0xf)
    };
    if arch > core {
        return Err(ElfError::Newer { library: arch, core });
    }
    Ok(arch)
}

/// Program header words: type, offset, vaddr, paddr, filesz, memsz, flags, align.
fn phdrs<'a>(file: &File<'a>) -> Result<impl Iterator<Item = (usize, [u32; 8])> + use<'a>, ElfError> {
    let at = u64::from(file.u32("e_phoff", 28)?);
    let count = usize::from(file.u16("e_phnum", 44)?);
    if count == 0 || count > MAX_PHDRS {
        return Err(ElfError::Field {
            what: "e_phnum",
            value: count as u64,
            expected: "1 to 64",
        });
    }
    let table = file.slice("program headers", at, count as u64 * 32)?;
    Ok(table
        .chunks_exact(32)
        .map(|p| std::array::from_fn(|i| word(p, i)))
        .enumerate())
}

fn load_align(file: &File<'_>) -> Result<u32, ElfError> {
    let mut align = PAGE_SIZE;
    for (index, [kind, _, vaddr, _, _, memsz, _, a]) in phdrs(file)? {
        if kind == PT_LOAD && a > 1 {
            if !a.is_power_of_two() || a > MAX_ALIGN {
                let why = "p_align is not a power of two up to 1 MiB";
                return Err(ElfError::Segment {
                    index,
                    vaddr,
                    memsz,
                    why,
                });
            }
            align = align.max(a);
        }
    }
    Ok(align)
}

type Loads = (Vec<Segment>, Option<(u32, u32)>);

fn program_headers(file: &File<'_>, max_memory: u32) -> Result<Loads, ElfError> {
    let mut segments: Vec<(usize, Segment)> = Vec::new();
    let mut dynamic = None;
    for (index, [kind, offset, vaddr, _, filesz, memsz, flags, _]) in phdrs(file)? {
        let bad = |why| ElfError::Segment {
            index,
            vaddr,
            memsz,
            why,
        };
        match kind {
            PT_TLS if memsz > 0 => return Err(ElfError::Unsupported("thread-local storage (PT_TLS)")),
            PT_DYNAMIC => {
                file.slice("PT_DYNAMIC", u64::from(offset), u64::from(filesz))?;
                dynamic = Some((offset, filesz));
            }
            PT_LOAD if memsz > 0 => {
                if filesz > memsz {
                    return Err(bad("larger in the file than in memory"));
                }
                if u64::from(vaddr) + u64::from(memsz) > 1 << 32 {
                    return Err(bad("reaches over the end of the 32-bit address space"));
                }
                if memsz > max_memory {
                    return Err(bad("larger than this process may load"));
                }
                file.slice("segment", u64::from(offset), u64::from(filesz))?;
                let start = offset as usize;
                let prot = SegmentProt {
                    read: flags & 4 != 0,
                    write: flags & 2 != 0,
                    execute: flags & 1 != 0,
                };
                let file = start..start + filesz as usize;
                segments.push((
                    index,
                    Segment {
                        vaddr,
                        memsz,
                        file,
                        prot,
                    },
                ));
            }
            _ => {}
        }
    }
    segments.sort_by_key(|(_, s)| s.vaddr);
    for pair in segments.windows(2) {
        if let [(_, a), (index, b)] = pair
            && a.pages().end > b.pages().start
        {
            let why = "shares pages with another segment";
            return Err(ElfError::Segment {
                index: *index,
                vaddr: b.vaddr,
                memsz: b.memsz,
                why,
            });
        }
    }
    let (Some((_, first)), Some((index, last))) = (segments.first(), segments.last()) else {
        return Err(ElfError::Field {
            what: "PT_LOAD",
            value: 0,
            expected: "at least one segment",
        });
    };
    if last.pages().end - first.pages().start > u64::from(max_memory) {
        let why = "too far from the first segment: the library is larger than this process may load";
        return Err(ElfError::Segment {
            index: *index,
            vaddr: last.vaddr,
            memsz: last.memsz,
            why,
        });
    }
    Ok((segments.into_iter().map(|(_, s)| s).collect(), dynamic))
}

fn dynamic_table(file: &File<'_>, at: u32, len: u32) -> Result<Dynamic, ElfError> {
    let bytes = file.slice("PT_DYNAMIC", u64::from(at), u64::from(len))?;
    let mut d = Dynamic::default();
    let is = |what, value: u32, right: u32, expected| {
        if value == right {
            Ok(())
        } else {
            Err(ElfError::Field {
                what,
                value: u64::from(value),
                expected,
            })
        }
    };
    for entry in bytes.chunks_exact(8) {
        let v = word(entry, 1);
        match word(entry, 0) {
            DT_NULL => break,
            DT_NEEDED if d.needed.len() >= MAX_NEEDED => {
                return Err(ElfError::Table {
                    table: "DT_NEEDED",
                    why: "more than 64 entries",
                    value: 65,
                });
            }
            DT_NEEDED => d.needed.push(v),
            DT_SONAME => d.soname = Some(v),
            DT_STRTAB => d.strtab = Some(v),
            DT_STRSZ => d.strsz = v,
            DT_SYMTAB => d.symtab = Some(v),
            DT_SYMENT => is("DT_SYMENT", v, 16, "16")?,
            DT_HASH => d.hash = Some(v),
            DT_GNU_HASH => d.gnu_hash = Some(v),
            DT_RELA => d.rela = Some(v),
            DT_RELASZ => d.relasz = v,
            DT_RELAENT => is("DT_RELAENT", v, 12, "12")?,
            DT_REL => return Err(ElfError::Unsupported("DT_REL (relocations without addends)")),
            DT_PLTREL => is("DT_PLTREL", v, DT_RELA, "7 (RELA)")?,
            DT_JMPREL => d.jmprel = Some(v),
            DT_PLTRELSZ => d.pltrelsz = v,
            DT_INIT => d.init = Some(v),
            DT_FINI => d.fini = Some(v),
            DT_INIT_ARRAY => d.init_array = Some(v),
            DT_INIT_ARRAYSZ => d.init_arraysz = v,
            DT_FINI_ARRAY => d.fini_array = Some(v),
            DT_FINI_ARRAYSZ => d.fini_arraysz = v,
            _ => {}
        }
    }
    Ok(d)
}

/// The file range of a string in the string table, without its NUL.
fn string(bytes: &[u8], strings: &Range<usize>, at: u32) -> Result<Range<usize>, ElfError> {
    let bad = |why| ElfError::Table {
        table: "DT_STRTAB",
        why,
        value: u64::from(at),
    };
    let start = strings.start.saturating_add(at as usize);
    if at as usize >= strings.len() {
        return Err(bad("string offset outside"));
    }
    let tail = bytes
        .get(start..strings.end.min(start.saturating_add(MAX_NAME)))
        .unwrap_or_default();
    let len = tail
        .iter()
        .position(|&b| b == 0)
        .ok_or(bad("string without end, or longer than 4096"))?;
    Ok(start..start + len)
}

struct Tables<'a> {
    file: &'a File<'a>,
    segments: &'a [Segment],
}

impl Tables<'_> {
    /// Where an address range lies in the file; it must be in the file-backed part of one segment.
    fn file_range(&self, table: &'static str, at: u32, len: u64) -> Result<Range<usize>, ElfError> {
        for s in self.segments {
            let Some(skip) = at.checked_sub(s.vaddr) else {
                continue;
            };
            if u64::from(skip) + len <= s.file.len() as u64 {
                let start = s.file.start + skip as usize;
                return Ok(start..start + len as usize);
            }
        }
        Err(ElfError::Table {
            table,
            why: "not inside a segment of the file",
            value: u64::from(at),
        })
    }

    fn bytes(&self, table: &'static str, at: u32, len: u64) -> Result<&[u8], ElfError> {
        let range = self.file_range(table, at, len)?;
        Ok(self.file.0.get(range).unwrap_or_default())
    }

    /// The number of dynamic symbols: only the hash tables say it.
    fn symbol_count(&self, d: &Dynamic) -> Result<u32, ElfError> {
        let count = if let Some(at) = d.hash {
            word(self.bytes("DT_HASH", at, 8)?, 1)
        } else if let Some(at) = d.gnu_hash {
            self.gnu_hash_count(at)?
        } else {
            return Err(ElfError::Unsupported("a library without DT_HASH and DT_GNU_HASH"));
        };
        if count > MAX_SYMBOLS {
            let why = "more symbols than 262144";
            return Err(ElfError::Table {
                table: "DT_HASH",
                why,
                value: u64::from(count),
            });
        }
        Ok(count)
    }

    /// Header: buckets, first hashed symbol, bloom words, shift; then bloom words, buckets, chains. The last symbol is
    /// the end of the chain that starts at the largest bucket value.
    fn gnu_hash_count(&self, at: u32) -> Result<u32, ElfError> {
        const T: &str = "DT_GNU_HASH";
        let head = self.bytes(T, at, 16)?;
        let (buckets, first, bloom) = (word(head, 0), word(head, 1), word(head, 2));
        let skip = 16 + u64::from(bloom) * 4;
        let all = self.bytes(T, at, skip + u64::from(buckets) * 4)?;
        let table = all.get(skip as usize..).unwrap_or_default();
        let last = table.chunks_exact(4).map(|b| word(b, 0)).max().unwrap_or(0);
        if last < first {
            return Ok(first);
        }
        if last >= MAX_SYMBOLS {
            return Err(ElfError::Table {
                table: T,
                why: "bucket value too large",
                value: u64::from(last),
            });
        }
        let chains = u64::from(at) + skip + u64::from(buckets) * 4;
        let mut index = last;
        loop {
            let entry =
                u32::try_from(chains + u64::from(index - first) * 4).map_err(|_| ElfError::Table {
                    table: T,
                    why: "chain outside",
                    value: u64::from(index),
                })?;
            if word(self.bytes(T, entry, 4)?, 0) & 1 != 0 {
                return Ok(index + 1);
            }
            index += 1;
            if index >= MAX_SYMBOLS {
                return Err(ElfError::Table {
                    table: T,
                    why: "chain without end",
                    value: u64::from(index),
                });
            }
        }
    }

    fn symbols(&self, at: u32, count: u32, strings: &Range<usize>) -> Result<Vec<Symbol>, ElfError> {
        let table = self.bytes("DT_SYMTAB", at, u64::from(count) * 16)?;
        let mut out = Vec::with_capacity(count as usize);
        for (i, s) in table.chunks_exact(16).enumerate() {
            let info = word(s, 3);
            let (bind, kind, section) = ((info >> 4) & 0xf, info & 0xf, info >> 16);
            let name = match word(s, 0) {
                0 => 0..0,
                at => string(self.file.0, strings, at)?,
            };
            let binding = match bind {
                0 => Binding::Local,
                1 => Binding::Strong,
                2 => Binding::Weak,
                _ => {
                    let why = "unknown symbol binding";
                    return Err(ElfError::Table {
                        table: "DT_SYMTAB",
                        why,
                        value: i as u64,
                    });
                }
            };
            if kind == 6 {
                return Err(ElfError::Unsupported("a thread-local symbol"));
            }
            out.push(Symbol {
                name,
                value: word(s, 1),
                size: word(s, 2),
                binding,
                defined: section != 0,
                absolute: section == 0xfff1,
                named_thing: matches!(kind, 0..=2),
            });
        }
        Ok(out)
    }

    fn relocations(
        &self,
        table: &'static str,
        at: u32,
        size: u32,
        symbols: usize,
        out: &mut Vec<Relocation>,
    ) -> Result<(), ElfError> {
        if !size.is_multiple_of(12) {
            return Err(ElfError::Table {
                table,
                why: "size is not a multiple of 12",
                value: u64::from(size),
            });
        }
        let bytes = self.bytes(table, at, u64::from(size))?;
        for entry in bytes.chunks_exact(12) {
            let (offset, info, addend) = (word(entry, 0), word(entry, 1), word(entry, 2));
            let (symbol, kind) = (info >> 8, info & 0xff);
            let bad = |why| ElfError::Relocation {
                index: out.len(),
                kind,
                offset,
                why,
            };
            if kind == R_HEX_NONE {
                continue;
            }
            if !self.segments.iter().any(|s| s.holds(offset, 4)) {
                return Err(bad("patches an address outside the segments"));
            }
            let kind = match kind {
                R_HEX_RELATIVE => RelocationKind::Relative,
                R_HEX_32 | R_HEX_GLOB_DAT | R_HEX_JMP_SLOT => {
                    if symbol as usize >= symbols {
                        return Err(bad("symbol index out of range"));
                    }
                    RelocationKind::Symbol(symbol)
                }
                _ => return Err(bad("relocation type not supported")),
            };
            out.push(Relocation { offset, kind, addend });
        }
        Ok(())
    }

    fn function(&self, table: &'static str, at: Option<u32>) -> Result<Option<u32>, ElfError> {
        match at {
            None | Some(0) => Ok(None),
            Some(at) if at % 4 == 0 && self.segments.iter().any(|s| s.prot.execute && s.holds(at, 4)) => {
                Ok(Some(at))
            }
            Some(at) => Err(ElfError::Table {
                table,
                why: "not the address of code",
                value: u64::from(at),
            }),
        }
    }

    fn array(&self, table: &'static str, at: Option<u32>, size: u32) -> Result<Option<(u32, u32)>, ElfError> {
        let (Some(at), 1..) = (at, size) else {
            return Ok(None);
        };
        if !size.is_multiple_of(4)
            || size > MAX_ARRAY * 4
            || at % 4 != 0
            || !self.segments.iter().any(|s| s.holds(at, size))
        {
            return Err(ElfError::Table {
                table,
                why: "not a word array inside a segment, or more than 65536 entries",
                value: u64::from(at),
            });
        }
        Ok(Some((at, size / 4)))
    }
}

#[cfg(test)]
pub(crate) mod tests;
