//! Which slot each instruction of a packet executes in.
//!
//! Slots are not encoded. The words stand in order of decreasing slots, each taking the highest that it can. Of the
//! memory instructions the last takes slot 0, the one before it slot 1. Source: Hexagon PRM, "Instruction packets".

use crate::info::{Flags, InsnClass};
use crate::{DecodeError, Insn};

/// Sets `slot` of each instruction. With `duplex` the last two are the halves of a duplex: slots 1 and 0.
pub(crate) fn assign(insns: &mut [Insn], duplex: bool) -> Result<(), DecodeError> {
    let mut allowed = [0u8; 4];
    let all = insns.iter().fold(Flags(0), |f, i| f | i.info().flags);
    for (mask, insn) in allowed.iter_mut().zip(insns.iter()) {
        let info = insn.info();
        *mask = info.slots;
        if all.any(Flags::NO_SLOT1_STORE) && info.store.is_some() {
            *mask &= !2;
        }
        if all.any(Flags::SLOT1_ALU)
            && !info.flags.any(Flags::SLOT1_ALU)
            && !matches!(
                info.class,
                InsnClass::ALU32_2op | InsnClass::ALU32_3op | InsnClass::ALU32_ADDI
            )
        {
            *mask &= !2;
        }
    }
    let Some(allowed) = allowed.get(..insns.len()) else {
        return Err(DecodeError::TooMany);
    };
    if let (true, [first @ .., high, low]) = (duplex, &mut *insns) {
        let allowed = allowed
            .split_last_chunk::<2>()
            .map(|(a, _)| a)
            .unwrap_or_default();
        let taken = 0b11;
        let chosen = descending(allowed, 2)
            .or_else(|| any_order(allowed, taken))
            .ok_or(DecodeError::Slots)?;
        for (insn, slot) in first.iter_mut().zip(chosen) {
            insn.slot = slot;
        }
        (high.slot, low.slot) = (1, 0);
        return Ok(());
    }
    let chosen = descending(allowed, 0)
        .or_else(|| any_order(allowed, 0))
        .ok_or(DecodeError::Slots)?;
    for (insn, slot) in insns.iter_mut().zip(chosen) {
        insn.slot = slot;
    }
    // Slot numbers of memory instructions say which commits first; they move down where they can.
    for slot in 0..2 {
        let taken = insns.iter().any(|i| i.slot == slot);
        let last = insns
            .iter_mut()
            .rev()
            .filter(|i| i.info().is_memory())
            .nth(usize::from(slot));
        if let Some(insn) = last
            && !taken
            && insn.info().slots & 1 << slot != 0
            && insn.slot > slot
        {
            insn.slot = slot;
        }
    }
    Ok(())
}

/// Each instruction takes the highest slot that is below its predecessor's, down to `lowest`.
fn descending(allowed: &[u8], lowest: u8) -> Option<[u8; 4]> {
    let mut chosen = [0; 4];
    let mut above = 4;
    for (c, mask) in chosen.iter_mut().zip(allowed) {
        *c = (lowest..above).rev().find(|s| mask & 1 << s != 0)?;
        above = *c;
    }
    Some(chosen)
}

/// Any one-to-one choice; `used` are the slots that earlier instructions took.
fn any_order(allowed: &[u8], used: u8) -> Option<[u8; 4]> {
    let Some((mask, rest)) = allowed.split_first() else {
        return Some([0; 4]);
    };
    (0..4u8)
        .rev()
        .filter(|s| mask & !used & 1 << s != 0)
        .find_map(|s| {
            let [a, b, c, _] = any_order(rest, used | 1 << s)?;
            Some([s, a, b, c])
        })
}
