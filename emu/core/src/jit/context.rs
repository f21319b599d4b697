//! What host code is handed besides the registers, and what it hands back.

use hexagon_isa::state::Status;

/// Entries of [`Context::near`]; a power of two.
pub(super) const NEAR: usize = 1 << 12;

/// A way into host code, found by the low bits of its address.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Near {
    pub pc: u32,
    /// Which of the unit's ways in.
    pub which: u32,
    pub code: u64,
}

impl Near {
    /// No packet is there.
    pub(super) const NOWHERE: Near = Near {
        pc: crate::part::NOWHERE,
        which: 0,
        code: 0,
    };

    /// Where an address stands among the entries.
    pub(super) fn slot(pc: u32) -> usize {
        (pc >> 2) as usize & (NEAR - 1)
    }
}

/// Behind the second argument of host code.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Context {
    /// The page table.
    pub table: u64,
    /// The memory's [window](crate::memory::CodeMemory::window).
    pub window: u64,
    /// The memory, as the interpreter's functions know it.
    pub memory: u64,
    /// What was executed: see [`count`].
    pub count: i64,
    /// The [`NEAR`] ways into other units.
    pub near: u64,
    /// The memory's [guarded window](crate::memory::CodeMemory::guarded_window).
    pub guarded: u64,
    /// The host's stack when the [way in](super::way_in) calls a unit.
    pub stack: u64,
    /// The host instruction whose access was refused.
    pub refused_at: u64,
    /// For builtins that raise flags.
    pub status: Status,
}

/// What a packet adds to [`Context::count`]: packets on top, which start below zero, so that the sign tells when the budget is used
/// up; instructions; instructions on vectors.
pub(super) const fn count(packets: u32, insns: u32, hvx: u32) -> i64 {
    (packets as i64) << PACKETS | (insns as i64) << INSNS | hvx as i64
}

const PACKETS: u32 = 42;
const INSNS: u32 = 20;

/// Packets between two looks at the counter at most: what leaves room in it for what a unit does beyond.
pub(super) const SLICE: u64 = 1 << 17;

/// Packets, instructions and instructions on vectors of a counter that began with this budget.
pub(super) const fn counted(count: i64, budget: u64) -> (u64, u64, u64) {
    let packets = (count >> PACKETS).wrapping_add(budget as i64);
    let insns = count >> INSNS & ((1 << (PACKETS - INSNS)) - 1);
    (packets as u64, insns as u64, (count & ((1 << INSNS) - 1)) as u64)
}

/// What host code returns: where to go on, and in bits from 32 on how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left(pub u64);

impl Left {
    /// The interpreter has the packet.
    pub(super) const INTERPRET: u64 = 1 << 32;
    /// The same, when a called function faulted: what the packet wanted is to be forgotten.
    pub(super) const ABORT: u64 = 1 << 33;
    /// A run may stop here.
    pub(super) const MAY_STOP: u64 = 1 << 34;

    /// The interpreter has it, because the host refused an access.
    pub(super) const REFUSED: u64 = 1 << 35;
    /// The interpreter has it, because the host's float may not be the result, or a flag is left to be raised.
    pub(super) const DISTRUSTED: u64 = 1 << 36;

    pub(super) fn pc(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn is(self, how: u64) -> bool {
        self.0 & how != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_comes_back() {
        let begun = count(0, 0, 0) - (100 << PACKETS);
        let done = begun + 3 * count(1, 4, 2);
        assert!(done < 0);
        assert_eq!(counted(done, 100), (3, 12, 6));
        let all = (0..SLICE).fold(-(SLICE as i64) << PACKETS, |n, _| n + count(1, 4, 4));
        assert!(all >= 0);
        assert_eq!(counted(all, SLICE), (SLICE, 4 * SLICE, 4 * SLICE));
    }
}
