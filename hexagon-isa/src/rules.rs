//! What makes a packet illegal although each of its instructions is legal.
//!
//! Hardware leaves most of these cases undefined; the emulator refuses them so that nobody depends on what it would do.
//! Source: Hexagon PRM, "Packet constraints" and the notes of single instructions.

use crate::info::{Flags, Guard, GuardReg, Implicit, InsnClass, OperandClass, Role};
use crate::packet::EndLoop;
use crate::{Arch, DecodeError, Insn, Packet};

/// Registers that an instruction writes, as bit masks.
#[derive(Default, Clone, Copy)]
struct Writes {
    general: u32,
    vectors: u32,
    control: u32,
    predicates: u8,
    /// Of `predicates`, those written too late for `.new`.
    late: u8,
}

/// Checks all rules.
pub(crate) fn check(packet: &Packet, arch: Arch) -> Result<(), DecodeError> {
    let insns = packet.insns();
    let mut writes = [Writes::default(); 4];
    for (w, insn) in writes.iter_mut().zip(insns) {
        *w = written(insn)?;
    }
    let Some(writes) = writes.get(..insns.len()) else {
        return Err(DecodeError::TooMany);
    };
    neighbours(insns)?;
    writers(insns, writes)?;
    loop_end(packet, writes)?;
    branches(packet)?;
    for insn in insns {
        new_predicates(insn, writes)?;
        new_value(insn, insns)?;
    }
    matrix_loads(insns)?;
    temporaries(insns, arch)
}

/// Bits of control registers.
mod control {
    pub(super) const SA0: u32 = 1;
    pub(super) const LC0: u32 = 1 << 1;
    pub(super) const SA1: u32 = 1 << 2;
    pub(super) const LC1: u32 = 1 << 3;
    pub(super) const P3_0: u32 = 1 << 4;
    pub(super) const USR: u32 = 1 << 8;
    pub(super) const PC: u32 = 1 << 9;
}

/// The registers that `insn` writes; an instruction that writes one twice is illegal by itself.
fn written(insn: &Insn) -> Result<Writes, DecodeError> {
    let info = insn.info();
    let mut w = Writes::default();
    let twice = DecodeError::TwoWriters(insn.op, insn.op);
    for (operand, v) in info.operands.iter().zip(insn.v) {
        if operand.role == Role::Read {
            continue;
        }
        let bit = 1u32.wrapping_shl(v as u32);
        match operand.class {
            OperandClass::Gpr | OperandClass::GprPair => {
                let bits = if operand.class == OperandClass::Gpr {
                    bit
                } else {
                    bit * 3
                };
                if w.general & bits != 0 {
                    return Err(twice);
                }
                w.general |= bits;
            }
            OperandClass::Vec if info.flags.any(Flags::TMP) => {}
            OperandClass::Vec => {
                if w.vectors & bit != 0 {
                    return Err(twice);
                }
                w.vectors |= bit;
            }
            OperandClass::VecPair if info.flags.any(Flags::TMP) => {}
            OperandClass::VecPair => w.vectors |= 3 << (v & 0x1e),
            OperandClass::VecQuad => w.vectors |= 15 << (v & 0x1c),
            OperandClass::Ctrl => w.control |= bit,
            OperandClass::CtrlPair => w.control |= 3 << (v & 0x1e),
            OperandClass::Pred => w.predicates |= bit as u8,
            _ => {}
        }
    }
    if w.control & control::PC != 0 {
        return Err(DecodeError::ReadOnly(insn.op));
    }
    for reg in info.defs {
        let general = match reg {
            Implicit::R29 => 1 << 29,
            Implicit::R30 => 1 << 30,
            Implicit::R31 => 1 << 31,
            _ => 0,
        };
        if w.general & general != 0 {
            return Err(twice);
        }
        w.general |= general;
        match reg {
            Implicit::P0 => w.predicates |= 1,
            Implicit::P1 => w.predicates |= 2,
            Implicit::P3 => w.predicates |= 8,
            Implicit::SA0 => w.control |= control::SA0,
            Implicit::LC0 => w.control |= control::LC0,
            Implicit::SA1 => w.control |= control::SA1,
            Implicit::LC1 => w.control |= control::LC1,
            _ => {}
        }
    }
    if info.flags.any(Flags::LATE) {
        w.late = w.predicates;
    }
    Ok(w)
}

/// The condition in a form that can be compared: predicate register and sense.
fn condition(insn: &Insn) -> Option<(i32, bool)> {
    let Guard { reg, sense, .. } = insn.info().guard?;
    let reg = match reg {
        GuardReg::Fixed(n) => i32::from(n),
        GuardReg::Operand(n) => *insn.v.get(usize::from(n))?,
    };
    Some((reg, sense))
}

/// Solo instructions and those that accept only ALU neighbours.
fn neighbours(insns: &[Insn]) -> Result<(), DecodeError> {
    for (n, insn) in insns.iter().enumerate() {
        let flags = insn.info().flags;
        if flags.any(Flags::SOLO) && insns.len() > 1 {
            return Err(DecodeError::Solo(insn.op));
        }
        if !flags.any(Flags::SOLO_AX) {
            continue;
        }
        for (_, other) in insns.iter().enumerate().filter(|(m, _)| *m != n) {
            let info = other.info();
            let alu = match info.class {
                InsnClass::ALU32_2op
                | InsnClass::ALU32_3op
                | InsnClass::ALU32_ADDI
                | InsnClass::ALU64
                | InsnClass::S_2op
                | InsnClass::S_3op
                | InsnClass::M => !info.flags.any(Flags::FLOAT),
                InsnClass::SUBINSN => !info.is_memory() && !info.is_branch(),
                _ => false,
            };
            if !alu {
                return Err(DecodeError::Neighbour(insn.op, other.op));
            }
        }
    }
    Ok(())
}

/// Two instructions that write one register.
fn writers(insns: &[Insn], writes: &[Writes]) -> Result<(), DecodeError> {
    let all = || insns.iter().zip(writes);
    for (n, (a, wa)) in all().enumerate() {
        for (b, wb) in all().skip(n + 1) {
            let clash = DecodeError::TwoWriters(a.op, b.op);
            let same = wa.general & wb.general | wa.vectors & wb.vectors | wa.control & wb.control;
            if same != 0 {
                // Different predicates may exclude each other when the packet runs; the same one must.
                match (condition(a), condition(b)) {
                    (Some(a), Some(b)) if a != b => {}
                    _ => return Err(clash),
                }
            }
            // Several compares into one predicate are ANDed, but not with a late one, nor with a transfer to all four.
            if wa.predicates & wb.late != 0 || wb.predicates & wa.late != 0 {
                return Err(clash);
            }
            let transfer = |w: &Writes, other: &Writes, other_insn: &Insn| {
                w.control & control::P3_0 != 0 && other.predicates != 0
                    || w.control & control::USR != 0 && other_insn.info().flags.any(Flags::OVERFLOW)
            };
            if transfer(wa, wb, b) || transfer(wb, wa, a) {
                return Err(clash);
            }
        }
    }
    Ok(())
}

/// At most two branches, and not both in one duplex.
fn branches(packet: &Packet) -> Result<(), DecodeError> {
    let branch = |i: &&Insn| i.info().is_branch();
    let all = packet.insns().iter().filter(branch).count();
    let halves = if packet.duplex {
        packet.insns().iter().rev().take(2).filter(branch).count()
    } else {
        0
    };
    if all > 2 || halves > 1 {
        Err(DecodeError::Branches)
    } else {
        Ok(())
    }
}

/// The packet that ends a loop neither branches nor writes that loop's registers.
fn loop_end(packet: &Packet, writes: &[Writes]) -> Result<(), DecodeError> {
    let registers = match packet.endloop {
        EndLoop::None => return Ok(()),
        EndLoop::Loop0 => control::SA0 | control::LC0,
        EndLoop::Loop1 => control::SA1 | control::LC1,
        EndLoop::Both => control::SA0 | control::LC0 | control::SA1 | control::LC1,
    };
    for (insn, w) in packet.insns().iter().zip(writes) {
        if insn.info().is_branch() || w.control & registers != 0 {
            return Err(DecodeError::InLoopEnd(insn.op));
        }
    }
    Ok(())
}

/// A predicate used as `.new` is written by the packet, in time.
fn new_predicates(insn: &Insn, writes: &[Writes]) -> Result<(), DecodeError> {
    let info = insn.info();
    let mut used = 0u8;
    if let Some(Guard {
        reg: GuardReg::Fixed(n),
        new: true,
        ..
    }) = info.guard
    {
        used |= 1u8.wrapping_shl(n.into());
    }
    for (operand, v) in info.operands.iter().zip(insn.v) {
        if operand.new && operand.class == OperandClass::Pred {
            used |= 1u8.wrapping_shl(v as u32);
        }
    }
    let written = writes.iter().fold(0, |p, w| p | w.predicates);
    let late = writes.iter().fold(0, |p, w| p | w.late);
    match used & (!written | late) {
        0 => Ok(()),
        _ => Err(DecodeError::NoProducer(insn.op)),
    }
}

/// The producer of a new value runs whenever the consumer does, and early enough.
fn new_value(insn: &Insn, insns: &[Insn]) -> Result<(), DecodeError> {
    let Some(producer) = insns.get(usize::from(insn.producer)) else {
        return Ok(());
    };
    let bad = DecodeError::BadProducer(insn.op, producer.op);
    let jump = insn.info().class == InsnClass::NCJ;
    if jump && producer.info().flags.any(Flags::FLOAT) {
        return Err(bad);
    }
    match (condition(producer), condition(insn)) {
        (None, _) => Ok(()),
        (Some(p), Some(c)) if p == c && !jump => Ok(()),
        _ => Err(bad),
    }
}

/// An activation load and a weight load of the matrix unit come together, in this order and both for bytes or both for
/// floating-point numbers. Alone they do nothing on the vendor's simulator.
fn matrix_loads(insns: &[Insn]) -> Result<(), DecodeError> {
    // Which of the two it is, and for which numbers.
    let load = |insn: &Insn| match insn.info().class {
        InsnClass::HMX_ACT => Some((false, false)),
        InsnClass::HMX_ACT_FP => Some((false, true)),
        InsnClass::HMX_WEI => Some((true, false)),
        InsnClass::HMX_WEI_FP => Some((true, true)),
        _ => None,
    };
    let mut loads = insns.iter().filter_map(|i| load(i).map(|l| (i.op, l)));
    match (loads.next(), loads.next(), loads.next()) {
        (None, ..) => Ok(()),
        (Some((_, (false, a))), Some((_, (true, b))), None) if a == b => Ok(()),
        (Some((op, _)), ..) => Err(DecodeError::Unpaired(op)),
    }
}

/// Temporary vectors: at most one from V69 on, and never accumulated.
fn temporaries(insns: &[Insn], arch: Arch) -> Result<(), DecodeError> {
    let mut seen = 0;
    for insn in insns {
        let info = insn.info();
        if info.defs.contains(&Implicit::VTMP) || info.flags.any(Flags::TMP) {
            seen += 1;
            if seen > 1 && arch >= Arch::V69 {
                return Err(DecodeError::Tmp(insn.op));
            }
        }
        if !info.flags.any(Flags::TMP) {
            continue;
        }
        let target = info
            .operands
            .iter()
            .zip(insn.v)
            .find(|(o, _)| o.class == OperandClass::Vec && o.role != Role::Read);
        let accumulates = |other: &Insn| {
            let info = other.info();
            let adds = ["+= ", "|= ", "&= ", "^= "]
                .iter()
                .any(|op| info.syntax.contains(op));
            let mut operands = info.operands.iter().zip(other.v);
            adds && operands.any(|(o, v)| {
                o.class == OperandClass::Vec
                    && o.role == Role::ReadWrite
                    && target.is_some_and(|(_, t)| t == v)
            })
        };
        if insns.iter().any(accumulates) {
            return Err(DecodeError::Tmp(insn.op));
        }
    }
    Ok(())
}
