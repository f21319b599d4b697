//! A fault status register (FSR, sGFSR): write-1-to-clear on top of plain memory.
//!
//! The kernel's handler reads FAR, FSR, FSYNR0 and CBFRSYNRA (newer kernels in this order, older ones FSR first) and
//! then writes the FSR value *that it read* back, to clear it. In plain memory that write changes nothing, so it cannot
//! be seen. What can be seen, and what is done about it:
//!
//! * The word is not what we last put there: the guest wrote it. Its ones clear bits of ours. This also covers the
//!   driver's reset, which writes all fault bits. What remains set is put back.
//! * The word is what we put there: either nobody looked yet, or the handler wrote it back. Only the outside can tell,
//!   from the interrupt controller or from the time gone by: [`Handled`].
//!
//! A fault that meets an uncleared status sets MULTI and leaves the first fault's address and syndrome alone, as the
//! hardware does. If the handler was just between its read and its write, MULTI survives the write, and the caller is
//! told to interrupt again: the level-triggered line of the hardware would still be active too.

use crate::RegisterFile;

/// What the caller knows about the handler of the interrupt that was last raised for a status register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handled {
    /// It has certainly run, or a new report is worth more than the old one's integrity.
    Yes,
    /// It has not, or nobody knows.
    Unknown,
}

/// Bit 31 of both FSR and sGFSR.
const MULTI: u32 = 1 << 31;
/// FSR.FORMAT, which is no fault and is not cleared by writing ones.
const FORMAT: u32 = 3 << 9;

/// Our side of one status register.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Status {
    /// What we last put there.
    posted: u32,
}

/// What happened to a fault that was to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posting {
    /// Address and syndrome may be written, then the status with [`Status::publish`].
    Free,
    /// Another fault is recorded; MULTI is set now.
    Multiple,
}

impl Status {
    /// Takes the guest's writes into account. `true` if the guest cleared something but faults remain, which is worth
    /// another interrupt.
    pub(crate) fn settle<R: RegisterFile>(&mut self, file: &R, offset: u64, handled: Handled) -> bool {
        let mut partly = false;
        // the guest may write again while we look; a few rounds are plenty for an honest one
        for _ in 0..4 {
            let word = file.read32(offset);
            if word == self.posted {
                break;
            }
            let left = self.posted & !word;
            let left = if left & !FORMAT == 0 {
                0
            } else {
                left | self.posted & FORMAT
            };
            partly = left != 0;
            let raced = file.swap32(offset, left) != word;
            self.posted = left;
            if !raced {
                break;
            }
        }
        if handled == Handled::Yes && self.posted != 0 && !partly {
            self.posted = 0;
            file.write32(offset, 0);
        }
        partly
    }

    /// Is a fault recorded?
    pub(crate) fn pending(self) -> bool {
        self.posted != 0
    }

    /// Makes way for a fault, or notes that there was one more.
    pub(crate) fn post<R: RegisterFile>(&mut self, file: &R, offset: u64, handled: Handled) -> Posting {
        self.settle(file, offset, handled);
        if !self.pending() {
            return Posting::Free;
        }
        let multi = self.posted | MULTI;
        if multi != self.posted {
            let old = file.swap32(offset, multi);
            if old != self.posted {
                // the guest cleared it in this moment; the next look sees the rest
                file.write32(offset, multi & !old);
                self.posted = multi & !old;
                return if self.pending() {
                    Posting::Multiple
                } else {
                    Posting::Free
                };
            }
            self.posted = multi;
        }
        Posting::Multiple
    }

    /// Writes the status, after address and syndrome.
    pub(crate) fn publish<R: RegisterFile>(&mut self, file: &R, offset: u64, value: u32) {
        self.posted = value;
        file.write32(offset, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[derive(Default)]
    struct Word(Cell<u32>);
    impl RegisterFile for Word {
        fn read32(&self, _: u64) -> u32 {
            self.0.get()
        }
        fn write32(&self, _: u64, v: u32) {
            self.0.set(v);
        }
        fn swap32(&self, _: u64, v: u32) -> u32 {
            self.0.replace(v)
        }
    }

    #[test]
    fn the_drivers_reset_leaves_a_clear_status() {
        let (word, mut s) = (Word::default(), Status::default());
        word.0.set(0xc000_01fe); // what arm_smmu_device_reset writes into every FSR
        assert_eq!(s.post(&word, 0, Handled::Unknown), Posting::Free);
        assert_eq!(word.0.get(), 0);
    }

    #[test]
    fn a_second_fault_sets_multi_once() {
        let (word, mut s) = (Word::default(), Status::default());
        assert_eq!(s.post(&word, 0, Handled::Unknown), Posting::Free);
        s.publish(&word, 0, 0x402);
        for _ in 0..2 {
            assert_eq!(s.post(&word, 0, Handled::Unknown), Posting::Multiple);
            assert_eq!(word.0.get(), 0x8000_0402);
        }
    }

    #[test]
    fn a_handler_between_its_read_and_its_write_leaves_multi_and_another_interrupt() {
        let (word, mut s) = (Word::default(), Status::default());
        s.post(&word, 0, Handled::Unknown);
        s.publish(&word, 0, 0x402);
        let seen = word.0.get();
        s.post(&word, 0, Handled::Unknown);
        word.0.set(seen);
        assert!(s.settle(&word, 0, Handled::Unknown));
        assert_eq!(word.0.get(), 0x8000_0400);
        // the second run of the handler writes back what it sees, which only the outside can know
        assert!(!s.settle(&word, 0, Handled::Unknown));
        assert!(s.pending());
        assert!(!s.settle(&word, 0, Handled::Yes));
        assert_eq!((s.pending(), word.0.get()), (false, 0));
    }

    #[test]
    fn a_write_back_is_taken_as_such_only_when_the_handler_has_run() {
        let (word, mut s) = (Word::default(), Status::default());
        s.post(&word, 0, Handled::Unknown);
        s.publish(&word, 0, 0x408);
        word.0.set(word.0.get());
        assert_eq!(s.post(&word, 0, Handled::Yes), Posting::Free);
        assert_eq!(word.0.get(), 0);
    }

    #[test]
    fn clearing_all_bits_clears_the_format_too() {
        let (word, mut s) = (Word::default(), Status::default());
        s.post(&word, 0, Handled::Unknown);
        s.publish(&word, 0, 0x402);
        word.0.set(0x2);
        assert!(!s.settle(&word, 0, Handled::Unknown));
        assert_eq!((s.pending(), word.0.get()), (false, 0));
    }
}
