//! `vhost-hexagon disasm`: the code of a skeleton as text, in the form of `llvm-objdump -d`.

use anyhow::{Context, bail, ensure};
use goblin::elf::Elf;
use goblin::elf::dynamic::DT_INIT;
use goblin::elf::header::{EM_QDSP6, ET_REL};
use goblin::elf::program_header::{PF_X, PT_LOAD};
use goblin::elf::section_header::{SHF_EXECINSTR, SHT_NOBITS};
use hexagon_isa::Arch;
use hexagon_isa::disasm::{Item, disassemble};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `disasm`.
#[derive(clap::Args)]
pub struct Args {
    /// Hexagon ELF file, or raw code with --raw.
    file: PathBuf,
    /// Decode as this version of the core, e.g. 68; else the one the file was built for.
    #[arg(long, value_name = "VERSION", value_parser = arch)]
    arch: Option<Arch>,
    /// Only this function.
    #[arg(long, value_name = "NAME", conflicts_with = "raw")]
    function: Option<String>,
    /// The file is code alone, which stands at this address.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    raw: Option<u32>,
}

/// A version of the core: `68`, `v68`, `v67t`.
pub(super) fn arch(text: &str) -> Result<Arch, String> {
    let name = text.to_ascii_uppercase();
    let name = name.trim_start_matches('V');
    Arch::ALL
        .into_iter()
        .find(|a| a.to_string().trim_start_matches('V') == name)
        .ok_or_else(|| format!("{text:?} is no version of the core (60, 68, 73, …)"))
}

/// An address: decimal, or hexadecimal with 0x.
fn address(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is no 32-bit address"))
}

/// A range of code.
struct Code<'a> {
    name: String,
    address: u32,
    bytes: &'a [u8],
}

/// Prints the code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let mut out = std::io::BufWriter::new(super::output::stdout());
    let result = match args.raw {
        Some(address) => {
            let code = Code {
                name: "raw code".into(),
                address,
                bytes: &file,
            };
            print(
                &mut out,
                &code,
                &BTreeMap::new(),
                args.arch.unwrap_or(Arch::V81),
                None,
            )
        }
        None => elf(&mut out, args, &file),
    };
    result?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn elf(out: &mut impl Write, args: &Args, file: &[u8]) -> anyhow::Result<()> {
    let what = args.file.display();
    let elf = Elf::parse(file)
        .with_context(|| format!("{what} is no ELF file (code without headers needs --raw ADDRESS)"))?;
    ensure!(
        elf.header.e_machine == EM_QDSP6,
        "{what} is an ELF file, but not for Hexagon"
    );
    let arch = args
        .arch
        .or_else(|| Arch::from_elf_flags(elf.header.e_flags))
        .unwrap_or(Arch::V81);
    let symbols = symbols(&elf);
    let range = match &args.function {
        None => None,
        Some(name) => {
            let found = symbols.iter().find(|(_, (n, _))| n == name);
            let Some((at, (_, size))) = found else {
                bail!("{what} has no function {name}")
            };
            let next = || symbols.range(at + 1..).next().map(|(next, _)| next - at);
            let size = if *size > 0 {
                *size
            } else {
                next().unwrap_or(u32::MAX - at)
            };
            Some((*at, at.saturating_add(size)))
        }
    };
    let code = code(&elf, file);
    ensure!(!code.is_empty(), "{what} has no code");
    for part in code {
        print(out, &part, &symbols, arch, range)?;
    }
    Ok(())
}

/// Functions by address: name and size.
fn symbols(elf: &Elf) -> BTreeMap<u32, (String, u32)> {
    let mut found = BTreeMap::new();
    let dynamic = elf.dynsyms.iter().map(|s| (s, elf.dynstrtab.get_at(s.st_name)));
    let table = elf.syms.iter().map(|s| (s, elf.strtab.get_at(s.st_name)));
    for (symbol, name) in dynamic.chain(table) {
        let (Some(name), Ok(at), Ok(size)) = (
            name,
            u32::try_from(symbol.st_value),
            u32::try_from(symbol.st_size),
        ) else {
            continue;
        };
        if symbol.is_function() && !symbol.is_import() && !name.is_empty() {
            found.insert(at, (name.to_owned(), size));
        }
    }
    found
}

/// The executable sections; of a file without section headers the executable segments.
fn code<'a>(elf: &Elf, file: &'a [u8]) -> Vec<Code<'a>> {
    let part = |name: String, address: u64, offset: u64, size: u64| {
        let from = usize::try_from(offset).ok()?;
        let to = from.checked_add(usize::try_from(size).ok()?)?;
        Some(Code {
            name,
            address: u32::try_from(address).ok()?,
            bytes: file.get(from..to)?,
        })
    };
    let sections: Vec<Code> = elf
        .section_headers
        .iter()
        .filter(|s| s.sh_flags & u64::from(SHF_EXECINSTR) != 0 && s.sh_type != SHT_NOBITS && s.sh_size > 0)
        .filter_map(|s| {
            let name = elf.shdr_strtab.get_at(s.sh_name).unwrap_or("?").to_owned();
            // In an object file all sections start at 0.
            let address = if elf.header.e_type == ET_REL { 0 } else { s.sh_addr };
            part(format!("section {name}"), address, s.sh_offset, s.sh_size)
        })
        .collect();
    if !sections.is_empty() {
        return sections;
    }
    let dynamic = elf.dynamic.iter().flat_map(|d| &d.dyns);
    let init = dynamic.into_iter().find(|d| d.d_tag == DT_INIT).map(|d| d.d_val);
    elf.program_headers
        .iter()
        .filter(|p| p.p_type == PT_LOAD && p.p_flags & PF_X != 0)
        .filter_map(|p| {
            // Linkers put headers and dynamic tables in front of the code, which starts with the initialiser.
            let skip = match init.and_then(|at| at.checked_sub(p.p_vaddr)) {
                Some(skip) if skip < p.p_filesz => skip,
                _ => 0,
            };
            part(
                "executable segment".into(),
                p.p_vaddr + skip,
                p.p_offset.checked_add(skip)?,
                p.p_filesz - skip,
            )
        })
        .collect()
}

fn print(
    out: &mut impl Write,
    code: &Code,
    symbols: &BTreeMap<u32, (String, u32)>,
    arch: Arch,
    range: Option<(u32, u32)>,
) -> anyhow::Result<()> {
    let end = code
        .address
        .saturating_add(u32::try_from(code.bytes.len()).unwrap_or(u32::MAX));
    let (from, to) = range.unwrap_or((code.address, end));
    if from < code.address || from >= end {
        return Ok(());
    }
    if range.is_none() {
        writeln!(out, "Code of the {}:", code.name)?;
    }
    let bytes = code
        .bytes
        .get((from - code.address) as usize..)
        .unwrap_or_default();
    for item in disassemble(bytes, from, arch).take_while(|i| i.address() < to) {
        if let Some((name, _)) = symbols.get(&item.address()) {
            writeln!(out, "\n{:08x} <{name}>:", item.address())?;
        }
        match item {
            Item::Packet { .. } => writeln!(out, "{}", item.listing())?,
            Item::Unknown { error, .. } => writeln!(out, "{}  ({error})", item.listing())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_their_usual_names() {
        assert_eq!(arch("68"), Ok(Arch::V68));
        assert_eq!(arch("v67t"), Ok(Arch::V67T));
        assert!(arch("64").is_err());
        assert_eq!(address("0x1280"), Ok(0x1280));
        assert!(address("x").is_err());
    }

    #[test]
    fn raw_code_is_printed_with_reasons() {
        let bytes = [0, 0xc0, 0, 0x7f, 0xff, 0xff, 0xff, 0x6f];
        let code = Code {
            name: "test".into(),
            address: 0x100,
            bytes: &bytes,
        };
        let mut out = Vec::new();
        print(&mut out, &code, &BTreeMap::new(), Arch::V68, None).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("     100:\t00 c0 00 7f\t7f00c000 { \tnop }\n"),
            "{text}"
        );
        assert!(
            text.contains("<unknown>  (0x6fffffff (word 0) is no instruction)"),
            "{text}"
        );
    }
}
