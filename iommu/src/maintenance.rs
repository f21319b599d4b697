//! TLB maintenance without events.
//!
//! The kernel writes TLBIVA, TLBIASID, TLBSYNC … into what is plain RAM here, and nobody tells us. So each of those
//! words holds a *mark* while something that it would invalidate is cached. A word that no longer holds the mark was
//! written; exchanging it for a new mark, atomically and *before* the cached translations are dropped, makes sure that
//! a write is either seen now or the next time. What was written does not matter: any of them drops all of its bank.
//! (The status words TLBSTATUS and sTLBGSTATUS stay zero, so the kernel's sync completes at once; until the next look
//! at the marks the DSP may therefore still use the old translation.)
//!
//! Several SMMU values may share one register file (fault reports are one value's only: a platform has one). Whoever
//! sees a write first puts a mark with a new number, so the others see that something was there to see.
//!
//! A mark of the same kind in sGFSRRESTORE, which no driver writes, goes when the machine's reset puts the registers back
//! to their initial values: with it goes what is known of the fault status registers.
//!
//! A guest that writes the mark itself keeps stale translations to its own memory, and harms nobody else.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use crate::RegisterFile;
use crate::registers::{Bank, Global, View};

/// Upper half of a mark; the lower half is its number. Linux writes no such value: syncs write all ones, TLBIASID an ASID
/// of 16 bits, and as the low half of a TLBIVA it would be an address at which no DMA mapping starts.
const MARK: u32 = 0x5e47_0000;

/// Is this word as some SMMU armed it?
pub fn is_mark(word: u32) -> bool {
    word & 0xffff_0000 == MARK
}

const GLOBAL: [Global; 5] = [
    Global::InvalidateAllSecure,
    Global::InvalidateVmid,
    Global::InvalidateAllNonHyp,
    Global::InvalidateAllHyp,
    Global::Sync,
];

const BANK: [Bank; 7] = [
    Bank::InvalidateAddress,
    Bank::InvalidateAddressAllAsids,
    Bank::InvalidateAsid,
    Bank::InvalidateAll,
    Bank::InvalidateLastLevel,
    Bank::InvalidateLastLevelAllAsids,
    Bank::Sync,
];

/// The marks as they were last seen.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    seen: BTreeMap<u64, u32>,
    next: u16,
}

impl Marks {
    pub(crate) fn new() -> Self {
        // two users of one register file should not count alike
        let next = RandomState::new().hash_one(0u8) as u16;
        Self {
            seen: BTreeMap::new(),
            next,
        }
    }

    fn take<R: RegisterFile>(&mut self, regs: &View<'_, R>, offset: u64) -> bool {
        let word = regs.file.read32(offset);
        if self.seen.get(&offset) == Some(&word) {
            return false;
        }
        let mark = if is_mark(word) {
            word
        } else {
            self.next = self.next.wrapping_add(1);
            let mark = MARK | u32::from(self.next);
            regs.file.swap32(offset, mark);
            mark
        };
        self.seen.insert(offset, mark);
        true
    }

    /// Was any global maintenance register written since the last look? Arms them again.
    pub(crate) fn take_global<R: RegisterFile>(&mut self, regs: &View<'_, R>) -> bool {
        // no short circuit: every word must be armed again
        GLOBAL
            .iter()
            .fold(false, |seen, r| self.take(regs, r.offset(regs.geometry)) | seen)
    }

    /// Was any maintenance register of context bank `n` written since the last look? Arms them again.
    pub(crate) fn take_bank<R: RegisterFile>(&mut self, regs: &View<'_, R>, n: u8) -> bool {
        BANK.iter().fold(false, |seen, r| {
            self.take(regs, r.offset(regs.geometry, n)) | seen
        })
    }

    /// Were the registers reset since the last look?
    pub(crate) fn take_reset<R: RegisterFile>(&mut self, regs: &View<'_, R>) -> bool {
        self.take(regs, Global::FaultStatusRestore.offset(regs.geometry))
    }
}
