//! Where a file's code is.

use goblin::elf::Elf;
use goblin::elf::dynamic::DT_INIT;
use goblin::elf::program_header::{PF_X, PT_LOAD};
use goblin::elf::section_header::{SHF_EXECINSTR, SHT_NOBITS};

/// A range of code.
#[derive(Debug)]
pub struct Code<'a> {
    /// Name of the section; empty for code without headers.
    pub name: String,
    /// Its number among the file's sections, if it is one.
    pub section: Option<usize>,
    /// Where it stands.
    pub address: u32,
    /// The code.
    pub bytes: &'a [u8],
}

impl Code<'_> {
    /// Behind the last byte.
    pub fn end(&self) -> u32 {
        self.address
            .saturating_add(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX))
    }
}

/// The executable sections; of a file without section headers the executable segments.
pub fn code<'a>(elf: &Elf, file: &'a [u8]) -> Vec<Code<'a>> {
    let part = |name: String, section: Option<usize>, address: u64, offset: u64, size: u64| {
        let from = usize::try_from(offset).ok()?;
        let to = from.checked_add(usize::try_from(size).ok()?)?;
        Some(Code {
            name,
            section,
            address: u32::try_from(address).ok()?,
            bytes: file.get(from..to)?,
        })
    };
    let sections = elf.section_headers.iter().enumerate();
    let sections: Vec<Code> = sections
        .filter(|(_, s)| {
            s.sh_flags & u64::from(SHF_EXECINSTR) != 0 && s.sh_type != SHT_NOBITS && s.sh_size > 0
        })
        .filter_map(|(number, s)| {
            let name = elf.shdr_strtab.get_at(s.sh_name).unwrap_or("?").to_owned();
            part(name, Some(number), s.sh_addr, s.sh_offset, s.sh_size)
        })
        .collect();
    if !sections.is_empty() {
        return sections;
    }
    let dynamic = elf.dynamic.iter().flat_map(|d| &d.dyns);
    let init = dynamic.into_iter().find(|d| d.d_tag == DT_INIT).map(|d| d.d_val);
    let segments = elf.program_headers.iter().filter(|p| p.p_type == PT_LOAD);
    segments
        .enumerate()
        .filter(|(_, p)| p.p_flags & PF_X != 0)
        .filter_map(|(number, p)| {
            // Linkers put headers and dynamic tables in front of the code, which starts with the initialiser.
            let skip = match init.and_then(|at| at.checked_sub(p.p_vaddr)) {
                Some(skip) if skip < p.p_filesz => skip,
                _ => 0,
            };
            part(
                format!("PT_LOAD#{number}"),
                None,
                p.p_vaddr.checked_add(skip)?,
                p.p_offset.checked_add(skip)?,
                p.p_filesz.checked_sub(skip)?,
            )
        })
        .collect()
}
