//! Packets as text, in the form of `llvm-objdump -d`.
//!
//! The form: one line a word, immediates in hexadecimal, `##` in front of extended ones, the constant extender as a line
//! of its own, the halves of a duplex on one line, branch targets as absolute addresses, `:endloop0` behind the closing
//! brace. The order of a store and a load behind it shows in the order of the lines, so `:mem_noshuf` is not printed.

use crate::info::{OperandClass, OperandInfo, Piece};
use crate::packet::EndLoop;
use crate::{Insn, Packet, regnames};
use std::fmt::{self, Write};

impl Packet {
    /// The packet's text without addresses and words: lines end in `\n` except the last, and continuation lines start with
    /// three spaces. `pc` is the packet's address, to which branch targets are relative.
    #[must_use]
    pub fn print(&self, pc: u32) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.lines(&mut out, pc, |_, _| Ok(()), &|_| None);
        out
    }

    /// The packet as `llvm-objdump -d` shows it: each line with its address, its bytes and the word.
    #[must_use]
    pub fn listing(&self, pc: u32) -> String {
        self.listing_with(pc, &|_| None)
    }

    /// The same with names behind the targets of branches and calls; `name` gives the text for an address.
    #[must_use]
    pub fn listing_with(&self, pc: u32, name: &dyn Fn(u32) -> Option<String>) -> String {
        let mut out = String::new();
        let lead = |out: &mut String, n: usize| {
            let word = self.raw().get(n).copied().unwrap_or(0);
            lead(out, pc.wrapping_add(n as u32 * 4), word)
        };
        let _ = self.lines(&mut out, pc, lead, name);
        out
    }

    /// Writes all lines, each started by `lead`, which gets the number of the line's word.
    fn lines(
        &self,
        out: &mut String,
        pc: u32,
        lead: impl Fn(&mut String, usize) -> fmt::Result,
        name: &dyn Fn(u32) -> Option<String>,
    ) -> fmt::Result {
        let mut insns = self.insns().iter();
        for (n, word) in self.raw().iter().enumerate() {
            if n > 0 {
                out.push('\n');
            }
            lead(out, n)?;
            out.push_str(if n == 0 { " { " } else { "   " });
            match (word >> 14 & 3, word >> 28) {
                (0, _) => {
                    for (half, insn) in insns.by_ref().enumerate() {
                        out.push_str(if half == 0 { "\t" } else { "; \t" });
                        insn.write(out, pc)?;
                    }
                }
                (_, 0) => {
                    out.push_str("\timmext(#");
                    hex(out, i64::from((word >> 2 & 0x3ff_c000 | word & 0x3fff) << 6))?;
                    out.push(')');
                }
                _ => {
                    out.push('\t');
                    if let Some(insn) = insns.next() {
                        insn.write(out, pc)?;
                        if let Some(name) = insn.named_target(pc).and_then(name) {
                            write!(out, " <{name}>")?;
                        }
                    }
                }
            }
        }
        out.push_str(" }");
        out.push_str(match self.endloop {
            EndLoop::None => "",
            EndLoop::Loop0 => "  :endloop0",
            EndLoop::Loop1 => "  :endloop1",
            EndLoop::Both => "  :endloop01",
        });
        Ok(())
    }
}

/// Address, bytes and word in front of a line.
pub(crate) fn lead(out: &mut String, address: u32, word: u32) -> fmt::Result {
    let [a, b, c, d] = word.to_le_bytes();
    write!(out, "{address:8x}:\t{a:02x} {b:02x} {c:02x} {d:02x}\t{word:08x}")
}

impl Insn {
    /// The instruction's text alone. `pc` is the packet's address.
    #[must_use]
    pub fn print(&self, pc: u32) -> String {
        let mut out = String::new();
        let _ = self.write(&mut out, pc);
        out
    }

    /// Where it jumps or calls to, if its encoding says so. (The start of a hardware loop is no target.)
    #[must_use]
    pub fn target(&self, pc: u32) -> Option<u32> {
        let info = self.info();
        let n = info
            .operands
            .iter()
            .position(|o| o.class == OperandClass::PcRel)?;
        let v = *self.v.get(n)?;
        info.is_branch().then(|| pc.wrapping_add(v as u32))
    }

    /// The same, where `llvm-objdump` puts a name behind it: not at the branches that compare a register with 0, which take no
    /// constant extender.
    fn named_target(&self, pc: u32) -> Option<u32> {
        self.info().ext.and_then(|_| self.target(pc))
    }

    fn write(&self, out: &mut impl Write, pc: u32) -> fmt::Result {
        let info = self.info();
        let value = |n: u8| self.v.get(usize::from(n)).copied().unwrap_or(0);
        let short = info.short.and_then(|s| s.first());
        let pieces = match short {
            Some(s) if s.when.iter().all(|(n, v)| value(*n) == *v) => s.pieces,
            _ => info.pieces,
        };
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.write_str(text)?,
                Piece::Operand(n) => {
                    let Some(operand) = info.operands.get(usize::from(*n)) else {
                        continue;
                    };
                    let extended = self.extended && info.ext.is_some_and(|x| x.operand == *n);
                    write_operand(out, operand, value(*n), extended, pc)?;
                }
            }
        }
        Ok(())
    }
}

fn write_operand(
    out: &mut impl Write,
    operand: &OperandInfo,
    v: i32,
    extended: bool,
    pc: u32,
) -> fmt::Result {
    let pair = |out: &mut dyn Write, letter: char| write!(out, "{letter}{}:{}", v + 1, v);
    match operand.class {
        OperandClass::Gpr => write!(out, "r{v}"),
        OperandClass::GprPair => pair(out, 'r'),
        OperandClass::Pred => write!(out, "p{v}"),
        OperandClass::Mod => write!(out, "m{v}"),
        OperandClass::Ctrl => regnames::control(out, v),
        OperandClass::CtrlPair => pair(out, 'c'),
        OperandClass::Guest => regnames::guest(out, v),
        OperandClass::GuestPair => pair(out, 'g'),
        OperandClass::Sys => regnames::system(out, v),
        OperandClass::SysPair => pair(out, 's'),
        OperandClass::Vec if v == Insn::VTMP => out.write_str("vtmp"),
        OperandClass::Vec => write!(out, "v{v}"),
        OperandClass::VecPair => write!(out, "v{}:{v}", v ^ 1),
        OperandClass::VecQuad => write!(out, "v{}:{v}", v + 3),
        OperandClass::VecPred => write!(out, "q{v}"),
        OperandClass::PcRel => write!(out, "{:#x}", pc.wrapping_add(v as u32)),
        OperandClass::Imm => {
            if extended {
                out.write_char('#')?;
            }
            hex(
                out,
                if operand.signed {
                    i64::from(v)
                } else {
                    i64::from(v as u32)
                },
            )
        }
    }
}

fn hex(out: &mut impl Write, v: i64) -> fmt::Result {
    let sign = if v < 0 { "-" } else { "" };
    write!(out, "{sign}{:#x}", v.unsigned_abs())
}
