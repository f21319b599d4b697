//! From one word, or half of a duplex, to one instruction.

use crate::info::{self, Numbering, OperandClass, OperandInfo, Tree};
use crate::{Arch, DecodeError, Insn, Opcode};

/// The tables for the low and the high half of a duplex.
pub(crate) fn duplex_tables(word: u32) -> Option<(&'static Tree, &'static Tree)> {
    use info::{SUB_A as A, SUB_L1 as L1, SUB_L2 as L2, SUB_S1 as S1, SUB_S2 as S2};
    Some(match (word >> 28 & 0xe) | (word >> 13 & 1) {
        0x0 => (&L1, &L1),
        0x1 => (&L2, &L1),
        0x2 => (&L2, &L2),
        0x3 => (&A, &A),
        0x4 => (&L1, &A),
        0x5 => (&L2, &A),
        0x6 => (&S1, &A),
        0x7 => (&S2, &A),
        0x8 => (&S1, &L1),
        0x9 => (&S1, &L2),
        0xa => (&S1, &S1),
        0xb => (&S2, &S1),
        0xc => (&S2, &L1),
        0xd => (&S2, &L2),
        0xe => (&S2, &S2),
        _ => return None,
    })
}

/// Decodes `bits` with the table `tree`. `ext` are the upper 26 bits of a constant extender in front.
pub(crate) fn decode(
    tree: &Tree,
    bits: u32,
    ext: Option<u32>,
    word: u8,
    arch: Arch,
) -> Result<Insn, DecodeError> {
    let mut op = tree.find(bits).ok_or(DecodeError::Unknown { word, bits })?;
    let mut info = op.info();
    if let (Some(extended), Some(_)) = (info.extended, ext) {
        op = extended;
        info = op.info();
    }
    check_core(op, arch)?;
    match (info.ext, ext) {
        (None, Some(_)) => return Err(DecodeError::NotExtendable(op)),
        (Some(info::Ext { must: true, .. }), None) => return Err(DecodeError::ExtenderMissing(op)),
        _ => {}
    }
    let mut insn = Insn::new(op);
    insn.extended = ext.is_some();
    for (i, (operand, v)) in info.operands.iter().zip(&mut insn.v).enumerate() {
        let field = field(operand, bits);
        let ext = ext.filter(|_| info.ext.is_some_and(|x| usize::from(x.operand) == i));
        *v = value(operand, field, ext, arch).ok_or(DecodeError::BadRegister {
            op,
            operand: operand.name,
            value: field,
        })?;
    }
    Ok(insn)
}

/// The instruction exists on `arch`.
fn check_core(op: Opcode, arch: Arch) -> Result<(), DecodeError> {
    let info = op.info();
    if info.arch > arch {
        return Err(DecodeError::NotOnThisCore {
            op,
            needs: info.arch,
            arch,
        });
    }
    if info.feature.is_some_and(|f| !arch.has(f)) {
        return Err(DecodeError::NoExtension { op, arch });
    }
    Ok(())
}

/// Collects the operand's bits.
fn field(operand: &OperandInfo, bits: u32) -> u32 {
    operand
        .runs
        .iter()
        .fold(0, |f, r| f | (bits >> r.lsb & !(u32::MAX << r.width)) << r.to)
}

/// The operand's value; `None` if the field names no register.
fn value(operand: &OperandInfo, field: u32, ext: Option<u32>, arch: Arch) -> Option<i32> {
    let value = match operand.class {
        OperandClass::Imm | OperandClass::PcRel => match ext {
            Some(upper) => upper | (field & 0x3f),
            None if operand.signed => {
                let unused = 32 - u32::from(operand.width);
                ((field << unused) as i32 >> unused << operand.scale) as u32
            }
            None => field << operand.scale,
        },
        OperandClass::GprPair if operand.numbering == Numbering::Pair8 => (field & 3) * 2 + (field & 4) * 4,
        OperandClass::GprPair => field & !1,
        OperandClass::Gpr if operand.numbering == Numbering::Sub16 => (field & 7) + (field & 8) * 2,
        OperandClass::VecQuad => field & !3,
        OperandClass::VecPair if field & 1 == 1 && arch < Arch::V67 => return None,
        OperandClass::CtrlPair | OperandClass::GuestPair if field & 1 == 1 => return None,
        OperandClass::Sys if field > 80 => return None,
        OperandClass::SysPair if field > 79 => return None,
        OperandClass::SysPair => field & !1,
        _ => field,
    };
    Some(value as i32)
}
