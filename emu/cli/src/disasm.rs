//! `vhost-hexagon disasm`: the code of a skeleton as text, in the form of `llvm-objdump -d`.

mod listing;
mod sections;
mod symbols;

use anyhow::{Context, bail, ensure};
use goblin::elf::Elf;
use goblin::elf::header::EM_QDSP6;
use hexagon_isa::Arch;
use listing::Choice;
use sections::Code;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use symbols::Symbols;

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
            section: None,
            address: args.raw.unwrap_or(0),
            bytes: &file,
        };
        let arch = args.arch.unwrap_or(Arch::V81);
        let (from, to) = range(args).unwrap_or((0, u32::MAX));
        listing::print_raw(&mut out, &code, arch, from, to)?;
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
fn range(args: &Args) -> Option<(u32, u32)> {
    let (from, to) = (args.start_address, args.stop_address);
    (from.is_some() || to.is_some()).then(|| (from.unwrap_or(0), to.unwrap_or(u32::MAX)))
}

fn elf(out: &mut impl Write, args: &Args, file: &[u8]) -> anyhow::Result<()> {
    let what = args.file.display();
    let elf = Elf::parse(file)
        .with_context(|| format!("{what} is no ELF file (code without headers needs --raw ADDRESS)"))?;
    ensure!(
        elf.header.e_machine == EM_QDSP6 && !elf.is_64,
        "{what} is an ELF file, but not for Hexagon"
    );
    let arch = args
        .arch
        .or_else(|| Arch::from_elf_flags(elf.header.e_flags))
        .unwrap_or(Arch::V81);
    let code = sections::code(&elf, file);
    ensure!(!code.is_empty(), "{what} has no code");
    let mut symbols = Symbols::of(&elf, file, &code);
    let choice = match (&args.function, range(args)) {
        (None, None) => Choice::All,
        (None, Some((from, to))) => Choice::Range(from, to),
        (Some(name), _) => {
            let is_in = |code: &Code| {
                let mut names = symbols.parts(code).into_iter().flat_map(|part| part.names);
                names.any(|symbol| symbol.name == *name)
            };
            if !code.iter().any(is_in) {
                bail!("{what} has no function {name}");
            }
            Choice::Function(name)
        }
    };
    writeln!(out, "\n{what}:\tfile format elf32-hexagon")?;
    for part in &code {
        listing::print(out, part, &mut symbols, arch, choice)?;
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
    fn words_may_be_written_in_several_ways() {
        assert_eq!(words(b"0x7f00c000, 1\n").unwrap(), [0, 0xc0, 0, 0x7f, 1, 0, 0, 0]);
        assert!(words(b"7f00c000x").is_err());
        assert!(words(&[0xff]).is_err());
    }
}
