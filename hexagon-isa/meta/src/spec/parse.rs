//! Reads spec files line by line.

use super::attributes::{self, Namespace};
use super::{Entry, Ext, Piece, Place, Short, Spec, encoding, syntax};

/// What is wrong with a spec file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SpecError {
    /// Where.
    pub place: Place,
    /// What, in one sentence.
    pub message: String,
}

/// What `@class` sets for the lines behind it.
struct Section {
    class: String,
    slots: u8,
    namespace: Namespace,
    units: String,
}

/// Reads all `*.isa` files of a folder.
///
/// # Errors
/// The first mistake in a file, or the file that cannot be read.
pub fn load(dir: &std::path::Path) -> Result<Spec, SpecError> {
    let unreadable = |path: &std::path::Path, e: std::io::Error| SpecError {
        place: Place {
            file: path.display().to_string(),
            line: 0,
        },
        message: format!("cannot be read: {e}"),
    };
    let mut files = Vec::new();
    for item in std::fs::read_dir(dir).map_err(|e| unreadable(dir, e))? {
        let path = item.map_err(|e| unreadable(dir, e))?.path();
        if path.extension().is_some_and(|x| x == "isa") {
            let text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
            files.push((path.display().to_string(), text));
        }
    }
    files.sort();
    parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

/// Reads spec files given as (name, text).
///
/// # Errors
/// The first mistake, with file and line.
pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Spec, SpecError> {
    let mut entries: Vec<Entry> = Vec::new();
    for (file, text) in files {
        read_file(file, text, &mut entries)?;
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for pair in entries.windows(2) {
        if let [a, b] = pair
            && a.name == b.name
        {
            let message = format!("{} was already defined at {}", b.name, a.place);
            return Err(SpecError {
                place: b.place.clone(),
                message,
            });
        }
    }
    for e in &entries {
        if let Some(name) = &e.attributes.extended
            && entries.binary_search_by(|x| x.name.as_str().cmp(name)).is_err()
        {
            let message = format!("extended={name}: there is no instruction of that name");
            return Err(SpecError {
                place: e.place.clone(),
                message,
            });
        }
    }
    Ok(Spec { entries })
}

fn read_file(file: &str, text: &str, entries: &mut Vec<Entry>) -> Result<(), SpecError> {
    let mut section: Option<Section> = None;
    let mut lines = (1u32..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let fail = |message: String| SpecError {
            place: Place {
                file: file.to_owned(),
                line: number,
            },
            message,
        };
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with("//") {
            continue;
        }
        if let Some(words) = trimmed.strip_prefix("@class") {
            section = Some(read_section(words).map_err(fail)?);
            continue;
        }
        if let Some(words) = trimmed.strip_prefix("@short") {
            read_short(words, entries).map_err(fail)?;
            continue;
        }
        let Some(section) = &section else {
            return Err(fail("the line stands before the first @class".into()));
        };
        let (head, meaning) = line
            .split_once('{')
            .ok_or_else(|| fail("the meaning in braces is missing at the end of the line".into()))?;
        let column = head.chars().count() as u32 + 2;
        let mut body = String::new();
        let mut depth = 1i32;
        let mut piece = meaning;
        loop {
            let end = piece.char_indices().find(|(_, c)| {
                depth += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                depth == 0
            });
            if let Some((end, _)) = end {
                body.push_str(&piece[..end]);
                if !piece[end + 1..].trim().is_empty() {
                    return Err(fail(format!(
                        "`{}` stands behind the meaning",
                        piece[end + 1..].trim()
                    )));
                }
                break;
            }
            body.push_str(piece);
            body.push('\n');
            piece = lines
                .next()
                .map(|(_, l)| l)
                .ok_or_else(|| fail("the meaning's closing brace is missing".into()))?;
        }
        let place = Place {
            file: file.to_owned(),
            line: number,
        };
        entries.push(read_entry(section, place, head, &body, (number, column)).map_err(fail)?);
    }
    Ok(())
}

fn read_section(words: &str) -> Result<Section, String> {
    let mut words = words.split_whitespace();
    let class = words.next().ok_or("@class needs a name")?.to_owned();
    let mut section = Section {
        class,
        slots: 0,
        namespace: Namespace::Word,
        units: String::new(),
    };
    for word in words {
        match word.split_once('=') {
            Some(("slots", digits)) => {
                for c in digits.chars() {
                    let slot = c
                        .to_digit(4)
                        .ok_or_else(|| format!("`{word}`: slots are 0 to 3"))?;
                    section.slots |= 1 << slot;
                }
            }
            Some(("ns", ns)) => {
                section.namespace = match ns {
                    "A" => Namespace::A,
                    "L1" => Namespace::L1,
                    "L2" => Namespace::L2,
                    "S1" => Namespace::S1,
                    "S2" => Namespace::S2,
                    _ => return Err(format!("`{word}`: the groups are A, L1, L2, S1 and S2")),
                };
            }
            Some(("units", units)) => section.units = units.to_owned(),
            _ => return Err(format!("`{word}` is not known behind @class")),
        }
    }
    if section.slots == 0 {
        return Err("@class needs slots=".into());
    }
    Ok(section)
}

/// `NAME Rx=29[,…] "text"`; the instruction stands further up in the files.
fn read_short(words: &str, entries: &mut [Entry]) -> Result<(), String> {
    let form = "@short needs a name, operand=value pairs and a text in quotes";
    let (head, rest) = words.split_once('"').ok_or(form)?;
    let (text, _) = rest.split_once('"').ok_or(form)?;
    let (name, conditions) = head.trim().split_once(' ').ok_or(form)?;
    let entry = entries
        .iter_mut()
        .find(|e| e.name == name)
        .ok_or_else(|| format!("@short: {name} is not defined above"))?;
    let find = |name: &str| {
        let at = entry.operands.iter().position(|o| o.name == name);
        at.map(|at| at as u8)
            .ok_or_else(|| format!("@short: {} has no operand {name}", entry.name))
    };
    let mut when = Vec::new();
    for condition in conditions.trim().split(',') {
        let (operand, value) = condition.split_once('=').ok_or(form)?;
        when.push((find(operand)?, value.parse().map_err(|_| form)?));
    }
    let read = syntax::read(text)?;
    let mut pieces = Vec::new();
    for piece in read.pieces {
        pieces.push(match piece {
            Piece::Operand(n) => Piece::Operand(find(&read.operands[usize::from(n)].name)?),
            text => text,
        });
    }
    entry.short = Some(Short { when, syntax: pieces });
    Ok(())
}

fn read_entry(
    section: &Section,
    place: Place,
    head: &str,
    meaning: &str,
    meaning_at: (u32, u32),
) -> Result<Entry, String> {
    let (name, rest) = head.split_once('"').ok_or("the syntax in quotes is missing")?;
    let (text, rest) = rest
        .split_once('"')
        .ok_or("the syntax's closing quote is missing")?;
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
        return Err(format!(
            "`{name}` is not a name of letters, digits and underscores"
        ));
    }
    let rest = rest.trim();
    let (bits, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let mut encoding = encoding::read(bits)?;
    if (encoding.width == 13) != (section.namespace != Namespace::Word) {
        return Err(format!("{} bits do not fit the section's ns=", encoding.width));
    }
    let syntax = syntax::read(text)?;
    let (mut attributes, ext) = attributes::read(words)?;

    // The operands' order rules; every letter of the encoding must belong to one of them, with the width it says.
    let mut fields = Vec::new();
    for (operand, (letter, width)) in syntax.operands.iter().zip(&syntax.fields) {
        let at = encoding
            .fields
            .iter()
            .position(|f| f.letter == *letter)
            .ok_or_else(|| {
                format!(
                    "operand {} of the syntax has no bits in the encoding (letter {letter})",
                    operand.name
                )
            })?;
        let field = encoding.fields.swap_remove(at);
        if field.width != *width {
            return Err(format!(
                "operand {} has {} bits in the encoding, {width} in the syntax",
                operand.name, field.width
            ));
        }
        fields.push(field);
    }
    if let Some(f) = encoding.fields.first() {
        return Err(format!(
            "no operand of the syntax belongs to the encoding's letter {}",
            f.letter
        ));
    }
    encoding.fields = fields;
    if let Some((letter, must)) = ext {
        let operand = syntax
            .fields
            .iter()
            .position(|(l, _)| *l == letter)
            .ok_or_else(|| format!("ext({letter}): the instruction has no such immediate"))?;
        attributes.ext = Some(Ext {
            operand: operand as u8,
            must,
        });
    }
    attributes.flags |= attributes::shown(name, &section.class, text);
    Ok(Entry {
        name: name.to_owned(),
        place,
        text: text.to_owned(),
        syntax: syntax.pieces,
        operands: syntax.operands,
        short: None,
        guard: syntax.guard,
        encoding,
        class: section.class.clone(),
        slots: section.slots,
        units: section.units.clone(),
        namespace: section.namespace,
        attributes,
        meaning: meaning.trim().to_owned(),
        meaning_at,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{GuardReg, OperandClass, Piece, Role};
    use super::*;

    const HEAD: &str = "@class LD slots=01\n";

    fn one(line: &str) -> Result<Entry, SpecError> {
        parse([("t.isa", format!("{HEAD}{line}").as_str())]).map(|mut s| s.entries.remove(0))
    }

    #[test]
    fn a_line_gives_operands_fields_and_attributes() {
        let e = one(r#"L2_x "if (!Pt4.new) Rd32 = memh(Rx32++#s4:1)" 1001_1011_010x_xxxx_PP11_1tti_iiid_dddd ld=2 v62 { a { b } }"#)
            .unwrap();
        let names: Vec<&str> = e.operands.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["Pt", "Rd", "Rx", "Ii"]);
        assert_eq!(e.operands[2].role, Role::ReadWrite);
        assert_eq!(
            (e.operands[3].class, e.operands[3].signed, e.operands[3].scale),
            (OperandClass::Imm, true, 1)
        );
        let guard = e.guard.unwrap();
        assert_eq!(
            (guard.reg, guard.sense, guard.new),
            (GuardReg::Operand(0), false, true)
        );
        assert_eq!((e.attributes.load, e.attributes.arch, e.slots), (Some(2), 62, 3));
        assert_eq!(e.encoding.fields[0].runs[0].lsb, 9);
        assert_eq!(e.meaning, "a { b }");
        assert_eq!(e.syntax[0], Piece::Text("if (!".into()));
    }

    #[test]
    fn a_meaning_may_span_lines() {
        let e = one("X \"nop\" 0111_1111_----_----_PP--_----_----_---- {\n a\n b }\n").unwrap();
        assert_eq!(e.meaning, "a\n b");
    }

    #[test]
    fn mistakes_name_file_line_and_reason() {
        for (line, part) in [
            ("X nop 0 { }", "t.isa:2: the syntax in quotes is missing"),
            ("X \"nop\" 0111 { }", "the encoding has 4 bits"),
            (
                "X \"Rd32 = #s3\" 0111_1111_----_----_PP--_----_iiid_dddd",
                "the meaning in braces is missing",
            ),
            (
                "X \"Rd32 = #s4\" 0111_1111_----_----_PP--_----_iiid_dddd { }",
                "Ii has 3 bits in the encoding, 4",
            ),
            (
                "X \"Rd32\" 0111_1111_----_----_PP--_----_iiid_dddd { }",
                "belongs to the encoding's letter i",
            ),
            (
                "X \"nop\" 0111_1111_----_----_PP--_----_----_---- fast { }",
                "`fast` is no attribute",
            ),
            (
                "X \"nop\" 0111_1111_----_----_PP--_----_----_---- {",
                "closing brace is missing",
            ),
        ] {
            let e = one(line).unwrap_err().to_string();
            assert!(e.contains(part), "{e} / {part}");
        }
    }

    #[test]
    fn the_real_files_are_read() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec");
        let spec = load(&dir).unwrap();
        assert!(spec.entries.len() >= 2437, "{}", spec.entries.len());
        assert_eq!(spec.find("A2_add").unwrap().text, "Rd32 = add(Rs32,Rt32)");
    }
}
