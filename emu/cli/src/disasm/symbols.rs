//! What code is called, as `llvm-objdump` has it: which symbols count, whose name of several at one address is shown, and what a
//! branch's target is named after.

use super::sections::Code;
use goblin::elf::header::ET_REL;
use goblin::elf::section_header::{SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, SHN_XINDEX, SHT_SYMTAB_SHNDX};
use goblin::elf::sym::{STT_COMMON, STT_FILE, STT_FUNC, STT_OBJECT, STT_SECTION};
use goblin::elf::{Elf, Sym};
use hexagon_isa::disasm::{Item, disassemble};
use hexagon_isa::{Arch, Opcode};
use std::borrow::Cow;
use std::collections::HashMap;

/// A name of an address. Ordered as `llvm-objdump` orders them: the last of an address is the one that it names branch targets after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol<'a> {
    /// What is called so.
    pub address: u32,
    /// The name.
    pub name: Cow<'a, str>,
    /// `STT_…`
    pub kind: u8,
    /// Bytes; 0 if unknown.
    pub size: u32,
}

impl Symbol<'_> {
    /// Whether it names data, which is then printed as such also among code.
    pub fn is_data(&self) -> bool {
        matches!(self.kind, STT_OBJECT | STT_COMMON)
    }
}

/// Code from one address that has a name to the next.
#[derive(Debug)]
pub struct Part<'a> {
    /// Its first address.
    pub start: u32,
    /// Behind its last.
    pub end: u32,
    /// What it is called; at least one.
    pub names: &'a [Symbol<'a>],
}

impl Part<'_> {
    /// The name to show: the last that is no data's, if there is one.
    pub fn name(&self) -> &str {
        let code = self.names.iter().rfind(|symbol| !symbol.is_data());
        code.or(self.names.last()).map_or("", |symbol| &symbol.name)
    }

    /// Whether it is called nothing but data.
    pub fn is_data(&self) -> bool {
        self.names.iter().all(Symbol::is_data)
    }
}

/// What a piece of code belongs to: a section by its number, or a segment of a file without sections.
type Place = Option<usize>;

/// The names of a file.
#[derive(Debug, Default)]
pub struct Symbols<'a> {
    by_place: HashMap<Place, Vec<Symbol<'a>>>,
    /// Those of no section, undefined ones among them.
    absolute: Vec<Symbol<'a>>,
    /// Start of each section, in that order; of several at one address the largest last.
    starts: Vec<(u32, Place)>,
    /// In an object file each section has its own addresses.
    is_object: bool,
}

impl<'a> Symbols<'a> {
    /// All that the file has: those of its symbol table, else those of its dynamic one, and the entries of its linkage table.
    pub fn of(elf: &Elf<'a>, file: &'a [u8], code: &[Code]) -> Self {
        let mut symbols = Self {
            is_object: elf.header.e_type == ET_REL,
            ..Self::default()
        };
        let mut starts: Vec<_> = elf
            .section_headers
            .iter()
            .enumerate()
            .map(|(number, s)| (s.sh_addr as u32, s.sh_size, Some(number)))
            .collect();
        starts.sort();
        symbols.starts = starts
            .into_iter()
            .map(|(start, _, place)| (start, place))
            .collect();
        if elf.section_headers.is_empty() {
            symbols.starts = code.iter().map(|c| (c.address, c.section)).collect();
        }

        let extended = extended_sections(elf, file);
        for (index, symbol) in elf.syms.iter().enumerate().skip(1) {
            let section = match symbol.st_shndx as u32 {
                SHN_XINDEX => extended.get(index).and_then(|n| usize::try_from(*n).ok()),
                _ => section(&symbol),
            };
            let name = elf.strtab.get_at(symbol.st_name);
            match section.and_then(|number| Some((number, elf.section_headers.get(number)?))) {
                // Values in an object file count from the section's start.
                Some((number, header)) => {
                    let base = if symbols.is_object {
                        header.sh_addr as u32
                    } else {
                        0
                    };
                    symbols.add(Some(number), &symbol, base, name);
                }
                None => symbols.add_absolute(&symbol, name),
            }
        }
        if symbols.by_place.is_empty() {
            for symbol in elf.dynsyms.iter().skip(1) {
                let Some(number) = section(&symbol) else { continue };
                let place = elf.section_headers.get(number).map(|_| number);
                if place.is_some() || elf.section_headers.is_empty() {
                    symbols.add(place, &symbol, 0, elf.dynstrtab.get_at(symbol.st_name));
                }
            }
        }
        for (place, symbol) in linkage(elf, code) {
            symbols.by_place.entry(place).or_default().push(symbol);
        }
        symbols.by_place.values_mut().for_each(|all| all.sort());
        symbols.absolute.sort();
        symbols
    }

    fn add(&mut self, place: Place, symbol: &Sym, base: u32, name: Option<&'a str>) {
        if let Some(symbol) = named(symbol, base.wrapping_add(symbol.st_value as u32), name) {
            self.by_place.entry(place).or_default().push(symbol);
        }
    }

    fn add_absolute(&mut self, symbol: &Sym, name: Option<&'a str>) {
        let value = match symbol.st_shndx as u32 {
            SHN_UNDEF => 0,
            SHN_COMMON => symbol.st_size,
            _ => symbol.st_value,
        };
        self.absolute.extend(named(symbol, value as u32, name));
    }

    /// Has the code's own start have a name: that of its section, if it has no other.
    pub fn name_start(&mut self, code: &Code) {
        let all = self.by_place.entry(code.section).or_default();
        if !all.iter().any(|symbol| symbol.address == code.address) {
            let name = Symbol {
                address: code.address,
                name: Cow::Owned(code.name.clone()),
                kind: STT_FUNC,
                size: 0,
            };
            let at = all.partition_point(|symbol| *symbol < name);
            all.insert(at, name);
        }
    }

    /// The code from each address that has a name to the next.
    pub fn parts(&self, code: &Code) -> Vec<Part<'_>> {
        let all = self.by_place.get(&code.section).map_or(&[][..], Vec::as_slice);
        let mut parts: Vec<_> = all
            .chunk_by(|a, b| a.address == b.address)
            .filter_map(|names| {
                let start = names.first()?.address;
                (code.address..code.end()).contains(&start).then_some(Part {
                    start,
                    end: code.end(),
                    names,
                })
            })
            .collect();
        for n in 1..parts.len() {
            parts[n - 1].end = parts[n].start;
        }
        parts
    }

    /// What a branch in `code` to `target` leads to: a name, and how far behind it.
    pub fn name_target(&self, code: &Code, target: u32) -> Option<String> {
        let last = |all: &'_ [Symbol<'a>]| {
            let behind = all.partition_point(|symbol| symbol.address <= target);
            all.get(behind.checked_sub(1)?).cloned()
        };
        let of = |place: Place| self.by_place.get(&place).and_then(|all| last(all));
        let found = if self.is_object {
            of(code.section)
        } else {
            let behind = self.starts.partition_point(|(start, _)| *start <= target);
            let before = self.starts.get(..behind).unwrap_or_default();
            let nearest = before.last().map(|(start, _)| *start);
            let same = before
                .iter()
                .rev()
                .take_while(|(start, _)| Some(*start) == nearest);
            same.filter_map(|(_, place)| of(*place)).next()
        };
        let symbol = found.or_else(|| last(&self.absolute))?;
        Some(match target - symbol.address {
            0 => symbol.name.into_owned(),
            offset => format!("{}+{offset:#x}", symbol.name),
        })
    }
}

/// The section that a symbol's own field says.
fn section(symbol: &Sym) -> Option<usize> {
    let number = symbol.st_shndx;
    (number as u32 != SHN_UNDEF && (number as u32) < SHN_LORESERVE).then_some(number)
}

/// A symbol, if it is one that names something.
fn named<'a>(symbol: &Sym, address: u32, name: Option<&'a str>) -> Option<Symbol<'a>> {
    let kind = symbol.st_type();
    if matches!(kind, STT_SECTION | STT_FILE) {
        return None;
    }
    Some(Symbol {
        address,
        name: Cow::Borrowed(name.filter(|name| !name.is_empty())?),
        kind,
        size: u32::try_from(symbol.st_size).unwrap_or(0),
    })
}

/// The section of each symbol, in a file with more sections than a symbol's own field can say.
fn extended_sections(elf: &Elf, file: &[u8]) -> Vec<u32> {
    let table = elf.section_headers.iter().find(|s| s.sh_type == SHT_SYMTAB_SHNDX);
    let range = table.and_then(|s| s.file_range());
    let bytes = range.and_then(|range| file.get(range)).unwrap_or_default();
    let word = |chunk: &[u8]| chunk.try_into().map(u32::from_le_bytes).unwrap_or(SHN_UNDEF);
    bytes.chunks_exact(4).map(word).collect()
}

/// The entries of the procedure linkage table. One begins with `r14 = add(pc,##SLOT)`, and the slot's relocation has the name.
fn linkage<'a>(elf: &Elf<'a>, code: &[Code]) -> Vec<(Place, Symbol<'a>)> {
    let slots: HashMap<u32, (&'a str, u8)> = elf
        .pltrelocs
        .iter()
        .filter_map(|slot| {
            let symbol = elf.dynsyms.get(slot.r_sym)?;
            let name = elf.dynstrtab.get_at(symbol.st_name)?;
            Some((slot.r_offset as u32, (name, symbol.st_type())))
        })
        .collect();
    let mut found = Vec::new();
    for table in code.iter().filter(|c| c.name == ".plt") {
        for item in disassemble(table.bytes, table.address, Arch::V81) {
            let Item::Packet { address, packet } = item else {
                continue;
            };
            let first = packet.insns().first().filter(|insn| insn.op == Opcode::C4_addipc);
            let slot = first
                .and_then(|insn| insn.v.get(1))
                .map(|v| address.wrapping_add(*v as u32));
            if let Some((name, kind)) = slot.and_then(|slot| slots.get(&slot)) {
                let symbol = Symbol {
                    address,
                    name: Cow::Owned(format!("{name}@plt")),
                    kind: *kind,
                    size: 0,
                };
                found.push((table.section, symbol));
            }
        }
    }
    found
}
