//! Sums of four products of bytes, as `vrmpy` makes them for every word: hosts have instructions for these, which no compiler
//! finds in the plain text. Only the generated Rust text uses this; the meaning as data stays as it was written.

use super::ir::{Binary, Expr, Kind, Stmt, Type};

/// Four bytes that are multiplied.
#[derive(Debug, PartialEq)]
pub enum Bytes<'a> {
    /// Those of the lane's word of a vector operand.
    Lane(usize),
    /// Those of a word that is the same for all lanes.
    Same(&'a Expr),
}

/// `acc + a[0]*b[0] + a[1]*b[1] + a[2]*b[2] + a[3]*b[3]`, bytes, for every word of a vector.
#[derive(Debug, PartialEq)]
pub struct Dot<'a> {
    /// The operand that is written.
    pub to: usize,
    /// It is added to what the operand has.
    pub accumulates: bool,
    /// The factors and whether they are signed.
    pub factors: [(Bytes<'a>, bool); 2],
}

/// Recognises the body of a loop over lanes.
pub fn dot(count: u32, body: &[Stmt]) -> Option<Dot<'_>> {
    let [Stmt::WriteElement(to, index, e)] = body else {
        return None;
    };
    if count != 32 || e.ty.bits() != 32 || !matches!(index.kind, Kind::Lane) {
        return None;
    }
    let mut terms = Vec::new();
    flatten(e, &mut terms);
    let before = terms.len();
    terms.retain(|t| !matches!(&t.kind, Kind::Element(n, i) if n == to && matches!(i.kind, Kind::Lane)));
    let accumulates = terms.len() < before;
    if before - terms.len() > 1 || terms.len() != 4 {
        return None;
    }
    let mut found: Option<[(Bytes<'_>, bool); 2]> = None;
    for (k, t) in (0..).zip(terms) {
        let Kind::Binary(Binary::Mul, a, b) = &t.kind else {
            return None;
        };
        let both = [factor(a, k)?, factor(b, k)?];
        match &found {
            None => found = Some(both),
            Some(f) if *f == both => {}
            Some(_) => return None,
        }
    }
    Some(Dot {
        to: *to,
        accumulates,
        factors: found?,
    })
}

fn flatten<'a>(e: &'a Expr, terms: &mut Vec<&'a Expr>) {
    match &e.kind {
        Kind::Binary(Binary::Add, a, b) => {
            flatten(a, terms);
            flatten(b, terms);
        }
        _ => terms.push(e),
    }
}

/// Byte `k` of what, widened to 32 bits.
fn factor(e: &Expr, k: u32) -> Option<(Bytes<'_>, bool)> {
    let Kind::Cast(byte) = &e.kind else { return None };
    if byte.ty.bits() != 8 || !byte.ty.is_int() {
        return None;
    }
    let signed = byte.ty.signed();
    match &byte.kind {
        Kind::Element(n, i) => (i.stride()? == (4, k)).then_some((Bytes::Lane(*n), signed)),
        Kind::Cast(word) | Kind::Bits(word) => Some((Bytes::Same(same(word, k)?), signed)),
        _ => None,
    }
}

/// The word that is shifted right by `8 * k` bits here.
fn same(e: &Expr, k: u32) -> Option<&Expr> {
    let word = match &e.kind {
        Kind::Binary(Binary::Shr, word, by) if matches!(by.kind, Kind::Const(n) if n == i128::from(8 * k)) => {
            word
        }
        _ if k == 0 => e,
        _ => return None,
    };
    let plain = |e: &Expr| matches!(e.kind, Kind::Operand(_) | Kind::Local(_));
    let inner = match &word.kind {
        Kind::Cast(x) | Kind::Bits(x) => x,
        _ => word,
    };
    (word.ty == Type::U32 && (plain(word) || plain(inner))).then_some(word)
}
