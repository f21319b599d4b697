//! The hardware lock that guards allocations, and what is left of it when it is RAM.
//!
//! Source: `drivers/hwspinlock/qcom_hwspinlock.c`. A TCSR mutex is a word that holds its owner's number or 0. In hardware a write
//! of an owner's number is refused while another holds the lock, so "write, then read back" is an atomic trial. In the platform
//! the word is RAM without arbitration: the AP's write always succeeds, and the AP takes the lock even while the DSP holds it.
//! So the DSP's side takes it with a compare-exchange from 0 only, never while the AP holds it, and can tell afterwards whether
//! the AP overtook it: then the word no longer has the DSP's number, and only the DSP writes that number.

use crate::words::{Outside, Words};

/// Number of the lock that guards SMEM.
pub const LOCK_NUMBER: u32 = 3;
/// Bytes from one lock to the next in the `qcom,tcsr-mutex` block of 32 locks.
pub const LOCK_STRIDE: u32 = 0x1000;
/// The AP's number as owner (`QCOM_MUTEX_APPS_PROC_ID`).
const OWNER_AP: u32 = 1;

/// The lock around allocations.
pub trait HwLock {
    /// Takes the lock if nobody holds it; tells whether it was taken.
    ///
    /// # Errors
    /// [`Outside`]: the lock's memory is not there.
    fn try_acquire(&self) -> Result<bool, Outside>;
    /// Whether nobody took the lock away since [`Self::try_acquire`].
    ///
    /// # Errors
    /// [`Outside`]
    fn is_held(&self) -> Result<bool, Outside>;
    /// Gives the lock back, unless it was taken away; tells whether it was held until now.
    ///
    /// # Errors
    /// [`Outside`]
    fn release(&self) -> Result<bool, Outside>;
    /// Waits a little before the next trial, after `round` of them have failed. The AP holds the lock for microseconds, unless its
    /// processor is a thread that does not run just now.
    fn relax(&self, round: u32);
}

/// A TCSR mutex in RAM.
#[derive(Debug, Clone)]
pub struct TcsrMutex<W> {
    words: W,
    offset: u32,
    owner: u32,
    wait: fn(u32),
}

impl<W: Words> TcsrMutex<W> {
    /// The lock at `offset` of `words` ([`LOCK_NUMBER`] × [`LOCK_STRIDE`] in the block of locks), taken as host `pid`; its number as
    /// owner is one more (`SMEM_HOST_ID_TO_HWSPINLOCK_ID`).
    #[must_use]
    pub fn new(words: W, offset: u32, pid: u16) -> Self {
        Self {
            words,
            offset,
            owner: u32::from(pid).saturating_add(1).max(OWNER_AP.saturating_add(1)),
            wait: |_| std::hint::spin_loop(),
        }
    }

    /// Waits for the AP with `wait` instead of spinning ([`HwLock::relax`]).
    #[must_use]
    pub fn waiting(mut self, wait: fn(u32)) -> Self {
        self.wait = wait;
        self
    }
}

impl<W: Words> HwLock for TcsrMutex<W> {
    fn try_acquire(&self) -> Result<bool, Outside> {
        // Its own number there: left by a run of this DSP that ended in the middle.
        Ok(self.words.compare_exchange(self.offset, 0, self.owner)? || self.is_held()?)
    }

    fn is_held(&self) -> Result<bool, Outside> {
        Ok(self.words.load(self.offset)? == self.owner)
    }

    fn release(&self) -> Result<bool, Outside> {
        self.words.compare_exchange(self.offset, self.owner, 0)
    }

    fn relax(&self, round: u32) {
        (self.wait)(round);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Image;

    #[test]
    fn the_ap_overtakes_and_is_noticed() {
        let image = Image::new(vec![0; 8]);
        let lock = TcsrMutex::new(&image, 4, 2);
        assert_eq!(lock.try_acquire(), Ok(true));
        assert_eq!((image.load(4), lock.is_held()), (Ok(3), Ok(true)));
        image.store(4, 1).unwrap();
        assert_eq!((lock.is_held(), lock.release()), (Ok(false), Ok(false)));
        assert_eq!((lock.try_acquire(), image.load(4)), (Ok(false), Ok(1)));
        image.store(4, 0).unwrap();
        assert_eq!((lock.is_held(), lock.release()), (Ok(false), Ok(false)));
        assert_eq!(
            (lock.try_acquire(), lock.release(), image.load(4)),
            (Ok(true), Ok(true), Ok(0))
        );
    }

    #[test]
    fn two_dsps_exclude_each_other() {
        let image = Image::new(vec![0; 8]);
        let (a, b) = (TcsrMutex::new(&image, 0, 2), TcsrMutex::new(&image, 0, 5));
        assert_eq!((a.try_acquire(), b.try_acquire()), (Ok(true), Ok(false)));
        assert_eq!(
            (b.release(), a.release(), b.try_acquire()),
            (Ok(false), Ok(true), Ok(true))
        );
    }
}
