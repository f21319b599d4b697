//! Biases to and from memory; clearing, swapping and shifting accumulators.
//!
//! A bias is 64 bits for each output channel. `mxmem2` moves the lower words of all channels and, 128 bytes behind, the upper
//! ones; `mxmem` only the lower words. The address is Rs without the bits below the block's size, of which the lowest two
//! name the set from V75 on.
//!
//! Fixed and floating-point accumulators are swapped and cleared apart, as the architecture simulator does it; newer versions
//! of the public simulator have one number for both.

use crate::memory::Memory;
use crate::state::hmx::{Cell, HmxState};
use crate::state::{Args, Regs};

/// Bytes of one word for every channel.
const WORDS: usize = 128;

/// Address and set.
fn place(s: &Regs, rs: u32, both: u32) -> (u32, usize) {
    let bytes = WORDS as u32 * (1 + u32::from(both != 0));
    let set = if s.hmx.model.bias_sets { rs & 3 } else { 0 };
    (rs & !(bytes - 1), set as usize)
}

pub(crate) fn mx_bias_load<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    rs: u32,
    both: u32,
) -> Result<(), M::Fault> {
    let permit = s.hmx.begin::<M::Fault>(a.pc)?;
    let (va, set) = place(s, rs, both);
    permit.memory_at::<M::Fault>(va, WORDS * (1 + usize::from(both != 0)))?;
    let mut block = [0; 2 * WORDS];
    let (low, high) = block.split_at_mut(WORDS);
    m.load(va, low)?;
    if both != 0 {
        m.load(va.wrapping_add(WORDS as u32), high)?;
    }
    if a.dry {
        return Ok(());
    }
    let words = |bytes: &[u8]| {
        let (words, _) = bytes.as_chunks::<4>();
        words
            .iter()
            .map(|w| u64::from(u32::from_le_bytes(*w)))
            .collect::<Vec<_>>()
    };
    let (low, high) = (words(low), words(high));
    for ((bias, low), high) in s.hmx.state().bias.row_mut(set).iter_mut().zip(low).zip(high) {
        *bias = low
            | if both != 0 {
                high << 32
            } else {
                *bias & !u64::from(u32::MAX)
            };
    }
    Ok(())
}

pub(crate) fn mx_bias_store<M: Memory>(
    s: &mut Regs,
    m: &M,
    a: &Args,
    rs: u32,
    both: u32,
) -> Result<(), M::Fault> {
    let permit = s.hmx.begin::<M::Fault>(a.pc)?;
    let (va, set) = place(s, rs, both);
    let row = s.hmx.state().bias.row(set);
    let mut block: Vec<u8> = row.iter().flat_map(|b| (*b as u32).to_le_bytes()).collect();
    if both != 0 {
        block.extend(row.iter().flat_map(|b| ((b >> 32) as u32).to_le_bytes()));
    }
    permit.memory_at::<M::Fault>(va, block.len())?;
    if a.dry {
        m.probe_store(va, block.len() as u32)
    } else {
        m.store(va, &block)
    }
}

/// Clears both sets: of the fixed array (0) or the floating-point one (1).
pub(crate) fn mx_clear(s: &mut Regs, _: &Args, float: u32) {
    let state = s.hmx.state();
    if float != 0 {
        state.float.iter_mut().for_each(|set| set.fill(Cell::ZERO));
    } else {
        state.fixed.iter_mut().for_each(|set| set.fill(0));
    }
}

/// Makes the other set the current one.
pub(crate) fn mx_swap(s: &mut Regs, _: &Args, float: u32) {
    let state = s.hmx.state();
    if float != 0 {
        state.float_set ^= 1;
    } else {
        state.fixed_set ^= 1;
    }
}

/// Shifts every fixed accumulator of both sets left by 16.
pub(crate) fn mx_shift16(s: &mut Regs, _: &Args) {
    for set in &mut s.hmx.state().fixed {
        for row in 0..64 {
            set.row_mut(row).iter_mut().for_each(|v| *v <<= 16);
        }
    }
}

/// Ends a conversion that does not retain: clears the current set and goes to the other one.
pub(crate) fn done(state: &mut HmxState, float: bool) {
    if float {
        HmxState::of_mut(&mut state.float, state.float_set).fill(Cell::ZERO);
        state.float_set ^= 1;
    } else {
        HmxState::of_mut(&mut state.fixed, state.fixed_set).fill(0);
        state.fixed_set ^= 1;
    }
}
