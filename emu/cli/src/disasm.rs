//! `vhost-hexagon disasm`: the code of a skeleton as text, in the form of `llvm-objdump -d`.

use anyhow::{Context, bail, ensure};
use goblin::elf::Elf;
use goblin::elf::dynamic::DT_INIT;
use goblin::elf::header::{EM_QDSP6, ET_REL};
use goblin::elf::program_header::{PF_X, PT_LOAD};
use goblin::elf::section_header::{SHF_EXECINSTR, SHT_NOBITS};
use goblin::elf::sym::STT_NOTYPE;
use hexagon_isa::Arch;
use hexagon_isa::disasm::{Item, disassemble};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  vhost-hexagon disasm libcalculator_skel.so                  all of its code, as `llvm-objdump -d` prints it
  vhost-hexagon disasm --function calculator_sum lib.so       one function
  vhost-hexagon disasm --start-address 0x13b0 --stop-address 0x1400 lib.so
  echo 7f00c000 | vhost-hexagon disasm --hex -                words as text, from standard input
  vhost-hexagon disasm --raw 0x89000000 --arch 68 dump.bin    code without headers, which stands at this address

What is no packet is printed as <unknown> with the reason; decoding goes on behind it.";

/// Arguments of `disasm`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Hexagon ELF file, or what --raw and --hex say; `-` is standard input; a bare name can also be a skeleton that the program
    /// carries (`assets --list skel`).
    file: PathBuf,
    /// Decode as this version of the core, e.g. 68; else the one the file was built for.
    #[arg(long, value_name = "VERSION", value_parser = arch)]
    arch: Option<Arch>,
    /// Only this function.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["raw", "hex"])]
    function: Option<String>,
    /// Only from this address on.
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with = "function")]
    start_address: Option<u32>,
    /// Only up to this address.
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with = "function")]
    stop_address: Option<u32>,
    /// The file is code alone, which stands at this address.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    raw: Option<u32>,
    /// The file is text: 32-bit words in hexadecimal, which stand at address 0 or where --raw says.
    #[arg(long)]
    hex: bool,
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

/// Names by address, and where the last one's section ends.
type Names = BTreeMap<u32, Name>;

struct Name {
    text: String,
    /// Bytes; 0 if unknown.
    size: u32,
    /// End of the section that it is in.
    end: u32,
}

/// Prints the code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let what = args.file.display();
    let mut file = Vec::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin()
            .read_to_end(&mut file)
            .context("cannot read standard input")?;
    } else {
        file = super::assets::read_or_skeleton(&args.file).with_context(|| format!("cannot read {what}"))?;
    }
    if args.hex {
        file = words(&file)?;
    }
    let mut out = std::io::BufWriter::new(super::output::stdout());
    if args.raw.is_some() || args.hex {
        let code = Code {
            name: String::new(),
            address: args.raw.unwrap_or(0),
            bytes: &file,
        };
        let arch = args.arch.unwrap_or(Arch::V81);
        print(&mut out, &code, &Names::new(), arch, chosen(args))?;
    } else {
        elf(&mut out, args, &file)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Words as text, to bytes.
fn words(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let text = std::str::from_utf8(text).context("--hex: no text")?;
    let mut bytes = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c == ',') {
        let digits = word.trim_start_matches("0x");
        if word.is_empty() {
            continue;
        }
        let word = u32::from_str_radix(digits, 16)
            .map_err(|_| anyhow::anyhow!("--hex: {word:?} is no 32-bit word in hexadecimal"))?;
        bytes.extend(word.to_le_bytes());
    }
    Ok(bytes)
}

/// The range that was asked for, if it was.
fn chosen(args: &Args) -> Option<(u32, u32)> {
    let (from, to) = (args.start_address, args.stop_address);
    (from.is_some() || to.is_some()).then(|| (from.unwrap_or(0), to.unwrap_or(u32::MAX)))
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
    let code = code(&elf, file);
    ensure!(!code.is_empty(), "{what} has no code");
    let names = names(&elf, &code);
    let range = match &args.function {
        None => chosen(args),
        Some(name) => {
            let found = names.iter().find(|(_, n)| n.text == *name);
            let Some((at, Name { size, .. })) = found else {
                bail!("{what} has no function {name}")
            };
            let next = || names.range(at + 1..).next().map(|(next, _)| next - at);
            let size = if *size > 0 {
                *size
            } else {
                next().unwrap_or(u32::MAX - at)
            };
            Some((*at, at.saturating_add(size)))
        }
    };
    writeln!(out, "\n{what}:\tfile format elf32-hexagon")?;
    for part in code {
        print(out, &part, &names, arch, range)?;
    }
    Ok(())
}

/// What code is called: functions and labels, entries of the procedure linkage table, sections that begin without a name.
fn names(elf: &Elf, code: &[Code]) -> Names {
    let mut found = Names::new();
    let section = |at: u32| {
        code.iter()
            .map(|c| (c, end(c)))
            .find(|(c, end)| (c.address..*end).contains(&at))
    };
    for part in code {
        let text = part.name.clone();
        if !text.is_empty() {
            let end = end(part);
            found.insert(part.address, Name { text, size: 0, end });
        }
    }
    for (at, text) in linkage(elf, code) {
        if let Some((_, end)) = section(at) {
            found.insert(at, Name { text, size: 0, end });
        }
    }
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
        let code = symbol.is_function() || symbol.st_type() == STT_NOTYPE;
        if let Some((_, end)) = section(at)
            && code
            && !symbol.is_import()
            && !name.is_empty()
        {
            let text = name.to_owned();
            found.insert(at, Name { text, size, end });
        }
    }
    found
}

/// The entries of the procedure linkage table: a head of 32 bytes, then 16 for each jump slot.
fn linkage(elf: &Elf, code: &[Code]) -> Vec<(u32, String)> {
    let Some(table) = code.iter().find(|c| c.name == ".plt") else {
        return Vec::new();
    };
    elf.pltrelocs
        .iter()
        .zip(0u32..)
        .filter_map(|(slot, n)| {
            let symbol = elf.dynsyms.get(slot.r_sym)?;
            let name = elf.dynstrtab.get_at(symbol.st_name)?;
            let at = table.address.checked_add(32)?.checked_add(n.checked_mul(16)?)?;
            Some((at, format!("{name}@plt")))
        })
        .collect()
}

/// The name of an address: of what begins there, or of what it is in and how far.
fn name(names: &Names, at: u32) -> Option<String> {
    let (start, name) = names.range(..=at).next_back()?;
    if at >= name.end {
        return None;
    }
    Some(match at - start {
        0 => name.text.clone(),
        offset => format!("{}+{offset:#x}", name.text),
    })
}

/// Behind the last byte.
fn end(code: &Code) -> u32 {
    code.address
        .saturating_add(u32::try_from(code.bytes.len()).unwrap_or(u32::MAX))
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
            part(name, address, s.sh_offset, s.sh_size)
        })
        .collect();
    if !sections.is_empty() {
        return sections;
    }
    let dynamic = elf.dynamic.iter().flat_map(|d| &d.dyns);
    let init = dynamic.into_iter().find(|d| d.d_tag == DT_INIT).map(|d| d.d_val);
    elf.program_headers
        .iter()
        .filter(|p| p.p_type == PT_LOAD)
        .enumerate()
        .filter(|(_, p)| p.p_flags & PF_X != 0)
        .filter_map(|(n, p)| {
            // Linkers put headers and dynamic tables in front of the code, which starts with the initialiser.
            let skip = match init.and_then(|at| at.checked_sub(p.p_vaddr)) {
                Some(skip) if skip < p.p_filesz => skip,
                _ => 0,
            };
            part(
                format!("PT_LOAD#{n}"),
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
    names: &Names,
    arch: Arch,
    range: Option<(u32, u32)>,
) -> anyhow::Result<()> {
    let (from, to) = range.unwrap_or((code.address, end(code)));
    let from = from.max(code.address);
    if from >= to || from >= end(code) {
        return Ok(());
    }
    if !code.name.is_empty() {
        writeln!(out, "\nDisassembly of section {}:", code.name)?;
    }
    let bytes = code
        .bytes
        .get((from - code.address) as usize..)
        .unwrap_or_default();
    // What begins before the range is named, too.
    let mut label = names
        .range(..=from)
        .next_back()
        .filter(|(_, n)| from < n.end)
        .map(|(at, n)| (*at, &n.text));
    let mut at = 0usize;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        let address = from.wrapping_add(at as u32);
        if address >= to {
            break;
        }
        let here = names.get(&address).map(|n| (address, &n.text));
        if let Some((start, text)) = here.or(label) {
            writeln!(out, "\n{start:08x} <{text}>:")?;
        }
        label = None;
        let skipped = if code.name.is_empty() {
            0
        } else {
            zeros(rest, address, names)
        };
        if skipped > 0 {
            writeln!(out, "\t\t...")?;
            at += skipped;
            continue;
        }
        let Some(item) = disassemble(rest, address, arch).next() else {
            break;
        };
        let text = item.listing_with(&|at| name(names, at));
        match item {
            Item::Packet { .. } => writeln!(out, "{text}")?,
            Item::Unknown { error, .. } => writeln!(out, "{text}  ({error})")?,
        }
        at += item.bytes() as usize;
    }
    Ok(())
}

/// Bytes of padding at the start of `bytes` that are not worth printing: at least eight zeros before the next name, in whole
/// words.
fn zeros(bytes: &[u8], address: u32, names: &Names) -> usize {
    let next = names.range(address.saturating_add(1)..).next();
    let room = next.map_or(usize::MAX, |(at, _)| (at - address) as usize);
    let count = bytes.iter().take(room).take_while(|b| **b == 0).count();
    if count < 8 { 0 } else { count & !3 }
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
    fn words_may_be_written_in_several_ways() {
        assert_eq!(words(b"0x7f00c000, 1\n").unwrap(), [0, 0xc0, 0, 0x7f, 1, 0, 0, 0]);
        assert!(words(b"7f00c000x").is_err());
        assert!(words(&[0xff]).is_err());
    }

    #[test]
    fn raw_code_is_printed_with_reasons() {
        let bytes = [0, 0xc0, 0, 0x7f, 0xff, 0xff, 0xff, 0x6f];
        let code = Code {
            name: String::new(),
            address: 0x100,
            bytes: &bytes,
        };
        let mut out = Vec::new();
        print(&mut out, &code, &Names::new(), Arch::V68, None).unwrap();
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
