//! What makes a packet illegal although each of its instructions is legal.
//!
//! Hardware leaves most of these cases undefined; the emulator refuses them so that nobody depends on what it would do.
//! Source: Hexagon PRM, "Packet constraints" and the notes of single instructions.

use crate::info::{Flags, Guard, GuardReg, Implicit, InsnClass, OperandClass, Role};
use crate::packet::EndLoop;
use crate::{Arch, DecodeError, Insn, Packet, RegSet, ir};

/// Registers that an instruction writes.
#[derive(Default, Clone, Copy)]
struct Writes {
    /// All that keep the value.
    kept: RegSet,
    /// Vectors that the packet itself uses (`.tmp`, `.cur`).
    brought: u32,
    /// A transfer to USR, which holds the overflow flag; loops write only its field for their configuration.
    usr: bool,
    /// Of the predicates in `kept`, those whose value is no `.new` value: written late, or by a transfer to C4.
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
    let mut write = |set: RegSet| {
        let twice = w.kept.meets(set);
        w.kept |= set;
        if twice {
            return Err(DecodeError::TwoWriters(insn.op, insn.op));
        }
        Ok(())
    };
    let (mut brought, mut usr) = (0, false);
    for (operand, v) in info.operands.iter().zip(insn.v) {
        if operand.role == Role::Read {
            continue;
        }
        let set = RegSet::operand(operand.class, v);
        usr |= set.ctl & control::USR != 0;
        if info.flags.any(Flags::TMP | Flags::CUR) {
            brought |= set.vec;
        }
        if set.vec == 0 || !info.flags.any(Flags::TMP) {
            write(set)?;
        }
    }
    for reg in info.defs {
        write(RegSet::implicit(*reg))?;
    }
    let effects = ir::effects(insn.op).copied().unwrap_or_default();
    write(RegSet {
        vec: if effects.vectors { u32::MAX } else { 0 },
        z: effects.writes_z,
        ..RegSet::EMPTY
    })?;
    if w.kept.ctl & control::PC != 0 {
        return Err(DecodeError::ReadOnly(insn.op));
    }
    (w.brought, w.usr) = (brought, usr);
    if info.flags.any(Flags::LATE) || w.kept.ctl & control::P3_0 != 0 {
        w.late = w.kept.pred;
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
        for (m, (b, wb)) in all().enumerate().skip(n + 1) {
            let clash = DecodeError::TwoWriters(a.op, b.op);
            // Several compares into one predicate are ANDed, but not with a late one, nor with a transfer to all four.
            if wa.kept.pred & wb.late | wb.kept.pred & wa.late != 0 {
                return Err(clash);
            }
            // Of two such vectors with one name, a reader would not know which is meant.
            let both = |w: &Writes, o: &Writes| {
                let mut same = RegSet { pred: 0, ..w.kept } & o.kept;
                same.vec |= w.brought & o.brought;
                same
            };
            let same = both(wa, wb);
            if !same.is_empty() {
                // Different predicates may exclude each other when the packet runs; the same one must. One that does leaves
                // nothing for a third writer.
                let (Some((reg, sense)), Some(other)) = (condition(a), condition(b)) else {
                    return Err(clash);
                };
                let third = || {
                    let mut others = all().enumerate().filter(|(k, _)| *k != n && *k != m);
                    others.any(|(_, (_, w))| same.meets(both(wa, w)))
                };
                if (reg, sense) == other || (reg, !sense) == other && third() {
                    return Err(clash);
                }
            }
            let transfer = |w: &Writes, other: &Insn| w.usr && other.info().flags.any(Flags::OVERFLOW);
            if transfer(wa, b) || transfer(wb, a) {
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
        if insn.info().is_branch() || w.kept.ctl & registers != 0 {
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
    let written = writes.iter().fold(0, |p, w| p | w.kept.pred);
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
