//! Characters to tokens.

use super::{Error, Pos};

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Name or keyword.
    Ident(String),
    /// Integer literal, decimal or `0x…`; underscores allowed.
    Int(i128),
    /// Operator or punctuation.
    Sym(&'static str),
    /// End of the text.
    End,
}

/// Longest first, so that a prefix never hides a longer operator.
const SYMBOLS: [&str; 42] = [
    "<<=", ">>=", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "|=", "&=", "^=", "..", "+",
    "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=", "?", ":", ";", ",", "(", ")", "[", "]", "{",
    "}", ".", "#", "@",
];

/// Splits `text`, which begins at `pos` of its file.
pub fn lex(text: &str, pos: &Pos) -> Result<Vec<(Token, u32)>, Error> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    // Lines below the first are packed into the upper half of a column; `Pos::error` unpacks them.
    let (mut line, mut line_start, mut base) = (0u32, 0usize, pos.col);
    while at < bytes.len() {
        let col = line << 16 | (base + (at - line_start) as u32) & 0xffff;
        let c = bytes[at];
        if c == b'\n' {
            at += 1;
            (line, line_start, base) = (line + 1, at, 1);
        } else if c.is_ascii_whitespace() {
            at += 1;
        } else if c.is_ascii_digit() {
            let end = at
                + bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
            let word = text[at..end].replace('_', "");
            let value = match word.strip_prefix("0x") {
                Some(hex) => i128::from_str_radix(hex, 16),
                None => word.parse(),
            };
            let value = value.map_err(|_| pos.error(col, format!("`{word}` is not a number")))?;
            out.push((Token::Int(value), col));
            at = end;
        } else if c.is_ascii_alphabetic() || c == b'_' {
            let end = at
                + bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
            out.push((Token::Ident(text[at..end].to_string()), col));
            at = end;
        } else if let Some(sym) = SYMBOLS
            .iter()
            .find(|s| text.get(at..).is_some_and(|t| t.starts_with(**s)))
        {
            out.push((Token::Sym(sym), col));
            at += sym.len();
        } else {
            let c = text.get(at..).and_then(|t| t.chars().next()).unwrap_or('?');
            return Err(pos.error(col, format!("unexpected character `{c}`")));
        }
    }
    out.push((
        Token::End,
        line << 16 | (base + (at - line_start) as u32) & 0xffff,
    ));
    Ok(out)
}
