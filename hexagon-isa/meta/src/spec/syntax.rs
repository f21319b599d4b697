//! An instruction's assembler text: literal pieces and operands.

use super::{Guard, GuardReg, Numbering, Operand, OperandClass, Role};

/// A piece of the assembler text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Copied as it is.
    Text(String),
    /// The operand with this index.
    Operand(u8),
}

/// What [`read`] finds in a syntax string.
pub(super) struct Syntax {
    pub(super) pieces: Vec<Piece>,
    pub(super) operands: Vec<Operand>,
    /// Encoding letter and width of each operand's field, parallel to `operands`.
    pub(super) fields: Vec<(char, u8)>,
    pub(super) guard: Option<Guard>,
}

/// Cuts `text` into pieces.
pub(super) fn read(text: &str) -> Result<Syntax, String> {
    let mut out = Syntax {
        pieces: Vec::new(),
        operands: Vec::new(),
        fields: Vec::new(),
        guard: None,
    };
    let mut literal = String::new();
    let mut rest = text;
    let mut prev = ' ';
    while let Some(c) = rest.chars().next() {
        let found = if prev.is_ascii_alphanumeric() || prev == '_' {
            None
        } else {
            operand(rest)?
        };
        let Some((len, op, letter, width)) = found else {
            literal.push(c);
            prev = c;
            rest = &rest[c.len_utf8()..];
            continue;
        };
        // The number sign belongs to the text of immediates; branch targets are printed without it.
        if op.class == OperandClass::Imm {
            literal.push('#');
        }
        if !literal.is_empty() {
            out.pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        let at = match out.operands.iter().position(|o| o.name == op.name) {
            Some(at) => at,
            None => {
                out.operands.push(op);
                out.fields.push((letter, width));
                out.operands.len() - 1
            }
        };
        out.pieces.push(Piece::Operand(at as u8));
        rest = &rest[len..];
        prev = '0';
    }
    if !literal.is_empty() {
        out.pieces.push(Piece::Text(literal));
    }
    out.guard = guard(&out.pieces, &out.operands);
    Ok(out)
}

/// The operand at the start of `s`: its length in the text, itself, its encoding letter and field width.
fn operand(s: &str) -> Result<Option<(usize, Operand, char, u8)>, String> {
    let b = s.as_bytes();
    let at = |i: usize| b.get(i).copied().unwrap_or(0);
    if at(0) == b'#' {
        return immediate(s);
    }
    if !at(0).is_ascii_uppercase() || !at(1).is_ascii_lowercase() {
        return Ok(None);
    }
    let letters = b[1..].iter().take_while(|c| **c == at(1)).count();
    let digits = b[1 + letters..].iter().take_while(|c| c.is_ascii_digit()).count();
    if digits == 0 {
        return Ok(None);
    }
    let len = 1 + letters + digits;
    let number: u8 = s[1 + letters..len]
        .parse()
        .map_err(|_| format!("`{}` names no registers", &s[..len]))?;
    let new = s[len..].starts_with(".new");
    let (class, numbering, width) = match (at(0), letters, number) {
        (b'R', 1, 32) => (OperandClass::Gpr, Numbering::Plain, 5),
        (b'R', 1, 16) => (OperandClass::Gpr, Numbering::Sub16, 4),
        (b'R', 1, 8) => (OperandClass::Gpr, Numbering::Plain, 3),
        (b'R', 2, 32) => (OperandClass::GprPair, Numbering::Plain, 5),
        (b'R', 2, 8) => (OperandClass::GprPair, Numbering::Pair8, 3),
        (b'N', 1, 8) if new => (OperandClass::Gpr, Numbering::Distance, 3),
        (b'O', 1, 8) if new => (OperandClass::Vec, Numbering::Distance, 3),
        (b'P', 1, 4) => (OperandClass::Pred, Numbering::Plain, 2),
        (b'M', 1, 2) => (OperandClass::Mod, Numbering::Plain, 1),
        (b'C', 1, 32) => (OperandClass::Ctrl, Numbering::Plain, 5),
        (b'C', 2, 32) => (OperandClass::CtrlPair, Numbering::Plain, 5),
        (b'G', 1, 32) => (OperandClass::Guest, Numbering::Plain, 5),
        (b'G', 2, 32) => (OperandClass::GuestPair, Numbering::Plain, 5),
        (b'S', 1, 128) => (OperandClass::Sys, Numbering::Plain, 7),
        (b'S', 2, 128) => (OperandClass::SysPair, Numbering::Plain, 7),
        (b'V', 1, 32) => (OperandClass::Vec, Numbering::Plain, 5),
        (b'V', 2, 32) => (OperandClass::VecPair, Numbering::Plain, 5),
        (b'V', 4, 32) => (OperandClass::VecQuad, Numbering::Plain, 5),
        (b'Q', 1, 4) => (OperandClass::VecPred, Numbering::Plain, 2),
        _ => return Err(format!("`{}` names no kind of operand", &s[..len])),
    };
    let role = match at(1) {
        b'd' | b'e' => Role::Write,
        b'x' | b'y' => Role::ReadWrite,
        _ => Role::Read,
    };
    let name = s[..1 + letters].to_owned();
    Ok(Some((
        len,
        Operand {
            name,
            class,
            role,
            new,
            signed: false,
            scale: 0,
            numbering,
        },
        char::from(at(1)),
        width,
    )))
}

/// `#s11:1` and its relatives; a number sign with a plain number behind it is literal text.
fn immediate(s: &str) -> Result<Option<(usize, Operand, char, u8)>, String> {
    let b = s.as_bytes();
    let Some(kind) = b.get(1).filter(|c| c.is_ascii_alphabetic()) else {
        return Ok(None);
    };
    let digits = b[2..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut len = 2 + digits;
    let whole = &s[..len];
    let bad = || format!("`{whole}` is no immediate: write #s, #u or #r, the number of bits, and :shift");
    let width: u8 = whole[2..].parse().map_err(|_| bad())?;
    let mut scale = 0;
    if let (Some(b':'), Some(n @ b'0'..=b'9')) = (b.get(len), b.get(len + 1)) {
        scale = n - b'0';
        len += 2;
    }
    let (class, signed) = match kind.to_ascii_lowercase() {
        b's' => (OperandClass::Imm, true),
        b'u' => (OperandClass::Imm, false),
        b'r' => (OperandClass::PcRel, true),
        _ => return Err(bad()),
    };
    let (name, letter) = if kind.is_ascii_lowercase() {
        ("Ii", 'i')
    } else {
        ("II", 'I')
    };
    let op = Operand {
        name: name.to_owned(),
        class,
        role: Role::Read,
        new: false,
        signed,
        scale,
        numbering: Numbering::Plain,
    };
    Ok(Some((len, op, letter, width)))
}

/// The guard that the text starts with, if it does.
fn guard(pieces: &[Piece], operands: &[Operand]) -> Option<Guard> {
    let Some(Piece::Text(first)) = pieces.first() else {
        return None;
    };
    let inner = first.strip_prefix("if (")?;
    let (sense, inner) = match inner.strip_prefix('!') {
        Some(inner) => (false, inner),
        None => (true, inner),
    };
    if let Some(p) = inner.strip_prefix('p') {
        let number = p.bytes().next().filter(u8::is_ascii_digit)? - b'0';
        return Some(Guard {
            reg: GuardReg::Fixed(number),
            sense,
            new: p[1..].starts_with(".new"),
        });
    }
    match pieces.get(1) {
        Some(Piece::Operand(at))
            if inner.is_empty() && operands.get(usize::from(*at))?.class == OperandClass::Pred =>
        {
            Some(Guard {
                reg: GuardReg::Operand(*at),
                sense,
                new: operands.get(usize::from(*at))?.new,
            })
        }
        _ => None,
    }
}
