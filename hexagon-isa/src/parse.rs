//! From an instruction's text to the instruction: the printer's inverse, for operands that are registers and plain numbers.
//!
//! What it is for: LLVM's assembler has no matrix instructions, so programs with them pass through `vhost-hexagon as` first.
//! Blanks do not count; neither do upper and lower case. Branch targets, `.new` operands and halves of duplexes are not read.

use crate::info::{InsnInfo, OperandClass, OperandInfo, Piece};
use crate::{Insn, Opcode};

impl Insn {
    /// The instruction of this text, of those that `among` takes; `None` if the text is not one of theirs.
    #[must_use]
    pub fn parse(text: &str, among: impl Fn(&InsnInfo) -> bool) -> Option<Insn> {
        let text: String = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let candidates = Opcode::all().filter(|op| op.info().width == 32 && among(op.info()));
        candidates.filter_map(|op| matches(op, &text)).next()
    }
}

/// `op` with the operands that the text has, if it is one of its kind.
fn matches(op: Opcode, text: &str) -> Option<Insn> {
    let info = op.info();
    let mut insn = Insn::new(op);
    let mut known = [false; crate::MAX_OPERANDS];
    let mut rest = text;
    for piece in info.pieces {
        match piece {
            Piece::Text(fixed) => {
                for c in fixed.chars().filter(|c| !c.is_whitespace()) {
                    rest = rest.strip_prefix(c.to_ascii_lowercase())?;
                }
            }
            Piece::Operand(n) => {
                let n = usize::from(*n);
                let (value, behind) = operand(info.operands.get(n)?, rest)?;
                let (place, known) = (insn.v.get_mut(n)?, known.get_mut(n)?);
                // One that is both read and written stands there twice.
                if *known && *place != value {
                    return None;
                }
                (*place, *known, rest) = (value, true, behind);
            }
        }
    }
    rest.is_empty().then_some(insn)
}

/// An operand at the beginning of a text: its value, and what is behind.
fn operand<'a>(operand: &OperandInfo, text: &'a str) -> Option<(i32, &'a str)> {
    if operand.new {
        return None;
    }
    match operand.class {
        OperandClass::Gpr => general(text),
        OperandClass::GprPair => {
            let (high, rest) = general(text)?;
            let (low, rest) = number(rest.strip_prefix(':')?)?;
            (low & 1 == 0 && high == low + 1).then_some((low, rest))
        }
        OperandClass::Ctrl => crate::regnames::read_control(text),
        OperandClass::Pred => numbered(text, 'p', 4),
        OperandClass::Vec => numbered(text, 'v', 32),
        OperandClass::Imm => {
            // The mark may belong to the fixed text; `##` asks for a constant extender, which is this program's to decide.
            let text = text.trim_start_matches('#');
            match text.strip_prefix('-') {
                Some(text) => number(text).map(|(n, rest)| (n.wrapping_neg(), rest)),
                None => number(text),
            }
        }
        _ => None,
    }
}

/// A general register by number or by what it is for.
fn general(text: &str) -> Option<(i32, &str)> {
    let named = [("sp", 29), ("fp", 30), ("lr", 31)];
    let found = named
        .iter()
        .find_map(|(name, n)| Some((*n, text.strip_prefix(name)?)));
    found.or_else(|| numbered(text, 'r', 32))
}

/// A letter and a number below `count`.
fn numbered(text: &str, letter: char, count: i32) -> Option<(i32, &str)> {
    let (n, rest) = number(text.strip_prefix(letter)?)?;
    (n < count).then_some((n, rest))
}

/// A number, decimal or hexadecimal.
fn number(text: &str) -> Option<(i32, &str)> {
    let (digits, base) = match text.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (text, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let n = u32::from_str_radix(digits, base).ok()?;
    Some((n as i32, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::Feature;
    use crate::{Arch, EndLoop, assemble_packet, decode_packet};

    fn is_hmx(info: &InsnInfo) -> bool {
        info.feature == Some(Feature::Hmx)
    }

    fn words(lines: &[&str]) -> Vec<u32> {
        let insns: Vec<Insn> = lines
            .iter()
            .map(|line| Insn::parse(line, |_| true).unwrap_or_else(|| panic!("{line}")))
            .collect();
        assemble_packet(&insns, EndLoop::None, false).unwrap()
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let mut seen = 0;
        for op in Opcode::all().filter(|op| is_hmx(op.info())) {
            let mut insn = Insn::new(op);
            for (n, _) in op.info().operands.iter().enumerate() {
                insn.v[n] = 3 + 7 * n as i32;
            }
            let text = insn.print(0);
            let again = Insn::parse(&text, is_hmx).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((again.op, again.v), (op, insn.v), "{text}");
            seen += 1;
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn blanks_and_names_do_not_matter() {
        // Words by llvm-mc, which knows the scalar ones.
        assert_eq!(words(&["r0=add( R1 ,#-2)"]), [0xbfe1_ffc0]);
        assert_eq!(words(&["p0 = cmp.eq(r1,#0)"]), [0x7501_c000]);
        assert_eq!(words(&["r1 = pktcounthi"]), [0x6a13_c001]);
        assert_eq!(words(&["sa0 = r3"]), [0x6223_c000]);
        // Which it does not know.
        assert_eq!(words(&["r1 = c23"]), [0x6a17_c001]);
        assert_eq!(words(&["r1 = upmucnt3"]), [0x6a17_c001]);
        let loads = words(&[" activation.hf = mxmem(r2, r0):deep", "weight.hf = mxmem(fp,lr)"]);
        let packet = decode_packet(&loads, Arch::V73).unwrap();
        assert_eq!(packet.insns().len(), 2);
        assert!(
            packet.print(0).contains("weight.hf = mxmem(r30,r31)"),
            "{}",
            packet.print(0)
        );
    }

    #[test]
    fn other_text_is_none() {
        for text in [
            "",
            "mxclracc.hfx",
            "activation.hf = mxmem(r2)",
            "activation.hf = mxmem(r32,r0)",
            "activation.hf = mxmem(r2,r99999999999)",
            "jump #0",
            "{",
        ] {
            assert!(Insn::parse(text, is_hmx).is_none(), "{text}");
        }
    }
}
