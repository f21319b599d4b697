//! The matrix unit's rows, which no public assembler knows: `spec/hmx.isa` is read here a second time, as text, and every row
//! must decode to its name, print as it is written there, and assemble to the word it came from.

use hexagon_isa::{Arch, DecodeError, assemble_packet, decode_packet};

/// A row as it stands in the file.
struct Row {
    name: &'static str,
    syntax: &'static str,
    /// 32 characters, bit 31 first.
    encoding: String,
}

fn rows() -> Vec<Row> {
    include_str!("../spec/hmx.isa")
        .lines()
        .filter(|l| l.starts_with("M8_"))
        .map(|line| {
            let (name, rest) = line.split_once(' ').expect("a name");
            let mut parts = rest.splitn(3, '"');
            let syntax = parts.nth(1).expect("a syntax");
            let encoding = parts.next().expect("an encoding").split_whitespace().next();
            Row {
                name,
                syntax,
                encoding: encoding.expect("an encoding").replace('_', ""),
            }
        })
        .collect()
}

/// The word with `values` in its operands' fields, named by their letters.
fn word(row: &Row, values: impl Fn(char) -> u32) -> u32 {
    let mut left: Vec<(char, u32)> = Vec::new();
    for c in row.encoding.chars().filter(char::is_ascii_lowercase) {
        match left.iter_mut().find(|(l, _)| *l == c) {
            Some((_, n)) => *n += 1,
            None => left.push((c, 1)),
        }
    }
    row.encoding.chars().fold(0, |word, c| {
        let bit = match c {
            '1' | 'P' => 1,
            'a'..='z' => {
                let n = left.iter_mut().find(|(l, _)| *l == c).expect("a field");
                n.1 -= 1;
                values(c) >> n.1 & 1
            }
            _ => 0,
        };
        word << 1 | bit
    })
}

/// Whether a load is of weights, and whether of floating-point numbers; `None` for what is no such load.
fn load(row: &Row) -> Option<(bool, bool)> {
    let (what, rest) = row.syntax.split_once('.')?;
    let float = rest.starts_with("hf") || rest.starts_with("f8");
    match what {
        "activation" => Some((false, float)),
        "weight" => Some((true, float)),
        _ => None,
    }
}

/// A packet with the row, and where it stands in it: a load of weights needs one of activations, and the other way round.
fn packet_of(row: &Row, rows: &[Row], values: impl Fn(char) -> u32) -> (Vec<u32>, usize) {
    const PARSE: u32 = 3 << 14;
    let word = word(row, values);
    let Some((weights, float)) = load(row) else {
        return (vec![word], 0);
    };
    let other = rows
        .iter()
        .find(|r| load(r) == Some((!weights, float)))
        .expect("a partner");
    let other = self::word(other, |_| 5);
    // The first word of two has other parse bits.
    if weights {
        (vec![other & !PARSE | 1 << 14, word], 1)
    } else {
        (vec![word & !PARSE | 1 << 14, other], 0)
    }
}

#[test]
fn loads_come_in_pairs() {
    let rows = rows();
    let find = |name: &str| rows.iter().find(|r| r.name == name).expect("the row");
    let of = |name: &str, last: bool| {
        let word = word(find(name), |_| 3);
        if last { word } else { word & !(3 << 14) | 1 << 14 }
    };
    let (act, float) = ("M8_mxmem_blk_sm_act_ub", "M8_mxmem_sm_act_hf");
    let (wei, halves) = ("M8_mxmem_wei_b", "M8_mxmem_wei_hf");
    let pair = |a, b| decode_packet(&[of(a, false), of(b, true)], Arch::V73);
    assert!(pair(act, wei).is_ok() && pair(float, halves).is_ok());
    for (a, b) in [(wei, act), (act, halves), (float, wei), (act, act), (wei, wei)] {
        assert!(matches!(pair(a, b), Err(DecodeError::Unpaired(_))), "{a} {b}");
    }
    for alone in [act, wei, float, halves] {
        assert!(matches!(
            decode_packet(&[of(alone, true)], Arch::V73),
            Err(DecodeError::Unpaired(_))
        ));
    }
    // The instruction is younger than V66, and small cores have no such unit.
    for arch in [Arch::V66, Arch::V67T] {
        let word = of("M8_mxclracc", true);
        assert!(decode_packet(&[word], arch).is_err());
    }
}

#[test]
fn every_row_is_written_once() {
    let rows = rows();
    assert_eq!(rows.len(), 147);
    for (k, a) in rows.iter().enumerate() {
        assert_eq!(a.encoding.len(), 32, "{}", a.name);
        for b in &rows[..k] {
            let overlap = a
                .encoding
                .chars()
                .zip(b.encoding.chars())
                .all(|(x, y)| x == y || !"01".contains(x) || !"01".contains(y));
            assert!(!overlap, "{} and {}", a.name, b.name);
        }
    }
}

#[test]
fn every_row_decodes_prints_and_assembles() {
    let rows = rows();
    for row in &rows {
        for n in 0..32u32 {
            // Registers 0 to 31 in each field, different ones at a time.
            let value = |c: char| n.wrapping_mul(u32::from(c as u8 - b'a') * 2 + 1) & 31;
            let (words, at) = packet_of(row, &rows, value);
            let packet = decode_packet(&words, Arch::V79).unwrap_or_else(|e| panic!("{}: {e}", row.name));
            let insn = packet.insns()[at];
            assert_eq!(insn.op.info().name, row.name);
            let again = assemble_packet(packet.insns(), packet.endloop, false).expect("it assembles");
            assert_eq!(again, words, "{}", row.name);

            // Operands such as `Rs32` as registers.
            let mut expected = String::new();
            let mut rest = row.syntax;
            while let Some(at) = rest.find('R') {
                expected += &rest[..at];
                let letter = rest[at + 1..].chars().next().expect("a letter");
                let long = rest[at + 1..].starts_with(&format!("{letter}{letter}32"));
                assert!(!long, "{}: a pair", row.name);
                expected += &format!("r{}", value(letter));
                rest = &rest[at + 4..];
            }
            expected += rest;
            let text = packet.print(0);
            assert!(text.contains(&expected), "{text} has no {expected}");
        }
    }
}
