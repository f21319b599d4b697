//! An instruction's bits.

use super::Run;

/// The bits of one operand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// The letter that marks them.
    pub letter: char,
    /// Where they are, most significant run first.
    pub runs: Vec<Run>,
    /// How many there are.
    pub width: u8,
}

/// The bits of an instruction word, or of a half of a duplex.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// 32 or 13.
    pub width: u8,
    /// Bits that are fixed.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Bits that the hardware ignores.
    pub dont_care: u32,
    /// The operands' bits, parallel to [`super::Entry::operands`].
    pub fields: Vec<Field>,
}

/// Reads the bit pattern. The fields come in order of their highest bit.
pub(super) fn read(text: &str) -> Result<Encoding, String> {
    let bits: Vec<char> = text.chars().filter(|c| *c != '_').collect();
    let width = match bits.len() {
        n @ (32 | 13) => n as u8,
        n => {
            return Err(format!(
                "the encoding has {n} bits; it must have 32, or 13 for a half of a duplex"
            ));
        }
    };
    let mut e = Encoding {
        width,
        ..Encoding::default()
    };
    for (i, c) in bits.iter().enumerate() {
        let bit = width - 1 - i as u8;
        match c {
            '0' | '1' => {
                e.mask |= 1 << bit;
                e.value |= u32::from(*c == '1') << bit;
            }
            '-' => e.dont_care |= 1 << bit,
            'P' if width == 32 && (bit == 15 || bit == 14) => {}
            c if c.is_ascii_alphabetic() && *c != 'P' => add(&mut e.fields, *c, bit),
            c => {
                return Err(format!(
                    "`{c}` at bit {bit} of the encoding is not one of 0 1 - P or an operand's letter"
                ));
            }
        }
    }
    if width == 32 && (bits.get(16), bits.get(17)) != (Some(&'P'), Some(&'P')) {
        return Err("bits 15:14 of the encoding must be PP, the parse bits".into());
    }
    for field in &mut e.fields {
        let mut to = field.width;
        for run in &mut field.runs {
            to -= run.width;
            run.to = to;
        }
    }
    Ok(e)
}

/// Appends `bit`, which is lower than all before it, to the field `letter`.
fn add(fields: &mut Vec<Field>, letter: char, bit: u8) {
    let at = fields.iter().position(|f| f.letter == letter).unwrap_or_else(|| {
        fields.push(Field {
            letter,
            ..Field::default()
        });
        fields.len() - 1
    });
    let field = &mut fields[at];
    field.width += 1;
    match field.runs.last_mut() {
        Some(run) if run.lsb == bit + 1 => {
            run.lsb = bit;
            run.width += 1;
        }
        _ => field.runs.push(Run {
            lsb: bit,
            width: 1,
            to: 0,
        }),
    }
}
