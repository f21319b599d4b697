//! Code as text.

use super::sections::Code;
use super::symbols::{Part, Symbols};
use hexagon_isa::Arch;
use hexagon_isa::disasm::{Item, disassemble};
use std::io::{self, Write};

/// Zeros that are not worth printing: at least so many in a row.
const ZEROS: usize = 8;
/// Bytes of data on a line.
const ROW: usize = 8;

/// Which part of the code is printed.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// All of it.
    All,
    /// From the first address to below the second.
    Range(u32, u32),
    /// Functions of that name.
    Function(&'a str),
}

/// Prints what is chosen of a section or segment.
pub fn print(
    out: &mut impl Write,
    code: &Code,
    symbols: &mut Symbols,
    arch: Arch,
    choice: Choice,
) -> io::Result<()> {
    symbols.name_start(code);
    let symbols = &*symbols;
    let parts = symbols.parts(code);
    let mut listing = Listing {
        out,
        code,
        symbols,
        arch,
        begun: false,
    };
    match choice {
        Choice::All => listing.range(&parts, 0, u32::MAX)?,
        Choice::Range(from, to) => listing.range(&parts, from, to)?,
        Choice::Function(name) => {
            for (n, part) in parts.iter().enumerate() {
                let named = || part.names.iter().filter(|symbol| symbol.name == name);
                // To the next name behind its end; what is named within it belongs to it.
                let Some(size) = named().map(|symbol| symbol.size).max() else {
                    continue;
                };
                let behind = part.start.saturating_add(size.max(1));
                let rest = parts.get(n..).unwrap_or_default();
                for within in rest.iter().take_while(|part| part.start < behind) {
                    let name = if within.start == part.start {
                        name
                    } else {
                        within.name()
                    };
                    listing.part(within, name, within.start, within.end)?;
                }
            }
        }
    }
    Ok(())
}

/// Prints code of which nothing is known but where it stands.
pub fn print_raw(out: &mut impl Write, code: &Code, arch: Arch, from: u32, to: u32) -> io::Result<()> {
    let bytes = |at: u32| code.bytes.get((at - code.address) as usize..).unwrap_or_default();
    let mut at = from.max(code.address);
    while at < to.min(code.end()) {
        at = item(out, bytes(at), at, (to - at) as usize, arch, &|_| None)?;
    }
    Ok(())
}

struct Listing<'a, W> {
    out: &'a mut W,
    code: &'a Code<'a>,
    symbols: &'a Symbols<'a>,
    arch: Arch,
    /// Something was printed.
    begun: bool,
}

impl<W: Write> Listing<'_, W> {
    fn range(&mut self, parts: &[Part], from: u32, to: u32) -> io::Result<()> {
        for part in parts {
            self.part(part, part.name(), from.max(part.start), to.min(part.end))?;
        }
        Ok(())
    }

    /// A part under that name, as far as it is between two addresses.
    fn part(&mut self, part: &Part, name: &str, from: u32, to: u32) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            writeln!(self.out, "\nDisassembly of section {}:", self.code.name)?;
        }
        writeln!(self.out, "\n{:08x} <{name}>:", part.start)?;
        let start = self.code.address;
        let bytes = |at: u32| self.code.bytes.get((at - start) as usize..).unwrap_or_default();
        if part.is_data() {
            let bytes = bytes(from).get(..(to - from) as usize).unwrap_or_default();
            return data(self.out, bytes, from);
        }
        let mut at = from;
        while at < to {
            let (rest, room) = (bytes(at), (to - at) as usize);
            let zeros = rest.iter().take(room).take_while(|byte| **byte == 0).count();
            if zeros >= ZEROS {
                writeln!(self.out, "\t\t...")?;
                // In whole words.
                at += (zeros & !3) as u32;
            } else {
                let name = |target: u32| self.symbols.name_target(self.code, target);
                at = item(self.out, rest, at, room, self.arch, &name)?;
            }
        }
        Ok(())
    }
}

/// One packet, as far as there is room for it (a name may stand in its middle), or what is none. Where the next begins.
fn item(
    out: &mut impl Write,
    bytes: &[u8],
    at: u32,
    room: usize,
    arch: Arch,
    name: &dyn Fn(u32) -> Option<String>,
) -> io::Result<u32> {
    if let [byte, _, _] | [byte, _] | [byte] = bytes {
        writeln!(out, "{at:8x}:\t{byte:02x} <unknown>")?;
        return Ok(at.saturating_add(1));
    }
    let Some(item) = disassemble(bytes, at, arch).next() else {
        return Ok(u32::MAX);
    };
    let text = item.listing_with(name);
    if let Item::Unknown { error, .. } = &item {
        writeln!(out, "{text}  ({error})")?;
    } else {
        for line in text.lines().take(room.div_ceil(4)) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(at.saturating_add(item.bytes()))
}

/// Bytes in hexadecimal and as text.
fn data(out: &mut impl Write, bytes: &[u8], mut at: u32) -> io::Result<()> {
    for row in bytes.chunks(ROW) {
        write!(out, "{at:8x}:")?;
        for byte in row {
            write!(out, " {byte:02x}")?;
        }
        let printable = |byte: &u8| {
            if (0x20..0x7f).contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        };
        let text: String = row.iter().map(printable).collect();
        writeln!(out, "{:width$}{text}", "", width = 3 * (ROW - row.len()) + 9)?;
        at = at.saturating_add(ROW as u32);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(bytes: &[u8]) -> String {
        let code = Code {
            name: String::new(),
            section: None,
            address: 0x100,
            bytes,
        };
        let mut out = Vec::new();
        print_raw(&mut out, &code, Arch::V68, 0, u32::MAX).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn raw_code_is_printed_with_reasons() {
        let text = raw(&[0, 0xc0, 0, 0x7f, 0xff, 0xff, 0xff, 0x6f]);
        assert!(
            text.contains("     100:\t00 c0 00 7f\t7f00c000 { \tnop }\n"),
            "{text}"
        );
        assert!(
            text.contains("<unknown>  (0x6fffffff (word 0) is no instruction)"),
            "{text}"
        );
    }

    #[test]
    fn bytes_that_are_no_word_stand_alone() {
        assert_eq!(raw(&[1, 2]), "     100:\t01 <unknown>\n     101:\t02 <unknown>\n");
    }

    #[test]
    fn data_has_eight_bytes_a_line_and_its_text() {
        let mut out = Vec::new();
        data(&mut out, b"printable\x7f\x01~", 0x10).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "      10: 70 72 69 6e 74 61 62 6c         printabl\n      18: 65 7f 01 7e                     e..~\n"
        );
    }
}
