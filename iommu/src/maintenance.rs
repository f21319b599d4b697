//! TLB maintenance without events.
//!
//! The kernel writes TLBIVA, TLBIASID, TLBSYNC … into what is plain RAM here, and nobody tells us. So each of those
//! words holds a *sentinel* while something that it would invalidate is cached. A word that is no longer the sentinel
//! was written; exchanging it for the sentinel again, atomically and *before* the cached translations are dropped, makes
//! sure that a write is either seen now or the next time. What was written does not matter: any of them drops all of
//! its bank. (The status words TLBSTATUS and sTLBGSTATUS stay zero, so the kernel's sync completes at once; until the
//! next look at the sentinels the DSP may therefore still use the old translation.)
//!
//! A guest that writes the sentinel itself keeps stale translations to its own memory, and harms nobody else.

use crate::RegisterFile;
use crate::registers::{Bank, Global, View};

/// Not a value that Linux writes: syncs write all ones, TLBIASID an ASID of 16 bits, and as the low half of a TLBIVA it
/// would be an address at which no DMA mapping starts.
pub const SENTINEL: u32 = 0x5e47_1e1d;

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

fn take<R: RegisterFile>(regs: &View<'_, R>, offset: u64) -> bool {
    regs.file.read32(offset) != SENTINEL && regs.file.swap32(offset, SENTINEL) != SENTINEL
}

/// Was any global maintenance register written since the last look? Arms them again.
pub(crate) fn take_global<R: RegisterFile>(regs: &View<'_, R>) -> bool {
    // no short circuit: every word must be armed again
    GLOBAL
        .iter()
        .fold(false, |seen, r| take(regs, r.offset(regs.geometry)) | seen)
}

/// The same for one context bank.
pub(crate) fn take_bank<R: RegisterFile>(regs: &View<'_, R>, n: u8) -> bool {
    BANK.iter()
        .fold(false, |seen, r| take(regs, r.offset(regs.geometry, n)) | seen)
}
