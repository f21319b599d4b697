//! What the dynamic table leads to: names, symbols, relocations, initialisers.

use std::ops::Range;

use super::dynamic::Dynamic;
use super::file::{File, word};
use super::image::{Binding, ElfError, Relocation, RelocationKind, Segment, Symbol};
use super::version::{GLOBAL, VersionNumber};

/// Most dynamic symbols, and bytes of one symbol name, that are looked at.
const MAX_SYMBOLS: u32 = 1 << 18;
const MAX_NAME: usize = 4096;
/// Most entries of an initialiser or finaliser array.
const MAX_ARRAY: u32 = 1 << 16;

const R_HEX_NONE: u32 = 0;
const R_HEX_32: u32 = 6;
const R_HEX_GLOB_DAT: u32 = 33;
const R_HEX_JMP_SLOT: u32 = 34;
const R_HEX_RELATIVE: u32 = 35;
const R_HEX_COPY: u32 = 32;
const R_HEX_DTPMOD_32: u32 = 44;
const R_HEX_DTPREL_32: u32 = 47;
const R_HEX_TPREL_32: u32 = 63;

const STT_TLS: u32 = 6;
const STT_GNU_IFUNC: u32 = 10;

/// The file range of a string in the string table, without its NUL.
pub(super) fn string(bytes: &[u8], strings: &Range<usize>, at: u32) -> Result<Range<usize>, ElfError> {
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

/// What relocations without a symbol have.
pub(super) const NO_SYMBOL: Symbol = Symbol {
    name: 0..0,
    value: 0,
    size: 0,
    binding: Binding::Local,
    defined: false,
    absolute: false,
    named_thing: false,
    thread_local: false,
    version: VersionNumber(GLOBAL),
};

/// What the dynamic table leads to, looked up in the segments.
pub(super) struct Tables<'a> {
    pub file: &'a File<'a>,
    pub segments: &'a [Segment],
    /// There is a `PT_TLS`.
    pub has_tls: bool,
}

impl Tables<'_> {
    /// Where an address range lies in the file; it must be in the file-backed part of one segment.
    pub fn file_range(&self, table: &'static str, at: u32, len: u64) -> Result<Range<usize>, ElfError> {
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

    /// The bytes of an address range, which must be in the file-backed part of one segment.
    pub fn bytes(&self, table: &'static str, at: u32, len: u64) -> Result<&[u8], ElfError> {
        let range = self.file_range(table, at, len)?;
        Ok(self.file.0.get(range).unwrap_or_default())
    }

    /// The word that a segment has at an address before any relocation: of the file's bytes, and zeros behind them.
    pub fn initial_word(&self, at: u32) -> u32 {
        let mut word = [0; 4];
        if let Some(s) = self.segments.iter().find(|s| s.holds(at, 4)) {
            let skip = at.saturating_sub(s.vaddr) as usize;
            let bytes = self
                .file
                .0
                .get(s.file.clone())
                .and_then(|bytes| bytes.get(skip..));
            for (to, from) in word.iter_mut().zip(bytes.unwrap_or_default()) {
                *to = *from;
            }
        }
        u32::from_le_bytes(word)
    }

    /// The number of dynamic symbols: only the hash tables say it.
    pub fn symbol_count(&self, d: &Dynamic) -> Result<u32, ElfError> {
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

    pub fn symbols(&self, at: u32, count: u32, strings: &Range<usize>) -> Result<Vec<Symbol>, ElfError> {
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
            if kind == STT_GNU_IFUNC {
                return Err(ElfError::Unsupported(
                    "a function that is chosen at run time (STT_GNU_IFUNC)",
                ));
            }
            out.push(Symbol {
                name,
                value: word(s, 1),
                size: word(s, 2),
                binding,
                defined: section != 0,
                absolute: section == 0xfff1,
                named_thing: matches!(kind, 0..=2),
                thread_local: kind == STT_TLS,
                version: VersionNumber(GLOBAL),
            });
        }
        Ok(out)
    }

    pub fn relocations(
        &self,
        table: &'static str,
        at: u32,
        size: u32,
        symbols: &[Symbol],
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
            let Some(of) = symbols
                .get(symbol as usize)
                .or(symbol.eq(&0).then_some(&NO_SYMBOL))
            else {
                return Err(bad("symbol index out of range"));
            };
            let is_local = symbol == 0 || of.thread_local;
            let is_own = symbol == 0 || of.defined;
            let kind = match kind {
                R_HEX_RELATIVE => RelocationKind::Relative,
                // The linker makes one for each call of `__tls_get_addr` that names a symbol; nobody jumps there.
                R_HEX_JMP_SLOT if of.thread_local => continue,
                R_HEX_32 | R_HEX_GLOB_DAT if of.thread_local => {
                    return Err(bad("a thread-local symbol has no address"));
                }
                R_HEX_32 | R_HEX_GLOB_DAT | R_HEX_JMP_SLOT => RelocationKind::Symbol(symbol),
                R_HEX_DTPMOD_32 | R_HEX_DTPREL_32 | R_HEX_TPREL_32 if is_own && !self.has_tls => {
                    return Err(bad("the library has no thread-local storage (PT_TLS)"));
                }
                R_HEX_DTPMOD_32 if is_local => RelocationKind::ThreadModule(symbol),
                R_HEX_DTPREL_32 if is_local => RelocationKind::ThreadOffset(symbol),
                R_HEX_TPREL_32 if is_local => RelocationKind::ThreadPlace(symbol),
                R_HEX_DTPMOD_32 | R_HEX_DTPREL_32 | R_HEX_TPREL_32 => {
                    return Err(bad("the symbol is not thread-local"));
                }
                R_HEX_COPY => return Err(bad("R_HEX_COPY belongs into programs, not into libraries")),
                _ => return Err(bad("relocation type not supported")),
            };
            out.push(Relocation { offset, kind, addend });
        }
        Ok(())
    }

    pub fn function(&self, table: &'static str, at: Option<u32>) -> Result<Option<u32>, ElfError> {
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

    pub fn array(
        &self,
        table: &'static str,
        at: Option<u32>,
        size: u32,
    ) -> Result<Option<(u32, u32)>, ElfError> {
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
