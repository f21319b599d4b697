//! `vhost-hexagon as`: the matrix instructions in an assembly file become words, so that LLVM's assembler, which does not know
//! them, takes the file. So do the instructions that read the performance counters `upmucnt0` to `upmucnt7`, which it does not know
//! either.

use crate::output::tell;
use anyhow::Context as _;
use hexagon_isa::info::Feature;
use hexagon_isa::{Arch, EndLoop, Insn, InsnInfo, assemble_packet, decode_packet};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples (with the flags of firmware/README.md in place of …):
  clang … -S -fno-integrated-as kernel.c -o - | vhost-hexagon as - | clang … -c -x assembler - -o kernel.o
  vhost-hexagon as kernel.s -o kernel.words.s

So do the instructions that read the performance counters upmucnt0 to upmucnt7. Everything else passes as it is. What stands in one
packet with such an instruction must be one, or an instruction on registers and plain numbers.

Exit codes: 0 written; 1 a packet with a matrix instruction cannot be assembled, which is told with its line.";

/// Arguments of `as`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Assembly file; `-` is standard input.
    file: PathBuf,
    /// Where to write [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The version of the core whose rules packets have to keep.
    #[arg(long, value_name = "VERSION", default_value = "v73", value_parser = super::disasm::arch)]
    cpu: Arch,
    #[command(flatten)]
    force: super::force::Force,
}

/// Filters the file.
///
/// # Errors
/// Files that cannot be read or written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let what = args.file.display();
    let mut text = String::new();
    if args.file.as_os_str() == "-" {
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
    } else {
        text = std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {what}"))?;
    }
    let words = match filter(&text, args.cpu) {
        Ok(words) => words,
        Err((line, why)) => {
            tell!("error: {what}:{line}: {why}");
            return Ok(ExitCode::FAILURE);
        }
    };
    match &args.output {
        None => std::io::stdout().write_all(words.as_bytes())?,
        Some(path) => {
            let mut file = host_files::output::create(path, args.force.existing())?;
            file.write_all(words.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_matrix(info: &InsnInfo) -> bool {
    info.feature == Some(Feature::Hmx)
}

/// Line number (from 1) and reason.
type Refused = (usize, String);

/// The text with words in place of packets that have matrix instructions.
fn filter(text: &str, arch: Arch) -> Result<String, Refused> {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines().enumerate();
    // A packet of the assembler's is open, which began behind something else on its line.
    let mut open = false;
    while let Some((n, line)) = lines.next() {
        let code = without_comment(line);
        if !code.starts_with('{') {
            open = leaves_open(code, open);
            match statements(code).any(is_unknown) {
                true if open => {
                    return Err((
                        n + 1,
                        "an instruction that LLVM does not know in a packet whose brace does not stand at the beginning of its line".into(),
                    ));
                }
                true => {
                    for statement in statements(code) {
                        words(&mut out, &[statement], arch).map_err(|why| (n + 1, why))?;
                    }
                }
                false => pass(&mut out, line),
            }
            continue;
        }
        open = false;
        // A packet: up to its brace, on this line or a later one.
        let mut whole = vec![line];
        let mut inside = vec![code.strip_prefix('{').unwrap_or(code)];
        while !inside.last().is_some_and(|part| part.contains('}')) {
            let Some((_, line)) = lines.next() else { break };
            whole.push(line);
            inside.push(without_comment(line));
        }
        let ends = inside.last().and_then(|part| part.split_once('}'));
        let Some((last, behind)) = ends else {
            // Not closed: the assembler's to tell.
            whole.into_iter().for_each(|line| pass(&mut out, line));
            break;
        };
        let after = leaves_open(behind, false);
        let parts = inside.len() - 1;
        let body: Vec<&str> = inside[..parts]
            .iter()
            .copied()
            .chain([last])
            .flat_map(statements)
            .collect();
        if !body.iter().any(|s| is_unknown(s)) {
            whole.into_iter().for_each(|line| pass(&mut out, line));
            open = after;
            continue;
        }
        if !behind.trim().is_empty() {
            let behind = behind.trim();
            return Err((
                n + 1,
                format!("{behind:?} behind a packet with a matrix instruction"),
            ));
        }
        words(&mut out, &body, arch).map_err(|why| (n + 1, why))?;
    }
    Ok(out)
}

/// A packet's words, each with its text.
fn words(out: &mut String, packet: &[&str], arch: Arch) -> Result<(), String> {
    let mut insns = Vec::new();
    for text in packet {
        let insn = Insn::parse(text, is_matrix).or_else(|| Insn::parse(text, |_| true));
        insns.push(insn.ok_or_else(|| {
            format!("{text:?}, in one packet with a matrix instruction, is not understood here")
        })?);
    }
    let words = assemble_packet(&insns, EndLoop::None, false).map_err(|e| e.to_string())?;
    decode_packet(&words, arch).map_err(|e| format!("the packet breaks a rule: {e}"))?;
    let mut texts = packet.iter().copied();
    for &word in &words {
        let text = match is_extender(word) {
            true => "constant extender",
            false => texts.next().unwrap_or_default(),
        };
        // Writing into a string cannot fail.
        let _ = writeln!(out, "\t.word\t{word:#010x}\t// {text}");
    }
    Ok(())
}

/// Is it the word in front of an instruction with the upper bits of its number?
fn is_extender(word: u32) -> bool {
    word >> 28 == 0 && word & 0xc000 != 0
}

/// Is a packet open behind this code, if one was (`open`) before? Braces in strings and comments are none.
fn leaves_open(code: &str, mut open: bool) -> bool {
    let mut rest = code.chars();
    while let Some(c) = rest.next() {
        match c {
            '{' => open = true,
            '}' => open = false,
            '"' => {
                while rest.by_ref().find(|c| matches!(c, '"' | '\\')) == Some('\\') && rest.next().is_some() {
                }
            }
            '/' if rest.as_str().starts_with('*') => match rest.as_str().split_once("*/") {
                Some((_, behind)) => rest = behind.chars(),
                None => break,
            },
            _ => {}
        }
    }
    open
}

fn pass(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

/// Whether LLVM's assembler does not know it.
fn is_unknown(statement: &str) -> bool {
    let counter = |(_, from): (&str, &str)| from.trim().starts_with("upmucnt");
    Insn::parse(statement, is_matrix).is_some()
        || statement.split_once('=').is_some_and(counter) && Insn::parse(statement, |_| true).is_some()
}

/// The line's code.
fn without_comment(line: &str) -> &str {
    let code = line.split("//").next().unwrap_or_default();
    code.trim()
}

/// Statements on one line.
fn statements(code: &str) -> impl Iterator<Item = &str> {
    code.split(';').map(str::trim).filter(|s| !s.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_with_matrix_instructions_become_words() {
        let text = "\
f:\t\t// a function
\t{
\t\tr0 = add(r1,#2)
\t\tjumpr r31
\t}
\t//APP
\t{
    activation.hf = mxmem(r2, r0):deep
    weight.hf = mxmem(r3, r0)
}

bias = mxmem2(r4)
\tmxclracc.hf
\t//NO_APP
{ activation.hf = mxmem(r2,r0); weight.hf = mxmem(r3,r0) }
";
        let out = filter(text, Arch::V73).unwrap();
        assert!(out.contains("\t\tr0 = add(r1,#2)\n\t\tjumpr r31\n\t}"), "{out}");
        let words: Vec<u32> = out
            .lines()
            .filter_map(|line| line.trim().strip_prefix(".word\t0x"))
            .map(|rest| u32::from_str_radix(&rest[..8], 16).unwrap())
            .collect();
        assert_eq!(words.len(), 6);
        let deep = decode_packet(&words[..2], Arch::V73).unwrap();
        assert!(deep.print(0).contains("activation.hf = mxmem(r2,r0):deep"));
        assert!(out.contains("// bias = mxmem2(r4)") && !out.contains("\tmxclracc.hf\n"));
    }

    #[test]
    fn reads_of_performance_counters_become_words() {
        let text =
            "\tr3 = upmucnt7\n{ r1 = upmucnt0; r2 = #1 }\n\tcall upmucnt1\nupmucnt1:\n\tr0 = upmucnt8\n";
        let out = filter(text, Arch::V79).unwrap();
        let read = |register: u32, to: u32| 0x6a00_0000 | register << 16 | to;
        assert!(out.contains(&format!("{:#010x}", read(27, 3) | 0xc000)), "{out}");
        assert!(out.contains(&format!("{:#010x}", read(20, 1) | 0x4000)), "{out}");
        assert!(
            out.ends_with("\tcall upmucnt1\nupmucnt1:\n\tr0 = upmucnt8\n"),
            "{out}"
        );
    }

    #[test]
    fn what_cannot_be_assembled_is_told_with_its_line() {
        let mixed =
            "\n{\n activation.hf = mxmem(r2,r0)\n weight.hf = mxmem(r3,r0)\n r0 = frobnicate(r1)\n}\n";
        let (line, why) = filter(mixed, Arch::V73).unwrap_err();
        assert!(line == 2 && why.contains("frobnicate"), "{line} {why}");
        let twice = "{ mxclracc.hf; mxclracc.hf }\n";
        assert!(filter(twice, Arch::V73).unwrap_err().1.contains("rule"));
        // Older than the unit.
        assert!(filter("mxclracc.hf\n", Arch::V66).is_err());
        let behind = "{ mxclracc.hf }:endloop0\n";
        assert!(filter(behind, Arch::V73).unwrap_err().1.contains("endloop0"));
        // Words between the braces of a packet that the assembler makes would be no part of it.
        for open in [
            "f: {\n r0 = r1\n mxclracc.hf\n}\n",
            "{ r0 = r1 } {\n mxclracc.hf\n}\n",
        ] {
            let (_, why) = filter(open, Arch::V73).unwrap_err();
            assert!(why.contains("beginning of its line"), "{why}");
        }
        // The assembler's to tell.
        assert_eq!(
            filter("{ r0 = add(r1,#2)\n", Arch::V73).unwrap(),
            "{ r0 = add(r1,#2)\n"
        );
    }

    #[test]
    fn braces_that_open_no_packet_are_none() {
        for front in [
            ".string \"{\"",
            r#".string "\"{""#,
            "nop /* { */",
            "f: { r0 = r1 }",
            "nop // {",
            "/* {\n*/\n{ r0 = r1 }",
        ] {
            let out = filter(&format!("{front}\nmxclracc.hf\n"), Arch::V73).unwrap();
            assert!(out.contains(".word"), "{out}");
        }
    }

    #[test]
    fn each_word_has_its_own_text() {
        let out = filter("{ r0 = add(r1,##99999); mxclracc.hf }", Arch::V73).unwrap();
        let texts: Vec<&str> = out.lines().filter_map(|line| line.split("// ").nth(1)).collect();
        assert_eq!(
            texts,
            ["constant extender", "r0 = add(r1,##99999)", "mxclracc.hf"]
        );
    }
}
