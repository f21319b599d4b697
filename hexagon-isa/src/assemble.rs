//! From instructions to words: the decoder's inverse.

use crate::info::{Flags, Numbering, OperandClass, OperandInfo, Role};
use crate::packet::{EndLoop, MAX_INSNS};
use crate::{Insn, Opcode, decode};

/// Why an instruction has no encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AsmError {
    /// Fewer values than operands.
    #[error("{op} needs {needs} operands")]
    MissingOperand {
        /// The instruction.
        op: Opcode,
        /// How many it has.
        needs: usize,
    },
    /// The value does not fit the operand.
    #[error("{op}: {operand} cannot be {value}")]
    Range {
        /// The instruction.
        op: Opcode,
        /// The operand.
        operand: &'static str,
        /// The value.
        value: i32,
    },
    /// The producer of a new value is not in front of its consumer, or too far.
    #[error("{0}: its producer is out of reach")]
    Producer(Opcode),
    /// More than four words, no instruction, or a half of a duplex alone.
    #[error("the instructions do not make a packet")]
    Packet,
    /// The two instructions cannot share a word.
    #[error("{0} and {1} make no duplex")]
    Duplex(Opcode, Opcode),
}

/// The words of one instruction: a constant extender if one is needed, and the instruction; both with parse bits 0. Halves of
/// duplexes give their 13 bits.
///
/// The values are those of [`Insn::v`], except that a new-value operand is the raw field: twice the distance to the
/// producer, plus one for the odd half of a pair.
///
/// # Errors
/// A value that the encoding cannot hold.
pub fn assemble(op: Opcode, v: &[i32]) -> Result<(Option<u32>, u32), AsmError> {
    encode(op, v, false)
}

/// `extend`: use an extender even if the immediate would fit without.
fn encode(op: Opcode, v: &[i32], extend: bool) -> Result<(Option<u32>, u32), AsmError> {
    let info = op.info();
    if v.len() < info.operands.len() {
        return Err(AsmError::MissingOperand {
            op,
            needs: info.operands.len(),
        });
    }
    let mut ext = None;
    let mut word = info.value;
    for (i, (operand, &value)) in info.operands.iter().zip(v).enumerate() {
        let extendable = info.ext.filter(|x| usize::from(x.operand) == i);
        let plain = field(operand, value);
        let field = match (extendable, plain) {
            (None, Some(field)) => field,
            (Some(x), Some(field)) if !x.must && !extend => field,
            (Some(_), _) => {
                let value = value as u32;
                ext = Some(value >> 6 & 0x3fff | (value >> 20) << 16);
                value & 0x3f
            }
            (None, None) => {
                return Err(AsmError::Range {
                    op,
                    operand: operand.name,
                    value,
                });
            }
        };
        for run in operand.runs {
            word |= (field >> run.to & !(u32::MAX << run.width)) << run.lsb;
        }
    }
    Ok((ext, word))
}

/// The field for a value, if it has one.
fn field(operand: &OperandInfo, value: i32) -> Option<u32> {
    let bits = u32::from(operand.width);
    let v = value as u32;
    let even = |v: u32| (v & 1 == 0).then_some(v);
    let field = match (operand.class, operand.numbering) {
        (OperandClass::Imm | OperandClass::PcRel, _) => {
            let scaled = if operand.signed {
                (value >> operand.scale) as u32
            } else {
                v >> operand.scale
            };
            let fits = if operand.signed {
                let unused = 32 - bits;
                ((scaled << unused) as i32 >> unused) as u32 == scaled
            } else {
                scaled >> bits == 0
            };
            return (fits && scaled << operand.scale == v).then_some(scaled & !(u32::MAX << bits));
        }
        (_, Numbering::Sub16) => match v {
            0..8 => v,
            16..24 => v - 8,
            _ => return None,
        },
        (_, Numbering::Pair8) => match even(v)? {
            v @ 0..8 => v >> 1,
            v @ 16..24 => ((v - 16) >> 1) + 4,
            _ => return None,
        },
        (
            OperandClass::GprPair | OperandClass::CtrlPair | OperandClass::GuestPair | OperandClass::SysPair,
            _,
        ) => even(v)?,
        (OperandClass::VecQuad, _) => (v & 3 == 0).then_some(v)?,
        _ => v,
    };
    (field >> bits == 0).then_some(field)
}

/// The words of a packet of `insns` (as in [`crate::Packet::insns`]; slots are not looked at). With `duplex` the last two share the
/// last word. New-value operands are encoded through [`Insn::producer`].
///
/// # Errors
/// Values that the encoding cannot hold, or too many words. The packet's rules are the decoder's to check.
pub fn assemble_packet(insns: &[Insn], endloop: EndLoop, duplex: bool) -> Result<Vec<u32>, AsmError> {
    let mut words = Vec::new();
    let (single, pair) = match (duplex, insns.split_last_chunk::<2>()) {
        (true, Some((single, [high, low]))) => (single, Some((high, low))),
        (true, None) => return Err(AsmError::Packet),
        (false, _) => (insns, None),
    };
    for (n, insn) in single.iter().enumerate() {
        if insn.info().width != 32 {
            return Err(AsmError::Packet);
        }
        let mut v = insn.v;
        distance(insns, n, &mut v)?;
        let (ext, word) = encode(insn.op, &v, insn.extended)?;
        words.extend(ext);
        words.push(word);
    }
    if let Some((high, low)) = pair {
        let (ext, word) = duplex_word(high, low)?;
        words.extend(ext);
        words.push(word);
    }
    if words.is_empty() || words.len() > MAX_INSNS {
        return Err(AsmError::Packet);
    }
    let (inner, outer) = match endloop {
        EndLoop::None => (false, false),
        EndLoop::Loop0 => (true, false),
        EndLoop::Loop1 => (false, true),
        EndLoop::Both => (true, true),
    };
    let count = words.len();
    // The marks stand in words that do not end the packet.
    if inner && count < 2 || outer && count < 3 {
        return Err(AsmError::Packet);
    }
    for (n, word) in words.iter_mut().enumerate() {
        *word |= match n {
            n if n + 1 == count => {
                if duplex {
                    0
                } else {
                    3
                }
            }
            0 if inner => 2,
            1 if outer => 2,
            _ => 1,
        } << 14;
    }
    Ok(words)
}

/// The word that holds two halves, with parse bits 0.
fn duplex_word(high: &Insn, low: &Insn) -> Result<(Option<u32>, u32), AsmError> {
    let (ext, upper) = encode(high.op, &high.v, high.extended)?;
    let (none, lower) = encode(low.op, &low.v, false)?;
    let bad = AsmError::Duplex(high.op, low.op);
    if none.is_some() || high.info().width != 13 || low.info().width != 13 {
        return Err(bad);
    }
    for class in 0..15u32 {
        let word = (class >> 1) << 29 | (class & 1) << 13 | upper << 16 | lower;
        let Some((low_table, high_table)) = decode::duplex_tables(word) else {
            continue;
        };
        if low_table.find(lower) == Some(low.op) && high_table.find(upper) == Some(high.op) {
            return Ok((ext, word));
        }
    }
    Err(bad)
}

/// Puts the distance to the producer in place of the register in `v`, the operands of instruction `n`.
fn distance(insns: &[Insn], n: usize, v: &mut [i32]) -> Result<(), AsmError> {
    let Some(insn) = insns.get(n) else {
        return Ok(());
    };
    let operands = insn.info().operands;
    let Some(at) = operands.iter().position(|o| o.numbering == Numbering::Distance) else {
        return Ok(());
    };
    let far = AsmError::Producer(insn.op);
    let (Some(operand), Some(value)) = (operands.get(at), v.get_mut(at)) else {
        return Err(far);
    };
    let p = usize::from(insn.producer);
    let producer = insns.get(p).ok_or(far)?;
    let between = insns.get(p..n).ok_or(far)?;
    let vector = operand.class == OperandClass::Vec;
    let count = between
        .iter()
        .filter(|i| !vector || i.info().flags.any(Flags::HVX))
        .count();
    let mut written = producer.info().operands.iter().zip(producer.v).filter(|(o, _)| {
        o.role != Role::Read && matches!(o.class, OperandClass::Vec | OperandClass::VecPair)
    });
    let odd = match (written.next(), written.next()) {
        (Some((o, first)), None) if vector && o.class == OperandClass::VecPair => first != *value,
        (Some((_, first)), Some(_)) if vector => first == *value,
        _ => false,
    };
    if !(1..4).contains(&count) {
        return Err(far);
    }
    *value = (count as i32) << 1 | i32::from(odd);
    Ok(())
}
